//! The files of a repository at one commit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A commit id, as 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    /// Takes hexadecimal digits of a full commit id; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_full = matches!(text.len(), 40 | 64);
        let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        (is_full && is_hex).then(|| Self(text.to_ascii_lowercase()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({})", self.short())
    }
}

/// A path inside a repository: relative, `/` between parts, no `.` or `..` parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

/// A text that is no path inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path inside the repository")]
pub struct PathError(String);

impl RepoPath {
    /// Takes a relative path that stays inside its root.
    ///
    /// # Errors
    /// [`PathError`] for an absolute path, an empty one, or one with `.`, `..` or empty parts.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let is_clean = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if text.split('/').all(is_clean) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PathError(text.to_owned()))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds this path; empty at the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for RepoPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> String {
        path.0
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    File {
        bytes: Arc<[u8]>,
        executable: bool,
    },
    /// A file above the limit of the source; its bytes were not read.
    TooLarge {
        bytes: u64,
    },
    /// A symbolic link and what it points at, unresolved.
    Symlink {
        target: String,
    },
    /// A commit of another repository.
    Submodule,
}

/// The files of a repository at one commit; immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub revision: Revision,
    pub entries: BTreeMap<RepoPath, Entry>,
}

impl Snapshot {
    /// The bytes of a regular file, if there is one at that path.
    #[must_use]
    pub fn file(&self, path: &RepoPath) -> Option<&Arc<[u8]>> {
        match self.entries.get(path)? {
            Entry::File { bytes, .. } => Some(bytes),
            Entry::TooLarge { .. } | Entry::Symlink { .. } | Entry::Submodule => None,
        }
    }

    /// All entries below a folder, with the path relative to it.
    pub fn below<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a RepoPath, &'a Entry)> {
        self.entries.iter().filter_map(move |(path, entry)| {
            let rest = match folder {
                "" => path.as_str(),
                _ => path.as_str().strip_prefix(folder)?.strip_prefix('/')?,
            };
            Some((rest, path, entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_root() {
        assert!(RepoPath::parse("a/b.yaml").is_ok());
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"] {
            assert!(RepoPath::parse(bad).is_err(), "{bad}");
        }
    }
}
