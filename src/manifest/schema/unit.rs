//! Quantities as people write them: `512MiB`, `30s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("`{0}` is not a size; write a whole number and MiB, GiB or TiB, such as `2GiB`")]
    NotASize(String),
    #[error("`{found}` is not a size; did you mean `{meant}`?")]
    MeantSize { found: String, meant: String },
    #[error(
        "`{0}` is not a length of time; write a whole number and s, m, h, d or w, such as `30s` or `14d`"
    )]
    NotASpan(String),
    #[error("`{0}` is not a share; write a whole number up to 100 and %, such as `3%`")]
    NotAShare(String),
    #[error(
        "`{0}` is not a speed; write a whole number and B/s, KiB/s, MiB/s or GiB/s, such as `10KiB/s`"
    )]
    NotASpeed(String),
    #[error("`{0}` must be more than nothing")]
    Zero(String),
    #[error("`{0}` is more than can be counted")]
    TooMuch(String),
}

/// An amount of memory or storage, more than nothing; counted in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(u64);

impl Size {
    pub(crate) const PATTERN: &str = "^[1-9][0-9]*(MiB|GiB|TiB)$";

    /// A size of that many MiB.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib)
    }

    #[must_use]
    pub const fn mib(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not_a_size = || meant_size(text);
        let (digits, unit) = split_number(text).ok_or_else(not_a_size)?;
        let factor: u64 = match unit {
            "MiB" => 1,
            "GiB" => 1 << 10,
            "TiB" => 1 << 20,
            _ => return Err(not_a_size()),
        };
        Ok(Self(amount(text, digits, factor)?))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            mib if mib.is_multiple_of(1 << 20) => write!(f, "{}TiB", mib >> 20),
            mib if mib.is_multiple_of(1 << 10) => write!(f, "{}GiB", mib >> 10),
            mib => write!(f, "{mib}MiB"),
        }
    }
}

/// `2GB`, `2 GiB`, `2g` and the like have an obvious meaning; it is offered, never assumed.
fn meant_size(text: &str) -> UnitError {
    let meant = split_number(text.trim()).and_then(|(digits, unit)| {
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "m" | "mb" | "mi" | "mib" => "MiB",
            "g" | "gb" | "gi" | "gib" => "GiB",
            "t" | "tb" | "ti" | "tib" => "TiB",
            _ => return None,
        };
        Some(format!("{digits}{unit}"))
    });
    let found = text.to_owned();
    match meant {
        Some(meant) => UnitError::MeantSize { found, meant },
        None => UnitError::NotASize(found),
    }
}

/// A length of time, more than nothing; counted in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

impl Span {
    pub(crate) const PATTERN: &str = "^[1-9][0-9]*[smhdw]$";

    /// A length of that many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not_a_span = || UnitError::NotASpan(text.to_owned());
        let (digits, unit) = split_number(text).ok_or_else(not_a_span)?;
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => return Err(not_a_span()),
        };
        Ok(Self(amount(text, digits, factor)?))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, length) in [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)] {
            if self.0.is_multiple_of(length) {
                return write!(f, "{}{unit}", self.0 / length);
            }
        }
        write!(f, "{}s", self.0)
    }
}

/// A part of a whole, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(u8);

impl Share {
    pub(crate) const PATTERN: &str = "^(100|[1-9]?[0-9])%$";

    /// So many percent; more than 100 are 100.
    #[must_use]
    pub const fn from_percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// From 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = match split_number(text) {
            Some((digits, "%")) => digits.parse().ok(),
            Some(_) | None => None,
        };
        match number {
            Some(percent @ 0..=100) => Ok(Self(percent)),
            Some(_) | None => Err(UnitError::NotAShare(text.to_owned())),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// Data in a time, more than nothing; counted in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Speed(u64);

const SPEEDS: [(&str, u64); 4] = [
    ("GiB/s", 1 << 30),
    ("MiB/s", 1 << 20),
    ("KiB/s", 1 << 10),
    ("B/s", 1),
];

impl Speed {
    pub(crate) const PATTERN: &str = "^[1-9][0-9]*(B|KiB|MiB|GiB)/s$";

    /// So many bytes a second.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Speed {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not_a_speed = || UnitError::NotASpeed(text.to_owned());
        let (digits, unit) = split_number(text).ok_or_else(not_a_speed)?;
        let known = SPEEDS.iter().find(|(name, _)| *name == unit);
        let (_, factor) = known.ok_or_else(not_a_speed)?;
        Ok(Self(amount(text, digits, *factor)?))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0.is_multiple_of(*factor);
        let (unit, factor) = SPEEDS.iter().find(fits).unwrap_or(&("B/s", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    (end > 0).then(|| text.split_at(end))
}

fn amount(text: &str, digits: &str, factor: u64) -> Result<u64, UnitError> {
    let too_much = || UnitError::TooMuch(text.to_owned());
    let number: u64 = digits.parse().map_err(|_| too_much())?;
    match number.checked_mul(factor) {
        Some(0) => Err(UnitError::Zero(text.to_owned())),
        Some(amount) => Ok(amount),
        None => Err(too_much()),
    }
}

macro_rules! quantities {
    ($($name:ident, $format:literal, $description:literal, $examples:expr;)*) => {$(
        impl TryFrom<String> for $name {
            type Error = UnitError;
            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(quantity: $name) -> String {
                quantity.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": $format,
                    "pattern": $name::PATTERN,
                    "description": $description,
                    "examples": $examples,
                })
            }
        }
    )*};
}

quantities! {
    Size, "size", "An amount of memory or storage: a whole number and MiB, GiB or TiB.", ["512MiB", "2GiB"];
    Share, "share", "A part of a whole: a whole number up to 100 and %.", ["3%", "50%"];
    Speed, "speed", "Data in a second: a whole number and B/s, KiB/s, MiB/s or GiB/s.", ["10KiB/s", "1MiB/s"];
    Span, "span", "A length of time: a whole number and s, m, h, d or w.", ["30s", "14d"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_printed() {
        for text in ["1MiB", "512MiB", "2GiB", "1536MiB", "3TiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["30s", "90s", "15m", "36h", "13d", "2w"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("2GiB".parse::<Size>().unwrap().mib(), 2048);
        assert_eq!(
            "14d".parse::<Span>().unwrap().duration().as_secs(),
            1_209_600
        );
    }

    #[test]
    fn a_near_miss_is_met_with_what_was_meant() {
        let words = |text: &str| text.parse::<Size>().unwrap_err().to_string();
        assert_eq!(words("2GB"), "`2GB` is not a size; did you mean `2GiB`?");
        assert_eq!(
            words("512 mib"),
            "`512 mib` is not a size; did you mean `512MiB`?"
        );
        assert_eq!(words("0GiB"), "`0GiB` must be more than nothing");
        for text in ["", "GiB", "-1GiB", "1.5GiB", "lots"] {
            assert!(words(text).contains("write a whole number"), "{text}");
        }
        assert!(words("99999999999999TiB").contains("more than can be counted"));
        assert!("5 minutes".parse::<Span>().is_err());
    }

    #[test]
    fn shares_and_speeds_are_whole_numbers_with_their_unit() {
        for text in ["0%", "3%", "100%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["", "%", "3", "101%", "1.5%", "-1%", "3 %", "999%"] {
            let words = text.parse::<Share>().unwrap_err().to_string();
            assert!(words.contains("such as `3%`"), "{text}: {words}");
        }
        for text in ["1B/s", "10KiB/s", "1500B/s", "3MiB/s", "2GiB/s"] {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
        }
        assert_eq!("10KiB/s".parse::<Speed>().unwrap().bytes(), 10_240);
        for text in ["10", "10KiB", "10KB/s", "10 KiB/s", "fast"] {
            let words = text.parse::<Speed>().unwrap_err().to_string();
            assert!(words.contains("such as `10KiB/s`"), "{text}: {words}");
        }
        assert!("0KiB/s".parse::<Speed>().is_err());
    }
}
