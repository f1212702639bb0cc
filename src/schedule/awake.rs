//! Whether office hours are open at an instant, and until when that stays so.

use std::iter::successors;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::OfficeHours;
use crate::model::Timestamp;

/// How far ahead a change is looked for: longer than a year, so that what comes once a year is
/// found, and far longer than anybody waits before asking again.
const HORIZON_DAYS: i32 = 400;

/// What holds at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub is_open: bool,
    /// The instant at which `is_open` changes; `None` if it does not for 400 days.
    pub until: Option<Timestamp>,
}

impl OfficeHours {
    /// Whether it is open at that instant, and when that changes.
    ///
    /// **Guarantees.** The answer depends on `now` and the hours alone, for every instant there is.
    /// A window holds the instant at which it opens, and no longer the one at which it closes.
    /// Windows that touch are one: `until` is a real change.
    ///
    /// **Assumptions.** A time that the clocks leave out, because they are put forward, comes as
    /// much later as they are put forward; of a time that comes twice, the first one counts. So a
    /// window may be an hour longer or shorter than it is written, or not open at all if nothing of
    /// it is left. Of a day that a zone has left out as a whole (Samoa, 30 December 2011), the
    /// windows open on the day after.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> State {
        match self.closing_after(now) {
            Some(closing) => State {
                is_open: true,
                until: self.last_closing(closing),
            },
            None => State {
                is_open: false,
                until: self.opening_after(now),
            },
        }
    }

    /// Follows windows of which one opens before the other has closed although their times do not
    /// touch: in the hours that are left out when clocks are put forward.
    fn last_closing(&self, closing: Closing) -> Option<Timestamp> {
        let mut closing = closing;
        loop {
            let Closing::At(instant) = closing else {
                return None;
            };
            match self.closing_after(instant) {
                Some(later) => closing = later,
                None => return Some(instant),
            }
        }
    }

    /// When what is open at that instant closes; `None` if nothing is open.
    fn closing_after(&self, now: Timestamp) -> Option<Closing> {
        let today = self.zone.wall_clock(now).date();
        days_around(today).find_map(|day| {
            self.on(day).find_map(|(opens, closes)| {
                let is_open = self.zone.instant(opens) <= now && now < self.zone.instant(closes);
                is_open.then(|| self.closing(closes, today))
            })
        })
    }

    /// When the last window closes of those that touch, the first of which closes at `first`.
    fn closing(&self, first: DateTime, today: Date) -> Closing {
        let horizon = today.saturating_add(HORIZON_DAYS.days());
        let mut closes = first;
        while let Some(later) = self.closing_of_window_that_opens(closes) {
            if later.date() > horizon {
                return Closing::BeyondHorizon;
            }
            closes = later;
        }
        // Clocks that are put forward may bring the later one of two times earlier.
        Closing::At(self.zone.instant(first).max(self.zone.instant(closes)))
    }

    fn closing_of_window_that_opens(&self, at: DateTime) -> Option<DateTime> {
        let mut windows = self.on(at.date());
        let (_, closes) = windows.find(|(opens, _)| *opens == at)?;
        Some(closes)
    }

    /// When the next window opens.
    fn opening_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.wall_clock(now).date();
        let yesterday = today.yesterday().unwrap_or(today);
        let mut next = None;
        for (day, _) in days_from(yesterday).zip(0..HORIZON_DAYS + 2) {
            let found_before = next;
            for (opens, closes) in self.on(day) {
                let instant = self.zone.instant(opens);
                let is_next = now < instant && next.is_none_or(|next| instant < next);
                if is_next && instant < self.zone.instant(closes) {
                    next = Some(instant);
                }
            }
            // Where clocks are put forward, even a window of the next day can open earlier.
            if found_before.is_some() {
                return next;
            }
        }
        next
    }

    /// The windows that open on that day.
    fn on(&self, day: Date) -> impl Iterator<Item = (DateTime, DateTime)> {
        let is_holiday = self.holidays.contains(&day);
        let windows = if is_holiday { &[] } else { &self.windows[..] };
        windows.iter().filter_map(move |window| window.on(day))
    }
}

enum Closing {
    At(Timestamp),
    BeyondHorizon,
}

/// The days of which a window can be open on this one. It is open into the next day at most, and
/// no clock was ever put forward or back by more than a day.
fn days_around(today: Date) -> impl Iterator<Item = Date> {
    let yesterday = today.yesterday().ok();
    let day_before = yesterday.and_then(|day| day.yesterday().ok());
    let tomorrow = today.tomorrow().ok();
    [Some(today), yesterday, tomorrow, day_before]
        .into_iter()
        .flatten()
}

fn days_from(first: Date) -> impl Iterator<Item = Date> {
    successors(Some(first), |day| day.tomorrow().ok())
}
