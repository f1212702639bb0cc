//! From what should be and what is to the ordered actions.
//!
//! All the thinking is here and in what it calls, synchronous and deterministic: the same facts
//! give the same plan, and the plan leaves nothing to decide to who applies it.

use super::diff::diff;
use super::gate::{Policy, Prune, gate};
use super::order::steps;
use crate::model::{Cause, Desired, Intent, Observed, Plan, Timestamp, Token};

/// What makes one attempt different from the next: its tokens and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub token: Token,
    pub at: Timestamp,
}

/// What is to be done for one environment, and what is held and why.
///
/// **Assumptions.** `intents` were reviewed against the inventory that `observed` comes from.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    intents: &[Intent],
    policy: &Policy,
    attempt: &Attempt,
) -> Plan {
    let mut changes = diff(desired, observed);
    if policy.prune == Prune::Asked {
        for change in &mut changes {
            if matches!(change.cause, Cause::Undeclared | Cause::Expired) {
                change.cause = Cause::Asked;
            }
        }
    }
    let gated = gate(changes, desired, observed, intents, policy);
    Plan {
        env: desired.env.clone(),
        revision: desired.revision.clone(),
        steps: steps(&gated.allowed, desired, observed, intents, attempt),
        held: gated.held,
    }
}
