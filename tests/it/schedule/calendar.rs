//! Holidays as an iCalendar file.

use jiff::civil::{Date, date};
use metrom::schedule::Holidays;

fn read(text: &str) -> Holidays {
    Holidays::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A calendar of one event; its first line is the third of the file.
fn event(lines: &[&str]) -> String {
    events(&[lines])
}

fn events(events: &[&[&str]]) -> String {
    let mut text = "BEGIN:VCALENDAR\r\n".to_owned();
    for lines in events {
        text += "BEGIN:VEVENT\r\n";
        text.extend(lines.iter().map(|line| format!("{line}\r\n")));
        text += "END:VEVENT\r\n";
    }
    text + "END:VCALENDAR\r\n"
}

fn days(lines: &[&str]) -> Vec<Date> {
    read(&event(lines)).days.into_iter().collect()
}

fn words(text: &str) -> String {
    Holidays::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_file_as_calendar_programs_write_it() {
    let holidays = read(include_str!("holidays.ics"));
    let expected = [
        date(2026, 1, 1),
        date(2026, 2, 16),
        date(2026, 2, 17),
        date(2026, 2, 18),
        date(2026, 5, 1),
        date(2026, 11, 26),
        date(2026, 12, 25),
        date(2027, 5, 1),
        date(2027, 11, 25),
    ];
    assert_eq!(holidays.days.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(holidays.timed_events, 1);
}

#[test]
fn it_is_known_by_its_first_line() {
    let text = event(&["DTSTART:20261225"]);
    let christmas = read(&text);
    assert_eq!(read(&format!("\u{feff}\r\n  \r\n{text}")), christmas);
    assert_eq!(read(&text.replace("\r\n", "\n")), christmas);
    assert_eq!(
        read(&text.to_lowercase().replace("dtstart", "dtStart")),
        christmas
    );
    assert_eq!(
        words(&format!("2026-12-25\n{text}")),
        "line 2: `BEGIN:VCALENDAR` is not a date; begin each line with one such as `2026-12-25`, \
         or use an iCalendar file"
    );
}

#[test]
fn a_day_is_one_day() {
    let christmas = [date(2026, 12, 25)];
    for lines in [
        ["DTSTART;VALUE=DATE:20261225", "SUMMARY:Christmas"],
        ["DTSTART:20261225", "DURATION:P1D"],
        ["DTSTART:20261225", "DTEND;VALUE=DATE:20261226"],
        // Both are wrong, and often meant so.
        ["DTSTART:20261225", "DTEND:20261225"],
        ["DTSTART:20261225", "DURATION:PT0S"],
    ] {
        assert_eq!(days(&lines), christmas, "{lines:?}");
    }
}

#[test]
fn the_end_is_the_day_after() {
    let three = [date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 2)];
    for end in [
        "DTEND;VALUE=DATE:20270103",
        "DURATION:P3D",
        "DURATION:P3DT0H0M0S",
        "DURATION:+P3D",
    ] {
        assert_eq!(days(&["DTSTART;VALUE=DATE:20261231", end]), three, "{end}");
    }
    assert_eq!(days(&["DTSTART:20261231", "DURATION:P2W"]).len(), 14);
    // A part of a day is no day off.
    assert_eq!(days(&["DTSTART:20261231", "DURATION:P1DT12H"]).len(), 1);
}

#[test]
fn what_has_a_time_is_counted_and_left_out() {
    let text = events(&[
        &[
            "DTSTART;TZID=Asia/Seoul:20261225T090000",
            "RRULE:FREQ=HOURLY",
        ],
        &["DTSTART:20261225T000000Z", "DTEND:20261226T000000Z"],
        &["DTSTART;VALUE=DATE:20261231"],
    ]);
    let holidays = read(&text);
    assert_eq!(
        holidays.days.into_iter().collect::<Vec<_>>(),
        [date(2026, 12, 31)]
    );
    assert_eq!(holidays.timed_events, 2);
}

#[test]
fn what_is_cancelled_is_left_out() {
    assert_eq!(days(&["DTSTART:20261225", "STATUS:cancelled"]), []);
    assert_eq!(days(&["DTSTART:20261225", "STATUS:CONFIRMED"]).len(), 1);
    // Left out, so that nothing about it can be wrong.
    assert_eq!(
        read(&event(&["STATUS:CANCELLED", "RRULE:nonsense"])),
        Holidays::default()
    );
}

#[test]
fn days_are_added_to_a_rule_and_taken_from_it() {
    assert_eq!(
        days(&[
            "DTSTART;VALUE=DATE:20260501",
            "RRULE:FREQ=YEARLY;COUNT=4",
            "EXDATE;VALUE=DATE:20270501,20290501",
            "RDATE;VALUE=DATE:20260502",
            "RDATE:20300101,20300102",
        ]),
        [
            date(2026, 5, 1),
            date(2026, 5, 2),
            date(2028, 5, 1),
            date(2030, 1, 1),
            date(2030, 1, 2)
        ]
    );
    // Every time is as long as the first one, and goes as a whole.
    assert_eq!(
        days(&[
            "DTSTART:20260501",
            "DTEND:20260503",
            "RRULE:FREQ=YEARLY;COUNT=2",
            "EXDATE;TZID=Asia/Seoul:20260501T000000",
        ]),
        [date(2027, 5, 1), date(2027, 5, 2)]
    );
}

#[test]
fn two_rules_are_taken_together() {
    assert_eq!(
        days(&[
            "DTSTART:20260501",
            "RRULE:FREQ=YEARLY;COUNT=2",
            "RRULE:FREQ=MONTHLY;COUNT=2"
        ]),
        [date(2026, 5, 1), date(2026, 6, 1), date(2027, 5, 1)]
    );
}

#[test]
fn one_time_of_a_series_can_be_moved_or_cancelled() {
    let series = ["UID:1", "DTSTART:20260501", "RRULE:FREQ=YEARLY;COUNT=3"];
    let moved = [
        "UID:1",
        "RECURRENCE-ID;VALUE=DATE:20270501",
        "DTSTART:20270503",
    ];
    let cancelled = [
        "UID:1",
        "RECURRENCE-ID:20280501",
        "DTSTART:20280501",
        "STATUS:CANCELLED",
    ];
    let renamed = ["UID:1", "RECURRENCE-ID:20260501", "DTSTART:20260501"];
    let other = ["UID:2", "RECURRENCE-ID:20260501", "DTSTART:20260502"];
    let text = events(&[&moved, &series, &cancelled, &renamed, &other]);
    assert_eq!(
        read(&text).days.into_iter().collect::<Vec<_>>(),
        [date(2026, 5, 1), date(2026, 5, 2), date(2027, 5, 3)]
    );
}

#[test]
fn only_events_matter_and_only_their_own_lines() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19701025T030000\n\
                RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nEND:VTIMEZONE\n\
                BEGIN:VTODO\nDTSTART:20260101\nEND:VTODO\n\
                BEGIN:VEVENT\nBEGIN:VALARM\nDURATION:P9D\nDTSTART:20260606\nEND:VALARM\n\
                DTSTART:20261225\nEND:VEVENT\n\
                BEGIN:X-BOX\nBEGIN:VEVENT\nSTATUS:CANCELLED\nEND:VEVENT\nEND:X-BOX\nEND:VCALENDAR\n\
                BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261226\nEND:VEVENT\nEND:VCALENDAR";
    let found = read(text).days.into_iter().collect::<Vec<_>>();
    assert_eq!(found, [date(2026, 12, 25), date(2026, 12, 26)]);
}

#[test]
fn folded_lines_are_one() {
    let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:a long\r\n \tname: of a day\r\n\
                DTSTART;VAL\r\n\tUE=DATE:2026\r\n 1225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(
        read(text).days.into_iter().collect::<Vec<_>>(),
        [date(2026, 12, 25)]
    );
    // A character may be folded in its middle.
    let bytes = [
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:f\xc3\r\n \xaate\r\n".as_slice(),
        b"DTSTART:20261225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ];
    assert_eq!(Holidays::read(&bytes.concat()).unwrap().days.len(), 1);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (lines, message) in [
        (
            &["SUMMARY:x"][..],
            "line 2: the event has no `DTSTART`; add the day on which it begins",
        ),
        (
            &["DTSTART:2026-12-25"],
            "line 3: `2026-12-25` is not a day; write it as `20261225`",
        ),
        (
            &["UID:1", "DTSTART:20260230"],
            "line 4: `20260230` is not a day; write it as `20261225`",
        ),
        (
            &["DTSTART:20261225", "DTEND:x"],
            "line 4: `x` is not a day; write it as `20261225`",
        ),
        (
            &["DTSTART:20261225", "DTEND:20261224"],
            "line 4: the event ends before it begins; correct its `DTEND` or `DURATION`",
        ),
        (
            &["DTSTART:20261225", "DURATION:-P1D"],
            "line 4: the event ends before it begins; correct its `DTEND` or `DURATION`",
        ),
        (
            &["DTSTART:20261225", "DURATION:2"],
            "line 4: `2` is not a number of days; write it as `P2D`",
        ),
        (
            &["DTSTART:20261225", "EXDATE:20261225,soon"],
            "line 4: `soon` is not a day; write it as `20261225`",
        ),
        (
            &["DTSTART:20261225", "EXRULE:FREQ=DAILY"],
            "line 4: `EXRULE` is not understood; list the days in question with `RDATE` or `EXDATE`",
        ),
        (
            &[
                "UID:1",
                "RECURRENCE-ID;RANGE=THISANDFUTURE:20261225",
                "DTSTART:20261226",
            ],
            "line 4: `RANGE=THISANDFUTURE` is not understood; list the days in question with \
             `RDATE` or `EXDATE`",
        ),
        (
            &["DTSTART:20261225", "SUMMARY Christmas"],
            "line 4: `SUMMARY Christmas` is not a line of an iCalendar file; export the calendar \
             again",
        ),
        (
            &["DTSTART:20261225", "END:VALARM"],
            "line 4: `END:VALARM` ends nothing that has begun; export the calendar again",
        ),
        (
            &["DTSTART:20261225", "BEGIN:VALARM"],
            "line 4: `BEGIN:VALARM` has no `END:VALARM`; the file is incomplete, export the \
             calendar again",
        ),
    ] {
        assert_eq!(words(&event(lines)), message);
    }
}

#[test]
fn a_file_that_ends_early_is_refused() {
    for (text, message) in [
        (
            "BEGIN:VCALENDAR\nVERSION:2.0",
            "line 1: `BEGIN:VCALENDAR` has no `END:VCALENDAR`",
        ),
        (
            "BEGIN:VCALENDAR\n\nBEGIN:VEVENT\nDTSTART:20261225",
            "line 3: `BEGIN:VEVENT` has no",
        ),
        (
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nA:1",
            "line 3: `A:1` is not a line of an iCalendar",
        ),
        (
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VEVENT",
            "line 3: `BEGIN:VEVENT` is not a line",
        ),
    ] {
        assert!(words(text).starts_with(message), "{}", words(text));
    }
}

#[test]
fn no_file_takes_long() {
    let deep = "BEGIN:VCALENDAR\n".repeat(100_000);
    assert!(words(&deep).starts_with("line 100000: `BEGIN:VCALENDAR` has no"));

    let endless = event(&["DTSTART:20260101", "RRULE:FREQ=DAILY"]);
    assert_eq!(
        words(&endless),
        "line 2: there are more than 20000 days; give rules an end with `UNTIL`, or leave out what is past"
    );
    assert!(
        words(&event(&["DTSTART:20260101", "DTEND:99991231"])).contains("more than 20000 days")
    );

    // A rule without any day costs a step for every day until the last.
    let never = "RRULE:FREQ=YEARLY;BYYEARDAY=1;BYMONTHDAY=2";
    let lines: Vec<&str> = ["DTSTART:00010101"].into_iter().chain([never; 2]).collect();
    assert_eq!(
        words(&event(&lines)),
        "line 5: more than 1000000 days have to be looked at; let rules begin later or end earlier"
    );
}
