//! Runs, their steps and their logs.

use std::collections::BTreeMap;

use sqlx::{Error, SqlitePool};

use super::convert::{from_json, from_word, to_env, to_json, to_revision, to_time, to_word};
use crate::model::{EnvName, Outcome, Run, RunId, RunState, StepId, StepRecord, Timestamp};
use crate::store::{Retention, within_limit};

/// Takes the right to write at once, so that no transaction of ours fails half way through because
/// another process wrote meanwhile.
const BEGIN: &str = "BEGIN IMMEDIATE";

pub async fn begin(pool: &SqlitePool, run: &Run, retention: Retention) -> Result<(), Error> {
    let mut tx = pool.begin_with(BEGIN).await?;
    sqlx::query(
        "INSERT INTO runs (id, env, revision, woken_by, state, started, ended, held)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&run.id.0)
    .bind(run.env.as_str())
    .bind(run.revision.as_str())
    .bind(to_word(&run.trigger))
    .bind(to_word(&run.state))
    .bind(run.started.to_string())
    .bind(run.ended.map(|at| at.to_string()))
    .bind(to_json(&run.held))
    .execute(&mut *tx)
    .await?;
    for step in &run.steps {
        sqlx::query(
            "INSERT INTO steps (run, id, resource, line, outcome) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&run.id.0)
        .bind(i64::from(step.id.0))
        .bind(step.key.to_string())
        .bind(&step.line)
        .bind(step.outcome.as_ref().map(to_json))
        .execute(&mut *tx)
        .await?;
    }
    drop_old(&mut tx, &run.env, retention).await?;
    tx.commit().await
}

/// Steps and logs go with their run.
async fn drop_old(
    tx: &mut sqlx::SqliteConnection,
    env: &EnvName,
    retention: Retention,
) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM runs WHERE env = $1 AND id <=
         (SELECT id FROM runs WHERE env = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(env.as_str())
    .bind(i64::from(retention.runs_per_environment))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM runs WHERE id <= (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET $1)",
    )
    .bind(i64::from(retention.runs))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How many steps it met: 1, or 0 when there is no such step.
pub async fn end_step(
    pool: &SqlitePool,
    run: &RunId,
    step: StepId,
    outcome: &Outcome,
) -> Result<u64, Error> {
    let done = sqlx::query("UPDATE steps SET outcome = $1 WHERE run = $2 AND id = $3")
        .bind(to_json(outcome))
        .bind(&run.0)
        .bind(i64::from(step.0))
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

/// How many runs it met: 1, or 0 when there is no such run.
pub async fn end(
    pool: &SqlitePool,
    run: &RunId,
    state: RunState,
    at: Timestamp,
) -> Result<u64, Error> {
    let done = sqlx::query("UPDATE runs SET state = $1, ended = $2 WHERE id = $3")
        .bind(to_word(&state))
        .bind(at.to_string())
        .bind(&run.0)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

pub async fn interrupt(pool: &SqlitePool, env: &EnvName, at: Timestamp) -> Result<u64, Error> {
    let done = sqlx::query("UPDATE runs SET state = $1, ended = $2 WHERE env = $3 AND state = $4")
        .bind(to_word(&RunState::Interrupted))
        .bind(at.to_string())
        .bind(env.as_str())
        .bind(to_word(&RunState::Running))
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

type RunRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
);
type StepRow = (String, i64, String, String, Option<String>);

pub async fn newest(
    pool: &SqlitePool,
    env: Option<&EnvName>,
    limit: u32,
) -> Result<Vec<Run>, Error> {
    let env = env.map(EnvName::as_str);
    let mut tx = pool.begin().await?;
    let runs: Vec<RunRow> = sqlx::query_as(
        "SELECT id, env, revision, woken_by, state, started, ended, held FROM runs
         WHERE $1 IS NULL OR env = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(env)
    .bind(i64::from(limit))
    .fetch_all(&mut *tx)
    .await?;
    let steps: Vec<StepRow> = sqlx::query_as(
        "SELECT run, id, resource, line, outcome FROM steps WHERE run IN
         (SELECT id FROM runs WHERE $1 IS NULL OR env = $1 ORDER BY id DESC LIMIT $2)
         ORDER BY run, id",
    )
    .bind(env)
    .bind(i64::from(limit))
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    assemble(runs, steps)
}

pub async fn one(pool: &SqlitePool, id: &RunId) -> Result<Option<Run>, Error> {
    let mut tx = pool.begin().await?;
    let run: Option<RunRow> = sqlx::query_as(
        "SELECT id, env, revision, woken_by, state, started, ended, held FROM runs WHERE id = $1",
    )
    .bind(&id.0)
    .fetch_optional(&mut *tx)
    .await?;
    let steps: Vec<StepRow> = sqlx::query_as(
        "SELECT run, id, resource, line, outcome FROM steps WHERE run = $1 ORDER BY id",
    )
    .bind(&id.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(assemble(run.into_iter().collect(), steps)?.pop())
}

fn assemble(runs: Vec<RunRow>, steps: Vec<StepRow>) -> Result<Vec<Run>, Error> {
    let mut steps_of: BTreeMap<String, Vec<StepRecord>> = BTreeMap::new();
    for (run, id, resource, line, outcome) in steps {
        let key = resource
            .parse()
            .map_err(|error: crate::model::key::KeyError| Error::Decode(error.into()))?;
        steps_of.entry(run).or_default().push(StepRecord {
            id: step_id(id)?,
            key,
            line,
            outcome: outcome.as_deref().map(from_json).transpose()?,
        });
    }
    let whole = |(id, env, revision, woken_by, state, started, ended, held): RunRow| {
        Ok(Run {
            steps: steps_of.remove(&id).unwrap_or_default(),
            id: RunId(id),
            env: to_env(&env)?,
            revision: to_revision(&revision)?,
            trigger: from_word(&woken_by)?,
            state: from_word(&state)?,
            started: to_time(&started)?,
            ended: ended.as_deref().map(to_time).transpose()?,
            held: from_json(&held)?,
        })
    };
    runs.into_iter().map(whole).collect()
}

fn step_id(number: i64) -> Result<StepId, Error> {
    let id = u32::try_from(number).map_err(|error| Error::Decode(error.into()))?;
    Ok(StepId(id))
}

pub async fn append_log(
    pool: &SqlitePool,
    run: &RunId,
    step: StepId,
    lines: &[String],
    limit: u32,
) -> Result<(), Error> {
    let mut tx = pool.begin_with(BEGIN).await?;
    let (last,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(position), 0) FROM log_lines WHERE run = $1")
            .bind(&run.0)
            .fetch_one(&mut *tx)
            .await?;
    let have = u32::try_from(last).unwrap_or(u32::MAX);
    for (line, position) in within_limit(have, limit, lines).into_iter().zip(last + 1..) {
        sqlx::query("INSERT INTO log_lines (run, position, step, line) VALUES ($1, $2, $3, $4)")
            .bind(&run.0)
            .bind(position)
            .bind(i64::from(step.0))
            .bind(line)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

pub async fn log(
    pool: &SqlitePool,
    run: &RunId,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, StepId, String)>, Error> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT position, step, line FROM log_lines WHERE run = $1 AND position > $2
         ORDER BY position LIMIT $3",
    )
    .bind(&run.0)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let typed = |(position, step, line)| Ok((position, step_id(step)?, line));
    rows.into_iter().map(typed).collect()
}
