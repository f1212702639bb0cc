//! One bare machine: made, switched off and on, taken away.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use metrom::ssh::{Identity, identity};
use tempfile::TempDir;

use super::yard;

/// It ends by itself as soon as it is told; killing is for what does not.
const POWER_OFF: Duration = Duration::from_secs(30);

/// What is asked for.
pub struct Order {
    name: String,
    release: String,
    disk_mib: u64,
    is_equipped: bool,
    has_kvm: bool,
}

impl Order {
    /// A fresh server of that host name: Debian 12 (or the release that `METROM_BARE` names), a disk of 4 GiB of which little is used, no
    /// `/dev/kvm`, no libvirt.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            release: std::env::var("METROM_BARE").unwrap_or_else(|_| "bookworm".to_owned()),
            disk_mib: 4096,
            is_equipped: false,
            has_kvm: false,
        }
    }

    /// What the machine itself writes has to fit into that.
    pub fn disk_mib(self, disk_mib: u64) -> Self {
        Self { disk_mib, ..self }
    }

    /// With libvirt and QEMU installed, and not one of their services started.
    pub fn equipped(self) -> Self {
        let is_equipped = true;
        Self {
            is_equipped,
            ..self
        }
    }

    /// With the `/dev/kvm` of this machine, for what that is worth.
    pub fn with_kvm(self) -> Self {
        Self {
            has_kvm: true,
            ..self
        }
    }

    /// Starts it; returns when its sshd listens.
    pub fn start(self) -> BareMachine {
        yard::open();
        let folder = tempfile::Builder::new()
            .prefix("bare.")
            .tempdir_in("/var/lib/libvirt/images")
            .unwrap();
        let path = |name: &str| folder.path().join(name);
        let identity = identity::load_or_create(&path("key")).unwrap();
        std::fs::write(path("authorized_keys"), format!("{}\n", identity.public())).unwrap();
        make_disk(&path("disk"), self.disk_mib);
        let mut machine = BareMachine {
            address: yard::address(),
            order: self,
            folder,
            identity,
            host_key: String::new(),
            running: None,
        };
        machine.power_on();
        machine
    }
}

fn make_disk(disk: &Path, mib: u64) {
    File::create(disk).unwrap().set_len(mib << 20).unwrap();
    let format = ["-q", "-m", "0", "-O", "^has_journal"];
    yard::run(Command::new("mkfs.ext4").args(format).arg(disk));
}

/// A machine while it is there; nothing is left of it once it is dropped.
pub struct BareMachine {
    order: Order,
    address: Ipv4Addr,
    /// Its disk, the key that its user `admin` accepts, and the log of its start.
    folder: TempDir,
    identity: Identity,
    host_key: String,
    running: Option<Running>,
}

/// It lasts as long as its standard input, so also a test that is killed takes it along.
struct Running {
    child: Child,
    switch: ChildStdin,
    /// Its first process, as it is numbered out here.
    first: u32,
}

impl BareMachine {
    /// A fresh server of that host name.
    pub fn start(name: &str) -> Self {
        Order::named(name).start()
    }

    pub fn name(&self) -> &str {
        &self.order.name
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its public host key, `ssh-ed25519 AAAA…`; it stays the same when it is switched on again.
    pub fn host_key(&self) -> &str {
        &self.host_key
    }

    /// The private key for its user `admin`, who may do everything by `sudo`.
    pub fn key_file(&self) -> PathBuf {
        self.file("key")
    }

    /// The same as the program has it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn release(&self) -> &str {
        &self.order.release
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The name of our end of its cable.
    pub(super) fn cable(&self) -> String {
        format!("bare{}", self.address.octets()[3])
    }

    /// Its first process, as it is numbered out here.
    pub(super) fn first(&self) -> u32 {
        let running = self.running.as_ref().expect("it is switched on");
        running.first
    }

    /// As if the plug were pulled: everything that runs in it ends at once.
    pub fn power_off(&mut self) {
        let running = self.running.take().expect("it is switched on");
        assert!(running.has_ended(), "{} had to be killed", self.name());
    }

    /// Starts it from its disk; returns when its sshd listens.
    pub fn power_on(&mut self) {
        assert!(self.running.is_none(), "{} is on already", self.name());
        let Order {
            name,
            release,
            is_equipped,
            has_kvm,
            ..
        } = &self.order;
        let made = if *is_equipped { "equipped" } else { "root" };
        let mut child = Command::new("tests/bed/bare-machine")
            .arg(name)
            .arg(self.address.to_string())
            .arg(self.folder.path())
            .arg(format!("{release}/{made}"))
            .args(has_kvm.then_some("kvm"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(self.file("log")).unwrap())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut told).unwrap();
        let Some((first, host_key)) = told.trim().split_once(' ') else {
            let log = std::fs::read_to_string(self.file("log")).unwrap();
            panic!("{name} does not start: {told}{log}");
        };
        self.host_key = host_key.to_owned();
        self.running = Some(Running {
            first: first.parse().unwrap(),
            switch: child.stdin.take().expect("it is piped"),
            child,
        });
    }
}

impl Running {
    /// Ends it, with everything in it, before this returns; whether it went by itself.
    fn has_ended(self) -> bool {
        let Self {
            mut child, switch, ..
        } = self;
        drop(switch);
        let began = Instant::now();
        while began.elapsed() < POWER_OFF {
            if let Ok(Some(_)) = child.try_wait() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for BareMachine {
    fn drop(&mut self) {
        self.running.take().map(Running::has_ended);
    }
}
