//! What environments cost: hours, months, budgets.

use std::sync::Arc;

use jiff::ToSpan;
use metrom::cost::hours::{open, seconds};
use metrom::cost::{Calendar, Life, Size, Tariff, Window};
use metrom::manifest::schema::ProviderSpec;
use metrom::model::{ProviderName, Timestamp};
use metrom::schedule::OfficeHours;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A host on which a cpu costs one dollar a minute, and a GiB of disk one cent an hour.
fn lab() -> (ProviderName, ProviderSpec) {
    let spec = serde_json::json!({"uri": "qemu:///system", "prices": {
        "cpuHour": "60 USD", "memoryGibHour": "0 USD", "diskGibHour": "0.01 USD",
    }});
    let name = ProviderName::parse("lab").unwrap();
    (
        name,
        ProviderSpec::Host(serde_json::from_value(spec).unwrap()),
    )
}

fn life(size: Size, from: Timestamp, end: Option<Timestamp>, hours: Option<&OfficeHours>) -> Life {
    let (name, spec) = lab();
    Life {
        tariff: Tariff::asked(&name, &spec, size),
        from,
        end,
        data_end: end,
        open: Calendar::new(from).open(hours),
        stopped: None,
    }
}

const CPU: Size = Size {
    cpus: 1,
    memory_mib: 1024,
    disk_mib: 0,
    data_mib: 0,
};

fn dollars(life: &Life, window: Window) -> String {
    life.cost(window).whole().unwrap().amount.to_string()
}

#[test]
fn a_month_is_one_of_utc() {
    let month = Window::month(at("2026-11-30T23:59:59Z"));
    assert_eq!(month.from, at("2026-11-01T00:00:00Z"));
    assert_eq!(month.to, at("2026-12-01T00:00:00Z"));
    assert_eq!(month.seconds(), 30 * 86_400);
    let next = Window::month(month.to);
    assert_eq!(
        (next, next.month_name().as_str()),
        (month.next_month(), "December 2026")
    );
    assert_eq!(next.next_month().from, at("2027-01-01T00:00:00Z"));
}

#[test]
fn a_machine_costs_in_its_office_hours_and_its_disks_all_the_time() {
    let hours: OfficeHours = "Mon-Fri 09:00-19:00 Asia/Seoul".parse().unwrap();
    let holiday = [jiff::civil::date(2026, 11, 25)].into();
    let hours = hours.with_holidays(holiday);
    let from = at("2026-11-01T00:00:00Z");
    let size = Size {
        disk_mib: 6 * 1024,
        data_mib: 4 * 1024,
        ..CPU
    };
    let life = life(size, from, None, Some(&hours));
    let month = Window::month(from);
    // 21 working days less one, ten hours each; 10 GiB for 720 hours.
    let expected = 20 * 600 + 72;
    assert_eq!(dollars(&life, month), expected.to_string());
    let to_date = month.until(at("2026-11-02T05:30:00Z"));
    // Monday from 00:00 UTC; 29.5 hours of disk.
    assert_eq!(dollars(&life, to_date), "332.95");
}

#[test]
fn data_costs_as_long_as_it_is_kept() {
    let size = Size {
        data_mib: 1024,
        ..CPU
    };
    let from = at("2026-11-01T00:00:00Z");
    let end = at("2026-11-02T00:00:00Z");
    let kept = Life {
        data_end: Some(at("2026-11-12T00:00:00Z")),
        ..life(size, from, Some(end), None)
    };
    // A day of the machine, eleven days of data.
    assert_eq!(dollars(&kept, Window::month(from)), "1442.64");
    let forever = Life {
        data_end: None,
        ..kept
    };
    assert_eq!(dollars(&forever, Window::month(from)), "1447.2");
    let december = Window::month(from).next_month();
    assert_eq!(dollars(&forever, december), "7.44");
}

#[test]
fn a_stopped_machine_costs_its_disks_alone() {
    let from = at("2026-11-01T00:00:00Z");
    let month = Window::month(from);
    let size = Size {
        disk_mib: 1024,
        ..CPU
    };
    let stopped = Window {
        from: at("2026-11-01T10:00:00Z"),
        to: month.to,
    };
    let stopped = Life {
        stopped: Some(stopped),
        ..life(size, from, None, None)
    };
    assert_eq!(dollars(&stopped, month), "607.2");
    let running = 31 * 1440;
    let december = dollars(&stopped, month.next_month());
    assert_eq!(
        december,
        format!("{}.44", running + 7),
        "the month after it runs again"
    );
}

const HOURS: [&str; 6] = [
    "Mon-Fri 09:00-19:00 Asia/Seoul",
    "Mon-Fri 09:00-12:30, Mon-Fri 13:00-18:15 Europe/Berlin",
    "Fri 22:00-06:00, Sun 01:00-04:00 America/New_York",
    "Mon-Sun 00:00-24:00 UTC",
    "Sat 08:00-08:01 Australia/Lord_Howe",
    "Mon-Thu 23:00-02:30 Asia/Kathmandu",
];

/// The minutes of a window in which hours are open, one by one.
fn minutes(hours: &OfficeHours, window: Window) -> u64 {
    let mut at = window.from;
    let mut found = 0;
    while at < window.to {
        found += u64::from(hours.at(at).is_open);
        at += 1.minute();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_hours_of_a_month_are_its_minutes_counted_one_by_one(
        which in 0..HOURS.len(), month in 0..60_i32, born in 0..60_000_i64, lived in 1..50_000_i64,
        holidays in proptest::collection::btree_set(0..31_i32, 0..4),
    ) {
        let hours: OfficeHours = HOURS[which].parse().unwrap();
        let first = jiff::civil::date(2024, 1, 1).checked_add(month.months()).unwrap();
        let days = holidays.iter().map(|day| first.checked_add(day.days()).unwrap());
        let hours = hours.with_holidays(days.collect());
        let start = first.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        let month = Window::month(start);
        let whole = seconds(&open(Some(&hours), month), month);
        prop_assert_eq!(whole, 60 * minutes(&hours, month));

        let from = start.checked_sub((20_000 - born).minutes()).unwrap();
        let end = from.checked_add(lived.minutes()).unwrap();
        let lived = Window { from, to: end }.within(month);
        let life = Life { open: Arc::from(open(Some(&hours), month)), ..life(CPU, from, Some(end), None) };
        let expected = minutes(&hours, lived).to_string();
        prop_assert_eq!(dollars(&life, month), expected);
    }
}

#[test]
fn amounts_of_different_currencies_stay_apart() {
    let host = |currency: &str| {
        let spec = serde_json::json!({"uri": "qemu:///system", "prices": {
            "cpuHour": format!("0.5 {currency}"), "memoryGibHour": format!("0 {currency}"),
            "diskGibHour": format!("0 {currency}"),
        }});
        ProviderSpec::Host(serde_json::from_value(spec).unwrap())
    };
    let name = ProviderName::parse("lab").unwrap();
    let hours = ["EUR", "KRW", "EUR"].map(|c| Tariff::asked(&name, &host(c), CPU).hour());
    let sum: metrom::cost::Sum = hours.iter().collect();
    assert_eq!(sum.to_string(), "1.00 EUR + 0.50 KRW");
    assert_eq!(sum.whole(), None);
}
