//! `metrom.yaml`: whose environments these are, and what holds for all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{Access, Registries};
use super::machine::MachineShape;
use super::unit::Span;
use crate::model::ProviderName;

/// The settings of the repository. `metadata.name` is the owner in every stamp: never change it
/// while anything lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RepositorySpec {
    /// What holds for every environment that does not say otherwise.
    pub defaults: Defaults,
    /// Who may log in on every machine.
    pub access: Access,
    /// Where every machine gets its container images.
    pub registries: Registries,
    /// What Metrom does of its own accord.
    pub policies: Policies,
    /// How often the repository is looked at when nothing wakes Metrom.
    pub poll: Span,
}

impl Default for RepositorySpec {
    fn default() -> Self {
        Self {
            defaults: Defaults::default(),
            access: Access::default(),
            registries: Registries::default(),
            policies: Policies::default(),
            poll: Span::from_secs(60),
        }
    }
}

/// What holds for every environment that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defaults {
    /// The host on which machines are made; may be left out while there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<ProviderName>,
    /// What machines are like.
    pub machine: MachineShape,
}

/// What Metrom does of its own accord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policies {
    /// What becomes of the data volumes of environments that are no longer declared.
    pub data_volumes: DataVolumes,
    /// How many environments are worked on at the same time.
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            data_volumes: DataVolumes::Keep,
            concurrency: 4,
        }
    }
}

/// What becomes of data volumes that nobody declares any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DataVolumes {
    /// They stay until a person removes them.
    Keep,
    /// They go with their environment.
    Delete,
}
