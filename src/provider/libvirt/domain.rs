//! A machine as libvirt's domain XML: written, read, and changed. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::disk::{self, DataDisk};
use super::kvm::Accel;
use super::mark::Mark;
use super::name::{self, DataVolume};
use super::xml::Node;
use crate::model::Stamp;

/// Everything that a machine's definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub mark: Mark,
    pub accel: Accel,
    pub cpus: u32,
    pub memory_mib: u64,
    pub kernel: Option<Kernel>,
    /// Paths of volumes as the host sees them.
    pub root: String,
    pub seed: String,
    pub console: String,
    /// The data volumes, and what it has in place of one: path by the volume's name.
    pub data: BTreeMap<String, String>,
    pub network: String,
}

/// A kernel that QEMU loads by itself, without a boot loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub kernel: String,
    pub initrd: String,
    pub cmdline: String,
}

impl Definition {
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.mark.uuid()
    }

    #[must_use]
    pub fn to_xml(&self) -> Node {
        let Mark {
            stamp, home, slot, ..
        } = &self.mark;
        let life = |event, action: &str| Node::new(event).text(action);
        Node::new("domain")
            .with("type", self.accel.domain_type())
            .child(Node::new("name").text(name::domain(home, *slot)))
            .child(Node::new("uuid").text(self.uuid()))
            .child(Node::new("title").text(title(stamp)))
            .child(self.mark.metadata())
            .child(mebibytes("memory", self.memory_mib))
            .child(Node::new("vcpu").text(self.cpus))
            .child(self.os())
            .child(features(self.accel))
            .child(self.accel.cpu())
            .child(Node::new("clock").with("offset", "utc"))
            .child(life("on_poweroff", "destroy"))
            .child(life("on_reboot", "restart"))
            .child(life("on_crash", "destroy"))
            .child(self.devices())
    }

    fn os(&self) -> Node {
        let os = Node::new("os").child(machine_type());
        match &self.kernel {
            None => os.child(Node::new("boot").with("dev", "hd")),
            Some(kernel) => os
                .child(Node::new("kernel").text(&kernel.kernel))
                .child(Node::new("initrd").text(&kernel.initrd))
                .child(Node::new("cmdline").text(self.cmdline(kernel))),
        }
    }

    fn cmdline(&self, kernel: &Kernel) -> String {
        format!("{} console=ttyS0{}", kernel.cmdline, self.accel.cmdline())
    }

    fn devices(&self) -> Node {
        let data = self.data.iter().zip(disk::targets());
        let data = data.map(|((volume, path), target)| DataDisk { volume, path }.at(&target));
        let seed = disk::of_file("raw", &self.seed, "vdb");
        Node::new("devices")
            .child(disk::of_file("qcow2", &self.root, "vda"))
            .child(seed.child(Node::new("readonly")))
            .children(data)
            .child(self.interface())
            .child(self.serial())
            .child(agent())
            .child(Node::new("memballoon").with("model", "none"))
            .child(Node::new("rng").with("model", "virtio").child(entropy()))
    }

    fn interface(&self) -> Node {
        Node::new("interface")
            .with("type", "network")
            .child(Node::new("mac").with("address", name::mac(self.uuid())))
            .child(Node::new("source").with("network", &self.network))
            .child(Node::new("model").with("type", "virtio"))
    }

    /// A terminal for `virsh console`, and a copy of what it says in a volume of the pool, where it
    /// can be read over any connection, while the machine runs and after it has died.
    fn serial(&self) -> Node {
        let log = Node::new("log").with("file", &self.console);
        Node::new("serial")
            .with("type", "pty")
            .child(log.with("append", "on"))
    }
}

/// What people see of a machine in libvirt's own tools.
#[must_use]
pub fn title(stamp: &Stamp) -> String {
    format!("{} of {}", stamp.env, stamp.owner)
}

/// The chipset, the same for every machine of ours.
#[must_use]
pub fn machine_type() -> Node {
    let machine = Node::new("type").with("arch", "x86_64");
    machine.with("machine", "q35").text("hvm")
}

#[must_use]
pub fn mebibytes(name: &str, amount: u64) -> Node {
    Node::new(name).with("unit", "MiB").text(amount)
}

#[must_use]
pub fn features(accel: Accel) -> Node {
    let features = Node::new("features")
        .child(Node::new("acpi"))
        .child(Node::new("apic"));
    match accel {
        Accel::Kvm => features,
        // QEMU would otherwise take up to a GiB for translated code, for each machine.
        Accel::Emulation => {
            features.child(Node::new("tcg").child(mebibytes("tb-cache", CODE_CACHE_MIB)))
        }
    }
}

/// Translated code of one emulated machine; measured as enough for a guest with Docker.
const CODE_CACHE_MIB: u64 = 256;

fn agent() -> Node {
    let target = Node::new("target").with("type", "virtio");
    Node::new("channel")
        .with("type", "unix")
        .child(target.with("name", AGENT))
}

fn entropy() -> Node {
    let backend = Node::new("backend").with("model", "random");
    backend.text("/dev/urandom")
}

const AGENT: &str = "org.qemu.guest_agent.0";

/// What we look at in any domain, ours or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub mark: Option<Mark>,
    /// By what it runs: `kvm`, `qemu`.
    pub kind: Option<String>,
    pub cpus: u32,
    pub memory_mib: u64,
    /// Files of its disks.
    pub disks: Vec<String>,
    /// Hardware address and network of its interfaces, in order.
    pub interfaces: Vec<(String, Option<String>)>,
    /// Its guest agent can be asked.
    pub has_agent: bool,
    /// Its network cable is pulled.
    pub is_cut_off: bool,
}

impl Seen {
    #[must_use]
    pub fn of(domain: &Node, uuid: Uuid) -> Self {
        let vcpu = domain.at("vcpu");
        let cpus = vcpu.and_then(|v| v.attribute("current").unwrap_or(v.content()).parse().ok());
        let devices = domain.at("devices").cloned().unwrap_or_default();
        Self {
            mark: Mark::of(domain, uuid),
            kind: domain.attribute("type").map(str::to_owned),
            cpus: cpus.unwrap_or(0),
            memory_mib: domain.at("memory").map_or(0, in_mebibytes),
            disks: devices
                .all("disk")
                .filter_map(disk::file)
                .map(str::to_owned)
                .collect(),
            interfaces: devices.all("interface").filter_map(interface).collect(),
            has_agent: devices.all("channel").any(is_connected_agent),
            is_cut_off: is_cut_off(domain),
        }
    }

    /// Our data volumes among the disks, by path.
    #[must_use]
    pub fn data_volumes(&self) -> impl Iterator<Item = &String> {
        let is_data = |path: &&String| DataVolume::parse(disk::file_name(path)).is_some();
        self.disks.iter().filter(is_data)
    }
}

fn interface(interface: &Node) -> Option<(String, Option<String>)> {
    let mac = interface.at("mac")?.attribute("address")?.to_owned();
    let network = interface.at("source").and_then(|s| s.attribute("network"));
    Some((mac, network.map(str::to_owned)))
}

/// Whether the cable of one of its interfaces is pulled.
#[must_use]
pub fn is_cut_off(domain: &Node) -> bool {
    let devices = domain.at("devices");
    let mut interfaces = devices.into_iter().flat_map(|d| d.all("interface"));
    interfaces.any(|interface| {
        let link = interface.at("link");
        link.and_then(|link| link.attribute("state")) == Some("down")
    })
}

fn is_connected_agent(channel: &Node) -> bool {
    channel.at("target").is_some_and(|target| {
        target.attribute("name") == Some(AGENT) && target.attribute("state") == Some("connected")
    })
}

/// libvirt writes memory in KiB, whatever it was given in.
fn in_mebibytes(memory: &Node) -> u64 {
    let amount: u64 = memory.content().parse().unwrap_or(0);
    match memory.attribute("unit") {
        Some("b" | "bytes") => amount >> 20,
        Some("MiB" | "M") => amount,
        Some("GiB" | "G") => amount << 10,
        _ => amount >> 10,
    }
}

/// The definition with another size and mark; everything else stays as it is, including what
/// people have added by hand.
#[must_use]
pub fn resized(mut domain: Node, cpus: u32, memory_mib: u64, mark: &Mark) -> Node {
    domain.replace(Node::new("vcpu").text(cpus));
    domain.replace(mebibytes("memory", memory_mib));
    domain.replace(mebibytes("currentMemory", memory_mib));
    let ours = mark.metadata().at("metrom:machine").cloned();
    let mut metadata = domain
        .at("metadata")
        .cloned()
        .unwrap_or_else(|| Node::new("metadata"));
    if let Some(ours) = ours {
        metadata.replace(ours);
    }
    domain.replace(metadata);
    domain
}

#[cfg(test)]
mod tests {
    use super::super::mark::tests::mark;
    use super::super::name::Slot;
    use super::*;

    fn definition() -> Definition {
        Definition {
            mark: mark(),
            accel: Accel::Emulation,
            cpus: 2,
            memory_mib: 1024,
            kernel: Some(Kernel {
                kernel: "/p/k".into(),
                initrd: "/p/i".into(),
                cmdline: "root=LABEL=rootfs a=\"<&>\"".into(),
            }),
            root: "/p/metrom-shop-dev.root.qcow2".into(),
            seed: "/p/metrom-shop-dev.seed.img".into(),
            console: "/p/metrom-shop-dev.console.log".into(),
            data: [(
                "data".to_owned(),
                "/p/metrom-shop-dev.data.acme.1764000000.data.qcow2".to_owned(),
            )]
            .into(),
            network: "metrom".into(),
        }
    }

    fn read(definition: &Node) -> Node {
        Node::parse(&definition.to_string()).unwrap()
    }

    #[test]
    fn what_is_defined_is_what_is_seen() {
        let definition = definition();
        let seen = Seen::of(&read(&definition.to_xml()), definition.uuid());
        assert_eq!((seen.cpus, seen.memory_mib), (2, 1024));
        assert_eq!(seen.kind.as_deref(), Some("qemu"));
        assert_eq!(seen.mark.as_ref(), Some(&definition.mark));
        let data: Vec<_> = seen.data_volumes().cloned().collect();
        assert_eq!(data, [definition.data["data"].clone()]);
        let mac = name::mac(definition.uuid());
        assert_eq!(seen.interfaces, [(mac, Some("metrom".to_owned()))]);
    }

    #[test]
    fn a_second_machine_has_an_identity_of_its_own_and_no_data_volume() {
        let first = definition();
        let second = Definition {
            mark: Mark {
                slot: Slot::SECOND,
                ..mark()
            },
            data: [(
                "data".to_owned(),
                "/p/metrom-shop-dev.2.data.scratch.qcow2".to_owned(),
            )]
            .into(),
            ..definition()
        };
        assert_ne!(first.uuid(), second.uuid());
        let seen = Seen::of(&read(&second.to_xml()), second.uuid());
        assert_eq!(seen.mark.as_ref(), Some(&second.mark));
        assert_eq!(seen.data_volumes().count(), 0);
        assert_eq!(seen.disks.len(), 3, "the guest has a disk in its place");
        let xml = second.to_xml();
        assert_eq!(xml.at("name").unwrap().content(), "metrom-shop-dev.2");
    }

    #[test]
    fn a_command_line_reaches_the_kernel_as_written() {
        let xml = read(&definition().to_xml());
        let cmdline = xml.at("os/cmdline").unwrap();
        assert_eq!(
            cmdline.content(),
            "root=LABEL=rootfs a=\"<&>\" console=ttyS0 mitigations=off tsc=reliable"
        );
    }

    #[test]
    fn an_image_with_a_boot_loader_boots_from_its_disk() {
        let xml = Definition {
            kernel: None,
            ..definition()
        };
        let xml = xml.to_xml();
        assert_eq!(xml.at("os/boot").unwrap().attribute("dev"), Some("hd"));
        assert!(xml.at("os/kernel").is_none());
    }

    #[test]
    fn a_resize_changes_the_size_and_the_mark_and_nothing_else() {
        let definition = definition();
        let before = read(&definition.to_xml());
        let mut mark = definition.mark.clone();
        mark.stamp.digest = None;
        let after = read(&resized(before.clone(), 4, 2048, &mark));
        let seen = Seen::of(&after, definition.uuid());
        assert_eq!((seen.cpus, seen.memory_mib), (4, 2048));
        assert_eq!(seen.mark, Some(mark));
        let mut back = resized(after, 2, 1024, &definition.mark);
        back.replace(Node::new("currentMemory"));
        let mut before = before;
        before.replace(Node::new("currentMemory"));
        assert_eq!(back, before);
    }

    #[test]
    fn a_cable_is_in_unless_it_is_said_to_be_out() {
        let domain = |link: &str| {
            let interface = format!("<interface type='network'>{link}</interface>");
            let text = format!("<domain><devices>{interface}</devices></domain>");
            Node::parse(&text).unwrap()
        };
        assert!(is_cut_off(&domain("<link state='down'/>")));
        assert!(!is_cut_off(&domain("<link state='up'/>")));
        assert!(!is_cut_off(&domain("")));
    }

    #[test]
    fn memory_is_understood_in_every_unit_libvirt_writes() {
        for (unit, amount) in [("KiB", 1_048_576_u64), ("MiB", 1024), ("b", 1 << 30)] {
            let node = Node::new("memory").with("unit", unit).text(amount);
            assert_eq!(in_mebibytes(&node), 1024, "{unit}");
        }
    }
}
