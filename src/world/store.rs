//! The store of the world: the one in memory, with a process that may die before and after a write.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Rule, World};
use crate::model::{
    Bucket, EnvName, Event, EventKind, Intent, Memo, MemoKind, Memos, Outcome, Revision, Run,
    RunId, RunState, StepId, Timestamp, Token,
};
use crate::port::{Store, StoreError};
use crate::store::MemoryStore;

impl World {
    /// The database is deleted, at rest.
    pub fn lose_history(&self) {
        self.state().memory = Arc::default();
    }

    fn memory(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.state().memory)
    }

    /// A write: it may be the last thing that the process does.
    async fn write<T>(&self, writing: impl Future<Output = T> + Send) -> T {
        self.call().await;
        let written = writing.await;
        self.call().await;
        written
    }
}

#[async_trait]
impl Store for World {
    async fn begin_run(&self, run: &Run) -> Result<(), StoreError> {
        self.write(self.memory().begin_run(run)).await
    }

    async fn end_step(
        &self,
        run: &RunId,
        step: StepId,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        self.write(self.memory().end_step(run, step, outcome)).await
    }

    async fn end_run(&self, run: &RunId, state: RunState, at: Timestamp) -> Result<(), StoreError> {
        self.write(self.memory().end_run(run, state, at)).await
    }

    async fn interrupt_runs(&self, env: &EnvName, at: Timestamp) -> Result<u64, StoreError> {
        self.write(self.memory().interrupt_runs(env, at)).await
    }

    async fn runs(&self, env: Option<&EnvName>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.memory().runs(env, limit).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.memory().run(id).await
    }

    async fn append_log(
        &self,
        run: &RunId,
        step: StepId,
        lines: &[String],
    ) -> Result<(), StoreError> {
        self.memory().append_log(run, step, lines).await
    }

    async fn log(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StepId, String)>, StoreError> {
        self.memory().log(run, after, limit).await
    }

    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError> {
        self.memory().intents(env).await
    }

    async fn put_intent(&self, env: &EnvName, intent: &Intent) -> Result<(), StoreError> {
        let (memory, forgets) = (self.memory(), self.state().breaks(Rule::Intents));
        let noting = async {
            match forgets {
                true => Ok(()),
                false => memory.put_intent(env, intent).await,
            }
        };
        self.write(noting).await
    }

    async fn drop_intent(&self, token: &Token) -> Result<(), StoreError> {
        self.write(self.memory().drop_intent(token)).await
    }

    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError> {
        self.memory().good_revision(env).await
    }

    async fn put_good_revision(
        &self,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<(), StoreError> {
        self.write(self.memory().put_good_revision(env, revision))
            .await
    }

    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError> {
        self.memory().known_environments().await
    }

    async fn forget_environment(&self, env: &EnvName) -> Result<(), StoreError> {
        self.write(self.memory().forget_environment(env)).await
    }

    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError> {
        self.memory().memos(env).await
    }

    async fn put_memo(&self, env: &EnvName, memo: &Memo) -> Result<(), StoreError> {
        self.write(self.memory().put_memo(env, memo)).await
    }

    async fn drop_memo(&self, env: &EnvName, kind: MemoKind) -> Result<(), StoreError> {
        self.write(self.memory().drop_memo(env, kind)).await
    }

    async fn put_event(
        &self,
        at: Timestamp,
        env: Option<&EnvName>,
        kind: &EventKind,
    ) -> Result<Event, StoreError> {
        self.write(self.memory().put_event(at, env, kind)).await
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.memory().events(after, limit).await
    }

    async fn put_hours(&self, hours: &[(EnvName, Bucket)]) -> Result<(), StoreError> {
        self.write(self.memory().put_hours(hours)).await
    }

    async fn hours(&self) -> Result<Vec<(EnvName, Bucket)>, StoreError> {
        self.memory().hours().await
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.memory().fact(name).await
    }

    async fn put_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.write(self.memory().put_fact(name, value)).await
    }
}
