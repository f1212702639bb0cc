//! Termination protection: EC2 itself refuses to end a machine, whoever asks for it.
//!
//! Listings do not say whether a machine has it, and to ask for each would take a request for each. So
//! a tag says that we put it on, and only machines with that tag are asked about. The tag is there as
//! long as the protection is: killed in between, it is asked about and put right.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{AttributeBooleanValue, InstanceAttributeName};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::answer::{change, look};
use super::fault::{Fault, found};
use super::link::Link;
use super::machine::{put_mark, require};
use super::seen::Machine;
use super::tag::Mark;
use crate::model::LiveId;

/// Asked about at once; each is a request of its own.
const AT_ONCE: usize = 8;

/// Puts protection on a machine of ours, or takes it off.
///
/// # Errors
/// [`Fault::Moved`] when it is not there, [`Fault::Foreign`] when it is not ours.
pub async fn protect(link: &Link, id: &LiveId, is_protected: bool) -> Result<(), Fault> {
    let (_, mark) = require(link, id).await?;
    put(link, id, mark, is_protected).await.map(drop)
}

/// The same, with the mark that it has now; returns the one that it has then.
pub async fn put(link: &Link, id: &LiveId, mark: Mark, is_protected: bool) -> Result<Mark, Fault> {
    let new = Mark {
        is_protected,
        ..mark.clone()
    };
    if is_protected && new != mark {
        put_mark(link, id, &new).await?;
    }
    let value = AttributeBooleanValue::builder().value(is_protected).build();
    let asked = link.ec2.modify_instance_attribute().instance_id(&id.0);
    let asked = asked.disable_api_termination(value).send().await;
    asked.map_err(change)?;
    if !is_protected && new != mark {
        put_mark(link, id, &new).await?;
    }
    Ok(new)
}

/// Those of the machines that we protect and that are protected still.
pub async fn all(link: &Link, machines: &[Machine]) -> Result<BTreeSet<LiveId>, Fault> {
    let mut asked = Vec::new();
    for machine in machines.iter().filter(|machine| is_marked(machine)) {
        asked.push(if_on(link, machine));
    }
    let known = stream::iter(asked).buffer_unordered(AT_ONCE);
    let known: Vec<Option<LiveId>> = known.try_collect().await?;
    Ok(known.into_iter().flatten().collect())
}

async fn if_on(link: &Link, machine: &Machine) -> Result<Option<LiveId>, Fault> {
    let is_on = is_on(link, machine).await?;
    Ok(is_on.then(|| machine.id.clone()))
}

/// Whether a machine is one that we protect and that is protected still.
pub async fn is_on(link: &Link, machine: &Machine) -> Result<bool, Fault> {
    if !is_marked(machine) {
        return Ok(false);
    }
    let asked = link.ec2.describe_instance_attribute();
    let asked = asked
        .instance_id(&machine.id.0)
        .attribute(InstanceAttributeName::DisableApiTermination);
    let answer = found(asked.send().await.map_err(look))?;
    let value = answer.and_then(|answer| answer.disable_api_termination?.value);
    Ok(value.unwrap_or(false))
}

fn is_marked(machine: &Machine) -> bool {
    let mark = machine.mark.as_ref();
    mark.is_some_and(|mark| mark.is_protected)
}
