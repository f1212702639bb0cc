//! Office hours: windows, a time zone, and the days on which none opens.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::successors;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, date};

use super::window::is_times;
use super::{HoursError, Window, Zone};

/// Any week does, to see which windows overlap; this is the Monday of one.
const SOME_MONDAY: Date = date(2001, 1, 1);

/// When people work: windows of wall-clock time in one zone.
///
/// **Guarantees.** There is at least one window, no two overlap, and they are in the order of the
/// week: in which order they were written makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeHours {
    pub(super) windows: Vec<Window>,
    pub(super) zone: Zone,
    pub(super) holidays: BTreeSet<Date>,
}

impl OfficeHours {
    /// Hours without holidays.
    ///
    /// **Errors.** No window at all, or two that overlap, be it across midnight or the week's end.
    pub fn new(mut windows: Vec<Window>, zone: Zone) -> Result<Self, HoursError> {
        if windows.is_empty() {
            return Err(HoursError::NoWindows);
        }
        windows.sort_by_key(Window::place);
        if let Some((first, second)) = overlap(&windows) {
            return Err(HoursError::Overlap {
                first: first.to_string(),
                second: second.to_string(),
            });
        }
        Ok(Self {
            windows,
            zone,
            holidays: BTreeSet::new(),
        })
    }

    /// The short form: windows, apart by commas, then the zone, such as
    /// `Mon-Fri 09:00-12:00, Mon-Fri 13:00-19:00, Sat 10:00-14:00 Asia/Seoul`.
    ///
    /// **Errors.** The first thing that is not understood, and what [`Self::new`] refuses.
    pub fn parse(text: &str) -> Result<Self, HoursError> {
        let (others, last) = match text.rsplit_once(',') {
            Some((others, last)) => (Some(others), last),
            None => (None, text),
        };
        let (last, zone) = split_zone(last)?;
        let windows = others.into_iter().flat_map(|others| others.split(','));
        let windows = windows.chain([last.as_str()]).map(str::parse);
        let windows = windows.collect::<Result<Vec<Window>, _>>()?;
        if zone.is_empty() {
            return Err(HoursError::NoZone(text.trim().to_owned()));
        }
        Self::new(windows, zone.parse()?)
    }

    /// The same hours with these holidays and no others: on such a day no window opens, but one
    /// that opened the evening before still runs to its end.
    #[must_use]
    pub fn with_holidays(mut self, holidays: BTreeSet<Date>) -> Self {
        self.holidays = holidays;
        self
    }

    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    #[must_use]
    pub fn holidays(&self) -> &BTreeSet<Date> {
        &self.holidays
    }
}

impl FromStr for OfficeHours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        Self::parse(text)
    }
}

/// The short form, which has no place for holidays.
impl fmt::Display for OfficeHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            windows,
            zone,
            holidays: _,
        } = self;
        let windows: Vec<String> = windows.iter().map(Window::to_string).collect();
        write!(f, "{} {zone}", windows.join(", "))
    }
}

/// Parts the last window from the zone, which is all that follows its times.
fn split_zone(text: &str) -> Result<(String, String), HoursError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.iter().rposition(|word| is_times(word)) {
        Some(times) => {
            let (window, zone) = words.split_at(times + 1);
            Ok((window.join(" "), zone.join(" ")))
        }
        // Days without times, or nothing but a zone.
        None if words.iter().all(|word| word.parse::<Zone>().is_ok()) => Err(HoursError::NoWindows),
        None => Err(HoursError::NoTimes(words.join(" "))),
    }
}

/// Two windows that are open at the same time, if there are such.
fn overlap(windows: &[Window]) -> Option<(&Window, &Window)> {
    let mut spans: Vec<(DateTime, DateTime, &Window)> = Vec::new();
    // One day more than a week: what opens on Sunday may reach into Monday.
    for day in successors(Some(SOME_MONDAY), |day| day.tomorrow().ok()).take(8) {
        for window in windows {
            if let Some((opens, closes)) = window.on(day) {
                spans.push((opens, closes, window));
            }
        }
    }
    spans.sort_by_key(|(opens, ..)| *opens);
    let neighbours = spans.windows(2).find(|pair| pair[1].0 < pair[0].1)?;
    Some((neighbours[0].2, neighbours[1].2))
}
