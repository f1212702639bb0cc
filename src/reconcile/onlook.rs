//! Who watches a run while it goes: the command line with its progress bars, the events of the API.

use std::time::Duration;

use super::tick::Tick;
use crate::model::{EnvName, EventKind, Outcome, Plan, Step, Timestamp};
use crate::port::Store;

/// Something that just happened in a run.
#[derive(Debug)]
pub enum News<'a> {
    /// This is what will be done.
    Planned(&'a Plan),
    Started(&'a Step),
    /// One line of output of a step.
    Line(&'a Step, &'a str),
    /// Long work goes on; `total` is 0 while it is unknown. Units: bytes.
    Progress {
        step: &'a Step,
        what: &'a str,
        done: u64,
        total: u64,
    },
    /// A named part of a step has ended.
    Phase(&'a Step, &'a str, Duration),
    Ended(&'a Step, &'a Outcome),
    /// What is wrong with the source or the files.
    Fault(&'a str),
}

/// Sees news as they happen.
///
/// **Assumptions.** Calls are cheap and never block.
pub trait Onlooker: Send + Sync {
    fn see(&self, env: &EnvName, news: News<'_>);

    /// A look at the world came to this.
    fn look(&self, _tick: &Tick) {}
}

/// Looks away.
pub struct Nobody;

impl Onlooker for Nobody {
    fn see(&self, _: &EnvName, _: News<'_>) {}
}

/// Keeps an event, from where the API reads it. History is not worth a failed run.
pub(super) async fn announce(
    store: &dyn Store,
    at: Timestamp,
    env: Option<&EnvName>,
    kind: EventKind,
) {
    if let Err(error) = store.put_event(at, env, &kind).await {
        tracing::warn!(?env, %error, "an event was not kept");
    }
}
