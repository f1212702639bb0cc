//! Machines: made, or taken over when they are there already.
//!
//! May be repeated, and may be killed between any two calls. EC2 cannot launch a machine with a data
//! volume that is there: so it is launched first, and its volumes are attached when it runs. A machine
//! that is taken over may lack them, and is finished just the same.

use std::time::Instant;

use super::attach::{attach, meant, require_free};
use super::fault::{Fault, sort};
use super::launch::{Launch, launch};
use super::link::{Link, filter, tagged};
use super::machine::{self, gone};
use super::offer::{self, Offer, offers};
use super::seen::{Machine, State, Volume};
use super::tag::{ENV, KEY, Mark, OWNER};
use super::wait::{SHOWN, until};
use super::{image, kind, network, power, request, volume};
use crate::model::{Beside, Key, LiveId, MachineSpec, Stamp, Subject, Token};
use crate::port::{Journal, SeedMaker};

/// A machine to be made.
pub struct Order<'a> {
    pub spec: &'a MachineSpec,
    pub stamp: &'a Stamp,
    pub volumes: &'a [Subject],
    pub token: &'a Token,
    pub beside: Option<&'a Beside>,
    pub seeds: &'a dyn SeedMaker,
}

/// Makes the machine, starts it, and attaches its data volumes.
///
/// # Errors
/// [`Fault::Foreign`] for a volume of another environment, [`Fault::Refused`] when somebody has a
/// volume, and for everything that the declaration has wrong about the cloud.
pub async fn make(link: &Link, order: &Order<'_>, journal: &dyn Journal) -> Result<LiveId, Fault> {
    let id = match existing(link, order).await? {
        Some(machine) => {
            journal.line("it is there already");
            machine.id
        }
        None => {
            let Stamp { owner, env, .. } = order.stamp;
            request::sweep(link, owner, env).await?;
            let started = Instant::now();
            let id = prepared(link, order, journal).await?;
            journal.phase("launch", started.elapsed());
            id
        }
    };
    let started = Instant::now();
    finish(link, order, &id).await.map_err(Fault::once_begun)?;
    journal.phase("attach", started.elapsed());
    Ok(id)
}

/// Our machine, if it is there: the first that was made, but for the one beside which it is to be.
async fn existing(link: &Link, order: &Order<'_>) -> Result<Option<Machine>, Fault> {
    let Stamp { owner, env, .. } = order.stamp;
    let filters = vec![
        tagged(OWNER, owner.as_str()),
        tagged(ENV, env.as_str()),
        tagged(KEY, Key::Machine.to_string()),
        filter(
            "instance-state-name",
            ["pending", "running", "stopping", "stopped"],
        ),
    ];
    let other = order.beside.map(|beside| &beside.machine);
    let ours = machine::list(link, filters).await?.into_iter();
    let ours = ours.filter(|machine| Some(&machine.id) != other && machine.mark.is_some());
    Ok(ours.min_by_key(|machine| machine.mark.as_ref().map(|mark| mark.stamp.created)))
}

/// Looks at everything that the launch needs before anything is made.
async fn prepared(link: &Link, order: &Order<'_>, journal: &dyn Journal) -> Result<LiveId, Fault> {
    if let Some(beside) = order.beside {
        let (_, mark) = machine::require(link, &beside.machine).await?;
        if !mark.stamp.is_of(&order.stamp.owner, &order.stamp.env) {
            return Err(gone(&beside.machine));
        }
    }
    let spec = order.spec;
    let site = network::site(link).await?;
    for volume in free_volumes(link, order).await? {
        require_zone(&volume, &site.zone)?;
    }
    let kinds = kind::choices(&link.config.types, spec.cpus, spec.memory_mib)?;
    let facts = kind::usable(link, kinds[0]).await?;
    let ami = image::find(link, &spec.image).await?;
    let disk_gib = volume::gib(spec.disk_mib)?;
    ami.require_fit(kinds[0], &facts, disk_gib)?;
    let groups = network::groups(link, &site).await?;
    let wanted = |offer, place| Launch {
        order,
        ami: &ami,
        offer,
        token: offer::token(order.token, place),
        disk_gib,
        site: &site,
        groups: groups.clone(),
    };
    let offers = offers(&kinds, spec.market);
    first_to_be_had(link, offers, wanted, journal).await
}

/// Launches what the first of the offers that has room gives.
async fn first_to_be_had<'a>(
    link: &Link,
    offers: Vec<Offer<'a>>,
    wanted: impl Fn(Offer<'a>, usize) -> Launch<'a>,
    journal: &dyn Journal,
) -> Result<LiveId, Fault> {
    let mut tried = Vec::new();
    let mut last = None;
    for (place, offer) in offers.into_iter().enumerate() {
        let wanted = wanted(offer, place);
        if place > 0 && !fits(link, &wanted).await? {
            continue;
        }
        match launch(link, &wanted).await {
            Err(fault) if offer.is_exhausted(&fault) => {
                journal.line(&format!("EC2 has no {} for us now", offer.name()));
                tried.push(offer.name());
                last = Some(fault);
            }
            launched => return launched,
        }
    }
    Err(none_left(last, &tried))
}

/// Whether a further type can be taken; what the first one lacks would be said.
async fn fits(link: &Link, wanted: &Launch<'_>) -> Result<bool, Fault> {
    let kind = wanted.offer.kind;
    match kind::usable(link, kind).await {
        Ok(facts) => Ok(wanted
            .ami
            .require_fit(kind, &facts, wanted.disk_gib)
            .is_ok()),
        Err(Fault::Refused(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// The refusal of the last offer, which names all of them.
fn none_left(last: Option<Fault>, tried: &[String]) -> Fault {
    let refusal = match last {
        Some(Fault::Answer(answer)) => sort(&answer),
        Some(fault) => fault,
        None => Fault::Refused("there is no type to launch".to_owned()),
    };
    match refusal {
        Fault::Full(reason) if tried.len() > 1 => {
            Fault::Full(format!("{reason}; tried {}", tried.join(", ")))
        }
        refusal => refusal,
    }
}

/// The data volumes, each of which must be there, this environment's, and held by no machine.
async fn free_volumes(link: &Link, order: &Order<'_>) -> Result<Vec<Volume>, Fault> {
    let mut volumes = Vec::new();
    for subject in order.volumes {
        let volume = meant(link, subject, order.stamp).await?;
        require_free(link, &volume).await?;
        volumes.push(volume);
    }
    Ok(volumes)
}

fn require_zone(volume: &Volume, zone: &str) -> Result<(), Fault> {
    if volume.zone == zone {
        return Ok(());
    }
    Err(Fault::Refused(format!(
        "the volume {} lies in {}, which it cannot leave, and machines are made in {zone}; declare \
         `network.zone` or `network.subnet` of {}",
        volume.id, volume.zone, volume.zone
    )))
}

/// Lets the machine run, and gives it its volumes.
async fn finish(link: &Link, order: &Order<'_>, id: &LiveId) -> Result<(), Fault> {
    let late = format!("the machine {id} was not shown");
    let machine = until(SHOWN, &late, || machine::show(link, id)).await?;
    match machine.state {
        State::Pending | State::Running => drop(machine::running(link, id).await?),
        State::Stopping | State::Stopped | State::Ending | State::Ended => {
            power::start(link, id).await?;
        }
    }
    for subject in order.volumes {
        let volume = meant(link, subject, order.stamp).await?;
        attach(link, &volume.id, id).await?;
    }
    let (_, mark) = machine::require(link, id).await?;
    if mark.is_begun {
        let is_begun = false;
        machine::put_mark(link, id, &Mark { is_begun, ..mark }).await?;
    }
    Ok(())
}
