//! Collects the files of a snapshot, within limits.
//!
//! A repository of declarations is small. The limits keep one that is not (a forgotten disk image,
//! a tree made to explode) from taking the memory of everybody's environments.

use std::collections::BTreeMap;

use crate::model::{Entry, RepoPath};

/// The size above which a file is listed but not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub file_bytes: u64,
    /// Of all files together, as far as they are read.
    pub total_bytes: u64,
    /// Files, links and folders together.
    pub entries: usize,
}

impl Default for Limits {
    /// 4 MiB a file, 256 MiB in all, 100,000 entries: far above any repository of declarations.
    fn default() -> Self {
        Self {
            file_bytes: 4 << 20,
            total_bytes: 256 << 20,
            entries: 100_000,
        }
    }
}

/// The longest path that a snapshot holds, in bytes; that of Linux.
const PATH_BYTES: usize = 4096;
/// The longest target of a symbolic link, in bytes; that of Linux.
pub(super) const LINK_BYTES: u64 = 4096;

/// Why a tree of files is not taken as a snapshot; reads as a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error("it has more than {0} files and folders; keep what is not a declaration elsewhere")]
    Entries(usize),
    #[error("its files are more than {} MiB together; keep what is not a declaration elsewhere", .0 >> 20)]
    Bytes(u64),
    #[error("it holds a file with an impossible name: {0}")]
    Name(String),
}

/// A snapshot in the making.
pub(super) struct Gather {
    limits: Limits,
    entries: BTreeMap<RepoPath, Entry>,
    seen: usize,
    bytes: u64,
}

impl Gather {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            seen: 0,
            bytes: 0,
        }
    }

    /// Whether a file of this size is read; if not, it becomes [`Entry::TooLarge`].
    pub fn takes(&self, bytes: u64) -> bool {
        bytes <= self.limits.file_bytes
    }

    /// Counts one file, link or folder.
    pub fn count(&mut self) -> Result<(), TooMuch> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            return Err(TooMuch::Entries(self.limits.entries));
        }
        Ok(())
    }

    /// Adds an entry that was counted.
    pub fn add(&mut self, path: &str, entry: Entry) -> Result<(), TooMuch> {
        if let Entry::File { bytes, .. } = &entry {
            self.bytes += bytes.len() as u64;
        }
        if self.bytes > self.limits.total_bytes {
            return Err(TooMuch::Bytes(self.limits.total_bytes));
        }
        let path = RepoPath::parse(path).map_err(|e| TooMuch::Name(e.to_string()))?;
        self.entries.insert(path, entry);
        Ok(())
    }

    pub fn finish(self) -> BTreeMap<RepoPath, Entry> {
        self.entries
    }
}

/// The path of `name` in `folder`; bytes that are no UTF-8 are written as `\xff`, so that two names
/// never become one.
pub(super) fn join(folder: &str, name: &[u8]) -> Result<String, TooMuch> {
    let mut path = folder.to_owned();
    if !path.is_empty() {
        path.push('/');
    }
    for chunk in name.utf8_chunks() {
        path.push_str(chunk.valid());
        for byte in chunk.invalid() {
            path.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if path.len() > PATH_BYTES {
        let start: String = path.chars().take(60).collect();
        return Err(TooMuch::Name(format!("`{start}…` is too long")));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: usize) -> Entry {
        Entry::File {
            bytes: vec![0; size].into(),
            executable: false,
        }
    }

    #[test]
    fn the_limits_are_on_entries_and_on_bytes() {
        let limits = Limits {
            file_bytes: 10,
            total_bytes: 15,
            entries: 3,
        };
        let mut gather = Gather::new(limits);
        assert!(gather.takes(10) && !gather.takes(11));
        gather.add("a", file(10)).unwrap();
        assert_eq!(gather.add("b", file(6)), Err(TooMuch::Bytes(15)));
        for _ in 0..3 {
            gather.count().unwrap();
        }
        assert_eq!(gather.count(), Err(TooMuch::Entries(3)));
    }

    #[test]
    fn names_that_leave_the_repository_are_refused() {
        let mut gather = Gather::new(Limits::default());
        for name in ["..", ".", "", "a/../b"] {
            let path = join("folder", name.as_bytes()).unwrap();
            assert!(
                matches!(gather.add(&path, file(0)), Err(TooMuch::Name(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn names_that_are_no_utf8_stay_apart() {
        assert_eq!(join("f", b"a\xff.yaml").unwrap(), "f/a\\xff.yaml");
        assert_ne!(join("", b"\xfe").unwrap(), join("", b"\xff").unwrap());
    }
}
