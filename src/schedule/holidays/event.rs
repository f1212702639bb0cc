//! One event of an iCalendar file.

use std::collections::BTreeSet;
use std::iter::successors;

use jiff::Span;
use jiff::civil::Date;

use super::content::ContentLine;
use super::error::shown;
use super::rule::Rule;
use super::{HolidaysError, Problem, Tally, parse_date};

/// The lines between `BEGIN:VEVENT` and `END:VEVENT`. They are read only when asked for, so that
/// what is left out anyway cannot be wrong.
#[derive(Debug)]
pub(super) struct Event {
    /// The line on which it begins.
    number: usize,
    pub lines: Vec<ContentLine>,
}

/// A day, or a time on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Day(Date),
    Time(Date),
}

impl Event {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            lines: Vec::new(),
        }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &ContentLine> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    fn first(&self, name: &str) -> Option<&ContentLine> {
        self.all(name).next()
    }

    pub fn uid(&self) -> Option<&str> {
        self.first("UID").map(|line| line.value.as_str())
    }

    pub fn is_cancelled(&self) -> bool {
        let status = self.first("STATUS");
        status.is_some_and(|line| line.value.eq_ignore_ascii_case("CANCELLED"))
    }

    pub fn start(&self) -> Result<When, HolidaysError> {
        let line = self.first("DTSTART");
        let line = line.ok_or_else(|| Problem::NoStart.at(self.number))?;
        parse_when(&line.value).map_err(|problem| problem.at(line.number))
    }

    /// Whether it stands for one day of a repeated event.
    pub fn is_replacement(&self) -> bool {
        self.first("RECURRENCE-ID").is_some()
    }

    /// The day of the repeated event that it stands for.
    pub fn replaces(&self) -> Result<Option<Date>, HolidaysError> {
        let Some(line) = self.first("RECURRENCE-ID") else {
            return Ok(None);
        };
        if line.parameters.contains("THISANDFUTURE") {
            return Err(Problem::NotSupported("RANGE=THISANDFUTURE").at(line.number));
        }
        let when = parse_when(&line.value).map_err(|problem| problem.at(line.number))?;
        Ok(Some(when.day()))
    }

    /// Adds every day of the event, from its start and by its rules, without those that are left
    /// out by `EXDATE` or by an event of their own.
    pub fn add_days(
        &self,
        start: Date,
        replaced: &BTreeSet<Date>,
        tally: &mut Tally,
    ) -> Result<(), HolidaysError> {
        if let Some(line) = self.first("EXRULE") {
            return Err(Problem::NotSupported("EXRULE").at(line.number));
        }
        let mut begins = self.listed("RDATE")?;
        begins.insert(start);
        for line in self.all("RRULE") {
            let days = Rule::parse(&line.value).and_then(|rule| rule.days(start, tally));
            begins.extend(days.map_err(|problem| problem.at(line.number))?);
        }
        let left_out = self.listed("EXDATE")?;
        let length = self.length(start)?;
        for begin in begins {
            if !left_out.contains(&begin) && !replaced.contains(&begin) {
                add(begin, length, tally).map_err(|problem| problem.at(self.number))?;
            }
        }
        Ok(())
    }

    /// The days of all lines of that name. Many programs add a time, which means nothing here.
    fn listed(&self, name: &str) -> Result<BTreeSet<Date>, HolidaysError> {
        let mut days = BTreeSet::new();
        for line in self.all(name) {
            for value in line.value.split(',') {
                let when = parse_when(value).map_err(|problem| problem.at(line.number))?;
                days.insert(when.day());
            }
        }
        Ok(days)
    }

    /// How many days one time takes, at least one; `DTEND` is the first day after.
    fn length(&self, start: Date) -> Result<i32, HolidaysError> {
        let (line, length) = if let Some(line) = self.first("DTEND") {
            (line, length_until(start, &line.value))
        } else if let Some(line) = self.first("DURATION") {
            (line, length_of(start, &line.value))
        } else {
            return Ok(1);
        };
        let length = length.map_err(|problem| problem.at(line.number))?;
        match length {
            ..0 => Err(Problem::EndsBeforeStart.at(line.number)),
            // Some programs write the day itself as its end.
            0.. => Ok(length.max(1)),
        }
    }
}

impl When {
    pub fn day(self) -> Date {
        match self {
            Self::Day(day) | Self::Time(day) => day,
        }
    }
}

/// `20261225`, or `20261225T090000` with or without `Z`.
pub(super) fn parse_when(text: &str) -> Result<When, Problem> {
    let day = |digits: &str| {
        let is_date = digits.len() == 8 && digits.is_ascii();
        is_date.then(|| parse_date(&digits[..4], &digits[4..6], &digits[6..]))?
    };
    let when = match text.trim().split_once(['T', 't']) {
        Some((digits, _)) => day(digits).map(When::Time),
        None => day(text.trim()).map(When::Day),
    };
    when.ok_or_else(|| Problem::NotADay(shown(text)))
}

fn length_until(start: Date, end: &str) -> Result<i32, Problem> {
    let days = parse_when(end)?.day() - start;
    Ok(days.get_days())
}

/// A part of a day is no day off.
fn length_of(start: Date, duration: &str) -> Result<i32, Problem> {
    let span: Result<Span, _> = duration.parse();
    let end = span.and_then(|span| start.checked_add(span));
    let end = end.map_err(|_| Problem::NotALength(shown(duration)))?;
    Ok((end - start).get_days())
}

fn add(begin: Date, length: i32, tally: &mut Tally) -> Result<(), Problem> {
    let days = successors(Some(begin), |day| day.tomorrow().ok());
    for (day, _) in days.zip(0..length) {
        tally.add(day)?;
    }
    Ok(())
}
