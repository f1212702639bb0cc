//! A whole reconciler over EC2, with everything that goes wrong at once: it is killed at some request,
//! answers are lost, requests are throttled, states take time and listings lag. Whatever happens, it
//! ends with one running machine that has the data.

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use metrom::model::{EnvName, Trigger};
use metrom::port::{ImageFiles, Observer as _};
use metrom::reconcile::{DataVolumes, End, Reconciler};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::bed::{AMD64, Bed, NEWER};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};
use super::proxy::xml::Node;
use crate::played;

/// So many lives are led; `METROM_CLOUD_SEEDS` asks for more.
const SEEDS: u64 = 6;

const AT_ONCE: usize = 6;

/// So many times one is killed before it may go on in peace.
const KILLS: u32 = 4;

const TEMPLATE: &str = "\
apiVersion: metrom.dev/v1
kind: Template
metadata: {name: web}
spec: {}
";

const COMPOSE: &str = "services: {web: {image: \"nginx:1\"}}\n";

fn repository(owner: &str) -> String {
    format!(
        "\
apiVersion: metrom.dev/v1
kind: Repository
metadata: {{name: {owner}}}
spec: {{}}
---
apiVersion: metrom.dev/v1
kind: Cloud
metadata: {{name: lab}}
spec:
  provider: aws
  region: eu-central-1
  network: {{sshFrom: [203.0.113.0/24]}}
  images: {{even: {{id: {AMD64}}}, odd: {{id: {NEWER}}}}}
  types:
    - {{name: t3.nano, cpus: 1, memory: 256MiB}}
    - {{name: t3.micro, cpus: 2, memory: 320MiB}}
"
    )
}

/// What is wanted of the machine: at first, then of another image, which takes another machine, and
/// then larger, which does not.
const WANTED: [Wanted; 3] = [
    Wanted(
        "image: even, cpus: 1, memory: 256MiB, data: 1GiB",
        AMD64,
        "t3.nano",
        "1",
    ),
    Wanted(
        "image: odd, cpus: 1, memory: 256MiB, data: 1GiB",
        NEWER,
        "t3.nano",
        "1",
    ),
    Wanted(
        "image: odd, cpus: 2, memory: 320MiB, data: 2GiB",
        NEWER,
        "t3.micro",
        "2",
    ),
];

/// As it is declared, and what comes of it: AMI, type, GiB of data.
struct Wanted(&'static str, &'static str, &'static str, &'static str);

const ON_SPOT: Wanted = Wanted(
    "image: even, cpus: 1, memory: 256MiB, data: 1GiB, market: spotOnly",
    AMD64,
    "t3.nano",
    "1",
);

fn declare(folder: &Path, owner: &str, Wanted(machine, ..): &Wanted) {
    let environment = format!(
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: shop}}\nspec:\n  \
         placement: lab\n  template: web\n  update: {{machine: phoenix}}\n  \
         machine: {{{machine}, disk: 1GiB}}\n"
    );
    let files = [
        ("metrom.yaml", repository(owner)),
        ("templates/web/template.yaml", TEMPLATE.to_owned()),
        ("templates/web/docker-compose.yml", COMPOSE.to_owned()),
        ("environments/shop.yaml", environment),
    ];
    for (path, text) in files {
        let path = folder.join("repository").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn shop() -> EnvName {
    EnvName::parse("shop").unwrap()
}

/// A process that knows nothing but what lies in the folder.
async fn reconciler(bed: &Bed, folder: &Path) -> Reconciler {
    let nothing_to_bring = ImageFiles {
        disk: "/nonexistent".into(),
        kernel: None,
    };
    played::reconciler(folder, Arc::new(bed.provider()), nothing_to_bring).await
}

async fn settle(bed: &Bed, folder: &Path, said: &str) {
    let reconciler = reconciler(bed, folder).await;
    let reports = reconciler
        .apply_until_settled(&shop(), Trigger::Person)
        .await;
    let last = reports.last().unwrap();
    let plan = last.plan().unwrap();
    assert_eq!(last.end, End::Settled, "{said}: {plan}");
    assert!(plan.is_empty() && plan.held.is_empty(), "{said}: {plan}");
}

/// The data volumes among others, such as those that a second machine is tried with.
fn data(volumes: &[Node]) -> Vec<&Node> {
    let is_data = |v: &&Node| v.tag("metrom:key").is_some_and(|key| key == "volume/data");
    volumes.iter().filter(is_data).collect()
}

/// One machine as it is wanted, running, with the one volume, and nothing beside.
async fn is_whole(bed: &Bed, Wanted(_, ami, kind, gib): &Wanted, said: &str) -> String {
    let (machines, volumes) = (bed.instances().await, bed.volumes().await);
    let [machine] = &machines[..] else {
        panic!("{said}: one machine: {machines:?}");
    };
    let paths = ["instanceState/name", "imageId", "instanceType"];
    let is = paths.map(|path| machine.text_at(path));
    assert_eq!(is, ["running", *ami, *kind], "{said}");
    let (data, count) = (data(&volumes), volumes.len());
    assert_eq!(
        (data.len(), count),
        (1, 1),
        "{said}: nothing else is left: {volumes:?}"
    );
    let holder = data[0].text_at("attachmentSet/item/instanceId");
    assert_eq!(holder, machine.text_at("instanceId"), "{said}");
    assert_eq!(data[0].text_at("size"), *gib, "{said}");
    data[0].text_at("volumeId").to_owned()
}

fn arrange_all(bed: &Bed) {
    let troubles = [
        (0.03, Trouble::Lose),
        (0.03, Trouble::Cut),
        (0.03, Trouble::Html),
        (0.03, Trouble::Refuse(Refusal::throttled())),
        (0.03, Trouble::Refuse(Refusal::internal())),
    ];
    // What makes something has the most to lose.
    for call in ["RunInstances", "CreateVolume"] {
        let often = Often::Chance(0.3);
        bed.proxy.arrange(On::Action(call), often, Trouble::Lose);
    }
    for (share, trouble) in troubles {
        let often = Often::Chance(share);
        bed.proxy.arrange(On::Everything, often, trouble);
    }
}

/// Applies or destroys, and dies at some request or gets through before.
async fn until_killed(bed: &Bed, goal: Goal, request: u32) {
    let reconciler = reconciler(bed, bed.folder.path()).await;
    let shop = shop();
    let work = async {
        match goal {
            Goal::Apply => reconciler.apply_until_settled(&shop, Trigger::Person).await,
            Goal::Destroy => {
                reconciler
                    .destroy_until_gone(&shop, DataVolumes::Delete)
                    .await
            }
        }
    };
    tokio::select! {
        biased;
        () = bed.proxy.at_call(request) => {}
        _ = work => {}
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Goal {
    Apply,
    Destroy,
}

/// Killed again and again amid all troubles. Nothing is ever made twice: there are at most so many
/// machines, and one data volume, which is that one as soon as it is known.
async fn stumbles(bed: &Bed, goal: Goal, chance: &mut StdRng, kept: Option<&str>) -> Vec<u32> {
    arrange_all(bed);
    let most = if kept.is_some() { 2 } else { 1 };
    let mut killed = Vec::new();
    for _ in 0..KILLS {
        let request = chance.random_range(1..80);
        killed.push(request);
        until_killed(bed, goal, request).await;
        let (machines, volumes) = (bed.instances().await, bed.volumes().await);
        let said = format!("killed at {killed:?}: {machines:?} {volumes:?}");
        assert!(machines.len() <= most, "{said}");
        assert!(data(&volumes).len() <= 1, "{said}");
        if let (Some(kept), Goal::Apply) = (kept, goal) {
            let is_there = data(&volumes).iter().any(|v| v.text_at("volumeId") == kept);
            assert!(is_there, "{said}");
        }
    }
    bed.proxy.calm();
    killed
}

async fn lives(seed: u64) {
    let bed = Bed::with_seed(seed).await;
    let mut chance = StdRng::seed_from_u64(seed);
    bed.proxy.slow(chance.random_range(0..3)).await;
    let (fresh, changed) = (chance.random_range(0..3), chance.random_range(0..2));
    bed.proxy.lag(fresh, changed).await;
    let mut kept: Option<String> = None;
    for (round, wanted) in WANTED.iter().enumerate() {
        declare(bed.folder.path(), "acme", wanted);
        let killed = stumbles(&bed, Goal::Apply, &mut chance, kept.as_deref()).await;
        let said = format!("seed {seed}, round {round}, killed at {killed:?}");
        settle(&bed, bed.folder.path(), &said).await;
        let volume = is_whole(&bed, wanted, &said).await;
        assert_eq!(kept.get_or_insert(volume.clone()), &volume, "{said}");
    }
    let killed = stumbles(&bed, Goal::Destroy, &mut chance, None).await;
    let reconciler = reconciler(&bed, bed.folder.path()).await;
    let gone = reconciler
        .destroy_until_gone(&shop(), DataVolumes::Delete)
        .await;
    let left = (bed.instances().await.len(), bed.volumes().await.len());
    let end = gone.last().map(|report| &report.end);
    assert_eq!(left, (0, 0), "seed {seed}, killed at {killed:?}: {end:?}");
}

#[tokio::test]
async fn whatever_goes_wrong_it_ends_with_one_machine_that_has_the_data() {
    let seeds = std::env::var("METROM_CLOUD_SEEDS");
    let seeds = seeds.map_or(SEEDS, |n| n.parse().expect("a number of seeds"));
    // Each mostly waits, in an account of its own.
    let lives = stream::iter(0..seeds).for_each_concurrent(AT_ONCE, lives);
    lives.await;
}

/// Applies, and dies as soon as that has been asked for and is done, without its answer.
async fn until_asked(bed: &Bed, action: &'static str) {
    let (on, times) = (On::Action(action), Often::Times(1));
    bed.proxy.arrange(on, times, Trouble::Hang);
    let reconciler = reconciler(bed, bed.folder.path()).await;
    let shop = shop();
    let before = bed.proxy.calls(action);
    let asked = async {
        while bed.proxy.calls(action) == before {
            bed.proxy.at_call(1).await;
        }
    };
    tokio::select! {
        biased;
        () = asked => {}
        _ = reconciler.apply_until_settled(&shop, Trigger::Person) => panic!("{action}: it got through"),
    }
    bed.proxy.calm();
}

#[tokio::test]
async fn a_creation_that_was_cut_off_goes_on_with_the_same_machine() {
    // Launched and not known; without its volume; with it, and not said to be whole.
    let moments: [&[&str]; 3] = [
        &["RunInstances"],
        &["AttachVolume"],
        &["RunInstances", "AttachVolume", "CreateTags"],
    ];
    let lives = stream::iter(moments).for_each_concurrent(AT_ONCE, |killed| async move {
        let bed = Bed::new().await;
        bed.proxy.lag(1, 1).await;
        declare(bed.folder.path(), "acme", &WANTED[0]);
        for action in killed {
            until_asked(&bed, action).await;
        }
        // What was asked for last is done by the time that the next is answered.
        let changes = bed.proxy.calls("RunInstances");
        let born = async {
            loop {
                if let [machine] = &bed.instances().await[..] {
                    break machine.text_at("instanceId").to_owned();
                }
                tokio::task::yield_now().await;
            }
        };
        let born = born.await;
        let said = format!("killed at {killed:?}");
        settle(&bed, bed.folder.path(), &said).await;
        is_whole(&bed, &WANTED[0], &said).await;
        assert_eq!(
            bed.instances().await[0].text_at("instanceId"),
            born,
            "{said}"
        );
        assert_eq!(bed.proxy.calls("TerminateInstances"), 0, "{said}");
        assert!(bed.proxy.calls("RunInstances") <= changes + 1, "{said}");
    });
    lives.await;
}

#[tokio::test]
async fn two_metroms_with_one_account_do_not_see_each_others_environment_as_theirs() {
    let bed = Bed::new().await;
    let folders = ["acme", "globex"].map(|owner| {
        let folder = bed.folder.path().join(owner);
        declare(&folder, owner, &WANTED[0]);
        folder
    });
    for folder in &folders {
        settle(&bed, folder, "the first of each").await;
    }
    let acme = bed.tagged("metrom:owner", "acme").await;
    let globex = bed.tagged("metrom:owner", "globex").await;
    assert_eq!((acme.len(), globex.len()), (1, 1));
    let changes = bed.proxy.changes();
    for folder in &folders {
        settle(&bed, folder, "again").await;
    }
    assert_eq!(bed.proxy.changes(), changes, "nobody has anything to do");

    let reconciler = reconciler(&bed, &folders[0]).await;
    reconciler
        .destroy_until_gone(&shop(), DataVolumes::Delete)
        .await;
    assert_eq!(
        bed.tagged("metrom:owner", "acme").await,
        Vec::<String>::new()
    );
    assert_eq!(bed.tagged("metrom:owner", "globex").await, globex);
    assert_eq!(bed.volumes().await.len(), 1);
}

/// Somebody ends the machine of an owner in the console, and leaves its request.
async fn ended_by_hand(bed: &Bed, owner: &str) {
    for id in bed.tagged("metrom:owner", owner).await {
        bed.console
            .ask("TerminateInstances", &[("InstanceId.1", &id)])
            .await;
    }
}

/// Whose requests for spot machines are open.
async fn requesters(bed: &Bed) -> Vec<String> {
    let requests = bed.proxy.requests().await;
    let owner = |request: &Node| request.tag("metrom:owner").unwrap_or("-").to_owned();
    let mut owners: Vec<String> = requests.iter().map(owner).collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn a_request_whose_machine_somebody_ended_goes_before_another_machine_is_made() {
    let bed = Bed::new().await;
    let folders = ["acme", "globex"].map(|owner| {
        let folder = bed.folder.path().join(owner);
        declare(&folder, owner, &ON_SPOT);
        folder
    });
    for folder in &folders {
        settle(&bed, folder, "the first of each").await;
    }
    let before = bed.proxy.requests().await;
    assert_eq!(requesters(&bed).await, ["acme", "globex"]);
    ended_by_hand(&bed, "acme").await;
    ended_by_hand(&bed, "globex").await;

    settle(&bed, &folders[0], "ended by hand").await;
    assert_eq!(bed.tagged("metrom:owner", "acme").await.len(), 1);
    assert_eq!(
        requesters(&bed).await,
        ["acme", "globex"],
        "one of each still"
    );
    let kept = bed.proxy.requests().await;
    let is_kept = |owner| {
        let mut old = before
            .iter()
            .filter(|r| r.tag("metrom:owner") == Some(owner));
        old.all(|request| kept.contains(request))
    };
    assert!(!is_kept("acme"), "what was left of the first one is gone");
    assert!(is_kept("globex"), "another one's is theirs to end");
}

#[tokio::test]
async fn a_request_whose_machine_somebody_ended_goes_with_its_environment() {
    let bed = Bed::new().await;
    let folder = bed.folder.path();
    declare(folder, "acme", &ON_SPOT);
    settle(&bed, folder, "on spot").await;
    ended_by_hand(&bed, "acme").await;
    let inventory = bed.provider().inventory().await;
    let left = inventory
        .objects
        .iter()
        .find(|o| o.id.0.starts_with("sir-"));
    let left = left.expect("what would launch another one is seen");
    assert_eq!(left.about.type_name.as_deref(), Some("t3.nano"));

    let reconciler = reconciler(&bed, folder).await;
    reconciler
        .destroy_until_gone(&shop(), DataVolumes::Delete)
        .await;
    assert_eq!(requesters(&bed).await, Vec::<String>::new());
    assert_eq!(
        (bed.instances().await.len(), bed.volumes().await.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn what_somebody_changed_in_the_console_is_as_declared_again() {
    let bed = Bed::new().await;
    let folder = bed.folder.path();
    declare(folder, "acme", &WANTED[0]);
    settle(&bed, folder, "at first").await;
    let volume = is_whole(&bed, &WANTED[0], "at first").await;
    let ids = bed.tagged("metrom:owner", "acme").await;
    let [id] = &ids[..] else {
        panic!("one machine: {ids:?}");
    };
    let stop = [("InstanceId.1", id.as_str())];
    bed.console.ask("StopInstances", &stop).await;
    let larger = [
        ("InstanceId", id.as_str()),
        ("InstanceType.Value", "t3.micro"),
    ];
    bed.console.ask("ModifyInstanceAttribute", &larger).await;
    settle(&bed, folder, "stopped and made larger").await;
    is_whole(&bed, &WANTED[0], "stopped and made larger").await;

    bed.console.ask("TerminateInstances", &stop).await;
    settle(&bed, folder, "ended").await;
    let kept = is_whole(&bed, &WANTED[0], "ended").await;
    assert_eq!(kept, volume, "another machine on the same data");
}
