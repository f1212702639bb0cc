//! Many files on a machine in one go: a tar on standard input of one fixed script.

use std::collections::{BTreeMap, BTreeSet};

use super::operator::{ASK_WITHIN, Operator};
use crate::port::GuestError;
use crate::ssh::Command;

/// Unpacks a tar from standard input: FOLDER OWNER REMOVED…
pub(crate) const WRITE_FILES: &str = include_str!("scripts/write-files.sh");

/// A file to be written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

/// Files below one folder of the machine, by path relative to it.
pub(crate) struct Change<'a> {
    pub folder: &'a str,
    /// The account they belong to; root when `None`.
    pub owner: Option<&'a str>,
    pub write: &'a BTreeMap<String, NewFile>,
    pub remove: &'a BTreeSet<String>,
}

/// Removes and writes files as root.
///
/// **Guarantees.** Whoever reads one of the files sees it whole, old or new.
///
/// # Errors
/// [`GuestError::Blocked`] for a path that leaves the folder; what the machine says otherwise.
pub(crate) async fn change(
    op: &Operator<'_>,
    doing: &str,
    change: &Change<'_>,
) -> Result<(), GuestError> {
    let archive = archive(change.write).map_err(|e| op.blocked(doing, e.to_string()))?;
    let command = Command::script(WRITE_FILES)
        .arg(change.folder)
        .arg(change.owner.unwrap_or_default())
        .args(change.remove.iter().cloned())
        .stdin(archive)
        .as_root();
    op.run(doing, &command, ASK_WITHIN).await
}

fn archive(files: &BTreeMap<String, NewFile>) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, NewFile { bytes, mode }) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, &bytes[..])?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str) -> BTreeMap<String, NewFile> {
        let file = NewFile {
            bytes: b"x".to_vec(),
            mode: 0o644,
        };
        BTreeMap::from([(path.to_owned(), file)])
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        assert!(archive(&one("a/b.conf")).is_ok());
        assert!(archive(&one(&format!("{}/long", "d".repeat(200)))).is_ok());
        assert!(archive(&one("../etc/passwd")).is_err());
        assert!(archive(&one("/etc/passwd")).is_err());
    }
}
