//! How long things last within a month: the seconds that office hours and lifetimes leave.

use jiff::ToSpan;
use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::schedule::OfficeHours;

/// A stretch of time: it holds its first instant, and no longer its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Window {
    /// The calendar month of UTC that has this instant.
    #[must_use]
    pub fn month(of: Timestamp) -> Self {
        let day = of.to_zoned(TimeZone::UTC).date();
        let first = date(day.year(), day.month(), 1);
        let start = |day: jiff::civil::Date| {
            let zoned = day.to_zoned(TimeZone::UTC);
            zoned.map(|zoned| zoned.timestamp()).ok()
        };
        let next = first.checked_add(1.month()).ok();
        Self {
            from: start(first).unwrap_or(Timestamp::MIN),
            to: next.and_then(start).unwrap_or(Timestamp::MAX),
        }
    }

    /// The calendar month after this one.
    #[must_use]
    pub fn next_month(self) -> Self {
        Self::month(self.to)
    }

    /// `November 2026`.
    #[must_use]
    pub fn month_name(self) -> String {
        self.from.strftime("%B %Y").to_string()
    }

    /// What both have; empty when they have nothing in common.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let from = self.from.max(other.from);
        let to = self.to.min(other.to).max(from);
        Self { from, to }
    }

    /// Its part up to that instant.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Self {
        let to = self.to.min(end).max(self.from);
        Self { to, ..self }
    }

    /// Whole seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.to.as_second() - self.from.as_second()).unwrap_or(0)
    }
}

/// The stretches of a window in which office hours are open; all of it where there are none.
#[must_use]
pub fn open(hours: Option<&OfficeHours>, window: Window) -> Vec<Window> {
    let Some(hours) = hours else {
        return vec![window];
    };
    let mut found = Vec::new();
    let mut at = window.from;
    while at < window.to {
        let state = hours.at(at);
        let to = state.until.unwrap_or(window.to).min(window.to);
        if state.is_open {
            found.push(Window { from: at, to });
        }
        at = to;
    }
    found
}

/// The seconds that several stretches have within a window.
#[must_use]
pub fn seconds(stretches: &[Window], window: Window) -> u64 {
    let within = stretches.iter().map(|stretch| stretch.within(window));
    within.map(Window::seconds).sum()
}
