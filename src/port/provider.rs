//! What makes machines: a hypervisor host, a cloud account.

use async_trait::async_trait;

use super::image::ImageFiles;
use super::journal::Journal;
use super::meter::Meter;
use crate::model::{Class, Inventory, LiveId, Object, ProviderAction, ProviderName};

/// Looks, and cannot touch.
#[async_trait]
pub trait Observer: Send + Sync {
    fn provider(&self) -> &ProviderName;

    /// Everything in the scope of this provider, ours and foreign, with the gaps.
    ///
    /// **Guarantees.** Never fails: what could not be seen is a gap.
    async fn inventory(&self) -> Inventory;

    /// One machine with its stamp, as it is now; `None` when it is not there.
    ///
    /// # Errors
    /// [`ProviderError`] when the provider cannot be asked.
    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError>;

    /// The end of the machine's serial console, for people who want to know why it does not answer;
    /// empty when the provider keeps none.
    ///
    /// # Errors
    /// [`ProviderError`] when the provider cannot be asked.
    async fn console(&self, id: &LiveId) -> Result<String, ProviderError>;

    /// What tells how much machines use; `None` when the provider does not know.
    fn meter(&self) -> Option<&dyn Meter> {
        None
    }
}

/// Does one thing at a time, as a plan says.
#[async_trait]
pub trait Actuator: Observer {
    /// Does the action.
    ///
    /// **Guarantees.** Safe to repeat; see [`ProviderAction`].
    /// `image` is given for [`ProviderAction::ProvideImage`] alone.
    ///
    /// # Errors
    /// [`ProviderError`]; its class says whether the action may have been done after all.
    async fn perform(
        &self,
        action: &ProviderAction,
        image: Option<&ImageFiles>,
        journal: &dyn Journal,
    ) -> Result<Made, ProviderError>;
}

/// What an action made, where it makes anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub id: Option<LiveId>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    #[error("cannot reach {provider}: {reason}")]
    Unreachable {
        provider: ProviderName,
        reason: String,
    },
    /// The request was understood and refused; it was not done.
    #[error("{provider} cannot {doing}: {reason}")]
    Refused {
        provider: ProviderName,
        doing: String,
        reason: String,
    },
    /// There is no room: disk, memory, quota.
    #[error("{provider} has no room to {doing}: {reason}")]
    Full {
        provider: ProviderName,
        doing: String,
        reason: String,
    },
    /// Something is there that is not ours and has the name that we need.
    #[error("{provider} already has {what}, which is not ours; rename or remove it")]
    Foreign {
        provider: ProviderName,
        what: String,
    },
    /// The object that the plan saw is gone or is another one now.
    #[error("{what} on {provider} is not as it was when the plan was made")]
    Moved {
        provider: ProviderName,
        what: String,
    },
    /// The reply was lost; it may have been done.
    #[error("no answer from {provider} to {doing}: {reason}")]
    Unanswered {
        provider: ProviderName,
        doing: String,
        reason: String,
    },
}

impl ProviderError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } => Class::Transient,
            Self::Full { .. } => Class::NoRoom,
            Self::Refused { .. } | Self::Foreign { .. } => Class::Terminal,
            Self::Moved { .. } => Class::Conflict,
        }
    }

    /// Whether the action was certainly not done.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Unanswered { .. } => false,
            Self::Unreachable { .. }
            | Self::Full { .. }
            | Self::Refused { .. }
            | Self::Foreign { .. }
            | Self::Moved { .. } => true,
        }
    }
}
