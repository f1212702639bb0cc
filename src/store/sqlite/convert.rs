//! Between columns and the model.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Error;

use crate::model::{EnvName, Revision, Timestamp};
use crate::port::StoreError;

/// Gives a database error its words, causes included.
pub fn failed(doing: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| StoreError {
        doing,
        reason: chain(&error),
    }
}

/// An update that met no row is an error.
pub fn known(
    count: u64,
    doing: &'static str,
    reason: impl FnOnce() -> String,
) -> Result<(), StoreError> {
    match count {
        0 => Err(StoreError {
            doing,
            reason: reason(),
        }),
        _ => Ok(()),
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = error.to_string();
    for cause in causes {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A value as the JSON text of a column.
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("model types serialise to JSON")
}

pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Decode(Box::new(error)))
}

/// A plain word of an enum, such as `succeeded`.
pub fn to_word<T: Serialize>(value: &T) -> String {
    to_json(value).trim_matches('"').to_owned()
}

pub fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, Error> {
    let value = serde_json::Value::String(word.to_owned());
    serde_json::from_value(value).map_err(|error| Error::Decode(Box::new(error)))
}

pub fn to_time(text: &str) -> Result<Timestamp, Error> {
    text.parse()
        .map_err(|error: jiff::Error| Error::Decode(error.into()))
}

pub fn to_env(text: &str) -> Result<EnvName, Error> {
    EnvName::parse(text).map_err(|error| Error::Decode(error.into()))
}

pub fn to_revision(text: &str) -> Result<Revision, Error> {
    let wrong = || Error::Decode(format!("`{text}` is not a commit id").into());
    Revision::parse(text).ok_or_else(wrong)
}
