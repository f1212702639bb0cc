//! A volume gets to a machine and away from it: looked at before, and waited for after.
//!
//! No volume is ever attached to two machines: EC2 would refuse it, and we do not even ask.

use super::answer::change;
use super::fault::Fault;
use super::link::Link;
use super::machine;
use super::seen::{Attachment, Machine, Phase, Volume};
use super::volume;
use super::wait::{VOLUME, asked, until};
use crate::model::{LiveId, Stamp, Subject};

/// The names under which EC2 lets volumes be attached; the machine itself calls them otherwise.
const DEVICES: std::ops::RangeInclusive<char> = 'f'..='p';

/// It was not in the state for that, which the next look shows.
const UNTIMELY: &[&str] = &[
    "IncorrectState",
    "IncorrectInstanceState",
    "VolumeInUse",
    "InvalidVolume.NotFound",
    "InvalidAttachment.NotFound",
];

/// The data volume that a plan means, which must be there and of the environment of that stamp.
///
/// # Errors
/// [`Fault::Moved`] when it is not there, [`Fault::Foreign`] when it is not that environment's.
pub async fn meant(link: &Link, subject: &Subject, stamp: &Stamp) -> Result<Volume, Fault> {
    let Subject::Live(id) = subject else {
        let reason = "a volume of the plan has not been made".to_owned();
        return Err(Fault::Refused(reason));
    };
    let (volume, its) = volume::require(link, id).await?;
    match its.is_of(&stamp.owner, &stamp.env) {
        true => Ok(volume),
        false => Err(volume::foreign(id)),
    }
}

/// Makes sure that no machine holds the volume; one that ends lets it go.
pub async fn require_free(link: &Link, volume: &Volume) -> Result<(), Fault> {
    for attachment in &volume.attachments {
        if is_held(link, attachment).await? {
            return Err(taken(&volume.id, &attachment.machine));
        }
    }
    Ok(())
}

/// Whether a machine has the volume and will not let it go by itself.
pub async fn is_held(link: &Link, attachment: &Attachment) -> Result<bool, Fault> {
    if attachment.phase == Phase::Detaching {
        return Ok(false);
    }
    Ok(machine::find(link, &attachment.machine).await?.is_some())
}

pub fn taken(volume: &LiveId, machine: &LiveId) -> Fault {
    Fault::Refused(format!(
        "the machine {machine} has the volume {volume} attached; detach it there first"
    ))
}

/// Attaches the volume to the machine, and waits until it is.
///
/// **Guarantees.** May be repeated, and goes on where it was killed.
///
/// # Errors
/// [`Fault::Refused`] when another machine holds it.
pub async fn attach(link: &Link, id: &LiveId, to: &LiveId) -> Result<(), Fault> {
    let late = format!("the volume {id} was not attached to {to}");
    until(VOLUME, &late, || async {
        let (volume, _) = volume::require(link, id).await?;
        match volume.attachment(to).map(|attachment| attachment.phase) {
            Some(Phase::Attached) => return Ok(Some(())),
            Some(Phase::Attaching | Phase::Detaching) => return Ok(None),
            None => {}
        }
        if !volume.attachments.is_empty() {
            require_free(link, &volume).await?;
            return Ok(None);
        }
        let (machine, _) = machine::require(link, to).await?;
        let device = free_device(&machine)
            .ok_or_else(|| Fault::Refused(format!("the machine {to} takes no further volume")))?;
        let attached = link.ec2.attach_volume().volume_id(&id.0);
        let attached = attached.instance_id(&to.0).device(device);
        asked(attached.send().await.map_err(change), UNTIMELY)?;
        Ok(None)
    })
    .await
}

/// Takes a volume from the machine, and waits until it is nobody's.
///
/// **Assumptions.** It has been looked at whose they are.
pub async fn detach(link: &Link, id: &LiveId, from: &LiveId) -> Result<(), Fault> {
    let late = format!("the volume {id} was not detached from {from}");
    until(VOLUME, &late, || async {
        let Some(volume) = volume::find(link, id).await? else {
            return Ok(Some(()));
        };
        let Some(attachment) = volume.attachment(from) else {
            return Ok(Some(()));
        };
        match attachment.phase {
            Phase::Attached => {}
            Phase::Attaching | Phase::Detaching => return Ok(None),
        }
        let detached = link.ec2.detach_volume().volume_id(&id.0);
        let detached = detached.instance_id(&from.0).device(&attachment.device);
        asked(detached.send().await.map_err(change), UNTIMELY)?;
        Ok(None)
    })
    .await
}

/// The names for volumes, in order.
pub fn devices() -> impl Iterator<Item = String> {
    DEVICES.map(|letter| format!("/dev/sd{letter}"))
}

/// The first name that is neither taken nor kept for a disk that the machine was made with.
fn free_device(machine: &Machine) -> Option<String> {
    let scratch = machine.mark.as_ref().map(|mark| &mark.scratch);
    let is_kept = |device: &String| scratch.is_some_and(|kept| kept.values().any(|d| d == device));
    devices().find(|device| !machine.disks.contains_key(device) && !is_kept(device))
}
