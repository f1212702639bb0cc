//! What is on a host: one pass, one call per kind of object and one per machine or data volume.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::storage_pool::{StoragePool, StoragePoolInfo};
use virt::storage_vol::StorageVol;
use virt::sys;

use super::LibvirtConfig;
use super::domain::Seen;
use super::fault::{Fault, found, is_absence};
use super::name::{self, DataVolume, ImageVolumes};
use super::prepare::{self, Standing};
use super::storage::{self, Described, MIB};
use super::xml::Node;
use super::{disk, kvm, leases};
use crate::model::{
    About, Gap, HostHealth, Inventory, LiveFields, LiveId, LiveMachine, LiveVolume, Object, Part,
    Power, Scope, Space,
};

/// Looks at everything. What cannot be seen is a gap; an error is a host that cannot be asked.
pub fn take(conn: &Connect, config: &LibvirtConfig) -> Result<Inventory, Fault> {
    let mut look = Look {
        conn,
        config,
        inventory: Inventory {
            provider: config.provider.clone(),
            objects: Vec::new(),
            // Those of its networks are the machines' own.
            addresses: Ok(Vec::new()),
            images: BTreeSet::new(),
            missing: BTreeSet::new(),
            free_memory_mib: None,
            has_unique_names: true,
            health: Some(HostHealth::default()),
            gaps: Vec::new(),
        },
        leases: BTreeMap::new(),
        holders: BTreeMap::new(),
    };
    look.machines()?;
    look.memory();
    look.network()?;
    look.pool()?;
    Ok(look.inventory)
}

/// One machine with its address, as it is now.
pub fn machine(conn: &Connect, config: &LibvirtConfig, domain: &Domain) -> Result<Object, Fault> {
    let mut look = Look {
        conn,
        config,
        inventory: Inventory::unreachable(config.provider.clone(), String::new()),
        leases: BTreeMap::new(),
        holders: BTreeMap::new(),
    };
    let uuid = domain.uuid()?;
    let seen = Seen::of(&Node::parse(&domain.xml_desc(0)?)?, uuid);
    let power = match domain.is_active()? {
        false => Power::Stopped,
        true if is_paused(domain)? => Power::Paused,
        true => Power::Running,
    };
    Ok(Object {
        id: LiveId(uuid.to_string()),
        name: domain.name()?,
        fields: LiveFields::Machine(look.live(domain, &seen, power)),
        about: about(&seen),
        stamp: seen.mark.map(|mark| mark.stamp),
    })
}

struct Look<'a> {
    conn: &'a Connect,
    config: &'a LibvirtConfig,
    inventory: Inventory,
    /// Addresses by hardware address, of each network asked so far.
    leases: BTreeMap<String, BTreeMap<String, IpAddr>>,
    /// Which machine has a file.
    holders: BTreeMap<String, LiveId>,
}

impl Look<'_> {
    fn machines(&mut self) -> Result<(), Fault> {
        let paused = self
            .conn
            .list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_PAUSED)?;
        let paused: BTreeSet<Uuid> = paused.iter().filter_map(|d| d.uuid().ok()).collect();
        for domain in self.conn.list_all_domains(0)? {
            let (name, uuid) = (domain.name()?, domain.uuid()?);
            if kvm::is_trial(&name) {
                continue;
            }
            // The list tells whether it runs; asking each one would be another round trip.
            let power = match domain.id() {
                None => Power::Stopped,
                Some(_) if paused.contains(&uuid) => Power::Paused,
                Some(_) => Power::Running,
            };
            match self.machine(&domain, uuid, power) {
                Ok(Some(object)) => self.inventory.objects.push(Object { name, ..object }),
                Ok(None) => {}
                Err(fault) => self.gap(format!("machine `{name}`"), fault),
            }
        }
        Ok(())
    }

    /// `None` when it has gone since it was listed.
    fn machine(
        &mut self,
        domain: &Domain,
        uuid: Uuid,
        power: Power,
    ) -> Result<Option<Object>, Fault> {
        let Some(xml) = found(domain.xml_desc(0))? else {
            return Ok(None);
        };
        let seen = Seen::of(&Node::parse(&xml)?, uuid);
        let id = LiveId(uuid.to_string());
        let disks = seen.disks.iter().map(|path| (path.clone(), id.clone()));
        self.holders.extend(disks);
        Ok(Some(Object {
            id,
            name: String::new(),
            fields: LiveFields::Machine(self.live(domain, &seen, power)),
            about: about(&seen),
            stamp: seen.mark.map(|mark| mark.stamp),
        }))
    }

    fn live(&mut self, domain: &Domain, seen: &Seen, power: Power) -> LiveMachine {
        let mark = seen.mark.as_ref();
        // To us, who can only reach it over the network, it stands still.
        let power = match power {
            Power::Running if mark.is_some() && seen.is_cut_off => Power::Paused,
            power => power,
        };
        LiveMachine {
            power,
            cpus: seen.cpus,
            memory_mib: seen.memory_mib,
            image: mark.map(|mark| mark.image.clone()),
            volumes: seen
                .data_volumes()
                .map(|path| LiveId(path.clone()))
                .collect(),
            // A lease of a machine that is off means nothing.
            address: match power {
                Power::Running => self.address(domain, seen),
                Power::Paused | Power::Stopped => None,
            },
            host_key: mark.map(|mark| mark.host_key.clone()),
            devices: seen
                .data_volumes()
                .filter_map(|path| DataVolume::parse(disk::file_name(path)))
                .map(|data| (data.volume.clone(), name::device(&data.volume)))
                .collect(),
            ready: mark.and_then(|mark| mark.ready.clone()),
            is_finished: true, // a domain is made with its disks
            is_protected: None,
            is_spot: false,
            bastion: self.config.bastion.clone(),
        }
    }

    fn address(&mut self, domain: &Domain, seen: &Seen) -> Option<IpAddr> {
        for (mac, network) in &seen.interfaces {
            let Some(network) = network else { continue };
            if let Some(address) = self.leases(network).get(&mac.to_ascii_lowercase()) {
                return Some(*address);
            }
        }
        // A bridge of the user's own has no leases that libvirt knows; the guest may say it. Only ours is
        // asked: another one's may hang.
        let may_ask = seen.has_agent && seen.mark.is_some();
        may_ask.then(|| by_agent(domain, seen)).flatten()
    }

    fn leases(&mut self, network: &str) -> &BTreeMap<String, IpAddr> {
        let conn = self.conn;
        self.leases.entry(network.to_owned()).or_insert_with(|| {
            // A machine without an address is waited for, which is right for one we cannot ask.
            let network = conn.lookup_network_by_name(network);
            network
                .and_then(|network| leases::addresses(&network))
                .unwrap_or_default()
        })
    }

    /// What the running machines leave of the host's memory, whoever they belong to: what they may
    /// take, not what they take just now.
    fn memory(&mut self) {
        // A driver that does not know is no gap.
        let Ok(host) = self.conn.node_info() else {
            return;
        };
        let health = self.inventory.health.get_or_insert_default();
        health.cpus = Some(host.cpus);
        health.memory_mib = Some(host.memory >> 10);
        health.libvirt = self.conn.lib_version().ok().map(version);
        let machines = self.inventory.objects.iter();
        let taken = machines
            .filter_map(|object| object.fields.as_machine())
            .filter(|machine| machine.power != Power::Stopped)
            .fold(0_u64, |sum, machine| sum.saturating_add(machine.memory_mib));
        // It is told in KiB.
        self.inventory.free_memory_mib = Some((host.memory >> 10).saturating_sub(taken));
    }

    fn network(&mut self) -> Result<(), Fault> {
        let network = &self.config.network;
        match prepare::network_standing(self.conn, network)? {
            Standing::Active => {}
            Standing::Inactive => self.missing(Part::Network(network.name.clone())),
            Standing::Absent if network.subnet.is_some() => {
                self.missing(Part::Network(network.name.clone()));
            }
            Standing::Absent => {
                let name = &network.name;
                self.inventory.gaps.push(self.gap_of(format!(
                    "the network `{name}` is not there; define it in libvirt, or declare `network.subnet` to have it made"
                )));
            }
        }
        Ok(())
    }

    fn pool(&mut self) -> Result<(), Fault> {
        let pool = &self.config.pool;
        let standing = prepare::pool_standing(self.conn, pool)?;
        let next = match standing {
            Standing::Active => return self.volumes(),
            Standing::Inactive => format!("start it with `virsh pool-start {}`", pool.name),
            Standing::Absent => {
                "define it in libvirt, or declare `pool.path` to have it made".to_owned()
            }
        };
        if pool.path.is_some() {
            self.missing(Part::Pool(pool.name.clone()));
        }
        // Volumes of these machines may lie in there: nothing is decided without seeing them.
        let has_machines = self.inventory.objects.iter().any(|o| o.stamp.is_some());
        if has_machines || pool.path.is_none() {
            let name = &pool.name;
            self.inventory
                .gaps
                .push(self.gap_of(format!("the storage pool `{name}` is not active; {next}")));
        }
        Ok(())
    }

    fn volumes(&mut self) -> Result<(), Fault> {
        let pool = storage::pool(self.conn, &self.config.pool)?;
        self.inventory.health.get_or_insert_default().pool = pool.info().ok().as_ref().map(space);
        let mut volumes = BTreeMap::new();
        for volume in pool.list_all_volumes(0)? {
            volumes.insert(volume.name()?, volume);
        }
        let names: BTreeSet<String> = volumes.keys().cloned().collect();
        for (name, volume) in volumes {
            let is_half = names.contains(&name::copying(&name));
            if !name::is_part(&name) && !is_half {
                match self.volume(&pool, &volume, &name) {
                    Ok(object) => self.inventory.objects.extend(object),
                    Err(fault) => self.gap(format!("volume `{name}`"), fault),
                }
            }
        }
        let complete = names.iter().filter_map(|name| name::completed_image(name));
        let complete = complete.filter(|id| names.contains(&ImageVolumes(id).disk()));
        self.inventory.images = complete.map(str::to_owned).collect();
        Ok(())
    }

    /// `None` when it has gone since it was listed.
    fn volume(
        &self,
        pool: &StoragePool,
        volume: &StorageVol,
        name: &str,
    ) -> Result<Option<Object>, Fault> {
        let described = match volume.xml_desc(0) {
            Ok(xml) => Described::of(&Node::parse(&xml)?),
            Err(error) if has_gone(pool, name, &error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let id = volume.key()?;
        Ok(Some(Object {
            name: name.to_owned(),
            fields: LiveFields::Volume(LiveVolume {
                size_mib: described.capacity / MIB,
            }),
            about: About {
                type_name: described.format,
                made: described.made,
                holder: self.holders.get(&id).cloned(),
            },
            id: LiveId(id),
            stamp: DataVolume::parse(name).and_then(|volume| volume.stamp()),
        }))
    }

    fn missing(&mut self, part: Part) {
        self.inventory.missing.insert(part);
    }

    fn gap(&mut self, what: String, fault: Fault) {
        let reason = fault.explain(&self.config.provider, &format!("look at {what}"));
        self.inventory.gaps.push(self.gap_of(reason.to_string()));
    }

    fn gap_of(&self, reason: String) -> Gap {
        Gap {
            scope: Scope::Provider(self.config.provider.clone()),
            reason,
        }
    }
}

/// libvirt does not know when a machine was made.
fn about(seen: &Seen) -> About {
    About {
        type_name: seen.kind.clone(),
        ..About::default()
    }
}

/// What libvirt writes as one number, `11003000`, is `11.3.0`.
fn version(number: u32) -> String {
    let (major, minor, release) = (number / 1_000_000, number / 1000 % 1000, number % 1000);
    format!("{major}.{minor}.{release}")
}

fn space(pool: &StoragePoolInfo) -> Space {
    Space {
        size_mib: pool.capacity / MIB,
        free_mib: pool.available / MIB,
    }
}

/// Whether the file was removed behind libvirt's back: it is gone once the pool has looked again.
fn has_gone(pool: &StoragePool, name: &str, error: &Error) -> bool {
    is_absence(error)
        || (pool.refresh(0).is_ok() && storage::find(pool, name).is_ok_and(|v| v.is_none()))
}

/// Whether its processors stand still, by hand or because its disk is full.
pub fn is_paused(domain: &Domain) -> Result<bool, Fault> {
    let (state, _) = domain.state()?;
    Ok(state.is(virt::domain::DomainState::Paused))
}

/// The first address that the guest's own agent reports for one of the machine's interfaces.
fn by_agent(domain: &Domain, seen: &Seen) -> Option<IpAddr> {
    let source = sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT;
    let interfaces = domain.interface_addresses(source, 0).ok()?;
    let is_ours = |hwaddr: &Option<String>| {
        let known = |mac: &str| {
            seen.interfaces
                .iter()
                .any(|(ours, _)| ours.eq_ignore_ascii_case(mac))
        };
        hwaddr.as_deref().is_some_and(known)
    };
    let ours = interfaces.into_iter().filter(|i| is_ours(&i.hwaddr));
    let addresses = ours
        .flat_map(|i| i.addrs)
        .filter_map(|a| a.addr.parse().ok());
    let mut usable = addresses.filter(|a: &IpAddr| match a {
        IpAddr::V4(a) => !a.is_link_local(),
        IpAddr::V6(a) => !a.is_unicast_link_local(),
    });
    usable.next()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_version_is_read_as_libvirt_writes_it() {
        assert_eq!(super::version(11_003_000), "11.3.0");
        assert_eq!(super::version(9_000_001), "9.0.1");
    }
}
