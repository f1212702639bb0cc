//! Which files can hold documents, and what to say of those that cannot be read.

use std::sync::Arc;

use super::super::finding::Findings;
use super::super::yaml::{Fault, Mark};
use crate::model::{Entry, RepoPath, Snapshot};

/// A file that has to be read, as text.
pub(super) struct Candidate<'s> {
    pub path: &'s RepoPath,
    pub bytes: &'s Arc<[u8]>,
    pub text: &'s str,
    /// It lies where only our documents are expected: what cannot be read there is a finding.
    pub is_ours: bool,
}

/// The files that can hold documents of ours.
pub(super) fn candidates<'s>(
    snapshot: &'s Snapshot,
    findings: &mut Findings,
) -> Vec<Candidate<'s>> {
    let entries = snapshot.entries.iter();
    entries
        .filter_map(|(path, entry)| candidate(path, entry, findings))
        .collect()
}

fn candidate<'s>(
    path: &'s RepoPath,
    entry: &'s Entry,
    findings: &mut Findings,
) -> Option<Candidate<'s>> {
    let is_ours = is_place_of_ours(path);
    match entry {
        Entry::File { bytes, .. } if is_yaml(path) && (is_ours || speaks_of_us(bytes)) => {
            let text = text_of(path, bytes, findings)?;
            Some(Candidate {
                path,
                bytes,
                text,
                is_ours,
            })
        }
        Entry::File { .. } => None,
        Entry::TooLarge { .. } | Entry::Symlink { .. } if is_yaml(path) || holds_ours(path) => {
            findings.unidentified(path, unreadable(entry));
            None
        }
        Entry::Submodule if holds_ours(path) => {
            findings.unidentified(path, unreadable(entry));
            None
        }
        Entry::TooLarge { .. } | Entry::Symlink { .. } | Entry::Submodule => None,
    }
}

/// Why an entry that is no regular file cannot be read, and what to do about it.
pub(super) fn unreadable(entry: &Entry) -> Fault {
    let (code, message, help) = match entry {
        Entry::File { .. } => (
            "not-utf8",
            "this is not UTF-8 text".to_owned(),
            "save it as UTF-8",
        ),
        Entry::TooLarge { bytes } => (
            "too-large",
            format!("this file is too large to be read: {bytes} bytes"),
            "keep data out of the repository, and documents small",
        ),
        Entry::Symlink { target } => (
            "symlink",
            format!("this is a symbolic link to `{target}`, which is not followed"),
            "put the file itself here",
        ),
        Entry::Submodule => (
            "submodule",
            "this is a submodule, which is not followed".to_owned(),
            "put the files themselves here",
        ),
    };
    Fault {
        mark: Mark::START,
        code,
        message,
        help: Some(help.to_owned()),
    }
}

fn text_of<'s>(path: &RepoPath, bytes: &'s [u8], findings: &mut Findings) -> Option<&'s str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let fault = not_utf8(bytes, error.valid_up_to());
            findings.unidentified(path, fault);
            None
        }
    }
}

/// A fault at the first byte that is no UTF-8.
pub(super) fn not_utf8(bytes: &[u8], at: usize) -> Fault {
    Fault {
        mark: Mark::of_byte(bytes, at),
        code: "not-utf8",
        message: "from here on this is not UTF-8 text".to_owned(),
        help: Some("save the file as UTF-8".to_owned()),
    }
}

pub(super) fn is_yaml(path: &RepoPath) -> bool {
    let name = path.file_name();
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// A file that our documents usually are in.
fn is_place_of_ours(path: &RepoPath) -> bool {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    match parts.as_slice() {
        ["metrom.yaml" | "metrom.yml"] | ["projects", _] => true,
        ["environments" | "hosts" | "images", _, ..] => true,
        ["templates", _, name] => matches!(*name, "template.yaml" | "template.yml"),
        _ => false,
    }
}

/// A folder, or something in one, that our documents usually are in.
fn holds_ours(path: &RepoPath) -> bool {
    let mut parts = path.as_str().split('/');
    let first = parts.next().unwrap_or_default();
    match (first, parts.next()) {
        ("environments" | "hosts" | "images", _) => true,
        ("templates" | "projects", second) => second.is_none() || parts.next().is_none(),
        _ => false,
    }
}

/// Whether a file, wherever it lies, looks as if it held a document of ours.
fn speaks_of_us(bytes: &[u8]) -> bool {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    has(b"metrom.dev/") && has(b"apiVersion")
}
