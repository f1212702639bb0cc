//! Who may log in, and where container images come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretReference;

/// Who may log in on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Access {
    /// The account of the people who work on the machine; `dev` unless said otherwise.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_-]{0,31}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Public keys in OpenSSH's one-line form, such as `ssh-ed25519 AAAA… alice`.
    #[schemars(extend("items" = { "type": "string", "format": "ssh-key" }))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_keys: Vec<String>,
}

/// Where a machine's Docker gets its images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Registries {
    /// Mirrors of Docker Hub, as `http://` or `https://` URLs; tried in order.
    #[schemars(extend("items" = { "type": "string", "format": "http-url" }))]
    pub mirrors: Vec<String>,
    /// Registries spoken to without TLS, as `host:port` or a network such as `10.77.0.0/24`.
    #[schemars(extend("items" = { "type": "string", "minLength": 1 }))]
    pub insecure: Vec<String>,
    /// Registries that ask who we are.
    pub logins: Vec<Login>,
}

/// How to log in at one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The registry as it stands before the image's name: `registry.example.org`.
    #[schemars(length(min = 1))]
    pub server: String,
    #[schemars(length(min = 1))]
    pub username: String,
    pub password: SecretReference,
}
