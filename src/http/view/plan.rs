//! Plans.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Effect, FieldChange, Held, Placed, Plan, Risk, Step};

/// Everything that would be done to one environment, and what would not and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanView {
    pub environment: String,
    pub revision: String,
    /// Covers the actions: a plan that has changed has another one.
    pub fingerprint: String,
    /// The fingerprint that an agreement must name before any of it is done.
    pub awaits: Option<String>,
    /// Which of several places it has, or would have; absent where only one is declared.
    pub placement: Option<PlacementView>,
    pub steps: Vec<PlannedStep>,
    pub held: Vec<HeldView>,
}

/// The place that was chosen of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlacementView {
    /// The host or the cloud.
    pub provider: String,
    /// Why, for people: what speaks for it, or against the others.
    pub because: String,
    /// What an hour of running costs there, disks included, with its currency; only where that
    /// decided.
    pub price_per_hour: Option<String>,
    /// Why nothing can be made there now, nor at any other place.
    pub unplaced: Option<String>,
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
            placed,
        } = plan;
        Self {
            environment: env.to_string(),
            revision: revision.to_string(),
            fingerprint: plan.fingerprint().to_string(),
            awaits: awaits.as_ref().map(ToString::to_string),
            placement: placed.as_ref().map(PlacementView::from),
            steps: steps.iter().map(PlannedStep::from).collect(),
            held: held.iter().map(HeldView::from).collect(),
        }
    }
}

impl From<&Placed> for PlacementView {
    fn from(placed: &Placed) -> Self {
        let Placed {
            at,
            because,
            price_per_hour,
            unplaced,
        } = placed;
        Self {
            provider: at.to_string(),
            because: because.clone(),
            price_per_hour: price_per_hour.map(|price| price.to_string()),
            unplaced: unplaced.clone(),
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
