//! A bare copy of the environment repository in the state folder.
//!
//! It is a cache with one virtue: objects are never thrown away, so the last good revision of an
//! environment can be read although its history was rewritten or its server is gone. It may be
//! deleted at any time, and a damaged one is made anew beside the old one, which is replaced only
//! when the new one is complete. Writers hold a lock file; readers hold none and, when they find
//! something missing, look again under the lock.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};

use super::gather::Limits;
use super::remote::Talk;
use super::tree::{self, ReadFault};
use crate::model::{Digest, Revision, Snapshot};
use crate::port::SourceError;

/// The one reference that follows the branch.
const TARGET: &str = "refs/metrom/target";
/// Commits that were asked for by their id are kept below this.
const KEPT: &str = "refs/metrom/kept";
/// Packs above which they are made into one; each fetch adds one, and every look-up asks them all.
const PACKS: usize = 20;
/// Between two attempts to get the lock; a fetch takes longer than this, a person waits no longer.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The mirror of one repository.
pub(super) struct Mirror {
    path: PathBuf,
    limits: Limits,
}

impl Mirror {
    /// The place of the mirror of this address in the folder of mirrors.
    pub fn new(folder: &Path, address: &str, limits: Limits) -> Self {
        let name = format!("{}.git", Digest::of_bytes(address.as_bytes()));
        Self {
            path: folder.join(name),
            limits,
        }
    }

    /// Whether the commit is here already, so that nothing has to be fetched.
    pub fn holds(&self, commit: Oid) -> bool {
        Repository::open_bare(&self.path)
            .is_ok_and(|mirror| mirror.find_commit(commit).is_ok_and(|c| c.tree().is_ok()))
    }

    /// The commit that a text such as `HEAD~1` or the first digits of an id means; `HEAD` is where
    /// the branch stood when it was last asked for.
    pub fn named(&self, text: &str) -> Option<Oid> {
        let mirror = Repository::open_bare(&self.path).ok()?;
        let text = match text.strip_prefix("HEAD") {
            Some(rest) => format!("{TARGET}{rest}"),
            None => text.to_owned(),
        };
        let commit = mirror.revparse_single(&text).ok()?.peel_to_commit().ok()?;
        Some(commit.id())
    }

    /// Fetches a reference and says which commit it stands at.
    pub fn follow(&self, reference: &str, talk: &Talk<'_>) -> Result<Oid, SourceError> {
        let _lock = self.lock(talk)?;
        let specs = [format!("+{reference}:{TARGET}")];
        match self.fetch(&self.path, &specs, talk) {
            Ok(()) => self.compact(),
            Err(error) if self.is_sound() => return Err(talk.fault(&error)),
            Err(_) => self.remake(&specs, talk)?,
        }
        self.target().map_err(|e| local(talk, &e.to_string()))
    }

    /// The files at a commit; what is missing or damaged here is fetched again.
    pub fn snapshot(
        &self,
        commit: Oid,
        branch: &str,
        talk: &Talk<'_>,
    ) -> Result<Snapshot, SourceError> {
        if let Ok(snapshot) = self.read(commit) {
            return Ok(snapshot);
        }
        let _lock = self.lock(talk)?;
        let mended = match self.read(commit) {
            Ok(_) | Err(ReadFault::TooMuch(_)) => Ok(()),
            Err(ReadFault::Absent) if self.is_sound() => self.fetch_commit(commit, talk),
            Err(ReadFault::Absent | ReadFault::Damaged(_)) => {
                tracing::warn!(mirror = %self.path.display(), "the mirror is missing or damaged and is made anew");
                self.remake(&[format!("+{branch}:{TARGET}")], talk)
                    .and_then(|()| self.fetch_commit(commit, talk))
            }
        };
        let reading = self.read(commit).or_else(|fault| match talk.local_path() {
            Some(origin) => read(origin, commit, self.limits).map_err(|_| fault),
            None => Err(fault),
        });
        reading.map_err(|fault| unreadable(&tree::revision(commit), fault, mended, talk))
    }

    fn read(&self, commit: Oid) -> Result<Snapshot, ReadFault> {
        read(&self.path, commit, self.limits)
    }

    /// Fetches a commit that no branch leads to any more, if the server still gives it. libgit2
    /// cannot do that with a local repository; there we read it where it is.
    fn fetch_commit(&self, commit: Oid, talk: &Talk<'_>) -> Result<(), SourceError> {
        if self.holds(commit) || talk.local_path().is_some() {
            return Ok(());
        }
        let specs = [format!("+{commit}:{KEPT}/{commit}")];
        self.fetch(&self.path, &specs, talk)
            .map_err(|e| talk.fault(&e))
    }

    /// Fetches into the repository at `path`, which is made if there is none.
    fn fetch(&self, path: &Path, specs: &[String], talk: &Talk<'_>) -> Result<(), git2::Error> {
        let mirror = match path.exists() {
            true => Repository::open_bare(path)?,
            false => {
                let mut options = RepositoryInitOptions::new();
                options.bare(true).mkpath(true).external_template(false);
                Repository::init_opts(path, &options)?
            }
        };
        talk.fetch(&mirror, specs)
    }

    fn target(&self) -> Result<Oid, git2::Error> {
        let mirror = Repository::open_bare(&self.path)?;
        let commit = mirror.find_reference(TARGET)?.peel_to_commit()?;
        Ok(commit.id())
    }

    /// Whether everything that git itself needs for the next fetch is here.
    fn is_sound(&self) -> bool {
        let walk = || -> Result<(), git2::Error> {
            let mirror = Repository::open_bare(&self.path)?;
            match mirror.find_reference(TARGET) {
                Err(e) if e.code() != ErrorCode::NotFound => return Err(e),
                Ok(_) | Err(_) => {}
            }
            let mut commits = mirror.revwalk()?;
            commits.push_glob("refs/*")?;
            for commit in commits {
                mirror.find_commit(commit?)?;
            }
            Ok(())
        };
        walk().is_ok()
    }

    /// Makes the mirror anew beside the old one, and replaces that when all is there.
    fn remake(&self, specs: &[String], talk: &Talk<'_>) -> Result<(), SourceError> {
        let fresh = self.path.with_extension("new");
        let old = self.path.with_extension("old");
        let failed = |e: io::Error| {
            local(
                talk,
                &format!("cannot replace {}: {e}", self.path.display()),
            )
        };
        remove(&fresh).map_err(failed)?;
        self.fetch(&fresh, specs, talk)
            .map_err(|e| talk.fault(&e))?;
        remove(&old).map_err(failed)?;
        if self.path.exists() {
            fs::rename(&self.path, &old).map_err(failed)?;
        }
        fs::rename(&fresh, &self.path).map_err(failed)?;
        remove(&old).map_err(failed)
    }

    /// Makes one pack of many; whatever fails here only leaves the mirror as it was.
    fn compact(&self) {
        let packs = packs(&self.path.join("objects/pack"));
        if packs.len() <= PACKS {
            return;
        }
        if let Err(error) = self.repack(&packs) {
            tracing::warn!(mirror = %self.path.display(), %error, "the mirror cannot be compacted");
        }
    }

    /// Every object goes into the new pack, reachable or not: an old revision may still be needed.
    fn repack(&self, old: &[PathBuf]) -> Result<(), git2::Error> {
        let mirror = Repository::open_bare(&self.path)?;
        let mut objects = Vec::new();
        mirror.odb()?.foreach(|id| {
            objects.push(*id);
            true
        })?;
        let mut pack = mirror.packbuilder()?;
        for id in objects {
            pack.insert_object(id, None)?;
        }
        pack.write(&self.path.join("objects/pack"), 0)?;
        let made = pack.name()?.unwrap_or_default().to_owned();
        for path in old
            .iter()
            .filter(|path| !path.to_string_lossy().contains(&made))
        {
            for extension in ["idx", "pack"] {
                // What cannot be removed is merely kept twice.
                let _ = fs::remove_file(path.with_extension(extension));
            }
        }
        Ok(())
    }

    fn lock(&self, talk: &Talk<'_>) -> Result<File, SourceError> {
        let path = self.path.with_extension("lock");
        let failed = |e: io::Error| local(talk, &format!("cannot lock {}: {e}", path.display()));
        let folder = path.parent().expect("a mirror lies in a folder");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) if Instant::now() >= talk.deadline() => {
                    return Err(local(talk, "another process works on it and does not end"));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            }
        }
    }
}

fn read(path: &Path, commit: Oid, limits: Limits) -> Result<Snapshot, ReadFault> {
    let repository = Repository::open(path).map_err(|e| match path.exists() {
        true => ReadFault::Damaged(e),
        false => ReadFault::Absent,
    })?;
    tree::read(&repository, commit, limits)
}

/// An error of the mirror itself.
fn local(talk: &Talk<'_>, reason: &str) -> SourceError {
    SourceError::Unreadable {
        url: talk.url(),
        what: "the local copy".to_owned(),
        reason: reason.to_owned(),
    }
}

fn unreadable(
    revision: &Revision,
    fault: ReadFault,
    mended: Result<(), SourceError>,
    talk: &Talk<'_>,
) -> SourceError {
    let reason = match (fault, mended) {
        (ReadFault::TooMuch(reason), _) => reason.to_string(),
        (_, Err(error)) => format!("there is no whole copy here, and {error}"),
        (ReadFault::Absent, Ok(())) => "it is not in the repository any more".to_owned(),
        (ReadFault::Damaged(error), Ok(())) => error.message().to_owned(),
    };
    SourceError::Unreadable {
        url: talk.url(),
        what: format!("revision {}", revision.short()),
        reason,
    }
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "pack"))
        .collect()
}

/// Removes a folder or whatever else lies there, if anything does.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}
