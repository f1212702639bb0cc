//! Programs that the story starts, each ended by its process id when it is not needed any more.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::wait::{COMMAND, until};

/// A program while it runs; killed when it is dropped. What it writes goes to two files.
pub struct Running {
    words: String,
    child: RefCell<Child>,
    out: PathBuf,
    err: PathBuf,
}

/// What a program said and how it ended.
pub struct Output {
    pub words: String,
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Running {
    /// Starts a program whose output goes to `<files>.out` and `<files>.err`.
    pub fn start(command: &mut Command, files: &Path) -> Self {
        let words = words(command);
        let (out, err) = (files.with_extension("out"), files.with_extension("err"));
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(&err).unwrap());
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start `{words}`: {e}"));
        let child = RefCell::new(child);
        Self {
            words,
            child,
            out,
            err,
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.err).unwrap()).into_owned()
    }

    /// That it still runs; otherwise how it ended.
    pub fn require_running(&self) {
        let ended = self.child.borrow_mut().try_wait().unwrap();
        assert!(
            ended.is_none(),
            "`{}` ended: {}\n{}",
            self.words,
            ended.unwrap(),
            self.log()
        );
    }

    /// Ends it as a power cut would, and makes sure that this is what ended it.
    pub fn kill(self) {
        self.require_running();
        self.child.borrow_mut().kill().unwrap();
        let status = self.child.borrow_mut().wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "`{}` was not met alive",
            self.words
        );
    }

    /// Asks it to end, as a supervisor does, and waits for that.
    pub fn stop(self) -> Output {
        let pid = self.child.borrow().id().to_string();
        run(Command::new("kill").args(["-s", "TERM", &pid]));
        self.wait(COMMAND)
    }

    /// Waits for its own end.
    pub fn wait(self, within: Duration) -> Output {
        let what = format!("the end of `{}`", self.words);
        let status = until(&what, within, || {
            let ended = self.child.borrow_mut().try_wait().unwrap();
            ended.ok_or_else(|| tail(&self.log(), 10))
        });
        Output {
            words: self.words.clone(),
            code: code(&self.words, status),
            stdout: std::fs::read(&self.out).unwrap(),
            stderr: self.log(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.get_mut().kill();
        let _ = self.child.get_mut().wait();
    }
}

impl Output {
    /// With this exit code, or with all that was said.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            code,
            "the exit code of `{}`:\n{}",
            self.words,
            self.all()
        );
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|e| panic!("`{}` wrote no JSON: {e}\n{}", self.words, self.all()))
    }

    fn all(&self) -> String {
        format!("{}\n{}", self.text(), self.stderr)
    }
}

/// Runs a program that must succeed, and gives what it wrote.
pub fn run(command: &mut Command) -> String {
    run_with_input(command, b"")
}

/// The same, with something on its standard input.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> String {
    let words = words(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start `{words}`: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`{words}`: {}: {error}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn words(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    parts
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn code(words: &str, status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| panic!("`{words}` was ended from outside: {status}"))
}
