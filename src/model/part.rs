//! What a provider needs of its own before machines can be made there.

use std::fmt;

use serde::Serialize;

/// A part of a provider itself, in the order in which parts are made: each stands on those before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Part {
    /// Software of a bare machine, by the names of its packages.
    Packages(Vec<String>),
    /// A daemon of a bare machine.
    Service(String),
    Pool(String),
    Network(String),
    SecurityGroup(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(names) => write!(f, "packages {}", names.join(", ")),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Pool(name) => write!(f, "pool {name}"),
            Self::Network(name) => write!(f, "network {name}"),
            Self::SecurityGroup(name) => write!(f, "security group {name}"),
        }
    }
}

impl Part {
    /// What making it is called, in the imperative.
    fn verb(&self) -> &'static str {
        match self {
            Self::Packages(_) => "install",
            Self::Service(_) => "start",
            Self::Pool(_) | Self::Network(_) | Self::SecurityGroup(_) => "create",
        }
    }

    /// What is done to have it, in the imperative.
    #[must_use]
    pub fn making(&self) -> String {
        format!("{} {self}", self.verb())
    }
}
