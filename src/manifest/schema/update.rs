//! How what changes is brought about, and how old a machine may become.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::unit::{Span, UnitError};
use crate::model;

/// How what changes is brought about. What is left out comes from the defaults of the repository,
/// then from Metrom: both `in-place`, and no machine is replaced for its age.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Update {
    /// What happens when something has changed that only a new machine can take over, such as its
    /// image: `in-place` ends the old one first, `phoenix` tries a second one beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Strategy>,
    /// What happens when something inside the machine has changed: `in-place` lets compose apply
    /// it there, `phoenix` tries it on a second machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Strategy>,
    /// A machine this old is replaced by a new one, always by `phoenix`, although nothing has
    /// changed: from `1h` to `3653d`. Without it, no machine is replaced for its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Age>,
    /// How long a second machine may take to be well, and again with the data, before the first one
    /// goes on; `1h` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

impl Update {
    /// This one, with its gaps filled from another.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let Self {
            machine,
            stack,
            every,
            within,
        } = self;
        Self {
            machine: machine.or(other.machine),
            stack: stack.or(other.stack),
            every: every.or(other.every),
            within: within.or(other.within),
        }
    }
}

impl From<Update> for model::Update {
    fn from(update: Update) -> Self {
        let Update {
            machine,
            stack,
            every,
            within,
        } = update;
        Self {
            machine: machine.unwrap_or_default().into(),
            stack: stack.unwrap_or_default().into(),
            every: every.map(Age::duration),
            within: within.map(Span::duration),
        }
    }
}

/// How what is new takes the place of what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// What is there is changed, or ends before the new is made.
    #[default]
    InPlace,
    /// A second machine is tried beside the first and then given its data; when it fails, the first
    /// one comes back. It needs memory for both.
    Phoenix,
}

impl From<Strategy> for model::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::InPlace => Self::InPlace,
            Strategy::Phoenix => Self::Phoenix,
        }
    }
}

/// Why a text is no age at which a machine is replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("`{0}` is too early to replace a machine; write `1h` or more")]
    TooEarly(String),
    #[error("`{0}` is longer than any machine lives; write `3653d` or less, or none at all")]
    TooLate(String),
}

/// The age at which a machine is replaced: from an hour, in which one can be made and tried, to ten
/// years, the longest life of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age(Span);

const EARLIEST: Span = Span::from_secs(60 * 60);
const LATEST: Span = Span::from_secs(3653 * 24 * 60 * 60);

impl Age {
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0.duration()
    }
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let span: Span = text.parse()?;
        if span < EARLIEST {
            return Err(AgeError::TooEarly(text.to_owned()));
        }
        if span > LATEST {
            return Err(AgeError::TooLate(text.to_owned()));
        }
        Ok(Self(span))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Age {
    type Error = AgeError;
    fn try_from(text: String) -> Result<Self, AgeError> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> String {
        age.to_string()
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "age",
            "pattern": Span::PATTERN,
            "description": "A length of time from 1h to 3653d: a whole number and s, m, h, d or w.",
            "examples": ["7d", "4w"],
        })
    }
}
