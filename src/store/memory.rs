//! The store in memory: for tests, and for commands that only look when there is no history yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{HOURS_FOR, RETENTION, Retention, within_limit};
use crate::model::{
    Bucket, EnvName, Event, EventKind, Intent, Memo, MemoKind, Memos, Outcome, Revision, Run,
    RunId, RunState, StepId, Timestamp, Token,
};
use crate::port::{Store, StoreError};

/// Keeps everything until it is dropped.
pub struct MemoryStore {
    kept: Mutex<Kept>,
    retention: Retention,
}

#[derive(Default)]
struct Kept {
    runs: BTreeMap<RunId, Run>,
    logs: BTreeMap<RunId, Vec<(StepId, String)>>,
    intents: BTreeMap<Token, (EnvName, Intent)>,
    good: BTreeMap<EnvName, Revision>,
    memos: BTreeMap<(EnvName, MemoKind), Memo>,
    events: VecDeque<Event>,
    last_event: i64,
    /// By their beginning, in seconds since 1970.
    hours: BTreeMap<(i64, EnvName), Bucket>,
    facts: BTreeMap<String, String>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_retention(RETENTION)
    }
}

impl MemoryStore {
    #[must_use]
    pub fn with_retention(retention: Retention) -> Self {
        Self {
            kept: Mutex::default(),
            retention,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn known_run(&mut self, doing: &'static str, id: &RunId) -> Result<&mut Run, StoreError> {
        self.runs.get_mut(id).ok_or_else(|| StoreError {
            doing,
            reason: format!("there is no run {id}"),
        })
    }

    fn drop_old_runs(&mut self, env: &EnvName, retention: Retention) {
        let all = self.runs.keys().rev().skip(retention.runs as usize);
        let mine = self.runs.values().rev().filter(|run| run.env == *env);
        let surplus = mine.skip(retention.runs_per_environment as usize);
        let old: Vec<RunId> = surplus
            .map(|run| run.id.clone())
            .chain(all.cloned())
            .collect();
        for id in old {
            self.runs.remove(&id);
            self.logs.remove(&id);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin_run(&self, run: &Run) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.runs.contains_key(&run.id) {
            return Err(StoreError {
                doing: "record a run",
                reason: format!("there is a run {} already", run.id),
            });
        }
        kept.runs.insert(run.id.clone(), run.clone());
        kept.drop_old_runs(&run.env, self.retention);
        Ok(())
    }

    async fn end_step(
        &self,
        run: &RunId,
        step: StepId,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let doing = "record the outcome of a step";
        let mut kept = self.kept();
        let run = kept.known_run(doing, run)?;
        let Some(record) = run.steps.iter_mut().find(|record| record.id == step) else {
            let reason = format!("the run {} has no step {step}", run.id);
            return Err(StoreError { doing, reason });
        };
        record.outcome = Some(outcome.clone());
        Ok(())
    }

    async fn end_run(&self, run: &RunId, state: RunState, at: Timestamp) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let run = kept.known_run("record the end of a run", run)?;
        run.state = state;
        run.ended = Some(at);
        Ok(())
    }

    async fn interrupt_runs(&self, env: &EnvName, at: Timestamp) -> Result<u64, StoreError> {
        let mut kept = self.kept();
        let of_env = kept.runs.values_mut().filter(|run| run.env == *env);
        let mut count = 0;
        for run in of_env.filter(|run| run.state == RunState::Running) {
            run.state = RunState::Interrupted;
            run.ended = Some(at);
            count += 1;
        }
        Ok(count)
    }

    async fn runs(&self, env: Option<&EnvName>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let kept = self.kept();
        let asked = |run: &&Run| env.is_none_or(|env| run.env == *env);
        let newest = kept.runs.values().rev().filter(asked);
        Ok(newest.take(limit as usize).cloned().collect())
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        Ok(self.kept().runs.get(id).cloned())
    }

    async fn append_log(
        &self,
        run: &RunId,
        step: StepId,
        lines: &[String],
    ) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.known_run("keep output", run)?;
        let log = kept.logs.entry(run.clone()).or_default();
        let have = u32::try_from(log.len()).unwrap_or(u32::MAX);
        for line in within_limit(have, self.retention.log_lines_per_run, lines) {
            log.push((step, line.to_owned()));
        }
        Ok(())
    }

    async fn log(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StepId, String)>, StoreError> {
        let kept = self.kept();
        let lines = kept.logs.get(run).map_or(&[][..], Vec::as_slice);
        let numbered = (1_i64..).zip(lines);
        let asked = numbered.filter(|(position, _)| *position > after);
        let owned = asked.map(|(position, (step, line))| (position, *step, line.clone()));
        Ok(owned.take(limit as usize).collect())
    }

    async fn intents(&self, env: &EnvName) -> Result<Vec<Intent>, StoreError> {
        let kept = self.kept();
        let of_env = kept.intents.values().filter(|(of, _)| of == env);
        Ok(of_env.map(|(_, intent)| intent.clone()).collect())
    }

    async fn put_intent(&self, env: &EnvName, intent: &Intent) -> Result<(), StoreError> {
        let noted = (env.clone(), intent.clone());
        self.kept().intents.insert(intent.token.clone(), noted);
        Ok(())
    }

    async fn drop_intent(&self, token: &Token) -> Result<(), StoreError> {
        self.kept().intents.remove(token);
        Ok(())
    }

    async fn good_revision(&self, env: &EnvName) -> Result<Option<Revision>, StoreError> {
        Ok(self.kept().good.get(env).cloned())
    }

    async fn put_good_revision(
        &self,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<(), StoreError> {
        self.kept().good.insert(env.clone(), revision.clone());
        Ok(())
    }

    async fn known_environments(&self) -> Result<Vec<EnvName>, StoreError> {
        Ok(self.kept().good.keys().cloned().collect())
    }

    async fn forget_environment(&self, env: &EnvName) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.good.remove(env);
        kept.memos.retain(|(of, _), _| of != env);
        Ok(())
    }

    async fn memos(&self, env: &EnvName) -> Result<Memos, StoreError> {
        let kept = self.kept();
        let of_env = kept.memos.iter().filter(|((of, _), _)| of == env);
        Ok(of_env.map(|(_, memo)| memo.clone()).collect())
    }

    async fn put_memo(&self, env: &EnvName, memo: &Memo) -> Result<(), StoreError> {
        let place = (env.clone(), memo.kind());
        self.kept().memos.insert(place, memo.clone());
        Ok(())
    }

    async fn drop_memo(&self, env: &EnvName, kind: MemoKind) -> Result<(), StoreError> {
        self.kept().memos.remove(&(env.clone(), kind));
        Ok(())
    }

    async fn put_event(
        &self,
        at: Timestamp,
        env: Option<&EnvName>,
        kind: &EventKind,
    ) -> Result<Event, StoreError> {
        let mut kept = self.kept();
        kept.last_event += 1;
        let event = Event {
            id: kept.last_event,
            at,
            env: env.cloned(),
            kind: kind.clone(),
        };
        kept.events.push_back(event.clone());
        while kept.events.len() > self.retention.events as usize {
            kept.events.pop_front();
        }
        Ok(event)
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let kept = self.kept();
        let asked = kept.events.iter().filter(|event| event.id > after);
        Ok(asked.take(limit as usize).cloned().collect())
    }

    async fn put_hours(&self, hours: &[(EnvName, Bucket)]) -> Result<(), StoreError> {
        let mut kept = self.kept();
        for (env, hour) in hours {
            kept.hours.insert((hour.begin_s(), env.clone()), *hour);
        }
        let Some(((newest, _), _)) = kept.hours.last_key_value() else {
            return Ok(());
        };
        let oldest = newest - HOURS_FOR;
        kept.hours.retain(|(begin, _), _| *begin > oldest);
        while kept.hours.len() > self.retention.hours as usize {
            kept.hours.pop_first();
        }
        Ok(())
    }

    async fn hours(&self) -> Result<Vec<(EnvName, Bucket)>, StoreError> {
        let kept = self.kept();
        let hours = kept.hours.iter();
        Ok(hours.map(|((_, env), hour)| (env.clone(), *hour)).collect())
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.kept().facts.get(name).cloned())
    }

    async fn put_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.kept().facts.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}
