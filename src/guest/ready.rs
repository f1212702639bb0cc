//! Waiting for a machine's first boot: until it lets us in, then until cloud-init is through.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::time::Instant;

use super::observe;
use super::operator::{Operator, explain};
use crate::port::GuestError;
use crate::ssh::{Chunk, Command, SshError};

const SET_CLOCK: &str = include_str!("scripts/set-clock.sh");
const AWAIT_BOOT: &str = include_str!("scripts/await-boot.sh");
const BOOT_LOG: &str = "/var/log/cloud-init-output.log";
const DOING: &str = "waiting for its first boot";

/// A machine that answers may not know our account yet; after this long it never will.
pub(crate) const REFUSALS_FOR: Duration = Duration::from_secs(120);
/// Between two attempts to connect.
pub(crate) const PAUSE: Duration = Duration::from_millis(700);

#[derive(Deserialize)]
struct BootResult {
    v1: BootOutcome,
}

#[derive(Deserialize)]
struct BootOutcome {
    #[serde(default)]
    errors: Vec<String>,
}

/// Gives a machine that was paused the time that has passed meanwhile.
///
/// # Errors
/// When the machine cannot be asked, or does not take it.
pub(crate) async fn set_clock(op: &Operator<'_>) -> Result<(), GuestError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.unwrap_or_default().as_secs().to_string();
    let command = Command::script(SET_CLOCK).arg(now).as_root();
    op.ask("setting its clock", &command).await.map(drop)
}

/// Waits until cloud-init is through, and says what it had to complain of.
///
/// # Errors
/// [`GuestError::Silent`] at the deadline; [`GuestError::Failed`] with the end of cloud-init's log
/// when the machine is not usable.
pub(crate) async fn first_boot(op: &Operator<'_>, deadline: Instant) -> Result<(), GuestError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut out = Vec::new();
    let mut take = |chunk: Chunk<'_>| match chunk {
        Chunk::Out(bytes) => out.extend_from_slice(bytes),
        Chunk::Err(_) => {}
    };
    let command = Command::script(AWAIT_BOOT);
    match op.session.exec(&command, left, &mut take).await {
        Ok(_) => {}
        Err(SshError::Late(_)) => {
            let log = end_of_log(op).await;
            let reason = format!("cloud-init has not finished; the end of its log:\n{log}");
            let env = op.env.clone();
            return Err(GuestError::Silent { env, reason });
        }
        Err(e) => return Err(explain(op.env, DOING, e)),
    }
    let errors = errors(&String::from_utf8_lossy(&out));
    for error in &errors {
        op.journal.line(&format!("cloud-init: {error}"));
    }
    // What cloud-init complains of may be harmless; what we need to go on is looked at itself.
    match observe::observe(op).await.gaps.first() {
        None => Ok(()),
        Some(gap) => {
            let log = end_of_log(op).await;
            Err(op.failed(
                DOING,
                format!("{}\nthe end of {BOOT_LOG}:\n{log}", gap.reason),
            ))
        }
    }
}

fn errors(result: &str) -> Vec<String> {
    let result: Result<BootResult, _> = serde_json::from_str(result);
    result.map(|result| result.v1.errors).unwrap_or_default()
}

async fn end_of_log(op: &Operator<'_>) -> String {
    let tail = Command::new("tail").args(["-n", "25", BOOT_LOG]).as_root();
    match op.try_ask(DOING, &tail).await {
        Ok(ended) => ended.out,
        Err(e) => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaints_of_cloud_init_are_read() {
        let result = r#"{"v1": {"datasource": "DataSourceNoCloud", "errors": ["('scripts_user', RuntimeError('x'))"]}}"#;
        assert_eq!(errors(result).len(), 1);
        assert!(errors(r#"{"v1": {"errors": []}}"#).is_empty());
        assert!(errors("").is_empty());
    }
}
