//! Office hours as text: what is understood, how it is printed, and what is said otherwise.

use std::collections::BTreeSet;

use metrom::schedule::{HoursError, OfficeHours, Window, Zone};

fn parse(text: &str) -> OfficeHours {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn words(text: &str) -> String {
    text.parse::<OfficeHours>().unwrap_err().to_string()
}

#[test]
fn canonical_text_stays_as_it_is() {
    for text in [
        "Mon-Fri 09:00-19:00 Asia/Seoul",
        "Mon-Fri 09:00-12:00, Mon-Fri 13:00-19:00, Sat 10:00-14:00 Asia/Seoul",
        "Mon Wed Fri 09:00-19:00 Europe/Berlin",
        "Fri-Mon 22:00-06:00 America/Argentina/Buenos_Aires",
        "Wed Sat-Sun 00:00-24:00 UTC",
        "daily 18:30-24:00 Etc/GMT-9",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn the_same_hours_are_equal_however_they_are_written() {
    let canonical = parse("Mon-Fri 09:00-19:00, Sat-Sun 10:00-24:00 Asia/Seoul");
    for text in [
        "Mon Tue Wed Thu Fri 09:00-19:00, Sat Sun 10:00-00:00 Asia/Seoul",
        "  Sat-Sun  10:00-24:00 ,Mon-Wed Wed-Fri 09:00-19:00   Asia/Seoul ",
    ] {
        assert_eq!(parse(text), canonical);
        assert_eq!(parse(text).to_string(), canonical.to_string());
    }
    assert_ne!(
        parse("Mon-Fri 09:00-19:01, Sat-Sun 10:00-24:00 Asia/Seoul"),
        canonical
    );
    assert_ne!(
        parse("Mon-Fri 09:00-19:00, Sat-Sun 10:00-24:00 Asia/Tokyo"),
        canonical
    );
}

#[test]
fn the_long_form_is_the_same_hours() {
    let windows: Vec<Window> = ["Sat 10:00-14:00", "Mon-Fri 09:00-19:00"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let zone: Zone = "Asia/Seoul".parse().unwrap();
    let hours = OfficeHours::new(windows, zone.clone()).unwrap();
    assert_eq!(
        hours,
        parse("Mon-Fri 09:00-19:00, Sat 10:00-14:00 Asia/Seoul")
    );
    assert_eq!(hours.zone(), &zone);
    assert_eq!(hours.zone().name(), "Asia/Seoul");
    assert_eq!(hours.windows()[0].to_string(), "Mon-Fri 09:00-19:00");
}

#[test]
fn holidays_belong_to_the_hours_and_not_to_their_text() {
    let hours = parse("Mon-Fri 09:00-19:00 Asia/Seoul");
    let christmas = BTreeSet::from([jiff::civil::date(2026, 12, 25)]);
    let with_holidays = hours.clone().with_holidays(christmas.clone());
    assert_eq!(with_holidays.holidays(), &christmas);
    assert_ne!(with_holidays, hours);
    assert_eq!(with_holidays.to_string(), hours.to_string());
}

#[test]
fn windows_are_needed() {
    let none = "office hours need a window; write one such as `Mon-Fri 09:00-19:00`";
    for text in ["", "  ", "Asia/Seoul"] {
        assert_eq!(words(text), none);
    }
    let error = OfficeHours::new(Vec::new(), "Asia/Seoul".parse().unwrap()).unwrap_err();
    assert_eq!(error, HoursError::NoWindows);
    assert_eq!(
        words("Mon-Fri Asia/Seoul"),
        "`Mon-Fri Asia/Seoul` has no times; add when it opens and closes, such as `09:00-19:00`"
    );
    assert_eq!(
        words("Mon 09:00-10:00,, Tue 09:00-10:00 Asia/Seoul"),
        "`` has no times; add when it opens and closes, such as `09:00-19:00`"
    );
}

#[test]
fn a_zone_is_needed() {
    assert_eq!(
        words("Mon-Fri 09:00-19:00"),
        "`Mon-Fri 09:00-19:00` names no time zone; add one at the end, such as \
         `Mon-Fri 09:00-19:00 Asia/Seoul`"
    );
    assert_eq!(
        words("Mon-Fri 09:00-19:00 Middle/Earth"),
        "`Middle/Earth` is not a time zone; write its IANA name, such as `Asia/Seoul`"
    );
    // An abbreviation may mean several zones; the nearest name would be another one.
    for text in ["KST", "kst", "PST", "CEST", "Etc/Unknown", "local", ""] {
        let error = text.parse::<Zone>().unwrap_err();
        assert_eq!(error, HoursError::NotAZone(text.to_owned()));
    }
}

#[test]
fn a_zone_is_known_by_less_than_its_name() {
    for (text, meant) in [
        ("asia/seoul", "Asia/Seoul"),
        ("ASIA/SEOUL", "Asia/Seoul"),
        ("Seoul", "Asia/Seoul"),
        ("seoul", "Asia/Seoul"),
        ("Asia/Seol", "Asia/Seoul"),
        ("Asia/Soeul", "Asia/Seoul"),
        ("New York", "America/New_York"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("buenos aires", "America/Argentina/Buenos_Aires"),
        ("utc", "UTC"),
        ("japan", "Japan"),
    ] {
        let expected = format!("`{text}` is not a time zone; did you mean `{meant}`?");
        assert_eq!(words(&format!("Mon-Fri 09:00-19:00 {text}")), expected);
    }
}

#[test]
fn an_offset_is_no_zone() {
    for text in ["+09:00", "-5", "UTC+9", "gmt-03:30"] {
        assert_eq!(
            words(&format!("Mon-Fri 09:00-19:00 {text}")),
            format!(
                "`{text}` is an offset and knows no daylight saving time; name a zone, such as \
                 `Asia/Seoul`"
            )
        );
    }
}

#[test]
fn days_come_first_and_are_days() {
    assert_eq!(
        words("09:00-19:00 Asia/Seoul"),
        "`09:00-19:00` names no days; put them first, such as `Mon-Fri 09:00-19:00` or \
         `daily 09:00-19:00`"
    );
    for (text, meant) in [
        ("Mo", "Mon"),
        ("mon", "Mon"),
        ("MON", "Mon"),
        ("Monday", "Mon"),
        ("Tues", "Tue"),
        ("wensday", "Wed"),
        ("Saturdays", "Sat"),
        ("mo-fr", "Mon-Fri"),
        ("Mon–Fri", "Mon-Fri"),
        ("Monday-Friday", "Mon-Fri"),
        ("weekdays", "Mon-Fri"),
        ("weekend", "Sat-Sun"),
        ("Daily", "daily"),
        ("everyday", "daily"),
    ] {
        let expected = format!("`{text}` is not a day; did you mean `{meant}`?");
        assert_eq!(words(&format!("{text} 09:00-19:00 Asia/Seoul")), expected);
    }
    for text in [
        "M",
        "holiday",
        "Mon-Fri-Sun",
        "Mon-",
        "-Fri",
        "Mon-holiday",
        "*",
    ] {
        assert_eq!(
            words(&format!("{text} 09:00-19:00 Asia/Seoul")),
            format!(
                "`{text}` is not a day; write `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat`, `Sun` or \
                 `daily`"
            )
        );
    }
}

#[test]
fn times_have_hours_and_minutes() {
    for (text, meant) in [
        ("9:00", "09:00"),
        ("09.00", "09:00"),
        ("9", "09:00"),
        ("9am", "09:00"),
        ("9:30pm", "21:30"),
        ("12am", "00:00"),
        ("12pm", "12:00"),
        ("9h", "09:00"),
    ] {
        let expected = format!("`{text}` is not a time; did you mean `{meant}`?");
        assert_eq!(words(&format!("Mon-Fri {text}-22:00 Asia/Seoul")), expected);
        assert_eq!(words(&format!("Mon-Fri 06:00-{text} Asia/Seoul")), expected);
    }
    for text in [
        "24:30", "25:00", "09:60", "13pm", "0am", "9x", "09:00:00", "+9:00", "24:00",
    ] {
        // Only the end of a window can be the end of a day.
        let times = match text {
            "+9:00" => format!("00:00-{text}"),
            _ => format!("{text}-23:00"),
        };
        assert_eq!(
            words(&format!("Mon-Fri {times} Asia/Seoul")),
            format!("`{text}` is not a time; write hours and minutes, such as `09:00`")
        );
    }
    assert_eq!(
        words("Mon-Fri 09:00 - 19:00 Asia/Seoul"),
        "`09:00` does not say when it opens and closes; write both, such as `09:00-19:00`"
    );
}

#[test]
fn a_window_opens_for_a_while() {
    for text in ["09:00-09:00", "00:00-00:00"] {
        assert_eq!(
            words(&format!("Mon-Fri {text} Asia/Seoul")),
            format!("`{text}` never opens; write `00:00-24:00` for the whole day")
        );
    }
}

#[test]
fn windows_do_not_overlap() {
    for (first, second) in [
        ("Mon-Fri 09:00-12:00", "Fri 11:59-13:00"),
        ("Mon 09:00-12:00", "Mon 09:00-12:00"),
        ("Mon 09:00-18:00", "Mon-Tue 10:00-11:00"),
        ("Tue 22:00-06:00", "Wed 05:00-08:00"),
        ("Sun 22:00-06:00", "Mon 05:00-08:00"),
        ("daily 22:00-06:00", "Sat 05:59-06:00"),
        ("Sun 00:00-24:00", "Sun 23:59-00:10"),
    ] {
        for text in [format!("{first}, {second}"), format!("{second}, {first}")] {
            let error = format!("{text} Asia/Seoul")
                .parse::<OfficeHours>()
                .unwrap_err();
            let HoursError::Overlap {
                first: a,
                second: b,
            } = error
            else {
                panic!("{error}");
            };
            let told = BTreeSet::from([a.as_str(), b.as_str()]);
            assert_eq!(told, BTreeSet::from([first, second]), "{text}");
        }
    }
    assert_eq!(
        words("Sun 22:00-06:00, Mon 05:00-08:00 Asia/Seoul"),
        "`Sun 22:00-06:00` and `Mon 05:00-08:00` overlap; let one end before the other begins"
    );
}

#[test]
fn windows_may_touch() {
    for text in [
        "Mon 09:00-12:00, Mon 12:00-13:00 Asia/Seoul",
        "Mon 05:00-22:00, Sun 22:00-05:00 Asia/Seoul",
        "daily 00:00-24:00 Asia/Seoul",
        "daily 22:00-21:59 Asia/Seoul",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn the_zone_comes_once_and_last() {
    for (text, rest) in [
        (
            "Mon 09:00-12:00 Asia/Seoul, Tue 09:00-12:00 Asia/Seoul",
            "Asia/Seoul",
        ),
        ("Mon 09:00-12:00 13:00-19:00 Asia/Seoul", "13:00-19:00"),
        (
            "Mon 09:00-12:00 Tue 09:00-12:00 Asia/Seoul",
            "Tue 09:00-12:00",
        ),
    ] {
        assert_eq!(
            words(text),
            format!(
                "`{rest}` stands behind the times; put a comma between windows, and the zone at \
                 the end"
            )
        );
    }
}
