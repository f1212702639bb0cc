//! What is wrong with the user's files, where, and what to do about it.

use serde::Serialize;

use super::RepoPath;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    /// The document, and what depends on it, is not taken over; its last good revision stays.
    Error,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub path: RepoPath,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// The text of that line, cut to a readable length.
    pub text: String,
}

/// One finding about the user's files. All of them are collected; none stops the loading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable word for programs and for the search box, such as `unknown-field`.
    pub code: &'static str,
    /// Lower case, no full stop, literals in backticks.
    pub message: String,
    pub place: Place,
    /// The next move.
    pub help: Option<String>,
}

impl std::fmt::Display for Diagnostic {
    /// One line: `path:line:col: message (help)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place {
            path, line, column, ..
        } = &self.place;
        write!(f, "{path}:{line}:{column}: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
