//! What a machine is given for its first boot.
//!
//! A provider decides where the bytes go (a small disk, user data), the guest room what they say.
//! Neither knows the other: the composition root hands a [`SeedMaker`] to the provider.

use std::collections::BTreeMap;

use crate::model::{EnvName, OwnerName};

pub trait SeedMaker: Send + Sync {
    /// Makes everything that the machine needs to be reached: user, our key, its own host key.
    ///
    /// **Guarantees.** Each call makes a fresh host key; the private part is nowhere but in `image`.
    ///
    /// # Errors
    /// [`SeedError`] when a key or the image cannot be made.
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError>;
}

/// What is known of a machine before it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedRequest {
    pub owner: OwnerName,
    pub env: EnvName,
    pub hostname: String,
    /// Unique per creation, so that cloud-init never takes a new disk for an old machine.
    pub instance: String,
    /// The hardware address of its one network interface, as `52:54:00:…`; `None`: it is not known
    /// before the machine is there, and the image asks for an address by itself.
    pub mac: Option<String>,
    /// The data volumes that are there at its first boot: the device path inside the machine, by the
    /// volume's name.
    pub volumes: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// A FAT file system with the label `CIDATA` (NoCloud).
    pub image: Vec<u8>,
    /// The user data of that file system, for a provider that hands them over by itself.
    pub user_data: Vec<u8>,
    /// The public host key in OpenSSH's one-line form, to be kept with the machine and pinned.
    pub host_key_public: String,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Seed({} bytes, {})",
            self.image.len(),
            self.host_key_public
        )
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot make the seed of {env}: {reason}")]
pub struct SeedError {
    pub env: EnvName,
    pub reason: String,
}
