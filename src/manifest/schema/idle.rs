//! What counts as idle.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::unit::{Share, Span, Speed, UnitError};

/// What counts as idle: both are below these in every hour of that much time in which the machine ran.
/// `cpu: 0%` calls nothing idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Idle {
    /// The share of its processors.
    pub cpu: Share,
    /// What comes in and goes out together.
    pub network: Speed,
    /// From an hour to 30 days; time asleep does not count.
    #[serde(rename = "for")]
    pub time: IdleTime,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            cpu: Share::from_percent(3),
            network: Speed::from_bytes(10 << 10),
            time: IdleTime(Span::from_secs(2 * 24 * 60 * 60)),
        }
    }
}

/// Why a text is no time after which something is idle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdleTimeError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("`{0}` is too short to call anything idle; write `1h` or more")]
    TooShort(String),
    #[error("what was used is kept for 31 days, which `{0}` is too long for; write `30d` or less")]
    TooLong(String),
}

/// The time after which something is idle: from an hour to 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdleTime(Span);

const SHORTEST: Span = Span::from_secs(60 * 60);
const LONGEST: Span = Span::from_secs(30 * 24 * 60 * 60);

impl IdleTime {
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0.duration()
    }
}

impl FromStr for IdleTime {
    type Err = IdleTimeError;

    fn from_str(text: &str) -> Result<Self, IdleTimeError> {
        let span: Span = text.parse()?;
        if span < SHORTEST {
            return Err(IdleTimeError::TooShort(text.to_owned()));
        }
        if span > LONGEST {
            return Err(IdleTimeError::TooLong(text.to_owned()));
        }
        Ok(Self(span))
    }
}

impl fmt::Display for IdleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for IdleTime {
    type Error = IdleTimeError;
    fn try_from(text: String) -> Result<Self, IdleTimeError> {
        text.parse()
    }
}

impl From<IdleTime> for String {
    fn from(time: IdleTime) -> String {
        time.to_string()
    }
}

impl JsonSchema for IdleTime {
    fn schema_name() -> Cow<'static, str> {
        "IdleTime".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "idle-time",
            "pattern": Span::PATTERN,
            "description": "A length of time from 1h to 30d: a whole number and s, m, h, d or w.",
            "examples": ["2d", "1w"],
        })
    }
}
