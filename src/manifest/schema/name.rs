//! How names look in the schema, and the names that only manifests have.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::name::MAX_NAME;
use crate::model::{EnvName, ImageName, OwnerName, ProjectName, ProviderName, TemplateName};

/// Beginnings of variable names that mean something to Metrom, Compose or Docker.
const RESERVED: [&str; 3] = ["METROM_", "COMPOSE_", "DOCKER_"];

/// The schema of every name; [`crate::model::NameError`] has the words for what is no name.
pub(super) fn name_schema(description: &str) -> Schema {
    json_schema!({
        "type": "string",
        "format": "name",
        "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
        "maxLength": MAX_NAME,
        "description": description,
    })
}

macro_rules! name_schemas {
    ($($name:ident: $description:literal;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                name_schema($description)
            }
        }
    )*};
}

name_schemas! {
    EnvName: "The name of an environment, unique in its repository.";
    TemplateName: "The name of a template.";
    ImageName: "The name of a machine image.";
    ProviderName: "The name of a host or a cloud.";
    ProjectName: "The name of a project.";
    OwnerName: "The name of this repository; the owner in every stamp.";
}

/// The name of a parameter: that of the variable that compose sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParameterName(String);

/// Why a text cannot be the name of a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterNameError {
    #[error(
        "`{0}` cannot be a variable; start with a letter or `_` and use letters, digits and `_`"
    )]
    Odd(String),
    #[error("`{0}` is reserved; parameters must not start with METROM_, COMPOSE_ or DOCKER_")]
    Reserved(String),
}

impl ParameterName {
    pub(crate) const PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

    /// Makes the name, or says what is wrong with the text.
    ///
    /// # Errors
    /// [`ParameterNameError`].
    pub fn parse(text: &str) -> Result<Self, ParameterNameError> {
        let is_start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !(is_start && is_word) {
            return Err(ParameterNameError::Odd(text.to_owned()));
        }
        if RESERVED.iter().any(|start| text.starts_with(start)) {
            return Err(ParameterNameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ParameterName {
    type Error = ParameterNameError;
    fn try_from(text: String) -> Result<Self, ParameterNameError> {
        Self::parse(&text)
    }
}

impl From<ParameterName> for String {
    fn from(name: ParameterName) -> String {
        name.0
    }
}

impl std::borrow::Borrow<str> for ParameterName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for ParameterName {
    fn schema_name() -> Cow<'static, str> {
        "ParameterName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::PATTERN })
    }
}
