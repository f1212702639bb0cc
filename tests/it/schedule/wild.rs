//! Any text at all is met with hours or with words.

use std::collections::BTreeSet;

use metrom::schedule::{Holidays, OfficeHours};
use proptest::prelude::*;

const CALENDAR: &str = include_str!("holidays.ics");

/// Breaks a sound text in a few places.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let place = 0..text.len();
    let change = (place.clone(), place, any::<u8>(), 0..4u8);
    proptest::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, other, byte, kind) in changes {
            let length = bytes.len().max(1);
            bytes.resize(length, byte);
            let (at, other) = (at % length, other % length);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = bytes[other],
                2 => drop(bytes.splice(at..(at + 1 + other % 9).min(bytes.len()), [])),
                _ => {
                    let copied = bytes[at..(at + 80).min(bytes.len())].to_vec();
                    drop(bytes.splice(other..other, copied));
                }
            }
        }
        bytes
    })
}

fn words() -> impl Strategy<Value = String> {
    let words = [
        "Mon",
        "Fri-Mon",
        "daily",
        "mo-",
        "-",
        "09:00-19:00",
        "22:00-06:00",
        "00:00-24:00",
        "9:00-9:00",
        "24:00-24:00",
        ",",
        ", ",
        "Asia/Seoul",
        "UTC",
        "+9",
        "é",
        "09:00-١٩:00",
        "–",
    ];
    let word = proptest::sample::select(words.to_vec());
    proptest::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_hours_or_is_not(text in prop_oneof![words(), any::<String>()]) {
        if let Ok(hours) = text.parse::<OfficeHours>() {
            prop_assert_eq!(hours.to_string().parse::<OfficeHours>(), Ok(hours));
        }
    }

    #[test]
    fn any_bytes_are_holidays_or_are_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Holidays::read(&bytes);
        let _ = Holidays::read(&[b"BEGIN:VCALENDAR\n".as_slice(), &bytes].concat());
    }

    #[test]
    fn a_broken_calendar_is_read_or_says_where_it_is_broken(bytes in mutated(CALENDAR)) {
        let lines = String::from_utf8_lossy(&bytes).lines().count();
        if let Err(error) = Holidays::read(&bytes) {
            prop_assert!((1..=lines).contains(&error.line), "{}", error);
        }
    }

    #[test]
    fn a_calendar_that_ends_early_is_refused(length in 0..CALENDAR.trim_end().len()) {
        let bytes = &CALENDAR.as_bytes()[..length];
        let is_blank = bytes.iter().all(u8::is_ascii_whitespace);
        let read = Holidays::read(bytes);
        prop_assert_eq!(read.is_ok(), is_blank);
    }

    #[test]
    fn a_list_is_read_as_it_was_written(days in proptest::collection::btree_set(0..40_000i64, 0..50)) {
        let first = jiff::civil::date(1999, 1, 1);
        let days: BTreeSet<_> = days.into_iter().map(|n| first + jiff::Span::new().days(n)).collect();
        let lines: Vec<String> = days.iter().map(|day| format!("{day}  a day")).collect();
        let read = Holidays::read(lines.join("\r\n").as_bytes()).unwrap();
        prop_assert_eq!(read.days, days);
    }
}
