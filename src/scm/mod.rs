//! Webhooks of SCM servers: whether one is genuine, and which repository it is about. Pure.
//!
//! A webhook is a wake-up and nothing more. Only *which repository* is taken from it, to know whom
//! to wake; whoever wakes looks at the repository itself. So a lost, doubled, reordered or forged
//! one changes nothing but the time of the next look.

mod address;
mod generic;

pub use address::Address;
pub use generic::{BODY_LIMIT, Pushed, SIGNATURE_HEADERS, repository_of, verify};
