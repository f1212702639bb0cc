//! What a resource of an environment is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The key of a resource within its environment: `volume/data`, `machine`, `guest`,
/// `checkout/app`, `stack`.
///
/// The order of the variants is the order in which resources are made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Key {
    /// The base image that the machine's disk is cloned from; shared by environments.
    Image,
    /// A data volume, which outlives its machine.
    Volume(String),
    Machine,
    /// What the machine needs before anything of the environment's own: software, people's access,
    /// registries.
    Guest,
    /// The images of the containers, brought to a warm machine before anybody needs them.
    Containers,
    /// A source tree on the machine.
    Checkout(String),
    /// The compose project on the machine.
    Stack,
}

/// A text that names no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a resource; expected `image`, `volume/…`, `machine`, `guest`, `containers`, \
     `checkout/…` or `stack`"
)]
pub struct KeyError(String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.pad("image"),
            Self::Volume(name) => f.pad(&format!("volume/{name}")),
            Self::Machine => f.pad("machine"),
            Self::Guest => f.pad("guest"),
            Self::Containers => f.pad("containers"),
            Self::Checkout(name) => f.pad(&format!("checkout/{name}")),
            Self::Stack => f.pad("stack"),
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.split_once('/') {
            None if text == "image" => Ok(Self::Image),
            None if text == "machine" => Ok(Self::Machine),
            None if text == "guest" => Ok(Self::Guest),
            None if text == "containers" => Ok(Self::Containers),
            None if text == "stack" => Ok(Self::Stack),
            Some(("volume", name)) if !name.is_empty() => Ok(Self::Volume(name.to_owned())),
            Some(("checkout", name)) if !name.is_empty() => Ok(Self::Checkout(name.to_owned())),
            _ => Err(KeyError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_parse_are_inverse() {
        for key in [
            Key::Image,
            Key::Volume("data".into()),
            Key::Machine,
            Key::Guest,
            Key::Containers,
            Key::Checkout("app".into()),
            Key::Stack,
        ] {
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
        assert!("volume/".parse::<Key>().is_err());
        assert!("domain".parse::<Key>().is_err());
    }
}
