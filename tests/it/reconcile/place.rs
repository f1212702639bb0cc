//! Which of several places an environment is given, that it stays there, and what happens when a place
//! has no room.

use std::sync::Arc;
use std::time::Duration;

use metrom::model::{EnvName, LiveFields, Power, ProviderName, Trigger};
use metrom::port::{NoRoute, Routes};
use metrom::reconcile::place::PASSED_OVER;
use metrom::reconcile::{End, SyncReport};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Faults, Flavor, World};

use super::time::{apply, lab, plan, reasons, shop};
use super::worlds::{machines, reconciler, volumes};

fn far() -> ProviderName {
    ProviderName::parse("far").unwrap()
}

fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

/// Environments that may be on `lab` or, where that has no room, in `far`.
fn declared(names: &[&str]) -> Declared {
    let either = Environment {
        also: Some(far()),
        ..Environment::on(&lab())
    };
    Declared {
        environments: names.iter().map(|n| (env(n), either.clone())).collect(),
        hosts: vec![lab(), far()],
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

fn world(declared: &Declared) -> World {
    let world = World::new(1, &[(lab(), Flavor::Named), (far(), Flavor::Tokens)]);
    world.push(declared.commit(0));
    world
}

/// Looks at an environment, and does nothing.
fn look(world: &World, env: &EnvName) -> metrom::model::Plan {
    let reconciler = reconciler(world);
    let view = async {
        let tick = reconciler.tick().await;
        let attempt = metrom::reconcile::Attempt {
            token: metrom::model::Token("look".to_owned()),
            at: tick.at,
        };
        reconciler.viewer().view(&tick, env, &attempt).await
    };
    let view = world.run(view).unwrap().unwrap();
    view.aim.unwrap().plan
}

fn places_of(world: &World, env: &EnvName) -> Vec<ProviderName> {
    let all = [lab(), far()].into_iter();
    all.filter(|place| !machines(world, place, env).is_empty())
        .collect()
}

fn because(report: &SyncReport) -> &str {
    &plan(report).placed.as_ref().unwrap().because
}

#[test]
fn the_first_place_that_is_named_is_taken_and_kept() {
    let world = world(&declared(&["shop"]));
    let planned = look(&world, &shop()).placed.unwrap();
    assert_eq!(planned.at, lab());
    assert_eq!(
        planned.because,
        "it is the first that is named, and has room"
    );
    let report = apply(&world);
    assert_eq!(places_of(&world, &shop()), [lab()]);
    assert_eq!(because(&report), "its data is there");
    // However little room is left now.
    world.leave_memory(&lab(), Some(0));
    let report = apply(&world);
    assert!(plan(&report).is_empty());
    assert_eq!(places_of(&world, &shop()), [lab()]);
}

#[test]
fn a_place_without_enough_memory_is_passed_over_and_the_plan_says_why() {
    let world = world(&declared(&["shop"]));
    world.leave_memory(&lab(), Some(512));
    let plan = look(&world, &shop());
    let placed = plan.placed.unwrap();
    assert_eq!(placed.at, far());
    assert_eq!(placed.because, "lab is 512 MiB of memory short");
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
}

#[test]
fn no_two_are_given_the_same_room() {
    let world = world(&declared(&["a", "b", "c"]));
    world.leave_memory(&lab(), Some(2 * 1024));
    let chosen = ["a", "b", "c"].map(|name| look(&world, &env(name)).placed.unwrap().at);
    assert_eq!(chosen, [lab(), lab(), far()]);
}

#[test]
fn without_room_anywhere_it_waits_and_says_what_is_short() {
    let world = world(&declared(&["shop"]));
    world.leave_memory(&lab(), Some(512));
    world.leave_memory(&far(), Some(24));
    let report = apply(&world);
    assert_eq!(places_of(&world, &shop()), []);
    let words = "no place has room: lab is 512 MiB of memory short; far is 1000 MiB of memory \
                 short; it is made when one has";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    world.leave_memory(&far(), Some(4096));
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
}

#[test]
fn a_place_that_turns_out_to_have_no_room_is_left_for_the_next_and_nothing_remains_there() {
    let world = world(&declared(&["shop"]));
    world.fill(&lab(), 99);
    let report = apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 0);
    assert_eq!(volumes(&world, &far(), &shop()).len(), 1);
    assert!(plan(&report).held.is_empty(), "{}", reasons(&report));
    // It stays, although there is room again.
    world.fill(&lab(), 0);
    world.pass(PASSED_OVER);
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
    assert_eq!(world.deleted_volumes().len(), 0);
}

#[test]
fn a_place_that_had_no_room_is_asked_again_later() {
    let world = world(&declared(&["shop"]));
    world.fill(&lab(), 1);
    world.fill(&far(), 1);
    let report = apply(&world);
    assert_eq!(places_of(&world, &shop()), []);
    let words = "lab had no room at 2027-01-15 08:00 UTC (lab has no room to create a machine: all \
                 its capacity is in use), and is asked again at 2027-01-15 09:00 UTC";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    world.pass(PASSED_OVER);
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [lab()]);
    assert_eq!(volumes(&world, &far(), &shop()).len(), 0);
}

#[test]
fn killed_at_any_call_it_comes_to_one_place_with_nothing_left_at_the_other() {
    for calls in 0..60 {
        let world = world(&declared(&["shop"]));
        world.fill(&lab(), 99);
        world.crash_after(Some(calls));
        let reconciler = reconciler(&world);
        let shop = shop();
        let _ = world.run(reconciler.apply_until_settled(&shop, Trigger::Poll));
        world.crash_after(None);
        world.restart();
        apply(&world);
        apply(&world);
        assert_eq!(places_of(&world, &shop), [far()], "killed at call {calls}");
        let left = volumes(&world, &lab(), &shop).len();
        assert_eq!(left, 0, "killed at call {calls}");
    }
}

#[test]
fn data_of_a_place_that_had_a_machine_is_never_taken_for_fresh() {
    let world = world(&declared(&["shop"]));
    apply(&world);
    let id = machines(&world, &lab(), &shop())[0].id.clone();
    world.remove(&lab(), &id);
    world.fill(&lab(), 99);
    let reconciler = reconciler(&world);
    let shop = shop();
    let reports = world.run(reconciler.apply_until_settled(&shop, Trigger::Poll));
    let last = reports.unwrap().pop().unwrap();
    assert!(matches!(last.end, End::Failed(..)), "{last:?}");
    assert_eq!(places_of(&world, &shop), []);
    assert_eq!(volumes(&world, &lab(), &shop).len(), 1);
    world.fill(&lab(), 0);
    apply(&world);
    assert_eq!(places_of(&world, &shop), [lab()]);
}

#[test]
fn a_place_that_cannot_be_seen_may_have_it_and_is_waited_for() {
    let world = world(&declared(&["shop"]));
    world.cut_off(&lab(), 2);
    let placed = look(&world, &shop());
    assert_eq!(placed.placed.as_ref().unwrap().at, lab());
    assert!(placed.is_empty());
    assert!(
        placed
            .to_string()
            .contains("nothing is changed there meanwhile"),
        "{placed}"
    );
    world.cut_off(&lab(), 0);
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [lab()]);
}

/// One that may be at any of these places, preferably where it is cheapest, with the prices of a cpu
/// there; the other prices are nothing.
fn by_price(among: &[&str], cpu_hours: &[(&str, &str)]) -> Declared {
    let mut declared = declared(&[]);
    let shop_of = Environment {
        stated: Some(format!(
            "placement: {{among: [{}], prefer: price}}",
            among.join(", ")
        )),
        ..Environment::on(&lab())
    };
    declared.environments.insert(shop(), shop_of);
    for (host, price) in cpu_hours {
        let currency = price.split(' ').next_back().unwrap();
        let prices = format!(
            "prices: {{cpuHour: {price}, memoryGibHour: 0 {currency}, diskGibHour: 0 {currency}}}"
        );
        let host = ProviderName::parse(host).unwrap();
        declared.fields_of.insert(host, vec![prices]);
    }
    declared
}

fn chosen(declared: &Declared) -> (String, String, Option<String>) {
    let placed = look(&world(declared), &shop()).placed.unwrap();
    let price = placed.price_per_hour.map(|price| price.to_string());
    (placed.at.to_string(), placed.because, price)
}

fn told(at: &str, because: &str, price: Option<&str>) -> (String, String, Option<String>) {
    (at.to_owned(), because.to_owned(), price.map(str::to_owned))
}

#[test]
fn by_price_the_cheapest_place_is_taken_and_the_price_is_told() {
    let declared = by_price(&["lab", "far"], &[("lab", "0.02 EUR"), ("far", "0.01 EUR")]);
    let words = "it has the lowest price of those with room, 0.02 EUR an hour";
    assert_eq!(chosen(&declared), told("far", words, Some("0.02 EUR")));
    let world = world(&declared);
    apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
    // It stays there, whatever becomes cheaper.
    let cheaper = by_price(
        &["lab", "far"],
        &[("lab", "0.001 EUR"), ("far", "0.01 EUR")],
    );
    world.push(cheaper.commit(1));
    let report = apply(&world);
    assert_eq!(places_of(&world, &shop()), [far()]);
    assert_eq!(because(&report), "its data is there");
}

#[test]
fn by_price_the_cheapest_with_room_is_taken() {
    let declared = by_price(&["lab", "far"], &[("lab", "0.02 EUR"), ("far", "0.01 EUR")]);
    let world = world(&declared);
    world.leave_memory(&far(), Some(512));
    let placed = look(&world, &shop()).placed.unwrap();
    assert_eq!(placed.at, lab());
    assert_eq!(
        placed.because,
        "far is 512 MiB of memory short; it has the lowest price of those with room, 0.04 EUR an hour"
    );
}

#[test]
fn what_costs_the_same_keeps_its_order() {
    for among in [["lab", "far"], ["far", "lab"]] {
        let declared = by_price(&among, &[("lab", "0.01 EUR"), ("far", "0.010 EUR")]);
        assert_eq!(chosen(&declared).0, among[0]);
    }
}

#[test]
fn a_place_without_a_price_comes_last_and_the_plan_says_so() {
    let declared = by_price(&["far", "lab"], &[("lab", "7 EUR")]);
    let words = "it has the lowest price of those with room, 14 EUR an hour; no price is declared for `far`";
    assert_eq!(chosen(&declared), told("lab", words, Some("14 EUR")));
    let mut partly = declared;
    let prices = vec!["prices: {cpuHour: 0.01 EUR}".to_owned()];
    partly.fields_of.insert(far(), prices);
    let words = "it has the lowest price of those with room, 14 EUR an hour; only some prices are declared for `far`";
    assert_eq!(chosen(&partly), told("lab", words, Some("14 EUR")));
    let world = world(&partly);
    world.leave_memory(&lab(), Some(0));
    let placed = look(&world, &shop()).placed.unwrap();
    assert_eq!((placed.at, placed.price_per_hour), (far(), None));
    assert_eq!(
        placed.because,
        "lab is 1 GiB of memory short; only some prices are declared for `far`"
    );
}

#[test]
fn without_any_price_the_order_in_which_they_are_named_counts() {
    let words = "it is the first that is named, and has room; no price is declared for `far`; no price is declared for `lab`";
    assert_eq!(
        chosen(&by_price(&["far", "lab"], &[])),
        told("far", words, None)
    );
}

#[test]
fn prices_of_different_currencies_decide_nothing() {
    let declared = by_price(&["lab", "far"], &[("lab", "9 KRW"), ("far", "0.01 EUR")]);
    let words =
        "it is the first that is named, and has room; prices in EUR and KRW cannot be compared";
    assert_eq!(chosen(&declared), told("lab", words, None));
}

#[test]
fn money_is_counted_at_the_chosen_place_also_while_the_repository_cannot_be_read() {
    let mut wanted = by_price(&["lab", "far"], &[("far", "0.01 EUR")]);
    let budget = "budget: {month: 0 EUR, over: hold}".to_owned();
    wanted.fields_of.get_mut(&far()).unwrap().push(budget);
    let world = world(&wanted);
    for source in [0, 100] {
        world.set_faults(Faults {
            source,
            ..Faults::default()
        });
        let plan = plan(&apply(&world)).clone();
        assert_eq!(plan.placed.as_ref().unwrap().at, far());
        assert!(plan.is_empty(), "{plan}");
        assert!(plan.to_string().contains("budget of far: "), "{plan}");
    }
}

/// One that is carried between places, with these states.
fn carried(at_lab: &str, at_far: &str) -> Declared {
    let mut declared = declared(&[]);
    let text = format!(
        "placement: [{{name: lab, state: {at_lab}, data: own}}, \
         {{name: far, state: {at_far}, data: own}}]"
    );
    let shop_of = Environment {
        stated: Some(text),
        ..Environment::on(&lab())
    };
    declared.environments.insert(shop(), shop_of);
    declared
}

fn power_at(world: &World, place: &ProviderName) -> Option<Power> {
    let machines = machines(world, place, &shop());
    Some(machines.first()?.fields.as_machine()?.power)
}

#[test]
fn it_goes_up_to_another_place_and_off_again_with_its_home_kept() {
    let world = world(&carried("running", "absent"));
    apply(&world);
    assert_eq!(
        (power_at(&world, &lab()), power_at(&world, &far())),
        (Some(Power::Running), None)
    );
    let home = machines(&world, &lab(), &shop())[0].id.clone();
    world.push(carried("stopped", "running").commit(1));
    apply(&world);
    let both = (power_at(&world, &lab()), power_at(&world, &far()));
    assert_eq!(both, (Some(Power::Stopped), Some(Power::Running)));
    let report = apply(&world);
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    world.push(carried("running", "absent").commit(2));
    apply(&world);
    assert_eq!(
        (power_at(&world, &lab()), power_at(&world, &far())),
        (Some(Power::Running), None)
    );
    assert_eq!(machines(&world, &lab(), &shop())[0].id, home);
    // The data of both places is kept.
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
    assert_eq!(volumes(&world, &far(), &shop()).len(), 1);
    world.push(carried("stopped", "absent").commit(3));
    apply(&world);
    assert_eq!(power_at(&world, &lab()), Some(Power::Stopped));
    world.push(carried("running", "absent").commit(4));
    apply(&world);
    assert_eq!(power_at(&world, &lab()), Some(Power::Running));
}

#[test]
fn its_home_runs_on_until_it_is_up_elsewhere() {
    let world = world(&carried("running", "absent"));
    apply(&world);
    world.push(carried("stopped", "running").commit(1));
    world.fill(&far(), 2);
    let reconciler = reconciler(&world);
    let sync = async {
        let tick = reconciler.tick().await;
        reconciler.sync(&tick, &shop(), Trigger::Poll).await
    };
    let report = world.run(sync).unwrap();
    assert!(matches!(report.end, End::Failed(..)), "{report:?}");
    assert_eq!(power_at(&world, &lab()), Some(Power::Running));
    apply(&world);
    assert_eq!(power_at(&world, &lab()), Some(Power::Stopped));
    assert_eq!(power_at(&world, &far()), Some(Power::Running));
}

#[test]
fn data_that_would_have_to_be_carried_holds_it_where_it_is() {
    let mut wanted = carried("running", "absent");
    for at in ["running", "stopped"] {
        let shop_of = wanted.environments.get_mut(&shop()).unwrap();
        let other = if at == "running" { "absent" } else { "running" };
        shop_of.stated = Some(format!(
            "placement: [{{name: lab, state: {at}}}, {{name: far, state: {other}}}]"
        ));
        if at == "running" {
            continue;
        }
        let world = world(&carried("running", "absent"));
        apply(&world);
        world.push(wanted.commit(1));
        let report = apply(&world);
        let words =
            "its data is on lab, and Metrom cannot carry data from one place to another yet";
        assert!(reasons(&report).contains(words), "{}", reasons(&report));
        assert_eq!(power_at(&world, &lab()), Some(Power::Running));
        assert_eq!(power_at(&world, &far()), None);
    }
}

/// Can carry, or says why not; nobody asks it to.
struct Ferry(Option<NoRoute>);

impl Routes for Ferry {
    fn can_carry(&self, from: &ProviderName, to: &ProviderName) -> Result<(), NoRoute> {
        assert_eq!((from, to), (&lab(), &far()));
        self.0.clone().map_or(Ok(()), Err)
    }
}

#[test]
fn what_the_carrier_says_is_in_the_plan_and_nothing_empty_is_made_beside_the_data() {
    let no_route = NoRoute::Between {
        from: lab(),
        to: far(),
        reason: "far takes no volumes from outside".to_owned(),
    };
    for (answer, words) in [
        (
            Some(no_route),
            "its data is on lab, and nothing can be carried from lab to far: far takes no \
             volumes from outside; write `state: running` for lab",
        ),
        (
            None,
            "its data is on lab, and it has not been carried to far; write `state: running` for lab",
        ),
    ] {
        let world = world(&carried("running", "absent"));
        apply(&world);
        let up = "placement: [{name: lab, state: stopped}, {name: far, state: running}]";
        let mut wanted = carried("stopped", "running");
        wanted.environments.get_mut(&shop()).unwrap().stated = Some(up.to_owned());
        world.push(wanted.commit(1));
        let reconciler = reconciler(&world).carrying_by(Arc::new(Ferry(answer)));
        let shop = shop();
        let reports = world.run(reconciler.apply_until_settled(&shop, Trigger::Poll));
        let report = reports.unwrap().pop().unwrap();
        assert!(reasons(&report).contains(words), "{}", reasons(&report));
        assert_eq!(power_at(&world, &lab()), Some(Power::Running));
        assert_eq!(volumes(&world, &far(), &shop).len(), 0);
    }
}

#[test]
fn when_it_is_no_longer_declared_it_ends_at_every_place() {
    let world = world(&carried("running", "absent"));
    apply(&world);
    let mut wanted = carried("stopped", "running");
    world.push(wanted.commit(1));
    apply(&world);
    wanted.environments.clear();
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(
        (power_at(&world, &lab()), power_at(&world, &far())),
        (None, None)
    );
    world.pass(Duration::from_secs(8 * 24 * 3600));
    apply(&world);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 0);
    let of_far = volumes(&world, &far(), &shop());
    assert!(
        of_far
            .iter()
            .all(|object| matches!(object.fields, LiveFields::Volume(_)))
    );
    assert_eq!(of_far.len(), 0);
}
