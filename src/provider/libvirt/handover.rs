//! A data volume goes from one stopped machine of an environment to the other.
//!
//! The first loses it before the second gets it: killed in between, it is nobody's disk, and the
//! next attempt goes on from there.

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;

use super::disk::{self, DataDisk};
use super::fault::Fault;
use super::name::{self, DataVolume, Slot};
use super::{PoolConfig, attached, machine, storage, volume};
use crate::model::{EnvName, LiveId};

/// Takes the volume from the one machine and gives it to the other.
///
/// **Guarantees.** The volume is never the disk of two machines. Killed at any point and repeated,
/// or repeated when it is done, it ends in the same state.
///
/// # Errors
/// [`Fault::Foreign`] for a machine that is not ours and of the volume's environment,
/// [`Fault::Moved`] when one runs or the receiver is gone, [`Fault::Refused`] when somebody else has
/// the volume.
pub fn hand_over(
    conn: &Connect,
    config: &PoolConfig,
    id: &LiveId,
    from: &LiveId,
    to: &LiveId,
) -> Result<(), Fault> {
    let pool = storage::pool(conn, config)?;
    let (volume, name) = volume::ours(&pool, id)?.ok_or_else(|| volume::gone(id))?;
    let path = volume.path()?;
    let giver = Party::find(conn, from, &name)?;
    let receiver = Party::find(conn, to, &name)?;
    let receiver = receiver.ok_or_else(|| Fault::Moved(format!("the machine {to}")))?;

    let mut users = attached::users(conn, &path)?;
    let mut has = |party: &Party<'_>| users.remove(&party.uuid).is_some();
    let receiver_has = has(&receiver);
    let giver_has = giver.as_ref().is_some_and(&mut has);
    if let Some(other) = users.values().next() {
        return Err(attached::taken(&path, other));
    }
    if giver_has || !receiver_has {
        for party in giver.iter().chain([&receiver]) {
            party.require_stopped()?;
        }
    }
    if let Some(giver) = giver.filter(|_| giver_has) {
        giver.release(conn, &path)?;
    }
    if !receiver_has {
        // Somebody may have started a machine in this moment.
        attached::require_free(conn, &path)?;
        receiver.take(conn, &name, &path)?;
    }
    receiver.end_scratch(conn, &pool, &name)
}

/// One of the two machines.
struct Party<'a> {
    id: &'a LiveId,
    domain: Domain,
    uuid: Uuid,
    home: EnvName,
    slot: Slot,
}

impl<'a> Party<'a> {
    /// The machine of that id, which must be of the volume's environment.
    fn find(conn: &Connect, id: &'a LiveId, name: &DataVolume) -> Result<Option<Self>, Fault> {
        let Some(domain) = machine::find(conn, id)? else {
            return Ok(None);
        };
        let mark = machine::mark(&domain)?;
        let mark = mark.filter(|mark| mark.stamp.is_of(&name.owner, &name.env));
        let mark = mark.ok_or_else(|| Fault::Foreign(format!("the machine {id}")))?;
        Ok(Some(Self {
            id,
            uuid: domain.uuid()?,
            domain,
            home: mark.home,
            slot: mark.slot,
        }))
    }

    fn require_stopped(&self) -> Result<(), Fault> {
        let id = self.id;
        if self.domain.is_active()? {
            return Err(Fault::Moved(format!("the machine {id}, running again,")));
        }
        // It would wake up with the disks that it had when it was saved.
        if self.domain.has_managed_save(0)? {
            return Err(Fault::Refused(format!(
                "the machine {id} was saved while it ran; start it, or give that up with `virsh managedsave-remove {id}`"
            )));
        }
        Ok(())
    }

    fn release(&self, conn: &Connect, path: &str) -> Result<(), Fault> {
        let definition = machine::definition(&self.domain)?;
        conn.define_domain_xml(&disk::without(definition, path).to_string())?;
        Ok(())
    }

    fn take(&self, conn: &Connect, name: &DataVolume, path: &str) -> Result<(), Fault> {
        let data = DataDisk {
            volume: &name.volume,
            path,
        };
        let definition = machine::definition(&self.domain)?;
        let definition = disk::with(definition, data, &self.scratch(name));
        let definition = definition.ok_or_else(|| {
            Fault::Refused(format!("the machine {} takes no further disk", self.id))
        })?;
        conn.define_domain_xml(&definition.to_string())?;
        Ok(())
    }

    /// Deletes what the machine had in place of the volume, if nobody has attached it elsewhere.
    fn end_scratch(
        &self,
        conn: &Connect,
        pool: &StoragePool,
        name: &DataVolume,
    ) -> Result<(), Fault> {
        match storage::find(pool, &self.scratch(name))? {
            Some(scratch) if attached::users(conn, &scratch.path()?)?.is_empty() => {
                Ok(scratch.delete(0)?)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn scratch(&self, name: &DataVolume) -> String {
        name::scratch_volume(&self.home, self.slot, &name.volume)
    }
}
