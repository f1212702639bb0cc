//! Holidays as a list of dates.

use std::fmt::Write as _;

use jiff::civil::date;
use metrom::schedule::Holidays;
use metrom::schedule::holidays::MAX_DAYS;

fn words(text: &str) -> String {
    Holidays::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn one_date_a_line_with_names_and_comments() {
    let text = "\u{feff}# holidays of Seoul\n\n2026-12-25  Christmas # every year\r\n  2026-01-01\n\
                2026-12-25 again\n#2026-05-05\n2028-02-29\tleap day; and 2 more words 12-25";
    let holidays = Holidays::read(text.as_bytes()).unwrap();
    let days: Vec<_> = holidays.days.into_iter().collect();
    assert_eq!(
        days,
        [date(2026, 1, 1), date(2026, 12, 25), date(2028, 2, 29)]
    );
    assert_eq!(holidays.timed_events, 0);
}

#[test]
fn nothing_is_no_holidays() {
    for text in ["", "\n\n", "# none this year"] {
        assert_eq!(Holidays::read(text.as_bytes()), Ok(Holidays::default()));
    }
}

#[test]
fn names_may_be_in_any_encoding() {
    let holidays = Holidays::read(b"2026-11-01  Toussaint, f\xeate l\xe9gale").unwrap();
    assert_eq!(holidays.days.len(), 1);
}

#[test]
fn a_near_miss_is_met_with_what_was_meant() {
    for (text, meant) in [
        ("2026/12/25", "2026-12-25"),
        ("2026.12.25", "2026-12-25"),
        ("20261225", "2026-12-25"),
        ("2026-1-5", "2026-01-05"),
        ("25.12.2026", "2026-12-25"),
        ("25-12-2026", "2026-12-25"),
    ] {
        let expected = format!("line 2: `{text}` is not a date; did you mean `{meant}`?");
        assert_eq!(words(&format!("# days\n{text} Christmas")), expected);
    }
    for text in [
        "2026-02-30",
        "12/11/2026",
        "Christmas",
        "2026-12",
        "<!DOCTYPE",
        "２０２６-12-25",
        "2026-+1-05",
    ] {
        assert_eq!(
            words(&format!("2026-01-01\n\n{text}\n")),
            format!(
                "line 3: `{text}` is not a date; begin each line with one such as `2026-12-25`, or \
                 use an iCalendar file"
            )
        );
    }
}

#[test]
fn a_message_stays_short_and_printable() {
    let message = words(&format!("\u{1b}[31m{}", "x".repeat(10_000)));
    assert!(message.starts_with("line 1: `�[31mxxx"), "{message}");
    assert!(message.chars().count() < 200, "{message}");
}

#[test]
fn a_span_of_days_is_not_mistaken_for_one_day() {
    for text in ["2026-12-24 - 2026-12-26", "2026-12-24 2026-12-26 Christmas"] {
        assert_eq!(
            words(text),
            "line 1: `2026-12-26` is a second date on this line; put every day on a line of its own"
        );
    }
}

#[test]
fn a_list_has_an_end() {
    let first = date(2000, 1, 1);
    let days = first.series(jiff::Span::new().days(1));
    let mut text = String::new();
    for day in days.take(MAX_DAYS) {
        writeln!(text, "{day}").unwrap();
    }
    assert_eq!(
        Holidays::read(text.as_bytes()).unwrap().days.len(),
        MAX_DAYS
    );
    text.push_str("1999-01-01");
    assert_eq!(
        words(&text),
        "line 20001: there are more than 20000 days; give rules an end with `UNTIL`, or leave out what is past"
    );
}
