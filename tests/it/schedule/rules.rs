//! Rules of repetition: the examples of RFC 5545, and many that another program has worked out.

use metrom::schedule::Holidays;

fn read(start: &str, rule: &str) -> Result<Vec<String>, String> {
    let text = format!(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:{start}\nRRULE:{rule}\nEND:VEVENT\n\
         END:VCALENDAR\n"
    );
    let holidays = Holidays::read(text.as_bytes()).map_err(|error| error.to_string())?;
    let days = holidays.days.iter();
    Ok(days.map(|day| day.strftime("%Y%m%d").to_string()).collect())
}

/// The first days of a rule, as many as are expected.
fn assert_days(start: &str, rule: &str, expected: &str) {
    let days = read(start, rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert!(days.len() >= expected.len(), "{start} {rule}: {days:?}");
    assert_eq!(days[..expected.len()], expected, "{start} {rule}");
}

#[test]
fn examples_of_the_standard() {
    for (start, rule, days) in [
        (
            "19970902",
            "FREQ=DAILY;COUNT=3",
            "19970902 19970903 19970904",
        ),
        (
            "19970902",
            "FREQ=DAILY;INTERVAL=10;COUNT=5",
            "19970902 19970912 19970922 19971002 19971012",
        ),
        (
            "19980101",
            "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO",
            "19980101 19980104 19980105",
        ),
        (
            "19970902",
            "FREQ=WEEKLY;COUNT=3",
            "19970902 19970909 19970916",
        ),
        (
            "19970902",
            "FREQ=WEEKLY;UNTIL=19971007;WKST=SU;BYDAY=TU,TH",
            "19970902 19970904 19970909",
        ),
        (
            "19970901",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR;COUNT=6",
            "19970901 19970903 19970905 19970915 19970917 19970919",
        ),
        (
            "19970905",
            "FREQ=MONTHLY;COUNT=3;BYDAY=1FR",
            "19970905 19971003 19971107",
        ),
        (
            "19970907",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU",
            "19970907 19970928 19971102 19971130",
        ),
        (
            "19970922",
            "FREQ=MONTHLY;COUNT=3;BYDAY=-2MO",
            "19970922 19971020 19971117",
        ),
        (
            "19970928",
            "FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3",
            "19970928 19971029 19971128",
        ),
        (
            "19970930",
            "FREQ=MONTHLY;COUNT=5;BYMONTHDAY=1,-1",
            "19970930 19971001 19971031 19971101 19971130",
        ),
        (
            "19970910",
            "FREQ=MONTHLY;INTERVAL=18;COUNT=4;BYMONTHDAY=10,11",
            "19970910 19970911 19990310 19990311",
        ),
        (
            "19970610",
            "FREQ=YEARLY;COUNT=4;BYMONTH=6,7",
            "19970610 19970710 19980610 19980710",
        ),
        (
            "19970310",
            "FREQ=YEARLY;INTERVAL=2;COUNT=4;BYMONTH=1,2,3",
            "19970310 19990110 19990210 19990310",
        ),
        (
            "19970101",
            "FREQ=YEARLY;INTERVAL=3;COUNT=5;BYYEARDAY=1,100,200",
            "19970101 19970410 19970719 20000101 20000409",
        ),
        (
            "19970519",
            "FREQ=YEARLY;BYDAY=20MO",
            "19970519 19980518 19990517",
        ),
        (
            "19970512",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "19970512 19980511 19990517",
        ),
        (
            "19970313",
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            "19970313 19970320 19970327 19980305",
        ),
        (
            "19980213",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "19980213 19980313 19981113 19990813 20001013",
        ),
        (
            "19970913",
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "19970913 19971011 19971108",
        ),
        (
            "19961105",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "19961105 20001107 20041102",
        ),
        (
            "19970904",
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            "19970904 19971007 19971106",
        ),
        (
            "19970929",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "19970929 19971030 19971127 19971230",
        ),
        (
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "19970805 19970810 19970819 19970824",
        ),
        (
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "19970805 19970817 19970819 19970831",
        ),
        (
            "20070115",
            "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
            "20070115 20070130 20070215 20070315 20070330",
        ),
    ] {
        assert_days(start, rule, days);
    }
}

#[test]
fn holidays_that_people_have() {
    for (start, rule, days) in [
        ("20240704", "FREQ=YEARLY", "20240704 20250704 20260704"),
        (
            "20240527",
            "FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO",
            "20240527 20250526 20260525",
        ),
        (
            "20240902",
            "freq=yearly;bymonth=9;byday=+1mo;",
            "20240902 20250901 20260907",
        ),
        ("20240229", "FREQ=YEARLY", "20240229 20280229 20320229"),
        ("20240131", "FREQ=MONTHLY", "20240131 20240331 20240531"),
        (
            "20260101",
            "FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=SU;COUNT=4",
            "20260101 20260104 20270103 20270110",
        ),
        (
            "20240104",
            "FREQ=MONTHLY;BYDAY=1TH,SU;COUNT=4",
            "20240104 20240107 20240114 20240121",
        ),
        // The start is a day of it even if the rule would not choose it.
        (
            "20240101",
            "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1;COUNT=2",
            "20240101 20240501 20250501",
        ),
    ] {
        assert_days(start, rule, days);
    }
}

/// Lines of `start|rule|days`, worked out by python-dateutil 2.9; the start is always a day. Left out
/// is what that program reads otherwise than the standard: `BYSETPOS` in the first week of a weekly
/// rule, days with and without a number in one `BYDAY`, and weeks counted from the end that belong to
/// the next year.
#[test]
fn another_program_says_the_same() {
    let lines: Vec<&str> = include_str!("rules.txt").lines().collect();
    assert!(lines.len() > 100);
    for line in lines {
        let cells: Vec<&str> = line.split('|').collect();
        let days = read(cells[0], cells[1]).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(days.join(","), cells[2], "{line}");
    }
}

#[test]
fn a_rule_ends() {
    let last = |rule: &str| read("20200101", rule).unwrap().pop().unwrap();
    assert_eq!(last("FREQ=YEARLY"), "21000101");
    assert_eq!(last("FREQ=YEARLY;UNTIL=99991231"), "21000101");
    assert_eq!(last("FREQ=YEARLY;UNTIL=20230101"), "20230101");
    assert_eq!(last("FREQ=YEARLY;UNTIL=20221231T235959Z"), "20220101");
    assert_eq!(last("FREQ=YEARLY;COUNT=3"), "20220101");
    assert_eq!(last("FREQ=YEARLY;INTERVAL=10000"), "20200101");
    assert_eq!(last("FREQ=YEARLY;UNTIL=20190101"), "20200101");
    assert_eq!(read("21500101", "FREQ=YEARLY").unwrap(), ["21500101"]);
}

#[test]
fn what_is_no_rule_is_told() {
    for (rule, part) in [
        ("", ""),
        ("nonsense", "nonsense"),
        ("COUNT=2", "COUNT=2"),
        ("FREQ=HOURLY", "FREQ=HOURLY"),
        ("FREQ=SOMETIMES", "FREQ=SOMETIMES"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=DAILY;INTERVAL=10001", "INTERVAL=10001"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0"),
        ("FREQ=DAILY;COUNT=-1", "COUNT=-1"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL=soon"),
        ("FREQ=DAILY;WKST=XX", "WKST=XX"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH=13"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH=-1"),
        ("FREQ=YEARLY;BYMONTH=", "BYMONTH="),
        ("FREQ=YEARLY;BYMONTHDAY=0", "BYMONTHDAY=0"),
        ("FREQ=YEARLY;BYMONTHDAY=32", "BYMONTHDAY=32"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY=367"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO=54"),
        ("FREQ=YEARLY;BYDAY=0MO", "BYDAY=0MO"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY=54MO"),
        ("FREQ=YEARLY;BYDAY=é", "BYDAY=é"),
        ("FREQ=YEARLY;BYDAY=M", "BYDAY=M"),
        ("FREQ=YEARLY;BYSETPOS=0", "BYSETPOS=0"),
        ("FREQ=YEARLY;BYHOUR=9", "BYHOUR=9"),
        ("RSCALE=HEBREW;FREQ=YEARLY", "RSCALE=HEBREW"),
    ] {
        assert_eq!(
            read("20260101", rule).unwrap_err(),
            format!(
                "line 4: `{part}` is nothing that a rule can say; write one such as `FREQ=YEARLY` \
                 with days only"
            )
        );
    }
    for (rule, what, frequency) in [
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO", "MONTHLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY", "MONTHLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY", "WEEKLY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number", "WEEKLY"),
        ("FREQ=DAILY;BYDAY=1MO", "BYDAY with a number", "DAILY"),
        (
            "FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=1",
            "BYDAY with a number, and BYWEEKNO",
            "YEARLY",
        ),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS alone", "MONTHLY"),
    ] {
        assert_eq!(
            read("20260101", rule).unwrap_err(),
            format!(
                "line 4: `{what}` cannot be used with `FREQ={frequency}`; RFC 5545 gives it no \
                 meaning"
            )
        );
    }
}
