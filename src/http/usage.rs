//! `/api/v1/usage`: what environments use, as it is measured beside the loop.

use axum::Json;
use axum::extract::{Path, State};

use super::App;
use super::environments::unknown;
use super::error::{ApiError, ErrorBody};
use super::view::{NowView, SeriesView};
use crate::model::EnvName;

/// What every environment with a machine used last.
#[utoipa::path(get, path = "/api/v1/usage", responses((status = OK, body = Vec<NowView>)))]
pub async fn all(State(app): State<App>) -> Json<Vec<NowView>> {
    let known = app.ledger.now();
    let shown = known.iter().map(|(env, known)| NowView::of(env, known));
    Json(shown.collect())
}

/// What one environment used: last, and in the last hour, day and month.
#[utoipa::path(get, path = "/api/v1/environments/{name}/usage", params(("name" = String, Path)),
    responses((status = OK, body = SeriesView), (status = NOT_FOUND, body = ErrorBody)))]
pub async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<SeriesView>, ApiError> {
    let env = EnvName::parse(&name)?;
    let known = app.ledger.one(&env);
    let known = known.ok_or_else(|| match app.ledger.is_empty() {
        true => ApiError::not_found("nothing was measured yet; it is done every minute or so"),
        false => unknown(&env),
    })?;
    Ok(Json(SeriesView::of(&env, &known)))
}
