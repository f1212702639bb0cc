//! Templates: a compose file with typed parameters.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::MachineShape;
use super::name::ParameterName;
use crate::model::TemplateName;

/// What an environment can be made from. The other files of its folder belong to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateSpec {
    /// What it is good for, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version of the template, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Who keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Another template, whose files, parameters and machine hold where this one has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<TemplateName>,
    /// The compose file, relative to the template's folder; `docker-compose.yml` unless said otherwise.
    #[schemars(extend("format" = "relative-path"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<String>,
    /// So many machines are made ahead, with the images of the template on them, and paused: an
    /// environment whose machine is of that shape claims one instead of waiting for a new one.
    /// Not inherited.
    #[schemars(range(max = 64))]
    #[serde(skip_serializing_if = "is_zero")]
    pub warm: u32,
    /// What the machine is like where the environment does not say otherwise.
    pub machine: MachineShape,
    /// What an environment can set; compose sees each as a variable of that name.
    #[schemars(extend("propertyNames" = {"not": {"pattern": "^(METROM_|COMPOSE_|DOCKER_)"}}))]
    pub parameters: BTreeMap<ParameterName, Parameter>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A parameter. Without a default, every environment has to give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Parameter {
    /// A text.
    String {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
        /// A regular expression that the value must match; write `^` and `$` to bind its ends.
        #[schemars(extend("format" = "pattern"))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        /// The value is given as `fromEnv` or `fromFile` only, and is never shown.
        #[serde(default)]
        secret: bool,
    },
    /// A whole number.
    Integer {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<i64>,
        /// The smallest number allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minimum: Option<i64>,
        /// The largest number allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum: Option<i64>,
    },
    /// `true` or `false`.
    Boolean {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<bool>,
    },
    /// One of a few texts.
    Choice {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
        /// What can be chosen from.
        #[schemars(length(min = 1))]
        choices: Vec<String>,
    },
}

impl Parameter {
    /// What it is for, in the words of the template.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        match self {
            Self::String { description, .. }
            | Self::Integer { description, .. }
            | Self::Boolean { description, .. }
            | Self::Choice { description, .. } => description.as_deref(),
        }
    }

    /// The value it has when an environment gives none.
    #[must_use]
    pub fn default_value(&self) -> Option<super::ParameterValue> {
        use super::ParameterValue as Value;
        match self {
            Self::String { default, .. } | Self::Choice { default, .. } => {
                default.clone().map(Value::Text)
            }
            Self::Integer { default, .. } => default.map(Value::Integer),
            Self::Boolean { default, .. } => default.map(Value::Boolean),
        }
    }

    /// Whether its value must never be written down or shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match self {
            Self::String { secret, .. } => *secret,
            Self::Integer { .. } | Self::Boolean { .. } | Self::Choice { .. } => false,
        }
    }
}
