//! Hours against the plain definition: it is open at an instant if there is a day whose window has
//! begun by then and not ended.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};
use metrom::model::Timestamp;
use metrom::schedule::OfficeHours;
use proptest::prelude::*;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Zones that are odd in one way or another, beside ordinary ones.
const ODD_ZONES: [&str; 16] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Seoul",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "UTC",
];

/// One window as it was made up: its days, when it opens, how long the clocks run.
#[derive(Debug, Clone)]
struct Plain {
    days: [bool; 7],
    opens: Time,
    minutes: i64,
}

#[derive(Debug, Clone)]
struct Made {
    windows: Vec<Plain>,
    zone: TimeZone,
    holidays: BTreeSet<Date>,
}

impl Plain {
    fn closes(&self, day: Date) -> DateTime {
        day.to_datetime(self.opens) + self.minutes.minutes()
    }

    fn text(&self) -> String {
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let days = names.into_iter().zip(self.days).filter(|(_, has)| *has);
        let days: Vec<&str> = days.map(|(name, _)| name).collect();
        let closes = self.closes(date(2001, 1, 1)).strftime("%H:%M").to_string();
        let opens = self.opens.strftime("%H:%M").to_string();
        let closes = if closes == "00:00" { "24:00" } else { &closes };
        format!("{} {opens}-{closes}", days.join(" "))
    }
}

impl Made {
    fn hours(&self) -> OfficeHours {
        let windows: Vec<String> = self.windows.iter().map(Plain::text).collect();
        let zone = self.zone.iana_name().unwrap();
        let text = format!("{} {zone}", windows.join(", "));
        let hours: OfficeHours = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        hours.with_holidays(self.holidays.clone())
    }

    /// From when to when a window is open on each of some days.
    fn spans(&self, first: Date, last: Date) -> Vec<(Timestamp, Timestamp)> {
        let instant = |time: DateTime| time.to_zoned(self.zone.clone()).unwrap().timestamp();
        let days = first.series(1.day()).take_while(|day| *day <= last);
        days.filter(|day| !self.holidays.contains(day))
            .flat_map(|day| {
                let weekday = day.weekday().to_monday_zero_offset() as usize;
                let windows = self
                    .windows
                    .iter()
                    .filter(move |window| window.days[weekday]);
                windows.map(move |window| (day.to_datetime(window.opens), window.closes(day)))
            })
            .map(|(opens, closes)| (instant(opens), instant(closes)))
            .collect()
    }

    fn day_of(&self, now: Timestamp) -> Date {
        now.to_zoned(self.zone.clone()).date()
    }
}

fn is_open(spans: &[(Timestamp, Timestamp)], now: Timestamp) -> bool {
    spans
        .iter()
        .any(|(opens, closes)| *opens <= now && now < *closes)
}

/// Windows between times of a clock's face, each on days of its own, so that none overlap. With a
/// step of `minutes` between possible times.
fn windows(minutes: u16) -> impl Strategy<Value = Vec<Plain>> {
    let times = proptest::collection::btree_set(0..1440 / minutes, 1..6);
    let days = proptest::collection::vec(any::<[bool; 7]>(), 6);
    let made = (times, days).prop_map(move |(times, days)| {
        let times: Vec<i64> = times
            .into_iter()
            .map(|time| i64::from(time * minutes))
            .collect();
        let ends = times.iter().skip(1).copied().chain([times[0] + 1440]);
        let arcs = times.iter().copied().zip(ends).zip(days);
        let window = |((opens, closes), days): ((i64, i64), [bool; 7])| {
            // A whole day can only begin at midnight.
            let step = i64::from(minutes);
            let longest = if opens == 0 { 1440 } else { 1440 - step };
            let minutes = (closes - opens).min(longest);
            let opens = Time::midnight() + opens.minutes();
            Plain {
                days,
                opens,
                minutes,
            }
        };
        let windows = arcs.map(window);
        windows
            .filter(|window| window.days.contains(&true))
            .collect::<Vec<_>>()
    });
    made.prop_filter("a window", |windows| !windows.is_empty())
}

fn zone() -> impl Strategy<Value = TimeZone> {
    let all: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
    let odd = proptest::sample::select(ODD_ZONES.map(str::to_owned).to_vec());
    prop_oneof![3 => odd, 1 => proptest::sample::select(all)]
        .prop_map(|name| ZONES.get(&name).unwrap())
}

/// Hours with holidays in that year.
fn made(minutes: u16, year: i16) -> impl Strategy<Value = Made> {
    let days = proptest::collection::btree_set(0..365i64, 0..40);
    (windows(minutes), zone(), days).prop_map(move |(windows, zone, days)| Made {
        windows,
        zone,
        holidays: days
            .into_iter()
            .map(|day| date(year, 1, 1) + day.days())
            .collect(),
    })
}

/// An instant of that year, often near to one at which the clocks of the zone change.
fn near_a_change(zone: &TimeZone, year: i16, share: f64, minutes: i64) -> Timestamp {
    let start = date(year, 1, 1)
        .to_zoned(TimeZone::UTC)
        .unwrap()
        .timestamp();
    let anywhere = start + Duration::from_secs_f64(365.0 * 86_400.0 * share);
    match zone.following(anywhere).next() {
        Some(change) if minutes % 4 != 0 => change.timestamp() + Span::new().minutes(minutes),
        _ => anywhere,
    }
}

fn year() -> impl Strategy<Value = i16> {
    prop_oneof![1 => 1900..2100i16, 2 => 2005..2040i16, 1 => Just(2011)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_answer_is_what_the_definition_says(
        (made, year) in year().prop_flat_map(|year| (made(1, year), Just(year))),
        share in 0.0..1.0f64,
        minutes in -3000..3000i64,
    ) {
        let now = near_a_change(&made.zone, year, share, minutes);
        let state = made.hours().at(now);
        let today = made.day_of(now);
        let last = state.until.map_or(today + 400.days(), |until| made.day_of(until));
        let spans = made.spans(today - 4.days(), last + 4.days());

        prop_assert_eq!(state.is_open, is_open(&spans, now));
        if let Some(until) = state.until {
            prop_assert!(now < until);
            prop_assert_eq!(is_open(&spans, until), !state.is_open);
        }
        // Between two times at which some window opens or closes, nothing can change.
        let until = state.until.unwrap_or_else(|| now + Duration::from_hours(399 * 24));
        let edges = spans.iter().flat_map(|(opens, closes)| [*opens, *closes]);
        for edge in edges.filter(|edge| now < *edge && *edge < until) {
            prop_assert_eq!(is_open(&spans, edge), state.is_open, "at {}", edge);
        }
    }
}

/// A whole year, quarter of an hour by quarter.
fn quarters(made: &Made, year: i16) -> Vec<(Timestamp, bool)> {
    let first = date(year, 1, 1);
    let start = first.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let spans = made.spans(first - 4.days(), first + 370.days());
    let mut quarters: Vec<(Timestamp, bool)> = (0..365 * 24 * 4)
        .map(|quarter| (start + Duration::from_mins(quarter * 15), false))
        .collect();
    for (opens, closes) in spans {
        let from = quarters.partition_point(|(instant, _)| *instant < opens);
        let open = quarters[from..].iter_mut();
        open.take_while(|(instant, _)| *instant < closes)
            .for_each(|(_, is_open)| *is_open = true);
    }
    quarters
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_year_goes_as_its_quarters_of_an_hour(
        (made, year) in (1990..2080i16).prop_flat_map(|year| (made(15, year), Just(year))),
        step in 30..200usize,
    ) {
        let hours = made.hours();
        let quarters = quarters(&made, year);
        for at in (0..quarters.len()).step_by(step) {
            let (now, is_open) = quarters[at];
            let state = hours.at(now);
            prop_assert_eq!(state.is_open, is_open, "at {}", now);
            let change = quarters[at..].iter().find(|(_, later)| *later != is_open);
            match (change, state.until) {
                (Some((change, _)), until) => prop_assert_eq!(until, Some(*change), "at {}", now),
                (None, Some(until)) => prop_assert!(until > quarters.last().unwrap().0),
                (None, None) => {}
            }
        }
    }

    #[test]
    fn an_answer_does_not_depend_on_what_was_asked_before(
        made in made(1, 2026),
        minutes in proptest::collection::vec(0..525_600u64, 1..20),
    ) {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let instants = minutes.iter().map(|minutes| start + Duration::from_mins(*minutes));
        let instants: Vec<Timestamp> = instants.collect();
        let hours = made.hours();
        let forwards: Vec<_> = instants.iter().map(|now| hours.at(*now)).collect();
        let mut backwards: Vec<_> = instants.iter().rev().map(|now| hours.at(*now)).collect();
        backwards.reverse();
        let alone: Vec<_> = instants.iter().map(|now| made.hours().at(*now)).collect();
        prop_assert_eq!(&forwards, &backwards);
        prop_assert_eq!(&forwards, &alone);
    }

    #[test]
    fn what_is_printed_can_be_read(made in made(1, 2026)) {
        let hours = made.hours().with_holidays(BTreeSet::new());
        let text = hours.to_string();
        let read: OfficeHours = text.parse().unwrap();
        prop_assert_eq!(&read, &hours);
        prop_assert_eq!(read.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn there_is_an_answer_for_every_instant(
        made in made(1, 2026),
        seconds in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        from_end in 0..1_000_000i64,
    ) {
        let hours = made.hours();
        let first = Timestamp::MIN.as_second();
        let last = Timestamp::MAX.as_second();
        for second in [first, last, first + from_end, last - from_end, seconds] {
            let now = Timestamp::from_second(second).unwrap();
            let state = hours.at(now);
            prop_assert!(state.until.is_none_or(|until| now < until));
        }
        let _ = hours.at(Timestamp::MIN);
        let _ = hours.at(Timestamp::MAX);
    }
}
