//! What a machine says of itself, before it is anything of ours. Pure.

use std::collections::BTreeSet;

use crate::model::{HostHealth, Space};

/// What a machine is and has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// `ID` of its os-release.
    pub system: String,
    /// `ID_LIKE` of it.
    pub like: Vec<String>,
    /// `PRETTY_NAME` of it.
    pub release: String,
    /// As `uname -m` says it.
    pub architecture: String,
    pub kernel: String,
    pub cpus: u32,
    pub memory_mib: u64,
    /// Of that, what the kernel could give out.
    pub available_mib: u64,
    /// The mean length of its run queue over the last minute, in hundredths.
    pub load_centi: u64,
    /// Its clock, in seconds since 1970.
    pub clock_s: i64,
    /// So far it is ahead of ours, in seconds.
    pub skew_s: i64,
    pub has_systemd: bool,
    /// `/dev/kvm` is there.
    pub has_kvm: bool,
    /// Its processors say that they virtualise.
    pub virtualises: bool,
    /// It is a virtual machine itself.
    pub is_virtual: bool,
    /// The programs that are there, of those that are needed.
    pub tools: BTreeSet<String>,
    /// The daemons of libvirt that run, or that systemd starts when they are called.
    pub daemons: BTreeSet<String>,
    /// The file system in which the pool lies, or will lie.
    pub disk_mib: u64,
    pub free_mib: u64,
    /// Data volumes that lie in the pool's folder, whether libvirt is there or not.
    pub data: BTreeSet<String>,
}

impl HostFacts {
    /// Reads what the script `facts` printed. A line that is not understood says nothing.
    ///
    /// # Errors
    /// What is missing of what everything else rests on.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut facts = Self::default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('\t') {
                facts.take(name, value.trim());
            }
        }
        for (is_there, what) in [
            (
                !facts.system.is_empty(),
                "which system it runs (os-release)",
            ),
            (facts.memory_mib > 0, "how much memory it has"),
            (facts.cpus > 0, "how many processors it has"),
        ] {
            if !is_there {
                return Err(format!("it does not tell {what}"));
            }
        }
        Ok(facts)
    }

    fn take(&mut self, name: &str, value: &str) {
        let mib = || value.parse::<u64>().map_or(0, |kib| kib >> 10);
        match name {
            "system" => self.system = value.to_owned(),
            "like" => self.like = value.split_whitespace().map(str::to_owned).collect(),
            "release" => self.release = value.to_owned(),
            "architecture" => self.architecture = value.to_owned(),
            "kernel" => self.kernel = value.to_owned(),
            "cpus" => self.cpus = value.parse().unwrap_or_default(),
            "memory" => self.memory_mib = mib(),
            "available" => self.available_mib = mib(),
            "load" => self.load_centi = centi(value),
            "clock" => self.clock_s = value.parse().unwrap_or_default(),
            "systemd" => self.has_systemd = true,
            "kvm" => self.has_kvm = true,
            "virtualises" => self.virtualises = true,
            "virtual" => self.is_virtual = true,
            "tool" => drop(self.tools.insert(value.to_owned())),
            "daemon" => drop(self.daemons.insert(value.to_owned())),
            "disk" => self.disk_mib = mib(),
            "free" => self.free_mib = mib(),
            "data" => drop(self.data.insert(value.to_owned())),
            _ => {}
        }
    }

    /// How it is, as far as it says without libvirt.
    #[must_use]
    pub fn health(&self) -> HostHealth {
        let disk = Space {
            size_mib: self.disk_mib,
            free_mib: self.free_mib,
        };
        HostHealth {
            cpus: Some(self.cpus),
            load_centi: Some(self.load_centi),
            memory_mib: Some(self.memory_mib),
            available_mib: Some(self.available_mib),
            disk: (self.disk_mib > 0).then_some(disk),
            skew_s: Some(self.skew_s),
            ..HostHealth::default()
        }
    }

    /// Whether libvirt answers, or is started when it is called.
    #[must_use]
    pub fn has_libvirt(&self) -> bool {
        DAEMONS.iter().any(|daemon| self.daemons.contains(*daemon))
    }
}

/// The daemons that speak for QEMU: all in one, or one of several.
pub const DAEMONS: [&str; 2] = ["libvirtd", "virtqemud"];

/// `0.42` is 42.
fn centi(value: &str) -> u64 {
    let (whole, rest) = value.split_once('.').unwrap_or((value, "0"));
    let rest: String = rest.chars().chain("00".chars()).take(2).collect();
    let number = |digits: &str| digits.parse::<u64>().unwrap_or_default();
    number(whole)
        .saturating_mul(100)
        .saturating_add(number(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_prints_is_read_and_noise_is_not() {
        let text = "Welcome to idc-1\nsystem\tdebian\nlike\t\nrelease\tDebian GNU/Linux 13 (trixie)\n\
                    cpus\t8\nmemory\t16777216\navailable\t8388608\nload\t0.7\nkvm\tyes\n\
                    tool\tqemu-img\ntool\tlibvirtd\nfree\t2048\nunheard\tof\n";
        let facts = HostFacts::parse(text).unwrap();
        assert_eq!(facts.system, "debian");
        assert_eq!((facts.cpus, facts.memory_mib), (8, 16384));
        assert_eq!(facts.load_centi, 70);
        assert!(facts.has_kvm && !facts.has_systemd && !facts.has_libvirt());
        assert_eq!(facts.tools.len(), 2);
    }

    #[test]
    fn a_machine_that_does_not_say_what_it_is_is_not_guessed() {
        let error = HostFacts::parse("cpus\t8\nmemory\t1024000\n").unwrap_err();
        assert!(error.contains("which system"), "{error}");
        assert!(HostFacts::parse("").is_err());
        assert!(HostFacts::parse("system\tdebian\ncpus\t8\nmemory\tplenty\n").is_err());
    }
}
