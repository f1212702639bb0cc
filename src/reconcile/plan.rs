//! From what should be and what is to the ordered actions.
//!
//! All the thinking is here and in what it calls, synchronous and deterministic: the same facts
//! give the same plan, and the plan leaves nothing to decide to who applies it.

use super::diff::diff;
use super::gate::{Policy, Prune, gate};
use super::order::steps;
use crate::model::{Cause, Desired, Held, Intent, Observed, Plan, Timestamp, Token};

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
    let steps = match policy.suspended {
        None => steps(&gated.allowed, desired, observed, intents, attempt),
        Some(_) => Vec::new(),
    };
    let plan = Plan {
        env: desired.env.clone(),
        revision: desired.revision.clone(),
        steps,
        held: gated.held,
        awaits: None,
    };
    agreed(plan, policy)
}

/// A plan that needs a person's agreement and has it not is held as a whole: what is agreed to is
/// what was shown, from its first step to its last.
fn agreed(plan: Plan, policy: &Policy) -> Plan {
    let risk = plan.steps.iter().map(|step| step.risk).max();
    let waits = policy.approve.is_some_and(|least| risk >= Some(least));
    let fingerprint = plan.fingerprint();
    if !waits || policy.approved.as_ref() == Some(&fingerprint) {
        return plan;
    }
    let reason = format!(
        "it waits for an agreement: `metrom approve {} {}`",
        plan.env,
        fingerprint.short()
    );
    let waiting = plan.steps.iter().map(|step| Held {
        key: step.key.clone(),
        what: step.action.to_string(),
        reason: reason.clone(),
    });
    let held = waiting.chain(plan.held).collect();
    Plan {
        env: plan.env,
        revision: plan.revision,
        steps: Vec::new(),
        held,
        awaits: Some(fingerprint),
    }
}
