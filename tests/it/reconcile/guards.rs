//! What holds a deletion, or any change: protection, suspension, limits, agreements, doubt.

use std::collections::BTreeSet;

use metrom::model::{EnvName, LiveFields, Memo, MemoKind, Power, Suspension, Trigger};
use metrom::port::Store;
use metrom::world::World;
use metrom::world::declare::{Declared, Environment};

use super::time::{DAY, apply, apply_at, declared, lab, memo, plan, power, reasons, shop, world};
use super::worlds::{machines, reconciler};

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
    memo(&world, &Memo::Approved(first.clone()));
    let report = apply(&world);
    let second = plan(&report).awaits.clone().expect("it still waits");
    assert_ne!(first, second);
    memo(&world, &Memo::Approved(second));
    let report = apply(&world);
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    let machine = machines(&world, &lab(), &shop()).remove(0);
    let image = machine.fields.as_machine().unwrap().image.clone().unwrap();
    assert!(image.starts_with("debian-12"), "{image}");
}

#[test]
fn while_the_settings_cannot_be_read_nothing_is_deleted_however_much_was_to_go() {
    let mut wanted = many(8);
    let world = world(&wanted);
    assert_eq!(apply_all(&world).len(), 8);
    wanted.environments.clear();
    world.push(wanted.commit(1));
    assert_eq!(apply_all(&world).len(), 8, "more than may go at once");
    wanted.policies = vec!["approve: nonsense".into()];
    world.push(wanted.commit(2));
    assert_eq!(apply_all(&world).len(), 8, "nobody knows how many may go");
    world.lose_history();
    assert_eq!(apply_all(&world).len(), 8, "nor what was declared before");
    wanted.policies = vec!["deletions: {atMost: 100, percent: 100}".into()];
    world.push(wanted.commit(3));
    assert_eq!(apply_all(&world).len(), 0);
}

#[test]
fn what_may_have_been_prolonged_where_nobody_can_read_does_not_end() {
    let mut wanted = declared(&["lifetime: 2d"]);
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().is_broken = true;
    world.push(wanted.commit(1));
    world.pass(3 * DAY);
    let report = apply(&world);
    let words = "what is declared now is not known: environments/shop.yaml";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert_eq!(power(&world), Some(Power::Running));
    wanted.environments.get_mut(&shop()).unwrap().is_broken = false;
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(power(&world), None);
}

#[test]
fn what_waits_for_something_else_is_awake_in_its_hours_all_the_same() {
    let hours = "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin";
    let mut wanted = declared(&[hours, "protect: true"]);
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    apply_at(&world, "2027-01-15T20:00:00Z");
    assert_eq!(power(&world), Some(Power::Stopped));
    let report = apply_at(&world, "2027-01-18T08:00:00Z");
    assert_eq!(power(&world), Some(Power::Running));
    assert!(reasons(&report).contains("protected"));
    assert!(plan(&report).is_empty());
}
