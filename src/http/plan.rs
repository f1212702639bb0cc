//! `/api/v1/plan`: what a sync would do.

use axum::Json;
use axum::extract::{Query, State};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::environments::unknown;
use super::error::{ApiError, ErrorBody};
use super::view::{CostChangeView, PlanView};
use crate::model::{EnvName, Timestamp};
use crate::reconcile::{Tick, cost_change};

/// Machines that are looked into at once.
const AT_ONCE: usize = 8;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this environment.
    environment: Option<String>,
}

/// What a sync of one environment would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Planned {
    environment: String,
    /// Absent when it is not known what should be.
    plan: Option<PlanView>,
    /// What it changes about the cost of a whole month; absent when nothing.
    cost: Option<CostChangeView>,
    /// What is wrong with the source or the files.
    faults: Vec<String>,
}

/// The plans of one or all environments; nothing is done.
#[utoipa::path(get, path = "/api/v1/plan", params(Which), responses(
    (status = OK, body = Vec<Planned>),
    (status = NOT_FOUND, body = ErrorBody),
))]
pub async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<Planned>>, ApiError> {
    let asked = which
        .environment
        .as_deref()
        .map(EnvName::parse)
        .transpose()?;
    let tick = app.viewer.tick(Timestamp::now()).await;
    let mut envs = app.viewer.environments(&tick).await;
    if let Some(asked) = asked {
        if !envs.contains(&asked) {
            return Err(unknown(&asked));
        }
        envs = [asked].into();
    }
    // Collected, because no closure over borrowed names may live across the `await` of a handler.
    let looks: Vec<_> = envs.iter().map(|env| one(&app, &tick, env)).collect();
    let plans = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(Json(plans))
}

async fn one(app: &App, tick: &Tick, env: &EnvName) -> Result<Planned, ApiError> {
    let view = app.viewer.view(tick, env, &super::looking(tick)).await?;
    Ok(Planned {
        environment: env.to_string(),
        plan: view.aim.as_ref().map(|aim| PlanView::from(&aim.plan)),
        cost: view
            .aim
            .as_ref()
            .and_then(|aim| cost_change(tick, aim))
            .map(|change| CostChangeView::from(&change)),
        faults: view.faults,
    })
}
