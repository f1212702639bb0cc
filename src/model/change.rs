//! The difference on one resource, and why.

use std::fmt;

use serde::Serialize;

use super::{Key, Live, LiveId, ProviderName};

/// Why a resource is to change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Declared and not there.
    Missing,
    /// The declaration changed.
    SpecChanged,
    /// The live object differs although the declaration did not change.
    Drifted,
    /// There and no longer declared.
    Undeclared,
    /// A second object for one key.
    Duplicate,
    /// Its time is up.
    Expired,
    /// What it stands on was made anew.
    DependencyReplaced(Key),
    /// A new machine is tried beside the one that is there, and takes its place.
    Phoenix,
    /// What was to take its place has failed: the one before comes back.
    PhoenixFailed,
    /// Its office hours began or ended.
    OfficeHours,
    /// A person wants it to be awake, or asleep, for a while.
    Wish,
    /// It is kept where it is, and is to run at another place.
    Elsewhere,
    /// A budget is spent, or there is money again.
    Budget,
    /// Room is needed for what was asked for.
    Room,
    /// It is ready, and nobody needs it yet.
    Ready,
    /// A person asked for its end.
    Asked,
}

impl Cause {
    /// Whether this is why something ends to exist, rather than why it is made or changed.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        match self {
            Self::Undeclared | Self::Expired | Self::Duplicate | Self::Asked => true,
            Self::Missing
            | Self::SpecChanged
            | Self::Drifted
            | Self::DependencyReplaced(_)
            | Self::Phoenix
            | Self::PhoenixFailed
            | Self::OfficeHours
            | Self::Elsewhere
            | Self::Budget
            | Self::Room
            | Self::Ready
            | Self::Wish => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::SpecChanged => f.write_str("declaration changed"),
            Self::Drifted => f.write_str("drifted"),
            Self::Undeclared => f.write_str("no longer declared"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Expired => f.write_str("expired"),
            Self::DependencyReplaced(key) => write!(f, "{key} is new"),
            Self::Phoenix => f.write_str("phoenix"),
            Self::PhoenixFailed => f.write_str("phoenix failed"),
            Self::OfficeHours => f.write_str("office hours"),
            Self::Wish => f.write_str("asked for"),
            Self::Elsewhere => f.write_str("it runs elsewhere"),
            Self::Budget => f.write_str("budget"),
            Self::Room => f.write_str("room is needed"),
            Self::Ready => f.write_str("ready"),
            Self::Asked => f.write_str("asked to go"),
        }
    }
}

/// How deep a change cuts; the effect on a resource is the maximum over its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    InPlace,
    Restart,
    Replace,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub field: &'static str,
    pub from: String,
    pub to: String,
    pub effect: Effect,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.field, self.from, self.to)
    }
}

/// One resource that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub key: Key,
    /// The live object concerned; `None` when it is missing.
    pub id: Option<LiveId>,
    /// Which provider has that; two may call theirs alike. `None` for what lies inside the machine.
    pub provider: Option<ProviderName>,
    pub cause: Cause,
    pub fields: Vec<FieldChange>,
}

impl Change {
    /// Whether that is the live object which is to change.
    #[must_use]
    pub fn is_of(&self, live: &Live) -> bool {
        Some(&live.id) == self.id.as_ref() && live.provider == self.provider
    }

    /// The deepest effect among the fields.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.fields
            .iter()
            .map(|f| f.effect)
            .max()
            .unwrap_or(Effect::InPlace)
    }
}
