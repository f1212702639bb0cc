//! Images of containers on a machine, before anything is made from them.

use std::time::Duration;

use super::configure::write;
use super::operator::Operator;
use super::record::{self, ContainersRecord};
use crate::model::{ContainersSpec, Stamp};
use crate::port::GuestError;
use crate::ssh::Command;

const PULL: &str = include_str!("scripts/pull.sh");
/// Everything over a slow line; an emulated processor unpacks slowly.
const PULL_WITHIN: Duration = Duration::from_secs(3600);

/// Pulls what is not there yet.
///
/// # Errors
/// [`GuestError::Failed`] with Docker's words when one cannot be pulled.
pub(crate) async fn pull(
    op: &Operator<'_>,
    spec: &ContainersSpec,
    stamp: &Stamp,
) -> Result<(), GuestError> {
    let pull = Command::script(PULL).args(&spec.images).as_root();
    op.run("pulling images", &pull, PULL_WITHIN).await?;
    let record = ContainersRecord {
        stamp: stamp.clone(),
    };
    let line = record::line(&record) + "\n";
    write(op, &op.layout.state, "stamps/containers.json", line, 0o600).await
}
