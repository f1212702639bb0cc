//! The heart: what to do, and doing it.
//!
//! Pure, in reading order: [`observe`] sorts what was reported, [`diff`] says what differs and why
//! (with [`compare`] field by field and [`keeper`] for several claims), [`gate`] what may not be
//! done, [`order`] which steps it takes, [`plan`] all of that in one call; [`intent`] keeps
//! creations from happening twice.

pub mod compare;
pub mod diff;
pub mod gate;
pub mod intent;
pub mod keeper;
pub mod observe;
pub mod order;
pub mod plan;

pub use gate::{DataVolumes, Policy, Prune};
pub use observe::Inventories;
pub use plan::{Attempt, plan};
