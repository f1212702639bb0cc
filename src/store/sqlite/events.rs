//! Events, numbered in the order of their writing.

use sqlx::{Error, SqlitePool};

use super::convert::{from_json, to_env, to_json, to_time};
use crate::model::{EnvName, Event, EventKind, Timestamp};

/// Keeps the event, and drops those that are `keep` numbers older.
pub async fn put(
    pool: &SqlitePool,
    at: Timestamp,
    env: Option<&EnvName>,
    kind: &EventKind,
    keep: u32,
) -> Result<Event, Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO events (id, at, env, body)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3 FROM events RETURNING id",
    )
    .bind(at.to_string())
    .bind(env.map(EnvName::as_str))
    .bind(to_json(kind))
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM events WHERE id <= $1")
        .bind(id - i64::from(keep))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Event {
        id,
        at,
        env: env.cloned(),
        kind: kind.clone(),
    })
}

pub async fn after(pool: &SqlitePool, after: i64, limit: u32) -> Result<Vec<Event>, Error> {
    let rows: Vec<(i64, String, Option<String>, String)> =
        sqlx::query_as("SELECT id, at, env, body FROM events WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
    let typed = |(id, at, env, body): (i64, String, Option<String>, String)| {
        Ok(Event {
            id,
            at: to_time(&at)?,
            env: env.as_deref().map(to_env).transpose()?,
            kind: from_json(&body)?,
        })
    };
    rows.into_iter().map(typed).collect()
}
