//! How every environment stood at its last sync, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Metrics;
use crate::model::{EnvName, Outcome, Plan};
use crate::reconcile::{News, Onlooker, Tick};

/// The states that are counted, all of them at all times.
const STATES: [&str; 5] = ["settled", "changing", "held", "failed", "stalled"];

/// Listens to syncs and counts environments by state.
///
/// It holds a word for each environment and nothing that grows otherwise.
pub struct Board {
    metrics: Metrics,
    environments: Mutex<BTreeMap<EnvName, Standing>>,
}

#[derive(Default)]
struct Standing {
    state: &'static str,
    /// What was held at the last plan, so that it is counted once.
    held: Vec<String>,
}

impl Board {
    #[must_use]
    pub fn new(metrics: Metrics) -> Arc<Self> {
        let board = Self {
            metrics,
            environments: Mutex::default(),
        };
        board.publish(&BTreeMap::new());
        Arc::new(board)
    }

    fn publish(&self, environments: &BTreeMap<EnvName, Standing>) {
        let mut numbers: BTreeMap<&'static str, usize> = STATES.map(|state| (state, 0)).into();
        for standing in environments.values() {
            *numbers.entry(standing.state).or_default() += 1;
        }
        self.metrics.environments(&numbers);
    }

    fn planned(&self, standing: &mut Standing, plan: &Plan) {
        standing.state = match (plan.steps.is_empty(), plan.held.is_empty()) {
            (false, _) => "changing",
            (true, false) => "held",
            (true, true) => "settled",
        };
        let held: Vec<String> = plan.held.iter().map(ToString::to_string).collect();
        let new = held.iter().filter(|line| !standing.held.contains(line));
        self.metrics.held(new.count());
        standing.held = held;
    }
}

impl Onlooker for Board {
    fn see(&self, env: &EnvName, news: News<'_>) {
        let mut environments = self
            .environments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let standing = environments.entry(env.clone()).or_default();
        match news {
            News::Planned(plan) => self.planned(standing, plan),
            News::Ended(_, Outcome::Failed { .. }) => standing.state = "failed",
            News::Fault(_) => standing.state = "stalled",
            News::Ended(_, Outcome::Done { .. } | Outcome::Skipped { .. })
            | News::Started(_)
            | News::Line(..)
            | News::Progress { .. }
            | News::Phase(..) => return,
        }
        self.publish(&environments);
    }

    fn look(&self, tick: &Tick) {
        self.metrics.cost(&tick.ledger);
        self.metrics.providers(&tick.inventories);
    }
}
