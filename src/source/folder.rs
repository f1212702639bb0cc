//! A folder of plain files as a snapshot, for looking at work that is not committed yet.
//!
//! It sees what a commit of everything would hold: `.gitignore` is respected where the folder lies
//! in a repository, links are not followed, a nested repository is a submodule.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, Repository};
use sha2::{Digest as _, Sha256};

use super::gather::{Gather, Limits, join};
use crate::model::{Entry, Revision, Snapshot};
use crate::port::SourceError;

const EXECUTABLE: u32 = 0o100;

/// The files below a folder as they are now; blocking.
///
/// **Guarantees.** The revision is the digest of what was read: 64 hexadecimal digits, equal for
/// equal files.
///
/// # Errors
/// [`SourceError::Unreachable`] when there is no such folder, [`SourceError::Unreadable`] when a
/// file of it cannot be read or it is above the limits.
pub fn snapshot(root: &Path) -> Result<Snapshot, SourceError> {
    within(root, Limits::default())
}

/// As [`snapshot`], with limits of one's own.
///
/// # Errors
/// As [`snapshot`].
pub fn within(root: &Path, limits: Limits) -> Result<Snapshot, SourceError> {
    let full = root.canonicalize().map_err(|e| SourceError::Unreachable {
        url: root.display().to_string(),
        reason: format!("{e}; check the path"),
    })?;
    let mut walk = Walk {
        ignores: Ignores::of(&full),
        gather: Gather::new(limits),
        root: full,
    };
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        walk.folder(&folder, &mut folders)?;
    }
    let entries = walk.gather.finish();
    Ok(Snapshot {
        revision: digest(entries.iter().map(|(path, entry)| (path.as_str(), entry))),
        entries,
    })
}

struct Walk {
    root: PathBuf,
    ignores: Option<Ignores>,
    gather: Gather,
}

impl Walk {
    fn folder(&mut self, folder: &str, folders: &mut Vec<String>) -> Result<(), SourceError> {
        let place = self.root.join(folder);
        for item in fs::read_dir(&place).map_err(|e| self.unreadable(&place, &e))? {
            let item = item.map_err(|e| self.unreadable(&place, &e))?;
            let name = item.file_name();
            if name == ".git" {
                continue;
            }
            let path = join(folder, name.as_bytes()).map_err(|e| self.unreadable(&place, &e))?;
            match item.metadata() {
                Ok(meta) => self.item(path, &item.path(), &meta, folders)?,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(self.unreadable(&item.path(), &e)),
            }
        }
        Ok(())
    }

    fn item(
        &mut self,
        path: String,
        place: &Path,
        meta: &Metadata,
        folders: &mut Vec<String>,
    ) -> Result<(), SourceError> {
        if self
            .ignores
            .as_ref()
            .is_some_and(|ignores| ignores.skips(place, meta.is_dir()))
        {
            return Ok(());
        }
        let entry = if meta.is_symlink() {
            let target = fs::read_link(place).map_err(|e| self.unreadable(place, &e))?;
            let target = target.to_string_lossy().into_owned();
            Entry::Symlink { target }
        } else if meta.is_dir() && !place.join(".git").exists() {
            self.gather
                .count()
                .map_err(|e| self.unreadable(place, &e))?;
            folders.push(path);
            return Ok(());
        } else if meta.is_dir() {
            Entry::Submodule
        } else if meta.is_file() {
            self.file(place, meta)
                .map_err(|e| self.unreadable(place, &e))?
        } else {
            // A pipe, a socket or a device: git has no such thing.
            return Ok(());
        };
        let added = self
            .gather
            .count()
            .and_then(|()| self.gather.add(&path, entry));
        added.map_err(|e| self.unreadable(place, &e))
    }

    fn file(&self, place: &Path, meta: &Metadata) -> io::Result<Entry> {
        if !self.gather.takes(meta.len()) {
            return Ok(Entry::TooLarge { bytes: meta.len() });
        }
        // It may grow while it is read; one byte above what it had tells.
        let most = meta.len() + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        File::open(place)?.take(most).read_to_end(&mut bytes)?;
        let executable = meta.permissions().mode() & EXECUTABLE != 0;
        Ok(Entry::File {
            bytes: bytes.into(),
            executable,
        })
    }

    fn unreadable(&self, place: &Path, reason: &dyn std::fmt::Display) -> SourceError {
        SourceError::Unreadable {
            url: self.root.display().to_string(),
            what: place.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

/// What git would leave out of a commit of everything.
struct Ignores {
    repository: Repository,
    index: Option<Index>,
    /// The repository's work tree, resolved.
    top: PathBuf,
}

impl Ignores {
    /// The rules of the repository that the folder lies in, if it lies in one.
    fn of(folder: &Path) -> Option<Self> {
        // The first question to libgit2 reads every certificate of the machine.
        let lies_in_one = |above: &Path| above.join(".git").exists();
        folder.ancestors().find(|above| lies_in_one(above))?;
        let repository = Repository::discover(folder).ok()?;
        let top = repository.workdir()?.canonicalize().ok()?;
        Some(Self {
            index: repository.index().ok(),
            repository,
            top,
        })
    }

    /// Whether git leaves this out; what is tracked is never left out.
    fn skips(&self, place: &Path, is_folder: bool) -> bool {
        let Ok(path) = place.strip_prefix(&self.top) else {
            return false;
        };
        let is_ignored = self.repository.is_path_ignored(place).unwrap_or(false);
        let is_tracked = |index: &Index| match is_folder {
            true => index.find_prefix(path.join("")).is_ok(),
            false => index.get_path(path, 0).is_some(),
        };
        is_ignored && !self.index.as_ref().is_some_and(is_tracked)
    }
}

/// One digest of all entries, in their order.
fn digest<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> Revision {
    let mut all = Sha256::new();
    let mut field = |bytes: &[u8]| {
        all.update((bytes.len() as u64).to_be_bytes());
        all.update(bytes);
    };
    for (path, entry) in entries {
        field(path.as_bytes());
        match entry {
            Entry::File { bytes, executable } => {
                field(if *executable { b"executable" } else { b"file" });
                field(bytes);
            }
            Entry::TooLarge { bytes } => field(format!("too large {bytes}").as_bytes()),
            Entry::Symlink { target } => {
                field(b"link");
                field(target.as_bytes());
            }
            Entry::Submodule => field(b"submodule"),
        }
    }
    Revision::parse(&hex::encode(all.finalize())).expect("a SHA-256 has 64 hexadecimal digits")
}
