//! The HTTP side of `metrom serve`: API, events, health, metrics, webhooks.
//!
//! Handlers parse, ask and render; they decide nothing and know no provider. There is no
//! authentication yet, so whoever binds this to more than loopback has been told.

mod board;
mod cost;
mod environments;
mod error;
mod events;
mod gauges;
mod health;
mod hooks;
mod hosts;
mod inventory;
mod metrics;
mod plan;
mod runs;
mod sync;
mod usage;
pub mod view;
mod watched;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use secrecy::SecretString;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::Token;
use crate::port::Store;
use crate::reconcile::{Attempt, Tick, Viewer, Wake};
use crate::scm;
use crate::usage::Ledger;
pub use board::Board;
use error::ApiError;
pub use metrics::Metrics;
pub use watched::{TimedLocks, WatchedSource};

/// Longest time for one answer: a plan asks every machine of an environment, and a machine under
/// emulation takes seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Largest body of a request, in bytes; the webhook has its own limit.
const BODY_LIMIT: usize = 64 * 1024;

/// Everything that handlers need.
#[derive(Clone)]
pub struct App {
    pub store: Arc<dyn Store>,
    /// Looks, and cannot touch.
    pub viewer: Arc<Viewer>,
    pub source: Arc<WatchedSource>,
    /// Wakes the loop.
    pub wake: UnboundedSender<Wake>,
    /// What webhooks are signed with; without it they are refused.
    pub webhook_secret: Option<SecretString>,
    /// The URL of the environment repository.
    pub repository: String,
    pub metrics: Metrics,
    /// How many environments wait for their turn.
    pub waiting: Arc<AtomicUsize>,
    /// What environments use, as far as it is measured.
    pub ledger: Arc<Ledger>,
    /// Cancelled when the process is to end: streams stop then.
    pub stopping: CancellationToken,
}

impl App {
    /// Counts what happens, in this process or another, until it is dropped.
    pub async fn count_events(self) {
        events::count(self).await;
    }

    fn wake(&self, wake: Wake) -> Result<(), ApiError> {
        let message = "the loop has ended; metrom is stopping";
        let stopping = |_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message);
        self.wake.send(wake).map_err(stopping)
    }
}

/// An attempt that nobody makes: what a look needs to plan.
fn looking(tick: &Tick) -> Attempt {
    Attempt {
        token: Token("look".to_owned()),
        at: tick.at,
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Metrom",
    description = "Environments from a git repository: what is, what would be done, what was done"
))]
struct Description;

/// All routes, with limits.
#[must_use]
pub fn router(app: App) -> Router {
    let (router, description) = described().split_for_parts();
    let description = Arc::new(description);
    let openapi = move || async move { Json((*description).clone()) };
    let answered = router
        .route("/api/v1/openapi.json", axum::routing::get(openapi))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(middleware::from_fn(within_time));
    answered.with_state(app)
}

/// The routes with their description in one place.
fn described() -> OpenApiRouter<App> {
    let hooks = OpenApiRouter::new()
        .routes(routes!(hooks::generic))
        .layer(DefaultBodyLimit::max(scm::BODY_LIMIT));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(environments::list))
        .routes(routes!(environments::one))
        .routes(routes!(inventory::show))
        .routes(routes!(cost::show))
        .routes(routes!(usage::all))
        .routes(routes!(usage::one))
        .routes(routes!(runs::list))
        .routes(routes!(runs::one))
        .routes(routes!(runs::log))
        .routes(routes!(plan::list))
        .routes(routes!(sync::wake))
        .routes(routes!(events::stream))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::show))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .merge(hooks)
}

async fn nothing_here(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::not_found(format!(
        "there is nothing at {path}; see /api/v1/openapi.json"
    ))
}

async fn not_that_way(request: Request) -> ApiError {
    let message = format!("{} is not possible here", request.method());
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

/// Answers in [`ANSWER_TIMEOUT`] or says that it cannot; a stream begins at once, and then lasts.
async fn within_time(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("no answer for {path} in time; is a provider hanging?");
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).into_response()
        }
    }
}
