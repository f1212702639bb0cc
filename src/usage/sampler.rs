//! The task of `metrom serve` that measures: beside the loop, and in nobody's way.
//!
//! It asks nobody what there is: it takes the loop's own last look at the world. A provider that does
//! not answer is asked less and less often, and keeps no other one waiting; machines that sleep are
//! not asked at all. What is inside machines is asked by a second loop, so many at once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join, select};
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ask::{Ask, Told};
use super::idle::{Rule, Verdict};
use super::ledger::Ledger;
use super::machine::{Machine, machines};
use super::once::{by_provider, rated};
use super::rate::Counted;
use crate::model::{EnvName, EventKind, LiveId, Memo, MemoKind, ProviderName, Timestamp};
use crate::port::{Store, StoreError};
use crate::reconcile::Tick;

/// Machines that are looked into at once.
const GUESTS_AT_ONCE: usize = 4;

/// How often hours are written down: so much of them is lost when the process is killed.
const KEEP_EVERY: Duration = Duration::from_secs(300);

/// A provider that fails again and again is asked that often at least.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// Measures again and again.
pub struct Sampler {
    pub ask: Ask,
    pub store: Arc<dyn Store>,
    pub ledger: Arc<Ledger>,
    /// The last look of the loop.
    pub looks: watch::Receiver<Option<Arc<Tick>>>,
    pub interval: Duration,
    pub stopping: CancellationToken,
}

/// The counters of containers, by environment and name.
type Containers = Counted<(EnvName, String)>;

/// What one round remembers for the next.
#[derive(Default)]
struct Memory {
    counted: Counted<LiveId>,
    turns: BTreeMap<ProviderName, Turn>,
    /// When hours are to be written down.
    keep_at: Option<Timestamp>,
    /// The hour that was judged last, in hours since 1970.
    judged: Option<i64>,
}

/// When a provider is asked next.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    next: Option<Timestamp>,
    failures: u32,
}

impl Sampler {
    /// Until it is asked to stop; then it writes down what is not kept yet.
    pub async fn run(self) {
        let now = self.ask.clock.now();
        match self.store.hours().await {
            Ok(hours) => self.ledger.restore(hours, now),
            Err(error) => tracing::warn!(%error, "what was used before is not known"),
        }
        let measuring = join(self.measure_machines(), self.measure_containers());
        let stop = self.stopping.cancelled();
        select(pin!(measuring), pin!(stop)).await;
        self.keep().await;
    }

    async fn measure_machines(&self) {
        let mut memory = Memory::default();
        loop {
            self.measure_machines_once(&mut memory).await;
            self.ask.clock.sleep(self.interval).await;
        }
    }

    async fn measure_machines_once(&self, memory: &mut Memory) {
        let Some(tick) = self.last_look() else {
            return;
        };
        let machines = machines(&tick);
        self.ledger.see(&machines, self.ask.clock.now());
        self.ask_providers(&tick, &machines, memory).await;
        let now = self.ask.clock.now();
        if memory.keep_at.is_none_or(|at| now >= at) {
            memory.keep_at = now.checked_add(KEEP_EVERY).ok();
            self.keep().await;
        }
        let hour = now.as_second().div_euclid(3600);
        if memory.judged != Some(hour)
            && let Some(rule) = rule(&tick)
        {
            memory.judged = Some(hour);
            self.judge(&rule, now).await;
        }
    }

    fn last_look(&self) -> Option<Arc<Tick>> {
        self.looks.borrow().clone()
    }

    /// Every provider by itself: what one says is taken before another has answered.
    async fn ask_providers(
        &self,
        tick: &Tick,
        machines: &BTreeMap<EnvName, Machine>,
        memory: &mut Memory,
    ) {
        let now = self.ask.clock.now();
        let asked = by_provider(machines.values());
        memory.turns.retain(|name, _| asked.contains_key(name));
        let mut answers = FuturesUnordered::new();
        for (name, ids) in &asked {
            let turn = memory.turns.entry((*name).clone()).or_default();
            let Some(declared) = tick.providers.get(*name) else {
                continue;
            };
            if turn.next.is_none_or(|next| now >= next) {
                let name = *name;
                answers.push(async move { (name, self.ask.provider(name, declared, ids).await) });
            }
        }
        while let Some((name, told)) = answers.next().await {
            let turn = memory.turns.entry(name.clone()).or_default();
            let pause = match &told {
                Ok(told) => {
                    turn.failures = 0;
                    told.pace
                }
                Err(_) => {
                    turn.failures = turn.failures.saturating_add(1);
                    pause(self.interval, turn.failures)
                }
            };
            turn.next = now.checked_add(pause).ok();
            match told {
                Ok(told) => self.take(name, told, machines, &mut memory.counted),
                Err(fault) => {
                    tracing::debug!(provider = %name, error = %fault, "not measured");
                    self.ledger.fail(name, &fault);
                }
            }
        }
        let is_there = |id: &LiveId| machines.values().any(|machine| machine.id == *id);
        memory.counted.keep(is_there);
    }

    fn take(
        &self,
        provider: &ProviderName,
        mut told: Told,
        machines: &BTreeMap<EnvName, Machine>,
        counted: &mut Counted<LiveId>,
    ) {
        let now = self.ask.clock.now();
        for machine in machines.values().filter(|m| m.provider == *provider) {
            if let Some(reading) = told.readings.remove(&machine.id) {
                let samples = counted.take(&machine.id, reading, machine.cpus);
                self.ledger.add(&machine.env, &samples, now);
            }
        }
    }

    async fn measure_containers(&self) {
        let counted = Mutex::new(Counted::default());
        loop {
            if let Some(tick) = self.last_look() {
                let machines = machines(&tick);
                let is_there = |(env, _): &(EnvName, String)| machines.contains_key(env);
                lock(&counted).keep(is_there);
                // Collected, because no closure over borrowed machines may live across an `await`.
                let asking: Vec<_> = machines
                    .values()
                    .map(|machine| self.look_inside(machine, &counted))
                    .collect();
                let mut asking = stream::iter(asking).buffer_unordered(GUESTS_AT_ONCE);
                while asking.next().await.is_some() {}
            }
            self.ask.clock.sleep(self.interval).await;
        }
    }

    async fn look_inside(&self, machine: &Machine, counted: &Mutex<Containers>) {
        let Some(target) = &machine.target else {
            return;
        };
        let containers = self.ask.containers(target).await;
        let uses = containers
            .map(|containers| rated(&mut lock(counted), &machine.env, machine.cpus, containers));
        self.ledger.put_containers(&machine.env, uses);
    }

    /// Writes down what is not kept yet.
    async fn keep(&self) {
        let hours = self.ledger.unkept();
        if hours.is_empty() {
            return;
        }
        match self.store.put_hours(&hours).await {
            Ok(()) => self.ledger.kept(&hours),
            Err(error) => tracing::warn!(%error, "what was used is not kept"),
        }
    }

    /// Says who has become idle, once, and forgets it of who is used again.
    async fn judge(&self, rule: &Rule, now: Timestamp) {
        for (env, verdict) in self.ledger.judge(rule, now) {
            if let Err(error) = self.tell(&env, verdict, now).await {
                tracing::warn!(%env, %error, "whether it is idle is not kept");
            }
        }
    }

    async fn tell(
        &self,
        env: &EnvName,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let told = self.store.memos(env).await?.idle;
        match (verdict, told) {
            (Verdict::Idle { since }, None) => {
                self.store.put_memo(env, &Memo::Idle(since)).await?;
                let kind = EventKind::Idle { since };
                self.store.put_event(now, Some(env), &kind).await?;
                tracing::info!(%env, %since, "nobody uses it");
            }
            (Verdict::Used | Verdict::Unknown, Some(_)) => {
                self.store.drop_memo(env, MemoKind::Idle).await?;
            }
            (Verdict::Idle { .. }, Some(_)) | (Verdict::Used | Verdict::Unknown, None) => {}
        }
        Ok(())
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Twice as long after each failure.
fn pause(interval: Duration, failures: u32) -> Duration {
    let doubled = interval.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    doubled.min(LONGEST_PAUSE.max(interval))
}

/// What counts as idle, as the repository says now.
fn rule(tick: &Tick) -> Option<Rule> {
    let catalog = tick.head.as_ref().ok()?;
    let idle = catalog.policies().idle;
    Some(Rule {
        cpu: idle.cpu.share(),
        network: idle.network.bytes() as f64,
        time: idle.time.duration(),
    })
}
