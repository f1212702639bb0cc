//! What is remembered of one environment beside git and the live objects: what people asked for,
//! and what could be seen only once.
//!
//! Losing all of it deletes nothing that is declared: wishes end, and spans of time that were
//! running begin again. What only a person said of an environment is lost with it: that it is
//! suspended, and that it was protected while it still had a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, ProviderName, Timestamp};

/// One thing to be remembered; of each kind at most one is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memo {
    /// When its first machine was made: what its lifetime is counted from.
    Born(Timestamp),
    /// Since when no machine of it is left and none should be: what the time for which its data
    /// is kept is counted from.
    Ended(Timestamp),
    /// Since when it differs from its declaration although nobody declared that.
    Drifted(Timestamp),
    /// Until when a person wants it to be awake or asleep.
    Wish(Wish),
    /// A person wants nothing to be changed.
    Suspended(Suspension),
    /// While it was declared, it said that nothing of it may be deleted: where.
    Protected(String),
    /// A person agreed to its end, together with that of many others.
    EndAgreed(Timestamp),
    /// The end that was announced last, and how long before it.
    Announced(Announced),
    /// The attempt to put a new machine in the place of the one that is there.
    Phoenix(Phoenix),
    /// The plan that a person agreed to, by [`super::Plan::fingerprint`].
    Approved(Digest),
    /// The attempt to find a place for it.
    Placing(Placing),
    /// Since when nobody uses it; people were told.
    Idle(Timestamp),
}

/// What a [`Memo`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoKind {
    Born,
    Ended,
    Drifted,
    Wish,
    Suspended,
    Protected,
    EndAgreed,
    Announced,
    Phoenix,
    Approved,
    Placing,
    Idle,
}

impl Memo {
    #[must_use]
    pub fn kind(&self) -> MemoKind {
        match self {
            Self::Born(_) => MemoKind::Born,
            Self::Ended(_) => MemoKind::Ended,
            Self::Drifted(_) => MemoKind::Drifted,
            Self::Wish(_) => MemoKind::Wish,
            Self::Suspended(_) => MemoKind::Suspended,
            Self::Protected(_) => MemoKind::Protected,
            Self::EndAgreed(_) => MemoKind::EndAgreed,
            Self::Announced(_) => MemoKind::Announced,
            Self::Phoenix(_) => MemoKind::Phoenix,
            Self::Approved(_) => MemoKind::Approved,
            Self::Placing(_) => MemoKind::Placing,
            Self::Idle(_) => MemoKind::Idle,
        }
    }
}

/// A person wants the machine to run, or not to run, for a while, whatever its office hours are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub is_awake: bool,
    /// The wish ends by itself at this instant.
    pub until: Timestamp,
    /// Who said so: the name of an account.
    pub by: String,
}

/// A person wants nothing to be changed until they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub since: Timestamp,
    pub by: String,
    /// Empty when none was given.
    pub reason: String,
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, by, reason } = self;
        write!(f, "suspended by {by} since {}", super::text::minute(*since))?;
        match reason.as_str() {
            "" => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

/// People were told that an environment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    pub end: Timestamp,
    /// How long before its end it was told, in seconds.
    pub ahead: u64,
}

/// The attempt to put a new machine in the place of the one that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phoenix {
    /// What is declared, by [`super::Desired::fingerprint`]: when it changes, this attempt is over.
    pub fingerprint: Digest,
    /// When it began, or when the new machine was given the data; `None` while both rest.
    pub since: Option<Timestamp>,
    /// The first machine was stopped to give its data away, and its services have not been started
    /// again.
    #[serde(default)]
    pub is_handed: bool,
    pub failed: Option<Failure>,
}

/// An attempt that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub at: Timestamp,
    pub reason: String,
}

/// The attempt to find a place for an environment of which nothing lived anywhere when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placing {
    pub since: Timestamp,
    /// The places where one was to be made since then, and none has been seen.
    pub begun: BTreeSet<ProviderName>,
    /// The places that had no room for it. A volume that was made there since had no machine ever.
    pub short: BTreeMap<ProviderName, Failure>,
}

/// Everything that is remembered of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memos {
    pub born: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub drifted: Option<Timestamp>,
    pub wish: Option<Wish>,
    pub suspended: Option<Suspension>,
    pub protected: Option<String>,
    pub end_agreed: Option<Timestamp>,
    pub announced: Option<Announced>,
    pub phoenix: Option<Phoenix>,
    pub approved: Option<Digest>,
    pub placing: Option<Placing>,
    pub idle: Option<Timestamp>,
}

impl FromIterator<Memo> for Memos {
    fn from_iter<I: IntoIterator<Item = Memo>>(memos: I) -> Self {
        let mut all = Self::default();
        for memo in memos {
            match memo {
                Memo::Born(at) => all.born = Some(at),
                Memo::Ended(at) => all.ended = Some(at),
                Memo::Drifted(at) => all.drifted = Some(at),
                Memo::Wish(wish) => all.wish = Some(wish),
                Memo::Suspended(suspension) => all.suspended = Some(suspension),
                Memo::Protected(place) => all.protected = Some(place),
                Memo::EndAgreed(at) => all.end_agreed = Some(at),
                Memo::Announced(announced) => all.announced = Some(announced),
                Memo::Phoenix(phoenix) => all.phoenix = Some(phoenix),
                Memo::Approved(plan) => all.approved = Some(plan),
                Memo::Placing(placing) => all.placing = Some(placing),
                Memo::Idle(since) => all.idle = Some(since),
            }
        }
        all
    }
}
