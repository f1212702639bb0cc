//! Carrying data volumes from one provider to another.
//!
//! Nothing carries yet: [`NoCarrier`] says so, and each plan that would need it repeats that. What
//! the first one has to be is here, so that plans are made today as they will be then.
//!
//! **How a plan is to use it.** With `data: carried`, between the machine's stop at the one place and
//! its start at the other, one step for each volume: an intent with a token is written, the volume is
//! made at the other place as any volume is, then [`Carrier::carry`] is asked with that token until it
//! is whole. Only then the machine is made there. Until then the volume at the first place is the
//! data, and nothing starts at the other.

use std::time::Duration;

use async_trait::async_trait;

use super::journal::Journal;
use crate::model::{Class, Digest, EnvName, LiveId, OwnerName, ProviderName, Token};

/// Tells between which places data can be carried. Cannot touch it.
pub trait Routes: Send + Sync {
    /// Whether data volumes can be carried from one place to another.
    ///
    /// **Guarantees.** Asks nobody, so that a plan may ask whenever it is made, and gets the same
    /// answer until the process ends.
    ///
    /// # Errors
    /// [`NoRoute`]: why not.
    fn can_carry(&self, from: &ProviderName, to: &ProviderName) -> Result<(), NoRoute>;
}

/// Why nothing can be carried between two places: a sentence of its own in a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    #[error("Metrom cannot carry data from one place to another yet")]
    NoCarrier,
    /// There is a carrier, and not for these two.
    #[error("nothing can be carried from {from} to {to}: {reason}")]
    Between {
        from: ProviderName,
        to: ProviderName,
        reason: String,
    },
}

/// The absence of a carrier.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCarrier;

impl Routes for NoCarrier {
    fn can_carry(&self, _: &ProviderName, _: &ProviderName) -> Result<(), NoRoute> {
        Err(NoRoute::NoCarrier)
    }
}

/// Carries data volumes.
#[async_trait]
pub trait Carrier: Routes {
    /// Copies the whole of one volume into another, for at most `patience`.
    ///
    /// The journal is told how many bytes have come over, and the phases `carry` and `compare`.
    ///
    /// **Guarantees.** The volume that is copied is only read, and stays whatever comes of it. The
    /// other one is written to by nobody else meanwhile, and is whole only once this has said so:
    /// when what was read there afterwards has the checksum of what was read here. Who asks again with
    /// the same token goes on where it was left, also after a crash on either side; who asks again
    /// for what is whole gets the same answer and copies nothing. Volumes without our stamp, of
    /// this owner and environment, are not read and not written to.
    ///
    /// **Assumptions.** Neither volume is with a machine that runs. The other one is at least as
    /// large, and holds nothing that anybody needs.
    ///
    /// # Errors
    /// [`CarryError`]; none of them leaves anything behind but a part of a copy, which the same token
    /// goes on with and the deletion of the volume ends.
    async fn carry(
        &self,
        load: &Load,
        patience: Duration,
        journal: &dyn Journal,
    ) -> Result<Carried, CarryError>;
}

/// What is to be carried, and whereto.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Of whom both volumes have to be, by their stamps.
    pub owner: OwnerName,
    pub env: EnvName,
    pub from: Berth,
    pub to: Berth,
    /// The same for each repetition, another one for each new copy.
    pub token: Token,
}

/// A volume at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Berth {
    pub provider: ProviderName,
    pub volume: LiveId,
}

/// A volume that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// So many were copied, in all repetitions together.
    pub bytes: u64,
    /// Of both volumes, over the length of the one that was copied.
    pub checksum: Digest,
}

/// Why a volume is not whole.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CarryError {
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    #[error("cannot reach {provider} to carry data: {reason}")]
    Unreachable {
        provider: ProviderName,
        reason: String,
    },
    /// The time was up, or the connection was lost; to be gone on with.
    #[error("{done} of {total} bytes have come to {to}: {reason}")]
    Unfinished {
        to: ProviderName,
        done: u64,
        total: u64,
        reason: String,
    },
    /// What came over is not what was sent; the copy begins anew.
    #[error("the copy on {to} is not equal to the volume on {from}")]
    Unequal {
        from: ProviderName,
        to: ProviderName,
    },
    #[error("{provider} has no room for the data: {reason}")]
    Full {
        provider: ProviderName,
        reason: String,
    },
    /// One of the volumes is gone, runs with a machine, or is not ours.
    #[error("the volume on {provider} is not as it was when the plan was made: {reason}")]
    Moved {
        provider: ProviderName,
        reason: String,
    },
}

impl CarryError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Unfinished { .. } | Self::Unequal { .. } => {
                Class::Transient
            }
            Self::Full { .. } => Class::NoRoom,
            Self::NoRoute(_) => Class::Terminal,
            Self::Moved { .. } => Class::Conflict,
        }
    }
}
