//! A rule of repetition as iCalendar writes it: `FREQ=YEARLY;BYMONTH=11;BYDAY=4TH`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::civil::{Date, Weekday};

use super::Problem;
use super::error::shown;
use super::event::parse_when;

/// Longest pause between two periods; longer ones reach beyond all that is looked at anyway.
const MAX_INTERVAL: u32 = 10_000;

/// The period in which days are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule about whole days. What is empty chooses nothing and leaves out nothing.
#[derive(Debug)]
pub(super) struct Rule {
    pub frequency: Frequency,
    /// Every how many periods.
    pub interval: i32,
    pub count: Option<u32>,
    pub until: Option<Date>,
    pub week_start: Weekday,
    pub months: BTreeSet<i16>,
    pub weeks: BTreeSet<i16>,
    pub days_of_year: BTreeSet<i16>,
    pub days_of_month: BTreeSet<i16>,
    /// With their place in the month or year, counted from its beginning or, negative, its end;
    /// 0 for all of them. Days of the week are counted from Monday, 0.
    pub weekdays: BTreeSet<(i16, i8)>,
    pub positions: BTreeSet<i16>,
}

impl Rule {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut rule = Self::every(Frequency::Yearly);
        let mut has_frequency = false;
        for part in text.trim_end_matches(';').split(';') {
            let not_a_rule = || Problem::NotARule(shown(part));
            let (name, value) = part.split_once('=').ok_or_else(not_a_rule)?;
            let (name, value) = (name.to_ascii_uppercase(), value.to_ascii_uppercase());
            has_frequency |= name == "FREQ";
            rule.set(&name, &value).ok_or_else(not_a_rule)?;
        }
        if !has_frequency {
            return Err(Problem::NotARule(shown(text)));
        }
        rule.check()?;
        Ok(rule)
    }

    fn every(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Monday,
            months: BTreeSet::new(),
            weeks: BTreeSet::new(),
            days_of_year: BTreeSet::new(),
            days_of_month: BTreeSet::new(),
            weekdays: BTreeSet::new(),
            positions: BTreeSet::new(),
        }
    }

    /// Takes one part; `None` if it is none of whole days.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "FREQ" => self.frequency = Frequency::parse(value)?,
            "INTERVAL" => self.interval = number(value, 1..=MAX_INTERVAL)? as i32,
            "COUNT" => self.count = Some(number(value, 1..=u32::MAX)?),
            "UNTIL" => self.until = Some(parse_when(value).ok()?.day()),
            "WKST" => self.week_start = weekday(value)?,
            "BYMONTH" => self.months = numbers(value, |n| (1..=12).contains(&n))?,
            "BYWEEKNO" => self.weeks = numbers(value, |n| within(n, 53))?,
            "BYYEARDAY" => self.days_of_year = numbers(value, |n| within(n, 366))?,
            "BYMONTHDAY" => self.days_of_month = numbers(value, |n| within(n, 31))?,
            "BYSETPOS" => self.positions = numbers(value, |n| within(n, 366))?,
            "BYDAY" => self.weekdays = value.split(',').map(place).collect::<Option<_>>()?,
            _ => return None,
        }
        Some(())
    }

    /// Refuses what RFC 5545 gives no meaning to.
    fn check(&self) -> Result<(), Problem> {
        let is = |frequency| self.frequency == frequency;
        let has = |chosen: &BTreeSet<i16>| !chosen.is_empty();
        let has_place = self.weekdays.iter().any(|(place, _)| *place != 0);
        let is_within_week = is(Frequency::Daily) || is(Frequency::Weekly);
        let in_year = has(&self.months) || has(&self.weeks) || has(&self.days_of_year);
        let chooses = in_year || has(&self.days_of_month) || !self.weekdays.is_empty();
        let table = [
            ("BYWEEKNO", has(&self.weeks) && !is(Frequency::Yearly)),
            (
                "BYYEARDAY",
                has(&self.days_of_year) && !is(Frequency::Yearly),
            ),
            (
                "BYMONTHDAY",
                has(&self.days_of_month) && is(Frequency::Weekly),
            ),
            ("BYDAY with a number", has_place && is_within_week),
            (
                "BYDAY with a number, and BYWEEKNO",
                has_place && has(&self.weeks),
            ),
            ("BYSETPOS alone", has(&self.positions) && !chooses),
        ];
        match table.into_iter().find(|(_, is_wrong)| *is_wrong) {
            Some((what, _)) => Err(Problem::NotForFrequency(what, self.frequency.name())),
            None => Ok(()),
        }
    }
}

impl Frequency {
    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];
        all.into_iter().find(|frequency| frequency.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        }
    }
}

fn number(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn numbers(text: &str, is_good: impl Fn(i16) -> bool) -> Option<BTreeSet<i16>> {
    let number = |text: &str| text.parse().ok().filter(|number| is_good(*number));
    text.split(',').map(number).collect()
}

/// Counted from the beginning or, negative, from the end; never 0.
fn within(number: i16, most: i16) -> bool {
    number != 0 && (-most..=most).contains(&number)
}

/// `MO`, `1MO`, `-1MO`.
fn place(text: &str) -> Option<(i16, i8)> {
    let (place, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let day = weekday(name)?.to_monday_zero_offset();
    match place {
        "" => Some((0, day)),
        place => Some((place.parse().ok().filter(|place| within(*place, 53))?, day)),
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let offset = names.iter().position(|name| *name == text)?;
    Weekday::from_monday_zero_offset(offset as i8).ok()
}
