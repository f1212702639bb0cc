//! When hours are open, without any trick of a zone: days, nights, weeks, holidays.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use metrom::model::Timestamp;
use metrom::schedule::{OfficeHours, State};

pub(super) fn instant(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Asserts lines of `now | open or closed | until`.
pub(super) fn assert_states(hours: &OfficeHours, table: &str) {
    for line in table.trim().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let expected = State {
            is_open: cells[1] == "open",
            until: (cells[2] != "-").then(|| instant(cells[2])),
        };
        assert_eq!(hours.at(instant(cells[0])), expected, "{hours}: {line}");
    }
}

pub(super) fn hours(text: &str) -> OfficeHours {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_working_week() {
    // The 18th of November 2026 is a Wednesday.
    assert_states(
        &hours("Mon-Fri 09:00-19:00 Asia/Seoul"),
        "2026-11-18T00:00+09:00 | closed | 2026-11-18T09:00+09:00
         2026-11-18T08:59:59.999999999+09:00 | closed | 2026-11-18T09:00+09:00
         2026-11-18T09:00+09:00 | open | 2026-11-18T19:00+09:00
         2026-11-18T12:34:56.7+09:00 | open | 2026-11-18T19:00+09:00
         2026-11-18T18:59:59.999999999+09:00 | open | 2026-11-18T19:00+09:00
         2026-11-18T19:00+09:00 | closed | 2026-11-19T09:00+09:00
         2026-11-20T19:00+09:00 | closed | 2026-11-23T09:00+09:00
         2026-11-22T12:00+09:00 | closed | 2026-11-23T09:00+09:00
         2026-12-31T20:00+09:00 | closed | 2027-01-01T09:00+09:00",
    );
}

#[test]
fn the_zone_says_which_day_it_is() {
    // Monday morning in Auckland is still Sunday in Greenwich.
    assert_states(
        &hours("Mon 00:00-12:00 Pacific/Auckland"),
        "2026-11-22T11:00Z | open | 2026-11-22T23:00Z
         2026-11-22T23:00Z | closed | 2026-11-29T11:00Z",
    );
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    assert_states(
        &hours("Fri 22:00-06:00 Asia/Seoul"),
        "2026-11-20T05:00+09:00 | closed | 2026-11-20T22:00+09:00
         2026-11-20T22:00+09:00 | open | 2026-11-21T06:00+09:00
         2026-11-21T00:00+09:00 | open | 2026-11-21T06:00+09:00
         2026-11-21T06:00+09:00 | closed | 2026-11-27T22:00+09:00",
    );
}

#[test]
fn a_night_goes_over_the_end_of_the_week() {
    assert_states(
        &hours("Sun 22:00-06:00 Asia/Seoul"),
        "2026-11-23T03:00+09:00 | open | 2026-11-23T06:00+09:00
         2026-11-23T06:00+09:00 | closed | 2026-11-29T22:00+09:00",
    );
}

#[test]
fn windows_that_touch_are_one() {
    assert_states(
        &hours("Mon-Fri 09:00-12:00, Mon-Fri 12:00-13:00, Mon 13:00-19:00 Asia/Seoul"),
        "2026-11-23T09:30+09:00 | open | 2026-11-23T19:00+09:00
         2026-11-24T09:30+09:00 | open | 2026-11-24T13:00+09:00",
    );
    assert_states(
        &hours("Mon-Fri 00:00-24:00, Sat 00:00-06:00 Asia/Seoul"),
        "2026-11-24T12:00+09:00 | open | 2026-11-28T06:00+09:00
         2026-11-28T06:00+09:00 | closed | 2026-11-30T00:00+09:00",
    );
    assert_states(
        &hours("Mon 20:00-02:00, Tue 02:00-20:00 Asia/Seoul"),
        "2026-11-23T21:00+09:00 | open | 2026-11-24T20:00+09:00",
    );
}

#[test]
fn windows_that_do_not_touch_are_two() {
    assert_states(
        &hours("Mon-Fri 09:00-12:00, Mon-Fri 13:00-19:00, Sat 10:00-14:00 Asia/Seoul"),
        "2026-11-20T09:30+09:00 | open | 2026-11-20T12:00+09:00
         2026-11-20T12:30+09:00 | closed | 2026-11-20T13:00+09:00
         2026-11-20T13:00+09:00 | open | 2026-11-20T19:00+09:00
         2026-11-20T19:00+09:00 | closed | 2026-11-21T10:00+09:00",
    );
}

#[test]
fn what_never_closes_has_no_until() {
    assert_states(
        &hours("daily 00:00-24:00 Europe/Berlin"),
        "2026-11-18T12:00Z | open | -",
    );
    assert_states(
        &hours("Mon-Sat 12:00-11:00, Tue-Sun 11:00-12:00, Sun 12:00-24:00, Mon 00:00-12:00 UTC"),
        "2026-11-18T12:00Z | open | -",
    );
}

#[test]
fn a_holiday_opens_nothing() {
    let christmas = BTreeSet::from([date(2026, 12, 25), date(2026, 12, 26)]);
    assert_states(
        &hours("Mon-Fri 09:00-19:00 Asia/Seoul").with_holidays(christmas),
        "2026-12-24T18:00+09:00 | open | 2026-12-24T19:00+09:00
         2026-12-24T20:00+09:00 | closed | 2026-12-28T09:00+09:00
         2026-12-25T12:00+09:00 | closed | 2026-12-28T09:00+09:00",
    );
}

#[test]
fn what_opened_the_evening_before_a_holiday_runs_to_its_end() {
    let christmas = BTreeSet::from([date(2026, 12, 25)]);
    assert_states(
        &hours("daily 22:00-06:00 Asia/Seoul").with_holidays(christmas.clone()),
        "2026-12-24T23:00+09:00 | open | 2026-12-25T06:00+09:00
         2026-12-25T05:00+09:00 | open | 2026-12-25T06:00+09:00
         2026-12-25T23:00+09:00 | closed | 2026-12-26T22:00+09:00
         2026-12-26T05:00+09:00 | closed | 2026-12-26T22:00+09:00",
    );
    assert_states(
        &hours("daily 00:00-24:00 Asia/Seoul").with_holidays(christmas),
        "2026-12-01T12:00+09:00 | open | 2026-12-25T00:00+09:00
         2026-12-25T12:00+09:00 | closed | 2026-12-26T00:00+09:00
         2026-12-26T12:00+09:00 | open | -",
    );
}

#[test]
fn a_change_is_seen_more_than_a_year_ahead_and_not_for_ever() {
    let off = |days: usize| -> BTreeSet<Date> {
        let first = date(2026, 1, 1);
        first.series(jiff::Span::new().days(1)).take(days).collect()
    };
    let daily = hours("daily 09:00-19:00 UTC");
    assert_states(
        &daily.clone().with_holidays(off(399)),
        "2026-01-01T12:00Z | closed | 2027-02-04T09:00Z",
    );
    assert_states(
        &daily.clone().with_holidays(off(10_000)),
        "2026-01-01T12:00Z | closed | -",
    );
    // Open for a year and a bit, until the first holiday.
    assert_states(
        &hours("daily 00:00-24:00 UTC").with_holidays(off(1)),
        "2024-11-27T12:00Z | open | 2026-01-01T00:00Z
         2024-11-20T12:00Z | open | -",
    );
}
