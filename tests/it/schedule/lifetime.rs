//! The end of a life and the warnings before it.

use std::time::Duration;

use metrom::model::Timestamp;
use metrom::schedule::lifetime::{self, Ahead, end_of_life};

use super::awake::instant;

#[test]
fn a_life_ends_when_its_time_is_up() {
    let born = instant("2026-11-18T12:00:00.5Z");
    let fortnight = Duration::from_hours(14 * 24);
    assert_eq!(
        end_of_life(born, fortnight),
        instant("2026-12-02T12:00:00.5Z")
    );
    assert_eq!(end_of_life(born, Duration::ZERO), born);
    assert_eq!(end_of_life(born, Duration::MAX), Timestamp::MAX);
    assert_eq!(
        end_of_life(born, Duration::from_secs(300_000_000_000)),
        Timestamp::MAX
    );
    assert_eq!(end_of_life(Timestamp::MAX, fortnight), Timestamp::MAX);
    assert!(end_of_life(Timestamp::MIN, fortnight) > Timestamp::MIN);
}

#[test]
fn warnings_come_three_days_one_day_and_one_hour_ahead() {
    let end = instant("2026-12-02T12:00Z");
    for (now, due, next) in [
        ("2026-11-01T00:00Z", None, Some("2026-11-29T12:00Z")),
        ("2026-11-29T11:59:59Z", None, Some("2026-11-29T12:00Z")),
        (
            "2026-11-29T12:00Z",
            Some(Ahead::ThreeDays),
            Some("2026-12-01T12:00Z"),
        ),
        (
            "2026-12-01T11:00Z",
            Some(Ahead::ThreeDays),
            Some("2026-12-01T12:00Z"),
        ),
        (
            "2026-12-01T12:00Z",
            Some(Ahead::OneDay),
            Some("2026-12-02T11:00Z"),
        ),
        ("2026-12-02T11:00Z", Some(Ahead::OneHour), None),
        ("2026-12-02T11:59:59Z", Some(Ahead::OneHour), None),
        ("2026-12-02T12:00Z", None, None),
        ("2027-01-01T00:00Z", None, None),
    ] {
        assert_eq!(lifetime::due(end, instant(now)), due, "{now}");
        assert_eq!(
            lifetime::next(end, instant(now)),
            next.map(instant),
            "{now}"
        );
    }
}

#[test]
fn waiting_for_the_next_warning_misses_none() {
    let end = instant("2026-12-02T12:00Z");
    let mut now = instant("2026-01-01T00:00Z");
    let mut told = Vec::new();
    while let Some(next) = lifetime::next(end, now) {
        now = next;
        told.extend(lifetime::due(end, now));
    }
    assert_eq!(told, Ahead::ALL);
    let words: Vec<String> = told.iter().map(Ahead::to_string).collect();
    assert_eq!(words, ["3 days", "1 day", "1 hour"]);
    assert_eq!(now, Ahead::OneHour.before(end));
}

#[test]
fn time_has_ends() {
    for end in [Timestamp::MIN, Timestamp::MAX] {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            let _ = (lifetime::due(end, now), lifetime::next(end, now));
        }
    }
    assert_eq!(Ahead::OneDay.before(Timestamp::MIN), Timestamp::MIN);
    assert_eq!(lifetime::due(Timestamp::MIN, Timestamp::MIN), None);
}
