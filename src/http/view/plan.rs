//! Plans.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Effect, FieldChange, Held, Plan, Risk, Step};

/// Everything that would be done to one environment, and what would not and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanView {
    pub environment: String,
    pub revision: String,
    /// Covers the actions: a plan that has changed has another one.
    pub fingerprint: String,
    /// The fingerprint that an agreement must name before any of it is done.
    pub awaits: Option<String>,
    pub steps: Vec<PlannedStep>,
    pub held: Vec<HeldView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedStep {
    pub id: u32,
    pub resource: String,
    /// `+` makes, `-` ends, `~` changes.
    pub sign: char,
    /// What is done, for people.
    pub action: String,
    /// Why, for people.
    pub cause: String,
    pub fields: Vec<FieldView>,
    /// `safe`, `disruptive` or `destructive`.
    pub risk: &'static str,
    /// The steps that come before.
    pub after: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldView {
    pub field: &'static str,
    pub from: String,
    pub to: String,
    /// `in_place`, `restart` or `replace`.
    pub effect: &'static str,
}

/// An action that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldView {
    pub resource: String,
    pub what: String,
    pub reason: String,
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let Plan {
            env,
            revision,
            steps,
            held,
            awaits,
        } = plan;
        Self {
            environment: env.to_string(),
            revision: revision.to_string(),
            fingerprint: plan.fingerprint().to_string(),
            awaits: awaits.as_ref().map(ToString::to_string),
            steps: steps.iter().map(PlannedStep::from).collect(),
            held: held.iter().map(HeldView::from).collect(),
        }
    }
}

impl From<&Step> for PlannedStep {
    fn from(step: &Step) -> Self {
        let Step {
            id,
            key,
            action,
            cause,
            fields,
            risk,
            after,
        } = step;
        Self {
            id: id.0,
            resource: key.to_string(),
            sign: action.sign(),
            action: action.to_string(),
            cause: cause.to_string(),
            fields: fields.iter().map(FieldView::from).collect(),
            risk: match risk {
                Risk::Safe => "safe",
                Risk::Disruptive => "disruptive",
                Risk::Destructive => "destructive",
            },
            after: after.iter().map(|id| id.0).collect(),
        }
    }
}

impl From<&FieldChange> for FieldView {
    fn from(change: &FieldChange) -> Self {
        let FieldChange {
            field,
            from,
            to,
            effect,
        } = change;
        Self {
            field,
            from: from.clone(),
            to: to.clone(),
            effect: match effect {
                Effect::InPlace => "in_place",
                Effect::Restart => "restart",
                Effect::Replace => "replace",
            },
        }
    }
}

impl From<&Held> for HeldView {
    fn from(Held { key, what, reason }: &Held) -> Self {
        Self {
            resource: key.to_string(),
            what: what.clone(),
            reason: reason.clone(),
        }
    }
}
