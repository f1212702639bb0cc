//! Opens providers from their declarations, so that they follow the repository.

use std::sync::Arc;

use async_trait::async_trait;

use super::provider::{Actuator, Observer, ProviderError};
use crate::manifest::schema::ProviderSpec;
use crate::model::ProviderName;

/// Opens providers for looking only.
#[async_trait]
pub trait Observers: Send + Sync {
    /// The provider that is declared so.
    ///
    /// **Guarantees.** Asked again for the same name and declaration, it gives the same connection
    /// as long as that is alive: the adapter keeps it.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`] when the connection cannot be made.
    async fn observer(
        &self,
        name: &ProviderName,
        declared: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError>;
}

/// Opens providers for looking and doing.
#[async_trait]
pub trait Providers: Observers {
    /// As [`Observers::observer`], with hands.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`] when the connection cannot be made.
    async fn actuator(
        &self,
        name: &ProviderName,
        declared: &ProviderSpec,
    ) -> Result<Arc<dyn Actuator>, ProviderError>;
}
