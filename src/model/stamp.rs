//! The mark on a live object that says it is ours.

use serde::{Deserialize, Serialize};

use super::{Digest, EnvName, Key, OwnerName, Revision, Timestamp};

/// Says whose a live object is, and from which declaration it was made.
///
/// A provider keeps it where the object cannot lose it: libvirt in the domain's metadata, a cloud
/// in tags, a guest in a file on the machine's own disk. Where a provider has little room (the
/// name of a libvirt volume), `digest` and `revision` are `None` and live fields are compared alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The repository that declares the environment.
    pub owner: OwnerName,
    pub env: EnvName,
    pub key: Key,
    /// Digest of the [`super::Spec`] that the object was made from.
    pub digest: Option<Digest>,
    /// Revision of the environment repository at which the object was last written.
    pub revision: Option<Revision>,
    /// First creation, which survives in-place changes.
    pub created: Timestamp,
    /// When the first machine of the environment was made, on a machine; what its lifetime is
    /// counted from. A new machine carries on that of the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Timestamp>,
}

impl Stamp {
    /// Whether this object belongs to that environment of that repository.
    #[must_use]
    pub fn is_of(&self, owner: &OwnerName, env: &EnvName) -> bool {
        self.owner == *owner && self.env == *env
    }
}
