//! What happens when the outside misbehaves, told one thing at a time.

use std::time::Duration;

use metrom::model::{EnvName, Key, LiveFields, Power, ProviderName, RunState, Trigger};
use metrom::port::Store;
use metrom::reconcile::{DataVolumes, End};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

use super::worlds::{machines, reconciler, volumes};

fn lab() -> ProviderName {
    ProviderName::parse("lab").unwrap()
}

fn shop() -> EnvName {
    EnvName::parse("shop").unwrap()
}

fn declared() -> Declared {
    Declared {
        environments: [(shop(), Environment::on(&lab()))].into(),
        hosts: vec![lab()],
        retain: "forever".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

/// A world in which `shop` is declared and as it should be.
fn settled() -> (World, Declared) {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    let declared = declared();
    world.push(declared.commit(0));
    assert_eq!(apply(&world), End::Settled);
    (world, declared)
}

fn apply(world: &World) -> End {
    let reconciler = reconciler(world);
    let reports = world
        .run(reconciler.apply_until_settled(&shop(), Trigger::Person))
        .unwrap();
    reports.last().unwrap().end.clone()
}

fn sync(world: &World) -> metrom::reconcile::SyncReport {
    let reconciler = reconciler(world);
    world
        .run(async {
            let tick = reconciler.tick().await;
            reconciler.sync(&tick, &shop(), Trigger::Person).await
        })
        .unwrap()
}

#[test]
fn from_nothing_to_settled_and_the_second_plan_is_empty() {
    let (world, _) = settled();
    let report = sync(&world);
    assert_eq!(report.end, End::Settled);
    assert!(report.plan().unwrap().is_empty() && report.plan().unwrap().held.is_empty());
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn runs_are_recorded_with_every_step() {
    let (world, _) = settled();
    let reconciler = reconciler(&world);
    let runs = world
        .run(async { Store::runs(&world, Some(&shop()), 9).await.unwrap() })
        .unwrap();
    drop(reconciler);
    let first = runs.last().unwrap();
    assert_eq!(first.state, RunState::Succeeded);
    assert!(first.steps.iter().all(|step| step.outcome.is_some()));
    assert!(first.steps.iter().any(|step| step.key == Key::Stack));
}

#[test]
fn a_source_that_cannot_be_reached_keeps_what_was_declared_and_heals_drift() {
    let (world, _) = settled();
    let faults = metrom::world::Faults {
        source: 100,
        ..Default::default()
    };
    world.set_faults(faults);
    let id = machines(&world, &lab(), &shop())[0].id.clone();
    world.meddle(&lab(), &id, |thing| {
        if let LiveFields::Machine(machine) = &mut thing.object.fields {
            machine.power = Power::Stopped;
        }
    });
    let report = sync(&world);
    let view = report.view.as_ref().unwrap();
    assert!(
        view.faults[0].contains("cannot reach the repository"),
        "{:?}",
        view.faults
    );
    assert_eq!(report.end, End::Applied);
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn a_source_that_was_never_good_does_nothing_and_says_why() {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    let report = sync(&world);
    assert_eq!(report.end, End::Stalled);
    let faults = report.view.unwrap().faults;
    assert!(faults[0].contains("push one"), "{faults:?}");
    assert!(world.objects(&lab()).is_empty());
}

#[test]
fn a_broken_environment_keeps_its_last_good_revision_while_others_go_on() {
    let (world, mut declared) = settled();
    let other = EnvName::parse("blog").unwrap();
    declared.environments.get_mut(&shop()).unwrap().is_broken = true;
    declared
        .environments
        .insert(other.clone(), Environment::on(&lab()));
    world.push(declared.commit(1));
    let report = sync(&world);
    assert_eq!(report.end, End::Settled);
    assert!(report.view.unwrap().faults[0].contains("wbe"));
    let reconciler = reconciler(&world);
    world
        .run(reconciler.apply_until_settled(&other, Trigger::Person))
        .unwrap();
    assert_eq!(machines(&world, &lab(), &other).len(), 1);
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn an_environment_missing_beside_an_unreadable_file_is_not_removed() {
    let (world, mut declared) = settled();
    declared.environments.clear();
    declared.garbage = Some("environments/shop.yaml".to_owned());
    world.push(declared.commit(1));
    let report = sync(&world);
    assert!(!report.view.as_ref().unwrap().faults.is_empty());
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
    // Not even when its last good revision is lost with the database.
    world.lose_history();
    world.forget_history();
    let report = sync(&world);
    let plan = report.plan().unwrap();
    assert!(plan.is_empty() && !plan.held.is_empty(), "{plan}");
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn a_rewritten_history_is_an_ordinary_revision() {
    let (world, mut declared) = settled();
    declared.environments.get_mut(&shop()).unwrap().level = 7;
    world.push(declared.commit(9));
    world.forget_history();
    assert_eq!(apply(&world), End::Settled);
}

#[test]
fn an_environment_whose_file_is_gone_ends_and_its_data_stays() {
    let (world, mut declared) = settled();
    declared.environments.clear();
    world.push(declared.commit(1));
    assert_eq!(apply(&world), End::Settled);
    assert!(machines(&world, &lab(), &shop()).is_empty());
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn an_ended_environment_does_not_come_back_when_the_source_goes_away() {
    let (world, mut declared) = settled();
    declared.environments.clear();
    world.push(declared.commit(1));
    assert_eq!(apply(&world), End::Settled);
    world.set_faults(metrom::world::Faults {
        source: 100,
        ..Default::default()
    });
    let report = sync(&world);
    assert!(report.plan().unwrap().is_empty());
    assert!(machines(&world, &lab(), &shop()).is_empty());
}

#[test]
fn a_person_may_end_an_environment_with_its_data() {
    let (world, _) = settled();
    let reconciler = reconciler(&world);
    let reports = world
        .run(reconciler.destroy_until_gone(&shop(), DataVolumes::Delete))
        .unwrap();
    assert_eq!(reports.last().unwrap().end, End::Settled);
    assert!(world.objects(&lab()).is_empty());
}

#[test]
fn losing_the_database_loses_history_and_not_control() {
    let (world, mut declared) = settled();
    world.lose_history();
    declared.environments.get_mut(&shop()).unwrap().memory_mib = 2048;
    world.push(declared.commit(1));
    assert_eq!(apply(&world), End::Settled);
    let machine = machines(&world, &lab(), &shop());
    assert_eq!(machine.len(), 1);
    assert_eq!(machine[0].fields.as_machine().unwrap().memory_mib, 2048);
}

#[test]
fn while_another_process_works_on_it_an_apply_waits() {
    let (world, _) = settled();
    world.lock_elsewhere(&shop());
    assert_eq!(sync(&world).end, End::Busy);
    let before = world.now();
    assert_eq!(apply(&world), End::Busy);
    assert!(world.now().duration_since(before) > jiff::SignedDuration::from_secs(60));
    world.unlock_elsewhere(&shop());
    world.pass(Duration::from_secs(1));
    assert_eq!(apply(&world), End::Settled);
}

#[test]
fn a_machine_that_never_gets_ready_fails_with_words_and_waits_for_a_person() {
    let world = World::new(3, &[(lab(), Flavor::Named)]);
    world.push(declared().commit(0));
    world.set_faults(metrom::world::Faults {
        silent: 100,
        ..Default::default()
    });
    let report = sync(&world);
    let End::Failed(class, message) = &report.end else {
        panic!("{:?}", report.end);
    };
    assert_eq!(*class, metrom::model::Class::Terminal);
    assert!(message.contains("shop does not answer"), "{message}");
    world.set_faults(metrom::world::Faults::default());
    assert_eq!(apply(&world), End::Settled);
    assert_eq!(machines(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn a_new_environment_waits_for_a_host_out_of_sight_only_if_its_data_may_be_there() {
    let (near, far) = (lab(), ProviderName::parse("far").unwrap());
    let world = World::new(
        1,
        &[(near.clone(), Flavor::Named), (far.clone(), Flavor::Named)],
    );
    let mut declared = Declared {
        hosts: vec![near.clone(), far.clone()],
        ..declared()
    };
    let (moved, new) = (shop(), EnvName::parse("new").unwrap());
    declared
        .environments
        .insert(moved.clone(), Environment::on(&far));
    world.push(declared.commit(0));
    let knowing = reconciler(&world);
    let settle = |reconciler: &metrom::reconcile::Reconciler, env: &EnvName| {
        let reports = world
            .run(reconciler.apply_until_settled(env, Trigger::Person))
            .unwrap();
        let plan = reports.last().unwrap().plan().unwrap().clone();
        plan.held
            .iter()
            .map(ToString::to_string)
            .collect::<String>()
    };
    assert_eq!(settle(&knowing, &moved), "");

    world.cut_off(&far, u32::MAX);
    for env in [&moved, &new] {
        declared
            .environments
            .insert(env.clone(), Environment::on(&near));
    }
    world.push(declared.commit(1));
    let unknowing = reconciler(&world);
    let held = settle(&unknowing, &new);
    assert!(held.contains("its data may be there"), "{held}");
    assert_eq!(settle(&knowing, &new), "");
    assert_eq!(machines(&world, &near, &new).len(), 1);
    let held = settle(&knowing, &moved);
    assert!(held.contains("its data may be there"), "{held}");
    assert!(volumes(&world, &near, &moved).is_empty());
}

#[test]
fn a_machine_that_is_cut_off_while_it_is_waited_for_is_not_waited_for_any_longer() {
    let (world, _) = settled();
    world.set_faults(metrom::world::Faults {
        silent: 100,
        ..Default::default()
    });
    let id = machines(&world, &lab(), &shop())[0].id.clone();
    let (reconciler, before) = (reconciler(&world), world.now());
    let cut_off = async {
        metrom::port::Clock::sleep(&world, Duration::from_secs(60)).await;
        world.meddle(&lab(), &id, |thing| {
            if let LiveFields::Machine(machine) = &mut thing.object.fields {
                machine.power = Power::Stopped;
            }
        });
    };
    let syncing = async {
        let tick = reconciler.tick().await;
        reconciler.sync(&tick, &shop(), Trigger::Person).await
    };
    let (report, ()) = world
        .run(futures_util::future::join(syncing, cut_off))
        .unwrap();
    let End::Failed(class, message) = &report.end else {
        panic!("{:?}", report.end);
    };
    assert_eq!(*class, metrom::model::Class::Conflict);
    assert!(
        message.contains("the machine of shop is stopped"),
        "{message}"
    );
    let waited = world.now().duration_since(before);
    assert!(waited < jiff::SignedDuration::from_secs(120), "{waited}");
}
