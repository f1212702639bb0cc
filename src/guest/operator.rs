//! What one action holds while it works on a machine: the connection, the words, the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Layout, advice};
use crate::model::EnvName;
use crate::port::{GuestError, Journal};
use crate::ssh::{Command, Ended, Session, SshError};

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
        let mut tell = |line: &str| self.journal.line(&self.cleaned(line));
        let ended = self.session.tell(command, within, &mut tell).await;
        self.ended(doing, ended)
    }

    /// Runs a program and gives its standard output; an exit code other than 0 is an error.
    pub async fn ask(&self, doing: &str, command: &Command) -> Result<String, GuestError> {
        let ended = self.try_ask(doing, command).await?;
        self.succeeded(doing, ended).map(|ended| ended.out)
    }

    /// Runs a program and gives its standard output, however it ends.
    pub async fn try_ask(&self, doing: &str, command: &Command) -> Result<Ended, GuestError> {
        let ended = self.session.ask(command, ASK_WITHIN).await;
        self.ended(doing, ended)
    }

    /// How it ended, in words that may be shown.
    fn ended(&self, doing: &str, ended: Result<Ended, SshError>) -> Result<Ended, GuestError> {
        let ended = ended.map_err(|e| self.lost(doing, e))?;
        let tail = self.cleaned(&ended.tail);
        Ok(Ended { tail, ..ended })
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
