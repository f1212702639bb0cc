//! Spot requests that outlived their machine.
//!
//! A machine on spot has a persistent request, which goes before it when we end it. Where somebody else
//! has ended the machine, the request is still there, and EC2 launches another one, without any tag. So
//! such a request is shown as a machine that is only begun: its end is the end of the request, and a
//! creation begins with that.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, SpotInstanceRequest};

use super::answer::{change, look};
use super::fault::Fault;
use super::kind;
use super::link::{Link, filter, tagged};
use super::machine::{self, foreign, gone};
use super::seen::{Machine, instant};
use super::tag::{self, ENV, OWNER};
use super::wait::asked;
use crate::model::{
    About, EnvName, Key, LiveFields, LiveId, LiveMachine, Object, OwnerName, Power, Stamp,
    Timestamp,
};

/// Those that may launch something.
const OPEN: [&str; 3] = ["open", "active", "disabled"];

/// So long EC2 may show a request and not its machine yet.
const YOUNG_S: i64 = 300;

/// A page of requests; EC2 gives no more at once.
const PAGE: i32 = 1000;

/// A request of ours that may launch a machine.
pub struct Request {
    pub id: LiveId,
    pub stamp: Stamp,
    /// The instance type.
    kind: String,
    made: Option<Timestamp>,
}

impl Request {
    /// `None` for what is not ours.
    fn of(request: &SpotInstanceRequest) -> Option<Self> {
        let tags = tag::read(request.tags());
        let launch = request.launch_specification();
        let kind = launch.and_then(|launch| launch.instance_type());
        Some(Self {
            id: LiveId(request.spot_instance_request_id()?.to_owned()),
            stamp: tag::stamp(&tags).filter(|stamp| stamp.key == Key::Machine)?,
            kind: kind.map_or_else(String::new, ToString::to_string),
            made: request.create_time().and_then(instant),
        })
    }

    /// Whether it has no machine of ours any more.
    fn is_left(&self, machines: &[Machine], now: Timestamp) -> bool {
        let made = self.made.unwrap_or(Timestamp::MIN);
        let is_its = |machine: &Machine| {
            machine.mark.is_some() && machine.spot_request.as_ref() == Some(&self.id.0)
        };
        now.as_second() - made.as_second() > YOUNG_S && !machines.iter().any(is_its)
    }
}

/// Whether it is the id of a request, and of no machine.
#[must_use]
pub fn is_one(id: &LiveId) -> bool {
    id.0.starts_with("sir-")
}

/// All of ours that may launch a machine.
pub async fn all(link: &Link) -> Result<Vec<Request>, Fault> {
    list(link, vec![filter("tag-key", [OWNER])]).await
}

async fn list(link: &Link, mut filters: Vec<Filter>) -> Result<Vec<Request>, Fault> {
    filters.push(filter("state", OPEN));
    let asked = link.ec2.describe_spot_instance_requests();
    let asked = asked.set_filters(Some(filters)).into_paginator();
    let mut pages = asked.page_size(PAGE).send();
    let mut requests = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(look)?;
        requests.extend(page.spot_instance_requests().iter().filter_map(Request::of));
    }
    Ok(requests)
}

/// Those of environments that have no machine: what would be one soon, of which no tag says so.
pub fn left(link: &Link, requests: Vec<Request>, machines: &[Machine]) -> Vec<Object> {
    let now = Timestamp::now();
    let marks = machines.iter().filter_map(|machine| machine.mark.as_ref());
    let living: BTreeSet<_> = marks
        .map(|mark| (&mark.stamp.owner, &mark.stamp.env))
        .collect();
    let left = requests.into_iter().filter(|request| {
        let Stamp { owner, env, .. } = &request.stamp;
        request.is_left(machines, now) && !living.contains(&(owner, env))
    });
    left.map(|request| object(link, request)).collect()
}

fn object(link: &Link, request: Request) -> Object {
    let (cpus, memory_mib) = kind::size(link, &request.kind);
    Object {
        name: tag::name(&request.stamp.env),
        fields: LiveFields::Machine(LiveMachine {
            // EC2 launches it as soon as it can.
            power: Power::Running,
            cpus,
            memory_mib,
            image: None,
            volumes: BTreeSet::new(),
            address: None,
            host_key: None,
            devices: BTreeMap::new(),
            ready: None,
            is_finished: false,
            is_protected: None,
            is_spot: true,
            bastion: link.config.bastion.clone(),
        }),
        about: About {
            type_name: Some(request.kind).filter(|kind| !kind.is_empty()),
            made: request.made,
            holder: None,
        },
        stamp: Some(request.stamp),
        id: request.id,
    }
}

/// The request of that id as a machine; `None` when it can launch nothing any more.
pub async fn one(link: &Link, id: &LiveId) -> Result<Option<Object>, Fault> {
    Ok(find(link, id).await?.map(|request| object(link, request)))
}

async fn find(link: &Link, id: &LiveId) -> Result<Option<Request>, Fault> {
    let by_id = vec![filter("spot-instance-request-id", [&id.0])];
    Ok(list(link, by_id).await?.pop())
}

/// Ends a request of ours.
///
/// # Errors
/// [`Fault::Foreign`] for one that is not ours, [`Fault::Moved`] for one that has its machine.
pub async fn end(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let Some(request) = find(link, id).await? else {
        let by_id = link.ec2.describe_spot_instance_requests();
        let shown = by_id.spot_instance_request_ids(&id.0).send().await;
        let is_foreign = shown.is_ok_and(|shown| {
            let requests = shown.spot_instance_requests().iter();
            requests.clone().count() > 0 && requests.filter_map(Request::of).count() == 0
        });
        return if is_foreign { Err(foreign(id)) } else { Ok(()) };
    };
    let Stamp { owner, env, .. } = &request.stamp;
    let machines = of_environment(link, owner, env).await?;
    match request.is_left(&machines, Timestamp::now()) {
        true => cancel(link, &id.0).await,
        false => Err(gone(id)),
    }
}

/// Ends what is left of earlier machines of an environment.
pub async fn sweep(link: &Link, owner: &OwnerName, env: &EnvName) -> Result<(), Fault> {
    let ours = vec![tagged(OWNER, owner.as_str()), tagged(ENV, env.as_str())];
    let requests = list(link, ours).await?;
    if requests.is_empty() {
        return Ok(());
    }
    let machines = of_environment(link, owner, env).await?;
    let now = Timestamp::now();
    for request in requests
        .iter()
        .filter(|request| request.is_left(&machines, now))
    {
        cancel(link, &request.id.0).await?;
    }
    Ok(())
}

async fn of_environment(
    link: &Link,
    owner: &OwnerName,
    env: &EnvName,
) -> Result<Vec<Machine>, Fault> {
    let ours = vec![tagged(OWNER, owner.as_str()), tagged(ENV, env.as_str())];
    let mut machines = machine::list(link, ours).await?;
    machines.retain(|machine| !machine.is_gone());
    Ok(machines)
}

/// Ends a request; one that is not there has ended.
pub async fn cancel(link: &Link, request: &str) -> Result<(), Fault> {
    let ended = link.ec2.cancel_spot_instance_requests();
    let ended = ended.spot_instance_request_ids(request).send().await;
    asked(
        ended.map_err(change),
        &["InvalidSpotInstanceRequestID.NotFound"],
    )
}
