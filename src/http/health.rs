//! `/healthz`, `/readyz`: for whatever supervises the process.

use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::error::{ApiError, ErrorBody};

/// The process answers.
#[utoipa::path(get, path = "/healthz", responses((status = OK, body = String)))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers and the source could be read since the start.
#[utoipa::path(get, path = "/readyz", responses(
    (status = OK, body = String),
    (status = SERVICE_UNAVAILABLE, body = ErrorBody),
))]
pub async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.store.events(i64::MAX - 1, 1).await?;
    if app.source.was_read() {
        return Ok("ready\n");
    }
    let message = "the source could not be read since the start; the log says why";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Err(ApiError::new(status, "not_ready", message))
}
