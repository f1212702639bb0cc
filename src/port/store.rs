//! The history of runs, and the few notes that a sync needs of the one before.
//!
//! **Guarantees.** Losing all of it loses history, not control: ownership lives with the live
//! objects, declarations live in git.

use async_trait::async_trait;

use crate::model::{
    Bucket, EnvName, Event, EventKind, Intent, Memo, MemoKind, Memos, Outcome, Revision, Run,
    RunId, RunState, StepId, Timestamp, Token,
};

#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a run with all its steps, before the first of them is taken.
    async fn begin_run(&self, run: &Run) -> Result<(), StoreError>;
    /// Writes what came of a step.
    async fn end_step(
        &self,
        run: &RunId,
        step: StepId,
        outcome: &Outcome,
    ) -> Result<(), StoreError>;
    async fn end_run(&self, run: &RunId, state: RunState, at: Timestamp) -> Result<(), StoreError>;
    /// Marks runs that a process left running as interrupted; to be called once at start, for each
    /// environment whose lock is held.
    async fn interrupt_runs(&self, env: &EnvName, at: Timestamp) -> Result<u64, StoreError>;
    /// The newest runs first, of one environment or of all.
    async fn runs(&self, env: Option<&EnvName>, limit: u32) -> Result<Vec<Run>, StoreError>;
    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError>;

    /// Adds lines to the log of a run.
    async fn append_log(
        &self,
        run: &RunId,
        step: StepId,
        lines: &[String],
    ) -> Result<(), StoreError>;
    /// The log of a run from a position on: `(position, step, line)`; positions rise.
    async fn log(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StepId, String)>, StoreError>;

    /// Open creations of one environment.
    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError>;
    /// Writes an intent, or replaces the one with its token.
    async fn put_intent(&self, env: &EnvName, intent: &Intent) -> Result<(), StoreError>;
    async fn drop_intent(&self, token: &Token) -> Result<(), StoreError>;

    /// The newest revision at which this environment's documents were all good.
    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError>;
    async fn put_good_revision(&self, env: &EnvName, revision: &Revision)
    -> Result<(), StoreError>;
    /// Environments that ever had a good revision.
    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError>;
    /// Forgets its good revision and all memos; history stays.
    async fn forget_environment(&self, env: &EnvName) -> Result<(), StoreError>;

    /// What is remembered of an environment.
    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError>;
    /// Remembers one thing, in the place of what was remembered of its kind.
    async fn put_memo(&self, env: &EnvName, memo: &Memo) -> Result<(), StoreError>;
    async fn drop_memo(&self, env: &EnvName, kind: MemoKind) -> Result<(), StoreError>;

    /// Keeps an event and gives it its number.
    async fn put_event(
        &self,
        at: Timestamp,
        env: Option<&EnvName>,
        kind: &EventKind,
    ) -> Result<Event, StoreError>;
    /// Events after a number, oldest first.
    async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Keeps what was used in hours, each in the place of what was kept of it; what is older than a
    /// month goes.
    async fn put_hours(&self, hours: &[(EnvName, Bucket)]) -> Result<(), StoreError>;
    /// Every hour that is kept.
    async fn hours(&self) -> Result<Vec<(EnvName, Bucket)>, StoreError>;

    /// A small fact that is dear to find out again, such as whether KVM works on a host.
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError>;
    async fn put_fact(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot {doing}: {reason}")]
pub struct StoreError {
    pub doing: &'static str,
    pub reason: String,
}
