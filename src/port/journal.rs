//! Where a running step tells what it is doing.

use std::time::Duration;

/// Receives the output, the progress and the named parts of one step, while it runs.
///
/// **Assumptions.** Calls are cheap and never block. No secret is ever passed.
pub trait Journal: Send + Sync {
    /// One line of output or of narration, without its newline.
    fn line(&self, text: &str);
    /// How far long work has come; `total` is 0 while it is unknown. Units: bytes.
    fn progress(&self, what: &str, done: u64, total: u64);
    /// A named part of the step has ended and took this long: `boot`, `cloud-init`, `upload`.
    fn phase(&self, name: &str, took: Duration);
}

/// Listens to nothing.
pub struct Silent;

impl Journal for Silent {
    fn line(&self, _: &str) {}
    fn progress(&self, _: &str, _: u64, _: u64) {}
    fn phase(&self, _: &str, _: Duration) {}
}
