//! Bare machines that are made hypervisors: the program is given an address and a key, and the provider
//! that comes of it keeps the contract that all keep.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use metrom::model::{
    Bastion, Boot, Class, Inventory, Part, ProviderAction, ProviderName, SecretRef,
};
use metrom::port::{
    Actuator as _, ImageFiles, Observer as _, ProviderError, Seed, SeedError, SeedMaker,
    SeedRequest, Silent,
};
use metrom::provider::ProcessFacts;
use metrom::provider::libvirt::{
    Accelerator, Forward, Libvirt, LibvirtConfig, NetworkConfig, PoolConfig,
};
use metrom::provider::remote::{Forwarded, Remote, RemoteConfig};

use super::machine::{BareMachine, Order};
use super::{DAEMONS, timed};
use crate::provider::contract::{self, Env};
use crate::story::wait::{SOON, seen, until};

const POOL: &str = "/var/lib/libvirt/metrom";

/// What a real machine would be given, without a system that could read it.
struct Seeds;

impl SeedMaker for Seeds {
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError> {
        Ok(Seed {
            image: vec![b's'; 64 << 10],
            user_data: b"#cloud-config\n{}\n".to_vec(),
            host_key_public: format!("ssh-ed25519 AAAA {}", request.instance),
        })
    }
}

fn way(to: &BareMachine) -> Bastion {
    Bastion {
        address: to.address().to_string(),
        port: 22,
        user: "admin".to_owned(),
        key: None,
        host_key: to.host_key().to_owned(),
        through: None,
    }
}

fn config(host: Bastion) -> RemoteConfig {
    RemoteConfig {
        provider: ProviderName::parse("idc").unwrap(),
        host,
        may_emulate: true,
        installs: true,
        sources: Vec::new(),
        pool: "metrom".to_owned(),
        pool_path: POOL.to_owned(),
        makes_pool: true,
        network: "metrom".to_owned(),
        makes_network: true,
    }
}

/// The machine as the program has it, with other words of the declaration.
fn declared(to: &BareMachine, config: RemoteConfig) -> Remote<Libvirt> {
    let connections = to.connections();
    let door = Forwarded::new(connections.clone(), config.host.clone()).unwrap();
    let within = LibvirtConfig {
        provider: config.provider.clone(),
        uri: door.uri(),
        door: Some(Arc::new(door)),
        bastion: Some(config.host.clone()),
        accelerator: Accelerator::Emulation,
        pool: PoolConfig {
            name: config.pool.clone(),
            path: Some(config.pool_path.clone()),
        },
        network: NetworkConfig {
            name: config.network.clone(),
            subnet: Some("10.177.0.0/24".parse().unwrap()),
            forward: Forward::Nat,
        },
    };
    let libvirt = Libvirt::new(within, Arc::new(Seeds), Arc::new(ProcessFacts::default()));
    let libvirt = libvirt.with_stop_patience(Duration::from_secs(1));
    Remote::new(config, connections, libvirt)
}

fn remote(to: &BareMachine) -> Remote<Libvirt> {
    declared(to, config(way(to)))
}

/// Why nothing is known of it.
async fn gap(of: &Remote<Libvirt>) -> String {
    let Inventory { gaps, objects, .. } = of.inventory().await;
    assert!(objects.is_empty(), "{objects:?}");
    let reasons: Vec<String> = gaps.into_iter().map(|gap| gap.reason).collect();
    reasons.join("; ")
}

async fn make(provider: &Remote<Libvirt>, part: &Part) -> Result<(), ProviderError> {
    let action = ProviderAction::Prepare { part: part.clone() };
    provider.perform(&action, None, &Silent).await.map(drop)
}

fn packages() -> Part {
    Part::Packages(Vec::new())
}

fn image_of(folder: &Path) -> ImageFiles {
    let disk = folder.join("disk.qcow2");
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("64M")
        .status();
    assert!(made.unwrap().success());
    ImageFiles { disk, kernel: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_machine_made_a_hypervisor_keeps_the_contract_of_all_providers() {
    let machine = BareMachine::start("idc-20");
    let provider = remote(&machine);
    let missing: Vec<String> = contract::seen(&provider)
        .await
        .missing
        .iter()
        .map(Part::making)
        .collect();
    assert!(
        missing[0].starts_with("install packages libvirt-daemon-system"),
        "{missing:?}"
    );
    assert_eq!(
        missing[1..],
        [
            "start service libvirtd",
            "create pool metrom",
            "create network metrom"
        ]
    );
    let began = std::time::Instant::now();
    contract::prepares_itself(&provider).await;
    crate::story::say(&format!(
        "a hypervisor, twice: {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    contract::makes_a_volume_once(&provider, &Env::new("shop")).await;
    let folder = tempfile::tempdir().unwrap();
    let (image, files) = (
        contract::image("plain", Boot::Disk),
        image_of(folder.path()),
    );
    contract::takes_an_image(&provider, &image, &files).await;
    contract::leads_a_machine_through_its_life(&provider, &Env::new("shop"), &image).await;
    contract::hands_data_over_to_a_second_machine(&provider, &Env::new("twin"), &image).await;
    let [pool, one, two] = ["warm-web-1", "one", "two"].map(Env::new);
    contract::lets_a_warm_machine_be_claimed(&provider, (&pool, &one, &two), &image).await;
    assert_eq!(machine.root("virsh -q list --all --name").trim(), "");
    // The connection was kept all the time; when it breaks, nobody notices.
    machine.hang_up();
    assert!(contract::seen(&provider).await.missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_on_it_are_reached_through_it() {
    let machine = Order::named("idc-21").equipped().start();
    let provider = remote(&machine);
    contract::prepare(&provider).await;
    let folder = tempfile::tempdir().unwrap();
    let (image, files) = (
        contract::image("plain", Boot::Disk),
        image_of(folder.path()),
    );
    contract::takes_an_image(&provider, &image, &files).await;
    let env = Env::new("shop");
    let volume = env.volume(&provider, contract::GIB, 1);
    let volume = contract::done(&provider, volume).await.unwrap();
    let creation = env.machine(&provider, &image, &[volume]);
    let id = contract::done(&provider, creation).await.unwrap();
    let seen = contract::seen(&provider).await;
    let live = seen.objects.iter().find(|object| object.id == id).unwrap();
    let live = live.fields.as_machine().unwrap();
    assert_eq!(live.bastion, Some(way(&machine)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_at_every_part_delays_it_and_no_more() {
    let machine = BareMachine::start("idc-22");
    let provider = remote(&machine);
    let parts = contract::seen(&provider).await.missing;
    let mut drops = 0;
    for part in &parts {
        // A little later each time, until it has done its work before.
        for wait_ms in (0..).map(|attempt| 40 + attempt * 700) {
            let mut making = std::pin::pin!(make(&provider, part));
            let in_time = timeout(Duration::from_millis(wait_ms), &mut making);
            if let Ok(made) = in_time.await {
                made.unwrap();
                break;
            }
            machine.hang_up();
            // What was only asked then is asked again.
            let Err(error) = making.await else {
                continue;
            };
            assert_eq!(error.class(), Class::Transient, "{error}");
            drops += 1;
            assert!(drops < 200, "{part} is never made");
        }
    }
    assert!(drops > 0, "no part was met in its making");
    assert!(contract::seen(&provider).await.missing.is_empty());
    assert_eq!(machine.root("dpkg --audit").trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ended_between_two_looks_is_no_gap() {
    let machine = BareMachine::start("idc-30");
    let provider = remote(&machine);
    let before = contract::seen(&provider).await.missing;
    for _ in 0..10 {
        machine.hang_up();
        assert_eq!(contract::seen(&provider).await.missing, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_that_fail_half_way_are_told_and_finished_the_next_time() {
    let machine = BareMachine::start("idc-23");
    let provider = remote(&machine);
    machine.cover(
        "/usr/bin/dpkg",
        "#!/bin/sh\necho 'dpkg: error processing package' >&2\nexit 2\n",
    );
    let error = make(&provider, &packages()).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert!(
        error.to_string().contains("dpkg: error processing"),
        "{error}"
    );
    machine.uncover("/usr/bin/dpkg");
    // As if the power had failed between unpacking and configuring.
    machine.root("apt-get -q update && cd /var/cache/apt/archives && apt-get -q -y --download-only install dnsmasq-base && dpkg --unpack /srv/packages/dnsmasq-base*.deb");
    assert_ne!(machine.root("dpkg --audit").trim(), "");
    make(&provider, &packages()).await.unwrap();
    assert_eq!(machine.root("dpkg --audit").trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_said_before_anything_is_installed() {
    let machine = BareMachine::start("idc-24");
    let before = machine.root("dpkg -l");
    machine.fill_disk(200);
    let error = make(&remote(&machine), &packages()).await.unwrap_err();
    assert_eq!(error.class(), Class::NoRoom, "{error}");
    assert!(error.to_string().contains("make room there"), "{error}");
    assert_eq!(machine.root("dpkg -l"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_or_may_not_become_root_or_is_another_is_told_apart() {
    let machine = BareMachine::start("idc-25");
    machine.admit("clerk", machine.identity().public());
    let with =
        |change: &dyn Fn(Bastion) -> Bastion| declared(&machine, config(change(way(&machine))));
    let clerk = with(&|host| Bastion {
        user: "clerk".to_owned(),
        ..host
    });
    let reason = gap(&clerk).await;
    assert!(
        reason.contains("`clerk` may not become root") && reason.contains("NOPASSWD"),
        "{reason}"
    );
    let nobody = with(&|host| Bastion {
        user: "nobody-here".to_owned(),
        ..host
    });
    assert!(gap(&nobody).await.contains("authorized_keys"));
    let keyless = with(&|host| Bastion {
        key: Some(SecretRef::File("/nonexistent/key".into())),
        ..host
    });
    assert!(gap(&keyless).await.contains("/nonexistent/key"));
    let other = metrom::ssh::Identity::fresh().unwrap();
    let changed = with(&|host| Bastion {
        host_key: other.public().to_owned(),
        ..host
    });
    let reason = gap(&changed).await;
    assert!(
        reason.contains("not the machine that is declared"),
        "{reason}"
    );
    assert!(reason.contains("metrom host scan"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_cannot_be_one_stays_as_it_is() {
    let machine = BareMachine::start("idc-26");
    let before = machine.root("dpkg -l; ls -l /etc /var/lib");
    let strict = RemoteConfig {
        may_emulate: false,
        ..config(way(&machine))
    };
    let reason = gap(&declared(&machine, strict)).await;
    assert!(reason.contains("`accelerator: emulation`"), "{reason}");
    let frugal = RemoteConfig {
        installs: false,
        ..config(way(&machine))
    };
    let reason = gap(&declared(&machine, frugal)).await;
    assert!(reason.contains("`packages.install` is `never`"), "{reason}");
    machine.write("/etc/os-release", b"ID=plan9\nPRETTY_NAME=\"Plan 9\"\n");
    let reason = gap(&remote(&machine)).await;
    assert!(reason.contains("Plan 9 is no system"), "{reason}");
    machine.root("ln -sf ../usr/lib/os-release /etc/os-release");
    assert_eq!(
        machine.root("dpkg -l; ls -l /etc /var/lib").lines().count(),
        before.lines().count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_machine_is_a_gap_and_comes_back_by_itself() {
    let machine = Order::named("idc-27").equipped().start();
    let provider = remote(&machine);
    contract::prepare(&provider).await;
    machine.cut();
    let began = std::time::Instant::now();
    let reason = gap(&provider).await;
    assert!(!reason.is_empty());
    crate::story::say(&format!(
        "lost after {:.1} s: {reason}",
        began.elapsed().as_secs_f64()
    ));
    machine.mend();
    until("it is back", SOON, || {
        let inventory = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(provider.inventory())
        });
        seen(inventory.gaps.is_empty(), format!("{:?}", inventory.gaps))
    });
}

/// What others have on a machine, as they would see it.
fn theirs(on: &BareMachine) -> String {
    on.root(
        "virsh dumpxml theirs; virsh net-dumpxml theirs; virsh pool-dumpxml theirs; \
         sha256sum /srv/theirs/*; cat /etc/libvirt/libvirtd.conf /etc/libvirt/qemu.conf | sha256sum; \
         iptables -S THEIRS; getent passwd | grep -v libvirt; cat /etc/group | grep -v libvirt",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_on_a_machine_stays_byte_for_byte() {
    let machine = Order::named("idc-28").equipped().start();
    machine.ssh(DAEMONS).unwrap();
    let network =
        "<network><name>theirs</name><ip address='10.92.0.1' netmask='255.255.255.0'/></network>";
    let domain = "<domain type='qemu'><name>theirs</name><memory unit='MiB'>32</memory>\
                  <os><type arch='x86_64'>hvm</type></os></domain>";
    machine.write("/root/network.xml", network.as_bytes());
    machine.write("/root/domain.xml", domain.as_bytes());
    machine.root(
        "virsh net-define /root/network.xml && virsh net-start theirs && virsh define /root/domain.xml && \
         virsh pool-define-as theirs dir --target /srv/theirs && virsh pool-build theirs && \
         virsh pool-start theirs && virsh vol-create-as theirs disk.img 1M && \
         iptables -N THEIRS && iptables -A THEIRS -p tcp --dport 9 -j ACCEPT",
    );
    let before = theirs(&machine);
    let provider = remote(&machine);
    contract::prepare(&provider).await;
    let folder = tempfile::tempdir().unwrap();
    let (image, files) = (
        contract::image("plain", Boot::Disk),
        image_of(folder.path()),
    );
    contract::takes_an_image(&provider, &image, &files).await;
    contract::leads_a_machine_through_its_life(&provider, &Env::new("shop"), &image).await;
    assert_eq!(theirs(&machine), before);
}

/// The program on a repository with that machine in it.
struct Office {
    folder: tempfile::TempDir,
    key: std::path::PathBuf,
}

impl Office {
    fn new(key: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let office = Self {
            folder,
            key: key.to_owned(),
        };
        office.write(
            "repo/metrom.yaml",
            "apiVersion: metrom.dev/v1\nkind: Repository\nmetadata: {name: acme}\nspec: {}\n",
        );
        office
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn commit(&self) {
        let repo = self.folder.path().join("repo");
        for words in [
            &["init", "--quiet"][..],
            &["add", "."],
            &[
                "-c",
                "user.name=test",
                "-c",
                "user.email=test@acme.example",
                "commit",
                "-qm",
                "a host",
            ],
        ] {
            let done = Command::new("git")
                .arg("-C")
                .arg(&repo)
                .args(words)
                .status();
            assert!(done.unwrap().success());
        }
    }

    fn metrom(&self, args: &[&str]) -> Output {
        let folder = self.folder.path();
        let state = folder.join("state");
        if !state.exists() {
            std::fs::create_dir(&state).unwrap();
            // The key that the machine knows is that of this program.
            std::fs::copy(&self.key, state.join("identity")).unwrap();
        }
        Command::new(env!("CARGO_BIN_EXE_metrom"))
            .args(args)
            .arg("--repo")
            .arg(folder.join("repo"))
            .arg("--state")
            .arg(state)
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_person_scans_a_machine_commits_what_is_printed_and_asks_the_doctor() {
    let machine = BareMachine::start("idc-29");
    let office = Office::new(&machine.key_file());
    let address = machine.address().to_string();
    let scan = office.metrom(&[
        "host", "scan", &address, "--user", "admin", "--name", "idc-29",
    ]);
    assert!(scan.status.success(), "{}", text(&scan.stderr));
    let told = text(&scan.stderr);
    let fingerprint = machine.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
    assert!(told.contains(fingerprint), "{told}");
    assert!(told.contains(machine.identity().public()), "{told}");
    let entry = text(&scan.stdout) + "  accelerator: emulation\n";
    office.write("repo/hosts/idc-29.yaml", &entry);
    office.commit();
    let check = office.metrom(&["check"]);
    assert!(check.status.success(), "{}", text(&check.stderr));

    let doctor = timed("the doctor", || {
        office.metrom(&["host", "doctor", "idc-29"])
    });
    let said = text(&doctor.stdout);
    assert!(doctor.status.success(), "{said}{}", text(&doctor.stderr));
    for word in [
        "✓ access",
        "+ software",
        "packages libvirt-daemon-system",
        "+ libvirt",
        "✓ clock",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let providers = office.metrom(&["get", "providers"]);
    let said = text(&providers.stdout);
    assert!(said.contains(&format!("admin@{address}:22")), "{said}");
    assert!(said.contains("ready; will make packages"), "{said}");
    machine.cut();
    let doctor = office.metrom(&["host", "doctor", "idc-29"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(
        text(&doctor.stdout).contains("✗ access"),
        "{}",
        text(&doctor.stdout)
    );
}
