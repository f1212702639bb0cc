//! The loop of `metrom serve`: wakes, looks, syncs, and does it again.
//!
//! Everything that decides when is in `queue`. Here time passes and syncs run, several at once,
//! each environment at most once, with one look at the world shared by all that can use it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, FutureExt, select};
use tokio::sync::{mpsc, watch};

use super::backoff::spread;
use super::queue::{Back, Queue, Taken};
use super::running::Running;
use super::sync::{End, Reconciler, SyncReport};
use super::tick::Tick;
use crate::manifest::{Catalog, Whose};
use crate::model::health::{Ailment, Severeness};
use crate::model::{EnvName, EventKind, HealthWarning, ProviderName, Revision, Timestamp, Trigger};

/// A look at the world that is older is not used for another sync, even if nobody asked since.
const FRESH: Duration = Duration::from_secs(10);

/// Between two tries for an environment that another process works on.
const BUSY: Duration = Duration::from_secs(5);

/// Between two looks at the repository, until it says itself how often it wants to be looked at.
const FIRST_POLL: Duration = Duration::from_secs(60);

/// Environments synced at once, until the repository says how many.
const FIRST_CONCURRENCY: usize = 4;

/// Wakes the loop. Carries no data that a sync relies on: lost, doubled or forged, it is boring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// The repository may have moved.
    Repository(Trigger),
    Environment(EnvName, Trigger),
}

/// The loop of `metrom serve`.
pub struct Runner {
    reconciler: Arc<Reconciler>,
    /// How long running steps may go on after a stop was asked for.
    grace: Duration,
    /// Between two looks at the repository when nothing wakes us.
    poll: Duration,
    wakes: mpsc::UnboundedReceiver<Wake>,
    queue: Queue,
    /// What woke those that wait, for their runs' records.
    triggers: BTreeMap<EnvName, Trigger>,
    tick: Option<Arc<Tick>>,
    /// The same, for who only wants to know what there is.
    looks: watch::Sender<Option<Arc<Tick>>>,
    /// Of the newest look, to notice that the repository moved.
    revision: Option<Revision>,
    fault: Option<String>,
    /// Which budgets were told not to suffice, so that each is told once a month.
    short: BTreeSet<(Whose, &'static str)>,
    /// What is about to fail on which host, so that each is told once.
    ailing: BTreeSet<(ProviderName, Ailment, Severeness)>,
    next_poll: Timestamp,
    polls: u32,
    /// How many environments wait for their turn, for the metrics.
    waiting: Arc<AtomicUsize>,
}

type Syncs<'a> = Running<BoxFuture<'a, SyncReport>>;

/// What the loop was waiting for.
enum Heard {
    Wake(Option<Wake>),
    Done(SyncReport),
    Time,
    Stop,
}

impl Runner {
    /// A loop, and the handle that wakes it. It looks for the first time at once, and then as
    /// often as the repository says. After a stop running steps have the time `grace`.
    #[must_use]
    pub fn new(
        reconciler: Arc<Reconciler>,
        grace: Duration,
    ) -> (Self, mpsc::UnboundedSender<Wake>) {
        let (handle, wakes) = mpsc::unbounded_channel();
        let runner = Self {
            queue: Queue::new(FIRST_CONCURRENCY),
            next_poll: reconciler.clock().now(),
            reconciler,
            grace,
            poll: FIRST_POLL,
            wakes,
            triggers: BTreeMap::new(),
            tick: None,
            looks: watch::Sender::new(None),
            revision: None,
            fault: None,
            short: BTreeSet::new(),
            ailing: BTreeSet::new(),
            polls: 0,
            waiting: Arc::default(),
        };
        (runner, handle)
    }

    /// How many environments wait for their turn, kept up to date while it runs.
    #[must_use]
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    /// The last look at the world, kept up to date while it runs.
    #[must_use]
    pub fn looks(&self) -> watch::Receiver<Option<Arc<Tick>>> {
        self.looks.subscribe()
    }

    /// Runs until [`Reconciler::stopping`] is cancelled; then running steps finish within the
    /// grace time, and no other begins.
    pub async fn run(mut self) {
        let reconciler = Arc::clone(&self.reconciler);
        let mut running = Syncs::default();
        loop {
            running.beside(self.poll_if_due()).await;
            self.begin_due(&reconciler, &mut running).await;
            let waiting = self.queue.waiting(self.now());
            self.waiting.store(waiting, Ordering::Relaxed);
            match self.listen(&mut running).await {
                Heard::Wake(Some(wake)) => running.beside(self.heed(wake)).await,
                // Every handle is gone: only time and the poll are left.
                Heard::Wake(None) | Heard::Time => {}
                Heard::Done(report) => self.take_back(&report),
                Heard::Stop => break,
            }
        }
        self.finish(running).await;
    }

    /// Lets running steps finish within the grace time. What is still running then is dropped, and
    /// its run is recorded as interrupted: the next start goes on from what it left.
    async fn finish(&mut self, mut running: Syncs<'_>) {
        let (reconciler, grace) = (Arc::clone(&self.reconciler), self.grace);
        {
            let finish = pin!(async {
                while let Some(report) = running.next().await {
                    self.take_back(&report);
                }
            });
            let grace = pin!(reconciler.clock().sleep(grace));
            if let Either::Left(_) = select(finish, grace).await {
                return;
            }
        }
        drop(running);
        for env in self.queue.under_way() {
            tracing::warn!(%env, "its steps were still running at the end of the grace time; the next start goes on from there");
            reconciler.abandon(env).await;
        }
    }

    fn now(&self) -> Timestamp {
        self.reconciler.clock().now()
    }

    async fn poll_if_due(&mut self) {
        let now = self.now();
        if now < self.next_poll {
            return;
        }
        self.polls = self.polls.wrapping_add(1);
        self.sweep(now, Trigger::Poll).await;
    }

    /// Looks at everything, and reminds every environment; wakes them when the repository moved.
    async fn sweep(&mut self, now: Timestamp, trigger: Trigger) {
        let tick = self.look().await;
        let has_moved = self.note_source(&tick).await;
        self.note_budgets(&tick).await;
        self.note_hosts(&tick).await;
        for env in self.reconciler.viewer().environments(&tick).await {
            match trigger {
                Trigger::Poll | Trigger::Timer if !has_moved => self.queue.remind(&env, now, now),
                Trigger::Person
                | Trigger::Webhook
                | Trigger::Watch
                | Trigger::Poll
                | Trigger::Timer => self.queue.wake(&env, now),
            }
            self.triggers.entry(env).or_insert(trigger);
        }
        let name = EnvName::parse("poll").expect("a name");
        let pause = spread(self.poll, &name, self.polls);
        self.next_poll = later(self.now(), pause);
    }

    /// Tells who listens when the repository moved or cannot be used; each fault once.
    async fn note_source(&mut self, tick: &Tick) -> bool {
        let fault = tick.head.as_ref().err().map(ToString::to_string);
        if let Some(message) = fault.clone().filter(|_| fault != self.fault) {
            tracing::warn!(error = %message, "the repository cannot be used; its last good revision stays the target");
            self.reconciler
                .tell(EventKind::SourceFault { message })
                .await;
        }
        self.fault = fault;
        let Ok(catalog) = &tick.head else {
            return false;
        };
        self.keep_pace(catalog);
        let revision = catalog.revision.clone();
        let has_moved = self.revision.as_ref() != Some(&revision);
        if has_moved {
            tracing::info!(%revision, "a new revision is the target");
            let revision = revision.to_string();
            self.reconciler
                .tell(EventKind::SourceMoved { revision })
                .await;
        }
        self.revision = Some(revision);
        has_moved
    }

    /// Tells which budgets do not suffice, each once.
    async fn note_budgets(&mut self, tick: &Tick) {
        let short = tick.ledger.short();
        for standing in &tick.ledger.budgets {
            let state = (standing.whose.clone(), standing.word(tick.at));
            if short.contains(&state) && !self.short.contains(&state) {
                let message = standing.to_string();
                tracing::warn!(budget = %standing.whose, state = state.1, "{message}");
                self.reconciler
                    .tell(EventKind::BudgetShort { message })
                    .await;
            }
        }
        self.short = short;
    }

    /// Tells what is about to fail on a host, each once until it is worse or was over.
    async fn note_hosts(&mut self, tick: &Tick) {
        let mut ailing = BTreeSet::new();
        for (provider, message) in tick.left() {
            let key = (provider.clone(), Ailment::Undeclared, Severeness::Severe);
            self.warn_of(key.clone(), message).await;
            ailing.insert(key);
        }
        for inventory in tick.inventories.iter() {
            let provider = &inventory.provider;
            let Some(health) = &inventory.health else {
                // What cannot be seen is as it was.
                let before = self.ailing.iter().filter(|(host, ..)| host == provider);
                ailing.extend(before.cloned());
                continue;
            };
            for HealthWarning {
                about,
                severity,
                said: message,
            } in health.warnings()
            {
                let key = (provider.clone(), about, severity);
                self.warn_of(key.clone(), message).await;
                ailing.insert(key);
            }
        }
        self.ailing = ailing;
    }

    /// Unless it was told before.
    async fn warn_of(&self, key: (ProviderName, Ailment, Severeness), message: String) {
        if !self.ailing.contains(&key) {
            let (provider, ..) = key;
            tracing::warn!(%provider, "{message}");
            let kind = EventKind::HostWarned { provider, message };
            self.reconciler.tell(kind).await;
        }
    }

    /// How often and how much at once, as the repository says now.
    fn keep_pace(&mut self, catalog: &Catalog) {
        let Some(repository) = &catalog.repository else {
            return;
        };
        self.poll = repository.spec.poll.duration();
        let limit = usize::try_from(repository.spec.policies.concurrency);
        self.queue.allow(limit.unwrap_or(usize::MAX));
    }

    async fn look(&mut self) -> Arc<Tick> {
        let tick = Arc::new(self.reconciler.tick().await);
        self.tick = Some(Arc::clone(&tick));
        self.looks.send_replace(self.tick.clone());
        tick
    }

    async fn begin_due<'a>(&mut self, reconciler: &'a Reconciler, running: &mut Syncs<'a>) {
        while let Some(Taken { env, asked }) = self.queue.take(self.now()) {
            let tick = running.beside(self.tick_since(asked)).await;
            let trigger = self.triggers.remove(&env).unwrap_or(Trigger::Timer);
            let sync = async move { reconciler.sync(&tick, &env, trigger).await };
            running.push(sync.boxed());
        }
    }

    /// A look that was begun after something was asked for, and not long ago.
    async fn tick_since(&mut self, asked: Timestamp) -> Arc<Tick> {
        let oldest = self.now().checked_sub(FRESH).unwrap_or(Timestamp::MIN);
        match &self.tick {
            Some(tick) if tick.at >= asked && tick.at >= oldest => Arc::clone(tick),
            Some(_) | None => self.look().await,
        }
    }

    async fn listen(&mut self, running: &mut Syncs<'_>) -> Heard {
        let next = self
            .queue
            .next_due()
            .map_or(self.next_poll, |due| due.min(self.next_poll));
        let now = self.now();
        let pause = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        let reconciler = &self.reconciler;
        let time = reconciler.clock().sleep(pause).map(|()| Heard::Time);
        let stop = reconciler.stopping().cancelled().map(|()| Heard::Stop);
        let wakes = &mut self.wakes;
        let wake = async {
            match wakes.recv().await {
                Some(wake) => Heard::Wake(Some(wake)),
                None => std::future::pending().await,
            }
        };
        let done = async {
            match running.next().await {
                Some(report) => Heard::Done(report),
                None => std::future::pending().await,
            }
        };
        let late = reconciler.viewer().late().map(|()| Heard::Time);
        let (stop, wake) = (pin!(stop), pin!(wake));
        let (done, time, late) = (pin!(done), pin!(time), pin!(late));
        first(first(stop, wake), first(done, first(time, late))).await
    }

    async fn heed(&mut self, wake: Wake) {
        let mut environments = BTreeMap::new();
        let mut repository = None;
        let mut next = Some(wake);
        while let Some(wake) = next {
            match wake {
                Wake::Repository(trigger) => repository = Some(trigger),
                Wake::Environment(env, trigger) => drop(environments.insert(env, trigger)),
            }
            next = self.wakes.try_recv().ok();
        }
        let now = self.now();
        if let Some(trigger) = repository {
            self.sweep(now, trigger).await;
        }
        for (env, trigger) in environments {
            self.queue.wake(&env, now);
            self.triggers.insert(env, trigger);
        }
    }

    fn take_back(&mut self, report: &SyncReport) {
        let now = self.now();
        let is_gone = report
            .view
            .as_ref()
            .and_then(|v| v.aim.as_ref())
            .is_some_and(|a| a.is_gone);
        let back = match &report.end {
            End::Settled if is_gone => Back::Gone,
            End::Settled | End::Stalled | End::Stopped => Back::Settled,
            End::Applied => Back::Again,
            End::Failed(class, _) => Back::Failed(*class),
            End::Busy => Back::Later(later(now, BUSY)),
        };
        self.queue.back(&report.env, back, now);
        for warm in report.claimed() {
            // The next one is made ahead.
            self.queue.wake(warm, now);
        }
        if let Some(until) = report.until() {
            self.queue.remind(&report.env, until, now);
        }
    }
}

/// Whichever comes first; the left one when both are there.
fn first<T>(
    left: impl Future<Output = T> + Unpin,
    right: impl Future<Output = T> + Unpin,
) -> impl Future<Output = T> + Unpin {
    select(left, right).map(|either| either.factor_first().0)
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}
