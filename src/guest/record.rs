//! What Metrom writes down on a machine about what it did there.
//!
//! Each record is one line of JSON with the stamp in it, written after the work it speaks of, so
//! that a record never claims more than is there.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, Revision, Stamp};

/// Of `guest`: in `stamps/guest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GuestRecord {
    pub stamp: Stamp,
    /// The account of the people; checkouts belong to it.
    pub user: String,
    /// Registries that we logged in to.
    pub logins: Vec<String>,
    /// The registry settings of Docker are ours.
    pub registries: bool,
}

/// Of `containers`: in `stamps/containers.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainersRecord {
    pub stamp: Stamp,
}

/// Of a checkout: in its `.git/metrom.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckoutRecord {
    pub stamp: Stamp,
    /// The commit that we put there: whoever stands on it has not worked here.
    pub placed: Revision,
    /// The local branch that we made; `None` when detached.
    pub branch: Option<String>,
}

/// Of `stack`: in `stamps/stack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    pub stamp: Stamp,
    pub project: String,
    /// Compose's own configuration hash of each service's containers, as they were after the apply.
    pub services: BTreeMap<String, String>,
    /// What each service's image was resolved to then.
    #[serde(default)]
    pub images: BTreeMap<String, ResolvedImage>,
    /// The files that we wrote into the stack's folder.
    pub files: BTreeMap<String, Digest>,
}

/// The image of a service, as it was when the stack was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResolvedImage {
    /// As the compose file names it.
    pub name: String,
    /// The content-addressed id.
    pub id: String,
}

/// A record as its line.
pub(crate) fn line(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("records serialise to JSON")
}

/// A line as its record. What cannot be read counts as not there, so that it is made anew.
pub(crate) fn read<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_json::from_str(line.trim()).ok()
}
