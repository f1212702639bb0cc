//! Instance types: which one a machine gets, and what AWS says of it.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{ArchitectureType, EbsNvmeSupport, InstanceTypeInfo};

use super::answer::look;
use super::config::InstanceType;
use super::fault::Fault;
use super::link::{Link, filter};

/// EC2 takes so many values in one filter.
const MOST: usize = 200;

/// What AWS says of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub cpus: u32,
    pub memory_mib: u64,
    /// Whether it shows volumes by their ids, as those on Nitro do.
    pub shows_volumes: bool,
    pub architectures: Vec<ArchitectureType>,
}

/// The declared types that are just so large, the preferred first; there is at least one.
///
/// # Errors
/// [`Fault::Refused`] when there is none.
pub fn choices(types: &[InstanceType], cpus: u32, memory_mib: u64) -> Result<Vec<&str>, Fault> {
    let is_it = |kind: &&InstanceType| kind.cpus == cpus && kind.memory_mib == memory_mib;
    let kinds = types.iter().filter(is_it).map(|kind| kind.name.as_str());
    let kinds: Vec<&str> = kinds.collect();
    if kinds.is_empty() {
        return Err(Fault::Refused(format!(
            "no type is declared with {cpus} cpus and {memory_mib} MiB of memory; add one to \
             `types` of the cloud"
        )));
    }
    Ok(kinds)
}

/// What AWS says of a type that a machine of ours is to have.
///
/// # Errors
/// [`Fault::Refused`] when the region has no such type, or it does not show volumes by their ids.
pub async fn usable(link: &Link, kind: &str) -> Result<Facts, Fault> {
    learn(link, BTreeSet::from([kind.to_owned()])).await?;
    let facts = link.types().get(kind).cloned();
    match facts {
        None => Err(Fault::Refused(format!(
            "{} has no type `{kind}`; look at `types` of the cloud",
            link.config.region
        ))),
        Some(facts) if !facts.shows_volumes => Err(Fault::Refused(format!(
            "`{kind}` is not built on Nitro, and a machine of it could not tell its volumes apart; \
             declare a newer type"
        ))),
        Some(facts) => Ok(facts),
    }
}

/// Virtual processors and memory in MiB: as declared, or else as AWS says; zero when nobody knows
/// the type, which can only be that of a foreign machine.
#[must_use]
pub fn size(link: &Link, kind: &str) -> (u32, u64) {
    let declared = link.config.types.iter().find(|known| known.name == kind);
    if let Some(declared) = declared {
        return (declared.cpus, declared.memory_mib);
    }
    let types = link.types();
    types
        .get(kind)
        .map_or((0, 0), |facts| (facts.cpus, facts.memory_mib))
}

/// Asks AWS about those of the types that are not declared and that it was not asked about yet.
pub async fn learn_undeclared(link: &Link, mut kinds: BTreeSet<String>) -> Result<(), Fault> {
    kinds.retain(|kind| !link.config.types.iter().any(|known| known.name == *kind));
    learn(link, kinds).await
}

async fn learn(link: &Link, mut kinds: BTreeSet<String>) -> Result<(), Fault> {
    kinds.retain(|kind| !link.types().contains_key(kind));
    let unknown: Vec<String> = kinds.into_iter().collect();
    for some in unknown.chunks(MOST) {
        // Asked by its name, one that is not there would spoil the answer for all the others.
        let asked = link.ec2.describe_instance_types();
        let asked = asked.filters(filter("instance-type", some));
        let mut pages = asked.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(look)?;
            link.types()
                .extend(page.instance_types().iter().filter_map(facts));
        }
    }
    Ok(())
}

fn facts(info: &InstanceTypeInfo) -> Option<(String, Facts)> {
    let cpus = info.v_cpu_info().and_then(|cpu| cpu.default_v_cpus());
    let memory = info.memory_info().and_then(|memory| memory.size_in_mib());
    let nvme = info.ebs_info().and_then(|ebs| ebs.nvme_support());
    let processor = info.processor_info();
    let architectures = processor.map(|processor| processor.supported_architectures());
    Some((
        info.instance_type()?.to_string(),
        Facts {
            cpus: u32::try_from(cpus?).ok()?,
            memory_mib: u64::try_from(memory?).ok()?,
            shows_volumes: nvme.is_some_and(|nvme| *nvme != EbsNvmeSupport::Unsupported),
            architectures: architectures.unwrap_or_default().to_vec(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_just_the_size_are_taken_in_the_declared_order() {
        let kind = |name: &str, cpus, memory_mib| InstanceType {
            name: name.to_owned(),
            cpus,
            memory_mib,
        };
        let types = [
            kind("t3.small", 2, 2048),
            kind("t3a.medium", 2, 4096),
            kind("t3.medium", 2, 4096),
        ];
        let same = choices(&types, 2, 4096).unwrap();
        assert_eq!(same, ["t3a.medium", "t3.medium"]);
        let none = choices(&types, 4, 4096).unwrap_err().words();
        assert!(none.contains("4 cpus and 4096 MiB"), "{none}");
    }
}
