//! A list of dates, one on a line, with an optional name: `2026-12-25  Christmas  # a comment`.

use jiff::civil::Date;

use super::error::shown;
use super::{Holidays, HolidaysError, Problem, Tally, parse_date};

pub(super) fn read(text: &str) -> Result<Holidays, HolidaysError> {
    let mut tally = Tally::default();
    for (line, number) in text.lines().zip(1..) {
        if let Some(day) = read_line(line).map_err(|problem| problem.at(number))? {
            tally.add(day).map_err(|problem| problem.at(number))?;
        }
    }
    Ok(Holidays {
        days: tally.days,
        timed_events: 0,
    })
}

fn read_line(line: &str) -> Result<Option<Date>, Problem> {
    let content = line.split('#').next().unwrap_or_default();
    let mut words = content.split_whitespace();
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let day = parse(first).ok_or_else(|| meant(first))?;
    // `2026-12-24 - 2026-12-26` is meant as three days, and read as one would be one too few.
    match words.find(|word| parse(word).is_some()) {
        Some(second) => Err(Problem::SecondDate(second.to_owned())),
        None => Ok(Some(day)),
    }
}

/// Four digits, two, and two.
fn parse(word: &str) -> Option<Date> {
    let numbers: Vec<&str> = word.split('-').collect();
    let [year, month, day] = numbers[..] else {
        return None;
    };
    let is_padded = (year.len(), month.len(), day.len()) == (4, 2, 2);
    parse_date(year, month, day).filter(|_| is_padded)
}

/// `2026/12/25`, `20261225`, `25.12.2026` have an obvious meaning; it is offered, never assumed.
fn meant(word: &str) -> Problem {
    let found = shown(word);
    let parts: Vec<&str> = word.splitn(4, ['-', '/', '.']).collect();
    let meant = match parts[..] {
        [year, month, day] if year.len() == 4 => parse_date(year, month, day),
        // The month first, as Americans write it, is told by its slashes, and ambiguous.
        [day, month, year] if year.len() == 4 && !word.contains('/') => {
            parse_date(year, month, day)
        }
        [digits] if digits.len() == 8 && digits.is_ascii() => {
            parse_date(&digits[..4], &digits[4..6], &digits[6..])
        }
        _ => None,
    };
    match meant {
        Some(meant) => Problem::MeantDate {
            found,
            meant: meant.to_string(),
        },
        None => Problem::NotADate(found),
    }
}
