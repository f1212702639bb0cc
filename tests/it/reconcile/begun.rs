//! Creations that were cut off, and what keeps a machine from being ended.

use metrom::model::{LiveFields, LiveId, LiveMachine, Trigger};
use metrom::reconcile::End;
use metrom::world::{Flavor, World};

use super::time::{declared, lab, shop};
use super::worlds::{machines, reconciler};

fn cloud() -> World {
    World::new(1, &[(lab(), Flavor::Tokens)])
}

/// `None`: the process died.
fn apply(world: &World) -> Option<End> {
    let reconciler = reconciler(world);
    let reports = world.run(reconciler.apply_until_settled(&shop(), Trigger::Person))?;
    Some(reports.last().unwrap().end.clone())
}

fn machine(world: &World) -> Option<(LiveId, LiveMachine)> {
    let machine = machines(world, &lab(), &shop()).into_iter().next()?;
    Some((machine.id, machine.fields.into_machine()?))
}

#[test]
fn a_creation_that_was_cut_off_goes_on_with_the_same_machine() {
    let mut begun = 0;
    for calls in 1..80 {
        let world = cloud();
        world.push(declared(&[]).commit(0));
        world.crash_after(Some(calls));
        if apply(&world).is_some() {
            break;
        }
        world.restart();
        world.crash_after(None);
        let before = machine(&world);
        assert_eq!(apply(&world), Some(End::Settled), "killed at {calls}");
        let (id, after) = machine(&world).unwrap();
        assert!(
            after.is_finished && after.volumes.len() == 1,
            "killed at {calls}"
        );
        if let Some((was, machine)) = before {
            assert_eq!(id, was, "killed at {calls}");
            begun += usize::from(!machine.is_finished);
        }
    }
    assert!(begun > 0, "it was killed between the two halves");
}

#[test]
fn what_was_begun_is_made_on_without_the_note_of_it() {
    let world = cloud();
    world.push(declared(&[]).commit(0));
    apply(&world);
    let (id, _) = machine(&world).unwrap();
    world.meddle(&lab(), &id, |thing| {
        if let LiveFields::Machine(machine) = &mut thing.object.fields {
            machine.is_finished = false;
            machine.volumes.clear();
        }
    });
    assert_eq!(apply(&world), Some(End::Settled));
    let (same, machine) = machine(&world).unwrap();
    assert_eq!((same, machine.volumes.len()), (id, 1));
}

#[test]
fn a_protected_machine_is_protected_by_its_provider_as_well_and_never_made_anew_for_it() {
    let world = cloud();
    world.push(declared(&["protect: true"]).commit(0));
    assert_eq!(apply(&world), Some(End::Settled));
    let (id, first) = machine(&world).unwrap();
    assert_eq!(first.is_protected, Some(true));
    for (commit, field, is_protected) in [(1, "protect: false", false), (2, "protect: true", true)]
    {
        world.push(declared(&[field]).commit(commit));
        assert_eq!(apply(&world), Some(End::Settled));
        let (same, machine) = machine(&world).unwrap();
        assert_eq!(
            (same, machine.is_protected),
            (id.clone(), Some(is_protected))
        );
    }
}

#[test]
fn where_nothing_is_protected_nothing_is_asked_for() {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    world.push(declared(&["protect: true"]).commit(0));
    assert_eq!(apply(&world), Some(End::Settled));
    assert_eq!(machine(&world).unwrap().1.is_protected, None);
}

#[test]
fn a_protection_that_git_does_not_want_is_taken_off_before_the_end() {
    let mut wanted = declared(&[]);
    let world = cloud();
    world.push(wanted.commit(0));
    apply(&world);
    let (id, _) = machine(&world).unwrap();
    world.meddle(&lab(), &id, |thing| {
        if let LiveFields::Machine(machine) = &mut thing.object.fields {
            machine.is_protected = Some(true);
        }
    });
    wanted.environments.clear();
    world.push(wanted.commit(1));
    let reconciler = reconciler(&world);
    let reports = world.run(reconciler.apply_until_settled(&shop(), Trigger::Person));
    let plan = reports.unwrap()[0].plan().unwrap().to_string();
    let steps = ["take its protection off on lab", "delete on lab"];
    let [off, end] = steps.map(|step| plan.find(step).unwrap_or_else(|| panic!("{plan}")));
    assert!(off < end, "{plan}");
    assert!(machine(&world).is_none());
}
