//! Asks a machine what it is and has.

use std::time::Duration;

use super::RemoteConfig;
use super::facts::HostFacts;
use super::words;
use crate::model::Timestamp;
use crate::model::health::skew;
use crate::ssh::{Command, Connections};

/// One short script; a busy machine forks slowly.
const WITHIN: Duration = Duration::from_secs(60);

/// What a machine says of itself.
///
/// # Errors
/// Why it cannot be asked, with the next move, for people.
pub async fn facts_of(
    connections: &Connections,
    config: &RemoteConfig,
) -> Result<HostFacts, String> {
    let host = &config.host;
    let said = |error| words::of(host, error);
    let script = Command::script(include_str!("scripts/facts.sh"));
    let script = script.arg(config.pool_path.as_str()).as_root();
    let asked = Timestamp::now();
    let answer = connections.ask(host, &script, WITHIN).await.map_err(said)?;
    let answered = Timestamp::now();
    if answer.code != 0 {
        let output = answer.tail;
        return Err(words::of_root(host, &output)
            .unwrap_or_else(|| format!("it does not tell what it is: {output}")));
    }
    let facts = HostFacts::parse(&answer.out)?;
    let meanwhile = (asked.as_second(), answered.as_second());
    Ok(HostFacts {
        skew_s: skew(facts.clock_s, meanwhile),
        ..facts
    })
}
