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
//! | the first, but its services were stopped | is not well | | [`Stage::Return`] |
//! | the first | | yes | the second is a duplicate and ends |
//!
//! Where the data is decides, and no note of it: after a crash the same table is read again. The
//! memo only says how long an attempt has been going on, whether it was given up, and whether the
//! services of the first machine were stopped for it. What is well is never given up. Pure.

use std::time::Duration;

use super::plan::Attempt;
use super::remember::Writing;
use super::{keeper, second, warm};
use crate::model::text::{count, mib, minute};
use crate::model::{
    Cause, Change, Desired, Effect, Failure, FieldChange, Held, Intent, Key, Live, LiveId, Memo,
    MemoKind, Observed, Phoenix, Plan, Scope, Spec, Strategy, Timestamp,
};

/// How long a second machine may take to be well, and again with the data, unless it is declared: a
/// first boot and compose take a quarter of an hour each where everything is emulated.
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
    /// Nothing of it may be deleted or made anew.
    pub is_protected: bool,
    pub attempt: &'a Attempt,
}

/// An attempt that is under way, for whoever sees it fail for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trying {
    pub memo: Phoenix,
    /// The first machine, whose troubles say nothing about the second.
    pub old: LiveId,
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

/// Both machines, while there are two because one is to take the place of the other, or was when the
/// attempt began.
#[must_use]
pub fn pair<'a>(
    desired: &Desired,
    observed: &'a Observed,
    memo: Option<&Phoenix>,
) -> Option<Pair<'a>> {
    let is_meant = is_declared(desired) || memo.is_some();
    if !is_meant || is_hidden(desired, observed) || data(desired, observed).is_empty() {
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

    fn pair(&self) -> Option<Pair<'a>> {
        pair(self.desired, self.observed, self.memo)
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage<'a> {
        match self.pair() {
            Some(pair) if !self.desired.waking.is_awake => Stage::Sleep(pair),
            Some(pair) => self.of(pair),
            None if self.desired.waking.is_awake => self.alone(),
            None => Stage::Ordinary,
        }
    }

    fn of(&self, pair: Pair<'a>) -> Stage<'a> {
        let is_void = self.recorded().is_some() || self.is_void(&pair);
        match pair.seat {
            Seat::New if !is_void && self.is_well_with_data(&pair) => Stage::Ordinary,
            Seat::Old if !is_void && self.is_proven() => match self.obstacle() {
                None => Stage::HandOver(pair),
                Some(reason) => Stage::Waits(self.change(&pair), reason),
            },
            Seat::Old if self.is_handed() => Stage::Return(pair),
            Seat::Old if is_void || self.is_late() => Stage::Ordinary,
            Seat::Old => Stage::Try(self.change(&pair), Some(pair)),
            Seat::New | Seat::Neither if is_void || self.is_late() => Stage::Return(pair),
            Seat::Neither => Stage::HandOver(pair),
            Seat::New => Stage::Prove(pair),
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
        let Some(change) = self.wanted(old).filter(|_| self.is_resolved()) else {
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

    /// What is declared is known to the last commit.
    fn is_resolved(&self) -> bool {
        self.desired.unresolved.is_empty()
    }

    /// What a second machine could not be well with, once it has the data.
    fn obstacle(&self) -> Option<String> {
        let resources = self.desired.resources.iter();
        let work = resources.filter_map(|(key, resource)| {
            let Spec::Checkout(spec) = &resource.spec else {
                return None;
            };
            let live = self.observed.live.get(key)?.first()?.fields.as_checkout()?;
            let work = live.local_work.as_ref()?;
            (live.revision != spec.revision)
                .then(|| format!("{key}: {work}; commit and push it, or throw it away"))
        });
        work.into_iter().next()
    }

    /// Why no second machine may be made now.
    fn hindrance(&self) -> Option<String> {
        if let Some(Failure { at, reason }) = self.recorded() {
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
        if let Some(reason) = self.obstacle() {
            return Some(reason);
        }
        let Spec::Machine(spec) = &self.desired.resources.get(&Key::Machine)?.spec else {
            return None;
        };
        let free = self.observed.free_memory_mib?;
        let has_room =
            free >= spec.memory_mib || !warm::in_the_way(self.observed, spec.memory_mib).is_empty();
        (!has_room).then(|| {
            format!(
                "{} has {} of memory left and a second machine takes {}; make room, or declare \
                 `update: {{machine: in-place}}`, which ends the machine before the new one is made",
                spec.provider,
                mib(free),
                mib(spec.memory_mib)
            )
        })
    }

    /// The memo, when it is of what is declared now. Who cannot know what is declared takes it as it
    /// is.
    fn memo(&self) -> Option<&'a Phoenix> {
        let memo = self.memo?;
        let is_meant = !self.is_resolved() || memo.fingerprint == self.desired.fingerprint();
        is_meant.then_some(memo)
    }

    /// Why the attempt was given up: of two machines whatever was declared then, of one what is
    /// declared now.
    fn recorded(&self) -> Option<Failure> {
        match self.pair() {
            Some(_) => self.memo?.failed.clone(),
            None => self.memo()?.failed.clone(),
        }
    }

    fn is_handed(&self) -> bool {
        self.memo.is_some_and(|memo| memo.is_handed)
    }

    /// How long it may take to be well.
    fn proof(&self) -> Duration {
        self.desired.update.within.unwrap_or(PROOF)
    }

    /// Whether the time for being well is over.
    fn is_late(&self) -> bool {
        let since = self.memo().and_then(|memo| memo.since);
        let end = since.and_then(|since| since.checked_add(self.proof()).ok());
        end.is_some_and(|end| end <= self.now())
    }

    /// Nobody wants the second machine any more: it was made from what is no longer declared, or
    /// nothing is left to be tried, or the first must not go.
    fn is_void(&self, pair: &Pair) -> bool {
        let wanted = self.desired.resources.get(&Key::Machine);
        let made = pair
            .new
            .stamp
            .as_ref()
            .and_then(|stamp| stamp.digest.as_ref());
        let is_other = wanted.map(|resource| &resource.digest) != made;
        let is_heard = self.observed.gap(&Scope::Guest).is_none();
        let is_unwanted = || is_heard && self.is_resolved() && self.wanted(pair.old).is_none();
        is_other || (pair.seat == Seat::Old && (self.is_protected || is_unwanted()))
    }

    fn is_proven(&self) -> bool {
        let desired = second::without_data(self.desired);
        let is_as_declared = |trial: &Observed| super::diff::diff(&desired, trial).is_empty();
        let is_well = |trial: &&Observed| self.is_resolved() && is_well(trial);
        self.trial.filter(is_well).is_some_and(is_as_declared)
    }

    /// Its volumes may differ in size: that is no matter of the machine.
    fn is_well_with_data(&self, pair: &Pair) -> bool {
        let observed = second::without_other(self.observed, pair.new);
        let changes = super::diff::diff(self.desired, &observed);
        let is_volume = |change: &Change| matches!(change.key, Key::Volume(_));
        is_well(&observed) && changes.iter().all(is_volume)
    }

    /// What is to be remembered of this stage.
    #[must_use]
    pub fn writing(&self, stage: &Stage) -> Option<Writing> {
        let memo = self.memo();
        let is_open = memo.is_some_and(|memo| memo.failed.is_none());
        let since = memo.and_then(|memo| memo.since);
        let put = |since, failed| {
            let is_begun = matches!(stage, Stage::Try(_, None));
            let is_given = matches!(stage, Stage::HandOver(_));
            Some(Writing::Put(Memo::Phoenix(Phoenix {
                fingerprint: memo.map_or_else(
                    || self.desired.fingerprint(),
                    |memo| memo.fingerprint.clone(),
                ),
                since,
                is_handed: is_given || (self.is_handed() && !is_begun),
                failed,
            })))
        };
        let is_left = match stage {
            Stage::Return(_) => true,
            Stage::Ordinary => self.pair().is_some_and(|pair| pair.seat == Seat::Old),
            _ => false,
        };
        if is_open && is_left && self.is_late() {
            let minutes =
                usize::try_from(self.proof().as_secs().div_ceil(60)).unwrap_or(usize::MAX);
            let failure = Failure {
                at: self.now(),
                reason: format!("it was not well within {}", count(minutes, "minute")),
            };
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
        let is_two = self.pair().is_some();
        match stage {
            Stage::Waits(_, reason) => Some(reason.clone()),
            Stage::Try(..) => Some("it waits until a second machine can be made".to_owned()),
            Stage::Ordinary if is_two => {
                let failed = self.recorded().map(|failure| failure.reason);
                let failed = failed.map(|reason| format!("the new machine failed: {reason}"));
                Some(
                    failed.unwrap_or_else(|| "it waits until the other machine is gone".to_owned()),
                )
            }
            Stage::Ordinary if is_declared(self.desired) => {
                let hidden = "it waits until the host can be seen as a whole";
                let unresolved = "it waits until every source can be asked";
                match (is_hidden(self.desired, self.observed), self.is_resolved()) {
                    (true, _) => Some(hidden.to_owned()),
                    (false, false) => Some(unresolved.to_owned()),
                    (false, true) => None,
                }
            }
            Stage::Ordinary
            | Stage::HandOver(_)
            | Stage::Prove(_)
            | Stage::Return(_)
            | Stage::Sleep(_) => None,
        }
    }

    /// What is remembered of an attempt that is under way, should it fail.
    #[must_use]
    pub fn trying(&self, stage: &Stage) -> Option<Trying> {
        let old = match stage {
            Stage::Try(change, _) => change.id.clone()?,
            Stage::HandOver(pair) | Stage::Prove(pair) => pair.old.id.clone(),
            Stage::Ordinary | Stage::Waits(..) | Stage::Return(_) | Stage::Sleep(_) => return None,
        };
        let memo = Phoenix {
            fingerprint: self.desired.fingerprint(),
            since: self.memo().and_then(|memo| memo.since),
            is_handed: self.is_handed() || matches!(stage, Stage::HandOver(_)),
            failed: None,
        };
        Some(Trying { memo, old })
    }

    /// What is remembered once the first machine has its data and its services back.
    #[must_use]
    pub fn returned(&self, stage: &Stage) -> Option<Phoenix> {
        let Stage::Return(_) = stage else { return None };
        let memo = match self.writing(stage) {
            Some(Writing::Put(Memo::Phoenix(memo))) => memo,
            _ => self.memo?.clone(),
        };
        Some(Phoenix {
            is_handed: false,
            ..memo
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
            Stage::Try(..) | Stage::HandOver(_) | Stage::Prove(_) => {
                since.checked_add(self.proof()).ok()
            }
            Stage::Waits(..) => self.recorded()?.at.checked_add(PAUSE).ok(),
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
        provider: old.provider.clone(),
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
