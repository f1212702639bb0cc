//! Who has a file as a disk: ours or not, running or not. No file is ever the disk of two.

use std::collections::BTreeMap;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;
use virt::sys;

use super::domain::Seen;
use super::fault::{Fault, found};
use super::storage;
use super::xml::Node;

/// The domains that have the file as a disk, now or at their next start: name by identity.
pub fn users(conn: &Connect, path: &str) -> Result<BTreeMap<Uuid, String>, Fault> {
    let mut users = BTreeMap::new();
    for domain in conn.list_all_domains(0)? {
        let uuid = domain.uuid()?;
        if has(&domain, uuid, path)? {
            users.insert(uuid, domain.name()?);
        }
    }
    Ok(users)
}

/// What runs and what is defined may differ.
fn has(domain: &Domain, uuid: Uuid, path: &str) -> Result<bool, Fault> {
    for flags in [0, sys::VIR_DOMAIN_XML_INACTIVE] {
        let Some(xml) = found(domain.xml_desc(flags))? else {
            return Ok(false); // It has gone in this moment.
        };
        let seen = Seen::of(&Node::parse(&xml)?, uuid);
        if seen.disks.iter().any(|disk| disk == path) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes sure that what has the name of a disk of our machine is nobody's disk.
pub fn require_unused(conn: &Connect, pool: &StoragePool, name: &str) -> Result<(), Fault> {
    let Some(remains) = storage::find(pool, name)? else {
        return Ok(());
    };
    let path = remains.path()?;
    match users(conn, &path)?.into_values().next() {
        Some(user) => Err(Fault::Foreign(format!("a disk {path}, used by `{user}`,"))),
        None => Ok(()),
    }
}

/// Makes sure that nobody has a data volume.
pub fn require_free(conn: &Connect, path: &str) -> Result<(), Fault> {
    match users(conn, path)?.into_values().next() {
        Some(user) => Err(taken(path, &user)),
        None => Ok(()),
    }
}

pub fn taken(path: &str, user: &str) -> Fault {
    Fault::Refused(format!(
        "`{user}` has the volume {path} attached; detach it there first"
    ))
}
