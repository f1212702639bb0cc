//! The events of an iCalendar file, and the days that they make holidays.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::content::{ContentLine, content_lines};
use super::error::shown;
use super::event::{Event, When};
use super::{Holidays, HolidaysError, Problem, Tally};

const CALENDAR: &str = "VCALENDAR";
const EVENT: &str = "VEVENT";

/// Days of a repeated event, by its UID, that an event of their own stands for.
type Replaced = BTreeMap<String, BTreeSet<Date>>;

/// Whether the first line that is not empty begins a calendar.
pub(super) fn is_calendar(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| line.trim().eq_ignore_ascii_case("BEGIN:VCALENDAR"))
}

pub(super) fn read(text: &str) -> Result<Holidays, HolidaysError> {
    let events = events(content_lines(text)?)?;
    let replaced = replaced(&events)?;
    let none = BTreeSet::new();
    let mut tally = Tally::default();
    let mut timed_events = 0;
    for event in events.iter().filter(|event| !event.is_cancelled()) {
        match event.start()? {
            When::Time(_) => timed_events += 1,
            When::Day(start) => {
                let of_series = event.uid().filter(|_| !event.is_replacement());
                let left_out = of_series.and_then(|uid| replaced.get(uid));
                event.add_days(start, left_out.unwrap_or(&none), &mut tally)?;
            }
        }
    }
    Ok(Holidays {
        days: tally.days,
        timed_events,
    })
}

/// Gathers the lines of each event. Of what else a calendar can have, only the ends are watched.
fn events(lines: Vec<ContentLine>) -> Result<Vec<Event>, HolidaysError> {
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut events = Vec::new();
    for line in lines {
        let here = open.last().map(|(_, name)| name.as_str());
        let name = line.value.to_ascii_uppercase();
        match (line.name.as_str(), here) {
            ("BEGIN", None) if name != CALENDAR => return Err(stray(&line)),
            ("BEGIN", here) => {
                if here == Some(CALENDAR) && name == EVENT {
                    events.push(Event::new(line.number));
                }
                open.push((line.number, name));
            }
            ("END", Some(here)) if name == here => {
                open.pop();
            }
            ("END", _) => return Err(wrong_end(&line, &name, &open)),
            (_, Some(EVENT)) if open.len() == 2 => {
                if let Some(event) = events.last_mut() {
                    event.lines.push(line);
                }
            }
            (_, Some(_)) => {}
            (_, None) => return Err(stray(&line)),
        }
    }
    match open.last() {
        Some(last) => Err(not_ended(last)),
        None => Ok(events),
    }
}

/// Ends something around what is open, or nothing at all.
fn wrong_end(line: &ContentLine, name: &str, open: &[(usize, String)]) -> HolidaysError {
    match open.last() {
        Some(last) if open.iter().any(|(_, open)| open == name) => not_ended(last),
        _ => Problem::NotBegun(shown(name)).at(line.number),
    }
}

fn not_ended((number, name): &(usize, String)) -> HolidaysError {
    Problem::NotEnded(shown(name)).at(*number)
}

/// A line outside of every calendar.
fn stray(line: &ContentLine) -> HolidaysError {
    let told = format!("{}:{}", line.name, line.value);
    Problem::NotALine(shown(&told)).at(line.number)
}

/// What single events say about the repeated ones that they belong to.
fn replaced(events: &[Event]) -> Result<Replaced, HolidaysError> {
    let mut replaced = Replaced::new();
    for event in events {
        if let (Some(uid), Some(day)) = (event.uid(), event.replaces()?) {
            replaced.entry(uid.to_owned()).or_default().insert(day);
        }
    }
    Ok(replaced)
}
