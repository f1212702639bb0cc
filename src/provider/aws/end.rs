//! The end of a machine: with its own disks, and without its data volumes.

use super::answer::change;
use super::fault::Fault;
use super::handover::sweep;
use super::link::Link;
use super::machine::{foreign, show};
use super::request;
use super::seen::{Machine, State};
use super::volume;
use super::wait::{STATE, asked, until};
use crate::model::LiveId;

/// Ends a machine of ours and waits until it has ended, so that its data volumes are free; one that is
/// not there has.
///
/// # Errors
/// [`Fault::Foreign`] for a machine that is not ours, [`Fault::Refused`] when a data volume would go
/// with it.
pub async fn delete(link: &Link, id: &LiveId) -> Result<(), Fault> {
    if request::is_one(id) {
        return request::end(link, id).await;
    }
    let late = format!("the machine {id} did not end");
    until(STATE, &late, || async {
        let Some(machine) = show(link, id).await? else {
            return Ok(Some(()));
        };
        match machine.state {
            State::Ended => return Ok(Some(())),
            State::Ending => return Ok(None),
            State::Pending | State::Running | State::Stopping | State::Stopped => {}
        }
        if machine.mark.is_none() {
            return Err(foreign(id));
        }
        require_data_to_stay(link, &machine).await?;
        // While the machine is there, somebody would still look for what is left of it.
        sweep(link, id).await?;
        end_requests(link, &machine).await?;
        let ended = link
            .ec2
            .terminate_instances()
            .instance_ids(&id.0)
            .send()
            .await;
        asked(ended.map_err(change), &["IncorrectInstanceState"])?;
        Ok(None)
    })
    .await
}

/// What asked for a spot machine goes before it: otherwise EC2 launches another one in its place.
/// And what is left of earlier ones of the environment.
async fn end_requests(link: &Link, machine: &Machine) -> Result<(), Fault> {
    if let Some(mark) = machine.mark.as_ref().filter(|_| machine.is_spot) {
        request::sweep(link, &mark.stamp.owner, &mark.stamp.env).await?;
    }
    match &machine.spot_request {
        Some(request) => request::cancel(link, request).await,
        None => Ok(()),
    }
}

/// Somebody may have set a data volume to be deleted with the machine.
async fn require_data_to_stay(link: &Link, machine: &Machine) -> Result<(), Fault> {
    for disk in machine.disks.values().filter(|disk| disk.ends_with_machine) {
        let volume = volume::find(link, &disk.volume).await?;
        if volume.is_some_and(|volume| volume.stamp.is_some()) {
            return Err(Fault::Refused(format!(
                "the data volume {} would be deleted with it; take `DeleteOnTermination` off that \
                 volume in AWS's console",
                disk.volume
            )));
        }
    }
    Ok(())
}
