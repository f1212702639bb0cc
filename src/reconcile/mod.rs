//! The heart: what to do, and doing it.
//!
//! Pure, in reading order: [`observe`] sorts what was reported, [`diff`] says what differs and why
//! (with [`compare`] field by field and [`keeper`] for several claims), [`gate`] what may not be
//! done, [`order`] which steps it takes, [`plan`] all of that in one call; [`phoenix`] says when a
//! second machine is tried instead, [`second`] in which steps; [`warm`] which machine made ahead is
//! claimed; [`place`] which of several places an environment is given, [`closed`]
//! which of them take nothing new; [`intent`] keeps creations from happening twice, [`queue`] and [`backoff`] say which
//! environment is next.
//!
//! Over ports: [`tick`] is one look at the world (`asking` keeps a host that hangs from delaying it), [`view`] one at an environment (it can only
//! read, and looks up in the [`library`] what it knows already), [`mod@sync`] one whole sync,
//! [`apply`] does a plan by taking each [`step`], [`settle`] repeats it until nothing is left to do,
//! [`runner`] is the loop of `metrom serve`.

mod aim;
pub mod allow;
pub mod apply;
mod asking;
pub mod backoff;
mod belongs;
pub mod closed;
pub mod compare;
mod console;
pub mod diff;
pub mod fight;
pub mod gate;
pub mod intent;
pub mod keeper;
mod ledger;
pub mod library;
pub mod living;
pub mod notes;
pub mod observe;
pub mod onlook;
pub mod order;
pub mod phoenix;
pub mod place;
mod places;
pub mod plan;
pub mod prefer;
pub mod queue;
pub mod remember;
pub mod restore;
pub mod runner;
mod running;
pub mod second;
pub mod settle;
pub mod step;
pub mod sync;
mod target;
pub mod tick;
pub mod view;
pub mod warm;

pub use aim::Aim;
pub use allow::Exodus;
pub use belongs::Belongs;
pub use gate::{DataVolumes, Policy, Prune};
pub use ledger::{ObjectCost, cost_change, cost_of, cost_of_address};
pub use library::Library;
pub use notes::Notes;
pub use observe::Inventories;
pub use onlook::{News, Nobody, Onlooker};
pub use plan::{Attempt, plan};
pub use restore::RestoreError;
pub use runner::{Runner, Wake};
pub use sync::{End, Ports, Reconciler, SyncReport};
pub use tick::Tick;
pub use view::{View, Viewer};
