//! The store in one SQLite file.
//!
//! Several processes may have it open at once (`serve` and a person's `describe`): writers wait for
//! one another for [`BUSY_TIMEOUT`], readers never wait. The statements keep to what PostgreSQL
//! understands as well.

mod convert;
mod events;
mod hours;
mod notes;
mod open;
mod runs;

use std::path::Path;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::{RETENTION, Retention};
use crate::model::{
    Bucket, EnvName, Event, EventKind, Intent, Memo, MemoKind, Memos, Outcome, Revision, Run,
    RunId, RunState, StepId, Timestamp, Token,
};
use crate::port::{Store, StoreError};

pub use open::BUSY_TIMEOUT;

/// The history in a file.
pub struct SqliteStore {
    pool: SqlitePool,
    retention: Retention,
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings its tables to the present form.
    ///
    /// # Errors
    /// [`StoreError`] when the file or its folder cannot be written, is no database, or was written
    /// by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, RETENTION).await
    }

    /// The same, keeping as much as `retention` says.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub async fn open_with(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        let pool = open::open(path).await?;
        Ok(Self { pool, retention })
    }

    /// Writes everything out and lets go of the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin_run(&self, run: &Run) -> Result<(), StoreError> {
        let written = runs::begin(&self.pool, run, self.retention).await;
        written.map_err(convert::failed("record a run"))
    }

    async fn end_step(
        &self,
        run: &RunId,
        step: StepId,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let doing = "record the outcome of a step";
        let written = runs::end_step(&self.pool, run, step, outcome).await;
        let count = written.map_err(convert::failed(doing))?;
        convert::known(count, doing, || {
            format!("there is no step {step} of run {run}")
        })
    }

    async fn end_run(&self, run: &RunId, state: RunState, at: Timestamp) -> Result<(), StoreError> {
        let doing = "record the end of a run";
        let written = runs::end(&self.pool, run, state, at).await;
        let count = written.map_err(convert::failed(doing))?;
        convert::known(count, doing, || format!("there is no run {run}"))
    }

    async fn interrupt_runs(&self, env: &EnvName, at: Timestamp) -> Result<u64, StoreError> {
        let written = runs::interrupt(&self.pool, env, at).await;
        written.map_err(convert::failed("mark interrupted runs"))
    }

    async fn runs(&self, env: Option<&EnvName>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let read = runs::newest(&self.pool, env, limit).await;
        read.map_err(convert::failed("list runs"))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        let read = runs::one(&self.pool, id).await;
        read.map_err(convert::failed("read a run"))
    }

    async fn append_log(
        &self,
        run: &RunId,
        step: StepId,
        lines: &[String],
    ) -> Result<(), StoreError> {
        let limit = self.retention.log_lines_per_run;
        let written = runs::append_log(&self.pool, run, step, lines, limit).await;
        written.map_err(convert::failed("keep output"))
    }

    async fn log(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StepId, String)>, StoreError> {
        let read = runs::log(&self.pool, run, after, limit).await;
        read.map_err(convert::failed("read a log"))
    }

    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError> {
        let read = notes::intents(&self.pool, env).await;
        read.map_err(convert::failed("read intents"))
    }

    async fn put_intent(&self, env: &EnvName, intent: &Intent) -> Result<(), StoreError> {
        let written = notes::put_intent(&self.pool, env, intent).await;
        written.map_err(convert::failed("note an intent"))
    }

    async fn drop_intent(&self, token: &Token) -> Result<(), StoreError> {
        let written = notes::drop_intent(&self.pool, token).await;
        written.map_err(convert::failed("drop an intent"))
    }

    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError> {
        let read = notes::good_revision(&self.pool, env).await;
        read.map_err(convert::failed("read the last good revision"))
    }

    async fn put_good_revision(
        &self,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<(), StoreError> {
        let written = notes::put_good_revision(&self.pool, env, revision).await;
        written.map_err(convert::failed("note the last good revision"))
    }

    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError> {
        let read = notes::known_environments(&self.pool).await;
        read.map_err(convert::failed("list known environments"))
    }

    async fn forget_environment(&self, env: &EnvName) -> Result<(), StoreError> {
        let written = notes::forget_environment(&self.pool, env).await;
        written.map_err(convert::failed("forget an environment"))
    }

    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError> {
        let read = notes::memos(&self.pool, env).await;
        read.map_err(convert::failed("read what is remembered of an environment"))
    }

    async fn put_memo(&self, env: &EnvName, memo: &Memo) -> Result<(), StoreError> {
        let written = notes::put_memo(&self.pool, env, memo).await;
        written.map_err(convert::failed("remember something of an environment"))
    }

    async fn drop_memo(&self, env: &EnvName, kind: MemoKind) -> Result<(), StoreError> {
        let written = notes::drop_memo(&self.pool, env, kind).await;
        written.map_err(convert::failed("forget something of an environment"))
    }

    async fn put_event(
        &self,
        at: Timestamp,
        env: Option<&EnvName>,
        kind: &EventKind,
    ) -> Result<Event, StoreError> {
        let written = events::put(&self.pool, at, env, kind, self.retention.events).await;
        written.map_err(convert::failed("keep an event"))
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let read = events::after(&self.pool, after, limit).await;
        read.map_err(convert::failed("list events"))
    }

    async fn put_hours(&self, hours: &[(EnvName, Bucket)]) -> Result<(), StoreError> {
        let written = hours::put(&self.pool, hours, self.retention.hours).await;
        written.map_err(convert::failed("keep what was used"))
    }

    async fn hours(&self) -> Result<Vec<(EnvName, Bucket)>, StoreError> {
        let read = hours::all(&self.pool).await;
        read.map_err(convert::failed("read what was used"))
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        let read = notes::fact(&self.pool, name).await;
        read.map_err(convert::failed("read a fact"))
    }

    async fn put_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let written = notes::put_fact(&self.pool, name, value).await;
        written.map_err(convert::failed("note a fact"))
    }
}
