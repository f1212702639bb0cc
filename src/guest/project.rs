//! A compose project as a whole, by its name alone: stopped, brought back, removed.
//!
//! The files of a stack lie on the data volume. Another machine that is given the volume writes its
//! own over them, so whoever stops a stack to bring it back keeps a copy on the machine's own disk.

use std::time::Duration;

use super::files::WRITE_FILES;
use super::operator::Operator;
use super::stack::{GRACE, folder, lock, recorded};
use crate::port::GuestError;
use crate::ssh::Command;

const COMPOSE_STOP: &str = include_str!("scripts/compose-stop.sh");
const COMPOSE_START: &str = include_str!("scripts/compose-start.sh");
const COMPOSE_DOWN: &str = include_str!("scripts/compose-down.sh");

/// Containers get seconds to end; emulated machines take minutes to tell them.
const STOP_WITHIN: Duration = Duration::from_secs(300);
/// Nothing is pulled or built, but a service may wait for the health of another.
const START_WITHIN: Duration = Duration::from_secs(900);

/// Stops the containers of a project, and keeps a copy of the files that we wrote.
///
/// **Guarantees.** [`start`] brings it back as it was, also when the data volume was another
/// machine's in between. The record of the stack stays. Without a record, nothing is done.
///
/// # Errors
/// [`GuestError::Failed`] with compose's words.
pub(crate) async fn stop(op: &Operator<'_>, project: &str) -> Result<(), GuestError> {
    let Some(record) = recorded(op).await? else {
        return Ok(());
    };
    let command = whole(op, COMPOSE_STOP, STOP_WITHIN, project).args(record.files.into_keys());
    op.run("compose stop", &command, STOP_WITHIN + GRACE).await
}

/// Puts the files back that [`stop`] has kept, and starts the containers; does not wait until they
/// are healthy.
///
/// **Guarantees.** The copy goes only when the containers have been started.
///
/// # Errors
/// [`GuestError::Failed`] with compose's words.
pub(crate) async fn start(op: &Operator<'_>, project: &str) -> Result<(), GuestError> {
    let command = whole(op, COMPOSE_START, START_WITHIN, project).arg(WRITE_FILES);
    op.run("compose start", &command, START_WITHIN + GRACE)
        .await
}

/// Stops the containers of a project and removes what we wrote; volumes stay.
///
/// # Errors
/// [`GuestError::Failed`] with compose's words.
pub(crate) async fn remove(op: &Operator<'_>, project: &str) -> Result<(), GuestError> {
    let before = recorded(op).await?;
    let files = before.map(|record| record.files).unwrap_or_default();
    let command = whole(op, COMPOSE_DOWN, STOP_WITHIN, project).args(files.into_keys());
    op.run("compose down", &command, STOP_WITHIN + GRACE).await
}

/// What all of them begin with: LOCK SECONDS PROJECT STATE STACK.
fn whole(op: &Operator<'_>, script: &'static str, within: Duration, project: &str) -> Command {
    Command::script(script)
        .arg(lock(op))
        .arg(within.as_secs().to_string())
        .args([project, &op.layout.state, &folder(op)])
        .as_root()
}
