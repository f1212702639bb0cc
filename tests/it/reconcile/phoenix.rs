//! A new machine is tried beside the one that is there, gets its data, and takes its place; or the
//! one that was there comes back.

use std::time::Duration;

use metrom::model::{Failure, LiveFields, LiveId, Memo, MemoKind, Object, Phoenix, Power, Trigger};
use metrom::port::Store;
use metrom::reconcile::{End, SyncReport, phoenix};
use metrom::world::declare::Declared;
use metrom::world::{Rule, World};

use super::time::{DAY, apply, declared, each_service, lab, memo, plan, reasons, shop, world};
use super::worlds::{machines, reconciler, volumes};

const PHOENIX: &str = "update: {machine: phoenix}";

fn sync(world: &World) -> SyncReport {
    let reconciler = reconciler(world);
    world
        .run(async {
            let tick = reconciler.tick().await;
            reconciler.sync(&tick, &shop(), Trigger::Person).await
        })
        .unwrap()
}

fn lines(report: &SyncReport) -> Vec<String> {
    let plan = report.plan().expect("it is known what should be");
    plan.steps.iter().map(ToString::to_string).collect()
}

/// The environment is up, and now wants another image.
fn changed(fields: &[&str]) -> (World, Declared) {
    let mut wanted = declared(fields);
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    (world, wanted)
}

fn only(world: &World) -> Object {
    let mut machines = machines(world, &lab(), &shop());
    assert_eq!(machines.len(), 1, "{machines:?}");
    machines.remove(0)
}

fn image(object: &Object) -> String {
    object.fields.as_machine().unwrap().image.clone().unwrap()
}

fn has_data(world: &World, object: &Object) -> bool {
    let [volume] = &volumes(world, &lab(), &shop())[..] else {
        panic!("one data volume");
    };
    let machine = object.fields.as_machine().unwrap();
    machine.volumes.contains(&volume.id)
}

/// The machine that is older, and the one beside it.
fn both(world: &World) -> (Object, Object) {
    let mut machines = machines(world, &lab(), &shop());
    machines.sort_by_key(|machine| machine.stamp.as_ref().unwrap().created);
    let [old, new] = <[Object; 2]>::try_from(machines).expect("two machines");
    (old, new)
}

fn set_services(world: &World, id: &LiveId, state: &str) {
    each_service(world, id, |service| state.clone_into(&mut service.state));
}

#[test]
fn a_new_machine_is_tried_first_and_takes_over_the_data() {
    let (world, _) = changed(&[PHOENIX]);
    let first = only(&world);
    let report = sync(&world);
    assert_eq!(report.end, End::Applied);
    let made = &lines(&report)[..];
    assert!(
        made.iter()
            .any(|line| line.contains("create a second one: ")
                && line.contains("(phoenix: image debian-13")),
        "{made:?}"
    );
    let (old, new) = both(&world);
    assert_eq!(old.id, first.id);
    assert!(has_data(&world, &old) && !has_data(&world, &new));
    let power = |object: &Object| object.fields.as_machine().unwrap().power;
    assert_eq!((power(&old), power(&new)), (Power::Running, Power::Running));

    let handed = lines(&sync(&world));
    assert!(
        handed
            .iter()
            .any(|line| line.contains("hand over to the other machine"))
    );
    let (old, new) = both(&world);
    assert!(has_data(&world, &new) && !has_data(&world, &old));
    assert_eq!((power(&old), power(&new)), (Power::Stopped, Power::Running));

    let report = apply(&world);
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    let last = only(&world);
    assert!(image(&last).starts_with("debian-12") && has_data(&world, &last));
    let memos = world.run(async { world.memos(&shop()).await.unwrap() });
    assert_eq!(memos.unwrap().phoenix, None);
    assert_eq!(world.violations(), Vec::<String>::new());
}

/// The law bites: a provider that lets both machines have the data is noticed the moment it does.
#[test]
fn data_that_two_machines_have_at_once_is_noticed() {
    let (world, _) = changed(&[PHOENIX]);
    world.break_rule(Rule::HandOver);
    sync(&world);
    assert_eq!(world.violations(), Vec::<String>::new());
    sync(&world);
    let said = world.violations();
    assert!(
        said.iter()
            .any(|v| v.contains("is attached to two machines")),
        "{said:?}"
    );
}

#[test]
fn the_next_one_takes_the_place_that_the_first_has_left() {
    let (world, mut wanted) = changed(&[PHOENIX]);
    let first = only(&world).id;
    apply(&world);
    let second = only(&world).id;
    assert_ne!(first, second);
    wanted.environments.get_mut(&shop()).unwrap().disk_gib += 1;
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(only(&world).id, first);
}

#[test]
fn what_a_running_machine_can_take_over_is_not_tried_on_a_second_one() {
    let mut wanted = declared(&[PHOENIX]);
    let world = world(&wanted);
    apply(&world);
    let first = only(&world).id;
    wanted.environments.get_mut(&shop()).unwrap().memory_mib = 4096;
    wanted.environments.get_mut(&shop()).unwrap().level += 1;
    world.push(wanted.commit(1));
    let report = sync(&world);
    assert!(lines(&report).iter().all(|line| !line.contains("phoenix")));
    apply(&world);
    assert_eq!(only(&world).id, first);
}

#[test]
fn a_change_of_the_stack_is_tried_on_a_second_machine_where_that_is_declared() {
    let mut wanted = declared(&["update: {stack: phoenix}"]);
    let world = world(&wanted);
    apply(&world);
    let first = only(&world).id;
    wanted.environments.get_mut(&shop()).unwrap().level += 1;
    world.push(wanted.commit(1));
    let report = apply(&world);
    assert!(plan(&report).is_empty() && plan(&report).held.is_empty());
    assert_ne!(only(&world).id, first);
    assert!(has_data(&world, &only(&world)));
}

#[test]
fn a_machine_is_as_old_as_declared_and_no_older() {
    let world = world(&declared(&["update: {every: 7d}"]));
    let report = apply(&world);
    let first = only(&world);
    let stamp = first.stamp.clone().unwrap();
    let due = stamp.created.checked_add(7 * DAY).unwrap();
    assert_eq!(report.until(), Some(due));
    world.pass(7 * DAY);
    apply(&world);
    let second = only(&world);
    assert_ne!(second.id, first.id);
    assert_eq!(second.stamp.unwrap().born, stamp.born);
    assert!(has_data(&world, &only(&world)));
}

#[test]
fn one_that_does_not_become_well_is_given_up_before_it_gets_the_data() {
    let (world, mut wanted) = changed(&[PHOENIX]);
    let first = only(&world);
    sync(&world);
    set_services(&world, &both(&world).1.id, "restarting");
    sync(&world);
    assert!(has_data(&world, &both(&world).0), "it is not well");
    world.pass(phoenix::PROOF);
    let report = apply(&world);
    assert_eq!(only(&world).id, first.id);
    let words = "the new machine failed at ";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert!(reasons(&report).contains("it was not well within 60 minutes"));
    // Another declaration is another attempt; the same one has to wait for a day.
    assert!(plan(&apply(&world)).is_empty());
    wanted.environments.get_mut(&shop()).unwrap().disk_gib += 1;
    world.push(wanted.commit(2));
    apply(&world);
    assert!(image(&only(&world)).starts_with("debian-12"));
}

#[test]
fn the_same_declaration_is_tried_again_after_a_day() {
    let (world, _) = changed(&[PHOENIX]);
    sync(&world);
    set_services(&world, &both(&world).1.id, "restarting");
    world.pass(phoenix::PROOF);
    let report = apply(&world);
    let again = report.until().expect("it is tried again");
    world.pass(Duration::try_from(again.duration_since(world.now())).unwrap());
    apply(&world);
    assert!(image(&only(&world)).starts_with("debian-12"));
}

#[test]
fn one_that_is_not_well_with_the_data_gives_them_back() {
    let (world, _) = changed(&[PHOENIX]);
    let first = only(&world);
    sync(&world);
    sync(&world);
    let (_, new) = both(&world);
    assert!(has_data(&world, &new));
    world.meddle(&lab(), &new.id, |thing| thing.inside.silent = 10_000);
    world.pass(phoenix::PROOF);
    let report = sync(&world);
    let back = lines(&report);
    assert!(
        back.iter().all(|line| line.contains("(phoenix failed")),
        "{back:?}"
    );
    assert!(back.last().unwrap().contains("compose start"), "{back:?}");
    apply(&world);
    let last = only(&world);
    assert_eq!(last.id, first.id);
    assert!(has_data(&world, &last));
    assert_eq!(last.fields.as_machine().unwrap().power, Power::Running);
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[test]
fn without_room_for_two_it_says_so_and_what_to_do() {
    let mut wanted = declared(&[PHOENIX]);
    let world = world(&wanted);
    apply(&world);
    let first = only(&world).id;
    world.leave_memory(&lab(), Some(100));
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    let report = apply(&world);
    let words = "lab has 100 MiB of memory left and a second machine takes ";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert_eq!(only(&world).id, first);
    wanted.environments.get_mut(&shop()).unwrap().fields.clear();
    world.push(wanted.commit(2));
    apply(&world);
    assert!(image(&only(&world)).starts_with("debian-12"));
}

#[test]
fn what_is_protected_or_was_given_up_stays_the_first_machine() {
    let (world, _) = changed(&[PHOENIX, "protect: true"]);
    let report = apply(&world);
    assert!(
        reasons(&report).contains("protected"),
        "{}",
        reasons(&report)
    );
    assert!(image(&only(&world)).starts_with("debian-13"));

    let (world, _) = changed(&[PHOENIX]);
    let aim = sync_without_doing(&world);
    let failed = Phoenix {
        fingerprint: aim,
        since: Some(world.now()),
        is_handed: false,
        failed: Some(Failure {
            at: world.now(),
            reason: "no such image".into(),
        }),
    };
    memo(&world, &Memo::Phoenix(failed));
    let report = apply(&world);
    assert!(
        reasons(&report).contains("no such image"),
        "{}",
        reasons(&report)
    );
    assert!(image(&only(&world)).starts_with("debian-13"));
    world
        .run(async { world.drop_memo(&shop(), MemoKind::Phoenix).await.unwrap() })
        .unwrap();
    apply(&world);
    assert!(image(&only(&world)).starts_with("debian-12"));
}

/// The fingerprint of what is declared.
fn sync_without_doing(world: &World) -> metrom::model::Digest {
    let reconciler = reconciler(world);
    let attempt = metrom::reconcile::Attempt {
        token: metrom::model::Token("look".to_owned()),
        at: world.now(),
    };
    let view = world.run(async {
        let tick = reconciler.tick().await;
        reconciler
            .viewer()
            .view(&tick, &shop(), &attempt)
            .await
            .unwrap()
    });
    view.unwrap().aim.unwrap().desired.fingerprint()
}

#[test]
fn at_night_both_rest_and_go_on_in_the_morning() {
    let hours = "officeHours: Mon-Fri 09:00-18:00 Europe/Berlin";
    let (world, _) = changed(&[PHOENIX, hours]);
    sync(&world);
    let instant: metrom::model::Timestamp = "2027-01-15T20:00:00Z".parse().unwrap();
    world.pass(Duration::try_from(instant.duration_since(world.now())).unwrap());
    apply(&world);
    let (old, new) = both(&world);
    for machine in [&old, &new] {
        assert_eq!(machine.fields.as_machine().unwrap().power, Power::Stopped);
    }
    assert!(has_data(&world, &old));
    let morning: metrom::model::Timestamp = "2027-01-18T08:00:00Z".parse().unwrap();
    world.pass(Duration::try_from(morning.duration_since(world.now())).unwrap());
    let first = lines(&sync(&world));
    let is_woken = |line: &String| line.contains("start on lab  (office hours)");
    assert!(
        first.iter().any(is_woken),
        "people have what they had: {first:?}"
    );
    apply(&world);
    let last = only(&world);
    assert!(image(&last).starts_with("debian-12") && has_data(&world, &last));
}

#[test]
fn what_is_no_longer_declared_ends_with_both_machines_and_keeps_its_data() {
    let (world, mut wanted) = changed(&[PHOENIX]);
    sync(&world);
    sync(&world);
    wanted.environments.clear();
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(machines(&world, &lab(), &shop()), []);
    assert_eq!(volumes(&world, &lab(), &shop()).len(), 1);
}

/// Killed at every call of a port, in every stage: one machine is left, with its data.
#[test]
fn a_death_at_any_moment_of_it_ends_whole() {
    let mut deaths = 0;
    for call in 0..200 {
        let (world, _) = changed(&[PHOENIX]);
        let data = volumes(&world, &lab(), &shop());
        world.crash_after(Some(call));
        let reconciler = reconciler(&world);
        let shop = shop();
        let settling = reconciler.apply_until_settled(&shop, Trigger::Person);
        if world.run(settling).is_some() {
            break;
        }
        deaths += 1;
        world.restart();
        let report = apply(&world);
        assert!(
            plan(&report).held.is_empty(),
            "{call}: {}",
            reasons(&report)
        );
        let last = only(&world);
        assert!(image(&last).starts_with("debian-12"), "{call}");
        assert!(has_data(&world, &last), "{call}");
        assert_eq!(volumes(&world, &lab(), &shop), data, "{call}");
        assert_eq!(world.violations(), Vec::<String>::new(), "{call}");
    }
    assert!((30..200).contains(&deaths), "{deaths} deaths");
}

#[test]
fn one_that_is_well_is_not_given_up_however_long_the_first_has_to_wait_for_its_end() {
    let mut wanted = declared(&[PHOENIX]);
    wanted.policies = vec!["approve: destructive".into()];
    let world = world(&wanted);
    apply(&world);
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    let report = apply(&world);
    assert!(
        plan(&report).awaits.is_some(),
        "its end is a person's decision"
    );
    world.pass(2 * phoenix::PROOF);
    let report = apply(&world);
    let (_, new) = both(&world);
    assert!(has_data(&world, &new));
    let agreed = plan(&report).awaits.clone().unwrap();
    memo(&world, &Memo::Approved(agreed));
    apply(&world);
    assert_eq!(only(&world).id, new.id);
}

#[test]
fn work_that_nobody_has_pushed_is_no_reason_to_stop_what_runs() {
    let mut wanted = declared(&[PHOENIX]);
    let app = "git://world/app";
    wanted.environments.get_mut(&shop()).unwrap().source = Some(app.to_owned());
    let world = world(&wanted);
    let revision = |digit: &str| metrom::model::Revision::parse(&digit.repeat(40));
    world.set_branch(app, revision("a"));
    apply(&world);
    let first = only(&world).id;
    world.meddle(&lab(), &first, |thing| {
        for (fields, _) in thing.inside.live.values_mut() {
            if let LiveFields::Checkout(checkout) = fields {
                checkout.local_work = Some("a change that is not committed".to_owned());
            }
        }
    });
    world.set_branch(app, revision("b"));
    wanted.environments.get_mut(&shop()).unwrap().image = "debian-12";
    world.push(wanted.commit(1));
    let report = apply(&world);
    let words = "a change that is not committed; commit and push it";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert_eq!(only(&world).id, first);
}

#[test]
fn the_second_is_the_younger_one_whatever_the_clock_says() {
    let (world, _) = changed(&[PHOENIX]);
    let first = only(&world).id;
    world.set_clock(world.now().checked_sub(DAY).unwrap());
    sync(&world);
    assert_eq!(both(&world).0.id, first);
    apply(&world);
    assert!(image(&only(&world)).starts_with("debian-12"));
    assert!(has_data(&world, &only(&world)));
}

#[test]
fn what_is_protected_meanwhile_keeps_its_first_machine() {
    let (world, mut wanted) = changed(&[PHOENIX]);
    let first = only(&world).id;
    sync(&world);
    let fields = &mut wanted.environments.get_mut(&shop()).unwrap().fields;
    fields.push("protect: true".into());
    world.push(wanted.commit(2));
    apply(&world);
    assert_eq!(only(&world).id, first);
    assert!(has_data(&world, &only(&world)));
}

/// Whether a machine has services and every one of them runs.
fn is_up(world: &World, id: &LiveId) -> bool {
    let mut running = 0;
    let all = each_service(world, id, |s| running += usize::from(s.state == "running"));
    all > 0 && running == all
}

#[test]
fn whatever_stops_a_hand_over_somebody_serves_afterwards() {
    let mut deaths = 0;
    for call in 0..80 {
        let (world, _) = changed(&[PHOENIX]);
        sync(&world);
        let (_, new) = both(&world);
        world.crash_after(Some(call));
        let handing = reconciler(&world);
        let shop = shop();
        let died = world.run(async {
            let tick = handing.tick().await;
            handing.sync(&tick, &shop, Trigger::Person).await
        });
        if died.is_some() {
            break;
        }
        deaths += 1;
        world.restart();
        set_services(&world, &new.id, "restarting");
        apply(&world);
        world.pass(phoenix::PROOF);
        apply(&world);
        let last = only(&world);
        assert!(has_data(&world, &last), "{call}");
        assert!(is_up(&world, &last.id), "{call}");
    }
    assert!(deaths > 15, "{deaths} deaths");
}

#[test]
fn the_time_in_which_it_has_to_be_well_can_be_declared() {
    let (world, _) = changed(&["update: {machine: phoenix, within: 5m}"]);
    let first = only(&world).id;
    sync(&world);
    set_services(&world, &both(&world).1.id, "restarting");
    world.pass(Duration::from_secs(4 * 60));
    apply(&world);
    assert_eq!(both(&world).0.id, first, "it has another minute");
    world.pass(Duration::from_secs(60));
    let report = apply(&world);
    let words = "it was not well within 5 minutes";
    assert!(reasons(&report).contains(words), "{}", reasons(&report));
    assert_eq!(only(&world).id, first);
}

#[test]
fn the_hand_over_names_the_images_that_are_others_on_the_second_machine() {
    let (world, _) = changed(&[PHOENIX]);
    sync(&world);
    let (_, new) = both(&world);
    let other = format!("sha256:{}", "d".repeat(64));
    each_service(&world, &new.id, |service| {
        if service.name == "db" {
            service.resolved = Some(other.clone());
            service.image_digest.clone_from(&other);
        }
    });
    let handed = lines(&sync(&world));
    let words = "hand over to the other machine on lab  (phoenix: image db db → dddddddddddd)";
    assert!(handed.iter().any(|line| line.contains(words)), "{handed:?}");
}
