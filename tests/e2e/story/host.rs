//! The libvirt host as `virsh` and its file system show it, and what of it belongs to others.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{run, tail};

/// Where the declared pool lies.
const POOL: &str = "/var/lib/libvirt/images/metrom";

/// Somebody else's: a volume that has nothing to do with us, and one that another repository with an
/// environment of the same name would have.
const FOREIGN_VOLUMES: [&str; 2] = [
    "backup.qcow2",
    "metrom-journal.data.umbrella.1700000000.data.qcow2",
];
/// Somebody else's machine, with a name as ours have them.
const FOREIGN_DOMAIN: &str = "metrom-other";

pub fn virsh(args: &[&str]) -> String {
    run(Command::new("virsh")
        .args(["--quiet", "--connect", "qemu:///system"])
        .args(args))
}

/// The names of all domains of ours, running or not.
pub fn domains(env: &str) -> Vec<String> {
    let all = virsh(&["list", "--all", "--name"]);
    all.lines()
        .filter(|name| name.contains(env))
        .map(str::to_owned)
        .collect()
}

pub fn is_running(domain: &str) -> bool {
    virsh(&["list", "--name"])
        .lines()
        .any(|name| name == domain)
}

/// What a restart or a rebuild of a machine would change: its identity, and the process that runs it.
pub fn incarnation(domain: &str) -> (String, String) {
    let pid = std::fs::read_to_string(format!("/run/libvirt/qemu/{domain}.pid"));
    let pid = pid.unwrap_or_else(|e| panic!("{domain} does not run: {e}"));
    (
        virsh(&["domuuid", domain]).trim().to_owned(),
        pid.trim().to_owned(),
    )
}

/// The names of all files in the pool.
pub fn files() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(POOL) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

pub fn path(file: &str) -> PathBuf {
    Path::new(POOL).join(file)
}

/// The data volumes of an environment of this repository.
pub fn data_volumes(owner: &str, env: &str) -> Vec<String> {
    let begin = format!("metrom-{env}.data.{owner}.");
    files()
        .into_iter()
        .filter(|name| name.starts_with(&begin))
        .collect()
}

/// The serial console of a machine, as far as it is kept.
pub fn console(domain: &str) -> String {
    let log = std::fs::read(path(&format!("{domain}.console.log"))).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

pub fn end_of_console(domain: &str) -> String {
    tail(&console(domain), 40)
}

/// What was on the host before us and must stay as it is.
pub struct Foreign {
    domain: String,
    volumes: String,
}

impl Foreign {
    /// Defines a machine and makes volumes, where the pool will be.
    pub fn new(scratch: &Path) -> Self {
        std::fs::create_dir_all(POOL).unwrap();
        for name in FOREIGN_VOLUMES {
            let file = path(name).display().to_string();
            run(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", &file, "8M"]));
        }
        let file = scratch.join("foreign.xml");
        let disk = path(FOREIGN_VOLUMES[0]);
        let xml = format!(
            "<domain type='qemu'><name>{FOREIGN_DOMAIN}</name><memory>65536</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64'>hvm</type></os><devices><disk type='file' device='disk'>\
             <driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda' bus='virtio'/>\
             </disk></devices></domain>",
            disk.display()
        );
        std::fs::write(&file, xml).unwrap();
        virsh(&["define", &file.display().to_string()]);
        Self {
            domain: dump(),
            volumes: sums(),
        }
    }

    /// Byte for byte.
    pub fn require_untouched(&self) {
        assert_eq!(dump(), self.domain, "the definition of {FOREIGN_DOMAIN}");
        assert_eq!(sums(), self.volumes, "the volumes of others");
    }
}

/// What is in the pool of others, by name.
pub fn foreign_files() -> Vec<String> {
    FOREIGN_VOLUMES.map(str::to_owned).to_vec()
}

fn dump() -> String {
    virsh(&["dumpxml", "--inactive", "--security-info", FOREIGN_DOMAIN])
}

fn sums() -> String {
    run(Command::new("sha256sum").args(FOREIGN_VOLUMES.map(path)))
}
