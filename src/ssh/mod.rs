//! SSH to machines and hosts: one pinned connection to each, with everything over it.
//!
//! In reading order: [`Command`] is a program to run there; [`Session`] the connection, the only file
//! that speaks `russh`; [`Bastion`](crate::model::Bastion)s are on the way; [`Connections`] keeps what
//! is open; [`Identity`] is the key by which we are known.

mod bastion;
mod command;
mod connections;
mod dial;
pub mod identity;
mod output;
mod session;

pub use command::{Command, quote};
pub use connections::Connections;
pub(crate) use connections::Peer;
pub use identity::Identity;
pub use session::{Chunk, Ended, Keys, Login, Session, SshError, Terminal};

/// Metrom's own account on a machine that it made.
pub(crate) const LOGIN: &str = "metrom";
