//! One window of office hours: `Mon-Fri 09:00-19:00`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};

use super::HoursError;
use super::days::Days;

/// How the end of a day is written; a clock shows it as the beginning of the next one.
const END_OF_DAY: &str = "24:00";

/// The same times on some days of the week.
///
/// It belongs to the day on which it opens: `Fri 22:00-06:00` closes on Saturday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    days: Days,
    opens: Time,
    /// Not later than `opens`: on the day after. The two are equal only for a whole day.
    closes: Time,
}

impl Window {
    /// What the clocks show when the window of that day opens and closes; `None` if that day has
    /// none, or if no calendar goes that far.
    pub(super) fn on(&self, day: Date) -> Option<(DateTime, DateTime)> {
        if !self.days.has(day.weekday()) {
            return None;
        }
        let last_day = if self.closes > self.opens {
            day
        } else {
            day.tomorrow().ok()?
        };
        Some((
            day.to_datetime(self.opens),
            last_day.to_datetime(self.closes),
        ))
    }

    /// The place in a list: by first day of the week, then by time.
    pub(super) fn place(&self) -> (u32, Time) {
        (self.days.first(), self.opens)
    }
}

impl FromStr for Window {
    type Err = HoursError;

    /// Days, apart by blanks, then the times: `Mon Wed-Fri 09:00-19:00`.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| is_times(word)) else {
            return Err(HoursError::NoTimes(words.join(" ")));
        };
        let (day_words, times, rest) = (&words[..at], words[at], &words[at + 1..]);
        if day_words.is_empty() {
            return Err(HoursError::NoDays(times.to_owned()));
        }
        let mut days = Days::default();
        for word in day_words {
            days = days.and(Days::parse(word)?);
        }
        let (opens, closes) = parse_times(times)?;
        if !rest.is_empty() {
            return Err(HoursError::BehindTimes(rest.join(" ")));
        }
        Ok(Self {
            days,
            opens,
            closes,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            days,
            opens,
            closes,
        } = self;
        write!(f, "{days} {:02}:{:02}-", opens.hour(), opens.minute())?;
        if *closes == Time::midnight() {
            return f.write_str(END_OF_DAY);
        }
        write!(f, "{:02}:{:02}", closes.hour(), closes.minute())
    }
}

/// Whether a word stands where the times should: no day and no zone begins with a digit.
pub(super) fn is_times(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn parse_times(text: &str) -> Result<(Time, Time), HoursError> {
    let (opens, closes) = text
        .split_once('-')
        .ok_or_else(|| HoursError::NotTimes(text.to_owned()))?;
    let opens = parse_time(opens)?;
    let is_end_of_day = closes == END_OF_DAY;
    let closes = if is_end_of_day {
        Time::midnight()
    } else {
        parse_time(closes)?
    };
    // From midnight to the end of the day is a whole day.
    if opens == closes && !is_end_of_day {
        return Err(HoursError::NeverOpens(text.to_owned()));
    }
    Ok((opens, closes))
}

/// Two digits, a colon, two digits.
fn parse_time(text: &str) -> Result<Time, HoursError> {
    let strict = text.split_once(':').and_then(|(hours, minutes)| {
        let is_padded = hours.len() == 2 && minutes.len() == 2;
        time(hours, minutes).filter(|_| is_padded)
    });
    strict.ok_or_else(|| meant_time(text))
}

fn time(hours: &str, minutes: &str) -> Option<Time> {
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()
}

/// `9:00`, `09.00`, `9am` and the like have an obvious meaning; it is offered, never assumed.
fn meant_time(text: &str) -> HoursError {
    let found = text.to_owned();
    let lower = text.to_ascii_lowercase();
    let (clock, half) = ["am", "pm"]
        .into_iter()
        .find_map(|half| Some((lower.strip_suffix(half)?, half)))
        .unwrap_or((&lower, ""));
    let (hours, minutes) = clock.split_once([':', '.', 'h']).unwrap_or((clock, "00"));
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    match time(hours, minutes).and_then(|time| in_half(time, half)) {
        Some(time) => HoursError::MeantTime {
            found,
            meant: format!("{:02}:{:02}", time.hour(), time.minute()),
        },
        None => HoursError::NotATime(found),
    }
}

/// The time of a twelve-hour clock; `12am` is midnight, `12pm` noon.
fn in_half(time: Time, half: &str) -> Option<Time> {
    let hour = match (half, time.hour()) {
        ("am", 12) => 0,
        ("pm", hour @ 1..=11) => hour + 12,
        ("", hour) | ("am", hour @ 1..=11) | ("pm", hour @ 12) => hour,
        _ => return None,
    };
    Time::new(hour, time.minute(), 0, 0).ok()
}
