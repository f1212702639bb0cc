//! What one action holds while it works on a machine: the connection, the words, the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Layout, advice};
use crate::model::EnvName;
use crate::port::{GuestError, Journal};
use crate::ssh::{Chunk, Command, Lines, Session, SshError, Tail};

/// Asking a machine something; emulated ones fork slowly.
pub(crate) const ASK_WITHIN: Duration = Duration::from_secs(240);
/// Shorter values would blot out ordinary words.
const HIDDEN_FROM: usize = 4;

/// One action at work on one machine.
pub(crate) struct Operator<'a> {
    pub session: Arc<Session>,
    pub env: &'a EnvName,
    pub layout: &'a Layout,
    pub journal: &'a dyn Journal,
    hidden: Vec<SecretString>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub code: u32,
    /// Standard output, when it was asked for; empty when it went to the journal.
    pub out: String,
    /// The last lines of what else it wrote.
    pub tail: String,
}

impl<'a> Operator<'a> {
    pub fn new(
        session: Arc<Session>,
        env: &'a EnvName,
        layout: &'a Layout,
        journal: &'a dyn Journal,
    ) -> Self {
        Self {
            session,
            env,
            layout,
            journal,
            hidden: Vec::new(),
        }
    }

    /// From now on this value is replaced wherever a program writes it.
    pub fn hide(&mut self, secret: &SecretString) {
        if secret.expose_secret().len() >= HIDDEN_FROM {
            self.hidden.push(secret.clone());
        }
    }

    /// Runs a program with its output in the journal; an exit code other than 0 is an error.
    pub async fn run(
        &self,
        doing: &str,
        command: &Command,
        within: Duration,
    ) -> Result<(), GuestError> {
        let ended = self.attempt(doing, command, within).await?;
        self.succeeded(doing, ended).map(drop)
    }

    /// Runs a program with its output in the journal, however it ends.
    pub async fn attempt(
        &self,
        doing: &str,
        command: &Command,
        within: Duration,
    ) -> Result<Ended, GuestError> {
        let (mut out, mut err, mut tail) = (Lines::default(), Lines::default(), Tail::default());
        let mut tell = |line: &str| {
            let line = self.cleaned(line);
            self.journal.line(&line);
            tail.push(&line);
        };
        let mut take = |chunk: Chunk<'_>| {
            let lines = match chunk {
                Chunk::Out(bytes) => out.push(bytes),
                Chunk::Err(bytes) => err.push(bytes),
            };
            lines.iter().for_each(|line| tell(line));
        };
        let exit = self.session.exec(command, within, &mut take).await;
        let code = exit.map_err(|e| self.lost(doing, e))?;
        [out.flush(), err.flush()]
            .iter()
            .flatten()
            .for_each(|line| tell(line));
        Ok(Ended {
            code,
            out: String::new(),
            tail: tail.text(),
        })
    }

    /// Runs a program and gives its standard output; an exit code other than 0 is an error.
    pub async fn ask(&self, doing: &str, command: &Command) -> Result<String, GuestError> {
        let ended = self.try_ask(doing, command).await?;
        self.succeeded(doing, ended).map(|ended| ended.out)
    }

    /// Runs a program and gives its standard output, however it ends.
    pub async fn try_ask(&self, doing: &str, command: &Command) -> Result<Ended, GuestError> {
        let (mut out, mut err, mut tail) = (Vec::new(), Lines::default(), Tail::default());
        let mut take = |chunk: Chunk<'_>| match chunk {
            Chunk::Out(bytes) => out.extend_from_slice(bytes),
            Chunk::Err(bytes) => {
                let lines = err.push(bytes);
                lines.iter().for_each(|line| tail.push(&self.cleaned(line)));
            }
        };
        let exit = self.session.exec(command, ASK_WITHIN, &mut take).await;
        let code = exit.map_err(|e| self.lost(doing, e))?;
        if let Some(line) = err.flush() {
            tail.push(&self.cleaned(&line));
        }
        Ok(Ended {
            code,
            out: String::from_utf8_lossy(&out).into_owned(),
            tail: tail.text(),
        })
    }

    fn succeeded(&self, doing: &str, ended: Ended) -> Result<Ended, GuestError> {
        if ended.code == 0 {
            return Ok(ended);
        }
        let output = match ended.tail.as_str() {
            "" => format!("exit code {}", ended.code),
            tail => advice::with(tail),
        };
        Err(self.failed(doing, output))
    }

    /// Does a named part of a step and tells the journal how long it took.
    pub async fn phase<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.journal.phase(name, began.elapsed());
        done
    }

    pub fn failed(&self, doing: &str, output: impl Into<String>) -> GuestError {
        GuestError::Failed {
            env: self.env.clone(),
            doing: doing.to_owned(),
            output: output.into(),
        }
    }

    pub fn blocked(&self, doing: &str, reason: impl Into<String>) -> GuestError {
        GuestError::Blocked {
            env: self.env.clone(),
            doing: doing.to_owned(),
            reason: reason.into(),
        }
    }

    fn lost(&self, doing: &str, error: SshError) -> GuestError {
        explain(self.env, doing, error)
    }

    /// A line without the secrets that this action knows.
    pub fn cleaned(&self, line: &str) -> String {
        let hide =
            |line: String, secret: &SecretString| line.replace(secret.expose_secret(), "***");
        self.hidden.iter().fold(line.to_owned(), hide)
    }
}

/// The port's words for what the connection says.
pub(crate) fn explain(env: &EnvName, doing: &str, error: SshError) -> GuestError {
    let env = env.clone();
    match error {
        SshError::Silent(reason) => GuestError::Silent { env, reason },
        SshError::HostKey(reason) => GuestError::HostKey { env, reason },
        SshError::Refused(reason) => GuestError::Refused { env, reason },
        SshError::Barred(reason) => GuestError::Barred { env, reason },
        SshError::Lost(reason) => GuestError::Lost {
            env,
            doing: doing.to_owned(),
            reason,
        },
        SshError::Late(within) => GuestError::Failed {
            env,
            doing: doing.to_owned(),
            output: format!("it did not end in {} s", within.as_secs()),
        },
    }
}
