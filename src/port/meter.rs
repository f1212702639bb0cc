//! How much machines use. Only looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::provider::ProviderError;
use crate::model::{LiveId, Reading};

/// Tells how much machines use.
#[async_trait]
pub trait Meter: Send + Sync {
    /// How long it takes until there is something new; asking more often is of no use, and may cost
    /// money.
    fn pace(&self) -> Duration;

    /// What these machines have used, all in as few calls as can be. A machine of which nothing is
    /// known is left out, and so is each number that is not known.
    ///
    /// **Guarantees.** Holds up no other call of the provider.
    ///
    /// # Errors
    /// [`ProviderError`] when the provider cannot be asked.
    async fn measure(
        &self,
        machines: &BTreeSet<LiveId>,
    ) -> Result<BTreeMap<LiveId, Reading>, ProviderError>;
}
