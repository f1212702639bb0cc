//! What may be done to an environment: from what the repository says, from what people said, and
//! from how much would go at once. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fight::{Fight, TIMES};
use super::gate::{DataVolumes, Policy, Prune};
use super::observe::Inventories;
use crate::manifest::schema::{Approve, Deletions, Drift, Retain};
use crate::manifest::{Catalog, Rules, Standing};
use crate::model::text::minute;
use crate::model::{Digest, EnvName, Memos, OwnerName, Risk, Timestamp};

/// The environments whose machines are to go, when they are more than may go at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exodus {
    pub envs: BTreeSet<EnvName>,
    /// So many may go without anybody's agreement.
    pub limit: usize,
}

impl Exodus {
    /// Whether so many may go.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.envs.len() <= self.limit
    }

    /// What an agreement names: another environment, and it is another exodus.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.envs)
    }

    /// Why this environment has to stay for now, if it has.
    #[must_use]
    pub fn objection(&self, env: &EnvName) -> Option<String> {
        if self.is_allowed() || !self.envs.contains(env) {
            return None;
        }
        let (count, limit) = (self.envs.len(), self.limit);
        let fingerprint = self.fingerprint();
        Some(format!(
            "{count} environments would be deleted at once, and {limit} may be \
             (`policies.deletions`); `metrom approve --deletions {}` agrees to it",
            fingerprint.short()
        ))
    }
}

/// The environments with a machine that are no longer declared or whose time is up.
///
/// **Assumptions.** A catalog that is not complete gives none: it is not known what is declared.
#[must_use]
pub fn exodus(
    catalog: &Catalog,
    owner: &OwnerName,
    inventories: &Inventories,
    now: Timestamp,
) -> Exodus {
    let mut living = inventories.with_machine(owner);
    // Nobody would miss a warm machine.
    living.retain(|env| !env.is_of_pool());
    let is_to_go = |env: &&EnvName| match catalog.standing(env) {
        Standing::Good => {
            let born = inventories.born(owner, env);
            catalog.end(env, born).is_some_and(|end| end <= now)
        }
        Standing::Absent => catalog.is_complete(),
        Standing::Broken => false,
    };
    Exodus {
        envs: living.iter().filter(is_to_go).cloned().collect(),
        limit: limit(catalog.policies().deletions, living.len()),
    }
}

/// How many of so many may go at once; one always may.
fn limit(deletions: Deletions, living: usize) -> usize {
    let at_most = usize::try_from(deletions.at_most).unwrap_or(usize::MAX);
    let percent = usize::try_from(deletions.percent).unwrap_or(100);
    let share = living.saturating_mul(percent) / 100;
    at_most.min(share).max(1)
}

/// The policy for an environment that is declared.
#[must_use]
pub fn declared(
    catalog: &Catalog,
    rules: &Rules,
    memos: &Memos,
    is_expired: bool,
    now: Timestamp,
) -> Policy {
    let common = common(catalog, memos);
    Policy {
        data_volumes: match is_expired {
            true => kept(rules.retain, memos, now),
            false => DataVolumes::Keep { until: None },
        },
        drift: match rules.drift {
            Drift::Heal => None,
            Drift::Report => Some(reported(memos.drifted.unwrap_or(now))),
        },
        protected: rules.protected.clone(),
        suspended: rules.suspended.clone().or(common.suspended),
        ..common
    }
}

fn reported(since: Timestamp) -> String {
    let since = minute(since);
    format!("drift is told here, not put right (`drift: report`); it is so since {since}")
}

/// Why what others change again and again is left as it is for a while.
#[must_use]
pub fn fight(fight: &Fight) -> String {
    format!(
        "{} was put right {TIMES} times within an hour, and something changes it each time: find \
         out what; it is put right again at {}",
        fight.key,
        minute(fight.pause_ends)
    )
}

/// The policy for an environment that is not declared.
#[must_use]
pub fn undeclared(catalog: &Catalog, memos: &Memos, prune: Prune, now: Timestamp) -> Policy {
    Policy {
        data_volumes: kept(catalog.policies().retain, memos, now),
        prune,
        ..common(catalog, memos)
    }
}

/// The policy for an environment that a person wants to be gone.
#[must_use]
pub fn unwanted(memos: &Memos, data_volumes: DataVolumes) -> Policy {
    Policy {
        data_volumes,
        prune: Prune::Asked,
        protected: memos.protected.clone(),
        suspended: by_person(memos),
        ..Policy::default()
    }
}

fn by_person(memos: &Memos) -> Option<String> {
    let suspended = memos.suspended.as_ref()?;
    Some(format!("it is {suspended}; `metrom resume` ends that"))
}

/// What holds whether it is declared or not.
fn common(catalog: &Catalog, memos: &Memos) -> Policy {
    Policy {
        protected: memos.protected.clone(),
        suspended: by_person(memos),
        approve: match catalog.policies().approve {
            Approve::Nothing => None,
            Approve::Destructive => Some(Risk::Destructive),
            Approve::Disruptive => Some(Risk::Disruptive),
        },
        approved: memos.approved.clone(),
        ..Policy::default()
    }
}

/// How long data is kept that is left behind: counted from when its machine was gone, however long
/// before it should have been.
fn kept(retain: Retain, memos: &Memos, now: Timestamp) -> DataVolumes {
    let span = match retain {
        Retain::Forever => return DataVolumes::Keep { until: None },
        Retain::For(span) => span.duration(),
        Retain::Nothing => Duration::ZERO,
    };
    let ended = memos.ended.unwrap_or(now);
    let until = ended.checked_add(span).unwrap_or(Timestamp::MAX);
    match until <= now {
        true => DataVolumes::Delete,
        false => DataVolumes::Keep { until: Some(until) },
    }
}
