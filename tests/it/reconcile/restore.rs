//! Data that is kept comes into a new environment as a copy.

use metrom::model::{EnvName, LiveId, Trigger};
use metrom::reconcile::{End, RestoreError, SyncReport};
use metrom::world::World;
use metrom::world::declare::{Declared, Environment};

use super::time::{DAY, apply, declared, lab, shop, world};
use super::worlds::{machines, reconciler, volumes};

fn copy() -> EnvName {
    EnvName::parse("copy").unwrap()
}

fn restore(world: &World) -> Result<SyncReport, RestoreError> {
    let reconciler = reconciler(world);
    let restoring = async {
        let tick = reconciler.tick().await;
        reconciler.restore(&tick, &shop(), &copy()).await
    };
    world.run(restoring).expect("nobody dies")
}

/// The end of `shop`, whose data is kept, and the beginning of `copy`.
fn succession() -> (World, Declared) {
    let mut wanted = declared(&["retain: 7d"]);
    let world = world(&wanted);
    apply(&world);
    let environment = wanted.environments.remove(&shop()).unwrap();
    wanted.environments.insert(copy(), environment);
    world.push(wanted.commit(1));
    apply(&world);
    (world, wanted)
}

fn volume(world: &World, env: &EnvName) -> LiveId {
    let [volume] = &volumes(world, &lab(), env)[..] else {
        panic!("one volume of {env}");
    };
    volume.id.clone()
}

#[test]
fn a_new_environment_begins_with_a_copy_of_what_was_kept() {
    let (world, _) = succession();
    let report = restore(&world).unwrap();
    assert_eq!(report.end, End::Applied);
    let (old, new) = (volume(&world, &shop()), volume(&world, &copy()));
    let content = |id| world.content(&lab(), id).unwrap();
    assert_eq!(content(&old), content(&new));
    let (reconciler, copied) = (reconciler(&world), copy());
    let settling = reconciler.apply_until_settled(&copied, Trigger::Person);
    let last = world.run(settling).unwrap().pop().unwrap();
    assert_eq!(last.end, End::Settled);
    let machine = machines(&world, &lab(), &copy()).remove(0);
    assert!(machine.fields.as_machine().unwrap().volumes.contains(&new));
    // What was kept is kept as long as it would have been, and the copy for good.
    world.pass(7 * DAY);
    apply(&world);
    assert_eq!(volumes(&world, &lab(), &shop()), []);
    assert_eq!(volume(&world, &copy()), new);
}

#[test]
fn a_copy_that_was_interrupted_is_made_once() {
    for call in 0..40 {
        let (world, _) = succession();
        world.crash_after(Some(call));
        let first = reconciler(&world);
        let died = world.run(async {
            let tick = first.tick().await;
            first.restore(&tick, &shop(), &copy()).await.is_ok()
        });
        world.restart();
        if died.is_none() && volumes(&world, &lab(), &copy()).is_empty() {
            assert_eq!(restore(&world).unwrap().end, End::Applied, "{call}");
        }
        let (old, new) = (volume(&world, &shop()), volume(&world, &copy()));
        let content = |id| world.content(&lab(), id).unwrap();
        assert_eq!(content(&old), content(&new), "{call}");
    }
}

#[test]
fn nothing_is_restored_over_what_is_there_nor_from_nothing() {
    let (world, mut wanted) = succession();
    restore(&world).unwrap();
    assert_eq!(
        restore(&world).unwrap_err(),
        RestoreError::NotNew { to: copy() }
    );
    wanted.environments.clear();
    world.push(wanted.commit(2));
    let undeclared = restore(&world).unwrap_err();
    assert_eq!(undeclared, RestoreError::NotDeclared { to: copy() });

    let mut wanted = declared(&[]);
    wanted.environments.insert(copy(), Environment::on(&lab()));
    let other = self::world(&wanted);
    apply(&other);
    let alive = restore(&other).unwrap_err();
    assert_eq!(alive, RestoreError::NothingKept { from: shop() });
}
