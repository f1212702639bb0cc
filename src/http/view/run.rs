//! Runs and their steps.

use serde::Serialize;
use utoipa::ToSchema;

use super::millis;
use crate::model::{Class, Outcome, Phase, Run, StepId, StepRecord, Timestamp, Trigger};

/// One attempt to bring an environment to its declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunView {
    pub id: String,
    pub environment: String,
    pub revision: String,
    /// `person`, `webhook`, `poll`, `timer` or `watch`.
    pub trigger: &'static str,
    /// `running`, `succeeded`, `failed` or `interrupted`.
    pub state: String,
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    pub steps: Vec<StepView>,
    /// Actions that were not taken, and why.
    pub held: Vec<String>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    pub id: u32,
    pub resource: String,
    /// As the plan shows it.
    pub line: String,
    /// `pending`, `done`, `failed` or `skipped`.
    pub outcome: &'static str,
    pub took_ms: Option<u64>,
    /// The parts of that time which have a name.
    pub phases: Vec<PhaseView>,
    pub failure: Option<FailureView>,
    /// The failed step that this one was skipped for.
    pub skipped_because: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PhaseView {
    pub name: String,
    pub took_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureView {
    /// `transient`, `terminal` or `conflict`.
    pub class: &'static str,
    /// The error with its causes, outermost first.
    pub message: String,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogLine {
    /// Rises within a run; the next page is asked for with the last one.
    pub position: i64,
    pub step: u32,
    pub line: String,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        let Run {
            id,
            env,
            revision,
            trigger,
            state,
            started,
            ended,
            steps,
            held,
        } = run;
        Self {
            id: id.to_string(),
            environment: env.to_string(),
            revision: revision.to_string(),
            trigger: trigger_word(*trigger),
            state: state.to_string(),
            started: *started,
            ended: *ended,
            steps: steps.iter().map(StepView::from).collect(),
            held: held.clone(),
        }
    }
}

impl From<&StepRecord> for StepView {
    fn from(record: &StepRecord) -> Self {
        let StepRecord {
            id: StepId(id),
            key,
            line,
            outcome,
        } = record;
        let mut view = Self {
            id: *id,
            resource: key.to_string(),
            line: line.clone(),
            outcome: "pending",
            took_ms: None,
            phases: Vec::new(),
            failure: None,
            skipped_because: None,
        };
        match outcome {
            None => {}
            Some(Outcome::Done { took, phases }) => {
                view.outcome = "done";
                view.took_ms = Some(millis(*took));
                view.phases = phases.iter().map(PhaseView::from).collect();
            }
            Some(Outcome::Failed { took, class, chain }) => {
                view.outcome = "failed";
                view.took_ms = Some(millis(*took));
                view.failure = Some(FailureView {
                    class: class_word(*class),
                    message: chain.clone(),
                });
            }
            Some(Outcome::Skipped {
                because: StepId(because),
            }) => {
                view.outcome = "skipped";
                view.skipped_because = Some(*because);
            }
        }
        view
    }
}

impl From<&Phase> for PhaseView {
    fn from(Phase { name, took }: &Phase) -> Self {
        Self {
            name: name.clone(),
            took_ms: millis(*took),
        }
    }
}

fn trigger_word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Person => "person",
        Trigger::Webhook => "webhook",
        Trigger::Poll => "poll",
        Trigger::Timer => "timer",
        Trigger::Watch => "watch",
    }
}

fn class_word(class: Class) -> &'static str {
    match class {
        Class::Transient => "transient",
        Class::NoRoom => "no_room",
        Class::Terminal => "terminal",
        Class::Conflict => "conflict",
    }
}
