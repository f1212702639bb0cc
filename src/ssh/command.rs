//! A program to run on a machine, and the one place where a shell line is made from it.
//!
//! SSH hands a single string to the login shell of the other side. [`Command::line`] makes that
//! string so that every argument arrives byte for byte; nothing else joins strings for a shell.

use std::collections::BTreeMap;

/// A program with its arguments, run without a shell's interpretation of any of them.
///
/// **Assumptions.** Arguments and environment can be seen by everyone on the machine: a secret goes
/// to `stdin`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    user: RunAs,
    /// Bytes for its standard input, which is then closed.
    pub(crate) stdin: Input,
}

/// As whom a program runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum RunAs {
    /// As the account that is logged in.
    #[default]
    Login,
    Root,
    User(String),
}

/// Bytes that never print.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Input(pub Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Command {
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            ..Self::default()
        }
    }

    /// A fixed script for `sh`; its arguments are `$1`, `$2`, …
    #[must_use]
    pub fn script(text: &'static str) -> Self {
        Self::new("sh").args(["-c", text, "metrom"])
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input(bytes.into());
        self
    }

    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.user = RunAs::Root;
        self
    }

    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.user = RunAs::User(user.to_owned());
        self
    }

    /// The line for the login shell of `login`, for whom `sudo` asks no password.
    #[must_use]
    pub fn line(&self, login: &str) -> String {
        let mut words: Vec<&str> = Vec::new();
        match &self.user {
            RunAs::Root if login != "root" => words.extend(["sudo", "-n", "-H", "--"]),
            RunAs::User(user) if user != login && login == "root" => {
                words.extend(["runuser", "-u", user, "--"]);
            }
            RunAs::User(user) if user != login => {
                words.extend(["sudo", "-n", "-H", "-u", user, "--"]);
            }
            RunAs::Login | RunAs::Root | RunAs::User(_) => {}
        }
        let assignments: Vec<String> = self.env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !assignments.is_empty() {
            words.push("env");
            words.extend(assignments.iter().map(String::as_str));
        }
        words.push(&self.program);
        words.extend(self.args.iter().map(String::as_str));
        let quoted: Vec<String> = words.into_iter().map(quote).collect();
        quoted.join(" ")
    }
}

/// One word for a POSIX shell that stands for exactly this text.
#[must_use]
pub fn quote(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@+".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_readable() {
        let line = Command::new("git").args(["fetch", "--tags", "origin"]);
        assert_eq!(line.line("metrom"), "git fetch --tags origin");
    }

    #[test]
    fn every_word_survives_a_real_shell() {
        for nasty in [
            "",
            " ",
            "a b",
            "it's",
            "'",
            "''",
            "\"$HOME\" `id` $(id) \\",
            "line\nline\n",
            "* ? ~ [a] {b,c} ! # ; & | < >",
            "-n",
            "한국어 ☃",
            "tab\tcr\r",
        ] {
            let line = Command::new("printf").args(["%s.", nasty]).line("root");
            let output = std::process::Command::new("sh")
                .args(["-c", &line])
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("{nasty}."),
                "{line}"
            );
        }
    }

    #[test]
    fn another_account_is_reached_without_a_password() {
        let command = Command::new("id").env("A", "x y");
        assert_eq!(
            command.clone().as_root().line("metrom"),
            "sudo -n -H -- env 'A=x y' id"
        );
        assert_eq!(command.clone().as_root().line("root"), "env 'A=x y' id");
        assert_eq!(
            command.clone().as_user("dev").line("metrom"),
            "sudo -n -H -u dev -- env 'A=x y' id"
        );
        assert_eq!(
            command.as_user("dev").line("root"),
            "runuser -u dev -- env 'A=x y' id"
        );
    }

    #[test]
    fn standard_input_does_not_print() {
        let command = Command::new("cat").stdin("hunter2");
        assert!(!format!("{command:?}").contains("hunter2"));
    }
}
