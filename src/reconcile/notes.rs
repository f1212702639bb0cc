//! What a look needs of the store, and nothing that writes.

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{EnvName, Intent, Memos, Revision, Run};
use crate::port::{Store, StoreError};

/// The part of a [`Store`] that is enough to plan.
#[async_trait]
pub trait Notes: Send + Sync {
    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError>;
    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError>;
    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError>;
    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError>;
    /// The newest runs of an environment first.
    async fn runs(&self, env: &EnvName, limit: u32) -> Result<Vec<Run>, StoreError>;
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError>;
}

#[async_trait]
impl Notes for Arc<dyn Store> {
    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError> {
        (**self).intents(env).await
    }

    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError> {
        (**self).good_revision(env).await
    }

    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError> {
        (**self).known_environments().await
    }

    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError> {
        (**self).memos(env).await
    }

    async fn runs(&self, env: &EnvName, limit: u32) -> Result<Vec<Run>, StoreError> {
        (**self).runs(Some(env), limit).await
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        (**self).fact(name).await
    }
}
