//! What a look leaves to be remembered for the next one. Pure.

use super::gate::Policy;
use super::keeper;
use crate::model::{Announced, Desired, Memo, MemoKind, Memos, Observed, Power, Timestamp};
use crate::schedule::lifetime;

/// A memo to be written or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writing {
    Put(Memo),
    Drop(MemoKind),
}

/// What is to be remembered of an environment of which it is sure whether it is declared.
/// `has_drifted`: something differs that nobody declared, and it is left so.
#[must_use]
pub fn writings(
    desired: &Desired,
    observed: &Observed,
    policy: &Policy,
    memos: &Memos,
    has_drifted: bool,
    now: Timestamp,
) -> Vec<Writing> {
    let mut writings = match desired.is_declared() {
        true => declared(desired, policy, memos),
        // What is declared again some day begins a new life.
        false => dropped(MemoKind::Born, memos.born.is_some()),
    };
    writings.extend(ended(desired, observed, memos, now));
    match (has_drifted, memos.drifted) {
        (true, None) => writings.push(Writing::Put(Memo::Drifted(now))),
        (false, Some(_)) => writings.push(Writing::Drop(MemoKind::Drifted)),
        (true, Some(_)) | (false, None) => {}
    }
    let is_over = memos.wish.as_ref().is_some_and(|wish| wish.until <= now);
    writings.extend(dropped(
        MemoKind::Wish,
        is_over && is_undone(desired, observed),
    ));
    writings
}

/// Whether nothing is left of a wish that is over: the machine is as it is to be without it.
fn is_undone(desired: &Desired, observed: &Observed) -> bool {
    let live = keeper::machine(desired, observed);
    let machine = live.and_then(|live| live.fields.as_machine());
    machine.is_none_or(|machine| (machine.power == Power::Running) == desired.waking.is_awake)
}

fn declared(desired: &Desired, policy: &Policy, memos: &Memos) -> Vec<Writing> {
    let mut writings = Vec::new();
    if let Some(born) = desired.born.filter(|born| memos.born != Some(*born)) {
        writings.push(Writing::Put(Memo::Born(born)));
    }
    match &policy.protected {
        Some(place) if memos.protected.as_ref() != Some(place) => {
            writings.push(Writing::Put(Memo::Protected(place.clone())));
        }
        None if memos.protected.is_some() => writings.push(Writing::Drop(MemoKind::Protected)),
        Some(_) | None => {}
    }
    let is_void = memos.end_agreed.is_some() && !desired.is_expired();
    writings.extend(dropped(MemoKind::EndAgreed, is_void));
    writings
}

/// Whether it is over: not while a machine is there, and unknown while one may be hidden.
fn ended(desired: &Desired, observed: &Observed, memos: &Memos, now: Timestamp) -> Option<Writing> {
    if desired.provider.is_some() || observed.has_machine() {
        return dropped(MemoKind::Ended, memos.ended.is_some()).pop();
    }
    let is_news = memos.ended.is_none() && observed.gaps.is_empty();
    is_news.then_some(Writing::Put(Memo::Ended(now)))
}

fn dropped(kind: MemoKind, is_there: bool) -> Vec<Writing> {
    is_there
        .then_some(Writing::Drop(kind))
        .into_iter()
        .collect()
}

/// What people are to be told now of the end of an environment, once for each warning.
#[must_use]
pub fn announcement(desired: &Desired, memos: &Memos, now: Timestamp) -> Option<Announced> {
    let end = desired.end.filter(|_| desired.provider.is_some())?;
    let due = lifetime::due(end, now)?;
    // One that was due before it was there is no news to anybody.
    desired.born.filter(|born| *born < due.before(end))?;
    let ahead = due.duration().as_secs();
    let announced = Announced { end, ahead };
    (memos.announced != Some(announced)).then_some(announced)
}
