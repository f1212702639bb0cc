//! A warm machine becomes that of an environment: first its mark, then its data volumes, then it runs.
//!
//! Killed in between, it is still marked as ready to be claimed, and the next sync claims it again. It
//! keeps its names, for libvirt cannot rename what runs.

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

use super::disk::{self, DataDisk};
use super::fault::Fault;
use super::mark::Mark;
use super::{PoolConfig, attached, domain, machine, storage, volume};
use crate::model::{LiveId, Stamp, Subject, Warm};

/// Claims the machine for the environment of the stamp.
///
/// **Guarantees.** Nobody else's data is on it: it is refused unless it is a warm machine, which has
/// none, or was claimed for the same environment before.
///
/// # Errors
/// [`Fault::Moved`] when it is no longer that warm machine, [`Fault::Foreign`] for a volume of another
/// environment, [`Fault::Refused`] when somebody has the volume.
pub fn claim(
    conn: &Connect,
    config: &PoolConfig,
    warm: &Warm,
    stamp: &Stamp,
    volumes: &[Subject],
) -> Result<LiveId, Fault> {
    let (found, mark) = machine::require(conn, &warm.id)?;
    let is_again = mark.stamp.is_of(&stamp.owner, &stamp.env);
    if !is_again && !mark.stamp.is_of(&stamp.owner, &warm.env) {
        return Err(Fault::Moved(format!("the machine {}", warm.id)));
    }
    let mark = match is_again {
        true => mark,
        false => Mark {
            stamp: stamp.clone(),
            ..mark
        },
    };
    machine::put_mark(&found, &mark)?;
    let title = domain::title(stamp);
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_TITLE).unwrap_or_default();
    found.set_metadata(kind, Some(&title), None, None, machine::everywhere(&found)?)?;
    for subject in volumes {
        attach(conn, config, (&found, &warm.id), subject, stamp)?;
    }
    machine::boot(conn, &found)?;
    let done = Mark {
        ready: None,
        ..mark
    };
    machine::put_mark(&found, &done)?;
    Ok(warm.id.clone())
}

fn attach(
    conn: &Connect,
    config: &PoolConfig,
    (domain, id): (&Domain, &LiveId),
    subject: &Subject,
    stamp: &Stamp,
) -> Result<(), Fault> {
    let Subject::Live(volume) = subject else {
        let reason = "a volume of the plan has not been made".to_owned();
        return Err(Fault::Refused(reason));
    };
    let pool = storage::pool(conn, config)?;
    let (path, name) = volume::of(&pool, volume, stamp)?;
    let uuid: Uuid = domain.uuid()?;
    let mut users = attached::users(conn, &path)?;
    if users.remove(&uuid).is_some() {
        return Ok(());
    }
    if let Some(other) = users.into_values().next() {
        return Err(attached::taken(&path, &other));
    }
    let data = DataDisk {
        volume: &name.volume,
        path: &path,
    };
    let added = disk::added(&machine::definition(domain)?, data)
        .ok_or_else(|| Fault::Refused(format!("the machine {id} takes no further disk")))?;
    domain.attach_device_flags(&added.to_string(), machine::everywhere(domain)?)?;
    Ok(())
}

/// Ends a warm machine, if nobody has claimed it.
pub fn give_back(conn: &Connect, config: &PoolConfig, warm: &Warm) -> Result<(), Fault> {
    let Some(found) = machine::find(conn, &warm.id)? else {
        return Ok(());
    };
    match machine::mark(&found)? {
        Some(mark) if mark.stamp.env == warm.env => machine::delete(conn, config, &warm.id),
        Some(_) | None => Err(Fault::Moved(format!("the machine {}", warm.id))),
    }
}
