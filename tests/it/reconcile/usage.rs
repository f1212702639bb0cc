//! Measuring beside the loop, on the world's clock.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, join3};
use metrom::model::{EnvName, Event, EventKind, LiveId, ProviderName, Timestamp, Usage};
use metrom::port::{Clock, Store};
use metrom::reconcile::{Reconciler, Runner};
use metrom::usage::{Ask, Ledger, Resolution, Sampler};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, Metering, World};

use super::worlds::{machines, reconciler};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn name(text: &str) -> ProviderName {
    ProviderName::parse(text).unwrap()
}

fn env(text: &str) -> EnvName {
    EnvName::parse(text).unwrap()
}

/// An environment on each of these hosts, of the same name.
fn declared(hosts: &[&str]) -> Declared {
    let on = |host: &&str| (env(host), Environment::on(&name(host)));
    Declared {
        environments: hosts.iter().map(on).collect(),
        hosts: hosts.iter().map(|host| name(host)).collect(),
        retain: "forever".to_owned(),
        policies: vec![
            "deletions: {atMost: 100, percent: 100}".to_owned(),
            "idle: {for: 2h}".to_owned(),
        ],
        template_version: 1,
        ..Declared::default()
    }
}

fn world(hosts: &[&str]) -> World {
    let flavors: Vec<_> = hosts
        .iter()
        .map(|host| (name(host), Flavor::Named))
        .collect();
    let world = World::new(5, &flavors);
    world.push(declared(hosts).commit(0));
    world
}

/// Serves and measures while a story goes on, then stops.
fn measure(world: &World, story: impl Future<Output = ()>) -> Arc<Ledger> {
    let reconciler: Arc<Reconciler> = Arc::new(reconciler(world));
    let (runner, _wake) = Runner::new(Arc::clone(&reconciler), HOUR);
    let shared = Arc::new(world.clone());
    let ledger = Arc::new(Ledger::default());
    let sampler = Sampler {
        ask: Ask {
            providers: shared.clone(),
            guests: shared.clone(),
            clock: shared.clone(),
        },
        store: shared,
        ledger: Arc::clone(&ledger),
        looks: runner.looks(),
        interval: MINUTE,
        stopping: reconciler.stopping().clone(),
    };
    let story = story.map(|()| reconciler.stopping().cancel());
    world
        .run(join3(runner.run(), sampler.run(), story))
        .expect("nobody dies in this story");
    ledger
}

/// The machine of an environment once it is there.
async fn machine(world: &World, host: &str) -> LiveId {
    for _ in 0..100 {
        world.sleep(MINUTE).await;
        if let Some(machine) = machines(world, &name(host), &env(host)).pop() {
            return machine.id;
        }
    }
    panic!("{host} was never made")
}

fn load(cpu: f64) -> Usage {
    Usage {
        cpu: Some(cpu),
        memory: Some(1e9),
        received: Some(100.0),
        sent: Some(200.0),
        ..Usage::default()
    }
}

fn cpus(ledger: &Ledger, host: &str, resolution: Resolution) -> Vec<f64> {
    let known = ledger.one(&env(host)).unwrap_or_default();
    let buckets = known.series.buckets(resolution);
    buckets.filter_map(|bucket| bucket.usage().cpu).collect()
}

fn events(world: &World) -> Vec<Event> {
    let events = async { Store::events(world, 0, 10_000).await.unwrap() };
    world.run(events).unwrap()
}

fn idle_events(world: &World) -> Vec<(Option<EnvName>, Timestamp)> {
    let events = events(world).into_iter();
    let idle = events.filter_map(|event| match event.kind {
        EventKind::Idle { since } => Some((event.env, since)),
        _ => None,
    });
    idle.collect()
}

#[test]
fn what_a_machine_uses_is_kept_and_shown() {
    let world = world(&["lab"]);
    let ledger = measure(&world, async {
        let id = machine(&world, "lab").await;
        world.load(&id, load(0.25));
        world.sleep(MINUTE * 30).await;
    });
    let minutes = cpus(&ledger, "lab", Resolution::Minute);
    assert!(minutes.len() > 20, "{minutes:?}");
    assert!(
        minutes.iter().all(|cpu| (cpu - 0.25).abs() < 0.001),
        "{minutes:?}"
    );
    let known = ledger.one(&env("lab")).unwrap();
    let latest = known.latest.unwrap().usage;
    assert_eq!((latest.memory, latest.disk_read), (Some(1e9), None));
    assert!((latest.sent.unwrap() - 200.0).abs() < 1.0, "{latest:?}");
    let services: Vec<_> = known
        .containers
        .iter()
        .map(|c| c.service.as_str())
        .collect();
    assert_eq!(services, ["db", "web"], "what the containers use as well");
}

#[test]
fn a_machine_that_booted_anew_gives_no_nonsense() {
    let world = world(&["lab"]);
    let ledger = measure(&world, async {
        let id = machine(&world, "lab").await;
        world.load(&id, load(0.5));
        for _ in 0..5 {
            world.sleep(MINUTE * 3).await;
            world.reboot(&id);
        }
        world.sleep(MINUTE * 3).await;
    });
    let minutes = cpus(&ledger, "lab", Resolution::Minute);
    assert!(minutes.len() > 5, "{minutes:?}");
    assert!(
        minutes.iter().all(|cpu| (cpu - 0.5).abs() < 0.001),
        "{minutes:?}"
    );
}

#[test]
fn a_host_that_hangs_keeps_no_other_one_waiting() {
    let world = world(&["lab", "stuck"]);
    world.meter_by(&name("stuck"), Metering::Hangs);
    let ledger = measure(&world, async {
        for host in ["lab", "stuck"] {
            let id = machine(&world, host).await;
            world.load(&id, load(0.25));
        }
        world.sleep(HOUR).await;
    });
    assert!(cpus(&ledger, "lab", Resolution::Minute).len() > 30);
    assert_eq!(cpus(&ledger, "stuck", Resolution::Minute), [0.0; 0]);
    let known = ledger.one(&env("stuck")).unwrap();
    let fault = known.faults.machine.unwrap();
    assert!(fault.contains("stuck has not answered"), "{fault}");
    let (lab, stuck) = (world.measured(&name("lab")), world.measured(&name("stuck")));
    assert!(
        stuck * 3 < lab,
        "{stuck} of {lab}: it is asked less and less"
    );
}

#[test]
fn a_provider_that_knows_nothing_of_use_says_so() {
    let world = world(&["paper"]);
    world.meter_by(&name("paper"), Metering::None);
    let ledger = measure(&world, async {
        machine(&world, "paper").await;
        world.sleep(MINUTE * 5).await;
    });
    let fault = ledger.one(&env("paper")).unwrap().faults.machine;
    assert_eq!(
        fault.as_deref(),
        Some("paper does not tell how much machines use")
    );
}

#[test]
fn a_cloud_is_asked_no_more_often_than_it_has_something_new() {
    let world = world(&["cloud"]);
    world.meter_by(&name("cloud"), Metering::Samples);
    let ledger = measure(&world, async {
        let id = machine(&world, "cloud").await;
        world.load(&id, load(0.75));
        world.sleep(HOUR * 2).await;
    });
    let asked = world.measured(&name("cloud"));
    assert!((20..30).contains(&asked), "{asked}");
    let hours = ledger.one(&env("cloud")).unwrap().series;
    let measured = hours.buckets(Resolution::Hour).map(|hour| hour.measured());
    assert!(measured.max().unwrap() <= HOUR, "nothing counts twice");
    let five = cpus(&ledger, "cloud", Resolution::FiveMinutes);
    assert!(
        five.len() > 20 && five.iter().all(|cpu| (cpu - 0.75).abs() < 0.001),
        "{five:?}"
    );
}

#[test]
fn who_sleeps_is_not_measured_and_not_idle_for_that() {
    let world = world(&["lab"]);
    let mut repository = declared(&["lab"]);
    let hours = "officeHours: \"Mon-Sun 00:00-00:01 UTC\"".to_owned();
    let lab = repository.environments.get_mut(&env("lab")).unwrap();
    lab.fields.push(hours);
    let ledger = measure(&world, async {
        let id = machine(&world, "lab").await;
        world.load(&id, load(0.01));
        world.sleep(MINUTE * 10).await;
        world.push(repository.commit(1));
        world.sleep(HOUR * 8).await;
    });
    assert_eq!(ledger.one(&env("lab")).unwrap().latest, None);
    assert!(world.measured(&name("lab")) < 30);
    assert_eq!(idle_events(&world), []);
}

#[test]
fn who_is_not_used_is_told_once_and_again_only_after_some_use() {
    let world = world(&["lab", "busy"]);
    let mut told = Vec::new();
    let ledger = measure(&world, async {
        let id = machine(&world, "lab").await;
        let busy = machine(&world, "busy").await;
        world.load(&busy, load(0.4));
        world.load(&id, load(0.01));
        world.sleep(HOUR * 6).await;
        told.push(idle_of(&world).await);
        world.load(&id, load(0.2));
        world.sleep(HOUR * 2).await;
        told.push(idle_of(&world).await);
        world.load(&id, load(0.01));
        world.sleep(HOUR * 5).await;
    });
    assert_eq!(
        told.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false]
    );
    let envs: Vec<_> = idle_events(&world)
        .into_iter()
        .map(|(env, _)| env)
        .collect();
    assert_eq!(envs, [Some(env("lab")), Some(env("lab"))]);
    assert!(ledger.one(&env("lab")).unwrap().idle.is_some());
    assert_eq!(ledger.one(&env("busy")).unwrap().idle, None);
}

async fn idle_of(world: &World) -> Option<Timestamp> {
    Store::memos(world, &env("lab")).await.unwrap().idle
}

#[test]
fn hours_are_there_after_a_restart_and_nobody_is_told_twice() {
    let world = world(&["lab"]);
    measure(&world, async {
        let id = machine(&world, "lab").await;
        world.load(&id, load(0.01));
        world.sleep(HOUR * 4).await;
    });
    world.restart();
    let ledger = measure(&world, world.sleep(HOUR * 3));
    let hours = cpus(&ledger, "lab", Resolution::Hour);
    assert!(hours.len() >= 6, "{hours:?}");
    assert_eq!(idle_events(&world).len(), 1);
}

#[test]
fn a_machine_that_does_not_answer_takes_nothing_from_what_its_host_says() {
    let world = world(&["lab"]);
    let ledger = measure(&world, async {
        let id = machine(&world, "lab").await;
        world.load(&id, load(0.25));
        world.sleep(MINUTE * 10).await;
        world.meddle(&name("lab"), &id, |thing| thing.inside.silent = u32::MAX);
        world.sleep(MINUTE * 10).await;
    });
    let known = ledger.one(&env("lab")).unwrap();
    assert!(known.latest.is_some() && known.faults.machine.is_none());
    let fault = known.faults.containers.unwrap();
    assert!(fault.contains("does not answer"), "{fault}");
}
