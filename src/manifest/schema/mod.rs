//! What people write: the types, defaults and units of every document, said once.
//!
//! The JSON Schema files of `schema/` are generated from here, and the loader checks documents by
//! that same schema ([`super::shape`]): an editor and `metrom check` cannot disagree.
//!
//! All fields are camelCase, unknown ones are refused, and `null` is no value.

pub mod access;
pub mod bastion;
pub mod cloud;
pub mod environment;
pub mod host;
pub mod idle;
pub mod image;
pub mod json;
pub mod machine;
pub mod name;
pub mod placement;
pub mod price;
pub mod repository;
pub mod secret;
pub mod template;
pub mod time;
pub mod unit;
pub mod update;

pub use access::{Access, Login, Registries};
pub use bastion::Bastion;
pub use cloud::{
    AssumedRole, CloudImage, CloudNetwork, CloudProvider, CloudSpec, CredentialSource, Credentials,
    InstanceType, Reach,
};
pub use environment::{
    ComposeFile, EnvironmentSpec, ParameterValue, ProjectSpec, SourceName, SourceRepository,
};
pub use host::{Accelerator, Forward, HostSpec, HostSsh, Install, Network, Packages, Pool};
pub use idle::{Idle, IdleTime};
pub use image::{Boot, Build, ImageSpec};
pub use json::json_schemas;
pub use machine::{MachineShape, Market};
pub use name::ParameterName;
pub use placement::{Chosen, Only, Place, PlaceData, PlaceState, Placement, Prefer, StatedPlace};
pub use price::{Budget, CloudPrices, HostPrices, Over};
pub use repository::{Approve, Defaults, Deletions, Drift, DriftField, Policies, RepositorySpec};
pub use secret::SecretReference;
pub use template::{Parameter, TemplateSpec};
pub use time::{Hours, Retain};
pub use unit::{Share, Size, Span, Speed};
pub use update::{Age, Strategy, Update};

use std::fmt;

/// Where machines are made, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderSpec {
    Host(HostSpec),
    Cloud(CloudSpec),
}

/// The version of every document.
pub const API_VERSION: &str = "metrom.dev/v1";

/// What a document declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Repository,
    Host,
    Cloud,
    Image,
    Template,
    Project,
    Environment,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Repository,
        Self::Host,
        Self::Cloud,
        Self::Image,
        Self::Template,
        Self::Project,
        Self::Environment,
    ];

    /// As it stands in `kind:`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Repository => "Repository",
            Self::Host => "Host",
            Self::Cloud => "Cloud",
            Self::Image => "Image",
            Self::Template => "Template",
            Self::Project => "Project",
            Self::Environment => "Environment",
        }
    }

    /// As it stands in a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Host => "host",
            Self::Cloud => "cloud",
            Self::Image => "image",
            Self::Template => "template",
            Self::Project => "project",
            Self::Environment => "environment",
        }
    }

    /// The kind with that word, exactly.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
