//! The inside of a machine: how it is made reachable, set up, given its sources and its stack, and
//! looked at again.
//!
//! Everything goes over one pinned SSH connection per machine. What decides is pure (`checkout`,
//! `daemon`, `dotenv`, `compose`); what acts is a fixed script with arguments or one program.
//! Nothing is ever formatted, reset or overwritten that may be somebody's work.

mod command;
mod fat;
pub mod identity;
mod output;
mod seed;
mod ssh;

pub use command::{Command, quote};
pub use identity::Identity;
pub use seed::NoCloud;
pub use ssh::{Chunk, Keys, Login, Session, SshError, Terminal};

/// Metrom's own account on a machine.
pub(crate) const LOGIN: &str = "metrom";
/// The data volume inside a machine.
pub(crate) const ROOT: &str = "/srv/metrom";
