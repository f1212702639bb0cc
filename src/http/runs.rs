//! `/api/v1/runs`: the history.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::error::{ApiError, ErrorBody};
use super::view::{LogLine, RunView};
use crate::model::{EnvName, RunId};

/// Most rows in one answer, whatever was asked for.
const MOST_RUNS: u32 = 500;
const MOST_LINES: u32 = 5_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this environment.
    environment: Option<String>,
    /// At most so many; 500 at the very most.
    limit: Option<u32>,
}

/// The newest runs first.
#[utoipa::path(get, path = "/api/v1/runs", params(Which), responses(
    (status = OK, body = Vec<RunView>),
    (status = BAD_REQUEST, body = ErrorBody),
))]
pub async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<RunView>>, ApiError> {
    let env = which.environment.as_deref().map(EnvName::parse);
    let limit = which.limit.unwrap_or(50).min(MOST_RUNS);
    let runs = app.store.runs(env.transpose()?.as_ref(), limit).await?;
    Ok(Json(runs.iter().map(RunView::from).collect()))
}

/// One run.
#[utoipa::path(get, path = "/api/v1/runs/{id}", params(("id" = String, Path)), responses(
    (status = OK, body = RunView),
    (status = NOT_FOUND, body = ErrorBody),
))]
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<RunView>, ApiError> {
    let run = app.store.run(&RunId(id.clone())).await?;
    let run = run.ok_or_else(|| unknown(&id))?;
    Ok(Json(RunView::from(&run)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Only lines after this position.
    after: Option<i64>,
    /// At most so many; 5000 at the very most.
    limit: Option<u32>,
}

/// The output of a run's steps.
#[utoipa::path(get, path = "/api/v1/runs/{id}/log", params(("id" = String, Path), Page), responses(
    (status = OK, body = Vec<LogLine>),
    (status = NOT_FOUND, body = ErrorBody),
))]
pub async fn log(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<LogLine>>, ApiError> {
    let run = RunId(id.clone());
    if app.store.run(&run).await?.is_none() {
        return Err(unknown(&id));
    }
    let limit = page.limit.unwrap_or(1_000).min(MOST_LINES);
    let lines = app.store.log(&run, page.after.unwrap_or(0), limit).await?;
    let view = |(position, step, line): (i64, crate::model::StepId, String)| LogLine {
        position,
        step: step.0,
        line,
    };
    Ok(Json(lines.into_iter().map(view).collect()))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!(
        "there is no run `{id}`; it may be too old to be kept"
    ))
}
