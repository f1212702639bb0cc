//! Why a file of holidays cannot be used.

use super::{MAX_DAYS, MAX_STEPS};

/// Longest stretch of the file that a message repeats, in characters.
const MAX_SHOWN: usize = 60;

/// What is wrong with a file of holidays, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct HolidaysError {
    /// Counted from 1.
    pub line: usize,
    pub problem: Problem,
}

/// What is wrong, and the next move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error(
        "`{0}` is not a date; begin each line with one such as `2026-12-25`, or use an iCalendar file"
    )]
    NotADate(String),
    #[error("`{found}` is not a date; did you mean `{meant}`?")]
    MeantDate { found: String, meant: String },
    #[error("`{0}` is a second date on this line; put every day on a line of its own")]
    SecondDate(String),
    #[error("`{0}` is not a line of an iCalendar file; export the calendar again")]
    NotALine(String),
    #[error("`BEGIN:{0}` has no `END:{0}`; the file is incomplete, export the calendar again")]
    NotEnded(String),
    #[error("`END:{0}` ends nothing that has begun; export the calendar again")]
    NotBegun(String),
    #[error("the event has no `DTSTART`; add the day on which it begins")]
    NoStart,
    #[error("`{0}` is not a day; write it as `20261225`")]
    NotADay(String),
    #[error("`{0}` is not a number of days; write it as `P2D`")]
    NotALength(String),
    #[error("the event ends before it begins; correct its `DTEND` or `DURATION`")]
    EndsBeforeStart,
    #[error("`{0}` is nothing that a rule can say; write one such as `FREQ=YEARLY` with days only")]
    NotARule(String),
    #[error("`{0}` cannot be used with `FREQ={1}`; RFC 5545 gives it no meaning")]
    NotForFrequency(&'static str, &'static str),
    #[error("`{0}` is not understood; list the days in question with `RDATE` or `EXDATE`")]
    NotSupported(&'static str),
    #[error(
        "there are more than {MAX_DAYS} days; give rules an end with `UNTIL`, or leave out what is past"
    )]
    TooManyDays,
    #[error(
        "more than {MAX_STEPS} days have to be looked at; let rules begin later or end earlier"
    )]
    TooMuch,
}

impl Problem {
    pub(super) fn at(self, line: usize) -> HolidaysError {
        HolidaysError {
            line,
            problem: self,
        }
    }
}

/// A stretch of the file as a message may show it: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(MAX_SHOWN)
        .map(|c| if c.is_control() { '�' } else { c })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}
