//! The repositories of the world.

use std::sync::Arc;

use async_trait::async_trait;

use super::World;
use crate::model::{Revision, Snapshot};
use crate::port::{Refs, Source, SourceError};

const URL: &str = "git://world/environments";

impl World {
    /// The branch of the environment repository stands at this commit from now on.
    pub fn push(&self, snapshot: Snapshot) {
        let mut state = self.state();
        state.head = Some(snapshot.revision.clone());
        state
            .commits
            .insert(snapshot.revision.clone(), Arc::new(snapshot));
    }

    /// History was rewritten: nothing but the head can be read any more.
    pub fn forget_history(&self) {
        let mut state = self.state();
        let head = state.head.clone();
        state
            .commits
            .retain(|revision, _| Some(revision) == head.as_ref());
    }

    /// The branches of another repository stand at this commit from now on; `None`: it is gone.
    pub fn set_branch(&self, url: &str, revision: Option<Revision>) {
        let mut state = self.state();
        match revision {
            Some(revision) => drop(state.branches.insert(url.to_owned(), revision)),
            None => drop(state.branches.remove(url)),
        }
    }

    fn is_unreachable(&self) -> bool {
        let mut state = self.state();
        let percent = state.dice.faults.source;
        state.dice.happens(percent)
    }
}

#[async_trait]
impl Source for World {
    async fn head(&self) -> Result<Revision, SourceError> {
        self.call().await;
        let url = URL.to_owned();
        if self.is_unreachable() {
            let reason = "connection refused".to_owned();
            return Err(SourceError::Unreachable { url, reason });
        }
        self.state().head.clone().ok_or(SourceError::Empty { url })
    }

    async fn snapshot(&self, revision: &Revision) -> Result<Arc<Snapshot>, SourceError> {
        self.call().await;
        let snapshot = self.state().commits.get(revision).cloned();
        snapshot.ok_or_else(|| SourceError::Unreadable {
            url: URL.to_owned(),
            what: format!("commit {}", revision.short()),
            reason: "it is not there any more".to_owned(),
        })
    }
}

#[async_trait]
impl Refs for World {
    async fn resolve(&self, url: &str, reference: &str) -> Result<Revision, SourceError> {
        self.call().await;
        if self.is_unreachable() {
            return Err(SourceError::Unreachable {
                url: url.to_owned(),
                reason: "connection refused".to_owned(),
            });
        }
        let revision = self.state().branches.get(url).cloned();
        revision.ok_or_else(|| SourceError::NoReference {
            url: url.to_owned(),
            reference: reference.to_owned(),
            hint: "push it".to_owned(),
        })
    }
}
