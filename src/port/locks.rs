//! One worker per environment, whatever the number of processes.

use async_trait::async_trait;

use crate::model::EnvName;

/// Held while it lives; given back when dropped, and by the system when the process dies.
pub type Lock = Box<dyn Send + Sync>;

/// Keeps `metrom apply` and `metrom serve` from working on one environment at once.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Takes the lock of an environment; `None` while somebody else has it.
    ///
    /// # Errors
    /// [`LockError`] when the lock cannot be asked for at all.
    async fn try_lock(&self, env: &EnvName) -> Result<Option<Lock>, LockError>;
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot lock environment {env}: {reason}")]
pub struct LockError {
    pub env: EnvName,
    pub reason: String,
}
