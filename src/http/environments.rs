//! `/api/v1/environments`: how everything is, as it is now.

use axum::Json;
use axum::extract::{Path, State};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::App;
use super::error::{ApiError, ErrorBody};
use super::view::EnvironmentView;
use crate::model::{EnvName, Timestamp};
use crate::reconcile::Tick;

/// Machines that are looked into at once.
const AT_ONCE: usize = 8;

/// All environments that are declared, live or known from before.
#[utoipa::path(get, path = "/api/v1/environments", responses(
    (status = OK, body = Vec<EnvironmentView>),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<EnvironmentView>>, ApiError> {
    let tick = app.viewer.tick(Timestamp::now()).await;
    let envs = app.viewer.environments(&tick).await;
    // Collected, because no closure over borrowed names may live across the `await` of a handler.
    let looks: Vec<_> = envs.iter().map(|env| look(&app, &tick, env)).collect();
    let shown = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(Json(shown))
}

/// One environment.
#[utoipa::path(get, path = "/api/v1/environments/{name}", params(("name" = String, Path)), responses(
    (status = OK, body = EnvironmentView),
    (status = NOT_FOUND, body = ErrorBody),
))]
pub async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<EnvironmentView>, ApiError> {
    let env = EnvName::parse(&name)?;
    let tick = app.viewer.tick(Timestamp::now()).await;
    if !app.viewer.environments(&tick).await.contains(&env) {
        return Err(unknown(&env));
    }
    Ok(Json(look(&app, &tick, &env).await?))
}

async fn look(app: &App, tick: &Tick, env: &EnvName) -> Result<EnvironmentView, ApiError> {
    let view = app.viewer.view(tick, env, &super::looking(tick)).await?;
    let last = app.store.runs(Some(env), 1).await?.pop();
    let declared = tick
        .head
        .as_ref()
        .ok()
        .and_then(|c| c.environments.get(env));
    let shown = EnvironmentView::new(&view, declared, last.as_ref());
    Ok(shown.with_cost(&tick.ledger, env))
}

/// The answer for an environment that nobody knows.
pub fn unknown(env: &EnvName) -> ApiError {
    ApiError::not_found(format!(
        "there is no environment `{env}`; /api/v1/environments lists them"
    ))
}
