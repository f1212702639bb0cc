//! The disks of a domain: written, found, taken out and put in. Pure.

use std::collections::BTreeSet;

use super::name;
use super::xml::Node;

/// A disk that is a file of the host.
///
/// `writeback` hands the guest's flushes on, so that a database survives a crash of the host, and
/// unlike `none` works on every file system; `unmap` gives back what the guest frees.
#[must_use]
pub fn of_file(format: &str, path: &str, target: &str) -> Node {
    let driver = Node::new("driver").with("name", "qemu");
    let driver = driver.with("type", format).with("cache", "writeback");
    let target = Node::new("target").with("dev", target);
    Node::new("disk")
        .with("type", "file")
        .with("device", "disk")
        .child(driver.with("discard", "unmap"))
        .child(Node::new("source").with("file", path))
        .child(target.with("bus", "virtio"))
}

/// The names of the devices that are left for data volumes.
pub fn targets() -> impl Iterator<Item = String> {
    ('c'..='z').map(|letter| format!("vd{letter}"))
}

/// A data volume, or what a machine has in place of it: the guest knows both by the same serial.
#[derive(Debug, Clone, Copy)]
pub struct DataDisk<'a> {
    pub volume: &'a str,
    pub path: &'a str,
}

impl DataDisk<'_> {
    #[must_use]
    pub fn at(&self, target: &str) -> Node {
        let serial = Node::new("serial").text(name::serial(self.volume));
        of_file("qcow2", self.path, target).child(serial)
    }
}

/// The file that a disk is, if it is one.
#[must_use]
pub fn file(disk: &Node) -> Option<&str> {
    disk.at("source")?.attribute("file")
}

/// The last part of a path, which for a volume is its name.
#[must_use]
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The definition without the disk of that path; everything else stays as it is, including what
/// people have added by hand.
#[must_use]
pub fn without(mut domain: Node, path: &str) -> Node {
    if let Some(devices) = domain.child_mut("devices") {
        devices.remove("disk", |disk| file(disk) == Some(path));
    }
    domain
}

/// The definition with the data volume in place of its scratch volume, or as one more disk;
/// everything else stays as it is. `None`: no device is left for it.
#[must_use]
pub fn with(mut domain: Node, data: DataDisk<'_>, scratch: &str) -> Option<Node> {
    let devices = domain.child_mut("devices")?;
    let is_scratch = |disk: &Node| file(disk).is_some_and(|path| file_name(path) == scratch);
    let place = devices.all_mut("disk").find(|disk| is_scratch(disk));
    match place.and_then(|disk| disk.child_mut("source")) {
        Some(source) => source.set("file", data.path),
        None => {
            let target = free_target(devices)?;
            devices.insert(data.at(&target));
        }
    }
    Some(domain)
}

/// The data volume as one more disk for a domain that runs. `None`: no device is left for it.
#[must_use]
pub fn added(domain: &Node, data: DataDisk<'_>) -> Option<Node> {
    Some(data.at(&free_target(domain.at("devices")?)?))
}

fn free_target(devices: &Node) -> Option<String> {
    let target = |disk: &Node| Some(disk.at("target")?.attribute("dev")?.to_owned());
    let taken: BTreeSet<String> = devices.all("disk").filter_map(target).collect();
    targets().find(|target| !taken.contains(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: DataDisk<'_> = DataDisk {
        volume: "data",
        path: "/p/metrom-shop.data.acme.1.data.qcow2",
    };
    const SCRATCH: &str = "metrom-shop.2.data.scratch.qcow2";

    /// A machine with these disks, and with a device that somebody has added by hand.
    fn machine(disks: impl IntoIterator<Item = Node>) -> Node {
        let devices = Node::new("devices").children(disks);
        Node::new("domain")
            .child(Node::new("name").text("metrom-shop"))
            .child(devices.child(Node::new("hostdev").with("mode", "subsystem")))
            .child(Node::new("seclabel").with("type", "none"))
    }

    fn root() -> Node {
        of_file("qcow2", "/p/metrom-shop.root.qcow2", "vda")
    }

    /// As libvirt gives it back: with an address, and with what a person has set.
    fn scratch() -> Node {
        let path = format!("/p/{SCRATCH}");
        let data = DataDisk {
            path: &path,
            ..DATA
        };
        data.at("vdd")
            .child(
                Node::new("address")
                    .with("type", "pci")
                    .with("slot", "0x07"),
            )
            .child(Node::new("iotune").child(Node::new("total_iops_sec").text(100)))
    }

    #[test]
    fn a_volume_is_taken_out_and_nothing_else() {
        let before = machine([root(), DATA.at("vdc")]);
        assert_eq!(without(before.clone(), DATA.path), machine([root()]));
        assert_eq!(without(before.clone(), "/p/other"), before);
    }

    #[test]
    fn a_volume_that_comes_back_is_the_same_disk_again() {
        let before = machine([root(), DATA.at("vdc")]);
        let away = without(before.clone(), DATA.path);
        assert_eq!(with(away, DATA, SCRATCH), Some(before));
    }

    #[test]
    fn a_volume_takes_the_place_of_its_scratch_volume() {
        let before = machine([root(), scratch()]);
        let after = with(before.clone(), DATA, SCRATCH).unwrap();
        // Only the file is another one: the guest finds it where the empty one was.
        let path = format!("/p/{SCRATCH}");
        let changed = before.to_string().replace(&path, DATA.path);
        assert_eq!(after.to_string(), changed);
        assert_eq!(without(after, DATA.path), machine([root()]));
    }

    #[test]
    fn the_scratch_volume_of_another_machine_is_not_touched() {
        let before = machine([root(), scratch()]);
        let after = with(before, DATA, "metrom-shop.data.scratch.qcow2");
        assert_eq!(
            after,
            Some(machine([root(), scratch(), DATA.at("vdc")])),
            "it is one more disk"
        );
    }

    #[test]
    fn a_device_that_somebody_uses_is_not_taken() {
        let theirs = of_file("raw", "/theirs/notes.img", "vdc");
        let after = with(machine([root(), theirs.clone()]), DATA, SCRATCH);
        assert_eq!(after, Some(machine([root(), theirs, DATA.at("vdd")])));
    }

    #[test]
    fn a_machine_without_a_free_device_takes_no_volume() {
        let disks = targets().map(|target| of_file("raw", &format!("/{target}"), &target));
        assert_eq!(with(machine(disks), DATA, SCRATCH), None);
    }
}
