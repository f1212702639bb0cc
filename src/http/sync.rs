//! `/api/v1/sync`: wakes the loop.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, ErrorBody};
use crate::model::{EnvName, Trigger};
use crate::reconcile::Wake;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only this environment; all of them without it.
    environment: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// What happens is told by `/api/v1/events`.
    accepted: bool,
}

/// Asks for a sync as soon as there is room for it.
#[utoipa::path(post, path = "/api/v1/sync", params(Which), responses(
    (status = ACCEPTED, body = Accepted),
    (status = BAD_REQUEST, body = ErrorBody),
))]
pub async fn wake(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let wake = match which.environment.as_deref() {
        Some(name) => Wake::Environment(EnvName::parse(name)?, Trigger::Person),
        None => Wake::Repository(Trigger::Person),
    };
    app.wake(wake)?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: true })))
}
