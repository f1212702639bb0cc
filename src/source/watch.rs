//! Wakes when a local repository changes, so that nobody waits for the next poll.
//!
//! A wake-up carries nothing: whoever gets one looks at the repository. Missing one is made good by
//! the poll.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use git2::Repository;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A push writes several files; it is over when nothing has happened for this long.
const QUIET: Duration = Duration::from_millis(200);
/// A repository that never gets quiet still wakes this often.
const BUSY: Duration = Duration::from_secs(2);
/// How often we look whether anybody still listens, and whether a repository that went away is back.
const TICK: Duration = Duration::from_secs(1);

/// Why a repository cannot be watched; the poll still sees its changes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot watch {path} for changes: {reason}; they are seen at the next poll")]
pub struct WatchError {
    pub path: PathBuf,
    pub reason: String,
}

/// Watches the references of a local repository, bare or with a work tree.
///
/// **Guarantees.** At most one wake-up waits in the channel. A repository that is removed and made
/// again at the same path is watched again. The watch ends when the receiver is dropped.
///
/// # Errors
/// [`WatchError`] when there is no repository, or the system has no watches left.
pub fn watch(repository: &Path) -> Result<mpsc::Receiver<()>, WatchError> {
    let failed = |reason: String| WatchError {
        path: repository.to_owned(),
        reason,
    };
    let (heard, events) = channel();
    let watcher = arm(repository, &heard).map_err(failed)?;
    let (wake, woken) = mpsc::channel(1);
    let watch = Watch {
        repository: repository.to_owned(),
        watcher: Some(watcher),
        heard,
        events,
        wake,
    };
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || watch.run())
        .map_err(|e| failed(e.to_string()))?;
    Ok(woken)
}

struct Watch {
    repository: PathBuf,
    /// `None` while there is no repository to watch.
    watcher: Option<RecommendedWatcher>,
    heard: Sender<()>,
    events: Receiver<()>,
    wake: mpsc::Sender<()>,
}

impl Watch {
    fn run(mut self) {
        while !self.wake.is_closed() {
            match self.events.recv_timeout(TICK) {
                Ok(()) => self.await_quiet(),
                Err(RecvTimeoutError::Timeout) if self.watcher.is_some() => continue,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Folders may be new ones now, under the same names: watch what is there.
            self.watcher = arm(&self.repository, &self.heard).ok();
            if self.watcher.is_some() {
                // A full channel holds a wake-up already.
                let _ = self.wake.try_send(());
            }
        }
    }

    fn await_quiet(&self) {
        let end = Instant::now() + BUSY;
        while Instant::now() < end && self.events.recv_timeout(QUIET).is_ok() {}
    }
}

/// Watches where references are written: the git folder itself, for `HEAD` and `packed-refs`, and
/// everything below `refs`.
fn arm(repository: &Path, heard: &Sender<()>) -> Result<RecommendedWatcher, String> {
    let repository = Repository::open(repository).map_err(|e| e.message().to_owned())?;
    let heard = heard.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(event.kind)) {
            // Nobody listens only when the watch has ended.
            let _ = heard.send(());
        }
    })
    .map_err(|e| e.to_string())?;
    let common = repository.commondir();
    let places = [
        (repository.path().to_owned(), RecursiveMode::NonRecursive),
        (common.to_owned(), RecursiveMode::NonRecursive),
        (common.join("refs"), RecursiveMode::Recursive),
    ];
    for (place, mode) in places {
        watcher.watch(&place, mode).map_err(|e| e.to_string())?;
    }
    Ok(watcher)
}

/// Reading is no change: we read the repository ourselves after each wake-up.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}
