//! One whole sync of one environment, read top to bottom.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::aim::Aim;
use super::apply::{Hands, Outcomes, apply, chain};
use super::gate::DataVolumes;
use super::library::Library;
use super::living::Living;
use super::onlook::{News, Nobody, Onlooker, announce};
use super::place;
use super::plan::Attempt;
use super::remember::Writing;
use super::restore::RestoreError;
use super::tick::Tick;
use super::view::{View, Viewer};
use crate::model::{
    Action, Class, EnvName, EventKind, Failure, Memo, MemoKind, Outcome, Phoenix, Plan,
    ProviderAction, Run, RunId, RunState, StepRecord, Timestamp, Trigger,
};
use crate::port::{
    Clock, GuestActuator, Ids, Images, Lock, Locks, Providers, Refs, Routes, Source, Store,
    StoreError,
};

/// Every port, writing ones included.
pub struct Ports {
    pub source: Arc<dyn Source>,
    pub refs: Arc<dyn Refs>,
    pub providers: Arc<dyn Providers>,
    pub guests: Arc<dyn GuestActuator>,
    pub images: Arc<dyn Images>,
    pub store: Arc<dyn Store>,
    pub locks: Arc<dyn Locks>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Brings environments to their declaration, one at a time each.
pub struct Reconciler {
    viewer: Viewer,
    ports: Ports,
    onlooker: Arc<dyn Onlooker>,
    stopping: CancellationToken,
}

/// What one sync came to.
#[derive(Debug)]
pub struct SyncReport {
    pub env: EnvName,
    /// What was seen; `None` when it was not even looked at.
    pub view: Option<View>,
    /// The run that was recorded, if there was anything to do.
    pub run: Option<RunId>,
    pub outcomes: Outcomes,
    pub end: End,
}

/// How a sync ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As declared, but for what is held.
    Settled,
    /// Every step was done; to be looked at again.
    Applied,
    Failed(Class, String),
    /// It is not known what should be.
    Stalled,
    /// Somebody else works on it.
    Busy,
    /// Asked to stop before everything was done.
    Stopped,
}

impl SyncReport {
    fn new(env: &EnvName, view: Option<View>, end: End) -> Self {
        Self {
            env: env.clone(),
            view,
            run: None,
            outcomes: Outcomes::new(),
            end,
        }
    }

    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        Some(&self.view.as_ref()?.aim.as_ref()?.plan)
    }

    /// The warm machines that its plan was to claim.
    pub fn claimed(&self) -> impl Iterator<Item = &EnvName> {
        let steps = self.plan().into_iter().flat_map(|plan| &plan.steps);
        steps.filter_map(|step| match &step.action {
            Action::Provider {
                action: ProviderAction::ClaimMachine { warm, .. },
                ..
            } => Some(&warm.env),
            Action::Provider { .. } | Action::Guest { .. } => None,
        })
    }

    /// The instant at which what should be changes by itself.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.view.as_ref()?.aim.as_ref()?.until
    }
}

impl Reconciler {
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        let viewer = Viewer::new(
            ports.source.clone(),
            ports.refs.clone(),
            ports.providers.clone(),
            ports.guests.clone(),
            Arc::new(ports.store.clone()),
        );
        Self {
            viewer,
            ports,
            onlooker: Arc::new(Nobody),
            stopping: CancellationToken::new(),
        }
    }

    /// With somebody who sees what happens while it happens.
    #[must_use]
    pub fn watched_by(mut self, onlooker: Arc<dyn Onlooker>) -> Self {
        self.onlooker = onlooker;
        self
    }

    /// With what others have read and rendered, and who share what this one does.
    #[must_use]
    pub fn sharing(mut self, library: Arc<Library>) -> Self {
        self.viewer = self.viewer.sharing(library);
        self
    }

    /// Whose looks wait for no provider that hangs; a sync of what is elsewhere goes on.
    #[must_use]
    pub fn hurrying(mut self) -> Self {
        self.viewer = self.viewer.hurrying(Arc::clone(&self.ports.clock));
        self
    }

    /// With what tells between which places data can be carried.
    #[must_use]
    pub fn carrying_by(mut self, routes: Arc<dyn Routes>) -> Self {
        self.viewer = self.viewer.carrying_by(routes);
        self
    }

    /// When this is cancelled, running steps finish and no other begins.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    #[must_use]
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    /// Looks at the world, for every environment that is synced with it.
    pub async fn tick(&self) -> Tick {
        let tick = self.viewer.tick(self.ports.clock.now()).await;
        self.note_living(&tick).await;
        self.onlooker.look(&tick);
        tick
    }

    /// Keeps who lives where, so that a host whose file is removed is asked for.
    async fn note_living(&self, tick: &Tick) {
        let Some(owner) = &tick.owner else { return };
        let after = tick.living.after(&tick.providers, &tick.inventories, owner);
        if after == tick.living {
            return;
        }
        let (key, text) = (Living::key(owner), after.text());
        if let Err(error) = self.ports.store.put_fact(&key, &text).await {
            tracing::warn!(%error, "who lives where was not kept");
        }
    }

    /// One sync: look, plan, record, apply, record.
    ///
    /// **Guarantees.** Never fails: what went wrong is in the report. May be dropped at any
    /// instant; the next sync finds what is left and goes on.
    pub async fn sync(&self, tick: &Tick, env: &EnvName, trigger: Trigger) -> SyncReport {
        self.locked(tick, env, Goal::Declared, trigger).await
    }

    /// Ends an environment because a person asked for it, whatever is declared.
    ///
    /// **Guarantees.** As [`Reconciler::sync`].
    pub async fn destroy(&self, tick: &Tick, env: &EnvName, data: DataVolumes) -> SyncReport {
        self.locked(tick, env, Goal::Nothing(data), Trigger::Person)
            .await
    }

    async fn locked(&self, tick: &Tick, env: &EnvName, goal: Goal, trigger: Trigger) -> SyncReport {
        let _lock = match self.ports.locks.try_lock(env).await {
            Ok(Some(lock)) => lock,
            Ok(None) => return SyncReport::new(env, None, End::Busy),
            Err(error) => {
                let end = End::Failed(Class::Transient, error.to_string());
                return SyncReport::new(env, None, end);
            }
        };
        match self.synced(tick, env, goal, trigger).await {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%env, error = %chain(&error), "sync failed");
                let end = End::Failed(Class::Transient, chain(&error));
                SyncReport::new(env, None, end)
            }
        }
    }

    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            token: self.ports.ids.token(),
            at: self.ports.clock.now(),
        }
    }

    /// The environment to ourselves.
    pub(super) async fn hold(&self, env: &EnvName) -> Result<Lock, RestoreError> {
        match self.ports.locks.try_lock(env).await {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(RestoreError::Busy { to: env.clone() }),
            Err(error) => Err(RestoreError::Hidden {
                reason: error.to_string(),
            }),
        }
    }

    async fn synced(
        &self,
        tick: &Tick,
        env: &EnvName,
        goal: Goal,
        trigger: Trigger,
    ) -> Result<SyncReport, StoreError> {
        let attempt = self.attempt();
        let view = match goal {
            Goal::Declared => self.viewer.view(tick, env, &attempt).await?,
            Goal::Nothing(data) => self.viewer.view_end(tick, env, data, &attempt).await?,
        };
        for fault in &view.faults {
            self.onlooker.see(env, News::Fault(fault));
        }
        if let Some(aim) = &view.aim {
            self.note(env, aim).await?;
        }
        self.done(tick, view, trigger, &attempt).await
    }

    /// Does what was planned.
    pub(super) async fn done(
        &self,
        tick: &Tick,
        view: View,
        trigger: Trigger,
        attempt: &Attempt,
    ) -> Result<SyncReport, StoreError> {
        let env = &view.env.clone();
        let Some(aim) = &view.aim else {
            return Ok(SyncReport::new(env, Some(view), End::Stalled));
        };
        self.onlooker.see(env, News::Planned(&aim.plan));
        if aim.plan.is_empty() {
            return Ok(SyncReport::new(env, Some(view), End::Settled));
        }
        let (run, outcomes) = self.run(tick, aim, trigger, attempt).await?;
        if aim.policy.approved.as_ref() == Some(&aim.plan.fingerprint()) {
            // An agreement is to one doing of one plan.
            self.ports.store.drop_memo(env, MemoKind::Approved).await?;
        }
        let end = end(&aim.plan, &outcomes);
        self.give_up(env, aim, &outcomes).await?;
        self.pass_over(env, aim, &outcomes).await?;
        if let (Some(memo), End::Applied) = (&aim.returned, &end) {
            let memo = Memo::Phoenix(memo.clone());
            self.ports.store.put_memo(env, &memo).await?;
        }
        Ok(SyncReport {
            env: env.clone(),
            view: Some(view),
            run: Some(run),
            outcomes,
            end,
        })
    }

    /// What no further try mends ends the trial of a second machine.
    async fn give_up(
        &self,
        env: &EnvName,
        aim: &Aim,
        outcomes: &Outcomes,
    ) -> Result<(), StoreError> {
        let Some(trying) = &aim.trying else {
            return Ok(());
        };
        let fatal = outcomes.iter().find_map(|(id, outcome)| match outcome {
            Outcome::Failed {
                class: Class::Terminal,
                chain,
                ..
            } => {
                let step = aim.plan.step(*id)?;
                (!step.action.is_on(&trying.old)).then_some(chain)
            }
            Outcome::Failed { .. } | Outcome::Done { .. } | Outcome::Skipped { .. } => None,
        });
        let Some(message) = fatal else {
            return Ok(());
        };
        let failure = Failure {
            at: self.ports.clock.now(),
            reason: message.lines().next().unwrap_or_default().to_owned(),
        };
        let failed = Phoenix {
            failed: Some(failure),
            ..trying.memo.clone()
        };
        let memo = Memo::Phoenix(failed);
        self.ports.store.put_memo(env, &memo).await
    }

    /// A place that had no room for a new environment is remembered: another one may have some.
    async fn pass_over(
        &self,
        env: &EnvName,
        aim: &Aim,
        outcomes: &Outcomes,
    ) -> Result<(), StoreError> {
        let now = self.ports.clock.now();
        let before = aim.placing.as_ref();
        let after = before.and_then(|p| place::without_room(p, &aim.plan, outcomes, now));
        match after {
            Some(placing) => {
                let memo = Memo::Placing(placing);
                self.ports.store.put_memo(env, &memo).await
            }
            None => Ok(()),
        }
    }

    /// Writes what the next look needs of this one.
    async fn note(&self, env: &EnvName, aim: &Aim) -> Result<(), StoreError> {
        let store = &*self.ports.store;
        for intent in &aim.reviewed.put {
            store.put_intent(env, intent).await?;
        }
        for token in &aim.reviewed.drop {
            store.drop_intent(token).await?;
        }
        for writing in &aim.writings {
            match writing {
                Writing::Put(memo) => store.put_memo(env, memo).await?,
                Writing::Drop(kind) => store.drop_memo(env, *kind).await?,
            }
        }
        if let Some(announced) = aim.announcement {
            let kind = EventKind::EndsSoon { end: announced.end };
            self.announce(&aim.plan, kind).await;
            store.put_memo(env, &Memo::Announced(announced)).await?;
        }
        let revision = &aim.desired.revision;
        if aim.is_gone {
            if store.good_revision(env).await?.is_some() {
                store.forget_environment(env).await?;
            }
        } else if aim.is_current && store.good_revision(env).await?.as_ref() != Some(revision) {
            store.put_good_revision(env, revision).await?;
        }
        Ok(())
    }

    async fn run(
        &self,
        tick: &Tick,
        aim: &Aim,
        trigger: Trigger,
        attempt: &Attempt,
    ) -> Result<(RunId, Outcomes), StoreError> {
        let (store, plan) = (&*self.ports.store, &aim.plan);
        // We hold the lock, so whoever left a run open is dead.
        store.interrupt_runs(&plan.env, attempt.at).await?;
        let run = record(self.ports.ids.run(), plan, trigger, attempt.at);
        store.begin_run(&run).await?;
        self.announce(
            plan,
            EventKind::RunStarted {
                run: run.id.clone(),
                steps: plan.steps.len(),
            },
        )
        .await;
        let hands = Hands {
            owner: &aim.desired.owner,
            env: &plan.env,
            run: &run.id,
            at: attempt.at,
            intents: &aim.reviewed.open,
            declared: &tick.providers,
            providers: &*self.ports.providers,
            guests: &*self.ports.guests,
            images: &*self.ports.images,
            store,
            locks: &*self.ports.locks,
            clock: &*self.ports.clock,
            onlooker: &*self.onlooker,
            stopping: &self.stopping,
        };
        let outcomes = apply(&hands, plan).await;
        self.announce_steps(&run, &outcomes, plan).await;
        let state = match end(plan, &outcomes) {
            End::Failed(..) => RunState::Failed,
            End::Stopped => RunState::Interrupted,
            End::Settled | End::Applied | End::Stalled | End::Busy => RunState::Succeeded,
        };
        store
            .end_run(&run.id, state, self.ports.clock.now())
            .await?;
        let (run, ok) = (run.id, state == RunState::Succeeded);
        self.announce(
            plan,
            EventKind::RunEnded {
                run: run.clone(),
                ok,
            },
        )
        .await;
        Ok((run, outcomes))
    }

    /// Records as interrupted what a dropped sync of that environment left open.
    pub(super) async fn abandon(&self, env: &EnvName) {
        // Whoever holds the lock meanwhile does this with its own next run.
        let Ok(Some(_lock)) = self.ports.locks.try_lock(env).await else {
            return;
        };
        let now = self.ports.clock.now();
        if let Err(error) = self.ports.store.interrupt_runs(env, now).await {
            tracing::warn!(%env, %error, "the end of a run was not kept");
        }
    }

    async fn announce_steps(&self, run: &Run, outcomes: &Outcomes, plan: &Plan) {
        for step in &plan.steps {
            let Some(outcome) = outcomes.get(&step.id) else {
                continue;
            };
            let message = match outcome {
                Outcome::Done { .. } => String::new(),
                Outcome::Failed { chain, .. } => chain.clone(),
                Outcome::Skipped { because } => match plan.step(*because) {
                    Some(root) => format!("{} failed", root.key),
                    None => format!("step {because} failed"),
                },
            };
            let kind = EventKind::StepEnded {
                run: run.id.clone(),
                step: step.id,
                line: step.to_string(),
                ok: matches!(outcome, Outcome::Done { .. }),
                message,
            };
            self.announce(plan, kind).await;
        }
    }

    async fn announce(&self, plan: &Plan, kind: EventKind) {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        announce(store, now, Some(&plan.env), kind).await;
    }

    /// Keeps an event that concerns the whole repository.
    pub(super) async fn tell(&self, kind: EventKind) {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        announce(store, now, None, kind).await;
    }
}

#[derive(Clone, Copy)]
enum Goal {
    Declared,
    Nothing(DataVolumes),
}

fn record(id: RunId, plan: &Plan, trigger: Trigger, started: Timestamp) -> Run {
    let steps = plan.steps.iter().map(|step| StepRecord {
        id: step.id,
        key: step.key.clone(),
        line: step.to_string(),
        outcome: None,
    });
    Run {
        id,
        env: plan.env.clone(),
        revision: plan.revision.clone(),
        trigger,
        state: RunState::Running,
        started,
        ended: None,
        steps: steps.collect(),
        held: plan.held.iter().map(ToString::to_string).collect(),
    }
}

/// The gravest class counts: what a person must see to is not retried for something transient.
fn end(plan: &Plan, outcomes: &Outcomes) -> End {
    let failures = outcomes.values().filter_map(|outcome| match outcome {
        Outcome::Failed { class, chain, .. } => Some((*class, chain.clone())),
        Outcome::Done { .. } | Outcome::Skipped { .. } => None,
    });
    let gravity = |class: &Class| match class {
        Class::Conflict => 0,
        Class::Transient => 1,
        Class::NoRoom => 2,
        Class::Terminal => 3,
    };
    match failures.max_by_key(|(class, _)| gravity(class)) {
        Some((class, message)) => End::Failed(class, message),
        None if outcomes.len() < plan.steps.len() => End::Stopped,
        None => End::Applied,
    }
}
