//! Makes a part of a hypervisor on a machine: each is looked at before, made, and looked at after.

use std::time::Duration;

use super::RemoteConfig;
use super::facts::HostFacts;
use super::look;
use super::ready::lacking;
use super::system::System;
use super::words;
use crate::model::Part;
use crate::port::{Journal, ProviderError};
use crate::ssh::{Command, Connections, Session, SshError};

/// Packages of a few hundred MiB over a slow line.
const INSTALL_WITHIN: Duration = Duration::from_secs(3600);
/// A service that is up after that is none.
const START_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What libvirt and QEMU take on the disk, in MiB.
const ROOM_MIB: u64 = 1024;

/// Makes the part; done when it is there.
///
/// # Errors
/// [`ProviderError`].
pub async fn make(
    connections: &Connections,
    config: &RemoteConfig,
    part: &Part,
    journal: &dyn Journal,
) -> Result<(), ProviderError> {
    let work = Work {
        connections,
        config,
        part,
        journal,
    };
    let facts = work.facts().await?;
    let system = System::of(&facts).map_err(|reason| work.refused(reason))?;
    match part {
        Part::Packages(_) => work.packages(&facts, &system).await,
        Part::Service(_) => work.service(&facts, &system).await,
        Part::Pool(_) | Part::Network(_) | Part::SecurityGroup(_) => {
            Err(work.refused("libvirt makes that".to_owned()))
        }
    }
}

/// One part in the making.
struct Work<'a> {
    connections: &'a Connections,
    config: &'a RemoteConfig,
    part: &'a Part,
    journal: &'a dyn Journal,
}

impl Work<'_> {
    async fn packages(&self, facts: &HostFacts, system: &System) -> Result<(), ProviderError> {
        if lacking(facts).is_empty() {
            self.journal.line("they are there already");
            return Ok(());
        }
        if facts.free_mib < ROOM_MIB {
            return Err(self.full(format!(
                "software takes {ROOM_MIB} MiB, and {} MiB are free; make room there",
                facts.free_mib
            )));
        }
        if !self.config.sources.is_empty() {
            self.sources(system).await?;
        }
        let refresh = ("read the package sources", &system.refresh);
        let repair = system.repair.iter();
        let repair = repair.map(|words| ("finish what was begun", words));
        for (doing, words) in [refresh].into_iter().chain(repair) {
            // A machine without a network may have all it needs, and what is broken may be another's.
            if let Err(error) = self.run(doing, &command(system, words, &[])).await {
                self.journal.line(&error.to_string());
            }
        }
        let wanted = system.packages(&facts.architecture);
        let install = command(system, &system.install, &wanted);
        self.run("install packages", &install).await?;
        let lacking = lacking(&self.facts().await?);
        match lacking.as_slice() {
            [] => Ok(()),
            lacking => Err(self.refused(format!(
                "the packages are installed, and {} is still not there; look at them on the machine",
                lacking.join(", ")
            ))),
        }
    }

    /// Writes our own file of package sources; those of the machine stay as they are.
    async fn sources(&self, system: &System) -> Result<(), ProviderError> {
        let text = self.config.sources.join("\n") + "\n";
        let write = Command::script(r#"umask 022 && cat > "$1.new" && mv "$1.new" "$1""#)
            .arg(system.sources.as_str())
            .stdin(text)
            .as_root();
        self.run("write the package sources", &write).await
    }

    async fn service(&self, facts: &HostFacts, system: &System) -> Result<(), ProviderError> {
        if facts.has_libvirt() {
            self.journal.line("it runs already");
            return Ok(());
        }
        if facts.has_systemd {
            let units = system.units.iter().map(String::as_str);
            let enable = Command::new("systemctl")
                .args(["enable", "--now"])
                .args(units);
            self.run("start libvirt", &enable.as_root()).await?;
        } else {
            for daemon in &system.daemons {
                if facts.daemons.contains(daemon) {
                    continue;
                }
                let start = Command::new(daemon).arg("--daemon").as_root();
                self.run(&format!("start {daemon}"), &start).await?;
            }
        }
        self.until_it_runs().await
    }

    async fn until_it_runs(&self) -> Result<(), ProviderError> {
        let began = tokio::time::Instant::now();
        while !self.facts().await?.has_libvirt() {
            if began.elapsed() > START_WITHIN {
                return Err(self.refused(format!(
                    "it was started and does not run after {} s; look at its log on the machine",
                    START_WITHIN.as_secs()
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn facts(&self) -> Result<HostFacts, ProviderError> {
        let facts = look::facts_of(self.connections, self.config).await;
        facts.map_err(|reason| ProviderError::Unreachable {
            provider: self.config.provider.clone(),
            reason,
        })
    }

    /// Runs a program with its output in the journal. A failure may be over the next time: a mirror that
    /// is down, another package manager at work.
    async fn run(&self, doing: &str, command: &Command) -> Result<(), ProviderError> {
        let session = self
            .session()
            .await
            .map_err(|error| self.broken(doing, error))?;
        let mut tell = |line: &str| self.journal.line(line);
        let ended = session.tell(command, INSTALL_WITHIN, &mut tell).await;
        let ended = ended.map_err(|error| self.broken(doing, error))?;
        if ended.code == 0 {
            return Ok(());
        }
        let reason = words::of_root(&self.config.host, &ended.tail).unwrap_or(ended.tail);
        Err(match reason.contains("No space left on device") {
            true => self.full(reason),
            false => self.unanswered(doing, reason),
        })
    }

    async fn session(&self) -> Result<std::sync::Arc<Session>, SshError> {
        self.connections.host(&self.config.host).await
    }

    fn broken(&self, doing: &str, error: SshError) -> ProviderError {
        self.unanswered(doing, words::of(&self.config.host, error))
    }

    fn unanswered(&self, doing: &str, reason: String) -> ProviderError {
        ProviderError::Unanswered {
            provider: self.config.provider.clone(),
            doing: doing.to_owned(),
            reason,
        }
    }

    fn refused(&self, reason: String) -> ProviderError {
        ProviderError::Refused {
            provider: self.config.provider.clone(),
            doing: self.part.making(),
            reason,
        }
    }

    fn full(&self, reason: String) -> ProviderError {
        ProviderError::Full {
            provider: self.config.provider.clone(),
            doing: self.part.making(),
            reason,
        }
    }
}

/// A command of the package manager, with the names that follow it.
fn command(system: &System, words: &[String], names: &[String]) -> Command {
    let (program, args) = words
        .split_first()
        .expect("a test has seen that it is not empty");
    let command = Command::new(program).args(args.iter().map(String::as_str));
    let command = command.args(names.iter().map(String::as_str));
    let set = |command: Command, (name, value): (&String, &String)| command.env(name, value);
    system.environment.iter().fold(command, set).as_root()
}
