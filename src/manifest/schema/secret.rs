//! Where a secret is found: the only way in which a manifest speaks of one.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::SecretRef;

/// Where a secret is found when it is needed; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretReference {
    /// An environment variable of the Metrom process.
    FromEnv(#[schemars(length(min = 1))] String),
    /// A file that the Metrom process can read; one trailing newline is dropped.
    FromFile(#[schemars(length(min = 1))] PathBuf),
}

impl From<SecretReference> for SecretRef {
    fn from(reference: SecretReference) -> Self {
        match reference {
            SecretReference::FromEnv(name) => Self::Env(name),
            SecretReference::FromFile(path) => Self::File(path),
        }
    }
}
