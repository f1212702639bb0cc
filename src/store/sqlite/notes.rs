//! The few notes that a sync needs of the one before: intents, good revisions, memos, facts.

use sqlx::{Error, SqlitePool};

use super::convert::{from_json, to_env, to_json, to_revision, to_word};
use crate::model::{EnvName, Intent, Memo, MemoKind, Memos, Revision, Token};

pub async fn intents(pool: &SqlitePool, env: &EnvName) -> Result<Vec<Intent>, Error> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT body FROM intents WHERE env = $1 ORDER BY token")
            .bind(env.as_str())
            .fetch_all(pool)
            .await?;
    rows.iter().map(|(body,)| from_json(body)).collect()
}

pub async fn put_intent(pool: &SqlitePool, env: &EnvName, intent: &Intent) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO intents (token, env, body) VALUES ($1, $2, $3)
         ON CONFLICT (token) DO UPDATE SET env = excluded.env, body = excluded.body",
    )
    .bind(&intent.token.0)
    .bind(env.as_str())
    .bind(to_json(intent))
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn drop_intent(pool: &SqlitePool, token: &Token) -> Result<(), Error> {
    sqlx::query("DELETE FROM intents WHERE token = $1")
        .bind(&token.0)
        .execute(pool)
        .await?;
    Ok(())
}

pub async fn good_revision(pool: &SqlitePool, env: &EnvName) -> Result<Option<Revision>, Error> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT revision FROM good_revisions WHERE env = $1")
            .bind(env.as_str())
            .fetch_optional(pool)
            .await?;
    row.map(|(revision,)| to_revision(&revision)).transpose()
}

pub async fn put_good_revision(
    pool: &SqlitePool,
    env: &EnvName,
    revision: &Revision,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO good_revisions (env, revision) VALUES ($1, $2)
         ON CONFLICT (env) DO UPDATE SET revision = excluded.revision",
    )
    .bind(env.as_str())
    .bind(revision.as_str())
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn known_environments(pool: &SqlitePool) -> Result<Vec<EnvName>, Error> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT env FROM good_revisions ORDER BY env")
        .fetch_all(pool)
        .await?;
    rows.iter().map(|(env,)| to_env(env)).collect()
}

pub async fn forget_environment(pool: &SqlitePool, env: &EnvName) -> Result<(), Error> {
    let mut both = pool.begin().await?;
    for forget in [
        "DELETE FROM memos WHERE env = $1",
        "DELETE FROM good_revisions WHERE env = $1",
    ] {
        sqlx::query(forget)
            .bind(env.as_str())
            .execute(&mut *both)
            .await?;
    }
    both.commit().await
}

pub async fn memos(pool: &SqlitePool, env: &EnvName) -> Result<Memos, Error> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM memos WHERE env = $1")
        .bind(env.as_str())
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|(body,)| from_json::<Memo>(body))
        .collect::<Result<Memos, Error>>()
}

pub async fn put_memo(pool: &SqlitePool, env: &EnvName, memo: &Memo) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO memos (env, kind, body) VALUES ($1, $2, $3)
         ON CONFLICT (env, kind) DO UPDATE SET body = excluded.body",
    )
    .bind(env.as_str())
    .bind(to_word(&memo.kind()))
    .bind(to_json(memo))
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn drop_memo(pool: &SqlitePool, env: &EnvName, kind: MemoKind) -> Result<(), Error> {
    sqlx::query("DELETE FROM memos WHERE env = $1 AND kind = $2")
        .bind(env.as_str())
        .bind(to_word(&kind))
        .execute(pool)
        .await?;
    Ok(())
}

pub async fn fact(pool: &SqlitePool, name: &str) -> Result<Option<String>, Error> {
    let row: Option<(String,)> = sqlx::query_as("SELECT value FROM facts WHERE name = $1")
        .bind(name)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|(value,)| value))
}

pub async fn put_fact(pool: &SqlitePool, name: &str, value: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(pool)
    .await?;
    Ok(())
}
