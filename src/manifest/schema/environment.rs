//! Projects and environments: what people write every day.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::machine::MachineShape;
use super::name::{ParameterName, name_schema};
use super::placement::Placement;
use super::price::Budget;
use super::repository::{Drift, DriftField};
use super::secret::SecretReference;
use super::time::{Hours, Retain};
use super::unit::Span;
use super::update::Update;
use crate::model::{NameError, ProjectName, TemplateName, Timestamp};

/// What several environments work on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProjectSpec {
    /// What it is, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers for it.
    pub owners: Vec<String>,
    /// Repositories to be checked out on the machine of every environment of the project.
    pub sources: Vec<SourceRepository>,
    /// How much may be spent on its environments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// A git repository to be checked out on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRepository {
    /// What the checkout is called; compose finds its path in `METROM_SOURCE_<NAME>`.
    pub name: SourceName,
    /// `https://`, `http://`, `ssh://`, `git://`, `file://` or `user@host:path`.
    #[schemars(extend("format" = "git-url"))]
    pub url: String,
    /// A branch, a tag or a full commit id.
    #[schemars(extend("format" = "git-ref"))]
    #[serde(rename = "ref", default = "default_ref")]
    pub reference: String,
}

fn default_ref() -> String {
    "main".to_owned()
}

/// One environment: a machine of its own, with a stack and sources on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["template"] }, { "required": ["compose"] }]))]
pub struct EnvironmentSpec {
    /// The project it belongs to; its sources are checked out too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// The host or the cloud where the machine is made, or several of which one is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The template whose stack runs; either this or `compose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// A compose file to run as it is; either this or `template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<ComposeFile>,
    /// Values for the parameters of the template; with `compose`, any variables.
    #[schemars(extend("propertyNames" = {"not": {"pattern": "^(METROM_|COMPOSE_|DOCKER_)"}}))]
    pub parameters: BTreeMap<ParameterName, ParameterValue>,
    /// What the machine is like.
    pub machine: MachineShape,
    /// Repositories to be checked out, beside those of the project; one of the same name takes its place.
    pub sources: Vec<SourceRepository>,
    /// Who may log in, beside those of the repository.
    pub access: Access,
    /// What it is for; the repository may set another lifetime for each purpose.
    #[schemars(extend("format" = "name"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// When its machine runs: `Mon-Fri 09:00-19:00 Asia/Seoul`, or `always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office_hours: Option<Hours>,
    /// A file of this repository with the days on which its office hours do not begin: an iCalendar
    /// file, or a list of dates.
    #[schemars(extend("format" = "relative-path"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holidays: Option<String>,
    /// How long it lives, from its first creation on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    /// How long its data volume is kept when its time is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
    /// Nothing of it is deleted or made anew while this is set; not by deleting this file either.
    pub protect: bool,
    /// Nothing of it is changed while this is set.
    pub suspend: bool,
    /// What happens when somebody changes it by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What people may change by hand without its being drift.
    #[schemars(extend("uniqueItems" = true))]
    pub ignore_drift: Vec<DriftField>,
    /// How what changes is brought about.
    pub update: Update,
    /// The instant from which nothing of it should be, in UTC or with an offset.
    #[schemars(with = "Instant")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// The schema of an instant.
struct Instant;

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "examples": ["2026-12-24T18:00:00Z"],
        })
    }
}

/// Where a compose file lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComposeFile {
    /// The source in which it lies; without one it lies in this repository, and the files beside
    /// it come along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Its path.
    #[schemars(extend("format" = "relative-path"))]
    pub file: String,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParameterValue {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Secret(SecretReference),
}

/// The name of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

impl SourceName {
    /// Makes the name, or says what is wrong with the text.
    ///
    /// # Errors
    /// [`NameError`]: the rule is that of every other name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        // One rule for all names; a checkout is no environment, but is called like one.
        crate::model::EnvName::parse(text).map(|name| Self(name.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The variable in which compose finds the path of the checkout.
    #[must_use]
    pub fn variable(&self) -> String {
        format!(
            "METROM_SOURCE_{}",
            self.0.to_ascii_uppercase().replace('-', "_")
        )
    }
}

impl TryFrom<String> for SourceName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> String {
        name.0
    }
}

impl JsonSchema for SourceName {
    fn schema_name() -> Cow<'static, str> {
        "SourceName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        name_schema("The name of a checkout.")
    }
}
