//! `/api/v1/events`: what happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use futures_util::stream::{self, Stream, StreamExt};

use super::App;
use super::error::ApiError;
use crate::model::Event;
use crate::port::Store;

/// How often the store is asked. Asked rather than told, so that events of other processes on the
/// same store (`metrom apply`) are seen as well.
const INTERVAL: Duration = Duration::from_millis(500);

/// Events read at once.
const BATCH: u32 = 200;

/// Server-sent events: `id` is the number of the event, `event` its kind, `data` all of it as JSON.
///
/// With `Last-Event-ID` it goes on after that event, as far back as events are kept; without, it
/// begins with what happens from now on.
#[utoipa::path(get, path = "/api/v1/events", responses(
    (status = OK, content_type = "text/event-stream", body = String),
))]
pub async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, ApiError> {
    let newest = newest(&*app.store).await?;
    let asked = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    // A number beyond the newest is of a store that was deleted since: begin with all there is.
    let after = match asked {
        Some(asked) if asked > newest => 0,
        Some(asked) => asked,
        None => newest,
    };
    let events = follow(app.store, after).take_until(app.stopping.cancelled_owned());
    let messages = events.map(|event| Ok(message(&event)));
    Ok(Sse::new(messages).keep_alive(KeepAlive::default()))
}

/// The number of the newest event, 0 when there is none.
async fn newest(store: &dyn Store) -> Result<i64, ApiError> {
    let mut last = 0;
    loop {
        let events = store.events(last, 1_000).await?;
        match events.last() {
            Some(event) => last = event.id,
            None => return Ok(last),
        }
    }
}

/// All events after a number, without end.
fn follow(store: Arc<dyn Store>, after: i64) -> impl Stream<Item = Event> {
    let batches = stream::unfold(after, move |after| {
        let store = store.clone();
        async move {
            let events = next_batch(&*store, after).await;
            let last = events.last().map_or(after, |event| event.id);
            Some((events, last))
        }
    });
    batches.flat_map(stream::iter)
}

/// Counts every event from now on, until this is dropped.
pub async fn count(app: App) {
    let Ok(newest) = newest(&*app.store).await else {
        tracing::warn!("the events cannot be read, so they are not counted");
        return;
    };
    let mut events = std::pin::pin!(follow(app.store, newest));
    while let Some(event) = events.next().await {
        app.metrics.count(&event);
    }
}

/// Waits until there is something; a store that does not answer is asked again.
async fn next_batch(store: &dyn Store, after: i64) -> Vec<Event> {
    loop {
        match store.events(after, BATCH).await {
            Ok(events) if !events.is_empty() => return events,
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot follow the events"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn message(event: &Event) -> Message {
    let body = serde_json::to_value(event).expect("events serialise to JSON");
    let kind = body["kind"].as_str().unwrap_or("event").to_owned();
    Message::default()
        .id(event.id.to_string())
        .event(kind)
        .data(body.to_string())
}
