//! A machine through which others are reached.

use serde::Serialize;

use super::SecretRef;

/// A machine through which others are reached: SSH within SSH.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bastion {
    /// An address or a name.
    pub address: String,
    pub port: u16,
    pub user: String,
    /// The private key to log in with; `None`: Metrom's own.
    pub key: Option<SecretRef>,
    /// Its pinned host key, in OpenSSH's one-line form.
    pub host_key: String,
    /// Through which it is reached itself; `None`: directly.
    pub through: Option<Box<Bastion>>,
}
