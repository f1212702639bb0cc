//! Real machines behind the instances of an emulated EC2: QEMU under libvirt, booted from Metrom's own
//! image with the user data of the launch, and with volumes that are files.
//!
//! What EC2 would do is done with `virsh`: so what the story finds on a machine got there by the
//! program's own calls to EC2, and by nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use serde_json::Value;

use crate::aws::proxy::behind::Behind;
use crate::aws::proxy::call::Call;
use crate::aws::proxy::truth::Truth;
use crate::aws::proxy::xml::Node;
use crate::story::host::virsh;
use crate::story::process::run;

use super::domain::{self, Machine};

/// Where everything lies; a real disk, in the sandbox's own folder.
const FOLDER: &str = "/var/lib/libvirt/images/ec2";
/// The network that is this EC2's internet.
const NETWORK: &str = "<network><name>ec2</name><forward mode='nat'/><bridge name='virbr-ec2'/>\
    <ip address='10.88.0.1' netmask='255.255.255.0'><dhcp><range start='10.88.0.200' \
    end='10.88.0.254'/></dhcp></ip></network>";
/// The name by which an instance on Nitro knows a volume, whatever QEMU calls the device.
const RULE: &str = "KERNEL==\"vd*[!0-9]\", ENV{ID_SERIAL}==\"vol*\", \
    SYMLINK+=\"disk/by-id/nvme-Amazon_Elastic_Block_Store_$env{ID_SERIAL}\"\n";
const RULES: &str = "/etc/udev/rules.d";
const RULE_FILE: &str = "65-ec2.rules";
/// EC2 ends a machine by force that does not shut down.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Guests {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    machines: BTreeMap<String, Machine>,
    /// Since when machines are to shut down.
    halting: BTreeMap<String, Instant>,
    /// Volumes that a machine is to let go.
    leaving: BTreeMap<String, String>,
    /// How many addresses were given.
    addresses: u8,
    /// The user data of every launch.
    told: Vec<Vec<u8>>,
}

impl Guests {
    /// Makes the network, and the image of every machine out of the one in this folder.
    pub fn new(image: &Path) -> Self {
        fs::create_dir_all(FOLDER).unwrap();
        for name in ["vmlinuz", "initrd.img", "cmdline"] {
            fs::copy(image.join(name), path(name)).unwrap();
        }
        let (disk, raw) = (image.join("disk.qcow2"), path("image.raw"));
        run(Command::new("qemu-img")
            .args(["convert", "-O", "raw"])
            .args([&disk, &raw]));
        write_rule(&raw);
        let network = path("network.xml");
        fs::write(&network, NETWORK).unwrap();
        virsh(&["net-create", &network.to_string_lossy()]);
        Self {
            books: Mutex::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// All that machines were ever told at their first boot.
    pub fn told(&self) -> Vec<Vec<u8>> {
        self.books().told.clone()
    }

    /// The machine of an instance, as libvirt knows it: whether it runs, and since which boot.
    pub fn process(&self, instance: &str) -> Option<String> {
        let pid = fs::read_to_string(format!("/run/libvirt/qemu/{instance}.pid")).ok()?;
        is_running(instance).then(|| pid.trim().to_owned())
    }

    /// The consoles of all machines that there ever were.
    pub fn consoles(&self) -> String {
        let entries = fs::read_dir(FOLDER).unwrap().map(Result::unwrap);
        let consoles = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
        let said = consoles.map(|entry| {
            let text = fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&text);
            let end: Vec<&str> = text.lines().rev().take(40).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            format!("--- {}\n{}\n", entry.path().display(), end.join("\n"))
        });
        said.collect()
    }
}

/// Puts the rule into the image.
fn write_rule(image: &Path) {
    let (rule, commands) = (path("rule"), path("commands"));
    fs::write(&rule, RULE).unwrap();
    let write = format!("cd {RULES}\nwrite {} {RULE_FILE}\n", rule.display());
    fs::write(&commands, write).unwrap();
    let table = run(Command::new("sfdisk").arg("--json").arg(image));
    let table: Value = serde_json::from_str(&table).unwrap();
    let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
    let number = |partition: &Value, name: &str| partition[name].as_u64().unwrap();
    let root = partitions.iter().max_by_key(|p| number(p, "size")).unwrap();
    let system = format!("{}?offset={}", image.display(), 512 * number(root, "start"));
    run(Command::new("debugfs")
        .arg("-w")
        .arg("-f")
        .args([&commands, Path::new(&system)]));
    // It tells nobody when it fails.
    let show = format!("cat {RULES}/{RULE_FILE}");
    let written = run(Command::new("debugfs").args(["-R", &show, &system]));
    assert_eq!(written, RULE);
}

/// The files of disks that are left, by name.
pub fn disks() -> Vec<String> {
    let entries = fs::read_dir(FOLDER).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut disks: Vec<String> = names.filter(|name| name.ends_with(".qcow2")).collect();
    disks.sort();
    disks
}

impl Behind for Guests {
    fn follow(&self, call: &Call, before: &Truth, now: &Truth) {
        let mut books = self.books();
        match call.action.as_str() {
            "RunInstances" => {
                for instance in now
                    .instances
                    .iter()
                    .filter(|i| before.of(i.text_at("instanceId")).is_none())
                {
                    books.launch(call, instance);
                }
            }
            "StartInstances" => each(call, |id| books.start(id)),
            "StopInstances" => each(call, |id| books.stop(id, call.get("Force") == Some("true"))),
            "TerminateInstances" => each(call, |id| books.terminate(id)),
            "RebootInstances" => each(call, |id| drop(virsh(&["reboot", id]))),
            "ModifyInstanceAttribute" => books.resize(call),
            "CreateVolume" => {
                for volume in now
                    .volumes
                    .iter()
                    .filter(|v| before.of(v.text_at("volumeId")).is_none())
                {
                    assert_eq!(volume.text_at("snapshotId"), "", "no copy is played here");
                    make_disk(volume.text_at("volumeId"), volume.text_at("size"));
                }
            }
            "DeleteVolume" => remove(&disk(call.get("VolumeId").unwrap())),
            "ModifyVolume" => books.grow(call),
            "AttachVolume" => books.attach(call),
            "DetachVolume" => books.detach(call.get("VolumeId").unwrap()),
            _ => {}
        }
    }

    fn is_moving(&self, id: &str) -> bool {
        let mut books = self.books();
        if let Some(instance) = books.leaving.get(id) {
            let is_there =
                is_running(instance) && virsh(&["dumpxml", instance]).contains(&serial(id));
            if !is_there {
                books.leaving.remove(id);
            }
            return is_there;
        }
        let Some(since) = books.halting.get(id) else {
            return false;
        };
        if is_running(id) && since.elapsed() < PATIENCE {
            return true;
        }
        books.off(id);
        false
    }

    fn address(&self, instance: &str) -> Option<String> {
        let books = self.books();
        let machine = books.machines.get(instance)?;
        (!machine.address.is_empty()).then(|| machine.address.clone())
    }

    fn console(&self, instance: &str) -> Vec<u8> {
        fs::read(path(&format!("{instance}.log"))).unwrap_or_default()
    }
}

impl Books {
    fn launch(&mut self, call: &Call, instance: &Node) {
        let id = instance.text_at("instanceId");
        let Some(user_data) = call.get("UserData") else {
            // Somebody else's, and of no use here.
            return;
        };
        let user_data = STANDARD.decode(user_data).unwrap();
        fs::write(path(&format!("{id}.seed.img")), seed(id, &user_data)).unwrap();
        self.told.push(user_data);
        let mut machine = Machine::new(id, call.get("InstanceType").unwrap());
        for item in instance.items("blockDeviceMapping") {
            let (device, volume) = (item.text_at("deviceName"), item.text_at("ebs/volumeId"));
            let size = size_of(call, device);
            if device == domain::ROOT {
                let size = format!("{size}G");
                let (root, base) = (path(&format!("{id}.root.qcow2")), path("image.raw"));
                let made = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
                run(Command::new("qemu-img")
                    .args(made)
                    .arg(base)
                    .arg(root)
                    .arg(size));
            } else {
                make_disk(volume, size);
                machine.volumes.insert(volume.to_owned(), disk(volume));
            }
        }
        self.machines.insert(id.to_owned(), machine);
        self.start(id);
    }

    /// With another address than the last time, as it is in EC2.
    fn start(&mut self, id: &str) {
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        self.addresses += 1;
        if !machine.address.is_empty() {
            reserve("delete", machine);
        }
        machine.address = format!("10.88.0.{}", 9 + self.addresses);
        reserve("add", machine);
        let file = path(&format!("{id}.xml"));
        fs::write(&file, machine.definition(Path::new(FOLDER))).unwrap();
        virsh(&["create", &file.to_string_lossy()]);
    }

    fn stop(&mut self, id: &str, is_forced: bool) {
        if is_running(id) {
            virsh(&[if is_forced { "destroy" } else { "shutdown" }, id]);
            self.halting
                .entry(id.to_owned())
                .or_insert_with(Instant::now);
        }
    }

    fn terminate(&mut self, id: &str) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.is_ending = true;
            self.stop(id, false);
            if !self.halting.contains_key(id) {
                self.off(id);
            }
        }
    }

    /// A machine is off, or has to be now.
    fn off(&mut self, id: &str) {
        self.halting.remove(id);
        if is_running(id) {
            virsh(&["destroy", id]);
        }
        if self
            .machines
            .get(id)
            .is_some_and(|machine| machine.is_ending)
        {
            let machine = self.machines.remove(id).unwrap();
            reserve("delete", &machine);
            for end in ["root.qcow2", "seed.img", "xml"] {
                remove(&path(&format!("{id}.{end}")));
            }
        }
    }

    fn resize(&mut self, call: &Call) {
        let machine = self.machines.get_mut(call.get("InstanceId").unwrap());
        if let (Some(kind), Some(machine)) = (call.get("InstanceType.Value"), machine) {
            machine.kind = kind.to_owned();
        }
    }

    fn attach(&mut self, call: &Call) {
        let (volume, id) = (
            call.get("VolumeId").unwrap(),
            call.get("InstanceId").unwrap(),
        );
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        machine.volumes.insert(volume.to_owned(), disk(volume));
        if is_running(id) {
            plug("attach-device", id, machine, volume);
        }
    }

    fn detach(&mut self, volume: &str) {
        let holder = self
            .machines
            .iter_mut()
            .find(|(_, m)| m.volumes.contains_key(volume));
        let Some((id, machine)) = holder else {
            return;
        };
        if is_running(id) {
            plug("detach-device", id, machine, volume);
            self.leaving.insert(volume.to_owned(), id.clone());
        }
        machine.volumes.remove(volume);
    }

    /// Under a machine that runs, too.
    fn grow(&mut self, call: &Call) {
        let (volume, size) = (call.get("VolumeId").unwrap(), call.get("Size").unwrap());
        let file = disk(volume);
        let holder = self
            .machines
            .iter()
            .find(|(_, m)| m.volumes.contains_key(volume));
        match holder.filter(|(id, _)| is_running(id)) {
            Some((id, _)) => {
                let size = format!("{size}GiB");
                virsh(&["blockresize", id, &file.to_string_lossy(), &size]);
            }
            None => {
                let size = format!("{size}G");
                run(Command::new("qemu-img")
                    .args(["resize", "-q"])
                    .arg(file)
                    .arg(size));
            }
        }
    }
}

fn each(call: &Call, what: impl FnMut(&str)) {
    call.list("InstanceId").into_iter().for_each(what);
}

/// Puts a volume into a running machine, or takes it out.
fn plug(command: &str, id: &str, machine: &Machine, volume: &str) {
    let file = path(&format!("{volume}.xml"));
    fs::write(&file, machine.disk(volume)).unwrap();
    virsh(&[command, id, &file.to_string_lossy(), "--live"]);
}

/// Gives the machine its address, or takes it back.
fn reserve(what: &str, machine: &Machine) {
    let host = format!("<host mac='{}' ip='{}'/>", machine.mac, machine.address);
    virsh(&["net-update", "ec2", what, "ip-dhcp-host", &host, "--live"]);
}

fn is_running(id: &str) -> bool {
    virsh(&["list", "--name"]).lines().any(|name| name == id)
}

/// As `domain` writes it.
fn serial(volume: &str) -> String {
    domain::serial(volume)
}

/// How large a disk is that a machine is launched with, in GiB.
fn size_of<'a>(call: &'a Call, device: &str) -> &'a str {
    let name = |n: usize| format!("BlockDeviceMapping.{n}");
    let mut all = (1..9).filter(|n| call.get(&format!("{}.DeviceName", name(*n))) == Some(device));
    let meant = all.next().expect("every disk of ours has a size");
    call.get(&format!("{}.Ebs.VolumeSize", name(meant)))
        .unwrap()
}

fn make_disk(volume: &str, gib: &str) {
    let size = format!("{gib}G");
    run(Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(disk(volume))
        .arg(size));
}

fn disk(volume: &str) -> PathBuf {
    path(&format!("{volume}.qcow2"))
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

/// The user data as cloud-init finds them in here, with a host name as EC2 gives them.
fn seed(id: &str, user_data: &[u8]) -> Vec<u8> {
    let meta_data =
        format!("{{\"instance-id\": \"{id}\", \"local-hostname\": \"ip-10-88-0-1\"}}\n");
    let mut disk = Cursor::new(vec![0_u8; 512 << 10]);
    let label = FormatVolumeOptions::new().volume_label(*b"CIDATA     ");
    fatfs::format_volume(&mut disk, label).unwrap();
    let system = FileSystem::new(&mut disk, FsOptions::new()).unwrap();
    for (name, bytes) in [
        ("user-data", user_data),
        ("meta-data", meta_data.as_bytes()),
    ] {
        let mut file = system.root_dir().create_file(name).unwrap();
        file.write_all(bytes).unwrap();
    }
    system.unmount().unwrap();
    disk.into_inner()
}
