//! External programs: found before they are needed, ended when they take too long, and quoted when
//! they fail.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::work::Work;
use crate::port::ImageError;

/// How many lines of a failing program its error carries.
const TAIL_LINES: usize = 20;
/// How often a silent program is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a program may take to clean up once it is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Where Debian keeps its programs, those of the administrator too, which are not in everybody's
/// `PATH`. First, because Debian's scripts mean Debian's interpreters.
const SYSTEM_PATHS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    pub program: &'static str,
    pub package: &'static str,
}

pub(super) const CHROOT: Tool = tool("chroot", "coreutils");
pub(super) const SHA256SUM: Tool = tool("sha256sum", "coreutils");
pub(super) const SETPRIV: Tool = tool("setpriv", "util-linux");
pub(super) const UNSHARE: Tool = tool("unshare", "util-linux");
pub(super) const XZ: Tool = tool("xz", "xz-utils");
pub(super) const APT_CONFIG: Tool = tool("apt-config", "apt");
pub(super) const MMDEBSTRAP: Tool = tool("mmdebstrap", "mmdebstrap");
pub(super) const MKFS: Tool = tool("mkfs.ext4", "e2fsprogs");
pub(super) const SFDISK: Tool = tool("sfdisk", "fdisk");
pub(super) const GRUB_MKIMAGE: Tool = tool("grub-mkimage", "grub-common");
pub(super) const QEMU_IMG: Tool = tool("qemu-img", "qemu-utils");

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

impl Tool {
    /// Where the program is.
    pub fn find(self, work: &Work) -> Result<PathBuf, ImageError> {
        std::env::split_paths(&search_path())
            .map(|folder| folder.join(self.program))
            .find(|candidate| candidate.is_file())
            .ok_or_else(|| self.missing(work))
    }

    pub fn missing(self, work: &Work) -> ImageError {
        ImageError::Tool {
            image: work.image.clone(),
            program: self.program.to_owned(),
            package: self.package.to_owned(),
        }
    }
}

/// One call of a program, under construction.
pub(super) struct Call<'a> {
    work: &'a Work,
    tool: Tool,
    doing: &'a str,
    timeout: Duration,
    args: Vec<OsString>,
    envs: Vec<(&'a str, &'a str)>,
    stdin: Vec<u8>,
    quiet: bool,
}

impl<'a> Call<'a> {
    /// A call that is for `doing` (a verb phrase) and may take `timeout`.
    pub fn new(work: &'a Work, tool: Tool, doing: &'a str, timeout: Duration) -> Self {
        Self {
            work,
            tool,
            doing,
            timeout,
            args: Vec::new(),
            envs: Vec::new(),
            stdin: Vec::new(),
            quiet: false,
        }
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: &'a str, value: &'a str) -> Self {
        self.envs.push((name, value));
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Keeps the output out of the journal, and all of it for the caller.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs the program to its end; returns the end of what it wrote, or all of it when quiet.
    ///
    /// # Errors
    /// [`ImageError::Tool`] when it is not installed, [`ImageError::Build`] with the end of its
    /// output when it fails, takes too long or is not waited for any more.
    pub fn run(mut self) -> Result<String, ImageError> {
        let stdin = std::mem::take(&mut self.stdin);
        let mut running = self.start()?;
        if let Some(mut pipe) = running.child.stdin.take() {
            // A program that does not read its input says itself why it failed.
            let _ = pipe.write_all(&stdin);
        }
        running.finish()
    }

    /// Starts the program in a process group of its own, which ends when this thread does.
    pub fn start(self) -> Result<Running<'a>, ImageError> {
        let program = self.tool.find(self.work)?;
        let child = Command::new(SETPRIV.find(self.work)?)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(&self.args)
            .envs(self.envs.iter().copied())
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| self.work.failed(self.doing, e.to_string()))?;
        Ok(Running::new(self, child))
    }
}

/// A program that has been started; it is stopped when dropped.
pub(super) struct Running<'a> {
    work: &'a Work,
    program: &'static str,
    doing: &'a str,
    quiet: bool,
    deadline: Instant,
    timeout: Duration,
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    tail: VecDeque<String>,
    ended: bool,
}

impl<'a> Running<'a> {
    fn new(call: Call<'a>, mut child: Child) -> Self {
        let (to, lines) = channel();
        for pipe in [
            child
                .stdout
                .take()
                .map(|p| Box::new(p) as Box<dyn Read + Send>),
            child
                .stderr
                .take()
                .map(|p| Box::new(p) as Box<dyn Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let to = to.clone();
            std::thread::spawn(move || read_lines(pipe, &to));
        }
        Self {
            work: call.work,
            program: call.tool.program,
            doing: call.doing,
            quiet: call.quiet,
            deadline: Instant::now() + call.timeout,
            timeout: call.timeout,
            child,
            lines,
            tail: VecDeque::new(),
            ended: false,
        }
    }

    /// Takes what it has written and says whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.take(line);
        }
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it has written.
    pub fn output(&self) -> String {
        Vec::from_iter(self.tail.iter().map(String::as_str)).join("\n")
    }

    /// Tells it to stop and waits until it has.
    ///
    /// # Errors
    /// [`ImageError::Build`] when it had ended by itself before: it failed.
    pub fn end(mut self) -> Result<(), ImageError> {
        if !self.is_alive() {
            return Err(self.work.failed(self.doing, self.output()));
        }
        self.stop();
        self.ended = true;
        Ok(())
    }

    fn finish(mut self) -> Result<String, ImageError> {
        loop {
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => self.take(line),
                // Both pipes are closed: it has ended, or is about to.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.watch()?;
        }
        while matches!(self.child.try_wait(), Ok(None)) {
            self.watch()?;
            std::thread::sleep(LOOK_EVERY);
        }
        self.ended = true;
        let status = self.child.wait();
        match status {
            Ok(status) if status.success() => Ok(self.output()),
            Ok(status) => Err(self.work.failed(self.doing, self.obituary(status))),
            Err(e) => Err(self.work.failed(self.doing, e.to_string())),
        }
    }

    fn watch(&self) -> Result<(), ImageError> {
        self.work.check()?;
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let seconds = self.timeout.as_secs();
        let output = self.output();
        let program = self.program;
        Err(self.work.failed(
            self.doing,
            format!("`{program}` has not ended within {seconds} s; its last words:\n{output}"),
        ))
    }

    fn take(&mut self, line: String) {
        if !self.quiet {
            self.work.line(line.as_str());
        }
        if !self.quiet && self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let output = self.output();
        format!("`{}` ended with {status}\n{output}", self.program)
    }

    fn stop(&mut self) {
        signal_group(&self.child, "TERM");
        let until = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        signal_group(&self.child, "KILL");
        let _ = self.child.wait();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.stop();
        }
    }
}

fn search_path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let system = SYSTEM_PATHS.into_iter().map(PathBuf::from);
    // A folder of `PATH` whose name cannot be joined again has no programs for us.
    std::env::join_paths(system.clone().chain(std::env::split_paths(&own)))
        .or_else(|_| std::env::join_paths(system))
        .expect("the system's folders have no colon")
}

/// Signals everything in the child's process group. The shell's own `kill` is on every machine and
/// spares us a dependency for one system call.
fn signal_group(child: &Child, signal: &str) {
    let _ = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" -- \"-$2\"", "sh", signal])
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
}

/// Sends every line, also those of a progress display that returns the carriage.
fn read_lines(pipe: impl Read, to: &Sender<String>) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split(['\n', '\r']).filter(|l| !l.trim().is_empty());
        for line in lines {
            if to.send(line.to_owned()).is_err() {
                return;
            }
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::image::work::Note;
    use crate::model::ImageName;

    const SHELL: Tool = tool("sh", "dash");
    const LONG: Duration = Duration::from_secs(60);

    fn work() -> (Work, UnboundedReceiver<Note>) {
        let (notes, inbox) = unbounded_channel();
        (Work::new(ImageName::parse("x").unwrap(), notes), inbox)
    }

    #[test]
    fn a_program_reads_its_input_and_its_output_is_returned() {
        let (work, _inbox) = work();
        let call = Call::new(&work, SHELL, "count", LONG).args(["-c", "wc -c"]);
        assert_eq!(call.stdin("hello").run().unwrap().trim(), "5");
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let (work, _inbox) = work();
        let call = Call::new(&work, SHELL, "try it", LONG).args(["-c", "echo so sad >&2; exit 3"]);
        let words = call.run().unwrap_err().to_string();
        assert!(
            words.contains("try it") && words.contains("so sad"),
            "{words}"
        );
        assert!(words.contains("status: 3"), "{words}");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let (work, _inbox) = work();
        let missing = tool("no-such-program", "no-such-package");
        let error = Call::new(&work, missing, "try it", LONG).run().unwrap_err();
        assert!(error.to_string().contains("no-such-package"), "{error}");
    }

    #[test]
    fn a_program_that_takes_too_long_ends_with_all_its_children() {
        let (work, _inbox) = work();
        let script = "sleep 1000 & echo $!; wait";
        let call = Call::new(&work, SHELL, "wait", Duration::from_secs(3));
        let words = call.args(["-c", script]).run().unwrap_err().to_string();
        assert!(words.contains("has not ended"), "{words}");
        let child = words.lines().last().unwrap().trim();
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let ended = |state: String| state.is_empty() || state.contains(") Z ");
        let gone = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50)); // the system takes its time to end it
            ended(state())
        });
        assert!(gone, "{}", state());
    }

    #[test]
    fn a_program_stops_when_nobody_waits_for_it() {
        let (work, inbox) = work();
        drop(inbox);
        let call = Call::new(&work, SHELL, "wait", LONG).args(["-c", "sleep 1000"]);
        let words = call.run().unwrap_err().to_string();
        assert!(words.contains("nobody waits"), "{words}");
    }
}
