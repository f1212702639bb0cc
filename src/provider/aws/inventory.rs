//! What is in a region: two listings in pages, side by side, the addresses, and our own security group.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::link::{Link, filter};
use super::seen::{Machine, Volume, device};
use super::{address, kind, machine, network, protect, request, volume};
use crate::model::{Inventory, LiveFields, LiveId, LiveMachine, LiveVolume, Object};

/// Looks at everything. A part that cannot be seen would look like something that is not there: so any
/// error is that of the whole.
pub async fn take(link: &Link) -> Result<Inventory, Fault> {
    let there = ["pending", "running", "stopping", "stopped"];
    let there = vec![filter("instance-state-name", there)];
    let (machines, volumes, requests, missing, addresses) = tokio::try_join!(
        machine::list(link, there),
        volume::list(link, Vec::new()),
        request::all(link),
        network::missing(link),
        async { Ok(address::list(link).await) },
    )?;
    let kinds = machines.iter().map(|machine| machine.kind.clone());
    kind::learn_undeclared(link, kinds.collect()).await?;
    let protected = protect::all(link, &machines).await?;
    let attached = by_machine(&volumes);
    let none = Vec::new();
    let left = request::left(link, requests, &machines);
    let mut objects = Vec::with_capacity(machines.len() + left.len() + volumes.len());
    for machine in machines {
        let its = attached.get(&machine.id).unwrap_or(&none);
        let is_protected = protected.contains(&machine.id);
        objects.extend(object(link, machine, its, is_protected));
    }
    drop(attached);
    objects.extend(left);
    objects.extend(volumes.into_iter().filter_map(volume_object));
    Ok(Inventory {
        provider: link.config.provider.clone(),
        objects,
        addresses,
        images: BTreeSet::new(),
        missing,
        free_memory_mib: None,
        // A `Name` is a tag like any other.
        has_unique_names: false,
        health: None,
        gaps: Vec::new(),
    })
}

/// One machine with its volumes, as it is now.
pub async fn one(link: &Link, id: &LiveId) -> Result<Option<Object>, Fault> {
    if request::is_one(id) {
        return request::one(link, id).await;
    }
    let Some(machine) = machine::find(link, id).await? else {
        return Ok(None);
    };
    let its = vec![filter("attachment.instance-id", [&id.0])];
    let volumes = volume::list(link, its).await?;
    kind::learn_undeclared(link, BTreeSet::from([machine.kind.clone()])).await?;
    let is_protected = protect::is_on(link, &machine).await?;
    let its: Vec<&Volume> = volumes.iter().collect();
    Ok(object(link, machine, &its, is_protected))
}

fn by_machine(volumes: &[Volume]) -> BTreeMap<LiveId, Vec<&Volume>> {
    let mut attached: BTreeMap<LiveId, Vec<&Volume>> = BTreeMap::new();
    for volume in volumes {
        for attachment in &volume.attachments {
            attached
                .entry(attachment.machine.clone())
                .or_default()
                .push(volume);
        }
    }
    attached
}

/// `None` when the machine is on its way out.
fn object(
    link: &Link,
    machine: Machine,
    attached: &[&Volume],
    is_protected: bool,
) -> Option<Object> {
    let (cpus, memory_mib) = kind::size(link, &machine.kind);
    let (power, about) = (machine.power()?, machine.about());
    let address = machine.address(link.config.reach);
    let devices = devices(&machine, attached);
    let is_data = |volume: &&&Volume| volume.stamp.is_some() && volume.is_on(&machine.id);
    let data = attached.iter().filter(is_data);
    let volumes = data.map(|volume| volume.id.clone()).collect();
    let (image, host_key, ready, is_begun, stamp) = match machine.mark {
        Some(mark) => (
            Some(mark.image),
            Some(mark.host_key),
            mark.ready,
            mark.is_begun,
            Some(mark.stamp),
        ),
        None => (None, None, None, false, None),
    };
    // EC2 protects none that it may take back itself.
    let may_be_protected = stamp.is_some() && !machine.is_spot;
    Some(Object {
        id: machine.id,
        name: machine.name,
        about,
        fields: LiveFields::Machine(LiveMachine {
            power,
            cpus,
            memory_mib,
            image,
            volumes,
            address,
            host_key,
            devices,
            ready,
            is_finished: !is_begun,
            is_protected: may_be_protected.then_some(is_protected),
            is_spot: machine.is_spot,
            bastion: link.config.bastion.clone(),
        }),
        stamp,
    })
}

/// Where the machine finds its data volumes, or what it has in their place.
fn devices(machine: &Machine, attached: &[&Volume]) -> BTreeMap<String, String> {
    let on = attached.iter().filter(|volume| volume.is_on(&machine.id));
    let data = on
        .clone()
        .filter_map(|volume| Some((volume.label()?.to_owned(), device(&volume.id))));
    let scratch = machine.mark.iter().flat_map(|mark| &mark.scratch);
    let in_place = scratch.filter_map(|(name, at)| {
        let is_it = |volume: &&&Volume| {
            let attachment = volume.attachment(&machine.id);
            volume.is_part && attachment.is_some_and(|attachment| attachment.device == *at)
        };
        let volume = on.clone().find(is_it)?;
        Some((name.clone(), device(&volume.id)))
    });
    let mut devices: BTreeMap<String, String> = in_place.collect();
    devices.extend(data);
    devices
}

/// `None` for what goes with its machine.
fn volume_object(volume: Volume) -> Option<Object> {
    let is_root = volume.stamp.is_none() && volume.is_part;
    (!is_root).then_some(Object {
        about: volume.about(),
        id: volume.id,
        name: volume.name,
        fields: LiveFields::Volume(LiveVolume {
            size_mib: volume.size_mib,
        }),
        stamp: volume.stamp,
    })
}
