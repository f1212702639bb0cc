//! Machines that are to be hypervisors, over a real sshd: what they say, whom they let in, and the door
//! to their libvirt.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use metrom::model::{Bastion, ProviderName, SecretRef};
use metrom::provider::Door as _;
use metrom::provider::remote::doctor::{Check, State, checks};
use metrom::provider::remote::{Forwarded, HostFacts, RemoteConfig, facts_of};
use metrom::ssh::{Connections, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::guest::sshd::{OneSecret, Sshd};

fn config(host: Bastion) -> RemoteConfig {
    RemoteConfig {
        provider: ProviderName::parse("idc-1").unwrap(),
        host,
        may_emulate: true,
        installs: true,
        sources: Vec::new(),
        pool: "metrom".to_owned(),
        pool_path: "/nonexistent/metrom/pool".to_owned(),
        makes_pool: true,
        network: "metrom".to_owned(),
        makes_network: true,
    }
}

/// Connections of somebody whom the machine lets in.
fn known_to(sshd: &Sshd) -> Connections {
    Connections::new(sshd.identity().clone(), Arc::new(OneSecret))
}

/// A program that is found before those of this machine.
fn program(sshd: &Sshd, name: &str, text: &str) {
    let folder = sshd.folder().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// One that makes anybody root, as far as this test needs it.
fn sudo(sshd: &Sshd) {
    program(
        sshd,
        "sudo",
        "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"",
    );
}

#[tokio::test]
async fn a_machine_says_what_it_is_and_has() {
    let sshd = Sshd::start();
    sudo(&sshd);
    let facts = facts_of(&known_to(&sshd), &config(sshd.bastion()))
        .await
        .unwrap();
    assert_eq!(
        facts.cpus as usize,
        std::thread::available_parallelism().unwrap().get()
    );
    assert!(facts.memory_mib > facts.available_mib && facts.available_mib > 0);
    assert!(
        facts.disk_mib > facts.free_mib && facts.free_mib > 0,
        "{facts:?}"
    );
    assert_eq!(facts.architecture, std::env::consts::ARCH);
    assert_eq!(facts.has_kvm, Path::new("/dev/kvm").exists());
    let now = metrom::model::Timestamp::now();
    assert!((facts.clock_s - now.as_second()).abs() < 60, "{facts:?}");
    assert_eq!(facts.skew_s, 0, "it has our clock");
    assert!(facts.data.is_empty());
}

#[tokio::test]
async fn data_of_ours_is_seen_without_libvirt() {
    let sshd = Sshd::start();
    sudo(&sshd);
    let pool = sshd.folder().join("pool");
    std::fs::create_dir(&pool).unwrap();
    for name in ["metrom-web.data.acme.1.data.qcow2", "theirs.data.qcow2"] {
        std::fs::write(pool.join(name), "").unwrap();
    }
    let config = RemoteConfig {
        pool_path: pool.display().to_string(),
        ..config(sshd.bastion())
    };
    let facts = facts_of(&known_to(&sshd), &config).await.unwrap();
    let seen: Vec<_> = facts.data.into_iter().collect();
    assert_eq!(seen, ["metrom-web.data.acme.1.data.qcow2"]);
}

#[tokio::test]
async fn another_machine_at_the_address_is_refused_loudly_and_with_a_next_move() {
    let sshd = Sshd::start();
    let changed = Bastion {
        host_key: Identity::fresh().unwrap().public().to_owned(),
        ..sshd.bastion()
    };
    let error = facts_of(&known_to(&sshd), &config(changed))
        .await
        .unwrap_err();
    for word in [
        "not the machine that is declared",
        "SHA256:",
        "metrom host scan 127.0.0.1",
        "in between",
    ] {
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_named_with_where_to_put_it() {
    let sshd = Sshd::start();
    let stranger = Connections::new(Identity::fresh().unwrap(), Arc::new(OneSecret));
    let error = facts_of(&stranger, &config(sshd.bastion()))
        .await
        .unwrap_err();
    assert!(error.contains(stranger.public_key()), "{error}");
    assert!(error.contains("authorized_keys"), "{error}");
    let keyless = Bastion {
        key: Some(SecretRef::Env("MISSING".to_owned())),
        ..sshd.bastion()
    };
    let error = facts_of(&stranger, &config(keyless)).await.unwrap_err();
    assert!(error.contains("no key to log in with"), "{error}");
}

#[tokio::test]
async fn who_may_not_become_root_is_told_how() {
    let sshd = Sshd::start();
    program(
        &sshd,
        "sudo",
        "echo 'sudo: a password is required' >&2; exit 1",
    );
    let host = sshd.bastion();
    if host.user == "root" {
        // Root needs no sudo; what is said of others is in the words of the program alone.
        assert!(facts_of(&known_to(&sshd), &config(host)).await.is_ok());
        return;
    }
    let error = facts_of(&known_to(&sshd), &config(host)).await.unwrap_err();
    assert!(error.contains("NOPASSWD"), "{error}");
}

#[tokio::test]
async fn a_scan_shows_the_key_that_is_offered_and_logs_in_nowhere() {
    let sshd = Sshd::start();
    let host = sshd.bastion();
    let stranger = Connections::new(Identity::fresh().unwrap(), Arc::new(OneSecret));
    let (key, fingerprint) = stranger
        .offered("127.0.0.1", host.port, None)
        .await
        .unwrap();
    assert_eq!(
        key.split_whitespace().nth(1),
        host.host_key.split_whitespace().nth(1)
    );
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    let silent = stranger.offered("127.0.0.1", 1, None).await;
    assert!(silent.is_err());
}

#[tokio::test]
async fn the_door_leads_to_libvirt_there_for_as_many_as_want_and_again_after_a_break() {
    let sshd = Sshd::start();
    sudo(&sshd);
    program(&sshd, "virt-ssh-helper", "echo \"$*\"; exec cat");
    let door = Forwarded::new(Arc::new(known_to(&sshd)), sshd.bastion()).unwrap();
    let uri = door.uri();
    let socket = uri.strip_prefix("qemu+unix:///system?socket=").unwrap();
    assert!(
        UnixStream::connect(socket).await.is_err(),
        "nobody listens yet"
    );
    let mode = std::fs::metadata(Path::new(socket).parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    for _ in 0..2 {
        door.open().await.unwrap();
        let mut first = UnixStream::connect(socket).await.unwrap();
        let mut second = UnixStream::connect(socket).await.unwrap();
        for stream in [&mut second, &mut first] {
            stream.write_all(b"ping").await.unwrap();
            let mut answer = [0; 19];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"qemu:///system\nping");
        }
    }
}

#[tokio::test]
async fn a_door_to_a_machine_that_is_gone_says_so() {
    let mut sshd = Sshd::start();
    let host = sshd.bastion();
    let connections = Arc::new(known_to(&sshd));
    sshd.stop();
    let door = Forwarded::new(connections, host).unwrap();
    let error = door.open().await.unwrap_err();
    assert!(error.contains("does not answer"), "{error}");
}

#[test]
fn the_doctor_tells_what_is_made_what_is_low_and_what_somebody_must_see_to() {
    let bare = HostFacts {
        system: "debian".to_owned(),
        release: "Debian GNU/Linux 13".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 8,
        memory_mib: 16_000,
        disk_mib: 100_000,
        free_mib: 5_000,
        skew_s: -3_600,
        ..HostFacts::default()
    };
    let host = Sshd::start().bastion();
    let of = |config: &RemoteConfig| -> Vec<(&'static str, State)> {
        let found = checks(&bare, config);
        found
            .into_iter()
            .map(|Check { what, state, .. }| (what, state))
            .collect()
    };
    let emulated = config(host.clone());
    assert_eq!(
        of(&emulated),
        [
            ("access", State::Good),
            ("system", State::Good),
            ("virtualisation", State::Warning),
            ("software", State::WillBeMade),
            ("libvirt", State::WillBeMade),
            ("disk", State::Warning),
            ("memory", State::Good),
            ("clock", State::Warning),
        ]
    );
    let strict = RemoteConfig {
        may_emulate: false,
        ..config(host)
    };
    assert!(of(&strict).contains(&("virtualisation", State::Bad)));
}
