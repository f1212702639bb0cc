//! A machine is replaced by a second one, and the program is killed at a random moment of it, again and
//! again: each time it ends with one machine that has the data, and in between nobody shares it.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use metrom::model::{EnvName, Trigger};
use metrom::reconcile::End;
use rand::Rng as _;

use super::bed::{Bed, run, virsh};
use super::{bed_of_parent, victim};
use crate::played;

/// So many times it is killed.
const ROUNDS: u32 = 10;

const VICTIM: &str = "provider::reborn::is_reborn_until_it_is_killed";

/// What is written at the beginning of the data volume before it all begins.
const PATTERN: &str = "0xa7";

const REPOSITORY: &str = "\
apiVersion: metrom.dev/v1
kind: Repository
metadata: {name: acme}
spec: {}
---
apiVersion: metrom.dev/v1
kind: Host
metadata: {name: lab}
spec: {uri: \"qemu:///system\"}
---
apiVersion: metrom.dev/v1
kind: Image
metadata: {name: even}
spec: {build: {suite: trixie, size: 1GiB}, boot: disk}
---
apiVersion: metrom.dev/v1
kind: Image
metadata: {name: odd}
spec: {build: {suite: trixie, size: 1GiB}, boot: disk}
";

const TEMPLATE: &str = "\
apiVersion: metrom.dev/v1
kind: Template
metadata: {name: web}
spec: {}
";

const COMPOSE: &str = "services: {web: {image: \"nginx:1\"}}\n";

/// The environment as it is wanted in that round.
fn declare(bed: &Bed, round: u32) {
    let image = if round % 2 == 0 { "even" } else { "odd" };
    let environment = format!(
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: shop}}\nspec:\n  \
         template: web\n  update: {{machine: phoenix}}\n  \
         machine: {{image: {image}, cpus: 1, memory: 256MiB, disk: 1GiB, data: 1GiB}}\n"
    );
    let repository = bed.folder.join("repository");
    let files = [
        ("metrom.yaml", REPOSITORY),
        ("templates/web/template.yaml", TEMPLATE),
        ("templates/web/docker-compose.yml", COMPOSE),
        ("environments/shop.yaml", &environment),
    ];
    for (path, text) in files {
        let path = repository.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[tokio::test]
#[ignore = "started and killed by another test"]
async fn is_reborn_until_it_is_killed() {
    settle(&bed_of_parent()).await;
}

async fn settle(bed: &Bed) {
    let image = metrom::port::ImageFiles {
        disk: bed.folder.join("disk.qcow2"),
        kernel: None,
    };
    let provider = Arc::new(bed.provider());
    let reconciler = played::reconciler(&bed.folder, provider, image).await;
    let shop = EnvName::parse("shop").unwrap();
    let reports = reconciler.apply_until_settled(&shop, Trigger::Person).await;
    let last = reports.last().unwrap();
    assert_eq!(last.end, End::Settled, "{last:#?}");
    let plan = last.plan().unwrap();
    assert!(plan.is_empty() && plan.held.is_empty(), "{plan}");
}

fn machines() -> Vec<String> {
    let names = virsh(&["list", "--all", "--name"]);
    let names = names.lines().filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The file of the one data volume, and the machines that have it as a disk.
fn data(bed: &Bed) -> (String, Vec<String>) {
    let mut volumes = bed.files();
    volumes.retain(|file| file.ends_with(".data.qcow2"));
    let [volume] = &volumes[..] else {
        panic!("one data volume: {volumes:?}");
    };
    let path = bed.pool().join(volume).display().to_string();
    let mut users = machines();
    users.retain(|name| virsh(&["dumpxml", "--inactive", name]).contains(&path));
    (path, users)
}

fn qemu_io(path: &str, command: &str) -> String {
    run(Command::new("qemu-io").args(["-f", "qcow2", "-c", command, path]))
}

#[tokio::test]
async fn killed_at_a_random_moment_of_a_rebirth_it_ends_whole_ten_times() {
    let bed = Bed::new("reborn");
    let _ = bed.image_of(b"", 64);
    declare(&bed, 0);
    settle(&bed).await;
    virsh(&["destroy", "metrom-shop"]);
    let (volume, _) = data(&bed);
    qemu_io(&volume, &format!("write -P {PATTERN} 0 64k"));

    // The first brings the other image, the second says how long it takes when it is let be.
    declare(&bed, 1);
    settle(&bed).await;
    declare(&bed, 2);
    let began = Instant::now();
    settle(&bed).await;
    let whole = began.elapsed();
    let mut met = 0;
    for round in 3..3 + ROUNDS {
        declare(&bed, round);
        let mut child = victim(VICTIM, &bed);
        let moment = whole.mul_f64(rand::rng().random_range(0.0..1.0));
        tokio::time::sleep(moment).await;
        met += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let (path, users) = data(&bed);
        let said = format!("round {round}, killed after {moment:?}: {users:?}");
        assert_eq!(path, volume, "{said}");
        assert!(users.len() <= 1, "{said}");

        settle(&bed).await;
        let (path, users) = data(&bed);
        assert_eq!((path, users), (volume.clone(), machines()), "{said}");
        assert_eq!(machines().len(), 1, "{said}");
    }
    assert!(met >= ROUNDS / 3, "it was met at work {met} times only");
    for machine in machines() {
        virsh(&["destroy", &machine]);
        virsh(&["undefine", &machine]);
    }
    // `qemu-io` ends with 0 all the same when the pattern is another one.
    let read = qemu_io(&volume, &format!("read -P {PATTERN} 0 64k"));
    assert!(!read.contains("verification failed"), "{read}");
}
