//! The insides of all machines, as the port asks for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::operator::{Operator, explain};
use super::{Layout, checkout, configure, containers, observe, project, ready, stack, stats};
use crate::model::{ContainerReading, GuestAction, Key};
use crate::port::{
    GuestActuator, GuestError, GuestObserver, GuestReport, GuestTarget, Journal, Silent,
};
use crate::ssh::{Chunk, Command, Connections, Keys, Login, Peer, Session, SshError, Terminal};

/// A program that a person started may run for days.
const UNBOUNDED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The insides of all machines.
pub struct Guests {
    connections: Arc<Connections>,
    login: Login,
    layout: Layout,
}

impl Guests {
    /// Machines made by Metrom: its own account, sshd at port 22.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Self {
        Self::reached_by(connections, Login::default(), Layout::default())
    }

    /// Machines that are reached or laid out in another way.
    #[must_use]
    pub fn reached_by(connections: Arc<Connections>, login: Login, layout: Layout) -> Self {
        Self {
            connections,
            login,
            layout,
        }
    }

    /// Runs a program and passes on what it writes; gives its exit code.
    ///
    /// # Errors
    /// [`GuestError`] when the machine cannot be reached or is lost.
    pub async fn run(
        &self,
        target: &GuestTarget,
        command: &Command,
        on_output: &mut (dyn for<'a> FnMut(Chunk<'a>) + Send),
    ) -> Result<u32, GuestError> {
        let session = self.session(target).await.map_err(|e| said(target, e))?;
        let exit = session.exec(command, UNBOUNDED, on_output).await;
        exit.map_err(|e| said(target, e))
    }

    /// Runs a program, or a login shell, at a person's terminal; gives its exit code.
    ///
    /// The caller puts its own terminal into raw mode, sends what is typed into `keys` and shows
    /// what comes back.
    ///
    /// # Errors
    /// [`GuestError`] when the machine cannot be reached or is lost.
    pub async fn shell(
        &self,
        target: &GuestTarget,
        command: Option<&Command>,
        terminal: &Terminal,
        keys: &mut Receiver<Keys>,
        on_output: &mut (dyn for<'a> FnMut(Chunk<'a>) + Send),
    ) -> Result<u32, GuestError> {
        let session = self.session(target).await.map_err(|e| said(target, e))?;
        let exit = session.interact(command, terminal, keys, on_output).await;
        exit.map_err(|e| said(target, e))
    }

    /// A connection to a port at which something listens on a machine.
    ///
    /// # Errors
    /// [`GuestError`] when the machine cannot be reached, or nothing listens there.
    pub async fn tunnel(
        &self,
        target: &GuestTarget,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static + use<>, GuestError> {
        let session = self.session(target).await.map_err(|e| said(target, e))?;
        let opened = session.port(port).await;
        opened.map_err(|error| match error {
            SshError::Lost(reason) if !session.is_closed() => GuestError::Blocked {
                env: target.env.clone(),
                doing: "connecting".to_owned(),
                reason: format!("nothing listens at port {port} ({reason})"),
            },
            error => said(target, error),
        })
    }

    /// The account of the people on a machine, once it has been set up.
    ///
    /// # Errors
    /// [`GuestError`] when the machine cannot be asked.
    pub async fn people(&self, target: &GuestTarget) -> Result<Option<String>, GuestError> {
        let op = self.operator(target, &Silent).await?;
        Ok(configure::recorded(&op).await?.map(|record| record.user))
    }

    /// The logs of the stack's containers, line by line; gives the exit code of `docker compose`.
    ///
    /// # Errors
    /// [`GuestError`] when the machine cannot be reached or is lost.
    pub async fn compose_logs(
        &self,
        target: &GuestTarget,
        wanted: &Logs,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<u32, GuestError> {
        let command = wanted.command(target.env.as_str());
        let session = self.session(target).await.map_err(|e| said(target, e))?;
        let ended = session.tell(&command, UNBOUNDED, on_line).await;
        Ok(ended.map_err(|e| said(target, e))?.code)
    }

    async fn operator<'a>(
        &'a self,
        target: &'a GuestTarget,
        journal: &'a dyn Journal,
    ) -> Result<Operator<'a>, GuestError> {
        let session = self.session(target).await.map_err(|e| said(target, e))?;
        Ok(Operator::new(session, &target.env, &self.layout, journal))
    }

    async fn session(&self, target: &GuestTarget) -> Result<Arc<Session>, SshError> {
        let address = target.address.to_string();
        let bastion = target.bastion.as_ref();
        let connections = &self.connections;
        connections
            .machine(peer(target), &address, &self.login, bastion)
            .await
    }

    fn forget(&self, target: &GuestTarget) {
        self.connections.forget(&peer(target));
    }

    /// Connects until it works, a person is needed, or the deadline has passed.
    async fn connected(&self, target: &GuestTarget, deadline: Instant) -> Result<(), SshError> {
        let mut refused_since: Option<Instant> = None;
        loop {
            let error = match self.session(target).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let now = Instant::now();
            match &error {
                SshError::HostKey(_) | SshError::Barred(_) => return Err(error),
                SshError::Refused(_) => {
                    let since = *refused_since.get_or_insert(now);
                    if now.duration_since(since) > ready::REFUSALS_FOR {
                        return Err(error);
                    }
                }
                SshError::Silent(_) | SshError::Lost(_) | SshError::Late(_) => {}
            }
            if now >= deadline {
                return Err(error);
            }
            tokio::time::sleep(ready::PAUSE).await;
        }
    }

    /// One try to see a machine through its boot.
    async fn ready(
        &self,
        target: &GuestTarget,
        (began, deadline): (Instant, Instant),
        journal: &dyn Journal,
    ) -> Result<(), GuestError> {
        let connected = self.connected(target, deadline).await;
        connected.map_err(|e| said(target, e))?;
        let op = self.operator(target, journal).await?;
        ready::set_clock(&op).await?;
        journal.phase("boot", began.elapsed());
        op.phase("cloud-init", ready::first_boot(&op, deadline))
            .await
    }
}

/// Which container logs are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// One service; all of them when `None`.
    pub service: Option<String>,
    pub follow: Follow,
    /// This many of the last lines of each container.
    pub lines: u32,
}

/// Whether to wait for more lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    Yes,
    No,
}

impl Logs {
    fn command(&self, project: &str) -> Command {
        let Self {
            service,
            follow,
            lines,
        } = self;
        let lines = lines.to_string();
        let mut command = Command::new("docker")
            .args(["compose", "--ansi", "never", "--project-name", project])
            .args(["logs", "--tail", lines.as_str()])
            .as_root();
        match follow {
            Follow::Yes => command = command.arg("--follow"),
            Follow::No => {}
        }
        match service {
            Some(service) => command.arg(service),
            None => command,
        }
    }
}

fn peer(target: &GuestTarget) -> Peer {
    let machine = target.machine.0.clone();
    // Another bastion, another key of it: another way, which has to be gone anew.
    let address = format!("{} {:?}", target.address, target.bastion);
    (machine, address, target.host_key.clone())
}

fn said(target: &GuestTarget, error: SshError) -> GuestError {
    explain(&target.env, "working on it", error)
}

#[async_trait]
impl GuestObserver for Guests {
    async fn observe(&self, target: &GuestTarget) -> GuestReport {
        match self.operator(target, &Silent).await {
            Ok(op) => observe::observe(&op).await,
            Err(e) => observe::blind(e.to_string()),
        }
    }

    async fn containers(&self, target: &GuestTarget) -> Result<Vec<ContainerReading>, GuestError> {
        stats::read(&self.operator(target, &Silent).await?).await
    }
}

#[async_trait]
impl GuestActuator for Guests {
    async fn await_ready(
        &self,
        target: &GuestTarget,
        patience: Duration,
        journal: &dyn Journal,
    ) -> Result<(), GuestError> {
        let began = Instant::now();
        journal.line(&format!("waiting for {}", target.address));
        loop {
            match self.ready(target, (began, began + patience), journal).await {
                // Above all a connection that was kept from before the machine stopped.
                Err(GuestError::Lost { .. }) if began.elapsed() < patience => self.forget(target),
                done => return done,
            }
            tokio::time::sleep(ready::PAUSE).await;
        }
    }

    async fn perform(
        &self,
        target: &GuestTarget,
        action: &GuestAction,
        journal: &dyn Journal,
    ) -> Result<(), GuestError> {
        let mut op = self.operator(target, journal).await?;
        let secrets = self.connections.secrets();
        match action {
            GuestAction::AwaitReady => {
                let reason = "it is asked for by `await_ready`";
                Err(op.blocked("waiting", reason))
            }
            GuestAction::Configure { spec, stamp } => {
                let login = &self.login.user;
                let volumes = &target.volumes;
                let wanted = (spec, stamp, volumes);
                let done = configure::configure(&mut op, wanted, login, secrets).await?;
                if done.0 {
                    self.forget(target);
                }
                Ok(())
            }
            GuestAction::PullImages { spec, stamp } => containers::pull(&op, spec, stamp).await,
            GuestAction::SyncCheckout { spec, stamp } => {
                let Key::Checkout(name) = &stamp.key else {
                    return Err(
                        op.blocked("checking out", format!("`{}` is no checkout", stamp.key))
                    );
                };
                let Some(guest) = configure::recorded(&op).await? else {
                    let reason = "the machine has not been set up";
                    return Err(op.blocked("checking out", reason));
                };
                checkout::sync(&op, name, spec, stamp, &guest.user).await
            }
            GuestAction::ApplyStack { spec, stamp } => {
                stack::apply(&mut op, spec, stamp, secrets).await
            }
            GuestAction::StopStack { project: name } => project::stop(&op, name.as_str()).await,
            GuestAction::StartStack { project: name } => project::start(&op, name.as_str()).await,
            GuestAction::RemoveStack { project: name } => project::remove(&op, name.as_str()).await,
        }
    }
}
