//! Days of the week as people write them: `Mon-Fri`, `Sat`, `daily`.

use std::fmt;

use jiff::civil::Weekday;

use super::HoursError;

const NAMES: [(&str, &str, Weekday); 7] = [
    ("Mon", "monday", Weekday::Monday),
    ("Tue", "tuesday", Weekday::Tuesday),
    ("Wed", "wednesday", Weekday::Wednesday),
    ("Thu", "thursday", Weekday::Thursday),
    ("Fri", "friday", Weekday::Friday),
    ("Sat", "saturday", Weekday::Saturday),
    ("Sun", "sunday", Weekday::Sunday),
];
const DAILY: &str = "daily";

/// A set of days of the week; bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Days(u8);

impl Days {
    const ALL: Self = Self(0b111_1111);

    /// The days of one word: a day, a range, which may go over the end of the week, or `daily`.
    pub fn parse(word: &str) -> Result<Self, HoursError> {
        if word == DAILY {
            return Ok(Self::ALL);
        }
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match (weekday(first), weekday(last)) {
            (Some(first), Some(last)) => Ok(Self::range(first, last)),
            _ => Err(meant_days(word)),
        }
    }

    fn range(first: Weekday, last: Weekday) -> Self {
        first
            .cycle_forward()
            .take_while(|day| *day != last)
            .chain([last])
            .fold(Self::default(), Self::with)
    }

    fn with(self, day: Weekday) -> Self {
        Self(self.0 | bit(day))
    }

    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub fn has(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    /// Days after Monday of the first one.
    pub fn first(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// The last of the days in a row that begin with this one.
    fn run_end(self, first: Weekday) -> Weekday {
        let days_in_a_row = first
            .cycle_forward()
            .take(7)
            .take_while(|day| self.has(*day));
        days_in_a_row.last().unwrap_or(first)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str(DAILY);
        }
        let begins = |day: Weekday| self.has(day) && !self.has(day.previous());
        let mut blank = "";
        for (name, _, day) in NAMES.into_iter().filter(|(_, _, day)| begins(*day)) {
            write!(f, "{blank}{name}")?;
            let last = self.run_end(day);
            if last != day {
                write!(f, "-{}", short(last))?;
            }
            blank = " ";
        }
        Ok(())
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

fn weekday(text: &str) -> Option<Weekday> {
    let (.., day) = NAMES.into_iter().find(|(short, ..)| *short == text)?;
    Some(day)
}

fn short(wanted: Weekday) -> &'static str {
    let name = NAMES.iter().find(|(.., day)| *day == wanted);
    name.map_or("", |(short, ..)| *short)
}

/// `mon-fri`, `Mo`, `Monday`, `weekdays` have an obvious meaning; it is offered, never assumed.
fn meant_days(word: &str) -> HoursError {
    let found = word.to_owned();
    let lower = word.to_lowercase().replace(['–', '—'], "-");
    let meant = match lower.as_str() {
        "daily" | "everyday" => Some(DAILY.to_owned()),
        "weekday" | "weekdays" => Some("Mon-Fri".to_owned()),
        "weekend" | "weekends" => Some("Sat-Sun".to_owned()),
        range => match range.split_once('-') {
            Some((first, last)) => meant_day(first)
                .zip(meant_day(last))
                .map(|(first, last)| format!("{first}-{last}")),
            None => meant_day(range).map(str::to_owned),
        },
    };
    match meant {
        Some(meant) => HoursError::MeantDay { found, meant },
        None => HoursError::NotADay(found),
    }
}

fn meant_day(lower: &str) -> Option<&'static str> {
    let length = lower.chars().count();
    let is_meant = |full: &str| match length {
        0 | 1 => false,
        2 | 3 => full.starts_with(lower),
        4..=12 => full.starts_with(lower) || strsim::osa_distance(lower, full) <= 2,
        _ => false,
    };
    let (short, ..) = NAMES.into_iter().find(|(_, full, _)| is_meant(full))?;
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(words: &[&str]) -> String {
        let days = words.iter().map(|word| Days::parse(word).unwrap());
        days.fold(Days::default(), Days::and).to_string()
    }

    #[test]
    fn days_in_a_row_are_printed_as_one_range() {
        assert_eq!(printed(&["Sat"]), "Sat");
        assert_eq!(printed(&["Mon", "Tue", "Wed"]), "Mon-Wed");
        assert_eq!(printed(&["Fri", "Mon", "Wed"]), "Mon Wed Fri");
        assert_eq!(printed(&["Sat", "Sun"]), "Sat-Sun");
        assert_eq!(printed(&["Mon-Sun"]), "daily");
        assert_eq!(printed(&["daily", "Tue"]), "daily");
    }

    #[test]
    fn a_range_goes_over_the_end_of_the_week() {
        assert_eq!(printed(&["Fri-Mon"]), "Fri-Mon");
        assert_eq!(printed(&["Sun", "Mon"]), "Sun-Mon");
        assert_eq!(printed(&["Fri-Mon", "Wed"]), "Wed Fri-Mon");
        assert_eq!(printed(&["Tue-Sun"]), "Tue-Sun");
        assert_eq!(printed(&["Tue-Mon"]), "daily");
        assert_eq!(printed(&["Tue-Tue"]), "Tue");
    }

    #[test]
    fn every_set_of_days_is_printed_as_it_is_read() {
        for bits in 1..=Days::ALL.0 {
            let days = Days(bits);
            let read = days.to_string();
            let read = read.split(' ').map(|word| Days::parse(word).unwrap());
            assert_eq!(read.fold(Days::default(), Days::and), days);
        }
    }
}
