//! One attempt to bring an environment to its declaration, as recorded.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EnvName, Key, Revision, StepId, Timestamp};

/// The identity of a run; sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who or what woke the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Person,
    Webhook,
    Poll,
    /// The declared state changes at this instant, or the last run asked to be followed.
    Timer,
    /// A local repository changed.
    Watch,
}

/// What an error means for the next attempt; says nothing about wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// May pass by itself: try again, with growing pauses.
    Transient,
    /// There is no room: it may pass by itself, and another place may have some.
    NoRoom,
    /// Will not pass without a person or a change in the files.
    Terminal,
    /// The world has moved since it was looked at: look again at once.
    Conflict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Done {
        took: Duration,
        phases: Vec<Phase>,
    },
    /// `chain` is the error with all its causes, outermost first.
    Failed {
        took: Duration,
        class: Class,
        chain: String,
    },
    Skipped {
        because: StepId,
    },
}

/// A named part of the time that a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Succeeded,
    Failed,
    /// The process ended in the middle of it.
    Interrupted,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// One run, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub env: EnvName,
    pub revision: Revision,
    pub trigger: Trigger,
    pub state: RunState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub steps: Vec<StepRecord>,
    /// Held actions as their lines in the plan.
    pub held: Vec<String>,
}

/// One step of a run, as the store keeps it: its line in the plan and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub id: StepId,
    pub key: Key,
    /// The step as the plan shows it.
    pub line: String,
    /// `None` until it has ended.
    pub outcome: Option<Outcome>,
}
