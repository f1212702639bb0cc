//! Budgets: what is told, what is held, what sleeps, and that nothing is ever deleted for money.

use std::time::Duration;

use metrom::model::{EnvName, EventKind, Held, Power, Timestamp, Trigger};
use metrom::port::{Clock, Store};
use metrom::reconcile::{End, Runner, SyncReport};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

use super::time::lab;
use super::worlds::{machines, reconciler, volumes};

fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Environments of one project on a host where a machine of two cpus costs 0.10 USD an hour.
fn declared(budget: &str, environments: &[(&str, &[&str])]) -> Declared {
    let one = |(name, fields): &(&str, &[&str])| {
        let fields = fields.iter().map(|field| (*field).to_owned());
        let environment = Environment {
            fields: fields.chain(["project: shop".to_owned()]).collect(),
            ..Environment::on(&lab())
        };
        (env(name), environment)
    };
    let mut declared = Declared {
        environments: environments.iter().map(one).collect(),
        hosts: vec![lab()],
        retain: "7d".to_owned(),
        template_version: 1,
        host_fields: vec![
            "prices: {cpuHour: 0.05 USD, memoryGibHour: 0 USD, diskGibHour: 0 USD}".to_owned(),
        ],
        ..Declared::default()
    };
    set_budget(&mut declared, budget);
    declared
}

fn set_budget(declared: &mut Declared, budget: &str) {
    let project = format!(
        "apiVersion: metrom.dev/v1\nkind: Project\nmetadata: {{name: shop}}\nspec: {{budget: \
         {budget}}}\n"
    );
    declared
        .files
        .insert("projects/shop.yaml".to_owned(), project);
}

/// It is Friday, 2027-01-15, 08:00 in UTC: 400 hours of January are left, February has 672.
fn world(declared: &Declared) -> World {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    world.push(declared.commit(0));
    world
}

fn apply(world: &World, name: &str) -> SyncReport {
    let reconciler = reconciler(world);
    let env = env(name);
    let settling = reconciler.apply_until_settled(&env, Trigger::Person);
    let last = world.run(settling).unwrap().pop().unwrap();
    assert_eq!(last.end, End::Settled);
    last
}

fn apply_at(world: &World, instant: &str, name: &str) -> SyncReport {
    let pause = at(instant).duration_since(world.now());
    world.pass(Duration::try_from(pause).expect("time passes forward"));
    apply(world, name)
}

fn reasons(report: &SyncReport) -> String {
    let plan = report.plan().expect("it is known what should be");
    let held = plan.held.iter().map(Held::to_string);
    held.collect::<Vec<_>>().join("\n")
}

fn power(world: &World, name: &str) -> Option<Power> {
    let machines = machines(world, &lab(), &env(name));
    Some(machines.first()?.fields.as_machine()?.power)
}

fn born(world: &World, name: &str) -> Timestamp {
    let machine = machines(world, &lab(), &env(name)).remove(0);
    machine.stamp.unwrap().created
}

#[test]
fn a_budget_that_is_exactly_met_suffices_and_a_cent_less_does_not() {
    // Two days are 48 hours: 4.80 USD.
    let world = world(&declared(
        "{month: 4.8 USD, over: hold}",
        &[("a", &["lifetime: 2d"])],
    ));
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));

    let world = self::world(&declared(
        "{month: 4.79 USD, over: hold}",
        &[("a", &["lifetime: 2d"])],
    ));
    let report = apply(&world, "a");
    assert_eq!(world.objects(&lab()), []);
    let reason = "budget of project shop: 4.80 of 4.79 USD this month; raise `budget` in \
                  projects/shop.yaml or end something";
    assert!(reasons(&report).contains(reason), "{}", reasons(&report));
}

#[test]
fn what_would_not_fit_into_the_next_month_is_not_begun_in_this_one() {
    // 40 USD in what is left of January, 67.20 USD in February.
    let world = world(&declared("{month: 67.2 USD, over: hold}", &[("a", &[])]));
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
    let world = self::world(&declared("{month: 67 USD, over: hold}", &[("a", &[])]));
    let report = apply(&world, "a");
    let reason = "67.20 of 67.00 USD in February 2027";
    assert!(reasons(&report).contains(reason), "{}", reasons(&report));
}

#[test]
fn of_two_of_which_one_fits_the_first_by_name_is_made_in_whatever_order_they_come() {
    let both: [(&str, &[&str]); 2] = [("a", &["lifetime: 2d"]), ("b", &["lifetime: 2d"])];
    for order in [["a", "b"], ["b", "a"]] {
        let world = world(&declared("{month: 5 USD, over: hold}", &both));
        for name in order {
            apply(&world, name);
        }
        assert_eq!(power(&world, "a"), Some(Power::Running));
        assert_eq!(machines(&world, &lab(), &env("b")), []);
        let report = apply(&world, "b");
        assert!(reasons(&report).contains("9.60 of 5.00 USD this month"));
        assert!(report.plan().unwrap().is_empty());
        assert_eq!(report.until(), Some(at("2027-02-01T00:00:00Z")));
    }
}

#[test]
fn what_lives_comes_before_what_does_not_whatever_its_name() {
    let mut wanted = declared("{month: 5 USD, over: hold}", &[("b", &["lifetime: 2d"])]);
    let world = world(&wanted);
    apply(&world, "b");
    wanted
        .environments
        .insert(env("a"), wanted.environments[&env("b")].clone());
    world.push(wanted.commit(1));
    let report = apply(&world, "a");
    assert!(reasons(&report).contains("9.60 of 5.00 USD this month"));
    assert!(reasons(&apply(&world, "b")).is_empty());
    // When the other one has ended, there is room.
    wanted.environments.remove(&env("b"));
    world.push(wanted.commit(2));
    apply(&world, "b");
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
}

#[test]
fn a_budget_lowered_under_what_lives_deletes_nothing_and_lets_nothing_grow() {
    let mut wanted = declared("{month: 1000 USD, over: hold}", &[("a", &[]), ("b", &[])]);
    let world = world(&wanted);
    apply(&world, "a");
    apply(&world, "b");
    let before = world.objects(&lab());
    set_budget(&mut wanted, "{month: 1 USD, over: hold}");
    world.push(wanted.commit(1));
    for name in ["a", "b"] {
        let report = apply(&world, name);
        assert!(report.plan().unwrap().is_empty() && reasons(&report).is_empty());
    }
    assert_eq!(world.objects(&lab()), before);

    wanted.environments.get_mut(&env("a")).unwrap().cpus = 4;
    wanted.environments.get_mut(&env("b")).unwrap().cpus = 1;
    world.push(wanted.commit(2));
    let report = apply(&world, "a");
    assert!(
        reasons(&report).contains("budget of project shop"),
        "{}",
        reasons(&report)
    );
    apply(&world, "b");
    let cpus = |name: &str| {
        let machine = machines(&world, &lab(), &env(name)).remove(0);
        machine.fields.as_machine().unwrap().cpus
    };
    assert_eq!((cpus("a"), cpus("b")), (2, 1), "what gets cheaper may");
}

#[test]
fn what_is_too_dear_to_grow_is_started_as_it_is() {
    let hours: &[&str] = &["officeHours: daily 09:00-18:00 UTC"];
    let mut wanted = declared("{month: 1000 USD, over: hold}", &[("a", hours)]);
    let world = world(&wanted);
    apply_at(&world, "2027-01-15T10:00:00Z", "a");
    apply_at(&world, "2027-01-15T19:00:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
    set_budget(&mut wanted, "{month: 1 USD, over: hold}");
    wanted.environments.get_mut(&env("a")).unwrap().cpus = 4;
    world.push(wanted.commit(1));
    let report = apply_at(&world, "2027-01-16T10:00:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
    let held = reasons(&report);
    assert!(
        held.contains("cpus 2 → 4") && held.contains("budget of project shop"),
        "{held}"
    );
    assert!(!held.contains("power"), "{held}");
}

#[test]
fn a_lost_machine_of_what_lives_is_made_again_although_the_budget_is_short() {
    let mut wanted = declared("{month: 1000 USD, over: hold}", &[("a", &[])]);
    let world = world(&wanted);
    apply(&world, "a");
    set_budget(&mut wanted, "{month: 1 USD, over: hold}");
    world.push(wanted.commit(1));
    let machine = machines(&world, &lab(), &env("a")).remove(0);
    world.remove(&lab(), &machine.id);
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
}

#[test]
fn a_new_month_brings_back_what_was_held() {
    let until_february: &[&str] = &["expires: 2027-02-01T00:00:00Z"];
    // 40 USD for the one this month; the other costs 4.80 USD.
    let both = [("a", until_february), ("b", &["lifetime: 2d"] as &[&str])];
    let world = world(&declared("{month: 41 USD, over: hold}", &both));
    apply(&world, "a");
    let report = apply(&world, "b");
    assert!(
        reasons(&report).contains("44.80 of 41.00 USD this month"),
        "{}",
        reasons(&report)
    );
    assert_eq!(report.until(), Some(at("2027-02-01T00:00:00Z")));
    // A day and a half of January are still more than there is.
    apply_at(&world, "2027-01-30T12:00:00Z", "b");
    assert_eq!(power(&world, "b"), None);
    apply_at(&world, "2027-02-01T00:00:00Z", "b");
    assert_eq!(power(&world, "b"), Some(Power::Running));
}

#[test]
fn a_spent_budget_puts_to_sleep_keeps_the_data_and_the_new_month_wakes() {
    let fields: &[&str] = &["drift: report"];
    let guarded: &[&str] = &["protect: true"];
    let mut wanted = declared(
        "{month: 1000 USD, over: stop}",
        &[("a", fields), ("b", guarded)],
    );
    let world = world(&wanted);
    apply(&world, "a");
    apply(&world, "b");
    let data = volumes(&world, &lab(), &env("a"));
    let began = born(&world, "a");
    // Both together cost 0.20 USD an hour.
    set_budget(&mut wanted, "{month: 10 USD, over: stop}");
    world.push(wanted.commit(1));
    let report = apply(&world, "a");
    let spent = report.until().unwrap();
    let hours = spent.duration_since(began).as_secs_f64() / 3600.0;
    assert!((50.0..50.1).contains(&hours), "{hours}");
    world.pass(Duration::try_from(spent.duration_since(world.now())).unwrap());
    let report = apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
    assert_eq!(volumes(&world, &lab(), &env("a")), data);
    assert_eq!(report.until(), Some(at("2027-02-01T00:00:00Z")));
    apply(&world, "b");
    assert_eq!(power(&world, "b"), Some(Power::Running), "it is protected");
    // It stays so: what was decided does not change with what it brought about.
    apply_at(&world, "2027-01-31T23:59:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
    let report = apply_at(&world, "2027-02-01T00:00:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
    let spent = report.until().unwrap();
    assert_eq!(
        spent.to_string(),
        "2027-02-03T02:00:01Z",
        "fifty hours later it is spent again"
    );
}

#[test]
fn a_raised_budget_wakes_at_once() {
    let mut wanted = declared("{month: 1000 USD, over: stop}", &[("a", &[])]);
    let world = world(&wanted);
    apply(&world, "a");
    set_budget(&mut wanted, "{month: 1 USD, over: stop}");
    world.push(wanted.commit(1));
    apply_at(&world, "2027-01-16T08:00:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
    assert_eq!(
        spent(&world, "a").unwrap(),
        "budget of project shop: 1.00 USD are spent, and it sleeps until 2027-02-01 00:00 UTC; \
         raise `budget` in projects/shop.yaml, or write `protect: true` for what has to run"
    );
    set_budget(&mut wanted, "{month: 1000 USD, over: stop}");
    world.push(wanted.commit(2));
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Running));
    assert_eq!(spent(&world, "a"), None);
}

/// Why it sleeps, whatever anybody wishes.
fn spent(world: &World, name: &str) -> Option<String> {
    let tick = world.run(async { reconciler(world).tick().await }).unwrap();
    tick.ledger.spent(&env(name)).map(str::to_owned)
}

#[test]
fn a_spent_budget_stays_spent_while_the_repository_cannot_be_read() {
    let mut wanted = declared("{month: 1000 USD, over: stop}", &[("a", &[])]);
    let world = world(&wanted);
    apply(&world, "a");
    set_budget(&mut wanted, "{month: 1 USD, over: stop}");
    world.push(wanted.commit(1));
    apply_at(&world, "2027-01-16T08:00:00Z", "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
    let broken = Declared {
        garbage: Some("projects/shop.yaml".to_owned()),
        ..wanted
    };
    world.push(broken.commit(2));
    apply(&world, "a");
    assert_eq!(power(&world, "a"), Some(Power::Stopped));
}

#[test]
fn a_warning_is_told_once_and_holds_nothing() {
    let wanted = declared("{month: 1 USD, over: warn}", &[("a", &[]), ("b", &[])]);
    let world = world(&wanted);
    let reconciler = std::sync::Arc::new(reconciler(&world));
    let (runner, _wake) = Runner::new(reconciler.clone(), Duration::from_secs(120));
    let story = async {
        world.sleep(Duration::from_secs(1200)).await;
        reconciler.stopping().cancel();
    };
    world
        .run(futures_util::future::join(runner.run(), story))
        .unwrap();
    for name in ["a", "b"] {
        assert_eq!(power(&world, name), Some(Power::Running));
    }
    let events = world.run(async { world.events(0, 999).await.unwrap() });
    let told = events
        .unwrap()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::BudgetShort { message } => Some(message),
            _ => None,
        });
    let told: Vec<String> = told.collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0],
        "budget of project shop: 80.00 of 1.00 USD this month"
    );
}

#[test]
fn what_a_budget_cannot_count_it_says() {
    let mut wanted = declared("{month: 1000 USD, over: hold}", &[("a", &[])]);
    wanted.host_fields = vec!["prices: {cpuHour: 0.05 USD}".to_owned()];
    let world = world(&wanted);
    apply(&world, "a");
    let tick = world.run(reconciler(&world).tick()).unwrap();
    let [standing] = &tick.ledger.budgets[..] else {
        panic!("{:?}", tick.ledger.budgets);
    };
    let uncounted: Vec<&str> = standing.uncounted.iter().map(String::as_str).collect();
    assert_eq!(
        uncounted,
        ["no price for disk on lab", "no price for memory on lab"]
    );
    let line = &tick.ledger.lines[&env("a")];
    assert!(line.costs.forecast.to_string().ends_with(" USD + ?"));
}

#[test]
fn a_budget_of_a_host_counts_what_is_left_of_environments_as_well() {
    let mut wanted = declared("{month: 1000 USD}", &[("a", &[]), ("b", &[])]);
    wanted.host_fields = vec![
        "prices: {cpuHour: 0 USD, memoryGibHour: 0 USD, diskGibHour: 0.01 USD}".to_owned(),
        "budget: {month: 90 USD, over: hold}".to_owned(),
    ];
    let world = world(&wanted);
    apply(&world, "a");
    wanted.environments.remove(&env("a"));
    wanted.retain = "forever".to_owned();
    world.push(wanted.commit(1));
    apply(&world, "a");
    assert_eq!(power(&world, "a"), None);
    let tick = world.run(reconciler(&world).tick()).unwrap();
    let line = &tick.ledger.lines[&env("a")];
    assert!(line.lives && line.project.is_none());
    // Four GiB of data in February; what is asked for beside has eight of disk more.
    let amount = |sum: &metrom::cost::Sum| sum.whole().unwrap().to_string();
    assert_eq!(amount(&line.costs.next), "26.88 USD");
    let asked = &tick.ledger.lines[&env("b")];
    assert_eq!(amount(&asked.costs.next), "80.64 USD");
    let report = apply(&world, "b");
    let reason = "budget of lab: 107.52 of 90.00 USD in February 2027";
    assert!(reasons(&report).contains(reason), "{}", reasons(&report));
}

#[test]
fn what_is_made_ahead_comes_after_what_somebody_asked_for() {
    let mut wanted = declared("{month: 1000 USD}", &[("z", &[])]);
    wanted
        .host_fields
        .push("budget: {month: 70 USD, over: hold}".to_owned());
    wanted.warm = 1;
    let world = world(&wanted);
    let report = apply(&world, "warm-web-1");
    assert!(reasons(&report).contains("80.00 of 70.00 USD this month"));
    apply(&world, "z");
    assert_eq!(power(&world, "z"), Some(Power::Running));
}

#[test]
fn what_only_a_second_machine_can_take_over_is_not_tried_when_it_is_dearer() {
    let phoenix: &[&str] = &["update: {machine: phoenix}"];
    let mut wanted = declared("{month: 1000 USD}", &[("a", phoenix)]);
    wanted.host_fields = vec![
        "prices: {cpuHour: 0.05 USD, memoryGibHour: 0 USD, diskGibHour: 0.01 USD}".to_owned(),
        "budget: {month: 1000 USD, over: hold}".to_owned(),
    ];
    let world = world(&wanted);
    apply(&world, "a");
    let first = machines(&world, &lab(), &env("a")).remove(0).id;
    wanted.host_fields[1] = "budget: {month: 100 USD, over: hold}".to_owned();
    wanted.environments.get_mut(&env("a")).unwrap().disk_gib = 16;
    world.push(wanted.commit(1));
    let report = apply(&world, "a");
    assert!(
        reasons(&report).contains("budget of lab"),
        "{}",
        reasons(&report)
    );
    assert_eq!(machines(&world, &lab(), &env("a")).remove(0).id, first);
    // Another image of the same size is no dearer.
    let shop = wanted.environments.get_mut(&env("a")).unwrap();
    (shop.disk_gib, shop.image) = (8, "debian-12");
    world.push(wanted.commit(2));
    let report = apply(&world, "a");
    assert!(reasons(&report).is_empty(), "{}", reasons(&report));
    assert_ne!(machines(&world, &lab(), &env("a")).remove(0).id, first);
}
