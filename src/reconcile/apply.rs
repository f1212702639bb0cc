//! Does a plan: takes every step whose predecessors are done, several at once, and writes down
//! what came of each as it happens.
//!
//! A failed step skips only what depends on it. When the process is asked to stop, running steps
//! finish and no other begins; one that only waits is left, and waited for again at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::onlook::{News, Onlooker};
use super::running::Running;
use super::step::{Made, StepError, take};
use crate::manifest::schema::ProviderSpec;
use crate::model::{
    EnvName, Intent, LiveId, Outcome, OwnerName, Phase, Plan, ProviderName, RunId, Step, StepId,
    Timestamp,
};
use crate::port::{Actuator, Clock, GuestActuator, Images, Journal, Locks, Providers, Store};

/// Independent steps of one environment taken at once. More would only compete for one machine.
const AT_ONCE: usize = 4;

/// Everything a step may use.
pub struct Hands<'a> {
    pub owner: &'a OwnerName,
    pub env: &'a EnvName,
    pub run: &'a RunId,
    /// The time of the attempt, which is in the stamps of what it makes.
    pub at: Timestamp,
    /// Creations that were begun before.
    pub intents: &'a [Intent],
    pub declared: &'a BTreeMap<ProviderName, ProviderSpec>,
    pub providers: &'a dyn Providers,
    pub guests: &'a dyn GuestActuator,
    pub images: &'a dyn Images,
    pub store: &'a dyn Store,
    /// Of the environments, for a warm machine that is claimed.
    pub locks: &'a dyn Locks,
    pub clock: &'a dyn Clock,
    pub onlooker: &'a dyn Onlooker,
    pub stopping: &'a CancellationToken,
}

impl Hands<'_> {
    pub(super) async fn actuator(
        &self,
        provider: &ProviderName,
    ) -> Result<Arc<dyn Actuator>, StepError> {
        let Some(spec) = self.declared.get(provider) else {
            let provider = provider.clone();
            return Err(StepError::NoProvider { provider });
        };
        Ok(self.providers.actuator(provider, spec).await?)
    }
}

/// What came of the steps; one that is not in it was never begun, or left.
pub type Outcomes = BTreeMap<StepId, Outcome>;

/// Does the plan as far as it can be done.
///
/// **Guarantees.** Never fails: what went wrong is in the outcomes.
pub async fn apply(hands: &Hands<'_>, plan: &Plan) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut made = Made::new();
    let mut begun = BTreeSet::new();
    let mut running = Running::default();
    loop {
        for step in &plan.steps {
            let is_free = running.count() < AT_ONCE && !hands.stopping.is_cancelled();
            if is_free && !begun.contains(&step.id) && is_ready(step, &outcomes) {
                begun.insert(step.id);
                running.push(watch(hands, step, made.clone()));
            }
        }
        let Some((step, outcome, id)) = running.next().await else {
            return outcomes;
        };
        made.extend(id.map(|id| (step.id, id)));
        let Some(outcome) = outcome else {
            continue;
        };
        finish(hands, &mut running, step, outcome, &mut outcomes).await;
        for (step, outcome) in skipped(plan, &outcomes, &begun) {
            finish(hands, &mut running, step, outcome, &mut outcomes).await;
        }
    }
}

fn is_ready(step: &Step, outcomes: &Outcomes) -> bool {
    let is_done = |id: &StepId| matches!(outcomes.get(id), Some(Outcome::Done { .. }));
    step.after.iter().all(is_done) && !outcomes.contains_key(&step.id)
}

/// Steps that will never be taken because of a failed one; in the order of the plan, so that one
/// pass finds those behind the skipped ones as well.
fn skipped<'p>(
    plan: &'p Plan,
    outcomes: &Outcomes,
    begun: &BTreeSet<StepId>,
) -> Vec<(&'p Step, Outcome)> {
    let mut because: BTreeMap<StepId, StepId> = BTreeMap::new();
    for (id, outcome) in outcomes {
        match outcome {
            Outcome::Done { .. } => {}
            Outcome::Failed { .. } => drop(because.insert(*id, *id)),
            Outcome::Skipped { because: root } => drop(because.insert(*id, *root)),
        }
    }
    let mut skipped = Vec::new();
    for step in &plan.steps {
        let root = step.after.iter().find_map(|id| because.get(id)).copied();
        if let Some(root) = root.filter(|_| !begun.contains(&step.id))
            && because.insert(step.id, root).is_none()
        {
            skipped.push((step, Outcome::Skipped { because: root }));
        }
    }
    skipped
}

async fn finish(
    hands: &Hands<'_>,
    running: &mut Running<impl Future>,
    step: &Step,
    outcome: Outcome,
    outcomes: &mut Outcomes,
) {
    hands.onlooker.see(hands.env, News::Ended(step, &outcome));
    let writing = hands.store.end_step(hands.run, step.id, &outcome);
    if let Err(error) = running.beside(writing).await {
        tracing::warn!(env = %hands.env, run = %hands.run, %error, "an outcome was not kept");
    }
    outcomes.insert(step.id, outcome);
}

/// Takes a step, with its log going to the store and to who looks on while it runs. Without an outcome
/// it was left.
async fn watch<'p>(
    hands: &Hands<'_>,
    step: &'p Step,
    made: Made,
) -> (&'p Step, Option<Outcome>, Option<LiveId>) {
    hands.onlooker.see(hands.env, News::Started(step));
    tracing::info!(env = %hands.env, run = %hands.run, step = %step.id, "{step}");
    let began = hands.clock.now();
    let (pen, mut lines) = Pen::new(hands, step);
    let never = CancellationToken::new();
    let leaving = match step.action.only_waits() {
        true => hands.stopping,
        false => &never,
    };
    let mut work = pin!(leaving.run_until_cancelled(take(hands, step, &made, &pen)));
    let result = loop {
        let heard = {
            let line = pin!(lines.recv());
            match select(work.as_mut(), line).await {
                Either::Left((result, _)) => ControlFlow::Break(result),
                Either::Right((line, _)) => ControlFlow::Continue(line),
            }
        };
        match heard {
            ControlFlow::Break(result) => break result,
            ControlFlow::Continue(line) => {
                let lines = line.into_iter().chain(at_hand(&mut lines));
                // The work goes on: it may hold what the store waits for.
                let logging = pin!(log(hands, step, lines.collect()));
                if let Either::Left((result, logging)) = select(work.as_mut(), logging).await {
                    logging.await;
                    break result;
                }
            }
        }
    };
    log(hands, step, at_hand(&mut lines).collect()).await;
    let took = hands.clock.now().duration_since(began);
    let took = Duration::try_from(took).unwrap_or_default();
    match result {
        None => (step, None, None),
        Some(Ok(id)) => {
            let phases = pen.phases();
            (step, Some(Outcome::Done { took, phases }), id)
        }
        Some(Err(error)) => (step, Some(failed(hands, step, took, &error)), None),
    }
}

fn failed(hands: &Hands<'_>, step: &Step, took: Duration, error: &StepError) -> Outcome {
    let chain = chain(error);
    tracing::warn!(env = %hands.env, run = %hands.run, step = %step.id, error = %chain, "step failed");
    Outcome::Failed {
        took,
        class: error.class(),
        chain,
    }
}

/// The error with all its causes, outermost first, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The lines that were written meanwhile.
fn at_hand(lines: &mut mpsc::UnboundedReceiver<String>) -> impl Iterator<Item = String> {
    std::iter::from_fn(|| lines.try_recv().ok())
}

async fn log(hands: &Hands<'_>, step: &Step, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    if let Err(error) = hands.store.append_log(hands.run, step.id, &lines).await {
        tracing::warn!(env = %hands.env, run = %hands.run, %error, "lines of a log were not kept");
    }
}

/// Writes the journal of one step.
struct Pen<'a> {
    env: &'a EnvName,
    step: &'a Step,
    onlooker: &'a dyn Onlooker,
    lines: mpsc::UnboundedSender<String>,
    phases: Mutex<Vec<Phase>>,
}

impl<'a> Pen<'a> {
    fn new(hands: &'a Hands<'_>, step: &'a Step) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (lines, received) = mpsc::unbounded_channel();
        let pen = Self {
            env: hands.env,
            step,
            onlooker: hands.onlooker,
            lines,
            phases: Mutex::default(),
        };
        (pen, received)
    }

    fn phases(&self) -> Vec<Phase> {
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Journal for Pen<'_> {
    fn line(&self, text: &str) {
        self.onlooker.see(self.env, News::Line(self.step, text));
        // The receiver lives as long as the step runs.
        let _ = self.lines.send(text.to_owned());
    }

    fn progress(&self, what: &str, done: u64, total: u64) {
        let step = self.step;
        let news = News::Progress {
            step,
            what,
            done,
            total,
        };
        self.onlooker.see(self.env, news);
    }

    fn phase(&self, name: &str, took: Duration) {
        self.onlooker
            .see(self.env, News::Phase(self.step, name, took));
        let phase = Phase {
            name: name.to_owned(),
            took,
        };
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(phase);
    }
}
