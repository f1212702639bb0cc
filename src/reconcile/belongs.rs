//! Whose a live object is, seen from one repository. Pure.

use std::sync::Arc;

use serde::Serialize;

use super::Tick;
use crate::manifest::Catalog;
use crate::model::Object;

/// Whose a live object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongs {
    /// To an environment of this repository.
    Ours,
    /// Ours by its stamp, of an environment that is no longer declared: it is about to go, or data
    /// that is kept.
    Orphaned,
    /// To an environment of another repository.
    Theirs,
    /// To nobody that Metrom knows; never touched.
    Foreign,
}

impl Belongs {
    /// Whose the object is. What is declared is not known while the repository cannot be read: then
    /// nothing is an orphan.
    #[must_use]
    pub fn of(object: &Object, tick: &Tick) -> Self {
        let Some(stamp) = &object.stamp else {
            return Self::Foreign;
        };
        let may_be = |head: &Arc<Catalog>| head.may_declare(&stamp.env);
        match (
            tick.owner.as_ref() == Some(&stamp.owner),
            tick.head.as_ref().map_or(true, may_be),
        ) {
            (true, true) => Self::Ours,
            (true, false) => Self::Orphaned,
            (false, _) => Self::Theirs,
        }
    }

    /// Whether it belongs to nobody that is declared.
    #[must_use]
    pub fn is_stray(self) -> bool {
        match self {
            Self::Orphaned | Self::Foreign => true,
            Self::Ours | Self::Theirs => false,
        }
    }

    /// As people read it; programs read the same.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Orphaned => "orphaned",
            Self::Theirs => "theirs",
            Self::Foreign => "foreign",
        }
    }
}
