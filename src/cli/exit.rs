//! What the program says by its exit code.

use std::process::ExitCode;

/// Every exit code there is; `--help` prints this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Changes,
    Held,
    Usage,
    /// That of a program which ran on a machine.
    Of(u8),
}

/// The fixed codes and their meaning, in the order of the codes.
const TABLE: [(Exit, &str); 5] = [
    (Exit::Done, "done; `plan`: there is nothing to do"),
    (Exit::Failed, "it did not work; the message says why"),
    (Exit::Changes, "`plan`: there is something to do"),
    (
        Exit::Held,
        "`plan`, `apply`: nothing (more) to do but what is held",
    ),
    (Exit::Usage, "the command line cannot be understood"),
];

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Held => 3,
            Self::Usage => 64,
            Self::Of(code) => code,
        }
    }

    /// The more urgent of two: a failure above changes, changes above what is held.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Held => 1,
            Self::Changes => 2,
            Self::Of(_) => 3,
            Self::Usage => 4,
            Self::Failed => 5,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }

    /// The table for `--help`.
    #[must_use]
    pub fn table() -> String {
        let rows = TABLE.map(|(exit, meaning)| format!("  {:>2}  {meaning}", exit.code()));
        format!(
            "Exit codes:\n{}\n      `exec` and `ssh` pass on that of the program",
            rows.join("\n")
        )
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_each_code_once() {
        let codes: std::collections::BTreeSet<u8> = TABLE.iter().map(|row| row.0.code()).collect();
        assert_eq!(codes.len(), TABLE.len());
    }

    #[test]
    fn the_more_urgent_of_two_wins_whatever_their_order() {
        assert_eq!(Exit::Held.or(Exit::Changes), Exit::Changes);
        assert_eq!(Exit::Failed.or(Exit::Changes), Exit::Failed);
        assert_eq!(Exit::Done.or(Exit::Held), Exit::Held);
    }
}
