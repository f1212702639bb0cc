//! Hosts: what is told of them, and what becomes of what lives there when they are in maintenance,
//! emptied, not declared any more, or come back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use metrom::model::{EnvName, EventKind, HostHealth, Power, ProviderName, Space, Trigger};
use metrom::port::{Clock as _, Store as _};
use metrom::reconcile::{Reconciler, Runner};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

use super::time::{apply, declared, lab, plan, reasons, shop, world};
use super::worlds::{machines, reconciler, volumes};

fn with_room(free_mib: u64) -> HostHealth {
    HostHealth {
        pool: Some(Space {
            size_mib: 1000,
            free_mib,
        }),
        ..HostHealth::default()
    }
}

/// Lives so long while the loop runs.
fn serve(world: &World, change: impl AsyncFn()) -> Vec<String> {
    let reconciler = std::sync::Arc::new(reconciler(world));
    let (runner, _wake) = Runner::new(reconciler.clone(), Duration::from_secs(120));
    let story = async {
        change().await;
        reconciler.stopping().cancel();
    };
    world
        .run(futures_util::future::join(runner.run(), story))
        .unwrap();
    let events = world.run(async { world.events(0, 999).await.unwrap() });
    let told = events.unwrap().into_iter();
    let told = told.filter_map(|event| match event.kind {
        EventKind::HostWarned { provider, message } => Some(format!("{provider}: {message}")),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_disk_that_fills_is_told_of_once_and_again_when_it_is_worse() {
    let world = world(&declared(&[]));
    let told = serve(&world, async || {
        for free in [900, 140, 120, 30, 20] {
            world.set_health(&lab(), with_room(free));
            world.sleep(Duration::from_secs(300)).await;
        }
        // Out of sight for a while, it is as it was.
        world.cut_off(&lab(), 5);
        world.sleep(Duration::from_secs(600)).await;
    });
    let starts: Vec<&str> = told.iter().map(|line| &line[..10]).collect();
    assert_eq!(starts, ["lab: 14 % ", "lab: 3 % o"], "{told:?}");
}

fn far() -> ProviderName {
    ProviderName::parse("far").unwrap()
}

/// Two hosts, the shop with this placement, and these fields of `lab`.
fn two(placement: &str, of_lab: &[&str]) -> Declared {
    let shop_of = Environment {
        stated: Some(format!("placement: {placement}")),
        ..Environment::on(&lab())
    };
    let fields = of_lab.iter().map(|field| (*field).to_owned()).collect();
    Declared {
        environments: [(shop(), shop_of)].into(),
        hosts: vec![lab(), far()],
        fields_of: [(lab(), fields)].into(),
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

fn world_of(declared: &Declared) -> World {
    let world = World::new(1, &[(lab(), Flavor::Named), (far(), Flavor::Named)]);
    world.push(declared.commit(0));
    world
}

fn push(world: &World, declared: &Declared) {
    static COMMITS: AtomicU32 = AtomicU32::new(1);
    let number = COMMITS.fetch_add(1, Ordering::Relaxed);
    world.push(declared.commit(number));
}

fn power(world: &World, place: &ProviderName) -> Option<Power> {
    let [machine] = &machines(world, place, &shop())[..] else {
        return None;
    };
    Some(machine.fields.as_machine().unwrap().power)
}

fn running(world: &World) -> Vec<ProviderName> {
    let all = [lab(), far()].into_iter();
    all.filter(|place| power(world, place) == Some(Power::Running))
        .collect()
}

#[test]
fn on_a_host_in_maintenance_nothing_is_made_and_the_plan_says_why() {
    let world = world_of(&two("lab", &["maintenance: true"]));
    let report = apply(&world);
    assert_eq!(running(&world), []);
    assert!(world.objects(&lab()).is_empty());
    let words = "lab is in maintenance; it is made when `maintenance` and `drain` are gone";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    push(&world, &two("lab", &[]));
    apply(&world);
    assert_eq!(running(&world), [lab()]);
}

#[test]
fn another_place_is_taken_while_the_first_is_in_maintenance() {
    let world = world_of(&two("[lab, far]", &["maintenance: true"]));
    apply(&world);
    assert_eq!(running(&world), [far()]);
}

#[test]
fn what_lives_on_a_host_in_maintenance_goes_on_and_is_stopped_and_started() {
    let world = world_of(&two("[lab, far]", &[]));
    apply(&world);
    let mut closed = two("[lab, far]", &["maintenance: true"]);
    push(&world, &closed);
    assert!(plan(&apply(&world)).is_empty());
    for (hours, is_awake) in [
        ("Mon-Fri 20:00-21:00", false),
        ("Mon-Fri 07:00-19:00", true),
    ] {
        let shop_of = closed.environments.get_mut(&shop()).unwrap();
        shop_of.fields = vec![format!("officeHours: {hours} UTC")];
        push(&world, &closed);
        apply(&world);
        assert_eq!(power(&world, &lab()) == Some(Power::Running), is_awake);
        assert_eq!(power(&world, &far()), None);
    }
    // What is lost there is not made there again meanwhile.
    let id = machines(&world, &lab(), &shop())[0].id.clone();
    world.remove(&lab(), &id);
    let report = apply(&world);
    assert_eq!(running(&world), []);
    assert!(reasons(&report).contains("in maintenance"));
}

#[test]
fn a_host_that_is_to_be_emptied_takes_nothing_and_each_plan_says_what_keeps_an_environment_there() {
    let world = world_of(&two("[lab, far]", &[]));
    apply(&world);
    push(&world, &two("[lab, far]", &["drain: true"]));
    let report = apply(&world);
    assert_eq!(running(&world), [lab()]);
    let [held] = &plan(&report).held[..] else {
        panic!("{}", reasons(&report));
    };
    assert_eq!(held.what, "move off lab");
    let words = "its data is there, and Metrom cannot carry data from one place to another yet";
    assert!(held.reason.contains(words), "{}", held.reason);
    // By a person's word it goes where it has data of its own.
    let own = "[{name: lab, state: absent}, {name: far, state: running, data: own}]";
    push(&world, &two(own, &["drain: true"]));
    let report = apply(&world);
    assert!(plan(&report).held.is_empty(), "{}", reasons(&report));
    assert_eq!(running(&world), [far()]);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
}

#[test]
fn a_host_that_is_not_declared_any_more_is_not_lost_with_what_lives_there() {
    let world = world_of(&two("lab", &[]));
    apply(&world);
    let before = world.objects(&lab());
    let mut without = two("far", &[]);
    without.hosts = vec![far()];
    push(&world, &without);
    // A new process, which has only what is written.
    let report = apply(&world);
    assert_eq!(running(&world), [lab()], "nothing is made twice");
    let words = "lab is not declared any more while 1 environment lives there: shop; declare it \
                 again, or `metrom host forget lab` when none of them is needed";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert_eq!(world.objects(&lab()), before);
    // Of an environment whose file goes with that of its host, nothing is deleted either.
    without.environments.clear();
    push(&world, &without);
    apply(&world);
    assert_eq!(world.objects(&lab()), before);
    // Others are not kept waiting.
    let other = EnvName::parse("other").unwrap();
    let other_of = Environment::on(&far());
    without.environments.insert(other.clone(), other_of);
    push(&world, &without);
    let reconciler = reconciler(&world);
    let settling = reconciler.apply_until_settled(&other, Trigger::Person);
    world.run(settling).unwrap();
    assert_eq!(machines(&world, &far(), &other).len(), 1);
    // It is declared again, and everything is as it was.
    push(&world, &two("lab", &[]));
    assert!(plan(&apply(&world)).is_empty());
    assert_eq!(world.objects(&lab()), before);
}

#[test]
fn a_host_that_was_empty_is_removed_without_a_word() {
    let world = world_of(&two("far", &[]));
    apply(&world);
    let mut without = two("far", &[]);
    without.hosts = vec![far()];
    push(&world, &without);
    assert!(plan(&apply(&world)).held.is_empty());
    let told = serve(&world, async || world.sleep(Duration::from_secs(300)).await);
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_host_whose_file_is_removed_is_told_of_once_and_one_that_is_only_called_otherwise_is_not() {
    let world = world_of(&two("lab", &[]));
    apply(&world);
    let mut without = two("far", &[]);
    without.hosts = vec![far()];
    push(&world, &without);
    let told = serve(&world, async || world.sleep(Duration::from_secs(600)).await);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("lab: lab is not declared any more"));
}

/// A host is cut off, its environment runs elsewhere by a person's word, and it comes back.
fn returned(there: &str) -> World {
    let world = world_of(&two("lab", &[]));
    apply(&world);
    world.cut_off(&lab(), u32::MAX);
    let stated =
        format!("[{{name: lab, state: {there}}}, {{name: far, state: running, data: own}}]");
    push(&world, &two(&stated, &[]));
    apply(&world);
    assert_eq!(power(&world, &far()), Some(Power::Running));
    world.cut_off(&lab(), 0);
    // One sync sees both, and ends it.
    let reconciler = reconciler(&world);
    let once = async {
        let tick = reconciler.tick().await;
        reconciler.sync(&tick, &shop(), Trigger::Poll).await
    };
    world.run(once).unwrap();
    assert_eq!(running(&world), [far()]);
    apply(&world);
    assert_eq!(
        volumes(&world, &lab(), &shop()).len(),
        1,
        "its data is kept"
    );
    assert_eq!(world.deleted_volumes().len(), 0);
    assert_eq!(world.violations(), [""; 0]);
    world
}

#[test]
fn the_copy_on_a_host_that_comes_back_is_stopped_or_ended_and_its_data_is_kept() {
    assert_eq!(power(&returned("stopped"), &lab()), Some(Power::Stopped));
    assert_eq!(power(&returned("absent"), &lab()), None);
}

#[test]
fn while_its_host_is_cut_off_an_environment_is_not_made_elsewhere_without_a_word_about_its_data() {
    let world = world_of(&two("[lab, far]", &[]));
    apply(&world);
    world.cut_off(&lab(), u32::MAX);
    apply(&world);
    push(&world, &two("far", &[]));
    let report = apply(&world);
    assert_eq!(running(&world), [lab()]);
    assert!(
        reasons(&report).contains("its data may be there"),
        "{}",
        reasons(&report)
    );
}

/// Nobody waits so long.
const HOURS: Duration = Duration::from_secs(10 * 3600);

/// How long a look takes, and what could not be seen in it.
fn look_of(world: &World, reconciler: &Reconciler) -> (Duration, Vec<String>) {
    let before = world.now();
    let tick = world.run(reconciler.tick()).unwrap();
    let gaps = tick.inventories.gaps().map(|gap| gap.reason.clone());
    let took = world.now().duration_since(before).unsigned_abs();
    (took, gaps.collect())
}

#[test]
fn a_look_waits_a_little_for_a_host_that_hangs_and_then_not_at_all() {
    let world = world_of(&two("far", &[]));
    world.slow_down(&lab(), HOURS);
    let reconciler = reconciler(&world).hurrying();
    let (took, gaps) = look_of(&world, &reconciler);
    assert_eq!(took, Duration::from_secs(5));
    assert_eq!(
        gaps,
        ["lab has not answered in 5 s; others are not kept waiting for it"]
    );
    world.pass(Duration::from_secs(60));
    let (took, gaps) = look_of(&world, &reconciler);
    assert_eq!(took, Duration::ZERO);
    assert!(
        gaps[0].starts_with("lab has not answered in 65 s"),
        "{gaps:?}"
    );
}

#[test]
fn a_host_that_is_only_slow_is_waited_for_once_that_is_known_and_its_late_answer_is_not_used() {
    let world = world_of(&two("far", &[]));
    world.slow_down(&lab(), Duration::from_secs(12));
    let reconciler = reconciler(&world).hurrying();
    assert_eq!(look_of(&world, &reconciler).1.len(), 1);
    world.run(reconciler.viewer().late()).unwrap();
    let (took, gaps) = look_of(&world, &reconciler);
    assert_eq!((took, gaps.len()), (Duration::from_secs(12), 0));
    // Quick again, it is asked as any other.
    world.slow_down(&lab(), Duration::from_millis(50));
    assert_eq!(look_of(&world, &reconciler).0, Duration::from_millis(50));
}

#[test]
fn what_is_elsewhere_is_synced_while_a_host_hangs() {
    let mut declared = two("far", &[]);
    let on_lab = EnvName::parse("on-lab").unwrap();
    declared
        .environments
        .insert(on_lab.clone(), Environment::on(&lab()));
    let world = world_of(&declared);
    let reconciler = std::sync::Arc::new(reconciler(&world).hurrying());
    // Once it was seen that no data of the shop is there.
    world.run(reconciler.tick()).unwrap();
    world.slow_down(&lab(), HOURS);
    let (runner, _wake) = Runner::new(reconciler.clone(), Duration::from_secs(1));
    let looks = runner.looks();
    let began = world.now();
    let story = async {
        while running(&world).is_empty() {
            world.sleep(Duration::from_secs(1)).await;
            let took = world.now().duration_since(began).unsigned_abs();
            assert!(took < Duration::from_secs(120), "nothing after {took:?}");
        }
        let seen = looks.borrow().clone().unwrap();
        assert!(seen.inventories.complete().contains(&far()));
        assert!(!seen.inventories.complete().contains(&lab()));
        reconciler.stopping().cancel();
    };
    world
        .run(futures_util::future::join(runner.run(), story))
        .unwrap();
    assert_eq!(running(&world), [far()]);
    assert_eq!(machines(&world, &lab(), &on_lab), []);
    assert_eq!(world.violations(), [""; 0]);
}
