//! What time and people do to an environment: office hours, lifetimes, retention, wishes.

use std::time::Duration;

use metrom::model::{
    EnvName, EventKind, Held, LiveFields, LiveId, LiveService, Memo, Plan, Power, ProviderName,
    Timestamp, Trigger, Wish,
};
use metrom::port::Store;
use metrom::reconcile::{End, SyncReport};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

use super::worlds::{machines, reconciler, volumes};

const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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

pub fn power(world: &World) -> Option<Power> {
    let machines = machines(world, &lab(), &shop());
    assert!(machines.len() <= 1, "{machines:?}");
    Some(machines.first()?.fields.as_machine()?.power)
}

/// Lays a hand on every service of a machine; how many there are.
pub fn each_service(world: &World, id: &LiveId, mut hand: impl FnMut(&mut LiveService)) -> usize {
    let mut count = 0;
    world.meddle(&lab(), id, |thing| {
        for (fields, _) in thing.inside.live.values_mut() {
            if let LiveFields::Stack(stack) = fields {
                stack.services.iter_mut().for_each(&mut hand);
                count += stack.services.len();
            }
        }
    });
    count
}

pub fn memo(world: &World, memo: &Memo) {
    world
        .run(async { world.put_memo(&shop(), memo).await.unwrap() })
        .unwrap();
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Lets time pass up to an instant, and brings the environment to what it should be then.
pub fn apply_at(world: &World, instant: &str) -> SyncReport {
    let pause = at(instant).duration_since(world.now());
    world.pass(Duration::try_from(pause).expect("time passes forward"));
    apply(world)
}

/// How often people were told of an end.
fn told(world: &World) -> usize {
    let events = world.run(async { world.events(0, 999).await.unwrap() });
    let kinds = events.unwrap().into_iter().map(|event| event.kind);
    kinds
        .filter(|kind| matches!(kind, EventKind::EndsSoon { .. }))
        .count()
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
fn what_a_person_put_to_sleep_runs_again_where_drift_is_only_told() {
    let world = world(&declared(&["drift: report"]));
    apply(&world);
    let wish = Wish {
        is_awake: false,
        until: world.now().checked_add(HOUR).unwrap(),
        by: "ann".into(),
    };
    memo(&world, &Memo::Wish(wish));
    apply(&world);
    assert_eq!(power(&world), Some(Power::Stopped));
    world.pass(HOUR);
    apply(&world);
    assert_eq!(power(&world), Some(Power::Running));
    // Whoever stops it by hand afterwards is told.
    apply(&world);
    let machine = machines(&world, &lab(), &shop()).remove(0);
    world.meddle(&lab(), &machine.id, |thing| {
        if let LiveFields::Machine(machine) = &mut thing.object.fields {
            machine.power = Power::Stopped;
        }
    });
    apply(&world);
    assert_eq!(power(&world), Some(Power::Stopped));
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
fn what_is_old_when_it_is_given_a_lifetime_keeps_its_data_as_long_as_any_other() {
    let mut wanted = declared(&["retain: 7d"]);
    let world = world(&wanted);
    apply(&world);
    world.pass(60 * DAY);
    wanted
        .environments
        .get_mut(&shop())
        .unwrap()
        .fields
        .push("lifetime: 1d".into());
    world.push(wanted.commit(1));
    apply(&world);
    assert_eq!(power(&world), None);
    world.pass(7 * DAY - HOUR);
    apply(&world);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
    world.pass(HOUR);
    apply(&world);
    assert_eq!(world.objects(&lab()), []);
}

#[test]
fn nobody_is_told_of_an_end_at_the_birth() {
    let world = world(&declared(&["lifetime: 2d"]));
    apply(&world);
    apply(&world);
    assert_eq!(told(&world), 0, "two days are less than three");
    world.pass(DAY + HOUR);
    apply(&world);
    assert_eq!(told(&world), 1);
}
