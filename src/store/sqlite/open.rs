//! Opening the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{SqlSafeStr as _, SqlitePool};

use super::convert::chain;
use crate::port::StoreError;

/// How long a writer waits for another process that is writing: far longer than any transaction of
/// ours takes on a slow disk.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Enough for concurrent readers; SQLite has one writer at a time anyway.
const CONNECTIONS: u32 = 4;

/// Every change of the tables, in order. A file that was once released is never edited.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "history", include_str!("../migrations/0001_history.sql")),
    (2, "memos", include_str!("../migrations/0002_memos.sql")),
    (3, "usage", include_str!("../migrations/0003_usage.sql")),
];

fn migrator() -> Migrator {
    let one = |(version, what, sql): (i64, &'static str, &'static str)| {
        Migration::new(
            version,
            what.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(one).collect())
}

const DOING: &str = "open the history";

/// Opens the file with its tables in the present form.
pub async fn open(path: &Path) -> Result<SqlitePool, StoreError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| refuse(folder, &error.to_string()))?;
    }
    // Held until the tables stand: two processes that begin at once would make them twice.
    let _lock = lock(path).await?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(BUSY_TIMEOUT * 2)
        .connect_with(options)
        .await
        .map_err(|error| refuse(path, &explain(&error)))?;
    let migrated = migrator().run(&pool).await;
    migrated.map_err(|error| refuse(path, &explain_migration(&error)))?;
    Ok(pool)
}

/// Takes the lock file beside the database; let go when the file is dropped.
async fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let place = beside.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let file = File::create(&place)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    let taken = taken.await.expect("taking a lock does not panic");
    taken.map_err(|error| refuse(&beside, &error.to_string()))
}

fn refuse(path: &Path, reason: &str) -> StoreError {
    StoreError {
        doing: DOING,
        reason: format!("{}: {reason}", path.display()),
    }
}

/// SQLite's code for "file is not a database".
const NOT_A_DATABASE: &str = "26";

fn explain(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(NOT_A_DATABASE) => {
            "it is not a database; move it away, which loses history and nothing else".to_owned()
        }
        Some(_) | None => chain(error),
    }
}

fn explain_migration(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            "it was written by another version of metrom; use that one, or move the file away, \
             which loses history and nothing else"
                .to_owned()
        }
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => explain(inner),
        other => chain(other),
    }
}
