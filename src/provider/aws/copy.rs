//! A data volume as a copy of another: through a snapshot, which goes when the copy is there.

use aws_sdk_ec2::types::{ResourceType, SnapshotState};

use super::answer::{change, look};
use super::doubt::Doubt;
use super::fault::Fault;
use super::link::{Link, tagged};
use super::machine;
use super::network;
use super::seen::{State, Volume};
use super::tag::{self, ENV, OWNER, TOKEN};
use super::volume::{self, Order, await_there, gib};
use super::wait::{COPY, SHOWN, asked, until};
use crate::model::{LiveId, Stamp, Token};
use crate::port::Journal;

/// Makes the volume as a copy of another, which no running machine may have.
///
/// **Guarantees.** Repeated with the same token it goes on where it was killed: half a copy is a
/// snapshot, which is found by that token and is in no inventory.
///
/// # Errors
/// [`Fault::Moved`] when a machine that runs has the original, [`Fault::Foreign`] when that is not
/// ours.
pub async fn copy(
    link: &Link,
    stamp: &Stamp,
    size_mib: u64,
    original: &LiveId,
    token: &Token,
    journal: &dyn Journal,
) -> Result<LiveId, Fault> {
    let mark = tag::client_token(token, 0);
    let made = volume::list(link, vec![tagged(TOKEN, &mark)]).await?;
    let id = match made.into_iter().find(|volume| volume.stamp.is_some()) {
        Some(volume) => volume.id,
        None => {
            let (from, its) = volume::require(link, original).await?;
            if its.owner != stamp.owner {
                return Err(volume::foreign(original));
            }
            let snapshot = snapshot(link, stamp, &from, &mark).await?;
            journal.line("it is copied by way of a snapshot");
            let order = Order {
                stamp,
                token,
                size_gib: gib(size_mib.max(from.size_mib))?,
                zone: &network::site(link).await.map_err(Fault::once_begun)?.zone,
                snapshot: Some(&snapshot),
            };
            volume::make(link, &order)
                .await
                .map_err(Fault::once_begun)?
        }
    };
    await_there(link, &id).await?;
    end_snapshots(link, &mark)
        .await
        .map_err(Fault::once_begun)?;
    Ok(id)
}

/// The complete snapshot of the original: that of an earlier attempt, or a new one.
async fn snapshot(link: &Link, stamp: &Stamp, from: &Volume, mark: &str) -> Result<String, Fault> {
    let id = match snapshots(link, mark).await?.into_iter().next() {
        Some((id, _)) => id,
        None => {
            require_still(link, from).await?;
            take(link, stamp, from, mark).await?
        }
    };
    let late = format!("the snapshot {id} was not complete");
    let complete = until(COPY, &late, || async {
        let all = snapshots(link, mark).await?;
        match all.into_iter().find(|(other, _)| *other == id) {
            Some((_, SnapshotState::Completed)) => Ok(Some(())),
            Some((_, SnapshotState::Error)) => {
                end_snapshots(link, mark).await?;
                Err(Fault::Refused(format!(
                    "EC2 could not make the snapshot {id}; try again"
                )))
            }
            Some(_) | None => Ok(None),
        }
    });
    complete.await.map_err(Fault::once_begun)?;
    Ok(id)
}

async fn require_still(link: &Link, from: &Volume) -> Result<(), Fault> {
    for attachment in &from.attachments {
        let user = machine::find(link, &attachment.machine).await?;
        if user.is_some_and(|user| user.state != State::Stopped) {
            let id = &attachment.machine;
            return Err(Fault::Moved(format!("the machine {id}, running,")));
        }
    }
    Ok(())
}

async fn take(link: &Link, stamp: &Stamp, from: &Volume, mark: &str) -> Result<String, Fault> {
    let ours = tag::tags([
        (tag::NAME, tag::name(&stamp.env)),
        (OWNER, stamp.owner.to_string()),
        (ENV, stamp.env.to_string()),
        (TOKEN, mark.to_owned()),
    ]);
    let tags = tag::complete(ours, &link.config.tags).map_err(Fault::Refused)?;
    let asked = link.ec2.create_snapshot().volume_id(&from.id.0);
    let asked = asked.tag_specifications(tag::specification(ResourceType::Snapshot, &tags));
    let doubt = Doubt::default();
    let made = asked.customize().interceptor(doubt.clone()).send().await;
    let made = made.map_err(|error| doubt.judge(error))?;
    Ok(made.snapshot_id().unwrap_or_default().to_owned())
}

/// The snapshots that were made with the token.
async fn snapshots(link: &Link, mark: &str) -> Result<Vec<(String, SnapshotState)>, Fault> {
    let asked = link.ec2.describe_snapshots().owner_ids("self");
    let answer = asked
        .filters(tagged(TOKEN, mark))
        .send()
        .await
        .map_err(look)?;
    let seen = answer.snapshots().iter().filter_map(|snapshot| {
        Some((
            snapshot.snapshot_id()?.to_owned(),
            snapshot.state()?.clone(),
        ))
    });
    Ok(seen.collect())
}

async fn end_snapshots(link: &Link, mark: &str) -> Result<(), Fault> {
    until(SHOWN, "the snapshot was not gone", || async {
        let left = snapshots(link, mark).await?;
        for (id, _) in &left {
            let ended = link.ec2.delete_snapshot().snapshot_id(id).send().await;
            asked(ended.map_err(change), &["InvalidSnapshot.NotFound"])?;
        }
        Ok(left.is_empty().then_some(()))
    })
    .await
}
