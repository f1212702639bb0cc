//! Two that fight: what is put right again and again, because something else changes it each time.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{Cause, Key, Plan, Run, RunState, Step, Timestamp};

/// So many times within [`WINDOW`] the same thing is put right; then whoever changes it is let be
/// until the window has passed.
pub const TIMES: usize = 5;

/// Five times an hour is more often than accidents happen, and seldom enough for a look at each.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);

/// More runs than these are not asked for: each puts something right at most once.
pub const RUNS: u32 = 20;

/// Something is changed by others as often as it is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fight {
    pub key: Key,
    /// When it is put right once more.
    pub pause_ends: Timestamp,
}

/// What this plan would put right that was put right too often, if anything; `runs` are the last
/// ones of the environment.
#[must_use]
pub fn fought(plan: &Plan, runs: &[Run], now: Timestamp) -> Option<Fight> {
    let oldest = now.checked_sub(WINDOW).unwrap_or(Timestamp::MIN);
    let recent = runs.iter().filter(|run| run.started > oldest);
    let mut healed: BTreeMap<&Key, Vec<Timestamp>> = BTreeMap::new();
    for run in recent.filter(|run| run.state == RunState::Succeeded) {
        let healing = run.steps.iter().filter(|step| heals(&step.line));
        let keys: BTreeSet<&Key> = healing.map(|step| &step.key).collect();
        for key in keys {
            healed.entry(key).or_default().push(run.started);
        }
    }
    let is_drift = |step: &&Step| step.cause == Cause::Drifted && !step.fields.is_empty();
    plan.steps.iter().filter(is_drift).find_map(|step| {
        let times = healed.get(&step.key).filter(|times| times.len() >= TIMES)?;
        let first = times.iter().min()?;
        let pause_ends = first.checked_add(WINDOW).unwrap_or(Timestamp::MAX);
        let key = step.key.clone();
        Some(Fight { key, pause_ends })
    })
}

/// Whether a recorded line is that of a step against drift; the books keep the words of a step, and
/// these are the words of [`Cause::Drifted`] with its fields.
fn heals(line: &str) -> bool {
    line.contains(&format!("({}:", Cause::Drifted))
}
