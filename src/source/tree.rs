//! Reads the files of a commit from an object database; no work tree, no checkout.

use std::collections::HashMap;
use std::sync::Arc;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::gather::{Gather, LINK_BYTES, Limits, TooMuch, join};
use crate::model::{Entry, Revision, Snapshot};

const MODE_LINK: i32 = 0o120_000;
const MODE_EXECUTABLE: i32 = 0o100;

/// Why a commit could not be read.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// The commit is not in this database.
    Absent,
    /// The commit is there, something that it needs is not, or is damaged.
    Damaged(git2::Error),
    TooMuch(TooMuch),
}

impl From<git2::Error> for ReadFault {
    fn from(error: git2::Error) -> Self {
        Self::Damaged(error)
    }
}

impl From<TooMuch> for ReadFault {
    fn from(reason: TooMuch) -> Self {
        Self::TooMuch(reason)
    }
}

/// All files at a commit.
pub(super) fn read(
    repository: &Repository,
    commit: Oid,
    limits: Limits,
) -> Result<Snapshot, ReadFault> {
    let found = repository.find_commit(commit).map_err(|e| match e.code() {
        ErrorCode::NotFound => ReadFault::Absent,
        _ => ReadFault::Damaged(e),
    })?;
    let mut reader = Reader {
        odb: repository.odb()?,
        known: HashMap::new(),
        gather: Gather::new(limits),
    };
    let mut folders = vec![(String::new(), found.tree_id())];
    while let Some((folder, id)) = folders.pop() {
        reader.folder(repository, &folder, id, &mut folders)?;
    }
    Ok(Snapshot {
        revision: revision(commit),
        entries: reader.gather.finish(),
    })
}

/// A commit id of git as ours.
pub(super) fn revision(commit: Oid) -> Revision {
    Revision::parse(&commit.to_string()).expect("git's ids are 40 or 64 hexadecimal digits")
}

struct Reader<'repo> {
    odb: Odb<'repo>,
    /// Equal files are read and kept once.
    known: HashMap<Oid, Arc<[u8]>>,
    gather: Gather,
}

impl Reader<'_> {
    /// Adds the files of one folder, and the folders in it to those still to be read.
    fn folder(
        &mut self,
        repository: &Repository,
        folder: &str,
        id: Oid,
        folders: &mut Vec<(String, Oid)>,
    ) -> Result<(), ReadFault> {
        for item in repository.find_tree(id)?.iter() {
            self.gather.count()?;
            let path = join(folder, item.name_bytes())?;
            let mode = item.filemode_raw();
            match item.kind() {
                Some(ObjectType::Tree) => folders.push((path, item.id())),
                Some(ObjectType::Commit) => self.gather.add(&path, Entry::Submodule)?,
                Some(ObjectType::Blob) if mode & 0o170_000 == MODE_LINK => {
                    let entry = self.link(item.id())?;
                    self.gather.add(&path, entry)?;
                }
                Some(ObjectType::Blob) => {
                    let entry = self.file(item.id(), mode & MODE_EXECUTABLE != 0)?;
                    self.gather.add(&path, entry)?;
                }
                Some(ObjectType::Any | ObjectType::Tag) | None => {
                    return Err(TooMuch::Name(format!("`{path}` has an unknown type")).into());
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, id: Oid, executable: bool) -> Result<Entry, ReadFault> {
        if let Some(bytes) = self.known.get(&id) {
            let bytes = Arc::clone(bytes);
            return Ok(Entry::File { bytes, executable });
        }
        let (size, _) = self.odb.read_header(id)?;
        if !self.gather.takes(size as u64) {
            return Ok(Entry::TooLarge { bytes: size as u64 });
        }
        let bytes: Arc<[u8]> = Arc::from(self.odb.read(id)?.data());
        self.known.insert(id, Arc::clone(&bytes));
        Ok(Entry::File { bytes, executable })
    }

    fn link(&mut self, id: Oid) -> Result<Entry, ReadFault> {
        let (size, _) = self.odb.read_header(id)?;
        if size as u64 > LINK_BYTES {
            return Ok(Entry::TooLarge { bytes: size as u64 });
        }
        let target = String::from_utf8_lossy(self.odb.read(id)?.data()).into_owned();
        Ok(Entry::Symlink { target })
    }
}
