//! Machines that are made ahead: paused until somebody claims one, never shared, given back where there
//! is no room.

use std::collections::BTreeSet;

use metrom::model::{EnvName, LiveId, Object, Power, Trigger};
use metrom::reconcile::{End, SyncReport};
use metrom::world::World;
use metrom::world::declare::{Declared, Environment};

use super::time::{apply, lab, plan, reasons, shop, world};
use super::worlds::{machines, reconciler, volumes};

fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

fn pool(number: u32) -> EnvName {
    env(&format!("warm-web-{number}"))
}

/// No environment, and so many warm machines.
fn ahead(warm: u32) -> Declared {
    Declared {
        hosts: vec![lab()],
        retain: "7d".to_owned(),
        template_version: 1,
        warm,
        ..Declared::default()
    }
}

fn with(mut declared: Declared, names: &[EnvName]) -> Declared {
    for name in names {
        let environment = Environment::on(&lab());
        declared.environments.insert(name.clone(), environment);
    }
    declared
}

fn sync(world: &World, env: &EnvName) -> SyncReport {
    let reconciler = reconciler(world);
    let sync = async {
        let tick = reconciler.tick().await;
        reconciler.sync(&tick, env, Trigger::Poll).await
    };
    world.run(sync).unwrap()
}

/// Syncs everything until nothing is left to do.
fn settle(world: &World) {
    for _ in 0..20 {
        let reconciler = reconciler(world);
        let all = async {
            let tick = reconciler.tick().await;
            let mut ends = Vec::new();
            for env in reconciler.viewer().environments(&tick).await {
                ends.push(reconciler.sync(&tick, &env, Trigger::Poll).await.end);
            }
            ends
        };
        let ends = world.run(all).unwrap();
        if ends.iter().all(|end| *end == End::Settled) {
            return;
        }
    }
    panic!("it does not settle");
}

fn only(world: &World, env: &EnvName) -> Object {
    let mut machines = machines(world, &lab(), env);
    assert_eq!(machines.len(), 1, "{env}: {machines:?}");
    machines.remove(0)
}

fn power(world: &World, env: &EnvName) -> Power {
    only(world, env).fields.as_machine().unwrap().power
}

fn lines(report: &SyncReport) -> Vec<String> {
    plan(report).steps.iter().map(ToString::to_string).collect()
}

fn with_pool(warm: u32) -> (World, Declared) {
    let declared = ahead(warm);
    let world = world(&declared);
    settle(&world);
    (world, declared)
}

#[test]
fn warm_machines_are_made_set_up_and_paused_and_have_no_data() {
    let (world, _) = with_pool(2);
    for number in [1, 2] {
        assert_eq!(power(&world, &pool(number)), Power::Paused);
        assert!(volumes(&world, &lab(), &pool(number)).is_empty());
    }
    let report = sync(&world, &pool(1));
    assert!(
        plan(&report).is_empty() && plan(&report).held.is_empty(),
        "{report:?}"
    );
}

#[test]
fn what_a_warm_machine_takes_is_told_before_it_is_done() {
    let world = world(&ahead(1));
    let first = lines(&sync(&world, &pool(1))).join("\n");
    for told in [
        "create 2 cpus",
        "set up for dev with 0 keys",
        "pull nginx:1, postgres:16",
    ] {
        assert!(first.contains(told), "{told}: {first}");
    }
    let second = lines(&sync(&world, &pool(1)));
    assert_eq!(
        second,
        ["~ machine          pause on lab  (ready: power running → paused)"]
    );
}

#[test]
fn an_environment_claims_one_and_the_next_is_made() {
    let (world, declared) = with_pool(1);
    let warm = only(&world, &pool(1));
    world.push(with(declared, &[shop()]).commit(1));
    let report = sync(&world, &shop());
    let claim = "+ machine          claim warm-web-1 on lab  (missing)";
    assert!(
        lines(&report).contains(&claim.to_owned()),
        "{:?}",
        lines(&report)
    );
    assert_eq!(report.end, End::Applied);
    assert_eq!(report.claimed().collect::<Vec<_>>(), [&pool(1)]);

    let machine = only(&world, &shop());
    assert_eq!(machine.id, warm.id, "it is that one");
    let live = machine.fields.as_machine().unwrap();
    let [volume] = &volumes(&world, &lab(), &shop())[..] else {
        panic!("one data volume");
    };
    assert_eq!(live.volumes, BTreeSet::from([volume.id.clone()]));
    assert_eq!((live.power, &live.ready), (Power::Running, &None));
    let settled = apply(&world);
    assert!(plan(&settled).is_empty() && reasons(&settled).is_empty());

    settle(&world);
    assert_ne!(only(&world, &pool(1)).id, warm.id, "it is another one");
    assert_eq!(power(&world, &pool(1)), Power::Paused);
    assert_eq!(only(&world, &shop()).id, warm.id);
}

#[test]
fn two_that_want_the_same_one_do_not_share_it() {
    let (world, declared) = with_pool(1);
    let other = env("other");
    world.push(with(declared, &[shop(), other.clone()]).commit(1));
    // Both were planned when it was still there.
    let reconciler = reconciler(&world);
    let both = async {
        let tick = reconciler.tick().await;
        let one = reconciler.sync(&tick, &shop(), Trigger::Poll).await;
        let two = reconciler.sync(&tick, &other, Trigger::Poll).await;
        [one.end, two.end]
    };
    let [one, two] = world.run(both).unwrap();
    assert_eq!(one, End::Applied);
    assert!(matches!(two, End::Failed(..)), "{two:?}");
    settle(&world);
    assert_ne!(only(&world, &shop()).id, only(&world, &other).id);
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[test]
fn a_class_that_begins_at_once_gets_a_machine_each() {
    let (world, declared) = with_pool(3);
    let class = ["ann", "ben", "cleo"].map(env);
    world.push(with(declared, &class).commit(1));
    let reconciler = reconciler(&world);
    let all = async {
        let tick = reconciler.tick().await;
        let mut ends = Vec::new();
        for env in &class {
            ends.push(reconciler.sync(&tick, env, Trigger::Poll).await.end);
        }
        ends
    };
    let ends = world.run(all).unwrap();
    assert_eq!(ends, [End::Applied, End::Applied, End::Applied]);
    let ids: BTreeSet<LiveId> = class.iter().map(|env| only(&world, env).id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn an_old_look_does_nothing_to_a_machine_that_was_claimed_since() {
    let (world, mut declared) = with_pool(2);
    declared.warm = 1;
    let reconciler = reconciler(&world);
    let look = |commit: Declared, number: u32| {
        world.push(commit.commit(number));
        world.run(reconciler.tick()).unwrap()
    };
    // The second is to go, and a moment later somebody claims it.
    let before = look(declared.clone(), 1);
    let (first, second) = (only(&world, &pool(1)).id, only(&world, &pool(2)).id);
    world.remove(&lab(), &first);
    declared.warm = 2;
    let now = look(with(declared, &[shop()]), 2);
    let claimed = world
        .run(reconciler.sync(&now, &shop(), Trigger::Poll))
        .unwrap();
    assert_eq!(claimed.end, End::Applied, "{claimed:?}");
    assert_eq!(only(&world, &shop()).id, second);

    let late = world
        .run(reconciler.sync(&before, &pool(2), Trigger::Poll))
        .unwrap();
    let End::Failed(_, message) = &late.end else {
        panic!("it should not be done: {late:?}");
    };
    assert!(message.contains("another environment's now"), "{message}");
    assert_eq!(only(&world, &shop()).id, second, "it is there still");
}

#[test]
fn killed_anywhere_amid_a_claim_it_is_claimed_wholly_afterwards() {
    for calls in 0..200 {
        let (world, declared) = with_pool(1);
        let mut declared = with(declared, &[shop()]);
        let fields = &mut declared.environments.get_mut(&shop()).unwrap().fields;
        // Neither keeps what was only begun from being finished.
        fields.extend(["drift: report".to_owned(), "protect: true".to_owned()]);
        world.push(declared.commit(1));
        world.crash_after(Some(calls));
        let reconciler = reconciler(&world);
        let sync = async {
            let tick = reconciler.tick().await;
            reconciler.sync(&tick, &shop(), Trigger::Poll).await.end
        };
        let died = world.run(sync).is_none();
        world.restart();
        world.crash_after(None);
        settle(&world);
        let machine = only(&world, &shop());
        let live = machine.fields.as_machine().unwrap();
        assert_eq!(live.volumes.len(), 1, "after {calls} calls: {live:?}");
        assert_eq!(
            (live.power, &live.ready),
            (Power::Running, &None),
            "after {calls} calls"
        );
        assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
        assert_eq!(world.violations(), Vec::<String>::new());
        if !died {
            assert!(calls > 15, "a claim takes more calls than {calls}");
            return;
        }
    }
    panic!("it never came to its end");
}

#[test]
fn a_machine_of_another_shape_is_made_anew() {
    let (world, declared) = with_pool(1);
    let mut declared = with(declared, &[shop()]);
    declared.environments.get_mut(&shop()).unwrap().memory_mib = 2048;
    world.push(declared.commit(1));
    let lines = lines(&sync(&world, &shop())).join("\n");
    assert!(lines.contains("create 2 cpus, 2 GiB memory"), "{lines}");
    settle(&world);
    assert_eq!(
        power(&world, &pool(1)),
        Power::Paused,
        "it is there for others"
    );
}

#[test]
fn where_there_is_no_room_the_pool_gives_way() {
    let (world, declared) = with_pool(2);
    let ids: BTreeSet<LiveId> = [1, 2].map(|n| only(&world, &pool(n)).id).into();
    let mut declared = with(declared, &[shop()]);
    // Not of the pool's shape, and larger than one of the two.
    declared.environments.get_mut(&shop()).unwrap().memory_mib = 2048;
    world.leave_memory(&lab(), Some(256));
    world.push(declared.commit(1));
    let report = sync(&world, &shop());
    let given: Vec<String> = lines(&report);
    let given: Vec<&String> = given
        .iter()
        .filter(|line| line.contains("give back"))
        .collect();
    assert_eq!(
        given,
        [
            "- machine          give back warm-web-1 on lab  (room is needed)",
            "- machine          give back warm-web-2 on lab  (room is needed)"
        ]
    );
    assert_eq!(report.end, End::Applied);
    assert!(!ids.contains(&only(&world, &shop()).id));
    let held = reasons(&sync(&world, &pool(1)));
    assert!(held.contains("lab has 256 MiB of memory left"), "{held}");
    assert!(machines(&world, &lab(), &pool(1)).is_empty());
}

#[test]
fn a_pool_that_is_larger_than_the_host_says_so_and_goes_no_further() {
    let declared = ahead(3);
    let world = world(&declared);
    world.leave_memory(&lab(), Some(100));
    let report = sync(&world, &pool(3));
    assert!(plan(&report).is_empty());
    let held = reasons(&report);
    assert!(
        held.contains("it is made when there is room, or declare a smaller `warm`"),
        "{held}"
    );
}

#[test]
fn new_images_are_pulled_before_anybody_claims_the_machine() {
    let (world, mut declared) = with_pool(1);
    let before = only(&world, &pool(1)).id;
    declared.template_version = 2;
    world.push(declared.commit(1));
    let woken = lines(&sync(&world, &pool(1))).join("\n");
    assert!(woken.contains("power paused → running"), "{woken}");
    let pulled = lines(&sync(&world, &pool(1))).join("\n");
    assert!(pulled.contains("pull nginx:2, postgres:16"), "{pulled}");
    settle(&world);
    assert_eq!(
        (only(&world, &pool(1)).id, power(&world, &pool(1))),
        (before, Power::Paused)
    );
}

#[test]
fn a_smaller_pool_ends_what_it_does_not_need_whatever_the_policies_say() {
    let (world, mut declared) = with_pool(3);
    declared.warm = 1;
    declared.policies = ["approve: destructive", "deletions: {atMost: 1, percent: 1}"]
        .map(str::to_owned)
        .to_vec();
    world.push(declared.commit(1));
    settle(&world);
    assert_eq!(power(&world, &pool(1)), Power::Paused);
    for number in [2, 3] {
        assert!(machines(&world, &lab(), &pool(number)).is_empty());
    }
}

#[test]
fn a_file_cannot_take_the_name_of_a_warm_machine() {
    let declared = with(ahead(1), &[pool(1)]);
    let catalog = metrom::manifest::load(&declared.commit(0));
    let [only] = &catalog.diagnostics[..] else {
        panic!("one is enough: {:?}", catalog.diagnostics);
    };
    assert_eq!(only.message, "`warm-web-1` is a name for warm machines");
    assert_eq!(only.place.path.as_str(), "environments/warm-web-1.yaml");
    // What the template asks for is made all the same, and is nobody's.
    let world = world(&declared);
    settle(&world);
    assert_eq!(power(&world, &pool(1)), Power::Paused);
    assert!(volumes(&world, &lab(), &pool(1)).is_empty());
}
