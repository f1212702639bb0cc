//! The history of runs, in SQLite or in memory.
//!
//! What lies here may be lost: ownership lives with the live objects and declarations live in git.
//! So it never holds anything that a sync could not do without, it never holds a secret, and it is
//! bounded: [`Retention`] says by how much.

pub mod memory;
pub mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// How much history is kept; older runs, events and log lines are dropped as new ones arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub runs_per_environment: u32,
    /// Of all environments together, among them those that are long gone.
    pub runs: u32,
    pub events: u32,
    /// Of one run; what comes after is replaced by one line that says so.
    pub log_lines_per_run: u32,
    /// Hours of use of all environments together, among them those that are long gone.
    pub hours: u32,
}

/// Half a year of daily changes for each environment, and some hundred megabytes at the very most.
pub const RETENTION: Retention = Retention {
    runs_per_environment: 100,
    runs: 20_000,
    events: 10_000,
    log_lines_per_run: 20_000,
    hours: 300_000,
};

/// Hours of use are kept for so many seconds: 31 days.
const HOURS_FOR: i64 = 31 * 24 * 3600;

/// What ends a log that has reached its limit.
pub const LOG_CUT: &str = "[the rest of this log was not kept: it has reached its limit]";

/// The lines that may still be added to a log of `have` lines, with the mark at the limit.
fn within_limit(have: u32, limit: u32, lines: &[String]) -> Vec<&str> {
    let room = limit.saturating_sub(have) as usize;
    if lines.len() < room {
        return lines.iter().map(String::as_str).collect();
    }
    let Some(before_mark) = room.checked_sub(1) else {
        return Vec::new();
    };
    let kept = lines.iter().take(before_mark).map(String::as_str);
    kept.chain([LOG_CUT]).collect()
}
