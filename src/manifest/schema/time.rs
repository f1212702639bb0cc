//! When an environment is awake, and how long its data is kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::unit::{Span, UnitError};
use crate::schedule::{HoursError, OfficeHours};

/// When a machine runs: `always`, or office hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Hours {
    Always,
    Office(OfficeHours),
}

const ALWAYS: &str = "always";

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        match text.trim() {
            ALWAYS => Ok(Self::Always),
            text => text.parse().map(Self::Office),
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str(ALWAYS),
            Self::Office(hours) => hours.fmt(f),
        }
    }
}

impl TryFrom<String> for Hours {
    type Error = HoursError;
    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> String {
        hours.to_string()
    }
}

impl JsonSchema for Hours {
    fn schema_name() -> Cow<'static, str> {
        "Hours".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "office-hours",
            "description": "Days, times and a time zone, or `always`. Several windows are separated by commas; one that ends before it begins goes across midnight.",
            "examples": [
                "Mon-Fri 09:00-19:00 Asia/Seoul",
                "Mon-Thu 08:00-17:00, Fri 08:00-14:00 Europe/Berlin",
                ALWAYS,
            ],
        })
    }
}

/// How long data is kept that no machine has any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Retain {
    /// Until a person removes it.
    Forever,
    For(Span),
    /// It goes once its machine is gone.
    Nothing,
}

const FOREVER: &str = "forever";
const NOTHING: &str = "nothing";
const DAYS_30: Span = Span::from_secs(30 * 24 * 60 * 60);

impl Default for Retain {
    fn default() -> Self {
        Self::For(DAYS_30)
    }
}

impl FromStr for Retain {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            FOREVER => Ok(Self::Forever),
            NOTHING => Ok(Self::Nothing),
            text => text.parse().map(Self::For),
        }
    }
}

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str(FOREVER),
            Self::Nothing => f.write_str(NOTHING),
            Self::For(span) => span.fmt(f),
        }
    }
}

impl TryFrom<String> for Retain {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Retain> for String {
    fn from(retain: Retain) -> String {
        retain.to_string()
    }
}

impl JsonSchema for Retain {
    fn schema_name() -> Cow<'static, str> {
        "Retain".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "retain",
            "pattern": "^([1-9][0-9]*[smhdw]|forever|nothing)$",
            "description": "A length of time, `forever`, or `nothing`.",
            "examples": ["7d", FOREVER, NOTHING],
        })
    }
}
