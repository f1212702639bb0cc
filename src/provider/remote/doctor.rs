//! What a person wants to know of a machine that is, or should be, a hypervisor. Pure.

use serde::Serialize;

use super::RemoteConfig;
use super::facts::{DAEMONS, HostFacts};
use super::ready::{Readiness, lacking, readiness};
use super::system::System;
use crate::model::Part;
use crate::model::health::Ailment;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub state: State,
    pub said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// It is not there, and is made by the first sync that needs it.
    WillBeMade,
    /// It works, and may not for long.
    Warning,
    /// Somebody has to see to it.
    Bad,
}

/// Everything that was looked at, in the order in which it matters.
#[must_use]
pub fn checks(facts: &HostFacts, config: &RemoteConfig) -> Vec<Check> {
    let readiness = readiness(facts, config);
    let mut checks = vec![
        good("access", "we log in and become root".to_owned()),
        system(facts),
        virtualisation(facts, config),
        software(facts, &readiness),
        libvirt(facts, &readiness),
        disk(facts, config),
        memory(facts),
        clock(facts),
    ];
    if let Readiness::Unfit(reason) = readiness
        && checks.iter().all(|check| check.state != State::Bad)
    {
        checks.push(bad("data", reason));
    }
    checks
}

fn system(facts: &HostFacts) -> Check {
    match System::of(facts) {
        Ok(system) => good(
            "system",
            format!(
                "{} on {}, made ready as {}",
                facts.release, facts.architecture, system.family
            ),
        ),
        // One that somebody else has made a hypervisor needs no more.
        Err(_) if facts.has_libvirt() && lacking(facts).is_empty() => good(
            "system",
            format!("{} on {}", facts.release, facts.architecture),
        ),
        Err(reason) => bad("system", reason),
    }
}

fn virtualisation(facts: &HostFacts, config: &RemoteConfig) -> Check {
    let what = "virtualisation";
    match (
        facts.has_kvm,
        super::ready::no_virtualisation(facts, config),
    ) {
        (true, _) => good(what, "KVM".to_owned()),
        (false, None) => warning(
            what,
            "none; machines are emulated, as is declared".to_owned(),
        ),
        (false, Some(reason)) => bad(what, reason),
    }
}

fn software(facts: &HostFacts, readiness: &Readiness) -> Check {
    let what = "software";
    let lacking = lacking(facts).join(", ");
    match (lacking.is_empty(), readiness) {
        (true, _) => good(what, "libvirt, QEMU and what they need".to_owned()),
        (false, Readiness::Lacks(parts)) => {
            let packages = parts.iter().find(|part| matches!(part, Part::Packages(_)));
            let names = packages.map_or(String::new(), |part| format!(", by {part}"));
            will(what, format!("{lacking}{names}"))
        }
        (false, _) => bad(what, format!("it lacks {lacking}")),
    }
}

fn libvirt(facts: &HostFacts, readiness: &Readiness) -> Check {
    let running = DAEMONS
        .into_iter()
        .find(|daemon| facts.daemons.contains(*daemon));
    match (running, readiness) {
        (Some(daemon), _) => good("libvirt", format!("{daemon} answers")),
        (None, Readiness::Lacks(_)) => will("libvirt", "it does not run".to_owned()),
        (None, _) => bad("libvirt", "it does not run".to_owned()),
    }
}

fn disk(facts: &HostFacts, config: &RemoteConfig) -> Check {
    let said = format!(
        "{} of {} GiB are free for {}",
        facts.free_mib >> 10,
        facts.disk_mib >> 10,
        config.pool_path
    );
    match warned(facts, Ailment::Room) {
        Some(warned) => warning("disk", format!("{said}: {warned}")),
        None => good("disk", said),
    }
}

fn memory(facts: &HostFacts) -> Check {
    let said = format!(
        "{} of {} MiB are free, {} processors, load {}.{:02}",
        facts.available_mib,
        facts.memory_mib,
        facts.cpus,
        facts.load_centi / 100,
        facts.load_centi % 100
    );
    good("memory", said)
}

fn clock(facts: &HostFacts) -> Check {
    match warned(facts, Ailment::Clock) {
        Some(warned) => warning("clock", warned),
        None => good("clock", "as ours".to_owned()),
    }
}

/// What is told of it wherever hosts are shown.
fn warned(facts: &HostFacts, about: Ailment) -> Option<String> {
    let warnings = facts.health().warnings().into_iter();
    let mut about = warnings.filter(|warning| warning.about == about);
    about.next().map(|warning| warning.said)
}

fn good(what: &'static str, said: String) -> Check {
    check(what, State::Good, said)
}

fn will(what: &'static str, said: String) -> Check {
    check(what, State::WillBeMade, said)
}

fn warning(what: &'static str, said: String) -> Check {
    check(what, State::Warning, said)
}

fn bad(what: &'static str, said: String) -> Check {
    check(what, State::Bad, said)
}

fn check(what: &'static str, state: State, said: String) -> Check {
    Check { what, state, said }
}
