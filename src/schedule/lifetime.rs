//! The end of an environment's life, and the warnings before it.

use std::fmt;
use std::time::Duration;

use crate::model::Timestamp;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// When something that was born then has lived that long; at most the last instant there is.
#[must_use]
pub fn end_of_life(born: Timestamp, lifetime: Duration) -> Timestamp {
    born.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}

/// How long before the end a warning is due, the longest first. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ahead {
    ThreeDays,
    OneDay,
    OneHour,
}

impl Ahead {
    pub const ALL: [Self; 3] = [Self::ThreeDays, Self::OneDay, Self::OneHour];

    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::ThreeDays => DAY.saturating_mul(3),
            Self::OneDay => DAY,
            Self::OneHour => HOUR,
        }
    }

    /// When this warning is due; at least the first instant there is. One that lies before the
    /// birth of what ends is no news to anybody, and is for the caller to leave out.
    #[must_use]
    pub fn before(self, end: Timestamp) -> Timestamp {
        end.checked_sub(self.duration()).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThreeDays => "3 days",
            Self::OneDay => "1 day",
            Self::OneHour => "1 hour",
        })
    }
}

/// The warning that holds now: the shortest time ahead that has been reached. `None` long before
/// the end, and from the end on, when there is nothing left to warn of.
#[must_use]
pub fn due(end: Timestamp, now: Timestamp) -> Option<Ahead> {
    let reached = |ahead: &Ahead| ahead.before(end) <= now && now < end;
    Ahead::ALL.into_iter().rev().find(reached)
}

/// The next instant after now at which a warning becomes due.
#[must_use]
pub fn next(end: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let instants = Ahead::ALL.into_iter().map(|ahead| ahead.before(end));
    instants.filter(|instant| *instant > now).min()
}
