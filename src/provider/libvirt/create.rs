//! Machines: made, or taken over when they are there already.
//!
//! May be repeated, and may be killed between any two calls. An environment has slots for machines,
//! see [`Slot`]; which one a machine has is known by its identity alone.

use std::collections::BTreeMap;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;

use super::domain::Definition;
use super::fault::{Fault, found};
use super::image::{self, Base};
use super::kvm::Accel;
use super::machine;
use super::mark::Mark;
use super::name::{self, Slot};
use super::storage::{self, Format, MIB, NewVolume};
use super::{PoolConfig, attached, disk, volume};
use crate::model::{Beside, LiveId, MachineSpec, Stamp, Subject};
use crate::port::{Seed, SeedMaker, SeedRequest};

/// A machine to be made.
pub struct Order<'a> {
    pub spec: &'a MachineSpec,
    pub stamp: &'a Stamp,
    pub volumes: &'a [Subject],
    pub beside: Option<&'a Beside>,
    pub accel: Accel,
    pub network: &'a str,
    pub seeds: &'a dyn SeedMaker,
}

/// Where a machine is, or may be made.
pub enum Place {
    Taken(LiveId),
    Free(Slot),
}

/// Makes the machine and starts it.
///
/// Everything that belongs to the machine is made before its definition, and the definition is
/// one call: a domain of ours is always whole, and what lies about without one is overwritten.
pub fn make(conn: &Connect, config: &PoolConfig, order: &Order<'_>) -> Result<LiveId, Fault> {
    let slot = match take_over(conn, order.stamp, order.beside)? {
        Place::Taken(id) => return Ok(id),
        Place::Free(slot) => slot,
    };
    let definition = furnish(conn, config, order, slot)?;
    let domain = conn.define_domain_xml(&definition.to_xml().to_string())?;
    machine::boot(conn, &domain)?;
    Ok(LiveId(definition.uuid().to_string()))
}

/// Takes over our machine and starts it, if it is there already: in any slot, or beside another one
/// in a slot that this leaves.
///
/// # Errors
/// [`Fault::Foreign`] when something else has its identity or its name; [`Fault::Moved`] when the
/// machine is not there beside which it is to be.
pub fn take_over(conn: &Connect, stamp: &Stamp, beside: Option<&Beside>) -> Result<Place, Fault> {
    let left = match beside {
        None => None,
        Some(beside) => slot_of(conn, stamp, &beside.machine)?,
    };
    let mut free = None;
    for slot in Slot::all().filter(|slot| Some(*slot) != left) {
        let uuid = name::machine_uuid(&stamp.owner, &stamp.env, slot);
        match occupant(conn, stamp, slot, uuid)? {
            Occupant::Ours(domain) => {
                machine::boot(conn, &domain)?;
                return Ok(Place::Taken(LiveId(uuid.to_string())));
            }
            Occupant::Claimed => {}
            Occupant::Nobody => {
                free = free.or(Some(slot));
                // Beyond the second, a slot is only ever taken when those before it are.
                if slot >= Slot::SECOND {
                    break;
                }
            }
        }
    }
    let env = &stamp.env;
    let free = free.ok_or_else(|| {
        Fault::Refused(format!(
            "every name for a machine of {env} belongs to one that was claimed"
        ))
    })?;
    match found(conn.lookup_domain_by_name(&name::domain(env, free)))? {
        Some(_) => Err(foreign(stamp, free)),
        None => Ok(Place::Free(free)),
    }
}

/// The slot of a machine that is there; none of the environment's own for one that was claimed.
fn slot_of(conn: &Connect, stamp: &Stamp, id: &LiveId) -> Result<Option<Slot>, Fault> {
    let (_, mark) = machine::require(conn, id)?;
    if mark.stamp.is_of(&stamp.owner, &stamp.env) {
        Ok((mark.home == stamp.env).then_some(mark.slot))
    } else {
        Err(Fault::Moved(format!("the machine {id}")))
    }
}

/// Who is in a slot.
enum Occupant {
    Ours(Domain),
    /// Another environment's, which it was claimed for.
    Claimed,
    Nobody,
}

fn occupant(conn: &Connect, stamp: &Stamp, slot: Slot, uuid: Uuid) -> Result<Occupant, Fault> {
    let Some(domain) = found(conn.lookup_domain_by_uuid(uuid))? else {
        return Ok(Occupant::Nobody);
    };
    match machine::mark(&domain)? {
        Some(mark) if mark.stamp.is_of(&stamp.owner, &stamp.env) => Ok(Occupant::Ours(domain)),
        Some(_) => Ok(Occupant::Claimed),
        None => Err(foreign(stamp, slot)),
    }
}

fn foreign(stamp: &Stamp, slot: Slot) -> Fault {
    let name = name::domain(&stamp.env, slot);
    Fault::Foreign(format!("a machine called `{name}`"))
}

/// Makes the volumes of a machine and says how it is to be defined.
fn furnish(
    conn: &Connect,
    config: &PoolConfig,
    order: &Order<'_>,
    slot: Slot,
) -> Result<Definition, Fault> {
    let env = &order.stamp.env;
    let pool = storage::pool(conn, config)?;
    let base = image::base(conn, &pool, &order.spec.image)?;
    let mut data = data_volumes(conn, &pool, order)?;
    let root = root_disk(conn, &pool, order, &base, slot)?;
    data.extend(scratch_volumes(conn, &pool, order, slot)?);
    let seed = seed(order, slot, &data)?;
    let drive = storage::put(conn, &pool, &name::seed_volume(env, slot), &seed.image)?;
    let console = storage::put(conn, &pool, &name::console_volume(env, slot), b"")?;
    Ok(Definition {
        mark: Mark::new(
            order.stamp.clone(),
            slot,
            order.spec.image.id(),
            seed.host_key_public,
        ),
        accel: order.accel,
        cpus: order.spec.cpus,
        memory_mib: order.spec.memory_mib,
        kernel: base.kernel,
        root,
        seed: drive.path()?,
        console: console.path()?,
        data,
        network: order.network.to_owned(),
    })
}

/// Paths of the data volumes by their names, each of which must be there, this environment's, and
/// attached to no machine.
fn data_volumes(
    conn: &Connect,
    pool: &StoragePool,
    order: &Order<'_>,
) -> Result<BTreeMap<String, String>, Fault> {
    let scratch = order.beside.map_or(0, |beside| beside.scratch.len());
    let most = disk::targets().count();
    if order.volumes.len() + scratch > most {
        let reason = format!("a machine takes at most {most} data volumes");
        return Err(Fault::Refused(reason));
    }
    let mut data = BTreeMap::new();
    for subject in order.volumes {
        let Subject::Live(id) = subject else {
            let reason = "a volume of the plan has not been made".to_owned();
            return Err(Fault::Refused(reason));
        };
        let (path, name) = volume::of(pool, id, order.stamp)?;
        attached::require_free(conn, &path)?;
        data.insert(name.volume, path);
    }
    Ok(data)
}

/// Makes the machine's own disk, a clone of its image, and says its path.
fn root_disk(
    conn: &Connect,
    pool: &StoragePool,
    order: &Order<'_>,
    base: &Base,
    slot: Slot,
) -> Result<String, Fault> {
    let name = name::root_volume(&order.stamp.env, slot);
    attached::require_unused(conn, pool, &name)?;
    let capacity = order.spec.disk_mib * MIB;
    if capacity < base.capacity {
        let (image, needed) = (&order.spec.image.name, base.capacity.div_ceil(MIB));
        return Err(Fault::Refused(format!(
            "a disk of {} MiB is smaller than the {needed} MiB of image {image}; make `disk` larger",
            order.spec.disk_mib
        )));
    }
    let overlay = NewVolume {
        name: &name,
        format: Format::Overlay { base: &base.disk },
        capacity,
    };
    Ok(storage::create_anew(pool, &overlay)?.path()?)
}

/// Makes the empty volumes that the machine has in place of data volumes; paths by their names.
fn scratch_volumes(
    conn: &Connect,
    pool: &StoragePool,
    order: &Order<'_>,
    slot: Slot,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut made = BTreeMap::new();
    for (volume, size_mib) in order.beside.iter().flat_map(|beside| &beside.scratch) {
        if !name::is_label(volume) {
            let reason = format!("`{volume}` cannot be the name of a volume");
            return Err(Fault::Refused(reason));
        }
        let name = name::scratch_volume(&order.stamp.env, slot, volume);
        attached::require_unused(conn, pool, &name)?;
        let empty = NewVolume {
            name: &name,
            format: Format::Qcow2,
            capacity: size_mib * MIB,
        };
        let path = storage::create_anew(pool, &empty)?.path()?;
        made.insert(volume.clone(), path);
    }
    Ok(made)
}

/// What the machine is given for its first boot.
fn seed(order: &Order<'_>, slot: Slot, data: &BTreeMap<String, String>) -> Result<Seed, Fault> {
    let Stamp { owner, env, .. } = order.stamp;
    let uuid = name::machine_uuid(owner, env, slot);
    let seed = order.seeds.make(&SeedRequest {
        owner: owner.clone(),
        env: env.clone(),
        hostname: env.to_string(),
        instance: format!("{uuid}-{}", order.stamp.created.as_second()),
        mac: Some(name::mac(uuid)),
        volumes: data.keys().map(|v| (v.clone(), name::device(v))).collect(),
    });
    seed.map_err(|error| Fault::Refused(error.to_string()))
}
