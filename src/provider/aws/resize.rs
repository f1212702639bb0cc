//! A data volume grows under its machine, and goes when nobody has it.

use aws_sdk_ec2::types::{VolumeModification, VolumeModificationState};

use super::answer::{change, look};
use super::attach::{is_held, taken};
use super::fault::{Fault, found};
use super::link::Link;
use super::volume::{find, foreign, gib, require};
use super::wait::{SHOWN, VOLUME, asked, until};
use crate::model::LiveId;

/// A change before this one has not come to its end.
const CHANGING: &[&str] = &["IncorrectModificationState", "IncorrectState"];

/// Makes the volume at least as large; it never shrinks.
pub async fn grow(link: &Link, id: &LiveId, size_mib: u64) -> Result<(), Fault> {
    let wanted = gib(size_mib)?;
    let late = format!("the volume {id} did not grow");
    until(VOLUME, &late, || async {
        let (volume, _) = require(link, id).await?;
        let is_large = volume.size_mib >= size_mib;
        match growth(link, id, wanted).await? {
            Growth::Grows => return Ok(None),
            // Its new size is shown a little later, and another change only after hours.
            Growth::Grown | Growth::None if is_large => return Ok(Some(())),
            Growth::Grown => return Ok(None),
            Growth::None => {}
        }
        let grown = link.ec2.modify_volume().volume_id(&id.0).size(wanted);
        asked(grown.send().await.map_err(change), CHANGING)?;
        Ok(None)
    })
    .await
}

/// How far a volume has come on its way to a size.
enum Growth {
    None,
    Grows,
    /// It has the size, although its data may still be moved about.
    Grown,
}

async fn growth(link: &Link, id: &LiveId, wanted: i32) -> Result<Growth, Fault> {
    let asked = link.ec2.describe_volumes_modifications().volume_ids(&id.0);
    let answer = match asked.send().await.map_err(look) {
        Err(fault) if fault.is(&["InvalidVolumeModification.NotFound"]) => return Ok(Growth::None),
        answer => found(answer)?,
    };
    let all = answer.as_ref().map(|answer| answer.volumes_modifications());
    let last = all.into_iter().flatten();
    let last = last.max_by_key(|change| change.start_time().map(|at| at.secs()));
    let is_enough = last.and_then(VolumeModification::target_size) >= Some(wanted);
    Ok(
        match last.and_then(VolumeModification::modification_state) {
            Some(VolumeModificationState::Modifying) => Growth::Grows,
            Some(VolumeModificationState::Optimizing | VolumeModificationState::Completed)
                if is_enough =>
            {
                Growth::Grown
            }
            Some(_) | None => Growth::None,
        },
    )
}

/// Deletes the volume with its data, if it is there.
///
/// # Errors
/// [`Fault::Refused`] while a machine has it, running or not.
pub async fn delete(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let late = format!("the volume {id} was not gone");
    until(VOLUME, &late, || async {
        let Some(volume) = find(link, id).await? else {
            return Ok(Some(()));
        };
        if volume.stamp.is_none() {
            return Err(foreign(id));
        }
        if let Some(attachment) = volume.attachments.first() {
            if is_held(link, attachment).await? {
                return Err(taken(id, &attachment.machine));
            }
            return Ok(None);
        }
        remove(link, id).await?;
        Ok(None)
    })
    .await
}

/// Deletes a volume that no machine has, and whose it is has been looked at; it is not waited for.
pub async fn remove(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let deleted = link.ec2.delete_volume().volume_id(&id.0).send().await;
    let untimely = ["IncorrectState", "VolumeInUse", "InvalidVolume.NotFound"];
    asked(deleted.map_err(change), &untimely)
}

/// Waits until a volume that was removed is not shown any more.
pub async fn await_gone(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let late = format!("the volume {id} was not gone");
    until(SHOWN, &late, || async {
        Ok(find(link, id).await?.is_none().then_some(()))
    })
    .await
}
