//! Days off, read from a file: a list of dates, or an iCalendar file (RFC 5545) as every calendar
//! program writes it.
//!
//! Only whole days matter here, so this reads no more of iCalendar than events of whole days and
//! their rules. It is not built on a general library: those parse by recursion or give no lines,
//! bring a second time zone database, read the machine's own zone, and search for days of a rule
//! that has none for as long as half a second each.
//!
//! A file is refused as a whole if any of it cannot be understood: a holiday that is silently left
//! out wakes every environment of a site on it. No file takes long: all work is counted, see
//! [`MAX_STEPS`].

mod calendar;
mod content;
mod error;
mod event;
mod list;
mod recur;
mod rule;

use std::collections::BTreeSet;

use jiff::civil::{Date, date};

pub use error::{HolidaysError, Problem};

/// Rules without an end are followed until here: beyond the life of any environment.
pub const LAST_DAY: Date = date(2100, 12, 31);
/// Most days that a file may name: every weekend until [`LAST_DAY`], and many holidays beside.
pub const MAX_DAYS: usize = 20_000;
/// Most days that may be looked at to find them: hundreds of yearly rules, or twenty that may
/// choose any day of a century.
pub const MAX_STEPS: usize = 1_000_000;

/// What a file of holidays says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays {
    pub days: BTreeSet<Date>,
    /// Events that were left out because they begin at a time of day and so are no whole day off;
    /// worth a warning.
    pub timed_events: usize,
}

impl Holidays {
    /// Reads a file, and sees by itself of which kind it is.
    ///
    /// **Guarantees.** Never panics and never takes long, whatever the bytes. What is not UTF-8 is
    /// replaced, which can only touch the names of holidays.
    ///
    /// **Errors.** The first thing that cannot be understood, with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, HolidaysError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if calendar::is_calendar(text) {
            calendar::read(text)
        } else {
            list::read(text)
        }
    }
}

/// The days found so far, and what it took to find them.
#[derive(Debug, Default)]
struct Tally {
    days: BTreeSet<Date>,
    steps: usize,
}

impl Tally {
    /// Counts a day that is looked at.
    fn step(&mut self) -> Result<(), Problem> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Problem::TooMuch);
        }
        Ok(())
    }

    fn add(&mut self, day: Date) -> Result<(), Problem> {
        self.step()?;
        self.days.insert(day);
        if self.days.len() > MAX_DAYS {
            return Err(Problem::TooManyDays);
        }
        Ok(())
    }
}

/// A date of the calendar, from its digits.
fn parse_date(year: &str, month: &str, day: &str) -> Option<Date> {
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if ![year, month, day].into_iter().all(is_number) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_ends_where_it_says() {
        let mut tally = Tally {
            steps: MAX_STEPS - 1,
            ..Tally::default()
        };
        assert_eq!(tally.step(), Ok(()));
        assert_eq!(tally.step(), Err(Problem::TooMuch));
    }
}
