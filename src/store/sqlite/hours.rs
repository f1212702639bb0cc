//! What was used in the hours of the last month.

use sqlx::{Error, SqlitePool};

use super::convert::{from_json, to_env, to_json};
use crate::model::{Bucket, EnvName};
use crate::store::HOURS_FOR;

/// Keeps them, and drops what is older than a month or more than `keep`, oldest first.
pub async fn put(pool: &SqlitePool, hours: &[(EnvName, Bucket)], keep: u32) -> Result<(), Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (env, hour) in hours {
        sqlx::query(
            "INSERT INTO usage_hours (env, begin, body) VALUES ($1, $2, $3)
             ON CONFLICT (env, begin) DO UPDATE SET body = excluded.body",
        )
        .bind(env.as_str())
        .bind(hour.begin_s())
        .bind(to_json(hour))
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query("DELETE FROM usage_hours WHERE begin <= (SELECT MAX(begin) FROM usage_hours) - $1")
        .bind(HOURS_FOR)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "DELETE FROM usage_hours WHERE begin <=
         (SELECT begin FROM usage_hours ORDER BY begin DESC LIMIT 1 OFFSET $1)",
    )
    .bind(i64::from(keep))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

pub async fn all(pool: &SqlitePool) -> Result<Vec<(EnvName, Bucket)>, Error> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT env, body FROM usage_hours ORDER BY begin, env")
            .fetch_all(pool)
            .await?;
    let typed = |(env, body): (String, String)| Ok((to_env(&env)?, from_json(&body)?));
    rows.into_iter().map(typed).collect()
}
