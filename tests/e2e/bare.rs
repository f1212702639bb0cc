//! Bare machines: servers as they are rented, made of Debian packages by `scripts/bare-machine`, for
//! tests that are given an address and a key and nothing else. These tests prove the bed itself.
//!
//! Each has a root of its own, its own processes, host name, sshd, package database, network and
//! bounded disk, and no way out: its packages come from an archive that lies on it. libvirt and QEMU
//! run in it, emulated, with a NAT of their own. It has no systemd, no cgroups, and `/proc/sys` is
//! writable below `net` only. Memory, processors and the kernel's clock are those of this machine;
//! what a test wants otherwise it puts in front ([`BareMachine::cover`],
//! [`BareMachine::set_clock_apart`]).
//!
//! ```ignore
//! let a = BareMachine::start("idc-1");                     // or Order::named("idc-1").equipped().start()
//! a.ssh("sudo apt-get update").unwrap();                   // as `admin`, pinned
//! program(a.address(), a.host_key(), a.key_file());
//! a.cut();                                                 // and `mend`, `power_off`, `power_on`, `fill_disk`
//! assert_eq!(a.root("hostname"), "idc-1\n");               // past sshd, also when it is cut off
//! ```
mod hypervisor;
mod machine;
mod reach;
mod trouble;
mod yard;

use std::path::Path;
use std::process::Command as Program;
use std::time::Instant;

use metrom::guest::Guests;
use metrom::port::GuestError;
use metrom::ssh::{Chunk, Command};

use crate::boot_sector::passing_boot_sector;
use crate::story::say;
use crate::story::wait::{SOON, seen, until};
pub use machine::{BareMachine, Order};

/// What makes a hypervisor of a Debian.
const HYPERVISOR: &str = "sudo apt-get -q update && \
    sudo DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
    libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils \
    dnsmasq-base iptables";
/// Its daemons, by hand. Newer ones want to set a limit, which not every machine that runs
/// these tests lets them.
const DAEMONS: &str = "echo 'max_core = 0' | sudo tee -a /etc/libvirt/qemu.conf > /dev/null && \
    sudo virtlogd -d && sudo libvirtd -d && \
    for n in $(seq 300); do sudo virsh version > /dev/null 2>&1 && exit; sleep 0.1; done; exit 1";
/// The smallest machine that needs what all machines need: a volume of a pool, which it boots from, and
/// an address, for which its network card asks after that.
const DOMAIN: &str = "<domain type='qemu'><name>tiny</name><memory unit='MiB'>64</memory>\
    <os><type arch='x86_64'>hvm</type><boot dev='hd'/><boot dev='network'/></os>\
    <features><acpi/></features><devices>\
    <disk type='volume' device='disk'><driver name='qemu' type='raw'/>\
    <source pool='ours' volume='tiny.img'/><target dev='vda' bus='virtio'/></disk>\
    <interface type='network'><source network='ours'/><model type='virtio'/></interface>\
    <serial type='pty'><log file='/var/log/libvirt/qemu/tiny-serial.log'/></serial>\
    </devices></domain>";
const NETWORK: &str = "<network><name>ours</name><forward mode='nat'/>\
    <ip address='10.91.0.1' netmask='255.255.255.0'>\
    <dhcp><range start='10.91.0.9' end='10.91.0.99'/></dhcp></ip></network>";

/// Says how long a part took.
fn timed<T>(what: &str, part: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = part();
    say(&format!("{what}: {:.1} s", began.elapsed().as_secs_f64()));
    done
}

/// The same on two machines at once.
fn both(machines: [&BareMachine; 2], work: impl Fn(&BareMachine) + Sync) {
    std::thread::scope(|scope| {
        for machine in machines {
            scope.spawn(|| work(machine));
        }
    });
}

/// What a shell script says by the program's own SSH.
async fn says(guests: &Guests, at: &BareMachine, script: &str) -> Result<String, GuestError> {
    let mut out = Vec::new();
    let mut take = |chunk: Chunk<'_>| {
        if let Chunk::Out(bytes) = chunk {
            out.extend_from_slice(bytes);
        }
    };
    let command = Command::new("sh").args(["-c", script]);
    guests.run(&at.target(), &command, &mut take).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn boots_a_machine(on: &BareMachine) {
    for (file, text) in [("/root/domain.xml", DOMAIN), ("/root/network.xml", NETWORK)] {
        on.write(file, text.as_bytes());
    }
    let greeting = format!("hello from {}\r\n", on.name());
    on.ssh(
        "sudo virsh pool-define-as ours dir --target /srv/pool && sudo virsh pool-build ours && \
         sudo virsh pool-start ours && sudo virsh vol-create-as ours tiny.img 1M --format raw && \
         sudo virsh net-create /root/network.xml",
    )
    .unwrap();
    let mut disk = passing_boot_sector(greeting.as_bytes());
    disk.resize(1 << 20, 0);
    on.write("/srv/pool/tiny.img", &disk);
    on.ssh("sudo virsh create /root/domain.xml").unwrap();
    let look = "sudo virsh -q net-dhcp-leases ours; sudo cat /var/log/libvirt/qemu/tiny-serial.log";
    until("a machine with an address that talks", SOON, || {
        let is = on.ssh(look)?;
        seen(is.contains("10.91.0.") && is.contains(greeting.trim()), is)
    });
}

#[test]
fn two_bare_machines_become_hypervisors_without_knowing_of_one_another() {
    let [a, b] = timed("two machines from nothing to SSH", || {
        ["idc-1", "idc-2"].map(BareMachine::start)
    });
    both([&a, &b], |machine| {
        let is = machine.ssh("hostname; sudo id -u").unwrap();
        assert_eq!(is, format!("{}\n0\n", machine.name()));
        for absent in ["type virsh", "type python3", "test -d /run/systemd/system"] {
            assert!(machine.ssh(absent).is_err(), "{absent}");
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let guests = a.guests();
    let script = "echo $SSH_CONNECTION";
    let from = timed("the program's SSH", || {
        runtime.block_on(says(&guests, &a, script)).unwrap()
    });
    assert_eq!(from.split(' ').next(), Some("10.90.0.1"));

    a.ssh("echo a | sudo tee /etc/only-here /tmp/only-here")
        .unwrap();
    assert!(b.ssh("ls /etc/only-here").is_err());
    assert!(b.ssh("ls /tmp/only-here").is_err());
    assert!(!Path::new("/etc/only-here").exists());
    a.ssh("sudo apt-get -q update && sudo apt-get -q -y install zstd")
        .unwrap();
    assert!(b.ssh("dpkg -s zstd").is_err(), "b has it as well");

    timed("libvirt and QEMU installed on both at once", || {
        both([&a, &b], |machine| drop(machine.ssh(HYPERVISOR).unwrap()));
    });
    timed("the daemons on both", || {
        both([&a, &b], |machine| drop(machine.ssh(DAEMONS).unwrap()));
    });
    timed("a machine with an address on both", || {
        both([&a, &b], boots_a_machine);
    });
    let rules = a.ssh("sudo iptables -t nat -S").unwrap();
    assert!(rules.contains("-s 10.91.0.0/24") && rules.contains("MASQUERADE"));

    a.cut();
    let why = timed("a silent machine is given up", || a.ssh("true"));
    assert!(why.unwrap_err().contains("10.90.0."));
    assert!(b.ssh("sudo ping -c 1 -W 1 10.90.0.1").is_ok());
    assert!(a.try_root("ping -c 1 -W 1 10.90.0.1").is_err(), "one-way");
    let runs = a.root("virsh -q list --name");
    assert_eq!(runs.trim(), "tiny", "what runs in it goes on");
    a.mend();
    timed("back again", || until("SSH", SOON, || a.ssh("true")));
}

#[test]
fn an_equipped_machine_needs_its_daemons_only() {
    let order = Order::named("idc-3").equipped();
    let machine = timed("an equipped machine from nothing to SSH", || order.start());
    assert!(machine.ssh("pgrep -x 'libvirtd|virtlogd|dnsmasq'").is_err());
    timed("its daemons", || machine.ssh(DAEMONS).unwrap());
    timed("its first machine", || boots_a_machine(&machine));
}

#[test]
fn a_machine_that_is_switched_off_and_on_is_the_same_with_its_disk() {
    let mut machine = BareMachine::start("idc-4");
    let key = machine.host_key().to_owned();
    machine
        .ssh("echo here | sudo tee /etc/kept /run/lost")
        .unwrap();
    machine.power_off();
    assert!(machine.ssh("true").is_err());
    timed("on again", || machine.power_on());
    assert_eq!(machine.host_key(), key);
    assert_eq!(machine.ssh("cat /etc/kept").unwrap(), "here\n");
    assert!(machine.ssh("cat /run/lost").is_err());
}

#[test]
fn a_connection_can_drop_at_any_time() {
    let machine = BareMachine::start("idc-11");
    std::thread::scope(|scope| {
        let long = scope.spawn(|| machine.ssh("touch /tmp/begun; sleep 600"));
        until("a running command", SOON, || {
            machine.try_root("ls /tmp/begun")
        });
        machine.hang_up();
        assert!(long.join().unwrap().is_err());
    });
    machine.ssh("true").unwrap();
}

#[test]
fn a_disk_can_be_full() {
    let machine = Order::named("idc-5").disk_mib(512).start();
    machine.fill_disk(1);
    let why = machine
        .ssh("dd if=/dev/zero of=file bs=1M count=8")
        .unwrap_err();
    assert!(why.contains("No space left on device"), "{why}");
    assert!(machine.ssh(HYPERVISOR).is_err());
    machine.free_disk();
    machine
        .ssh("dd if=/dev/zero of=file bs=1M count=8")
        .unwrap();
}

#[test]
fn a_clock_can_be_an_hour_apart_and_a_file_can_lie() {
    let machine = BareMachine::start("idc-6");
    let clock = |script: &str| machine.ssh(script).unwrap().trim().parse::<i64>().unwrap();
    let now = || jiff::Timestamp::now().as_second();
    machine.set_clock_apart(-3600);
    for script in ["date +%s", "sudo date +%s"] {
        let apart = clock(script) - now();
        assert!((-3620..=-3590).contains(&apart), "{apart} s");
    }
    machine.set_clock_apart(0);
    assert!((clock("date +%s") - now()).abs() < 20);

    let memory = || machine.ssh("sed -n 's/^MemTotal: *//p' /proc/meminfo");
    machine.cover("/proc/meminfo", "MemTotal: 1024 kB\n");
    assert_eq!(memory().unwrap(), "1024 kB\n");
    machine.uncover("/proc/meminfo");
    assert_ne!(memory().unwrap(), "1024 kB\n");
    // It fails as root as well: the way to packages that break half-way.
    machine.cover("/usr/bin/dpkg", "#!/bin/sh\nexit 7\n");
    assert!(machine.ssh("sudo dpkg --audit").is_err());
}

#[test]
fn kvm_is_there_when_it_was_asked_for_and_this_machine_has_it() {
    let has_kvm = |machine: &BareMachine| machine.ssh("test -c /dev/kvm").is_ok();
    assert!(!has_kvm(&BareMachine::start("idc-9")));
    if Path::new("/sys/class/misc/kvm").exists() {
        assert!(has_kvm(&Order::named("idc-10").with_kvm().start()));
    }
}

#[test]
fn an_account_may_be_there_that_is_not_allowed_anything() {
    let machine = BareMachine::start("idc-7");
    let other = metrom::ssh::Identity::fresh().unwrap();
    machine.admit("clerk", other.public());
    let keys = machine.root("cat /home/clerk/.ssh/authorized_keys");
    assert_eq!(keys.trim(), other.public());
    let why = machine.try_root("su clerk -c 'sudo -n true'").unwrap_err();
    assert!(why.contains("password is required"), "{why}");
}

/// What nothing else runs.
const MARK: &str = "sleep 998877";

/// What would be left of a machine: its cable, its mounts, its disk's loop device, its processes.
fn traces(cable: &str, folder: &Path) -> String {
    let links = yard::ip(&["-oneline", "link"]).unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let loops = yard::run(Program::new("losetup").args(["--list", "--raw"]));
    let processes = yard::run(Program::new("ps").args(["-eww", "-o", "args"]));
    // Each sees another part of the path.
    let folder = folder.file_name().unwrap().to_string_lossy();
    let ours = [&format!("{cable}@"), &*folder, MARK];
    let all = [links, mounts, loops, processes].join("\n");
    let lines = all.lines();
    let left = lines.filter(|line| ours.iter().any(|word| line.contains(word)));
    left.collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_left_of_a_machine_whose_test_panics() {
    let (tell, told) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let machine = BareMachine::start("idc-8");
        machine
            .ssh(&format!("sudo sh -c 'nohup {MARK} > /dev/null 2>&1 &'"))
            .unwrap();
        let folder = machine.file("disk").parent().unwrap().to_owned();
        let traces = traces(&machine.cable(), &folder);
        for trace in [&*machine.cable(), "/dev/loop", MARK, "unshare"] {
            assert!(traces.contains(trace), "{trace}: {traces}");
        }
        tell.send((machine.cable(), folder)).unwrap();
        panic!("as a test would");
    });
    let (cable, folder) = told.recv().unwrap();
    assert!(test.join().is_err());
    until("nothing is left", SOON, || {
        let left = traces(&cable, &folder);
        seen(left.is_empty(), left)
    });
    assert!(!folder.exists());
}
