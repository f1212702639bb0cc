//! A data volume goes from one stopped machine of an environment to the other.
//!
//! The first loses it before the second gets it: killed in between, it is nobody's, and the next
//! attempt goes on from there.

use super::attach::{attach, detach, require_free};
use super::fault::Fault;
use super::link::{Link, tagged};
use super::machine::{self, foreign, gone, put_tags};
use super::resize::{await_gone, remove};
use super::seen::{Machine, State};
use super::tag::{self, MACHINE};
use super::volume;
use super::wait::{SHOWN, until};
use crate::model::{LiveId, Stamp};

/// Takes the volume from the one machine and gives it to the other.
///
/// **Guarantees.** The volume is never attached to two machines. Killed at any point and repeated, or
/// repeated when it is done, it ends in the same state.
///
/// # Errors
/// [`Fault::Foreign`] for a machine that is not ours and of the volume's environment,
/// [`Fault::Moved`] when one runs or the receiver is gone, [`Fault::Refused`] when somebody else has
/// the volume.
pub async fn hand_over(link: &Link, id: &LiveId, from: &LiveId, to: &LiveId) -> Result<(), Fault> {
    let (volume, stamp) = volume::require(link, id).await?;
    let giver = party(link, from, &stamp).await?;
    let receiver = party(link, to, &stamp).await?.ok_or_else(|| gone(to))?;
    let mut others = volume.clone();
    others
        .attachments
        .retain(|a| a.machine != *from && a.machine != *to);
    require_free(link, &others).await?;

    let giver_has = volume.attachment(from).is_some();
    let receiver_has = volume.is_on(to);
    if giver_has || !receiver_has {
        for party in giver.iter().chain([&receiver]) {
            require_stopped(party)?;
        }
    }
    if giver_has {
        detach(link, id, from).await?;
    }
    if !receiver_has {
        end_scratch(link, to, volume.label().unwrap_or_default()).await?;
    }
    attach(link, id, to).await
}

/// One of the two machines, at rest, which must be of the volume's environment.
async fn party(link: &Link, id: &LiveId, stamp: &Stamp) -> Result<Option<Machine>, Fault> {
    if machine::find(link, id).await?.is_none() {
        return Ok(None);
    }
    let (machine, mark) = machine::settled(link, id).await?;
    match mark.stamp.is_of(&stamp.owner, &stamp.env) {
        true => Ok(Some(machine)),
        false => Err(foreign(id)),
    }
}

fn require_stopped(machine: &Machine) -> Result<(), Fault> {
    match machine.state {
        State::Stopped => Ok(()),
        State::Pending | State::Running | State::Stopping | State::Ending | State::Ended => {
            let id = &machine.id;
            Err(Fault::Moved(format!("the machine {id}, running again,")))
        }
    }
}

/// Deletes what the machine has in place of the volume, before it gets that: afterwards nobody would
/// look for it. It is tagged before it is taken off, so that it is found again when we are killed in
/// between.
async fn end_scratch(link: &Link, id: &LiveId, name: &str) -> Result<(), Fault> {
    let (machine, mark) = machine::require(link, id).await?;
    let device = mark.scratch.get(name);
    let disk = device.and_then(|device| machine.disks.get(device));
    if let Some(disk) = disk
        && let Some(scratch) = volume::find(link, &disk.volume).await?
        && scratch.is_part
    {
        put_tags(link, &scratch.id, &tag::tags([(MACHINE, id.0.clone())])).await?;
        let late = format!("the new tag of {} was not shown", scratch.id);
        until(SHOWN, &late, || async {
            let tagged = volume::list(link, vec![tagged(MACHINE, &id.0)]).await?;
            Ok(tagged
                .iter()
                .any(|volume| volume.id == scratch.id)
                .then_some(()))
        })
        .await?;
        detach(link, &scratch.id, id).await?;
    }
    sweep(link, id).await
}

/// Deletes what a machine had in place of data volumes and what was already taken off it.
pub async fn sweep(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let left = volume::list(link, vec![tagged(MACHINE, &id.0)]).await?;
    for scratch in left {
        if scratch.is_part && scratch.attachments.is_empty() {
            remove(link, &scratch.id).await?;
            await_gone(link, &scratch.id).await?;
        }
    }
    Ok(())
}
