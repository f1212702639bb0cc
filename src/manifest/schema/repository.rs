//! `metrom.yaml`: whose environments these are, and what holds for all of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{Access, Registries};
use super::idle::Idle;
use super::machine::MachineShape;
use super::placement::Placement;
use super::time::{Hours, Retain};
use super::unit::Span;
use super::update::Update;

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
    /// The host or the cloud where machines are made, or several of which one is chosen; may be left
    /// out while there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What machines are like.
    pub machine: MachineShape,
    /// When machines run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office_hours: Option<Hours>,
    /// A file of this repository with the days on which office hours do not begin.
    #[schemars(extend("format" = "relative-path"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holidays: Option<String>,
    /// How long environments live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    /// What happens when somebody changes an environment by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How what changes is brought about.
    pub update: Update,
}

/// What Metrom does of its own accord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policies {
    /// How long data volumes are kept when their environment is no longer declared, or its time
    /// is up.
    pub retain: Retain,
    /// The longest life that an environment may declare; what declares none lives as long at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Span>,
    /// How long environments of a purpose live that do not say so themselves.
    pub lifetimes: BTreeMap<String, Span>,
    /// How many machines may be deleted at once without being agreed to.
    pub deletions: Deletions,
    /// Which plans wait until a person agrees to them.
    pub approve: Approve,
    /// What counts as idle. It is told, and nothing is done about it.
    pub idle: Idle,
    /// How many environments are worked on at the same time.
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            retain: Retain::default(),
            max_lifetime: None,
            lifetimes: BTreeMap::new(),
            deletions: Deletions::default(),
            approve: Approve::Nothing,
            idle: Idle::default(),
            concurrency: 4,
        }
    }
}

/// How many machines may be deleted at once. More than that, and none is until a person agrees. One
/// may always go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Deletions {
    /// As a number.
    #[schemars(range(min = 1))]
    pub at_most: u32,
    /// As a share of all environments that live, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
}

impl Default for Deletions {
    fn default() -> Self {
        Self {
            at_most: 10,
            percent: 50,
        }
    }
}

/// Which plans wait until a person agrees to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Approve {
    Nothing,
    /// Those by which something ends to exist.
    Destructive,
    /// Those that somebody who works on the machine will notice, as well.
    Disruptive,
}

/// A field that may differ without having been declared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum DriftField {
    /// Whether the machine runs.
    Power,
    Cpus,
    Memory,
    /// The commit that a checkout stands at.
    Revision,
    /// Containers of the stack.
    Service,
    /// Files of the stack.
    File,
}

impl DriftField {
    /// As a plan shows it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Cpus => "cpus",
            Self::Memory => "memory",
            Self::Revision => "revision",
            Self::Service => "service",
            Self::File => "file",
        }
    }
}

/// What happens when somebody changes an environment by hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Drift {
    /// It is put right.
    #[default]
    Heal,
    /// It is told, and left.
    Report,
}
