//! The store of the world: what a sync needs of the one before, and nothing of history but runs.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::World;
use crate::model::{
    EnvName, Event, EventKind, Intent, Outcome, Revision, Run, RunId, RunState, StepId, Timestamp,
    Token,
};
use crate::port::{Store, StoreError};

/// What was written.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) forgets_intents: bool,
    intents: BTreeMap<Token, (EnvName, Intent)>,
    good: BTreeMap<EnvName, Revision>,
    runs: BTreeMap<RunId, Run>,
    facts: BTreeMap<String, String>,
    events: Vec<Event>,
}

impl World {
    /// The database is deleted, at rest.
    pub fn lose_history(&self) {
        let mut state = self.state();
        state.memory = Memory {
            forgets_intents: state.memory.forgets_intents,
            ..Memory::default()
        };
    }

    /// A write: it may be the last thing that the process does.
    async fn write<T>(&self, write: impl FnOnce(&mut Memory) -> T) -> Result<T, StoreError> {
        self.call().await;
        let written = write(&mut self.state().memory);
        self.call().await;
        Ok(written)
    }

    fn read<T>(&self, read: impl FnOnce(&Memory) -> T) -> Result<T, StoreError> {
        Ok(read(&self.state().memory))
    }
}

#[async_trait]
impl Store for World {
    async fn begin_run(&self, run: &Run) -> Result<(), StoreError> {
        self.write(|m| drop(m.runs.insert(run.id.clone(), run.clone())))
            .await
    }

    async fn end_step(
        &self,
        run: &RunId,
        step: StepId,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        self.write(|m| {
            let steps = m
                .runs
                .get_mut(run)
                .into_iter()
                .flat_map(|run| &mut run.steps);
            for record in steps.filter(|record| record.id == step) {
                record.outcome = Some(outcome.clone());
            }
        })
        .await
    }

    async fn end_run(&self, run: &RunId, state: RunState, at: Timestamp) -> Result<(), StoreError> {
        self.write(|m| {
            if let Some(run) = m.runs.get_mut(run) {
                run.state = state;
                run.ended = Some(at);
            }
        })
        .await
    }

    async fn interrupt_runs(&self, env: &EnvName, at: Timestamp) -> Result<u64, StoreError> {
        self.write(|m| {
            let runs = m.runs.values_mut().filter(|run| run.env == *env);
            let mut interrupted = 0;
            for run in runs.filter(|run| run.state == RunState::Running) {
                run.state = RunState::Interrupted;
                run.ended = Some(at);
                interrupted += 1;
            }
            interrupted
        })
        .await
    }

    async fn runs(&self, env: Option<&EnvName>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.read(|m| {
            let runs = m.runs.values().rev();
            let runs = runs.filter(|run| env.is_none_or(|env| run.env == *env));
            runs.take(limit as usize).cloned().collect()
        })
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.read(|m| m.runs.get(id).cloned())
    }

    async fn append_log(&self, _: &RunId, _: StepId, _: &[String]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn log(
        &self,
        _: &RunId,
        _: i64,
        _: u32,
    ) -> Result<Vec<(i64, StepId, String)>, StoreError> {
        Ok(Vec::new())
    }

    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError> {
        self.read(|m| {
            let intents = m.intents.values().filter(|(of, _)| of == env);
            intents.map(|(_, intent)| intent.clone()).collect()
        })
    }

    async fn put_intent(&self, env: &EnvName, intent: &Intent) -> Result<(), StoreError> {
        self.write(|m| {
            if !m.forgets_intents {
                let noted = (env.clone(), intent.clone());
                m.intents.insert(intent.token.clone(), noted);
            }
        })
        .await
    }

    async fn drop_intent(&self, token: &Token) -> Result<(), StoreError> {
        self.write(|m| drop(m.intents.remove(token))).await
    }

    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError> {
        self.read(|m| m.good.get(env).cloned())
    }

    async fn put_good_revision(
        &self,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<(), StoreError> {
        self.write(|m| drop(m.good.insert(env.clone(), revision.clone())))
            .await
    }

    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError> {
        self.read(|m| m.good.keys().cloned().collect())
    }

    async fn forget_environment(&self, env: &EnvName) -> Result<(), StoreError> {
        self.write(|m| drop(m.good.remove(env))).await
    }

    async fn put_event(
        &self,
        at: Timestamp,
        env: Option<&EnvName>,
        kind: &EventKind,
    ) -> Result<Event, StoreError> {
        self.write(|m| {
            let event = Event {
                id: i64::try_from(m.events.len()).unwrap_or(i64::MAX) + 1,
                at,
                env: env.cloned(),
                kind: kind.clone(),
            };
            m.events.push(event.clone());
            event
        })
        .await
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read(|m| {
            let events = m.events.iter().filter(|event| event.id > after);
            events.take(limit as usize).cloned().collect()
        })
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|m| m.facts.get(name).cloned())
    }

    async fn put_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.write(|m| drop(m.facts.insert(name.to_owned(), value.to_owned())))
            .await
    }
}
