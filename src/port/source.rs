//! Repositories: the one that declares, and those that environments check out.

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Class, Revision, Snapshot};

/// The environment repository.
#[async_trait]
pub trait Source: Send + Sync {
    /// Fetches and says which commit the branch stands at.
    ///
    /// # Errors
    /// [`SourceError`]; whatever it is, the last good revision stays the target.
    async fn head(&self) -> Result<Revision, SourceError>;

    /// The files at a commit that was fetched before.
    ///
    /// # Errors
    /// [`SourceError::Unreadable`] when the commit or one of its objects is not there.
    async fn snapshot(&self, revision: &Revision) -> Result<Arc<Snapshot>, SourceError>;
}

/// Any other repository, of which only the position of a branch or tag is asked.
#[async_trait]
pub trait Refs: Send + Sync {
    /// The commit that a branch, a tag or a full commit id stands for.
    ///
    /// # Errors
    /// [`SourceError`] when the repository cannot be asked or has no such reference.
    async fn resolve(&self, url: &str, reference: &str) -> Result<Revision, SourceError>;
}

/// What can go wrong with a repository. `url` never carries credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    #[error("cannot reach the repository {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The URL is not one we can use, or the server does not let us in.
    #[error("the repository {url} cannot be used: {reason}")]
    Refused { url: String, reason: String },
    #[error("the host key of {url} is not the pinned one: {reason}")]
    HostKey { url: String, reason: String },
    #[error("the repository {url} has no commit yet; push one")]
    Empty { url: String },
    #[error("the repository {url} has no branch, tag or commit `{reference}`; {hint}")]
    NoReference {
        url: String,
        reference: String,
        hint: String,
    },
    #[error("cannot read {what} of the repository {url}: {reason}")]
    Unreadable {
        url: String,
        what: String,
        reason: String,
    },
}

impl SourceError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Unreadable { .. } => Class::Transient,
            Self::Refused { .. }
            | Self::HostKey { .. }
            | Self::Empty { .. }
            | Self::NoReference { .. } => Class::Terminal,
        }
    }
}
