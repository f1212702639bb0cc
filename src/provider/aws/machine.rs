//! Machines: found, required to be ours, and marked.

use aws_sdk_ec2::types::Filter;

use super::answer::{change, look};
use super::fault::{Fault, found};
use super::link::Link;
use super::request;
use super::seen::{Machine, State};
use super::tag::{self, Mark, Tags};
use super::wait::{SHOWN, STATE, until};
use crate::model::LiveId;

/// A page of instances; half of what EC2 gives at once, for it is held as a whole, in many words.
pub const PAGE: i32 = 500;

/// The machine of that id, also when it is on its way out; `None` when nothing is shown of it.
pub async fn show(link: &Link, id: &LiveId) -> Result<Option<Machine>, Fault> {
    if request::is_one(id) {
        return Ok(None);
    }
    let asked = link.ec2.describe_instances().instance_ids(&id.0);
    let Some(answer) = found(asked.send().await.map_err(look))? else {
        return Ok(None);
    };
    let mut instances = answer.reservations().iter().flat_map(|r| r.instances());
    Ok(instances.find_map(Machine::of))
}

/// The machine of that id; `None` when it is gone, or on its way out.
pub async fn find(link: &Link, id: &LiveId) -> Result<Option<Machine>, Fault> {
    Ok(show(link, id).await?.filter(|machine| !machine.is_gone()))
}

/// The machine of that id with its mark.
///
/// # Errors
/// [`Fault::Moved`] when it is not there, [`Fault::Foreign`] when it does not carry our mark.
pub async fn require(link: &Link, id: &LiveId) -> Result<(Machine, Mark), Fault> {
    let machine = find(link, id).await?.ok_or_else(|| gone(id))?;
    let mark = machine.mark.clone().ok_or_else(|| foreign(id))?;
    Ok((machine, mark))
}

/// The machine of that id once it neither comes up nor shuts down.
///
/// # Errors
/// As [`require`].
pub async fn settled(link: &Link, id: &LiveId) -> Result<(Machine, Mark), Fault> {
    let late = format!("the machine {id} came to no rest");
    until(STATE, &late, || async {
        let (machine, mark) = require(link, id).await?;
        Ok(match machine.state {
            State::Running | State::Stopped => Some((machine, mark)),
            State::Pending | State::Stopping | State::Ending | State::Ended => None,
        })
    })
    .await
}

/// All that pass the filters, in pages.
pub async fn list(link: &Link, filters: Vec<Filter>) -> Result<Vec<Machine>, Fault> {
    let asked = link.ec2.describe_instances().set_filters(Some(filters));
    let mut pages = asked.into_paginator().page_size(PAGE).send();
    let mut machines = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(look)?;
        let instances = page.reservations().iter().flat_map(|r| r.instances());
        machines.extend(instances.filter_map(Machine::of));
    }
    Ok(machines)
}

/// Waits until a machine that was launched or started runs.
///
/// # Errors
/// When it ends instead: why it did, as far as EC2 says.
pub async fn running(link: &Link, id: &LiveId) -> Result<Machine, Fault> {
    let late = format!("the machine {id} did not run");
    until(STATE, &late, || async {
        // What was just launched may not be shown yet.
        let Some(machine) = show(link, id).await? else {
            return Ok(None);
        };
        match machine.state {
            State::Running => Ok(Some(machine)),
            State::Pending | State::Stopping => Ok(None),
            State::Stopped | State::Ending | State::Ended => Err(fallen(machine)),
        }
    })
    .await
}

/// Why a machine that was to run does not.
pub fn fallen(machine: Machine) -> Fault {
    let Machine { id, why, .. } = machine;
    let Some(mut why) = why else {
        return gone(&id);
    };
    let code = why
        .code
        .strip_prefix("Server.")
        .or_else(|| why.code.strip_prefix("Client."));
    why.code = code.unwrap_or(&why.code).to_owned();
    match why.code.as_str() {
        "" | "UserInitiatedShutdown" | "InstanceInitiatedShutdown" => gone(&id),
        // What EC2 calls so here is most often a key that it may not use for the disks.
        "InternalError" => Fault::Refused(format!("EC2 gave {id} up again ({})", why.text())),
        _ => Fault::Answer(why),
    }
}

/// Writes our mark on a machine in one call, and waits until it is shown.
pub async fn put_mark(link: &Link, id: &LiveId, mark: &Mark) -> Result<(), Fault> {
    put_tags(link, id, &mark.tags()).await?;
    let late = format!("the new tags of {id} were not shown");
    until(SHOWN, &late, || async {
        let shown = find(link, id).await?.ok_or_else(|| gone(id))?;
        Ok((shown.mark.as_ref() == Some(mark)).then_some(()))
    })
    .await
}

/// Takes off a machine what it was made ready for while it was warm.
pub async fn put_unready(link: &Link, id: &LiveId, mark: Mark) -> Result<(), Fault> {
    if mark.ready.is_none() {
        return Ok(());
    }
    let ready = None;
    put_mark(link, id, &Mark { ready, ..mark }).await
}

/// Writes tags on a machine or a volume in one call.
pub async fn put_tags(link: &Link, id: &LiveId, tags: &Tags) -> Result<(), Fault> {
    let asked = link.ec2.create_tags().resources(&id.0);
    let asked = asked.set_tags(Some(tag::written(tags)));
    asked.send().await.map_err(change)?;
    Ok(())
}

pub fn gone(id: &LiveId) -> Fault {
    Fault::Moved(format!("the machine {id}"))
}

pub fn foreign(id: &LiveId) -> Fault {
    Fault::Foreign(format!("the machine {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProviderName;
    use crate::port::ProviderError;
    use crate::provider::aws::fault::Answer;
    use std::collections::BTreeMap;

    fn ended(code: &str) -> Fault {
        fallen(Machine {
            id: LiveId("i-1".into()),
            name: String::new(),
            state: State::Ended,
            kind: String::new(),
            mark: None,
            disks: BTreeMap::new(),
            public: None,
            private: None,
            is_spot: false,
            spot_request: None,
            made: None,
            why: Some(Answer::new(code, "")),
        })
    }

    #[test]
    fn why_a_machine_ended_is_told_by_what_ec2_says_of_it() {
        let provider = ProviderName::parse("seoul").unwrap();
        for code in [
            "Server.InsufficientInstanceCapacity",
            "Client.VolumeLimitExceeded",
        ] {
            let full = ended(code).explain(&provider, "create a machine");
            assert!(matches!(full, ProviderError::Full { .. }), "{full:?}");
        }
        assert!(matches!(ended("Client.InternalError"), Fault::Refused(_)));
        assert!(matches!(
            ended("Client.UserInitiatedShutdown"),
            Fault::Moved(_)
        ));
    }
}
