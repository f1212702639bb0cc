//! What a look leaves to be remembered for the next one. Pure.

use super::gate::Policy;
use crate::model::{Announced, Desired, Memo, MemoKind, Memos, Timestamp};
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
    policy: &Policy,
    memos: &Memos,
    has_drifted: bool,
    now: Timestamp,
) -> Vec<Writing> {
    let is_declared = desired.provider.is_some() || desired.is_expired;
    let mut writings = match is_declared {
        true => declared(desired, policy, memos),
        false => undeclared(memos, now),
    };
    match (has_drifted, memos.drifted) {
        (true, None) => writings.push(Writing::Put(Memo::Drifted(now))),
        (false, Some(_)) => writings.push(Writing::Drop(MemoKind::Drifted)),
        (true, Some(_)) | (false, None) => {}
    }
    if memos.wish.as_ref().is_some_and(|wish| wish.until <= now) {
        writings.push(Writing::Drop(MemoKind::Wish));
    }
    writings
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
    if memos.undeclared.is_some() {
        writings.push(Writing::Drop(MemoKind::Undeclared));
    }
    if memos.end_agreed.is_some() && !desired.is_expired {
        writings.push(Writing::Drop(MemoKind::EndAgreed));
    }
    writings
}

/// What is declared again some day begins a new life.
fn undeclared(memos: &Memos, now: Timestamp) -> Vec<Writing> {
    let mut writings = Vec::new();
    if memos.undeclared.is_none() {
        writings.push(Writing::Put(Memo::Undeclared(now)));
    }
    if memos.born.is_some() {
        writings.push(Writing::Drop(MemoKind::Born));
    }
    writings
}

/// What people are to be told now of the end of an environment, once for each warning.
#[must_use]
pub fn announcement(desired: &Desired, memos: &Memos, now: Timestamp) -> Option<Announced> {
    let end = desired.end.filter(|_| desired.provider.is_some())?;
    let ahead = lifetime::due(end, now)?.duration().as_secs();
    let announced = Announced { end, ahead };
    (memos.announced != Some(announced)).then_some(announced)
}
