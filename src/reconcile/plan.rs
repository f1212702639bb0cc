//! From what should be and what is to the ordered actions.
//!
//! All the thinking is here and in what it calls, synchronous and deterministic: the same facts
//! give the same plan, and the plan leaves nothing to decide to who applies it.

use super::compare::POWER;
use super::diff::diff;
use super::gate::{Policy, Prune, gate};
use super::order::steps;
use super::{keeper, second};
use crate::model::{
    Cause, Change, Desired, Effect, Held, Intent, Key, Live, Observed, Plan, Scope, Step,
    Timestamp, Token,
};

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
    let asleep = asleep(&changes, desired, observed, policy);
    let gated = gate(changes, desired, observed, intents, policy);
    let mut steps = match policy.suspended {
        None => steps(&gated.allowed, desired, observed, intents, attempt),
        Some(_) => Vec::new(),
    };
    let is_held = gated.held.iter().any(|held| held.key == Key::Machine);
    if let Some(live) = asleep.filter(|_| is_held) {
        second::wake(&mut steps, desired, live);
    }
    finished(desired, steps, gated.held, policy)
}

/// The machine that is off and should not be, although something else about it may have to wait.
fn asleep<'a>(
    changes: &[Change],
    desired: &Desired,
    observed: &'a Observed,
    policy: &Policy,
) -> Option<&'a Live> {
    let change = changes.iter().find(|change| change.key == Key::Machine)?;
    let is_off = change.fields.iter().any(|field| field.field == POWER);
    let is_told = policy.drift.is_some() && change.cause == Cause::Drifted;
    let is_hidden = observed.gaps.iter().any(|gap| gap.scope != Scope::Guest);
    let may_start = policy.suspended.is_none() && !is_told && !is_hidden;
    let is_meant = is_off && may_start && change.effect() == Effect::Replace;
    keeper::machine(desired, observed).filter(|_| is_meant)
}

/// These steps as a plan, if nobody has to agree to it first.
pub(super) fn finished(
    desired: &Desired,
    steps: Vec<Step>,
    held: Vec<Held>,
    policy: &Policy,
) -> Plan {
    let plan = Plan {
        env: desired.env.clone(),
        revision: desired.revision.clone(),
        steps,
        held,
        awaits: None,
        placed: None,
    };
    agreed(plan, policy)
}

/// A plan that needs a person's agreement and has it not is held as a whole: what is agreed to is
/// what was shown, from its first step to its last.
fn agreed(plan: Plan, policy: &Policy) -> Plan {
    let risk = plan.steps.iter().map(|step| step.risk).max();
    let waits = policy.approve.is_some_and(|least| risk >= Some(least));
    if !waits {
        return plan;
    }
    let fingerprint = plan.fingerprint();
    if policy.approved.as_ref() == Some(&fingerprint) {
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
        placed: None,
    }
}
