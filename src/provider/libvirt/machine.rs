//! Machines: created, started, stopped, resized, deleted.
//!
//! Each function may be repeated, and may be killed between any two calls. What is not ours is
//! found out right before anything is changed.

use std::collections::BTreeMap;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::storage_pool::StoragePool;
use virt::sys;

use super::domain::{Definition, Seen, resized};
use super::fault::{Fault, found};
use super::inventory::is_paused;
use super::kvm::Accel;
use super::mark::Mark;
use super::name::{self, DataVolume};
use super::storage::{self, Format, MIB, NewVolume};
use super::xml::Node;
use super::{PoolConfig, image, volume};
use crate::model::{Key, LiveId, MachineSpec, Stamp, Subject};
use crate::port::{SeedMaker, SeedRequest};

/// Device letters `c` to `z` are left for data volumes.
const MAX_VOLUMES: usize = 24;

/// A machine to be made.
pub struct Order<'a> {
    pub spec: &'a MachineSpec,
    pub stamp: &'a Stamp,
    pub volumes: &'a [Subject],
    pub accel: Accel,
    pub network: &'a str,
    pub seeds: &'a dyn SeedMaker,
}

/// Makes the machine and starts it.
///
/// Everything that belongs to the machine is made before its definition, and the definition is
/// one call: a domain of ours is always whole, and what lies about without one is overwritten.
pub fn create(conn: &Connect, config: &PoolConfig, order: &Order<'_>) -> Result<LiveId, Fault> {
    if let Some(id) = take_over(conn, order.stamp)? {
        return Ok(id);
    }
    let definition = furnish(conn, config, order)?;
    let domain = conn.define_domain_xml(&definition.to_xml().to_string())?;
    boot(conn, &domain)?;
    Ok(LiveId(definition.uuid().to_string()))
}

/// Takes over our machine and starts it, if it is there already.
///
/// # Errors
/// [`Fault::Foreign`] when something else has its identity or its name.
pub fn take_over(conn: &Connect, stamp: &Stamp) -> Result<Option<LiveId>, Fault> {
    let uuid = name::machine_uuid(&stamp.owner, &stamp.env);
    let name = name::domain(&stamp.env);
    let foreign = || Fault::Foreign(format!("a machine called `{name}`"));
    match found(conn.lookup_domain_by_uuid(uuid))? {
        Some(domain) if mark(&domain)?.is_some() => {
            boot(conn, &domain)?;
            Ok(Some(LiveId(uuid.to_string())))
        }
        Some(_) => Err(foreign()),
        None if found(conn.lookup_domain_by_name(&name))?.is_some() => Err(foreign()),
        None => Ok(None),
    }
}

/// Makes the volumes of a machine and says how it is to be defined.
fn furnish(conn: &Connect, config: &PoolConfig, order: &Order<'_>) -> Result<Definition, Fault> {
    let Stamp { owner, env, .. } = order.stamp;
    let uuid = name::machine_uuid(owner, env);
    let pool = storage::pool(conn, config)?;
    let base = image::base(conn, &pool, &order.spec.image)?;
    let data = data_volumes(&pool, order)?;

    let root = name::root_volume(env);
    require_unused(conn, &pool, &root)?;
    let capacity = order.spec.disk_mib * MIB;
    if capacity < base.capacity {
        let (image, needed) = (&order.spec.image.name, base.capacity.div_ceil(MIB));
        return Err(Fault::Refused(format!(
            "a disk of {} MiB is smaller than the {needed} MiB of image {image}; make `disk` larger",
            order.spec.disk_mib
        )));
    }
    let overlay = NewVolume {
        name: &root,
        format: Format::Overlay { base: &base.disk },
        capacity,
    };
    let root = storage::create_anew(&pool, &overlay)?;
    let seed = order.seeds.make(&SeedRequest {
        owner: owner.clone(),
        env: env.clone(),
        hostname: env.to_string(),
        instance: format!("{uuid}-{}", order.stamp.created.as_second()),
        mac: name::mac(uuid),
        volumes: data.keys().map(|v| (v.clone(), name::device(v))).collect(),
    });
    let seed = seed.map_err(|error| Fault::Refused(error.to_string()))?;
    let drive = storage::put(conn, &pool, &name::seed_volume(env), &seed.image)?;
    let console = storage::put(conn, &pool, &name::console_volume(env), b"")?;
    Ok(Definition {
        mark: Mark {
            stamp: order.stamp.clone(),
            image: order.spec.image.id(),
            host_key: seed.host_key_public,
        },
        accel: order.accel,
        cpus: order.spec.cpus,
        memory_mib: order.spec.memory_mib,
        kernel: base.kernel,
        root: root.path()?,
        seed: drive.path()?,
        console: console.path()?,
        data,
        network: order.network.to_owned(),
    })
}

/// Paths of the data volumes by their names, each of which must be there and this environment's.
fn data_volumes(pool: &StoragePool, order: &Order<'_>) -> Result<BTreeMap<String, String>, Fault> {
    if order.volumes.len() > MAX_VOLUMES {
        let reason = format!("a machine takes at most {MAX_VOLUMES} data volumes");
        return Err(Fault::Refused(reason));
    }
    let mut data = BTreeMap::new();
    for subject in order.volumes {
        let Subject::Live(id) = subject else {
            let reason = "a volume of the plan has not been made".to_owned();
            return Err(Fault::Refused(reason));
        };
        let (volume, name) = volume::ours(pool, id)?.ok_or_else(|| volume::gone(id))?;
        let DataVolume { env, owner, .. } = &name;
        if !order.stamp.is_of(owner, env) {
            return Err(Fault::Foreign(format!("the volume {id}")));
        }
        data.insert(name.volume, volume.path()?);
    }
    Ok(data)
}

/// Makes sure that what has the name of our machine's disk is nobody's disk.
fn require_unused(conn: &Connect, pool: &StoragePool, name: &str) -> Result<(), Fault> {
    let Some(remains) = storage::find(pool, name)? else {
        return Ok(());
    };
    let path = remains.path()?;
    for domain in conn.list_all_domains(0)? {
        let Ok(xml) = domain.xml_desc(0) else {
            continue; // It has gone in this moment.
        };
        let seen = Seen::of(&Node::parse(&xml)?, domain.uuid()?);
        if seen.disks.contains(&path) {
            let user = domain.name()?;
            return Err(Fault::Foreign(format!("a disk {path}, used by `{user}`,")));
        }
    }
    Ok(())
}

/// Starts a machine of ours.
pub fn start(conn: &Connect, id: &LiveId) -> Result<(), Fault> {
    let (domain, _) = require(conn, id)?;
    boot(conn, &domain)
}

fn boot(conn: &Connect, domain: &Domain) -> Result<(), Fault> {
    if is_paused(domain)? {
        return resume(domain);
    }
    if domain.is_active()? {
        return Ok(());
    }
    match domain.create() {
        Ok(()) => Ok(()),
        // Somebody was faster.
        Err(error) if error.code().is(ErrorNumber::OperationInvalid) && domain.is_active()? => {
            Ok(())
        }
        Err(error) => Err(explain_memory(conn, domain, error.into())),
    }
}

/// Lets the processors of a paused machine run on; one that is just being started is paused as well,
/// and then runs by itself.
fn resume(domain: &Domain) -> Result<(), Fault> {
    match domain.resume() {
        Err(error) if error.code().is(ErrorNumber::OperationInvalid) && !is_paused(domain)? => {
            Ok(())
        }
        resumed => Ok(resumed?),
    }
}

/// libvirt has no code for a host without memory, but the host knows how much it has.
fn explain_memory(conn: &Connect, domain: &Domain, fault: Fault) -> Fault {
    let (Ok(free), Ok(needed)) = (conn.free_memory(), domain.max_memory()) else {
        return fault;
    };
    let needed = needed * 1024; // It is told in KiB.
    match fault {
        Fault::Libvirt(error) if free < needed => Fault::Full(format!(
            "{} MiB of memory are needed and {} MiB are free ({})",
            needed / MIB,
            free / MIB,
            error.message()
        )),
        fault => fault,
    }
}

/// Asks a running machine to shut down; `false` when it was not running.
pub fn ask_to_stop(conn: &Connect, id: &LiveId) -> Result<bool, Fault> {
    let (domain, _) = require(conn, id)?;
    if !domain.is_active()? {
        return Ok(false);
    }
    match domain.shutdown() {
        Err(error) if !error.code().is(ErrorNumber::OperationInvalid) => Err(error.into()),
        // It may have stopped by itself, or be paused and deaf; both are seen by whoever waits.
        Ok(()) | Err(_) => Ok(true),
    }
}

pub fn is_running(conn: &Connect, id: &LiveId) -> Result<bool, Fault> {
    match find(conn, id)? {
        Some(domain) => Ok(domain.is_active()?),
        None => Ok(false),
    }
}

/// Ends a running machine of ours at once.
pub fn force_off(conn: &Connect, id: &LiveId) -> Result<(), Fault> {
    let (domain, _) = require(conn, id)?;
    match domain.destroy() {
        Err(error) if domain.is_active()? => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Changes a stopped machine of ours in one call.
pub fn resize(
    conn: &Connect,
    id: &LiveId,
    (cpus, memory_mib): (u32, u64),
    stamp: &Stamp,
) -> Result<(), Fault> {
    let (domain, mark) = require(conn, id)?;
    if !stamp.is_of(&mark.stamp.owner, &mark.stamp.env) || stamp.key != Key::Machine {
        return Err(Fault::Foreign(format!("the machine {id}")));
    }
    if domain.is_active()? {
        return Err(Fault::Moved(format!("the machine {id}, running again,")));
    }
    let flags = sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE;
    let definition = Node::parse(&domain.xml_desc(flags)?)?;
    let mark = Mark {
        stamp: stamp.clone(),
        ..mark
    };
    let definition = resized(definition, cpus, memory_mib, &mark);
    conn.define_domain_xml(&definition.to_string())?;
    Ok(())
}

/// Ends a machine of ours with its own disk and seed; data volumes stay.
///
/// The definition goes last but for its remains: killed in between, the machine is still seen and
/// deleted again.
pub fn delete(conn: &Connect, config: &PoolConfig, id: &LiveId) -> Result<(), Fault> {
    let Some(domain) = find(conn, id)? else {
        return Ok(());
    };
    let mark = mark(&domain)?.ok_or_else(|| Fault::Foreign(format!("the machine {id}")))?;
    force_off(conn, id)?;
    let pool = storage::pool(conn, config)?;
    let env = &mark.stamp.env;
    storage::delete(&pool, &name::root_volume(env))?;
    storage::delete(&pool, &name::seed_volume(env))?;
    let everything = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
    delete_console(&pool, &name::console_volume(env));
    match domain.undefine_flags(everything) {
        Err(error) if find(conn, id)?.is_some() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The log and what libvirt has rotated of it, as far as it can be had: nothing depends on it.
fn delete_console(pool: &StoragePool, name: &str) {
    let _ = pool.refresh(0);
    for volume in pool.list_all_volumes(0).unwrap_or_default() {
        if volume.name().is_ok_and(|other| other.starts_with(name)) {
            let _ = volume.delete(0);
        }
    }
}

/// The machine of that id with its mark.
///
/// # Errors
/// [`Fault::Moved`] when it is not there, [`Fault::Foreign`] when it does not carry our mark.
pub fn require(conn: &Connect, id: &LiveId) -> Result<(Domain, Mark), Fault> {
    let domain = find(conn, id)?.ok_or_else(|| Fault::Moved(format!("the machine {id}")))?;
    let mark = mark(&domain)?.ok_or_else(|| Fault::Foreign(format!("the machine {id}")))?;
    Ok((domain, mark))
}

pub fn find(conn: &Connect, id: &LiveId) -> Result<Option<Domain>, Fault> {
    match Uuid::parse_str(&id.0) {
        Ok(uuid) => found(conn.lookup_domain_by_uuid(uuid)),
        Err(_) => Ok(None),
    }
}

fn mark(domain: &Domain) -> Result<Option<Mark>, Fault> {
    let xml = Node::parse(&domain.xml_desc(0)?)?;
    Ok(Mark::of(&xml, domain.uuid()?))
}
