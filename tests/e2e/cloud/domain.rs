//! An instance as libvirt is told of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the root disk in EC2.
pub const ROOT: &str = "/dev/xvda";

pub struct Machine {
    id: String,
    /// Its type, such as `t3.micro`.
    pub kind: String,
    pub mac: String,
    /// Nothing before its first boot.
    pub address: String,
    /// The volumes beside its root disk, with their files.
    pub volumes: BTreeMap<String, PathBuf>,
    pub is_ending: bool,
}

impl Machine {
    pub fn new(id: &str, kind: &str) -> Self {
        let digits: Vec<char> = id.chars().skip(2).collect();
        let pair = |at: usize| format!("{}{}", digits[at], digits[at + 1]);
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            mac: format!("52:54:00:{}:{}:{}", pair(0), pair(2), pair(4)),
            address: String::new(),
            volumes: BTreeMap::new(),
            is_ending: false,
        }
    }

    pub fn definition(&self, folder: &Path) -> String {
        let Self { id, mac, .. } = self;
        let memory = match self.kind.as_str() {
            "t3.micro" => 1024,
            "t3.small" => 2048,
            other => panic!("{other} is not played here"),
        };
        let at = |name: &str| folder.join(name).display().to_string();
        let cmdline = std::fs::read_to_string(at("cmdline")).unwrap();
        let volumes: String = self
            .volumes
            .keys()
            .map(|volume| self.disk(volume))
            .collect();
        // Each port takes one disk that comes while it runs.
        let port = |index| pci(index, "pcie-root-port");
        let ports: String = (1..=16).map(port).collect();
        let pci = pci(0, "pcie-root") + &ports;
        format!(
            "<domain type='qemu'><name>{id}</name><memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel>\
             <initrd>{initrd}</initrd><cmdline>{cmdline} console=ttyS0 mitigations=off tsc=reliable\
             </cmdline></os><features><acpi/><apic/><tcg><tb-cache unit='MiB'>256</tb-cache></tcg>\
             </features><cpu mode='custom' match='exact' check='none'>\
             <model fallback='forbid'>qemu64</model>{features}</cpu><clock offset='utc'/>\
             <on_poweroff>destroy</on_poweroff><devices>{pci}{root}{seed}{volumes}\
             <interface type='network'><mac address='{mac}'/><source network='ec2'/>\
             <model type='virtio'/></interface><serial type='pty'><log file='{log}' append='on'/>\
             </serial><memballoon model='none'/><rng model='virtio'>\
             <backend model='random'>/dev/urandom</backend></rng></devices></domain>",
            kernel = at("vmlinuz"),
            initrd = at("initrd.img"),
            cmdline = cmdline.trim(),
            features = features(),
            root = disk("qcow2", &at(&format!("{id}.root.qcow2")), "vda", ""),
            seed = disk("raw", &at(&format!("{id}.seed.img")), "vdb", "<readonly/>"),
            log = at(&format!("{id}.log")),
        )
    }

    /// A volume that it has.
    pub fn disk(&self, volume: &str) -> String {
        let place = self.volumes.keys().position(|known| known == volume);
        let letter = ('c'..='z').nth(place.expect("it has it")).unwrap();
        let file = self.volumes[volume].display().to_string();
        disk("qcow2", &file, &format!("vd{letter}"), &serial(volume))
    }
}

/// What the machine knows a volume by.
pub fn serial(volume: &str) -> String {
    format!("<serial>{}</serial>", volume.replace('-', ""))
}

fn pci(index: usize, model: &str) -> String {
    format!("<controller type='pci' index='{index}' model='{model}'/>")
}

fn disk(format: &str, file: &str, target: &str, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}' cache='writeback'/>\
         <source file='{file}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )
}

/// As machines on a host of ours have them.
fn features() -> String {
    let all = ["lahf_lm", "popcnt", "ssse3", "sse4.1", "sse4.2", "sha-ni"];
    all.map(|name| format!("<feature policy='require' name='{name}'/>"))
        .concat()
}
