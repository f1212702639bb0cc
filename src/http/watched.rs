//! The ports of `metrom serve` with something that counts and remembers around them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;

use super::Metrics;
use crate::model::{EnvName, Revision, Snapshot};
use crate::port::{Lock, LockError, Locks, Source, SourceError};

/// A source that remembers what was read last, and whose faults are counted. Its events are told
/// by the loop.
pub struct WatchedSource {
    inner: Arc<dyn Source>,
    metrics: Metrics,
    last: Mutex<Last>,
}

/// What the source came to last.
#[derive(Default)]
struct Last {
    revision: Option<Revision>,
    snapshot: Option<Arc<Snapshot>>,
}

impl WatchedSource {
    #[must_use]
    pub fn new(inner: Arc<dyn Source>, metrics: Metrics) -> Self {
        Self {
            inner,
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
}

#[async_trait]
impl Source for WatchedSource {
    async fn head(&self) -> Result<Revision, SourceError> {
        let head = self.inner.head().await;
        self.metrics.source_fault(head.is_err());
        if let Ok(revision) = &head {
            self.with(|last| last.revision = Some(revision.clone()));
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
