//! A new machine instead of a changed one: it is tried beside the first with empty volumes, gets
//! the data when it is well, and the first ends when it is well with the data, too.
//!
//! | the data is with | the second machine | given up | what comes next |
//! |---|---|---|---|
//! | the first | is not there | no | [`Stage::Try`]: it is made |
//! | the first | is not well yet | no | [`Stage::Try`] |
//! | the first | is well | no | [`Stage::HandOver`] |
//! | neither | | no | [`Stage::HandOver`] goes on |
//! | the second | is not well yet | no | [`Stage::Prove`] |
//! | the second | is well | no | the first is a duplicate and ends |
//! | the second, or neither | | yes | [`Stage::Return`] |
//! | the first | | yes | the second is a duplicate and ends |
//!
//! Where the data is decides, and no note of it: after a crash the same table is read again. The
//! memo only says how long an attempt has been going on, and whether it was given up. Pure.

use std::time::Duration;

use super::plan::Attempt;
use super::remember::Writing;
use super::{keeper, second};
use crate::model::text::{mib, minute};
use crate::model::{
    Cause, Change, Desired, Effect, Failure, FieldChange, Held, Intent, Key, Live, Memo, MemoKind,
    Observed, Phoenix, Plan, Scope, Spec, Strategy, Timestamp,
};

/// How long a second machine may take to be well, and again with the data: a first boot and
/// compose take a quarter of an hour each where everything is emulated.
pub const PROOF: Duration = Duration::from_secs(60 * 60);

/// The same declaration is not tried again any sooner after it failed.
pub const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known when it is decided.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    /// What is seen of the second machine alone, while the first has the data.
    pub trial: Option<&'a Observed>,
    pub intents: &'a [Intent],
    pub memo: Option<&'a Phoenix>,
    pub attempt: &'a Attempt,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage<'a> {
    /// Nothing is to be tried.
    Ordinary,
    /// Something would be tried, and may not be now.
    Waits(Change, String),
    /// A second machine is made, or being tried.
    Try(Change, Option<Pair<'a>>),
    HandOver(Pair<'a>),
    /// The second machine has the data, and the first is kept until it is well with them.
    Prove(Pair<'a>),
    /// The first machine gets its data back.
    Return(Pair<'a>),
    /// Both rest, and what was begun goes on when they are awake.
    Sleep(Pair<'a>),
}

/// Both machines, the one that was made first and the one that was made to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    pub old: &'a Live,
    pub new: &'a Live,
    pub seat: Seat,
}

/// Which of the two has the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    Old,
    New,
    Neither,
}

/// Both machines, while there are two because one is to take the place of the other.
#[must_use]
pub fn pair<'a>(desired: &Desired, observed: &'a Observed) -> Option<Pair<'a>> {
    if !is_declared(desired) || is_hidden(desired, observed) || data(desired, observed).is_empty() {
        return None;
    }
    let [old, new] = keeper::machines(desired, observed)[..] else {
        return None;
    };
    let seat = match (
        has_data(old, desired, observed),
        has_data(new, desired, observed),
    ) {
        (true, _) => Seat::Old,
        (false, true) => Seat::New,
        (false, false) => Seat::Neither,
    };
    Some(Pair { old, new, seat })
}

fn is_declared(desired: &Desired) -> bool {
    let update = &desired.update;
    let strategies = [update.machine, update.stack];
    strategies.contains(&Strategy::Phoenix) || update.every.is_some()
}

fn is_hidden(desired: &Desired, observed: &Observed) -> bool {
    let provider = desired.provider.clone().map(Scope::Provider);
    provider.is_none_or(|scope| observed.gap(&scope).is_some())
}

/// The data volumes that are declared; none when one of them is not there.
pub(super) fn data<'a>(desired: &Desired, observed: &'a Observed) -> Vec<&'a Live> {
    let keys = desired.resources.keys();
    let keys = keys.filter(|key| matches!(key, Key::Volume(_)));
    let volumes: Option<Vec<&Live>> = keys
        .map(|key| keeper::volume(desired, observed, key))
        .collect();
    volumes.unwrap_or_default()
}

fn has_data(live: &Live, desired: &Desired, observed: &Observed) -> bool {
    let attached = live.fields.as_machine().map(|machine| &machine.volumes);
    let volumes = data(desired, observed);
    attached.is_some_and(|attached| volumes.iter().any(|volume| attached.contains(&volume.id)))
}

impl<'a> Look<'a> {
    fn now(&self) -> Timestamp {
        self.attempt.at
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage<'a> {
        match pair(self.desired, self.observed) {
            Some(pair) if !self.desired.waking.is_awake => Stage::Sleep(pair),
            Some(pair) => self.of(pair),
            None if self.desired.waking.is_awake => self.alone(),
            None => Stage::Ordinary,
        }
    }

    fn of(&self, pair: Pair<'a>) -> Stage<'a> {
        let is_given_up = self.failure().is_some() || self.is_obsolete(&pair);
        match (pair.seat, is_given_up) {
            (Seat::Old, false) if self.trial.is_some_and(|trial| self.is_proven(trial)) => {
                Stage::HandOver(pair)
            }
            (Seat::Old, false) => Stage::Try(self.change(&pair), Some(pair)),
            (Seat::Neither, false) => Stage::HandOver(pair),
            (Seat::New, false) if self.is_well_with_data(&pair) => Stage::Ordinary,
            (Seat::New, false) => Stage::Prove(pair),
            (Seat::Old, true) if !self.has_stopped(&pair) => Stage::Ordinary,
            (_, true) => Stage::Return(pair),
        }
    }

    /// Why there are two, for the plan to tell.
    fn change(&self, pair: &Pair) -> Change {
        self.wanted(pair.old)
            .unwrap_or_else(|| rebirth(pair.old, Vec::new()))
    }

    /// There is one machine: whether a second is to be made.
    fn alone(&self) -> Stage<'a> {
        let (desired, observed) = (self.desired, self.observed);
        if !is_declared(desired) || is_hidden(desired, observed) {
            return Stage::Ordinary;
        }
        let old = keeper::machine(desired, observed);
        let Some(old) = old.filter(|old| has_data(old, desired, observed)) else {
            return Stage::Ordinary;
        };
        let Some(change) = self.wanted(old) else {
            return Stage::Ordinary;
        };
        match self.hindrance() {
            Some(reason) => Stage::Waits(change, reason),
            None => Stage::Try(change, None),
        }
    }

    /// What only a new machine brings about, as the environment wants such things to be done.
    fn wanted(&self, old: &Live) -> Option<Change> {
        let observed = second::without_other(self.observed, old);
        let changes = super::diff::diff(self.desired, &observed);
        let update = &self.desired.update;
        let mut fields = Vec::new();
        for change in &changes {
            let is_of_machine = change.key == Key::Machine && is_by_declaration(change);
            let is_inside = matches!(change.key, Key::Guest | Key::Checkout(_) | Key::Stack);
            if is_of_machine && update.machine == Strategy::Phoenix {
                fields.extend(change.fields.clone());
            }
            if is_inside && is_declared_anew(change) && update.stack == Strategy::Phoenix {
                fields.push(replaced("stack", "as it was", "as declared"));
            }
        }
        fields.dedup();
        fields.extend(self.age(old));
        (!fields.is_empty()).then(|| rebirth(old, fields))
    }

    fn age(&self, old: &Live) -> Option<FieldChange> {
        let due = due(self.desired, old).filter(|due| *due <= self.now())?;
        Some(replaced(
            "age",
            &format!("due since {}", minute(due)),
            "new",
        ))
    }

    /// Why no second machine may be made now.
    fn hindrance(&self) -> Option<String> {
        if let Some(Failure { at, reason }) = self.failure() {
            let again = at.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
            let is_over = again <= self.now();
            return (!is_over).then(|| {
                format!(
                    "the new machine failed at {}: {reason}; commit what mends it, or wait: it is \
                     tried again at {}",
                    minute(at),
                    minute(again)
                )
            });
        }
        let Spec::Machine(spec) = &self.desired.resources.get(&Key::Machine)?.spec else {
            return None;
        };
        let free = self.observed.free_memory_mib?;
        (free < spec.memory_mib).then(|| {
            format!(
                "{} has {} of memory left and a second machine takes {}; make room, or declare \
                 `update: {{machine: in-place}}`, which ends the machine before the new one is made",
                spec.provider,
                mib(free),
                mib(spec.memory_mib)
            )
        })
    }

    /// The memo, when it is of what is declared now.
    fn memo(&self) -> Option<&'a Phoenix> {
        let fingerprint = self.desired.fingerprint();
        self.memo.filter(|memo| memo.fingerprint == fingerprint)
    }

    /// Why this attempt was given up, or has to be now.
    fn failure(&self) -> Option<Failure> {
        let memo = self.memo()?;
        let end = memo.since.and_then(|since| since.checked_add(PROOF).ok());
        let is_awake = self.desired.waking.is_awake;
        let is_tried = is_awake && pair(self.desired, self.observed).is_some();
        let is_late = is_tried && end.is_some_and(|end| end <= self.now());
        let late = || Failure {
            at: self.now(),
            reason: format!("it was not well within {} minutes", PROOF.as_secs() / 60),
        };
        memo.failed.clone().or_else(|| is_late.then(late))
    }

    /// The second machine was made from what is no longer declared.
    fn is_obsolete(&self, pair: &Pair) -> bool {
        let wanted = self.desired.resources.get(&Key::Machine);
        let made = pair
            .new
            .stamp
            .as_ref()
            .and_then(|stamp| stamp.digest.as_ref());
        wanted.map(|resource| &resource.digest) != made
    }

    fn is_proven(&self, trial: &Observed) -> bool {
        let desired = second::without_data(self.desired);
        is_well(trial) && super::diff::diff(&desired, trial).is_empty()
    }

    fn is_well_with_data(&self, pair: &Pair) -> bool {
        let observed = second::without_other(self.observed, pair.new);
        is_well(&observed) && super::diff::diff(self.desired, &observed).is_empty()
    }

    /// Whether the first machine has its data and still not its services: they were stopped for a
    /// hand-over.
    fn has_stopped(&self, pair: &Pair) -> bool {
        if second::is_off(pair.old) {
            return true;
        }
        let stack = self.observed.live.get(&Key::Stack).and_then(|c| c.first());
        let stack = stack.and_then(|live| live.fields.as_stack());
        let is_heard = self.observed.gap(&Scope::Guest).is_none();
        is_heard
            && stack.is_some_and(|stack| {
                let services = &stack.services;
                !services.is_empty() && !services.iter().any(|s| s.state == "running")
            })
    }

    /// What is to be remembered of this stage.
    #[must_use]
    pub fn writing(&self, stage: &Stage) -> Option<Writing> {
        let put = |since, failed| {
            let fingerprint = self.desired.fingerprint();
            let memo = Phoenix {
                fingerprint,
                since,
                failed,
            };
            Some(Writing::Put(Memo::Phoenix(memo)))
        };
        let memo = self.memo();
        let is_open = memo.is_some_and(|memo| memo.failed.is_none());
        let since = memo.and_then(|memo| memo.since);
        if let Some(failure) = self.failure().filter(|_| is_open) {
            return put(since, Some(failure));
        }
        match stage {
            Stage::Try(_, None) => put(Some(self.now()), None),
            Stage::Try(..) | Stage::Prove(_) if since.is_none() => put(Some(self.now()), None),
            Stage::HandOver(pair) if pair.seat == Seat::Old => put(Some(self.now()), None),
            // While it rests nothing can become well.
            Stage::Sleep(_) if is_open && since.is_some() => put(None, None),
            Stage::Ordinary if self.is_over() => Some(Writing::Drop(MemoKind::Phoenix)),
            Stage::Ordinary
            | Stage::Waits(..)
            | Stage::Try(..)
            | Stage::HandOver(_)
            | Stage::Prove(_)
            | Stage::Return(_)
            | Stage::Sleep(_) => None,
        }
    }

    /// Why the first machine stays as it is meanwhile.
    #[must_use]
    pub fn hold(&self, stage: &Stage) -> Option<String> {
        match stage {
            Stage::Waits(_, reason) => Some(reason.clone()),
            Stage::Try(..) => Some("it waits until a second machine can be made".to_owned()),
            Stage::Ordinary if pair(self.desired, self.observed).is_some() => {
                let failed = self.failure().map(|failure| failure.reason);
                let failed = failed.map(|reason| format!("the new machine failed: {reason}"));
                Some(
                    failed.unwrap_or_else(|| "it waits until the other machine is gone".to_owned()),
                )
            }
            Stage::Ordinary
            | Stage::HandOver(_)
            | Stage::Prove(_)
            | Stage::Return(_)
            | Stage::Sleep(_) => None,
        }
    }

    /// What is remembered of an attempt that is under way; for whoever sees it fail for good.
    #[must_use]
    pub fn trying(&self, stage: &Stage) -> Option<Phoenix> {
        let is_trying = matches!(stage, Stage::Try(..) | Stage::HandOver(_) | Stage::Prove(_));
        is_trying.then(|| Phoenix {
            fingerprint: self.desired.fingerprint(),
            since: self.memo().and_then(|memo| memo.since),
            failed: None,
        })
    }

    /// Whether there is nothing left of an attempt but its memo.
    fn is_over(&self) -> bool {
        let is_two = keeper::machines(self.desired, self.observed).len() > 1;
        let is_seen = !is_hidden(self.desired, self.observed);
        self.memo.is_some() && is_seen && !is_two && self.desired.waking.is_awake
    }

    /// The instant at which the stage changes by itself.
    #[must_use]
    pub fn until(&self, stage: &Stage) -> Option<Timestamp> {
        let since = self.memo().and_then(|memo| memo.since);
        let since = since.unwrap_or(self.now());
        match stage {
            Stage::Try(..) | Stage::HandOver(_) | Stage::Prove(_) => since.checked_add(PROOF).ok(),
            Stage::Waits(..) => self.failure()?.at.checked_add(PAUSE).ok(),
            Stage::Ordinary => {
                let due = due(self.desired, keeper::machine(self.desired, self.observed)?)?;
                (due > self.now()).then_some(due)
            }
            Stage::Return(_) | Stage::Sleep(_) => None,
        }
    }
}

/// When a machine is as old as it may be.
fn due(desired: &Desired, live: &Live) -> Option<Timestamp> {
    let made = live.stamp.as_ref()?.created;
    made.checked_add(desired.update.every?).ok()
}

/// Only such a difference as a commit makes: a machine that has lost its volume has nothing to keep.
fn is_by_declaration(change: &Change) -> bool {
    let deepest = |field: &&FieldChange| field.effect == Effect::Replace;
    let mut fields = change.fields.iter().filter(deepest).peekable();
    fields.peek().is_some() && fields.all(|field| matches!(field.field, "image" | "disk"))
}

fn is_declared_anew(change: &Change) -> bool {
    change.cause == Cause::SpecChanged
}

fn replaced(field: &'static str, from: &str, to: &str) -> FieldChange {
    FieldChange {
        field,
        from: from.to_owned(),
        to: to.to_owned(),
        effect: Effect::Replace,
    }
}

fn rebirth(old: &Live, fields: Vec<FieldChange>) -> Change {
    Change {
        key: Key::Machine,
        id: Some(old.id.clone()),
        cause: Cause::Phoenix,
        fields,
    }
}

/// Everything that was applied is up, and nothing says that it is unhealthy.
fn is_well(observed: &Observed) -> bool {
    let stack = observed.live.get(&Key::Stack).and_then(|c| c.first());
    let stack = stack.and_then(|live| live.fields.as_stack());
    let is_up = |stack: &crate::model::LiveStack| {
        let sick = crate::model::Health::Unhealthy;
        let mut services = stack.services.iter();
        stack.missing.is_empty() && services.all(|s| s.is_up() && s.health != sick)
    };
    observed.gap(&Scope::Guest).is_none() && stack.is_some_and(is_up)
}

/// Says in the plan what waits, unless it says so already.
pub fn tell(plan: &mut Plan, change: &Change, reason: &str) {
    if plan.held.iter().any(|held| held.key == Key::Machine) {
        return;
    }
    plan.held.push(Held {
        key: Key::Machine,
        what: super::gate::what(change),
        reason: reason.to_owned(),
    });
}
