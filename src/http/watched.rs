//! The ports of `metrom serve` with something that counts and remembers around them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;

use super::Metrics;
use crate::model::{EnvName, EventKind, Revision, Snapshot};
use crate::port::{Clock, Lock, LockError, Locks, Source, SourceError, Store};

/// A source that tells when it moves, and when it cannot be used.
pub struct WatchedSource {
    inner: Arc<dyn Source>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    last: Mutex<Last>,
}

/// What the source came to last.
#[derive(Default)]
struct Last {
    revision: Option<Revision>,
    fault: Option<String>,
    snapshot: Option<Arc<Snapshot>>,
}

impl WatchedSource {
    #[must_use]
    pub fn new(
        inner: Arc<dyn Source>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self {
            inner,
            store,
            clock,
            metrics,
            last: Mutex::default(),
        }
    }

    /// Whether the source could be read since the start.
    #[must_use]
    pub fn was_read(&self) -> bool {
        self.with(|last| last.revision.is_some())
    }

    /// The newest files that were read.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.with(|last| last.snapshot.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Last) -> T) -> T {
        look(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is worth an event: a new revision, or a fault that is not the one before.
    fn news(&self, head: &Result<Revision, SourceError>) -> Option<EventKind> {
        self.with(|last| match head {
            Ok(revision) => {
                last.fault = None;
                let is_new = last.revision.as_ref() != Some(revision);
                last.revision = Some(revision.clone());
                is_new.then(|| EventKind::SourceMoved {
                    revision: revision.to_string(),
                })
            }
            Err(error) => {
                let message = error.to_string();
                let is_new = last.fault.as_ref() != Some(&message);
                last.fault = Some(message.clone());
                is_new.then_some(EventKind::SourceFault { message })
            }
        })
    }
}

#[async_trait]
impl Source for WatchedSource {
    async fn head(&self) -> Result<Revision, SourceError> {
        let head = self.inner.head().await;
        self.metrics.source_fault(head.is_err());
        if let Some(news) = self.news(&head) {
            match &head {
                Ok(revision) => tracing::info!(%revision, "the repository is at {revision}"),
                Err(error) => {
                    tracing::error!(%error, "the repository cannot be used; the last good revision stays the target")
                }
            }
            if let Err(error) = self.store.put_event(self.clock.now(), None, &news).await {
                tracing::warn!(%error, "an event was not kept");
            }
        }
        head
    }

    async fn snapshot(&self, revision: &Revision) -> Result<Arc<Snapshot>, SourceError> {
        let snapshot = self.inner.snapshot(revision).await?;
        self.with(|last| {
            if last.revision.as_ref() == Some(revision) {
                last.snapshot = Some(snapshot.clone());
            }
        });
        Ok(snapshot)
    }
}

/// Locks that time how long they are held: a sync holds its environment's from beginning to end.
pub struct TimedLocks {
    inner: Arc<dyn Locks>,
    metrics: Metrics,
}

impl TimedLocks {
    #[must_use]
    pub fn new(inner: Arc<dyn Locks>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl Locks for TimedLocks {
    async fn try_lock(&self, env: &EnvName) -> Result<Option<Lock>, LockError> {
        let Some(lock) = self.inner.try_lock(env).await? else {
            return Ok(None);
        };
        Ok(Some(Box::new(Timed {
            began: Instant::now(),
            metrics: self.metrics.clone(),
            _lock: lock,
        })))
    }
}

struct Timed {
    began: Instant,
    metrics: Metrics,
    _lock: Lock,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.metrics.sync(self.began.elapsed());
    }
}
