//! What somebody changes by hand: put right, told, ignored, or left to whoever insists.

use std::time::Duration;

use metrom::model::{LiveFields, LiveService};
use metrom::world::World;

use super::time::{apply, declared, each_service, lab, plan, reasons, shop, world};
use super::worlds::machines;

const MINUTE: Duration = Duration::from_secs(60);

/// Somebody gives the machine another size by hand.
fn meddle(world: &World) {
    let id = machines(world, &lab(), &shop())[0].id.clone();
    world.meddle(&lab(), &id, |thing| {
        if let LiveFields::Machine(machine) = &mut thing.object.fields {
            machine.memory_mib = 512;
        }
    });
}

fn memory(world: &World) -> u64 {
    let machine = machines(world, &lab(), &shop()).remove(0);
    machine.fields.as_machine().unwrap().memory_mib
}

#[test]
fn it_is_put_right_unless_it_was_said_that_it_does_not_matter() {
    for (fields, after) in [(&[][..], 1024), (&["ignoreDrift: [memory, power]"], 512)] {
        let world = world(&declared(fields));
        apply(&world);
        meddle(&world);
        let report = apply(&world);
        assert_eq!(memory(&world), after, "{fields:?}");
        assert!(plan(&report).held.is_empty());
    }
}

#[test]
fn what_is_declared_counts_although_drift_of_it_does_not() {
    let mut wanted = declared(&["ignoreDrift: [memory]"]);
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().memory_mib = 2048;
    world.push(wanted.commit(1));
    apply(&world);
    assert_eq!(memory(&world), 2048);
}

#[test]
fn what_is_only_told_is_told_with_its_beginning() {
    let world = world(&declared(&["drift: report"]));
    apply(&world);
    meddle(&world);
    apply(&world);
    world.pass(90 * MINUTE);
    let report = apply(&world);
    assert_eq!(memory(&world), 512);
    let told = reasons(&report);
    assert!(told.contains("memory 512 MiB → 1 GiB"), "{told}");
    assert!(told.contains("it is so since 2027-01-15 08:"), "{told}");
}

#[test]
fn whoever_insists_is_let_be_for_a_while_and_named_as_one_who_fights() {
    let world = world(&declared(&[]));
    apply(&world);
    for _ in 0..5 {
        world.pass(MINUTE);
        meddle(&world);
        apply(&world);
        assert_eq!(memory(&world), 1024);
    }
    meddle(&world);
    let report = apply(&world);
    assert_eq!(memory(&world), 512, "it is not put right a sixth time");
    let told = reasons(&report);
    assert!(
        told.contains("machine was put right 5 times within an hour"),
        "{told}"
    );
    let again = report.until().expect("it is tried again");
    let pause = Duration::try_from(again.duration_since(world.now())).unwrap();
    assert!(pause > 30 * MINUTE && pause <= 60 * MINUTE, "{pause:?}");
    world.pass(pause);
    apply(&world);
    assert_eq!(memory(&world), 1024);
}

/// The images of the services on the machine, after somebody had a hand on them.
fn images(world: &World, meddle: impl Fn(&mut LiveService)) -> Vec<String> {
    let id = machines(world, &lab(), &shop())[0].id.clone();
    let mut images = Vec::new();
    each_service(world, &id, |service| {
        meddle(service);
        images.push(service.image_digest.clone());
    });
    images
}

#[test]
fn a_container_from_another_image_than_was_applied_is_put_right_and_both_are_named() {
    let world = world(&declared(&["drift: report"]));
    apply(&world);
    let applied = images(&world, |_| ());
    let other = format!("sha256:{}", "d".repeat(64));
    let drifted = images(&world, |service| service.image_digest.clone_from(&other));
    assert_ne!(drifted, applied);
    let told = reasons(&apply(&world));
    let words = "db from dddddddddddd → db, as db was resolved";
    assert!(told.contains(words), "{told}");
    assert_eq!(images(&world, |_| ()), drifted);
    world.push(declared(&[]).commit(1));
    apply(&world);
    assert_eq!(images(&world, |_| ()), applied);
}
