//! How the systems that are known are made hypervisors: data, read from `systems.yaml`. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::facts::HostFacts;

/// A family of systems that are made hypervisors in one way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    pub family: String,
    /// `ID`s and `ID_LIKE`s of os-release.
    pub ids: Vec<String>,
    /// Reads the package sources anew.
    pub refresh: Vec<String>,
    /// What finishes an installation that was cut off, where the package manager does not by itself.
    #[serde(default)]
    pub repair: Vec<Vec<String>>,
    /// Installs the packages that follow.
    pub install: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// The file of further package sources.
    pub sources: String,
    packages: Vec<String>,
    architectures: BTreeMap<String, Vec<String>>,
    pub units: Vec<String>,
    pub daemons: Vec<String>,
}

/// Every system that is known.
#[must_use]
pub fn known() -> Vec<System> {
    serde_yaml::from_str(include_str!("systems.yaml")).expect("a test has read it")
}

impl System {
    /// The one that a machine runs.
    ///
    /// # Errors
    /// That it is not known, or not on such a processor, with the next move.
    pub fn of(facts: &HostFacts) -> Result<Self, String> {
        let known = known();
        let by = |id: &String| known.iter().find(|system| system.ids.contains(id));
        let found = by(&facts.system).or_else(|| facts.like.iter().find_map(by));
        let Some(system) = found else {
            let families: Vec<&str> = known.iter().map(|system| system.family.as_str()).collect();
            return Err(format!(
                "{} is no system that is made a hypervisor (those are: {}); install libvirt and QEMU \
                 there yourself and declare its `uri`",
                shown(facts),
                families.join("; ")
            ));
        };
        if !system.architectures.contains_key(&facts.architecture) {
            return Err(format!(
                "{} on `{}` is not made a hypervisor; declare a machine with one of: {}",
                shown(facts),
                facts.architecture,
                system
                    .architectures
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        Ok(system.clone())
    }

    /// What is installed on such a processor.
    #[must_use]
    pub fn packages(&self, architecture: &str) -> Vec<String> {
        let own = self.architectures.get(architecture).into_iter().flatten();
        self.packages.iter().chain(own).cloned().collect()
    }
}

fn shown(facts: &HostFacts) -> &str {
    match facts.release.as_str() {
        "" => &facts.system,
        release => release,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(system: &str, like: &[&str]) -> HostFacts {
        HostFacts {
            system: system.to_owned(),
            like: like.iter().map(|word| (*word).to_owned()).collect(),
            architecture: "x86_64".to_owned(),
            ..HostFacts::default()
        }
    }

    #[test]
    fn systems_are_recognised_by_their_name_or_by_whom_they_are_like() {
        let family = |facts: &HostFacts| System::of(facts).map(|system| system.family);
        assert_eq!(family(&facts("debian", &[])).unwrap(), "Debian and Ubuntu");
        let mint = facts("linuxmint", &["ubuntu", "debian"]);
        assert_eq!(family(&mint).unwrap(), "Debian and Ubuntu");
        let alma = facts("almalinux", &["rhel", "centos", "fedora"]);
        assert_eq!(family(&alma).unwrap(), "Fedora and RHEL");
        let leap = facts("opensuse-leap", &["suse", "opensuse"]);
        assert_eq!(family(&leap).unwrap(), "openSUSE and SLES");
    }

    #[test]
    fn a_system_that_is_not_known_is_refused_with_a_next_move() {
        let error = System::of(&facts("plan9", &[])).unwrap_err();
        assert!(error.contains("declare its `uri`"), "{error}");
        let mut old = facts("debian", &[]);
        old.architecture = "i686".to_owned();
        let error = System::of(&old).unwrap_err();
        assert!(error.contains("`i686`"), "{error}");
    }

    #[test]
    fn every_known_system_says_everything() {
        for system in known() {
            for architecture in system.architectures.keys() {
                assert!(system.packages(architecture).len() > 1, "{}", system.family);
            }
            for list in [
                &system.refresh,
                &system.install,
                &system.units,
                &system.daemons,
            ] {
                assert!(!list.is_empty(), "{}", system.family);
            }
        }
    }
}
