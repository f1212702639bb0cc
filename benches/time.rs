//! What should be, and when that changes next, for 5,000 environments with office hours, holidays
//! and lifetimes, beside the bare questions to the time zone database that it cannot do without.
//! `cargo bench --bench time`.
//!
//! Expected: under 50 ms for all of them.

use divan::{Bencher, black_box};
use jiff::tz::TimeZone;
use metrom::manifest::{Catalog, Facts, load, render};
use metrom::model::{EnvName, Key, ProviderName, Timestamp};
use metrom::schedule::OfficeHours;
use metrom::world::declare::{Declared, Environment};

const ENVIRONMENTS: usize = 5_000;
const ZONES: [&str; 5] = [
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "UTC",
];

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    "2027-01-15T08:00:00Z".parse().expect("a time")
}

fn hours(n: usize) -> OfficeHours {
    let zone = ZONES[n % ZONES.len()];
    let text = format!(
        "Mon-Fri 09:00-12:30, Mon-Thu 13:30-{}:00, Sat 10:00-14:00 {zone}",
        17 + n % 4
    );
    text.parse().expect("office hours")
}

/// Whether each is awake, until when, and when its life ends.
#[divan::bench]
fn state_and_next_change_of_5000(bencher: Bencher) {
    let all: Vec<OfficeHours> = (0..ENVIRONMENTS).map(hours).collect();
    bencher.bench_local(|| {
        for hours in &all {
            black_box(hours.at(now()));
        }
    });
}

/// The least that an answer needs: the wall clock of a zone, and the instant of a wall clock.
#[divan::bench]
fn baseline_of_two_questions_to_the_zone(bencher: Bencher) {
    let zones: Vec<TimeZone> = (0..ENVIRONMENTS)
        .map(|n| TimeZone::get(ZONES[n % ZONES.len()]).expect("a zone"))
        .collect();
    bencher.bench_local(|| {
        for zone in &zones {
            let clock = zone.to_datetime(now());
            black_box(zone.to_timestamp(clock).expect("it is one"));
        }
    });
}

/// The whole of what should be, resources included, rendered anew.
#[divan::bench(sample_count = 20)]
fn desired_of_5000(bencher: Bencher) {
    let (catalog, names) = catalog();
    let facts = Facts {
        born: Some(now()),
        ..Facts::default()
    };
    bencher.bench_local(|| {
        for env in &names {
            let desired = render(&catalog, env, now(), &facts);
            assert!(desired.until.is_some() && desired.resources.contains_key(&Key::Machine));
        }
    });
}

fn catalog() -> (Catalog, Vec<EnvName>) {
    let lab = ProviderName::parse("lab").expect("a name");
    let one = |n: usize| {
        let hours = format!("officeHours: '{}'", hours(n));
        let environment = Environment {
            fields: vec![hours, "lifetime: 14d".to_owned()],
            ..Environment::on(&lab)
        };
        (
            EnvName::parse(&format!("e{n}")).expect("a name"),
            environment,
        )
    };
    let declared = Declared {
        environments: (0..ENVIRONMENTS).map(one).collect(),
        hosts: vec![lab.clone()],
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    };
    let catalog = load(&declared.commit(0));
    let names = catalog.names().cloned().collect();
    (catalog, names)
}
