//! Running, standing still, and of another size.
//!
//! EC2 has no pause: a machine that is paused is stopped, with a tag that says what it was made ready
//! for. Each action waits until the machine is at rest before, and in the new state after.

use std::time::Duration;

use aws_sdk_ec2::types::AttributeValue;

use super::answer::change;
use super::fault::Fault;
use super::kind;
use super::link::Link;
use super::machine::{foreign, put_mark, put_unready, require, settled};
use super::request;
use super::seen::State;
use super::tag::Mark;
use super::wait::{STATE, asked, until, within};
use crate::model::{Digest, Key, LiveId, Stamp};
use crate::port::Journal;

/// It was not in the state for that, which the next look shows.
const UNTIMELY: &[&str] = &["IncorrectInstanceState", "IncorrectState"];

/// Starts a machine of ours that is stopped or paused, and waits until it runs.
pub async fn start(link: &Link, id: &LiveId) -> Result<(), Fault> {
    let late = format!("the machine {id} did not start");
    until(STATE, &late, || async {
        let (machine, _) = require(link, id).await?;
        match machine.state {
            State::Running => return Ok(Some(())),
            State::Stopped => {}
            State::Pending | State::Stopping | State::Ending | State::Ended => return Ok(None),
        }
        let started = link.ec2.start_instances().instance_ids(&id.0).send().await;
        asked(started.map_err(change), UNTIMELY)?;
        Ok(None)
    })
    .await
}

/// Stops a machine of ours: by asking, and after a while by force. What is stopped is not paused. What
/// has no machine any more is ended, so that none is launched while all should be off.
pub async fn stop(
    link: &Link,
    id: &LiveId,
    patience: Duration,
    journal: &dyn Journal,
) -> Result<(), Fault> {
    if request::is_one(id) {
        return request::end(link, id).await;
    }
    halt(link, id, patience, journal).await?;
    let (_, mark) = require(link, id).await?;
    put_unready(link, id, mark).await
}

/// Lets a machine of ours stand still, and writes down what it was made ready for.
pub async fn pause(
    link: &Link,
    id: &LiveId,
    ready: &Digest,
    patience: Duration,
    journal: &dyn Journal,
) -> Result<(), Fault> {
    halt(link, id, patience, journal).await?;
    let (_, mark) = require(link, id).await?;
    let ready = Some(ready.clone());
    if mark.ready == ready {
        return Ok(());
    }
    put_mark(link, id, &Mark { ready, ..mark }).await
}

async fn halt(
    link: &Link,
    id: &LiveId,
    patience: Duration,
    journal: &dyn Journal,
) -> Result<(), Fault> {
    if within(patience, || is_off(link, id)).await?.is_some() {
        return Ok(());
    }
    let seconds = patience.as_secs();
    journal.line(&format!(
        "it did not shut down within {seconds} s; it is ended by force"
    ));
    let forced = link.ec2.stop_instances().instance_ids(&id.0).force(true);
    asked(forced.send().await.map_err(change), UNTIMELY)?;
    let late = format!("the machine {id} did not stop");
    until(STATE, &late, || is_off(link, id)).await
}

/// Whether a machine has stopped; one that runs is asked to.
async fn is_off(link: &Link, id: &LiveId) -> Result<Option<()>, Fault> {
    let (machine, _) = require(link, id).await?;
    match machine.state {
        State::Stopped => return Ok(Some(())),
        State::Running => {}
        State::Pending | State::Stopping | State::Ending | State::Ended => return Ok(None),
    }
    let stopped = link.ec2.stop_instances().instance_ids(&id.0).send().await;
    asked(stopped.map_err(change), UNTIMELY)?;
    Ok(None)
}

/// Gives a stopped machine of ours another type, and its new stamp after that.
///
/// # Errors
/// [`Fault::Moved`] while it runs, [`Fault::Foreign`] when it is another environment's.
pub async fn resize(
    link: &Link,
    id: &LiveId,
    (cpus, memory_mib): (u32, u64),
    stamp: &Stamp,
) -> Result<(), Fault> {
    let (machine, mark) = settled(link, id).await?;
    if !stamp.is_of(&mark.stamp.owner, &mark.stamp.env) || stamp.key != Key::Machine {
        return Err(foreign(id));
    }
    if machine.state != State::Stopped {
        return Err(Fault::Moved(format!("the machine {id}, running again,")));
    }
    let wanted = kind::choices(&link.config.types, cpus, memory_mib)?;
    if !wanted.contains(&machine.kind.as_str()) {
        let wanted = wanted[0];
        kind::usable(link, wanted).await?;
        let value = AttributeValue::builder().value(wanted).build();
        let asked = link.ec2.modify_instance_attribute().instance_id(&id.0);
        asked.instance_type(value).send().await.map_err(change)?;
    }
    let stamp = stamp.clone();
    put_mark(link, id, &Mark { stamp, ..mark }).await
}
