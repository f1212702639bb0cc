//! What a machine lacks to be a hypervisor, and whether it can be one. Pure.

use std::collections::BTreeSet;

use super::RemoteConfig;
use super::facts::{DAEMONS, HostFacts};
use super::system::System;
use crate::model::Part;

/// How far a machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// libvirt answers there.
    Ready,
    /// These are made first, in their order; nothing of ours is there yet.
    Lacks(BTreeSet<Part>),
    /// It is not made a hypervisor, for this reason and with this next move.
    Unfit(String),
}

/// The programs without which nothing goes.
const TOOLS: [&str; 4] = ["virt-ssh-helper", "qemu-img", "qemu", "dnsmasq"];

/// What a machine lacks.
#[must_use]
pub fn readiness(facts: &HostFacts, config: &RemoteConfig) -> Readiness {
    if let Some(reason) = no_virtualisation(facts, config) {
        return Readiness::Unfit(reason);
    }
    let lacking = lacking(facts);
    if lacking.is_empty() && facts.has_libvirt() {
        return Readiness::Ready;
    }
    // Somebody has taken libvirt away under machines of ours: nothing is decided about those.
    if let Some(volume) = facts.data.first() {
        return Readiness::Unfit(format!(
            "libvirt does not run, and there is data of ours ({volume}); start or install it there \
             again"
        ));
    }
    let system = match System::of(facts) {
        Ok(system) => system,
        Err(reason) => return Readiness::Unfit(reason),
    };
    if !lacking.is_empty() && !config.installs {
        return Readiness::Unfit(format!(
            "it lacks {}, and `packages.install` is `never`; install them there: {}",
            lacking.join(", "),
            system.packages(&facts.architecture).join(" ")
        ));
    }
    let packages = system.packages(&facts.architecture);
    let packages = (!lacking.is_empty()).then_some(Part::Packages(packages));
    let daemon = system.daemons.last().cloned().unwrap_or_default();
    let own = [
        config.makes_pool.then(|| Part::Pool(config.pool.clone())),
        config
            .makes_network
            .then(|| Part::Network(config.network.clone())),
    ];
    let parts = [packages, Some(Part::Service(daemon))]
        .into_iter()
        .chain(own);
    Readiness::Lacks(parts.flatten().collect())
}

/// The programs that are not there.
pub fn lacking(facts: &HostFacts) -> Vec<&'static str> {
    let is_missing = |tool: &&str| !facts.tools.contains(*tool);
    let mut lacking: Vec<&str> = TOOLS.into_iter().filter(is_missing).collect();
    if !DAEMONS.iter().any(|daemon| facts.tools.contains(*daemon)) {
        lacking.push("libvirt");
    }
    lacking
}

pub fn no_virtualisation(facts: &HostFacts, config: &RemoteConfig) -> Option<String> {
    if facts.has_kvm || config.may_emulate {
        return None;
    }
    let why = match (facts.virtualises, facts.is_virtual) {
        (true, _) => {
            "its processors virtualise, but `/dev/kvm` is not there; load the module `kvm_intel` or `kvm_amd`"
        }
        (false, true) => {
            "it is a virtual machine without nested virtualisation; switch that on where it runs"
        }
        (false, false) => {
            "its processors do not virtualise; switch VT-x or AMD-V on in its firmware"
        }
    };
    Some(format!(
        "{why}, or allow emulation with `accelerator: emulation`, which is slow"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bastion, ProviderName};

    fn config() -> RemoteConfig {
        RemoteConfig {
            provider: ProviderName::parse("idc-1").unwrap(),
            host: Bastion {
                address: "192.0.2.10".to_owned(),
                port: 22,
                user: "admin".to_owned(),
                key: None,
                host_key: String::new(),
                through: None,
            },
            may_emulate: false,
            installs: true,
            sources: Vec::new(),
            pool: "metrom".to_owned(),
            pool_path: "/var/lib/libvirt/metrom".to_owned(),
            makes_pool: true,
            network: "metrom".to_owned(),
            makes_network: true,
        }
    }

    fn bare() -> HostFacts {
        HostFacts {
            system: "debian".to_owned(),
            architecture: "x86_64".to_owned(),
            has_kvm: true,
            ..HostFacts::default()
        }
    }

    fn finished() -> HostFacts {
        let tools = ["virt-ssh-helper", "qemu-img", "qemu", "dnsmasq", "libvirtd"];
        HostFacts {
            tools: tools.map(str::to_owned).into(),
            daemons: BTreeSet::from(["libvirtd".to_owned()]),
            ..bare()
        }
    }

    fn said(readiness: &Readiness) -> String {
        match readiness {
            Readiness::Ready => "ready".to_owned(),
            Readiness::Unfit(reason) => reason.clone(),
            Readiness::Lacks(parts) => {
                let parts: Vec<String> = parts.iter().map(Part::making).collect();
                parts.join(", then ")
            }
        }
    }

    #[test]
    fn a_bare_machine_lacks_everything_in_the_order_in_which_it_is_made() {
        let said = said(&readiness(&bare(), &config()));
        assert!(
            said.starts_with("install packages libvirt-daemon-system"),
            "{said}"
        );
        assert!(
            said.ends_with(
                "then start service libvirtd, then create pool metrom, then create network metrom"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_finished_one_lacks_nothing() {
        assert_eq!(readiness(&finished(), &config()), Readiness::Ready);
    }

    #[test]
    fn a_daemon_that_has_ended_is_started_and_nothing_is_installed() {
        let mut facts = finished();
        facts.daemons.clear();
        let said = said(&readiness(&facts, &config()));
        assert!(said.starts_with("start service libvirtd"), "{said}");
    }

    #[test]
    fn what_lacks_libvirt_and_has_data_of_ours_is_not_taken_for_empty() {
        let mut facts = bare();
        facts
            .data
            .insert("metrom-web.data.acme.1.data.qcow2".to_owned());
        let readiness = readiness(&facts, &config());
        assert!(matches!(&readiness, Readiness::Unfit(_)), "{readiness:?}");
        assert!(
            said(&readiness).contains("metrom-web.data"),
            "{readiness:?}"
        );
    }

    #[test]
    fn without_virtualisation_a_machine_is_refused_unless_emulation_is_allowed() {
        let mut facts = HostFacts {
            has_kvm: false,
            ..finished()
        };
        assert!(said(&readiness(&facts, &config())).contains("firmware"));
        facts.is_virtual = true;
        assert!(said(&readiness(&facts, &config())).contains("nested"));
        facts.virtualises = true;
        assert!(said(&readiness(&facts, &config())).contains("module"));
        let allowed = RemoteConfig {
            may_emulate: true,
            ..config()
        };
        assert_eq!(readiness(&facts, &allowed), Readiness::Ready);
    }

    #[test]
    fn where_nothing_may_be_installed_what_is_missing_is_told() {
        let config = RemoteConfig {
            installs: false,
            ..config()
        };
        let said = said(&readiness(&bare(), &config));
        assert!(
            said.contains("install them there: libvirt-daemon-system"),
            "{said}"
        );
        assert_eq!(readiness(&finished(), &config), Readiness::Ready);
    }
}
