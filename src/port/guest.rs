//! The inside of a machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use super::journal::Journal;
use crate::model::{
    Bastion, Class, ContainerReading, EnvName, Gap, GuestAction, Key, LiveFields, LiveId,
    OwnerName, Stamp,
};

/// How to reach a machine, and how to know that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestTarget {
    pub owner: OwnerName,
    pub env: EnvName,
    pub machine: LiveId,
    pub address: IpAddr,
    /// The pinned host key, in OpenSSH's one-line form.
    pub host_key: String,
    /// Where the machine finds its data volumes: the path of the device by the volume's name.
    pub volumes: BTreeMap<String, String>,
    /// Through which it is reached; `None`: directly.
    pub bastion: Option<Bastion>,
}

/// What a machine said of itself: for each key the live fields and the stamp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestReport {
    pub live: BTreeMap<Key, (LiveFields, Option<Stamp>)>,
    pub gaps: Vec<Gap>,
}

#[async_trait]
pub trait GuestObserver: Send + Sync {
    /// Everything of the environment inside the machine.
    ///
    /// **Guarantees.** Never fails: a machine that cannot be asked is a gap.
    async fn observe(&self, target: &GuestTarget) -> GuestReport;

    /// What the running containers of the environment's stack have used since they were started;
    /// none when there is no stack.
    ///
    /// # Errors
    /// [`GuestError`] when the machine or its Docker cannot be asked.
    async fn containers(&self, target: &GuestTarget) -> Result<Vec<ContainerReading>, GuestError>;
}

#[async_trait]
pub trait GuestActuator: GuestObserver {
    /// Waits until the machine answers over SSH with the pinned key and its first boot is finished.
    /// Tells the journal the phases `boot` and `cloud-init`.
    ///
    /// # Errors
    /// [`GuestError::Silent`] after `patience`, [`GuestError::HostKey`], [`GuestError::Refused`].
    async fn await_ready(
        &self,
        target: &GuestTarget,
        patience: Duration,
        journal: &dyn Journal,
    ) -> Result<(), GuestError>;

    /// Does the action; [`GuestAction::AwaitReady`] has its own method and is refused here.
    ///
    /// # Errors
    /// [`GuestError`].
    async fn perform(
        &self,
        target: &GuestTarget,
        action: &GuestAction,
        journal: &dyn Journal,
    ) -> Result<(), GuestError>;
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum GuestError {
    #[error("{env} does not answer: {reason}")]
    Silent { env: EnvName, reason: String },
    #[error(
        "the host key of {env} is not the one we gave it: {reason}; delete the machine if this was not you"
    )]
    HostKey { env: EnvName, reason: String },
    #[error("{env} refuses our key: {reason}")]
    Refused { env: EnvName, reason: String },
    /// A program on the machine ended with an error; `output` is the end of what it wrote.
    #[error("{doing} failed on {env}: {output}")]
    Failed {
        env: EnvName,
        doing: String,
        output: String,
    },
    /// Somebody's work is in the way, or the declaration cannot be applied to this machine.
    #[error("{doing} is not possible on {env}: {reason}")]
    Blocked {
        env: EnvName,
        doing: String,
        reason: String,
    },
    #[error("the connection to {env} was lost while {doing}: {reason}")]
    Lost {
        env: EnvName,
        doing: String,
        reason: String,
    },
    /// The machine in between is not the one that is declared, or does not let us through.
    #[error("the way to {env} is barred: {reason}")]
    Barred { env: EnvName, reason: String },
    #[error("{0}")]
    Secret(#[from] super::secrets::SecretError),
}

impl GuestError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Silent { .. } | Self::Lost { .. } | Self::Failed { .. } => Class::Transient,
            Self::HostKey { .. }
            | Self::Refused { .. }
            | Self::Barred { .. }
            | Self::Blocked { .. }
            | Self::Secret(_) => Class::Terminal,
        }
    }
}
