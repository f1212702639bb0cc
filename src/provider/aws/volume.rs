//! Data volumes: found, and created once; they outlive their machine.

use aws_sdk_ec2::types::{Filter, ResourceType, VolumeState, VolumeType};

use super::answer::look;
use super::doubt::Doubt;
use super::fault::{Fault, MISMATCH, found};
use super::link::{Link, tagged};
use super::network;
use super::seen::{MIB_IN_GIB, Volume};
use super::tag::{self, ENV, KEY, OWNER, TOKEN};
use super::wait::{SHOWN, VOLUME, until, within};
use crate::model::{Key, LiveId, Stamp, Token};

/// A page of volumes; EC2 gives no more at once.
pub const PAGE: i32 = 500;

/// So many things may have been made with one token and have ended again before we give up on it.
pub const GENERATIONS: u32 = 8;

/// The volume of that id; `None` when it is gone, or on its way out.
pub async fn find(link: &Link, id: &LiveId) -> Result<Option<Volume>, Fault> {
    let asked = link.ec2.describe_volumes().volume_ids(&id.0);
    let Some(answer) = found(asked.send().await.map_err(look))? else {
        return Ok(None);
    };
    let volume = answer.volumes().iter().find_map(Volume::of);
    Ok(volume.filter(|volume| !volume.is_gone()))
}

/// The data volume of that id, with its stamp.
///
/// # Errors
/// [`Fault::Moved`] when it is not there, [`Fault::Foreign`] when it is no data volume of ours.
pub async fn require(link: &Link, id: &LiveId) -> Result<(Volume, Stamp), Fault> {
    let volume = find(link, id).await?.ok_or_else(|| gone(id))?;
    let stamp = volume.stamp.clone().ok_or_else(|| foreign(id))?;
    Ok((volume, stamp))
}

/// All that pass the filters, in pages.
pub async fn list(link: &Link, filters: Vec<Filter>) -> Result<Vec<Volume>, Fault> {
    let asked = link.ec2.describe_volumes().set_filters(Some(filters));
    let mut pages = asked.into_paginator().page_size(PAGE).send();
    let mut volumes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(look)?;
        volumes.extend(page.volumes().iter().filter_map(Volume::of));
    }
    volumes.retain(|volume| !volume.is_gone());
    Ok(volumes)
}

/// Makes the volume, or takes over the one that is there for the same resource.
///
/// **Guarantees.** However often it is repeated, killed or run after a listing that missed the
/// volume: there is one volume for one resource, and one with data is never replaced.
pub async fn create(
    link: &Link,
    stamp: &Stamp,
    size_mib: u64,
    token: &Token,
) -> Result<LiveId, Fault> {
    if !matches!(stamp.key, Key::Volume(_)) {
        let reason = format!("`{}` cannot be the name of a volume", stamp.key);
        return Err(Fault::Refused(reason));
    }
    let id = match existing(link, stamp).await? {
        Some(volume) if volume.state != VolumeState::Creating => return Ok(volume.id),
        Some(volume) => volume.id,
        None => {
            let zone = network::site(link).await?.zone;
            let order = Order {
                stamp,
                token,
                size_gib: gib(size_mib)?,
                zone: &zone,
                snapshot: None,
            };
            make(link, &order).await?
        }
    };
    await_there(link, &id).await?;
    Ok(id)
}

/// The oldest volume of the same resource.
async fn existing(link: &Link, stamp: &Stamp) -> Result<Option<Volume>, Fault> {
    let filters = vec![
        tagged(OWNER, stamp.owner.as_str()),
        tagged(ENV, stamp.env.as_str()),
        tagged(KEY, stamp.key.to_string()),
    ];
    let ours = list(link, filters).await?.into_iter();
    let ours = ours.filter(|volume| volume.stamp.is_some() && volume.state != VolumeState::Error);
    Ok(ours.min_by_key(|volume| volume.stamp.as_ref().map(|stamp| stamp.created)))
}

/// A volume to be made.
pub struct Order<'a> {
    pub stamp: &'a Stamp,
    pub token: &'a Token,
    pub size_gib: i32,
    pub zone: &'a str,
    /// What it is a copy of; `None`: it is empty.
    pub snapshot: Option<&'a str>,
}

/// Makes the volume, once for one token.
pub async fn make(link: &Link, order: &Order<'_>) -> Result<LiveId, Fault> {
    for generation in 0..GENERATIONS {
        let token = tag::client_token(order.token, generation);
        if let Some(id) = ask(link, order, &token).await? {
            return Ok(id);
        }
    }
    Err(Fault::Moved(format!("the volume of {}", order.stamp.env)))
}

/// `None` when what was made with the token is gone.
async fn ask(link: &Link, order: &Order<'_>, token: &str) -> Result<Option<LiveId>, Fault> {
    let mut ours = tag::of_stamp(order.stamp);
    ours.insert(TOKEN.to_owned(), token.to_owned());
    let tags = tag::complete(ours, &link.config.tags).map_err(Fault::Refused)?;
    let asked = link.ec2.create_volume();
    let asked = asked
        .availability_zone(order.zone)
        .size(order.size_gib)
        .set_snapshot_id(order.snapshot.map(str::to_owned))
        .volume_type(VolumeType::Gp3)
        .encrypted(true)
        .client_token(token)
        .tag_specifications(tag::specification(ResourceType::Volume, &tags));
    let doubt = Doubt::default();
    let made = asked.customize().interceptor(doubt.clone()).send().await;
    match made.map_err(|error| doubt.judge(error)) {
        Ok(made) => {
            let id = LiveId(made.volume_id().unwrap_or_default().to_owned());
            let shown = shown(link, &id).await.map_err(Fault::once_begun)?;
            Ok(shown.then_some(id))
        }
        Err(fault) if fault.is(&[MISMATCH]) => by_token(link, token).await.map(Some),
        Err(fault) => Err(fault),
    }
}

/// Whether it is seen, sooner or later: a token that is used again answers with what was made with it,
/// also when that is gone.
async fn shown(link: &Link, id: &LiveId) -> Result<bool, Fault> {
    Ok(within(SHOWN, || find(link, id)).await?.is_some())
}

/// What an earlier attempt made with the token, and did not hear of.
async fn by_token(link: &Link, token: &str) -> Result<LiveId, Fault> {
    let late = "what an earlier attempt made was not shown";
    let made = until(SHOWN, late, || async {
        let made = list(link, vec![tagged(TOKEN, token)]).await?;
        Ok(made.into_iter().next().map(|volume| volume.id))
    });
    made.await.map_err(Fault::once_begun)
}

/// Waits until a volume that was made can be attached.
///
/// # Errors
/// [`Fault::Refused`] when EC2 could not make it after all.
pub async fn await_there(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let late = format!("the volume {id} was not there");
    let there = until(VOLUME, &late, || async {
        match find(link, id).await? {
            Some(volume) if volume.state == VolumeState::Error => Err(Fault::Refused(format!(
                "EC2 could not make the volume {id}; look at the key that it is encrypted with"
            ))),
            Some(volume) if volume.state == VolumeState::Creating => Ok(None),
            Some(_) => Ok(Some(())),
            None => Ok(None),
        }
    });
    there.await.map_err(Fault::once_begun)
}

/// Whole GiB, which is what EC2 counts in.
pub fn gib(size_mib: u64) -> Result<i32, Fault> {
    let gib = size_mib.div_ceil(MIB_IN_GIB).max(1);
    let too_large = |_| Fault::Refused(format!("{gib} GiB are more than EC2 has in one volume"));
    i32::try_from(gib).map_err(too_large)
}

pub fn gone(id: &LiveId) -> Fault {
    Fault::Moved(format!("the volume {id}"))
}

pub fn foreign(id: &LiveId) -> Fault {
    Fault::Foreign(format!("the volume {id}"))
}
