//! Repositories by git: the one that declares, and those that environments check out.
//!
//! [`git::GitSource`] is the adapter for the ports [`Source`](crate::port::Source) and
//! [`Refs`](crate::port::Refs). It must never write to a repository of the user, never check
//! anything out, and never speak to a server whose key is not pinned. libgit2 blocks, so it lives
//! on blocking threads, and it does not leave this folder: what goes out are our own types.
//!
//! In reading order: [`location`] understands a URL; `access` says who we are and how we know the
//! server, by [`known_hosts`]; `remote` is one conversation; `listing` finds a reference in what a
//! server offers; `mirror` keeps the objects, and `tree` reads the files of a commit from it into a
//! snapshot, within the limits of `gather`. [`folder`] does the same for plain files. [`watch`]
//! wakes when a local repository changes.

mod access;
pub mod folder;
mod gather;
pub mod git;
pub mod known_hosts;
mod listing;
pub mod location;
mod mirror;
mod remote;
mod tree;
pub mod watch;

pub use gather::{Limits, TooMuch};
pub use git::{GitConfig, GitSource, TickRefs};
pub use location::{is_local, redacted};
