//! `/hooks/generic`: a push somewhere, signed; wakes whom it concerns and says nothing else.
//!
//! The signature proves that the sender knows the secret; the body is only asked which repository
//! it is about. Lost, doubled, replayed or reordered, it makes no difference to the result.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, ErrorBody};
use crate::manifest;
use crate::model::{EnvName, Snapshot, Trigger};
use crate::reconcile::Wake;
use crate::scm::{Pushed, SIGNATURE_HEADERS, repository_of, verify};

/// Who was woken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Woken {
    /// The environment repository itself.
    repository: bool,
    /// Environments that have the repository among their sources.
    environments: Vec<String>,
}

/// A push, signed with HMAC-SHA256 over the body in `X-Metrom-Signature-256` or
/// `X-Hub-Signature-256` as `sha256=<hex>`.
#[utoipa::path(post, path = "/hooks/generic", request_body = Object, responses(
    (status = ACCEPTED, body = Woken),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = UNAUTHORIZED, body = ErrorBody),
    (status = SERVICE_UNAVAILABLE, body = ErrorBody),
))]
pub async fn generic(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Woken>), ApiError> {
    authenticate(&app, &headers, &body)?;
    let Some(pushed) = repository_of(&body) else {
        let message = "the message names no repository; see the documentation of `/hooks/generic`";
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "no_repository",
            message,
        ));
    };
    let repository = pushed.is_to(&app.repository);
    let environments = match (repository, app.source.snapshot()) {
        (false, Some(snapshot)) => concerned(snapshot, pushed.clone()).await,
        (true, _) | (false, None) => BTreeSet::new(),
    };
    tracing::info!(%pushed, repository, environments = environments.len(), "a webhook came");
    if repository {
        app.wake(Wake::Repository(Trigger::Webhook))?;
    }
    for env in &environments {
        app.wake(Wake::Environment(env.clone(), Trigger::Webhook))?;
    }
    let woken = Woken {
        repository,
        environments: environments.iter().map(ToString::to_string).collect(),
    };
    Ok((StatusCode::ACCEPTED, Json(woken)))
}

fn authenticate(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    let Some(secret) = &app.webhook_secret else {
        let message = "webhooks are off: start `metrom serve` with METROM_WEBHOOK_SECRET set";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(ApiError::new(status, "webhooks_off", message));
    };
    let signatures = SIGNATURE_HEADERS
        .iter()
        .filter_map(|name| headers.get(*name));
    let mut signatures = signatures.filter_map(|value| value.to_str().ok());
    match signatures.any(|signature| verify(secret, body, signature)) {
        true => Ok(()),
        false => {
            tracing::warn!("a webhook with a wrong signature was refused");
            let message = "the signature is missing or does not fit the body and the secret";
            Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "bad_signature",
                message,
            ))
        }
    }
}

/// The environments that check the repository out.
async fn concerned(snapshot: Arc<Snapshot>, pushed: Pushed) -> BTreeSet<EnvName> {
    let looking = tokio::task::spawn_blocking(move || {
        let catalog = manifest::load(&snapshot);
        let uses = |env: &&EnvName| {
            let sources = manifest::references(&catalog, env);
            sources.iter().any(|(url, _)| pushed.is_to(url))
        };
        catalog.environments.keys().filter(uses).cloned().collect()
    });
    looking.await.unwrap_or_default()
}
