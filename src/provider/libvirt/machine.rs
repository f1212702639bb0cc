//! Machines: found, started, stopped, resized, deleted.
//!
//! Each function may be repeated, and may be killed between any two calls. What is not ours is
//! found out right before anything is changed.

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::storage_pool::StoragePool;
use virt::sys;

use super::domain::{Seen, resized};
use super::fault::{Fault, found};
use super::inventory::is_paused;
use super::mark::{Mark, NAMESPACE};
use super::name::{self, Slot};
use super::storage::{self, MIB};
use super::xml::Node;
use super::{PoolConfig, cable};
use crate::model::{Digest, EnvName, Key, LiveId, Stamp};

/// Starts a machine of ours.
pub fn start(conn: &Connect, id: &LiveId) -> Result<(), Fault> {
    let (domain, _) = require(conn, id)?;
    boot(conn, &domain)
}

/// Lets a machine run that is stopped or paused.
pub fn boot(conn: &Connect, domain: &Domain) -> Result<(), Fault> {
    if is_paused(domain)? || cable::is_out(domain)? {
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
///
/// Its address may be another machine's by now, and its own clock does not know how much time has
/// passed: so it finds its cable pulled, and asks for an address when it is back.
fn resume(domain: &Domain) -> Result<(), Fault> {
    let is_out = cable::pull(domain).is_ok();
    match domain.resume() {
        Err(error) if error.code().is(ErrorNumber::OperationInvalid) && !is_paused(domain)? => {}
        resumed => resumed?,
    }
    if is_out {
        std::thread::sleep(cable::UNTIL_NOTICED);
        cable::plug(domain)?;
    }
    Ok(())
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

/// Lets a machine of ours stand still, and writes down what it was made ready for.
pub fn pause(conn: &Connect, id: &LiveId, ready: &Digest) -> Result<(), Fault> {
    let (domain, mark) = require(conn, id)?;
    if !is_paused(&domain)? {
        domain.suspend()?;
    }
    let mark = Mark {
        ready: Some(ready.clone()),
        ..mark
    };
    put_mark(&domain, &mark)
}

/// Writes our mark on a domain in one call, whether it runs or not.
pub fn put_mark(domain: &Domain, mark: &Mark) -> Result<(), Fault> {
    let (element, flags) = (mark.element("").to_string(), everywhere(domain)?);
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
    domain.set_metadata(kind, Some(&element), Some("metrom"), Some(NAMESPACE), flags)?;
    Ok(())
}

/// Both what runs and what is defined.
pub fn everywhere(domain: &Domain) -> Result<u32, Fault> {
    Ok(match domain.is_active()? {
        true => sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_AFFECT_CONFIG,
        false => sys::VIR_DOMAIN_AFFECT_CONFIG,
    })
}

/// Asks a running machine to shut down; `false` when it does not run any more.
///
/// One that is paused hears nothing: for the sake of its data it is let run on first, and without any
/// it is ended at once.
pub fn ask_to_stop(conn: &Connect, id: &LiveId) -> Result<bool, Fault> {
    let (domain, _) = require(conn, id)?;
    if !domain.is_active()? {
        return Ok(false);
    }
    if is_paused(&domain)? {
        let seen = Seen::of(&definition(&domain)?, domain.uuid()?);
        if seen.data_volumes().next().is_none() {
            force_off(conn, id)?;
            return Ok(false);
        }
        domain.resume()?;
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
    let mark = Mark {
        stamp: stamp.clone(),
        ..mark
    };
    let definition = resized(definition(&domain)?, cpus, memory_mib, &mark);
    conn.define_domain_xml(&definition.to_string())?;
    Ok(())
}

/// How a machine is defined, as it may be changed and defined again.
pub fn definition(domain: &Domain) -> Result<Node, Fault> {
    let flags = sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE;
    Ok(Node::parse(&domain.xml_desc(flags)?)?)
}

/// Ends a machine of ours with its own disk, seed and scratch volumes; data volumes stay.
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
    let (env, slot) = (&mark.home, mark.slot);
    storage::delete(&pool, &name::root_volume(env, slot))?;
    storage::delete(&pool, &name::seed_volume(env, slot))?;
    delete_scratch(&pool, env, slot)?;
    let everything = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
    delete_console(&pool, &name::console_volume(env, slot));
    match domain.undefine_flags(everything) {
        Err(error) if find(conn, id)?.is_some() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn delete_scratch(pool: &StoragePool, env: &EnvName, slot: Slot) -> Result<(), Fault> {
    for volume in pool.list_all_volumes(0)? {
        let name = volume.name()?;
        if name::is_scratch_of(&name, env, slot) {
            storage::delete(pool, &name)?;
        }
    }
    Ok(())
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

/// Our mark on a domain, if it carries one.
pub fn mark(domain: &Domain) -> Result<Option<Mark>, Fault> {
    let xml = Node::parse(&domain.xml_desc(0)?)?;
    Ok(Mark::of(&xml, domain.uuid()?))
}
