//! The inside of a machine: how it is made reachable, set up, given its sources and its stack, and
//! looked at again.
//!
//! Everything goes over one pinned SSH connection per machine ([`crate::ssh`]). What decides is pure (`checkout`,
//! `compose`, `daemon`, `dotenv`); what acts is a fixed script with arguments, or one program.
//! Nothing is ever formatted, reset or overwritten that may be somebody's work.
//!
//! In reading order: [`NoCloud`] makes the seed for the first boot; [`Guests`] does what the port asks, each action in a file of its own.

mod advice;
mod checkout;
mod compose;
mod configure;
mod container;
mod containers;
mod daemon;
mod data;
mod docker;
mod dotenv;
mod fat;
mod files;
mod guests;
mod observe;
mod operator;
mod project;
mod ready;
mod record;
mod seed;
mod stack;
mod stats;

pub use guests::{Follow, Guests, Logs};
pub use seed::NoCloud;

/// The data volume inside a machine.
pub(crate) const ROOT: &str = "/srv/metrom";

/// Where things lie inside a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The data volume: checkouts, the stack, Docker's volumes.
    pub root: String,
    /// What Metrom wrote down about what it did, on the machine's own disk.
    pub state: String,
    /// The folder of `daemon.json`.
    pub docker_settings: String,
    pub docker_socket: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            root: ROOT.to_owned(),
            state: "/var/lib/metrom".to_owned(),
            docker_settings: "/etc/docker".to_owned(),
            docker_socket: "/run/docker.sock".to_owned(),
        }
    }
}
