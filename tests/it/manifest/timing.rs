//! Office hours, holidays, lifetimes, what is kept and how things change: as they are written, and
//! as they are not.

use std::time::Duration;

use metrom::manifest::{Catalog, Facts, Standing, What, differences, render};
use metrom::model::{Strategy, Timestamp, Update, WakingBy};

use super::support::{METROM, Repo, env, environment, lines, standing};

fn with(spec: &str) -> Repo {
    let spec = format!("{{template: web, {spec}}}");
    Repo::small().with("environments/dev.yaml", environment("dev", &spec))
}

fn settings(spec: &str) -> String {
    METROM.replace("{}", spec)
}

/// The one finding of a repository with this in its environment.
fn finding(spec: &str) -> String {
    let catalog = with(spec).load();
    assert_eq!(standing(&catalog, "dev"), Standing::Broken, "{spec}");
    let mut lines = lines(&catalog);
    assert_eq!(lines.len(), 1, "{spec}: {lines:?}");
    lines.remove(0)
}

/// Whether it is awake at these instants.
fn awake(repo: Repo, instants: &[&str]) -> Vec<bool> {
    let catalog = repo.load();
    assert_eq!(lines(&catalog), [""; 0]);
    let at = |instant: &&str| {
        let now: Timestamp = instant.parse().unwrap();
        let desired = render(&catalog, &env("dev"), now, &Facts::default());
        desired.waking.is_awake
    };
    instants.iter().map(at).collect()
}

#[test]
fn hours_that_make_no_sense_are_met_with_words_and_a_next_move() {
    let cases = [
        ("09:00-09:00 Asia/Seoul", "names no days"),
        (
            "Mon 09:00-09:00 Asia/Seoul",
            "never opens; write `00:00-24:00`",
        ),
        ("Mon-Fri 09:00-19:00", "names no time zone; add one"),
        (
            "Mon-Fri 09:00-19:00 Asia/Soul",
            "did you mean `Asia/Seoul`?",
        ),
        ("Mon-Fri 09:00-19:00 +09:00", "is an offset"),
        ("Mo-Fr 09:00-19:00 Asia/Seoul", "did you mean `Mon-Fri`?"),
        ("Mon-Fri 9:00-19:00 Asia/Seoul", "did you mean `09:00`?"),
        ("Mon 08:00-12:00, Mon 11:00-14:00 Asia/Seoul", "overlap"),
        ("Sun 22:00-06:00, Mon 05:00-08:00 Asia/Seoul", "overlap"),
        ("whenever", "has no times"),
    ];
    for (hours, words) in cases {
        let found = finding(&format!("officeHours: '{hours}'"));
        assert!(found.contains(words), "{hours}: {found}");
        assert!(found.starts_with("environments/dev.yaml:4:"), "{found}");
    }
}

#[test]
fn lifetimes_that_make_no_sense_are_met_with_words_and_a_next_move() {
    let cases = [
        ("0d", "`0d` must be more than nothing"),
        ("-3d", "is not a length of time"),
        (
            "365000d",
            "longer than the longest that there is; write `lifetime: 3653d` or less",
        ),
        ("two weeks", "is not a length of time"),
        ("99999999999999999999d", "more than can be counted"),
    ];
    for (lifetime, words) in cases {
        let found = finding(&format!("lifetime: '{lifetime}'"));
        assert!(found.contains(words), "{lifetime}: {found}");
    }
    let found = finding("retain: 'for ever'");
    assert!(found.contains("is not a length of time"), "{found}");
}

#[test]
fn the_repository_sets_the_longest_life_and_one_for_each_purpose() {
    let policies = "{policies: {maxLifetime: 30d, lifetimes: {qa: 2d, demo: 60d}}}";
    let born: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let end = |spec: &str| {
        let repo = with(spec).with("metrom.yaml", settings(policies));
        let catalog = repo.load();
        assert_eq!(lines(&catalog), [""; 0], "{spec}");
        let end = catalog.end(&env("dev"), Some(born)).unwrap();
        end.duration_since(born).as_hours() / 24
    };
    assert_eq!(end("lifetime: 7d"), 7);
    assert_eq!(end("purpose: qa"), 2);
    assert_eq!(end("purpose: qa, lifetime: 7d"), 7);
    assert_eq!(end("purpose: demo"), 30, "no longer than the longest");
    assert_eq!(end("drift: heal"), 30, "what declares none has the longest");
    let refused = |spec: &str| {
        let repo = with(spec).with("metrom.yaml", settings(policies));
        repo.findings().join("\n")
    };
    let long = refused("lifetime: 31d");
    assert!(
        long.contains("that this repository allows (`maxLifetime`); write `lifetime: 30d`"),
        "{long}"
    );
    let unknown = refused("purpose: qaa");
    assert!(unknown.contains("did you mean `qa`?"), "{unknown}");
}

#[test]
fn the_hours_of_the_environment_count_before_those_of_the_repository() {
    let defaults = settings("{defaults: {officeHours: 'Mon-Fri 09:00-18:00 Europe/Berlin'}}");
    let night = ["2026-06-01T23:00:00Z"];
    let repo = |spec| with(spec).with("metrom.yaml", &defaults);
    assert_eq!(awake(repo("drift: heal"), &night), [false]);
    assert_eq!(awake(repo("officeHours: always"), &night), [true]);
    assert_eq!(
        awake(repo("officeHours: 'daily 22:00-06:00 UTC'"), &night),
        [true]
    );
    let catalog = repo("drift: heal").load();
    let now = night[0].parse().unwrap();
    let desired = render(&catalog, &env("dev"), now, &Facts::default());
    assert_eq!(desired.waking.by, WakingBy::OfficeHours);
    assert_eq!(desired.until, Some("2026-06-02T07:00:00Z".parse().unwrap()));
}

#[test]
fn on_a_holiday_it_does_not_wake() {
    let spec = "officeHours: 'Mon-Fri 09:00-18:00 Europe/Berlin', holidays: calendars/days.txt";
    let days = ["2026-06-01T10:00:00Z", "2026-06-02T10:00:00Z"];
    let list = with(spec).with("calendars/days.txt", "# off\n2026-06-01  a Monday\n");
    assert_eq!(awake(list, &days), [false, true]);
    let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\n\
                    DTSTART;VALUE=DATE:20200602\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let yearly = with(spec).with("calendars/days.txt", calendar);
    assert_eq!(awake(yearly, &days), [true, false]);
}

#[test]
fn a_calendar_that_cannot_be_read_is_named_with_its_line() {
    let spec = "officeHours: 'Mon 09:00-18:00 UTC', holidays: calendars/days.txt";
    let missing = with(spec).findings().join("\n");
    assert!(
        missing.contains("there is no file `calendars/days.txt`"),
        "{missing}"
    );
    let odd = with(spec).with("calendars/days.txt", "2026-06-01\nsome day\n");
    let catalog = odd.load();
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
    let found = lines(&catalog).join("\n");
    assert!(
        found.starts_with("calendars/days.txt:2:1: `some` is not a date"),
        "{found}"
    );
    let timed = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T100000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    let warned = with(spec).with("calendars/days.txt", timed).load();
    assert_eq!(standing(&warned, "dev"), Standing::Good);
    let found = lines(&warned).join("\n");
    assert!(found.contains("one event is no holiday"), "{found}");
}

const HOUR: u64 = 60 * 60;

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A repository with these settings, and this in its environment.
fn settled(defaults: &str, spec: &str) -> Catalog {
    let settings = settings(&format!("{{defaults: {{{defaults}}}}}"));
    let catalog = with(spec).with("metrom.yaml", settings).load();
    assert_eq!(lines(&catalog), [""; 0], "{defaults} {spec}");
    catalog
}

fn update(defaults: &str, spec: &str) -> Update {
    let catalog = settled(defaults, spec);
    render(&catalog, &env("dev"), noon(), &Facts::default()).update
}

#[test]
fn what_changes_is_brought_about_in_place_unless_somebody_says_otherwise() {
    let in_place = Update {
        machine: Strategy::InPlace,
        stack: Strategy::InPlace,
        every: None,
        within: None,
    };
    assert_eq!(update("", "drift: heal"), in_place);
    assert_eq!(update("", "update: {}"), in_place);
    let every = "update: {machine: phoenix, stack: phoenix, every: 7d, within: 20m}";
    let phoenix = Update {
        machine: Strategy::Phoenix,
        stack: Strategy::Phoenix,
        every: Some(Duration::from_secs(7 * 24 * HOUR)),
        within: Some(Duration::from_secs(20 * 60)),
    };
    assert_eq!(update("", every), phoenix);
    assert_eq!(update(every, "drift: heal"), phoenix);
}

#[test]
fn what_an_environment_does_not_say_of_updates_comes_from_the_repository() {
    let defaults = "update: {machine: phoenix, every: 4w}";
    let week = Duration::from_secs(7 * 24 * HOUR);
    let of_repository = Update {
        machine: Strategy::Phoenix,
        stack: Strategy::InPlace,
        every: Some(4 * week),
        within: None,
    };
    assert_eq!(update(defaults, "update: {}"), of_repository);
    assert_eq!(
        update(defaults, "update: {every: 1w}"),
        Update {
            every: Some(week),
            ..of_repository
        }
    );
    assert_eq!(
        update(defaults, "update: {machine: in-place, stack: phoenix}"),
        Update {
            machine: Strategy::InPlace,
            stack: Strategy::Phoenix,
            ..of_repository
        }
    );
}

#[test]
fn an_update_that_makes_no_sense_is_met_with_words_and_a_next_move() {
    let cases = [
        ("machine: phenix", "did you mean `phoenix`?"),
        ("stack: inplace", "did you mean `in-place`?"),
        ("machine: blue-green", "there are `in-place`, `phoenix`"),
        ("machines: phoenix", "did you mean `machine`?"),
        ("every: 0s", "`0s` must be more than nothing"),
        ("within: 0s", "`0s` must be more than nothing"),
        ("every: -1d", "is not a length of time"),
        ("every: monthly", "is not a length of time"),
        ("every: 59m", "too early to replace a machine; write `1h`"),
        ("every: 365000d", "write `3653d` or less, or none at all"),
        ("every: 99999999999999999999d", "more than can be counted"),
    ];
    for (words, expected) in cases {
        let found = finding(&format!("update: {{{words}}}"));
        assert!(found.contains(expected), "{words}: {found}");
        assert!(found.starts_with("environments/dev.yaml:4:"), "{found}");
    }
    let settings = settings("{defaults: {update: {every: 30m}}}");
    let found = Repo::small().with("metrom.yaml", settings).findings();
    assert_eq!(
        found,
        ["metrom.yaml:4:35: `30m` is too early to replace a machine; write `1h` or more"]
    );
    for least_and_most in ["every: 1h", "every: 60m", "every: 3653d"] {
        update("", &format!("update: {{{least_and_most}}}"));
    }
}

#[test]
fn another_way_to_update_is_a_difference_and_saying_the_default_is_none() {
    let before = settled("", "update: {machine: phoenix, every: 24h}");
    let after = settled("", "update: {stack: phoenix}");
    assert!(!before.agrees_on(&env("dev"), &after));
    let found = differences(&before, &after, noon());
    let What::Changed(fields) = &found[0].what else {
        panic!("{found:?}");
    };
    let told: Vec<String> = fields
        .iter()
        .map(|field| {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let (from, to) = (text(&field.from), text(&field.to));
            format!("{} {}: {from} > {to}", field.key, field.field)
        })
        .collect();
    assert_eq!(
        told,
        [
            "machine update.every: 1d > ",
            "machine update.machine: phoenix > in-place",
            "machine update.stack: in-place > phoenix",
        ]
    );
    let silent = settled("", "drift: heal");
    let said = settled("update: {stack: phoenix}", "update: {stack: in-place}");
    assert!(silent.agrees_on(&env("dev"), &said));
}
