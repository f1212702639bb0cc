//! Where a machine is made: one place, or several of which one is chosen; and which environments a
//! place takes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ProjectName, ProviderName};

/// Where a machine is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Placement {
    /// On this host or in this cloud.
    At(ProviderName),
    /// In the first of these with room; or, where each has a `state`, as that says.
    Among(Vec<Place>),
    Chosen(Chosen),
}

/// One of several places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Place {
    Named(ProviderName),
    Stated(StatedPlace),
}

/// One of several places that an environment is carried between, the first of which is its home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatedPlace {
    /// The host or the cloud.
    pub name: ProviderName,
    /// What is to be of it there.
    pub state: PlaceState,
    /// What becomes of its data when it is carried there.
    #[serde(default)]
    pub data: PlaceData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceState {
    /// It runs there; of all places, at one.
    Running,
    /// Its machine is kept there, and is off.
    Stopped,
    /// No machine is there; a data volume stays.
    Absent,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceData {
    /// It comes along: nothing runs there before it has.
    #[default]
    Carried,
    /// This place has data of its own, which is empty at first.
    Own,
}

/// Several places, and which of them comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chosen {
    /// The hosts and clouds where it may be.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub among: Vec<ProviderName>,
    /// Which of those with room is taken.
    #[serde(default)]
    pub prefer: Prefer,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// The first that is named.
    #[default]
    Order,
    /// The one with the lowest price an hour; what has no price comes last.
    Price,
}

/// Which environments a host or a cloud takes; what is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Only {
    /// Those of these projects.
    #[schemars(extend("uniqueItems" = true))]
    pub projects: BTreeSet<ProjectName>,
    /// Those for these purposes.
    #[schemars(extend("uniqueItems" = true, "items" = {"type": "string", "format": "name"}))]
    pub purposes: BTreeSet<String>,
}
