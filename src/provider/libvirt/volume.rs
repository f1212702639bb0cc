//! Data volumes: created once, grown, deleted; they outlive their machine.

use virt::connect::Connect;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::sys;

use super::fault::{Fault, found};
use super::name::{self, DataVolume};
use super::storage::{self, Format, MIB, NewVolume};
use super::{PoolConfig, attached, machine};
use crate::model::{LiveId, Stamp};

/// Makes the volume, or takes over the one that is there for the same resource.
///
/// **Guarantees.** However often it is repeated, killed or run after a listing that missed the
/// volume: there is one volume for one resource, and one with data is never replaced.
pub fn create(
    conn: &Connect,
    config: &PoolConfig,
    stamp: &Stamp,
    size_mib: u64,
) -> Result<LiveId, Fault> {
    let wanted = DataVolume::of(stamp)
        .ok_or_else(|| Fault::Refused(format!("`{}` cannot be the name of a volume", stamp.key)))?;
    let pool = storage::pool(conn, config)?;
    if let Some(volume) = existing(&pool, &wanted)? {
        let is_half = storage::find(&pool, &name::copying(&volume.name()?))?;
        if volume.info()?.capacity > 0 && is_half.is_none() {
            return Ok(LiveId(volume.key()?));
        }
        // Left by a host that failed in the middle: without a size there was never data in it, and
        // half of a copy is nobody's data either.
        volume.delete(0)?;
        if let Some(marker) = is_half {
            marker.delete(0)?;
        }
    }
    let name = wanted.to_string();
    let new = NewVolume {
        name: &name,
        format: Format::Qcow2,
        capacity: size_mib * MIB,
    };
    Ok(LiveId(storage::create(&pool, &new)?.key()?))
}

/// Makes the volume as a copy of another, which no running machine may have.
///
/// **Guarantees.** Half a copy is in no inventory, and is made anew by a repetition.
pub fn copy(
    conn: &Connect,
    config: &PoolConfig,
    stamp: &Stamp,
    size_mib: u64,
    original: &LiveId,
) -> Result<LiveId, Fault> {
    let name = DataVolume::of(stamp)
        .ok_or_else(|| Fault::Refused(format!("`{}` cannot be the name of a volume", stamp.key)))?;
    let pool = storage::pool(conn, config)?;
    let (from, its) = ours(&pool, original)?.ok_or_else(|| gone(original))?;
    if let Some(domain) = user(conn, &its, &original.0)?
        && domain.is_active()?
    {
        return Err(Fault::Moved(format!(
            "the machine of {}, running,",
            its.env
        )));
    }
    let name = name.to_string();
    attached::require_unused(conn, &pool, &name)?;
    storage::delete(&pool, &name)?;
    let new = NewVolume {
        name: &name,
        format: Format::Qcow2,
        capacity: from.info()?.capacity.max(size_mib * MIB),
    };
    storage::put(conn, &pool, &name::copying(&name), b"")?;
    let copy = storage::create_copy(&pool, &new, &from)?;
    storage::delete(&pool, &name::copying(&name))?;
    Ok(LiveId(copy.key()?))
}

/// The oldest volume of the same resource.
fn existing(pool: &StoragePool, wanted: &DataVolume) -> Result<Option<StorageVol>, Fault> {
    let mut oldest = None;
    for volume in pool.list_all_volumes(0)? {
        let Some(name) = DataVolume::parse(&volume.name()?) else {
            continue;
        };
        let is_older = |(other, _): &(DataVolume, StorageVol)| name.created < other.created;
        if name.is_same_resource(wanted) && oldest.as_ref().is_none_or(is_older) {
            oldest = Some((name, volume));
        }
    }
    Ok(oldest.map(|(_, volume)| volume))
}

/// Makes the volume at least as large; it never shrinks.
pub fn grow(conn: &Connect, config: &PoolConfig, id: &LiveId, size_mib: u64) -> Result<(), Fault> {
    let pool = storage::pool(conn, config)?;
    let (volume, name) = ours(&pool, id)?.ok_or_else(|| gone(id))?;
    let size = size_mib * MIB;
    if volume.info()?.capacity >= size {
        return Ok(());
    }
    // A file in use belongs to QEMU, which has to do it and tells the guest.
    match user(conn, &name, &id.0)? {
        Some(domain) if domain.is_active()? => {
            Ok(domain.block_resize(&id.0, size, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)?)
        }
        Some(_) | None => Ok(volume.resize(size, 0)?),
    }
}

/// Deletes the volume with its data, if it is there.
///
/// # Errors
/// [`Fault::Refused`] while its machine is there, running or not.
pub fn delete(conn: &Connect, config: &PoolConfig, id: &LiveId) -> Result<(), Fault> {
    let pool = storage::pool(conn, config)?;
    let Some((volume, name)) = ours(&pool, id)? else {
        return Ok(());
    };
    if user(conn, &name, &id.0)?.is_some() {
        let reason = format!("the machine of {} has it attached", name.env);
        return Err(Fault::Refused(reason));
    }
    Ok(volume.delete(0)?)
}

/// The volume of that id with what its name says; `None` when it is not there.
///
/// # Errors
/// [`Fault::Foreign`] when the name is not one that we give.
pub fn ours(pool: &StoragePool, id: &LiveId) -> Result<Option<(StorageVol, DataVolume)>, Fault> {
    let file = id.0.rsplit('/').next().unwrap_or_default();
    let name = DataVolume::parse(file).ok_or_else(|| Fault::Foreign(format!("the volume {id}")))?;
    let volume = storage::find(pool, file)?;
    // Another pool may have a volume of the same name.
    match volume {
        Some(volume) if volume.key()? == id.0 => Ok(Some((volume, name))),
        Some(_) | None => Ok(None),
    }
}

/// Path and name of a data volume, which must be there and of the environment of that stamp.
pub fn of(pool: &StoragePool, id: &LiveId, stamp: &Stamp) -> Result<(String, DataVolume), Fault> {
    let (volume, name) = ours(pool, id)?.ok_or_else(|| gone(id))?;
    match stamp.is_of(&name.owner, &name.env) {
        true => Ok((volume.path()?, name)),
        false => Err(Fault::Foreign(format!("the volume {id}"))),
    }
}

pub fn gone(id: &LiveId) -> Fault {
    Fault::Moved(format!("the volume {id}"))
}

/// The machine of the volume's environment that has this volume attached.
fn user(conn: &Connect, name: &DataVolume, path: &str) -> Result<Option<Domain>, Fault> {
    for uuid in attached::users(conn, path)?.into_keys() {
        let Some(domain) = found(conn.lookup_domain_by_uuid(uuid))? else {
            continue;
        };
        let mark = machine::mark(&domain)?;
        if mark.is_some_and(|mark| mark.stamp.is_of(&name.owner, &name.env)) {
            return Ok(Some(domain));
        }
    }
    Ok(None)
}
