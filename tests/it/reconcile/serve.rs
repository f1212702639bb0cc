//! The loop of `metrom serve`, on the world's clock.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, join};
use metrom::model::{
    EnvName, EventKind, Outcome, Power, ProviderName, Run, RunState, StepRecord, Trigger,
};
use metrom::port::{Clock, Store};
use metrom::reconcile::{Reconciler, Runner, Wake};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Faults, Flavor, World};

use super::worlds::{machines, reconciler};

fn lab() -> ProviderName {
    ProviderName::parse("lab").unwrap()
}

fn env(n: usize) -> EnvName {
    EnvName::parse(&format!("e{n}")).unwrap()
}

fn declared(environments: usize) -> Declared {
    let one = |n| (env(n), Environment::on(&lab()));
    Declared {
        environments: (0..environments).map(one).collect(),
        hosts: vec![lab()],
        retain: "nothing".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

/// Longer than any machine of the world takes to answer.
const GRACE: Duration = Duration::from_secs(120);

fn world(environments: usize) -> World {
    let world = World::new(5, &[(lab(), Flavor::Tokens)]);
    world.push(declared(environments).commit(0));
    world
}

/// Serves while a story goes on, then stops.
fn serve(world: &World, story: impl Future<Output = ()>) {
    serve_with(world, GRACE, story);
}

fn serve_with(world: &World, grace: Duration, story: impl Future<Output = ()>) {
    let reconciler: Arc<Reconciler> = Arc::new(reconciler(world));
    let (runner, _wake) = Runner::new(Arc::clone(&reconciler), grace);
    let story = story.map(|()| reconciler.stopping().cancel());
    world
        .run(join(runner.run(), story))
        .expect("nobody dies in this story");
}

#[test]
fn it_makes_what_is_declared_without_being_woken() {
    let world = world(5);
    serve(&world, world.sleep(Duration::from_secs(600)));
    for n in 0..5 {
        assert_eq!(
            machines(&world, &lab(), &env(n)).len(),
            1,
            "environment {n}"
        );
    }
}

#[test]
fn a_poll_finds_what_no_webhook_told() {
    let world = world(2);
    serve(&world, async {
        world.sleep(Duration::from_secs(300)).await;
        world.push(declared(1).commit(1));
        world.sleep(Duration::from_secs(150)).await;
    });
    assert_eq!(machines(&world, &lab(), &env(0)).len(), 1);
    assert!(machines(&world, &lab(), &env(1)).is_empty());
}

#[test]
fn a_wake_is_heeded_before_the_next_poll() {
    let world = world(1);
    world.push(slow(1).commit(1));
    let reconciler = Arc::new(reconciler(&world));
    let (runner, wake) = Runner::new(Arc::clone(&reconciler), GRACE);
    let story = async {
        world.sleep(Duration::from_secs(300)).await;
        world.push(slow(2).commit(2));
        wake.send(Wake::Repository(Trigger::Webhook)).unwrap();
        wake.send(Wake::Repository(Trigger::Webhook)).unwrap();
        world.sleep(Duration::from_secs(300)).await;
        reconciler.stopping().cancel();
    };
    world.run(join(runner.run(), story)).unwrap();
    assert_eq!(machines(&world, &lab(), &env(1)).len(), 1);
}

#[test]
fn steps_go_on_while_it_looks_at_the_world() {
    let world = world(4);
    // A look waits for the steps that talk to the same provider.
    world.answer_after(Duration::from_secs(7));
    serve(&world, world.sleep(Duration::from_secs(3600)));
    for n in 0..4 {
        assert_eq!(machines(&world, &lab(), &env(n)).len(), 1, "{n}");
    }
}

/// Declares that nobody wants to be looked at.
fn slow(environments: usize) -> Declared {
    Declared {
        poll: 86_400,
        ..declared(environments)
    }
}

#[test]
fn how_often_it_looks_is_followed_while_it_runs() {
    let world = world(1);
    serve(&world, async {
        world.sleep(Duration::from_secs(300)).await;
        world.push(slow(1).commit(1));
        world.sleep(Duration::from_secs(300)).await;
        world.push(declared(2).commit(2));
        world.sleep(Duration::from_secs(7200)).await;
        assert!(
            machines(&world, &lab(), &env(1)).is_empty(),
            "nobody looked"
        );
    });
}

#[test]
fn it_goes_on_through_outages_and_converges_after_them() {
    let world = world(4);
    world.set_faults(Faults::ALL);
    serve(&world, async {
        world.sleep(Duration::from_secs(3600)).await;
        world.set_faults(Faults::default());
        world.sleep(Duration::from_secs(3600)).await;
    });
    for n in 0..4 {
        assert_eq!(
            machines(&world, &lab(), &env(n)).len(),
            1,
            "environment {n}"
        );
    }
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[test]
fn an_outage_of_the_source_is_told_once_however_often_it_is_met() {
    let world = world(1);
    serve(&world, async {
        world.sleep(Duration::from_secs(600)).await;
        world.set_faults(Faults {
            source: 100,
            ..Faults::default()
        });
        world.sleep(Duration::from_secs(600)).await;
    });
    let events = world.run(async { Store::events(&world, 0, 1000).await.unwrap() });
    let (mut faults, mut moves) = (0, 0);
    for event in events.unwrap() {
        match event.kind {
            EventKind::SourceFault { .. } => faults += 1,
            EventKind::SourceMoved { .. } => moves += 1,
            _ => {}
        }
    }
    assert_eq!((faults, moves), (1, 1));
}

/// What came of the only run of an environment when a stop is asked for after that time.
fn stopped(world: &World, grace: Duration, after: u64) -> Run {
    serve_with(world, grace, world.sleep(Duration::from_secs(after)));
    let runs = world.run(async { Store::runs(world, None, 9).await.unwrap() });
    let mut runs = runs.unwrap();
    assert_eq!(runs.len(), 1, "a stop begins no other run");
    let run = runs.remove(0);
    assert_eq!(run.state, RunState::Interrupted);
    run
}

/// A world in which each answer takes so long that a step runs when a stop is asked for.
fn stopped_amid_a_step(grace: Duration) -> Run {
    let world = world(1);
    world.answer_after(Duration::from_secs(20));
    stopped(&world, grace, 50)
}

#[test]
fn a_stop_lets_running_steps_finish_and_begins_no_other() {
    let run = stopped_amid_a_step(GRACE);
    let mut came = run.steps.iter().map(|step| &step.outcome);
    assert!(
        came.any(|outcome| matches!(outcome, Some(Outcome::Done { .. }))),
        "{run:?}"
    );
    assert!(came.any(Option::is_none), "{run:?}");
}

#[test]
fn what_still_runs_when_the_grace_time_ends_is_recorded_as_interrupted() {
    let run = stopped_amid_a_step(Duration::from_secs(5));
    assert!(run.ended.is_some());
    assert!(run.steps.iter().all(|step| step.outcome.is_none()));
}

#[test]
fn a_stop_leaves_a_machine_that_is_waited_for() {
    let world = world(1);
    let never = Faults {
        silent: 100,
        ..Faults::default()
    };
    world.set_faults(never);
    let began = world.now();
    let run = stopped(&world, GRACE, 10);
    assert!(world.now().duration_since(began).as_secs() < 20);
    let is_left = |step: &&StepRecord| step.outcome.is_none();
    let left = run.steps.iter().find(is_left).unwrap();
    assert!(
        left.line.contains("wait until it is ready"),
        "{}",
        left.line
    );
    assert!(run.steps.iter().any(|step| step.outcome.is_some()));
}

#[test]
fn at_nine_o_clock_a_hundred_environments_start_and_never_more_at_once_than_allowed() {
    const AT_ONCE: usize = 5;
    let mut wanted = Declared {
        policies: vec![format!("concurrency: {AT_ONCE}")],
        ..slow(100)
    };
    for environment in wanted.environments.values_mut() {
        let hours = "officeHours: Mon-Fri 09:00-18:00 UTC".to_owned();
        environment.fields = vec![hours];
    }
    let world = World::new(5, &[(lab(), Flavor::Tokens)]);
    world.push(wanted.commit(0));
    let mut before = 0;
    serve(&world, async {
        world.sleep(Duration::from_secs(3000)).await;
        before = world.objects(&lab()).len();
        world.sleep(Duration::from_secs(4 * 3600)).await;
    });
    assert_eq!(before, 0, "it was not nine yet");
    for n in 0..100 {
        let machines = machines(&world, &lab(), &env(n));
        let power = machines
            .first()
            .map(|m| m.fields.as_machine().unwrap().power);
        assert_eq!(power, Some(Power::Running), "{n}");
    }
    let runs = world.run(async { Store::runs(&world, None, 1000).await.unwrap() });
    let runs = runs.unwrap();
    let open_at = |at| {
        let is_open = |run: &&Run| run.started <= at && run.ended.is_none_or(|end| at < end);
        runs.iter().filter(is_open).count()
    };
    let most = runs.iter().map(|run| open_at(run.started)).max();
    assert_eq!(most, Some(AT_ONCE), "busy, and no busier");
}
