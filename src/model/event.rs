//! What happened, for people and programs that watch.

use serde::{Deserialize, Serialize};

use super::{EnvName, ProviderName, RunId, StepId, Timestamp};

/// Something that happened, small enough to keep and to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Rises by one for each event of a store.
    pub id: i64,
    pub at: Timestamp,
    /// `None` when it concerns the whole repository or a provider.
    pub env: Option<EnvName>,
    #[serde(flatten)]
    pub kind: EventKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A new revision is the target.
    SourceMoved {
        revision: String,
    },
    /// The source or a document is not usable; what was declared before stays the target.
    SourceFault {
        message: String,
    },
    RunStarted {
        run: RunId,
        steps: usize,
    },
    StepEnded {
        run: RunId,
        step: StepId,
        line: String,
        ok: bool,
        message: String,
    },
    /// A person said something of it beside git; in the imperative.
    PersonSaid {
        by: String,
        what: String,
    },
    /// Nobody has used the environment for long enough.
    Idle {
        since: Timestamp,
    },
    /// The time of the environment is up before long.
    EndsSoon {
        end: Timestamp,
    },
    /// A budget does not suffice for this month, or is spent.
    BudgetShort {
        message: String,
    },
    /// A host has something that works now and may not for long.
    HostWarned {
        provider: ProviderName,
        message: String,
    },
    RunEnded {
        run: RunId,
        ok: bool,
    },
}
