//! Secrets, looked up at the moment they are needed.

use secrecy::SecretString;

use crate::model::SecretRef;

pub trait Secrets: Send + Sync {
    /// The value behind a reference.
    ///
    /// # Errors
    /// [`SecretError`] when there is none; it names the reference, never a value.
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError>;
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    #[error(
        "the environment variable `{0}` is not set in Metrom's process; set it where `metrom` is started"
    )]
    Unset(String),
    #[error("cannot read the secret file {path}: {reason}")]
    Unreadable { path: String, reason: String },
}
