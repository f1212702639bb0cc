//! `/metrics`: numbers for Prometheus.
//!
//! Most are counted from the events, so that what an `apply` of another process did is in them as
//! well. Labels are bounded: kinds of resources, currencies and words of our own, never a name that
//! users gave. What environments use and cost and how hosts are has their names, and lines for those
//! alone that are there now ([`super::gauges`], [`super::hosts`]).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::App;
use super::hosts::Seen;
use crate::cost::Ledger;
use crate::model::{Event, EventKind, ProviderName, RunId, Timestamp};
use crate::reconcile::Inventories;

/// Bounds of the duration histograms, in seconds: from "nothing changed" to a cold boot with a
/// large image.
const SECONDS: [f64; 12] = [
    0.05, 0.25, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// The numbers of this process.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    /// Runs under way, with their beginning.
    running: Arc<Mutex<BTreeMap<RunId, Timestamp>>>,
    /// What everything cost at the last look, as it is told.
    costs: Arc<Mutex<String>>,
    /// How the providers were at the last look.
    providers: Arc<Mutex<BTreeMap<ProviderName, Seen>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&SECONDS).expect("there are buckets");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Self {
            recorder: Arc::new(recorder),
            handle,
            running: Arc::default(),
            costs: Arc::default(),
            providers: Arc::default(),
        };
        metrics.describe();
        metrics
    }
}

impl Metrics {
    fn describe(&self) {
        metrics::with_local_recorder(&*self.recorder, || {
            describe_counter!("metrom_runs_total", "Runs that ended, by result");
            describe_histogram!("metrom_run_seconds", "How long a run took");
            describe_counter!(
                "metrom_steps_total",
                "Steps that ended, by resource and result"
            );
            describe_counter!("metrom_held_total", "Actions that were held");
            describe_histogram!(
                "metrom_sync_seconds",
                "How long a sync took, whether it did anything or not"
            );
            describe_gauge!(
                "metrom_queue_length",
                "Environments that wait for their turn"
            );
            describe_gauge!("metrom_environments", "Environments by state");
            describe_gauge!(
                "metrom_cost_month_to_date",
                "Computed cost of this calendar month (UTC) until now, by currency"
            );
            describe_gauge!(
                "metrom_cost_month_forecast",
                "Computed cost of this calendar month (UTC) as a whole, by currency"
            );
            describe_gauge!(
                "metrom_cost_next_month",
                "Computed cost of the next calendar month (UTC), by currency"
            );
            describe_gauge!(
                "metrom_cost_full_month",
                "What a whole month costs with the declared hours, by currency"
            );
            describe_gauge!(
                "metrom_cost_unpriced_environments",
                "Environments of which something has no price"
            );
            describe_gauge!("metrom_budgets", "Budgets by state");
            describe_gauge!(
                "metrom_source_fault",
                "1 while the source cannot be used and the last good revision stays the target"
            );
            for result in ["ok", "failed"] {
                counter!("metrom_runs_total", "result" => result).absolute(0);
            }
            counter!("metrom_held_total").absolute(0);
            gauge!("metrom_source_fault").set(0.0);
            gauge!("metrom_queue_length").set(0.0);
        });
    }

    /// Counts one event.
    pub fn count(&self, event: &Event) {
        metrics::with_local_recorder(&*self.recorder, || match &event.kind {
            // Told by the port itself and by the board, for this process alone.
            EventKind::SourceMoved { .. } | EventKind::SourceFault { .. } => {}
            EventKind::EndsSoon { .. }
            | EventKind::PersonSaid { .. }
            | EventKind::BudgetShort { .. }
            | EventKind::HostWarned { .. }
            | EventKind::Idle { .. } => {}
            EventKind::RunStarted { run, .. } => self.begin(run, event.at),
            EventKind::StepEnded { line, ok, .. } => {
                let labels = [("resource", resource(line)), ("result", result(*ok))];
                counter!("metrom_steps_total", &labels).increment(1);
            }
            EventKind::RunEnded { run, ok } => {
                counter!("metrom_runs_total", "result" => result(*ok)).increment(1);
                if let Some(seconds) = self.end(run, event.at) {
                    histogram!("metrom_run_seconds").record(seconds);
                }
            }
        });
    }

    fn begin(&self, run: &RunId, at: Timestamp) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(run.clone(), at);
    }

    /// The seconds since a run began, when its beginning was seen.
    fn end(&self, run: &RunId, at: Timestamp) -> Option<f64> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let began = running.remove(run)?;
        Some(at.duration_since(began).as_secs_f64())
    }

    /// Whether the source as a whole is unusable now.
    pub fn source_fault(&self, is_faulty: bool) {
        metrics::with_local_recorder(&*self.recorder, || {
            gauge!("metrom_source_fault").set(f64::from(u8::from(is_faulty)));
        });
    }

    pub fn queue_length(&self, length: usize) {
        metrics::with_local_recorder(&*self.recorder, || {
            gauge!("metrom_queue_length").set(length as f64);
        });
    }

    /// How many environments are in each state; states that are not named have none.
    pub fn environments(&self, by_state: &BTreeMap<&'static str, usize>) {
        metrics::with_local_recorder(&*self.recorder, || {
            for (state, number) in by_state {
                gauge!("metrom_environments", "state" => *state).set(*number as f64);
            }
        });
    }

    /// What everything costs, by currency, and how many budgets are how.
    pub fn cost(&self, ledger: &Ledger) {
        *self.costs.lock().unwrap_or_else(PoisonError::into_inner) = super::gauges::costs(ledger);
        if ledger.month.is_none() {
            return;
        }
        let total = ledger.total();
        metrics::with_local_recorder(&*self.recorder, || {
            for (span, sum) in [
                ("metrom_cost_month_to_date", &total.to_date),
                ("metrom_cost_month_forecast", &total.forecast),
                ("metrom_cost_next_month", &total.next),
                ("metrom_cost_full_month", &total.full),
            ] {
                for (currency, amount) in &sum.amounts {
                    let currency = currency.to_string();
                    gauge!(span, "currency" => currency).set(amount.approximately());
                }
            }
            let lines = ledger.lines.values();
            let unpriced = lines.filter(|line| !line.costs.unpriced().is_empty());
            gauge!("metrom_cost_unpriced_environments").set(unpriced.count() as f64);
            for state in ["suffices", "over", "spent"] {
                let budgets = ledger.budgets.iter();
                let number = budgets.filter(|budget| budget.word(ledger.at) == state);
                gauge!("metrom_budgets", "state" => state).set(number.count() as f64);
            }
        });
    }

    /// How every provider was seen.
    pub fn providers(&self, inventories: &Inventories) {
        let seen = super::hosts::seen(inventories);
        *self
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// So many actions are held that were not held before.
    pub fn held(&self, number: usize) {
        metrics::with_local_recorder(&*self.recorder, || {
            counter!("metrom_held_total").increment(number as u64);
        });
    }

    /// A sync ended, whether it did anything or not.
    pub fn sync(&self, took: std::time::Duration) {
        metrics::with_local_recorder(&*self.recorder, || {
            histogram!("metrom_sync_seconds").record(took.as_secs_f64());
        });
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let providers = self.providers.lock();
        let providers = providers.unwrap_or_else(PoisonError::into_inner);
        self.handle.render() + &costs + &super::hosts::render(&providers)
    }
}

fn result(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}

/// The kind of resource in a step's line: `volume` of `+ volume/data  create 4 GiB`.
fn resource(line: &str) -> &'static str {
    let key = line.split_whitespace().nth(1).unwrap_or_default();
    let kind = key.split('/').next().unwrap_or_default();
    let known = ["image", "volume", "machine", "guest", "checkout", "stack"];
    known
        .into_iter()
        .find(|known| *known == kind)
        .unwrap_or("other")
}

/// The numbers of this process, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", responses((status = OK, body = String)))]
pub async fn show(State(app): State<App>) -> impl IntoResponse {
    app.metrics
        .queue_length(app.waiting.load(Ordering::Relaxed));
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let usage = super::gauges::render(&app.ledger.now(), Timestamp::now());
    (kind, app.metrics.render() + &usage)
}
