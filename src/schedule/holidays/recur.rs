//! The days that a rule chooses.
//!
//! The rule of RFC 5545 read as a question: of each period, take the days that satisfy all parts
//! of the rule. Every day of a month that may have some is looked at, which is slow beside clever
//! ways and easily understood; a century has 36,525 days.

use std::collections::BTreeSet;
use std::iter::successors;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use super::rule::{Frequency, Rule};
use super::{LAST_DAY, Problem, Tally};

impl Rule {
    /// The days from `start` on, at most until [`LAST_DAY`]. Whatever the rule leaves open is as
    /// on the start: its month, its day.
    pub fn days(mut self, start: Date, tally: &mut Tally) -> Result<Vec<Date>, Problem> {
        self.complete(start);
        let last = self.until.unwrap_or(LAST_DAY).min(LAST_DAY);
        let mut left = self.count.unwrap_or(u32::MAX);
        let mut days = Vec::new();
        let mut period = Some(self.period_of(start));
        while let Some(first) = period.filter(|first| *first <= last) {
            for day in self.days_of_period(first, tally)? {
                if day > last || left == 0 {
                    return Ok(days);
                }
                if day >= start {
                    days.push(day);
                    left -= 1;
                }
            }
            period = first.checked_add(self.step()).ok();
        }
        Ok(days)
    }

    fn complete(&mut self, start: Date) {
        let chooses_day = !self.weeks.is_empty()
            || !self.days_of_year.is_empty()
            || !self.days_of_month.is_empty()
            || !self.weekdays.is_empty();
        if chooses_day {
            return;
        }
        match self.frequency {
            Frequency::Daily => {}
            Frequency::Weekly => {
                let weekday = start.weekday().to_monday_zero_offset();
                self.weekdays.insert((0, weekday));
            }
            Frequency::Yearly if self.months.is_empty() => {
                self.months.insert(start.month().into());
                self.days_of_month.insert(start.day().into());
            }
            Frequency::Monthly | Frequency::Yearly => {
                self.days_of_month.insert(start.day().into());
            }
        }
    }

    /// The first day of the period that this day is in.
    fn period_of(&self, day: Date) -> Date {
        match self.frequency {
            Frequency::Daily => day,
            Frequency::Weekly => week_of(day, self.week_start),
            Frequency::Monthly => day.first_of_month(),
            Frequency::Yearly => day.first_of_year(),
        }
    }

    fn step(&self) -> Span {
        match self.frequency {
            Frequency::Daily => self.interval.days(),
            Frequency::Weekly => self.interval.weeks(),
            Frequency::Monthly => self.interval.months(),
            Frequency::Yearly => self.interval.years(),
        }
    }

    /// The days that the rule chooses of the period that begins on this one, in their order.
    fn days_of_period(&self, first: Date, tally: &mut Tally) -> Result<Vec<Date>, Problem> {
        let end = match self.frequency {
            Frequency::Daily => first,
            Frequency::Weekly => first.saturating_add(6.days()),
            Frequency::Monthly => first.last_of_month(),
            Frequency::Yearly => first.last_of_year(),
        };
        let candidates = successors(Some(first), |day| self.next_candidate(*day));
        let mut days = Vec::new();
        for day in candidates.take_while(|day| *day <= end) {
            tally.step()?;
            if self.admits(day) {
                days.push(day);
            }
        }
        Ok(self.at_positions(days))
    }

    /// The next day, or the next month if the rule has nothing to do with this one.
    fn next_candidate(&self, day: Date) -> Option<Date> {
        let last = if self.admits_month(day) {
            day
        } else {
            day.last_of_month()
        };
        last.tomorrow().ok()
    }

    fn admits_month(&self, day: Date) -> bool {
        self.months.is_empty() || self.months.contains(&day.month().into())
    }

    fn admits(&self, day: Date) -> bool {
        self.admits_month(day)
            && admits(
                &self.days_of_month,
                day.day().into(),
                day.days_in_month().into(),
            )
            && admits(&self.days_of_year, day.day_of_year(), day.days_in_year())
            && self.admits_weekday(day)
            && self.admits_week(day)
    }

    fn admits_weekday(&self, day: Date) -> bool {
        let is_by_month = self.frequency == Frequency::Monthly || !self.months.is_empty();
        let (number, most): (i16, i16) = if is_by_month {
            (day.day().into(), day.days_in_month().into())
        } else {
            (day.day_of_year(), day.days_in_year())
        };
        let weekday = day.weekday().to_monday_zero_offset();
        let places = [0, (number - 1) / 7 + 1, -((most - number) / 7 + 1)];
        self.weekdays.is_empty()
            || places
                .iter()
                .any(|place| self.weekdays.contains(&(*place, weekday)))
    }

    fn admits_week(&self, day: Date) -> bool {
        if self.weeks.is_empty() {
            return true;
        }
        let Some((year, week)) = week_number(day, self.week_start) else {
            return false;
        };
        // The 28th of December is in the last week of its year, wherever weeks begin.
        let end_of_year = Date::new(year, 12, 28).ok();
        let last_week = end_of_year.and_then(|day| week_number(day, self.week_start));
        let most = last_week.map_or(52, |(_, week)| week);
        admits(&self.weeks, week, most)
    }

    /// Only the days at the positions asked for, counted from the beginning or the end.
    fn at_positions(&self, days: Vec<Date>) -> Vec<Date> {
        let most = days.len() as i16;
        let numbered = days.into_iter().zip(1..);
        let kept = numbered.filter(|(_, number)| admits(&self.positions, *number, most));
        kept.map(|(day, _)| day).collect()
    }
}

/// Whether one of so many is chosen, counted from 1 or, from the end, from -1.
fn admits(chosen: &BTreeSet<i16>, number: i16, most: i16) -> bool {
    chosen.is_empty() || chosen.contains(&number) || chosen.contains(&(number - most - 1))
}

/// The first day of the week that this day is in.
fn week_of(day: Date, week_start: Weekday) -> Date {
    let days = week_start.until(day.weekday());
    day.saturating_sub(days.days())
}

/// The week's number and its year: that of which it has at least four days.
fn week_number(day: Date, week_start: Weekday) -> Option<(i16, i16)> {
    let fourth_day = week_of(day, week_start).checked_add(3.days()).ok()?;
    Some((fourth_day.year(), (fourth_day.day_of_year() - 1) / 7 + 1))
}
