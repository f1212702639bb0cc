//! What time and people do to an environment: office hours, lifetimes, retention, wishes, guards.

use std::collections::BTreeSet;
use std::time::Duration;

use metrom::model::{
    EnvName, EventKind, Held, LiveFields, Memo, MemoKind, Plan, Power, ProviderName, Suspension,
    Timestamp, Trigger, Wish,
};
use metrom::port::Store;
use metrom::reconcile::{End, SyncReport};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

use super::worlds::{machines, reconciler, volumes};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn lab() -> ProviderName {
    ProviderName::parse("lab").unwrap()
}

pub fn shop() -> EnvName {
    EnvName::parse("shop").unwrap()
}

pub fn declared(fields: &[&str]) -> Declared {
    let shop_of = Environment {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ..Environment::on(&lab())
    };
    Declared {
        environments: [(shop(), shop_of)].into(),
        hosts: vec![lab()],
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

/// A world in which that is declared; it is Friday, 2027-01-15, 08:00 in UTC.
pub fn world(declared: &Declared) -> World {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    assert_eq!(world.now().to_string(), "2027-01-15T08:00:00Z");
    world.push(declared.commit(0));
    world
}

pub fn apply(world: &World) -> SyncReport {
    let reconciler = reconciler(world);
    let shop = shop();
    let settling = reconciler.apply_until_settled(&shop, Trigger::Person);
    let mut reports = world.run(settling).unwrap();
    let last = reports.pop().unwrap();
    assert_eq!(last.end, End::Settled);
    last
}

pub fn plan(report: &SyncReport) -> &Plan {
    report.plan().expect("it is known what should be")
}

pub fn reasons(report: &SyncReport) -> String {
    let held = plan(report).held.iter().map(Held::to_string);
    held.collect::<Vec<_>>().join("\n")
}

fn power(world: &World) -> Option<Power> {
    let machines = machines(world, &lab(), &shop());
    assert!(machines.len() <= 1, "{machines:?}");
    Some(machines.first()?.fields.as_machine()?.power)
}

fn memo(world: &World, memo: &Memo) {
    world
        .run(async { world.put_memo(&shop(), memo).await.unwrap() })
        .unwrap();
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Lets time pass up to an instant, and brings the environment to what it should be then.
fn apply_at(world: &World, instant: &str) -> SyncReport {
    let pause = at(instant).duration_since(world.now());
    world.pass(Duration::try_from(pause).expect("time passes forward"));
    apply(world)
}

fn events(world: &World) -> Vec<EventKind> {
    let events = world.run(async { world.events(0, 999).await.unwrap() });
    events
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect()
}

#[test]
fn it_runs_in_its_office_hours_and_sleeps_outside_of_them() {
    let world = world(&declared(&[
        "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin",
    ]));
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    let report = apply_at(&world, "2027-01-15T17:00:00Z");
    assert_eq!(power(&world), Some(Power::Stopped));
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    assert_eq!(report.until(), Some(at("2027-01-18T08:00:00Z")));
    apply_at(&world, "2027-01-17T12:00:00Z");
    assert_eq!(power(&world), Some(Power::Stopped));
    let report = apply_at(&world, "2027-01-18T08:00:00Z");
    assert_eq!(power(&world), Some(Power::Running));
    assert_eq!(report.until(), Some(at("2027-01-18T17:00:00Z")));
}

#[test]
fn after_an_outage_over_the_end_of_office_hours_the_right_thing_happens_at_once() {
    let world = world(&declared(&[
        "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin",
    ]));
    apply(&world);
    // Nobody was there at 17:00 UTC; on Saturday somebody is again.
    apply_at(&world, "2027-01-16T03:00:00Z");
    assert_eq!(power(&world), Some(Power::Stopped));
}

#[test]
fn what_is_declared_at_night_is_made_in_the_morning() {
    let world = world(&declared(&[
        "officeHours: Mon-Fri 09:00-18:00 America/New_York",
    ]));
    let report = apply(&world);
    assert!(plan(&report).is_empty());
    assert_eq!(world.objects(&lab()), []);
    assert_eq!(report.until(), Some(at("2027-01-15T14:00:00Z")));
    apply_at(&world, "2027-01-15T14:00:00Z");
    assert_eq!(power(&world), Some(Power::Running));
}

#[test]
fn what_is_changed_at_night_waits_for_the_morning_and_what_is_deleted_does_not() {
    let mut wanted = declared(&["officeHours: Mon-Fri 09:00-18:00 Europe/Berlin"]);
    let world = world(&wanted);
    apply(&world);
    apply_at(&world, "2027-01-15T20:00:00Z");
    wanted.environments.get_mut(&shop()).unwrap().memory_mib = 4096;
    world.push(wanted.commit(1));
    assert!(plan(&apply(&world)).is_empty());
    apply_at(&world, "2027-01-18T08:00:00Z");
    let machine = machines(&world, &lab(), &shop()).remove(0);
    assert_eq!(machine.fields.as_machine().unwrap().memory_mib, 4096);
    apply_at(&world, "2027-01-18T20:00:00Z");
    wanted.environments.clear();
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(power(&world), None);
}

#[test]
fn a_wish_counts_while_it_lasts_and_ends_by_itself() {
    let world = world(&declared(&[
        "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin",
    ]));
    apply(&world);
    apply_at(&world, "2027-01-15T20:00:00Z");
    let until = world.now().checked_add(2 * HOUR).unwrap();
    let mut wish = Wish {
        is_awake: true,
        until,
        by: "ann".into(),
    };
    memo(&world, &Memo::Wish(wish.clone()));
    let report = apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    assert_eq!(report.until(), Some(until));
    apply_at(&world, "2027-01-15T22:00:00Z");
    assert_eq!(power(&world), Some(Power::Stopped));
    // Asleep by a wish in the middle of the day.
    apply_at(&world, "2027-01-18T10:00:00Z");
    wish.is_awake = false;
    wish.until = world.now().checked_add(HOUR).unwrap();
    memo(&world, &Memo::Wish(wish));
    apply(&world);
    assert_eq!(power(&world), Some(Power::Stopped));
    apply_at(&world, "2027-01-18T11:00:00Z");
    assert_eq!(power(&world), Some(Power::Running));
}

#[test]
fn a_lifetime_counts_from_the_first_creation_and_rebuilds_do_not_prolong_it() {
    let mut wanted = declared(&["lifetime: 14d"]);
    let world = world(&wanted);
    apply(&world);
    let first = machines(&world, &lab(), &shop()).remove(0);
    let born = first.stamp.unwrap().created;
    world.pass(10 * DAY);
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    let report = apply(&world);
    let second = machines(&world, &lab(), &shop()).remove(0).stamp.unwrap();
    assert_ne!(second.created, born, "it is another machine");
    assert_eq!(second.born, Some(born));
    let end = born.checked_add(14 * DAY).unwrap();
    assert_eq!(report.view.unwrap().aim.unwrap().desired.end, Some(end));
    // The history may be lost: the machine knows.
    world.lose_history();
    let pause = Duration::try_from(end.duration_since(world.now())).unwrap();
    world.pass(pause - HOUR);
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    world.pass(HOUR);
    let report = apply(&world);
    assert_eq!(power(&world), None);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
    assert!(
        reasons(&report).contains("it is kept until"),
        "{}",
        reasons(&report)
    );
}

#[test]
fn data_outlives_its_machine_for_the_time_declared_and_what_has_ended_stays_ended() {
    let world = world(&declared(&["lifetime: 2d", "retain: 3d"]));
    apply(&world);
    world.pass(2 * DAY);
    apply(&world);
    assert_eq!(power(&world), None);
    world.pass(3 * DAY - HOUR);
    apply(&world);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
    world.pass(HOUR);
    apply(&world);
    assert_eq!(world.objects(&lab()), []);
    world.pass(30 * DAY);
    assert!(plan(&apply(&world)).is_empty());
    assert_eq!(world.objects(&lab()), []);
}

#[test]
fn a_longer_lifetime_brings_it_back_with_its_data() {
    let mut wanted = declared(&["lifetime: 2d"]);
    let world = world(&wanted);
    apply(&world);
    let data = volumes(&world, &lab(), &shop());
    world.pass(3 * DAY);
    apply(&world);
    assert_eq!(power(&world), None);
    wanted.environments.get_mut(&shop()).unwrap().fields = vec!["lifetime: 30d".into()];
    world.push(wanted.commit(1));
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    assert_eq!(volumes(&world, &lab(), &shop()), data);
}

#[test]
fn what_is_declared_again_has_its_data_and_a_new_life() {
    let mut wanted = declared(&["lifetime: 4d"]);
    let world = world(&wanted);
    apply(&world);
    let data = volumes(&world, &lab(), &shop());
    let kept = std::mem::take(&mut wanted.environments);
    world.push(wanted.commit(1));
    apply(&world);
    assert_eq!(power(&world), None);
    world.pass(5 * DAY);
    wanted.environments = kept;
    world.push(wanted.commit(2));
    let report = apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    assert_eq!(volumes(&world, &lab(), &shop()), data);
    let end = report.view.unwrap().aim.unwrap().desired.end.unwrap();
    assert!(end.duration_since(world.now()) > jiff::SignedDuration::from_hours(4 * 24 - 1));
}

#[test]
fn data_never_goes_in_the_run_that_deletes_its_machine() {
    let mut wanted = declared(&[]);
    wanted.retain = "nothing".into();
    let world = world(&wanted);
    apply(&world);
    wanted.environments.clear();
    world.push(wanted.commit(1));
    apply(&world);
    assert_eq!(world.objects(&lab()), []);
    let runs = world
        .run(async { Store::runs(&world, Some(&shop()), 99).await.unwrap() })
        .unwrap();
    let lines = |what: &str| -> Vec<String> {
        let run = runs.iter().find(|run| {
            let mut lines = run.steps.iter().map(|step| &step.line);
            lines.any(|line| line.contains(what))
        });
        let steps = run.map(|run| run.steps.clone()).unwrap_or_default();
        steps.into_iter().map(|step| step.line).collect()
    };
    let (machine, data) = (lines("delete on lab"), lines("delete with its data"));
    assert!(!machine.is_empty() && !data.is_empty());
    assert_ne!(machine, data);
}

#[test]
fn people_are_told_of_the_end_ahead_and_each_time_once() {
    let world = world(&declared(&["lifetime: 10d"]));
    apply(&world);
    let told = |world: &World| {
        let ends = |event: &EventKind| matches!(event, EventKind::EndsSoon { .. });
        events(world).iter().filter(|event| ends(event)).count()
    };
    assert_eq!(told(&world), 0);
    let report = apply(&world);
    let first = report.until().unwrap();
    world.pass(Duration::try_from(first.duration_since(world.now())).unwrap());
    apply(&world);
    assert_eq!(told(&world), 1);
    apply(&world);
    assert_eq!(told(&world), 1, "once");
    world.pass(10 * DAY);
    apply(&world);
    assert_eq!(power(&world), None);
}

#[test]
fn a_clock_that_jumps_a_day_ahead_and_back_loses_no_data_and_ends_nothing_twice() {
    let world = world(&declared(&[
        "lifetime: 14d",
        "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin",
    ]));
    apply(&world);
    let data = volumes(&world, &lab(), &shop());
    let now = world.now();
    world.set_clock(now.checked_add(DAY).unwrap());
    apply(&world); // Saturday, says the clock
    assert_eq!(power(&world), Some(Power::Stopped));
    world.set_clock(now);
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    world.set_clock(now.checked_sub(DAY).unwrap());
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    assert_eq!(volumes(&world, &lab(), &shop()), data);
}

#[test]
fn what_is_protected_is_neither_deleted_nor_made_anew() {
    let mut wanted = declared(&["protect: true", "lifetime: 30d"]);
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    let report = apply(&world);
    assert!(
        reasons(&report).contains("protected in environments/shop.yaml"),
        "{}",
        reasons(&report)
    );
    let kept = std::mem::take(&mut wanted.environments);
    world.push(wanted.commit(2));
    for _ in 0..2 {
        assert!(reasons(&apply(&world)).contains("protected"));
        assert_eq!(power(&world), Some(Power::Running));
    }
    // Said otherwise first, it goes.
    wanted.environments = kept;
    wanted.environments.get_mut(&shop()).unwrap().fields.clear();
    world.push(wanted.commit(3));
    apply(&world);
    wanted.environments.clear();
    world.push(wanted.commit(4));
    apply(&world);
    assert_eq!(power(&world), None);
}

#[test]
fn what_a_person_suspended_stays_as_it_is_even_when_its_file_is_deleted() {
    let mut wanted = declared(&[]);
    let world = world(&wanted);
    apply(&world);
    memo(
        &world,
        &Memo::Suspended(Suspension {
            since: world.now(),
            by: "ann".into(),
            reason: "a demo".into(),
        }),
    );
    wanted.environments.get_mut(&shop()).unwrap().memory_mib = 4096;
    world.push(wanted.commit(1));
    let report = apply(&world);
    let words = "suspended by ann since 2027-01-15 08:";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert!(reasons(&report).contains("(a demo); `metrom resume` ends that"));
    wanted.environments.clear();
    world.push(wanted.commit(2));
    assert!(reasons(&apply(&world)).contains(words));
    assert_eq!(power(&world), Some(Power::Running));
    world
        .run(async { world.drop_memo(&shop(), MemoKind::Suspended).await.unwrap() })
        .unwrap();
    apply(&world);
    assert_eq!(power(&world), None);
}

#[test]
fn suspended_in_git_it_is_left_alone_and_drift_can_be_told_instead_of_healed() {
    for (field, words) in [
        ("suspend: true", "it is suspended in environments/shop.yaml"),
        (
            "drift: report",
            "drift is told here, not put right (`drift: report`)",
        ),
    ] {
        let world = world(&declared(&[]));
        apply(&world);
        world.push(declared(&[field]).commit(1));
        apply(&world);
        let id = machines(&world, &lab(), &shop())[0].id.clone();
        world.meddle(&lab(), &id, |thing| {
            if let LiveFields::Machine(machine) = &mut thing.object.fields {
                machine.memory_mib = 512;
            }
        });
        let report = apply(&world);
        assert!(reasons(&report).contains(words), "{}", reasons(&report));
        let machine = machines(&world, &lab(), &shop()).remove(0);
        assert_eq!(machine.fields.as_machine().unwrap().memory_mib, 512);
    }
}

fn many(count: usize) -> Declared {
    let one = |n| {
        (
            EnvName::parse(&format!("e{n}")).unwrap(),
            Environment::on(&lab()),
        )
    };
    Declared {
        environments: (0..count).map(one).collect(),
        policies: vec!["deletions: {atMost: 3, percent: 50}".into()],
        ..declared(&[])
    }
}

fn apply_all(world: &World) -> BTreeSet<EnvName> {
    let reconciler = reconciler(world);
    let envs = world
        .run(async {
            let tick = reconciler.tick().await;
            reconciler.viewer().environments(&tick).await
        })
        .unwrap();
    for env in &envs {
        world
            .run(reconciler.apply_until_settled(env, Trigger::Person))
            .unwrap();
    }
    let alive = |env: &&EnvName| !machines(world, &lab(), env).is_empty();
    envs.iter().filter(alive).cloned().collect()
}

#[test]
fn more_deletions_at_once_than_the_limit_are_held_until_a_person_agrees() {
    let mut wanted = many(8);
    let world = world(&wanted);
    assert_eq!(apply_all(&world).len(), 8);
    // Three of eight may go.
    let keep = |declared: &mut Declared, count: usize| {
        let all = std::mem::take(&mut declared.environments);
        declared.environments = all.into_iter().take(count).collect();
    };
    keep(&mut wanted, 5);
    world.push(wanted.commit(1));
    assert_eq!(apply_all(&world).len(), 5);
    // Three of five may not: a half is two.
    keep(&mut wanted, 2);
    world.push(wanted.commit(2));
    assert_eq!(apply_all(&world).len(), 5);
    let reconciler = reconciler(&world);
    let exodus = world.run(reconciler.tick()).unwrap().exodus;
    assert_eq!((exodus.envs.len(), exodus.limit), (3, 2));
    for env in &exodus.envs {
        let agreed = Memo::EndAgreed(world.now());
        world
            .run(async { world.put_memo(env, &agreed).await.unwrap() })
            .unwrap();
    }
    assert_eq!(apply_all(&world).len(), 2);
}

#[test]
fn a_plan_of_risk_waits_for_an_agreement_that_names_it_and_no_other() {
    let mut wanted = declared(&[]);
    wanted.policies = vec!["approve: destructive".into()];
    let world = world(&wanted);
    apply(&world);
    let image = |wanted: &mut Declared, image, number| {
        wanted.environments.get_mut(&shop()).unwrap().image = image;
        wanted.commit(number)
    };
    world.push(image(&mut wanted, "debian-12", 1));
    let report = apply(&world);
    let first = plan(&report).awaits.clone().expect("it waits");
    assert!(reasons(&report).contains(&format!("metrom approve shop {}", first.short())));
    // It has changed since: what was agreed to is another plan.
    wanted.environments.get_mut(&shop()).unwrap().disk_gib = 20;
    world.push(wanted.commit(2));
    memo(&world, &Memo::Approved([first.clone()].into()));
    let report = apply(&world);
    let second = plan(&report).awaits.clone().expect("it still waits");
    assert_ne!(first, second);
    memo(&world, &Memo::Approved([second].into()));
    let report = apply(&world);
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    let machine = machines(&world, &lab(), &shop()).remove(0);
    let image = machine.fields.as_machine().unwrap().image.clone().unwrap();
    assert!(image.starts_with("debian-12"), "{image}");
}
