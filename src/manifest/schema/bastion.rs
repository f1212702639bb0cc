//! The machine through which machines in a closed network are reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretReference;

/// A machine through which others are reached, by SSH within SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bastion {
    /// Its address or its name.
    #[schemars(length(min = 1), regex(pattern = r"^[A-Za-z0-9.:_-]+$"))]
    pub address: String,
    /// Where its sshd listens.
    #[schemars(range(min = 1))]
    #[serde(default = "ssh")]
    pub port: u16,
    /// The account to log in as.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_-]{0,31}$"))]
    pub user: String,
    /// The private key to log in with, in OpenSSH's form and without a passphrase; without one,
    /// Metrom's own, `identity` in its state folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretReference>,
    /// Its host key, as `ssh-keyscan` shows it behind the name: `ssh-ed25519 AAAA…`. No other is taken.
    #[schemars(extend("format" = "ssh-key"))]
    pub host_key: String,
}

fn ssh() -> u16 {
    22
}

impl From<Bastion> for crate::model::Bastion {
    fn from(declared: Bastion) -> Self {
        let Bastion {
            address,
            port,
            user,
            key,
            host_key,
        } = declared;
        Self {
            address,
            port,
            user,
            key: key.map(Into::into),
            host_key,
            through: None,
        }
    }
}
