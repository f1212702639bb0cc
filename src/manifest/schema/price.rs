//! What things cost, and how much may be spent: numbers of the owner, never guessed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::Money;

/// What the capacity of a host costs, as its owner says; all in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostPrices {
    /// A virtual processor for an hour, while the machine runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_hour: Option<Money>,
    /// A GiB of memory for an hour, while the machine runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib_hour: Option<Money>,
    /// A GiB of disk for an hour, whether the machine runs or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_gib_hour: Option<Money>,
}

/// What a cloud charges beside its types; all in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudPrices {
    /// A GiB of volumes for a month of 730 hours, whether the machine runs or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_gib_month: Option<Money>,
    /// A public address for an hour, while the machine runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_hour: Option<Money>,
}

/// How much may be spent in a calendar month of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// For a calendar month.
    pub month: Money,
    /// What happens when it does not suffice.
    #[serde(default)]
    pub over: Over,
}

/// What happens when a budget does not suffice.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Over {
    /// It is told.
    #[default]
    Warn,
    /// What is not there yet is not made, and nothing becomes dearer.
    Hold,
    /// The same; and when the money is spent, machines sleep until the month ends. Data is kept.
    Stop,
}

impl Over {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Hold => "hold",
            Self::Stop => "stop",
        }
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "money",
            "pattern": Money::PATTERN,
            "description": "An amount of money with its currency.",
            "examples": ["0.0208 USD", "100 EUR"],
        })
    }
}
