//! What the process says about itself, on standard error.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text, but for `serve` when its log does not go to a terminal: JSON.
    Auto,
    Text,
    Json,
}

/// Who reads the log when nobody said how it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    People,
    /// Something that collects logs, unless it is a terminal.
    Collector,
}

/// Starts logging at a level such as `info`; METROM_LOG overrides it (`debug`, `metrom=trace`, …).
pub fn start(level: &str, format: LogFormat, audience: Audience) {
    // A slow disk is seen by sqlx at every statement, and is nobody's next move.
    let fallback = EnvFilter::new(format!("warn,sqlx=error,metrom={level}"));
    let filter = EnvFilter::try_from_env("METROM_LOG").unwrap_or(fallback);
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    let is_json = match format {
        LogFormat::Auto => audience == Audience::Collector && !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if is_json {
        log.json().flatten_event(true).init();
    } else {
        log.with_target(false).init();
    }
}
