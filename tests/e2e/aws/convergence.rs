//! A whole reconciler over EC2, with everything that goes wrong at once: it is killed at some request,
//! answers are lost, requests are throttled, states take time and listings lag. Whatever happens, it
//! ends with one running machine that has the data.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use metrom::model::{EnvName, Trigger};
use metrom::port::ImageFiles;
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
    - {{name: t3.micro, cpus: 2, memory: 512MiB}}
"
    )
}

/// The environment as it is wanted in that round: another image is another machine.
fn declare(folder: &Path, owner: &str, round: u32) {
    let image = if round.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    };
    let mut environment = String::new();
    write!(
        environment,
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: shop}}\nspec:\n  \
         placement: lab\n  template: web\n  update: {{machine: phoenix}}\n  \
         machine: {{image: {image}, cpus: 1, memory: 256MiB, disk: 1GiB, data: 1GiB}}\n"
    )
    .unwrap();
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

/// The data volume, and the machine that has it.
fn data(volumes: &[Node]) -> (String, String) {
    let is_data = |v: &&Node| v.tag("metrom:key").is_some_and(|key| key == "volume/data");
    let found: Vec<_> = volumes.iter().filter(is_data).collect();
    assert_eq!(found.len(), 1, "one data volume: {volumes:#?}");
    let holder = found[0].text_at("attachmentSet/item/instanceId");
    (found[0].text_at("volumeId").to_owned(), holder.to_owned())
}

/// One machine, running, with the one volume, and nothing beside.
async fn is_whole(bed: &Bed, said: &str) -> String {
    let (machines, volumes) = (bed.instances().await, bed.volumes().await);
    let [machine] = &machines[..] else {
        panic!("{said}: one machine: {machines:#?}");
    };
    assert_eq!(machine.text_at("instanceState/name"), "running", "{said}");
    let (volume, holder) = data(&volumes);
    assert_eq!(holder, machine.text_at("instanceId"), "{said}");
    assert_eq!(
        volumes.len(),
        1,
        "{said}: nothing is left over: {volumes:#?}"
    );
    volume
}

fn arrange_all(bed: &Bed) {
    let troubles = [
        (0.03, Trouble::Lose),
        (0.03, Trouble::Cut),
        (0.03, Trouble::Html),
        (0.03, Trouble::Refuse(Refusal::throttled())),
        (0.03, Trouble::Refuse(Refusal::internal())),
    ];
    for (share, trouble) in troubles {
        let often = Often::Chance(share);
        bed.proxy.arrange(On::Everything, often, trouble);
    }
}

/// Applies, and dies at some request or gets through before.
async fn apply_until_killed(bed: &Bed, request: u32) {
    let folder = bed.folder.path();
    let reconciler = reconciler(bed, folder).await;
    let shop = shop();
    tokio::select! {
        biased;
        () = bed.proxy.at_call(request) => {}
        _ = reconciler.apply_until_settled(&shop, Trigger::Person) => {}
    }
}

async fn lives(seed: u64) {
    let bed = Bed::with_seed(seed).await;
    let mut chance = StdRng::seed_from_u64(seed);
    bed.proxy.slow(chance.random_range(0..3)).await;
    bed.proxy
        .lag(chance.random_range(0..3), chance.random_range(0..2))
        .await;
    let mut kept: Option<String> = None;
    for round in 0..3 {
        declare(bed.folder.path(), "acme", round);
        arrange_all(&bed);
        let mut killed = Vec::new();
        for _ in 0..KILLS {
            let request = chance.random_range(1..60);
            killed.push(request);
            apply_until_killed(&bed, request).await;
            let volumes = bed.volumes().await;
            if let Some(volume) = &kept {
                assert_eq!(
                    data(&volumes).0,
                    *volume,
                    "seed {seed}, killed at {killed:?}"
                );
            }
        }
        bed.proxy.calm();
        let said = format!("seed {seed}, round {round}, killed at {killed:?}");
        settle(&bed, bed.folder.path(), &said).await;
        let volume = is_whole(&bed, &said).await;
        assert_eq!(kept.get_or_insert(volume.clone()), &volume, "{said}");
    }
}

#[tokio::test]
async fn whatever_goes_wrong_it_ends_with_one_machine_that_has_the_data() {
    let seeds = std::env::var("METROM_CLOUD_SEEDS");
    let seeds = seeds.map_or(SEEDS, |n| n.parse().expect("a number of seeds"));
    // Each mostly waits, in an account of its own.
    let lives = stream::iter(0..seeds).for_each_concurrent(AT_ONCE, lives);
    lives.await;
}

#[tokio::test]
async fn two_metroms_with_one_account_do_not_see_each_others_environment_as_theirs() {
    let bed = Bed::new().await;
    let folders = ["acme", "globex"].map(|owner| {
        let folder = bed.folder.path().join(owner);
        declare(&folder, owner, 0);
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
