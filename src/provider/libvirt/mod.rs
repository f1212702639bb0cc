//! Machines on a libvirt host, local or remote.
//!
//! A machine is a linked clone of its image, a small seed, its data volumes, and a domain that
//! carries our mark; see the table in `ARCHITECTURE.md`. Everything goes through libvirt's own
//! calls and streams: no file of the host is opened, so a remote connection works as well.
//!
//! An environment has slots for machines: a new one may be tried beside the one that is there. It has
//! scratch volumes until the data volumes are handed over to it. A warm machine is made in a slot of
//! its own environment and stays there when another one claims it.
//!
//! Reading order: [`name`], [`domain`] and [`disk`] (pure: what things are called and how they are
//! written), [`link`] (the connection's thread), [`inventory`], then one file per kind of action.

mod attached;
mod cable;
mod claim;
mod config;
mod console;
mod create;
mod disk;
mod domain;
mod fault;
mod handover;
mod image;
mod inventory;
mod kvm;
mod leases;
mod link;
mod machine;
mod mark;
mod meter;
mod name;
mod prepare;
mod stats;
mod storage;
mod volume;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use virt::connect::Connect;

use super::{Door, Facts};
use crate::model::{
    Beside, ImageSpec, Inventory, LiveId, MachineSpec, Object, Part, ProviderAction, ProviderName,
    Reading, Stamp, Subject,
};
use crate::port::{Actuator, ImageFiles, Journal, Made, Meter, Observer, ProviderError, SeedMaker};
use create::{Order, Place};
use fault::Fault;
use kvm::{Decision, Knowledge};
use link::{CHANGE, LOOK, Link, STALL};

pub use config::{LibvirtConfig, NetworkConfig, PoolConfig};
pub use kvm::{Accel, Accelerator, Trial, Verdict};
pub use prepare::{Forward, Subnet, SubnetError};

/// How long a machine may take to shut down before it is ended. A guest with Docker and a database
/// needs some seconds, an emulated one several times that; its data volume deserves the wait.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// How long a data volume may take to be copied: a hundred GiB on a slow disk.
const COPY: Duration = Duration::from_secs(3600);

/// How often to look whether a machine has shut down.
const STOP_LOOK: Duration = Duration::from_millis(500);

/// One libvirt host.
pub struct Libvirt {
    config: LibvirtConfig,
    seeds: Arc<dyn SeedMaker>,
    facts: Arc<dyn Facts>,
    /// For everything that is soon done.
    link: Link,
    /// For uploads and trials, which take long and hold up nobody but one another.
    slow: Link,
    /// For measuring, which nobody waits for.
    meter: Link,
    stop_patience: Duration,
}

impl Libvirt {
    /// Opens nothing yet; the first call does.
    #[must_use]
    pub fn new(config: LibvirtConfig, seeds: Arc<dyn SeedMaker>, facts: Arc<dyn Facts>) -> Self {
        let link = || {
            let link = Link::new(config.provider.clone(), config.uri.clone());
            link.behind(config.door.clone())
        };
        Self {
            link: link(),
            slow: link(),
            meter: link(),
            config,
            seeds,
            facts,
            stop_patience: STOP_PATIENCE,
        }
    }

    /// With another time for a machine to shut down by itself.
    #[must_use]
    pub fn with_stop_patience(mut self, patience: Duration) -> Self {
        self.stop_patience = patience;
        self
    }

    /// Runs a change of the host on its connection.
    async fn change<T: Send + 'static>(
        &self,
        doing: &str,
        job: impl FnOnce(&Connect, &LibvirtConfig) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let config = self.config.clone();
        let job = move |conn: &Connect| job(conn, &config);
        self.link.call(doing, CHANGE, job).await
    }

    async fn prepare(&self, part: Part) -> Result<(), ProviderError> {
        let make = move |conn: &Connect, config: &LibvirtConfig| match part {
            Part::Pool(_) => prepare::pool(conn, &config.pool),
            Part::Network(_) => prepare::network(conn, &config.network),
            Part::Packages(_) | Part::Service(_) | Part::SecurityGroup(_) => {
                Err(Fault::Refused("libvirt has no such part".to_owned()))
            }
        };
        self.change("prepare itself", make).await
    }

    async fn provide_image(
        &self,
        image: &ImageSpec,
        files: &ImageFiles,
        journal: &dyn Journal,
    ) -> Result<(), ProviderError> {
        let (started, id) = (Instant::now(), image.id());
        let what = format!("upload {}", image.name);
        // A missing file is the job's to report; the total is only shown.
        let total = std::fs::metadata(&files.disk).map_or(0, |meta| meta.len());
        let (pool, files) = (self.config.pool.clone(), files.clone());
        self.slow
            .watched(
                &what,
                STALL,
                |done| journal.progress(&what, done, total),
                move |conn, progress| image::provide(conn, &pool, &id, &files, progress),
            )
            .await?;
        journal.phase("upload", started.elapsed());
        Ok(())
    }

    async fn create_machine(
        &self,
        spec: &MachineSpec,
        stamp: &Stamp,
        volumes: &[Subject],
        beside: Option<&Beside>,
        journal: &dyn Journal,
    ) -> Result<LiveId, ProviderError> {
        let (wanted, other) = (stamp.clone(), beside.cloned());
        let there = self.change("create a machine", move |conn, _| {
            create::take_over(conn, &wanted, other.as_ref())
        });
        if let Place::Taken(id) = there.await? {
            journal.line("it is there already");
            return Ok(id);
        }
        let accel = self.accelerate(&spec.image, journal).await?;
        let started = Instant::now();
        let (spec, stamp, volumes) = (spec.clone(), stamp.clone(), volumes.to_vec());
        let beside = beside.cloned();
        let seeds = Arc::clone(&self.seeds);
        let id = self
            .change("create a machine", move |conn, config| {
                let order = Order {
                    spec: &spec,
                    stamp: &stamp,
                    volumes: &volumes,
                    beside: beside.as_ref(),
                    accel,
                    network: &config.network.name,
                    seeds: &*seeds,
                };
                create::make(conn, &config.pool, &order)
            })
            .await?;
        journal.phase("define", started.elapsed());
        Ok(id)
    }

    /// Finds out what machines run with, at the first one on this host.
    async fn accelerate(
        &self,
        image: &ImageSpec,
        journal: &dyn Journal,
    ) -> Result<Accel, ProviderError> {
        let (config, image) = (self.config.clone(), image.clone());
        let ask = move |conn: &Connect| {
            let pool = storage::pool(conn, &config.pool)?;
            let base = image::base(conn, &pool, &image)?;
            let kernel = base.kernel.map(|kernel| kernel.kernel);
            let versions = format!("{}/{}", conn.lib_version()?, conn.hyp_version()?);
            Ok((kvm::is_offered(conn)?, kernel, versions))
        };
        let (is_offered, kernel, versions) = self.link.call("ask about KVM", LOOK, ask).await?;
        // Another QEMU may be another answer.
        let fact = format!("kvm {} {versions}", self.config.place());
        let known = self.facts.recall(&fact).await.unwrap_or_default();
        let known = known.as_deref().and_then(Knowledge::parse);
        match kvm::decide(self.config.accelerator, is_offered, known.as_ref(), kernel) {
            Decision::Use(accel) => Ok(accel),
            Decision::Try(trial) => self.try_kvm(&fact, trial, journal).await,
        }
    }

    async fn try_kvm(
        &self,
        fact: &str,
        trial: Trial,
        journal: &dyn Journal,
    ) -> Result<Accel, ProviderError> {
        let verdict = self.run_trial(&trial, Accel::Kvm, kvm::DEADLINE).await?;
        let knowledge = verdict.knowledge(&trial);
        match &verdict {
            Verdict::Ended => journal.line("KVM works on this host"),
            Verdict::Failed(reason) => journal.line(&format!(
                "KVM is offered by this host and does not work ({reason}); machines are emulated"
            )),
        }
        // A fact that cannot be kept is found out again.
        if let Err(error) = self.facts.remember(fact, knowledge.as_fact()).await {
            tracing::warn!(provider = %self.config.provider, %error, "the KVM fact is not kept");
        }
        Ok(knowledge.accel())
    }

    /// Starts something small under a deadline, to see whether it comes to its end by itself.
    ///
    /// # Errors
    /// [`ProviderError`] when the host cannot be asked; a trial that fails is a verdict.
    pub async fn run_trial(
        &self,
        trial: &Trial,
        accel: Accel,
        deadline: Duration,
    ) -> Result<Verdict, ProviderError> {
        let trial = trial.clone();
        let job = move |conn: &Connect| kvm::run(conn, &trial, accel, deadline);
        let limit = CHANGE + deadline;
        self.slow
            .call("try what machines run with", limit, job)
            .await
    }

    /// Stops a machine: by asking, and after a while by force.
    async fn stop(&self, id: &LiveId, journal: &dyn Journal) -> Result<(), ProviderError> {
        let wanted = id.clone();
        let ask = move |conn: &Connect, _: &LibvirtConfig| machine::ask_to_stop(conn, &wanted);
        if !self.change("stop a machine", ask).await? {
            return Ok(());
        }
        let asked = Instant::now();
        while asked.elapsed() < self.stop_patience {
            let id = id.clone();
            let look = move |conn: &Connect| machine::is_running(conn, &id);
            if !self.link.call("look at a machine", LOOK, look).await? {
                return Ok(());
            }
            tokio::time::sleep(STOP_LOOK).await;
        }
        let seconds = self.stop_patience.as_secs();
        journal.line(&format!(
            "it did not shut down within {seconds} s; it is ended by force"
        ));
        let id = id.clone();
        let force = move |conn: &Connect, _: &LibvirtConfig| machine::force_off(conn, &id);
        self.change("end a machine", force).await
    }

    /// A machine is shut down before it is deleted, for the sake of its data volumes.
    async fn delete_machine(
        &self,
        id: &LiveId,
        journal: &dyn Journal,
    ) -> Result<(), ProviderError> {
        let wanted = id.clone();
        let is_there = move |conn: &Connect| Ok(machine::find(conn, &wanted)?.is_some());
        if !self.link.call("look at a machine", LOOK, is_there).await? {
            return Ok(());
        }
        self.stop(id, journal).await?;
        let id = id.clone();
        let delete =
            move |conn: &Connect, config: &LibvirtConfig| machine::delete(conn, &config.pool, &id);
        self.change("delete a machine", delete).await
    }
}

#[async_trait]
impl Observer for Libvirt {
    fn provider(&self) -> &ProviderName {
        &self.config.provider
    }

    async fn inventory(&self) -> Inventory {
        let config = self.config.clone();
        let take = move |conn: &Connect| inventory::take(conn, &config);
        match self.link.call("list what is there", LOOK, take).await {
            Ok(inventory) => inventory,
            Err(error) => Inventory::unreachable(self.config.provider.clone(), error.to_string()),
        }
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        let (config, id) = (self.config.clone(), id.clone());
        let look = move |conn: &Connect| match machine::find(conn, &id)? {
            Some(domain) => inventory::machine(conn, &config, &domain).map(Some),
            None => Ok(None),
        };
        self.link.call("look at a machine", LOOK, look).await
    }

    async fn console(&self, id: &LiveId) -> Result<String, ProviderError> {
        let (config, id) = (self.config.clone(), id.clone());
        let read = move |conn: &Connect| console::end(conn, &config, &id);
        self.link.call("read a console", LOOK, read).await
    }

    fn meter(&self) -> Option<&dyn Meter> {
        Some(self)
    }
}

#[async_trait]
impl Meter for Libvirt {
    fn pace(&self) -> Duration {
        meter::PACE
    }

    async fn measure(
        &self,
        machines: &BTreeSet<LiveId>,
    ) -> Result<BTreeMap<LiveId, Reading>, ProviderError> {
        let machines = machines.clone();
        let job = move |conn: &Connect| meter::measure(conn, &machines);
        self.meter.call("measure", meter::WITHIN, job).await
    }
}

#[async_trait]
impl Actuator for Libvirt {
    async fn perform(
        &self,
        action: &ProviderAction,
        image: Option<&ImageFiles>,
        journal: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        let doing = action.to_string();
        let made = |id| Ok(Made { id: Some(id) });
        match action.clone() {
            ProviderAction::Prepare { part } => self.prepare(part).await?,
            ProviderAction::ProvideImage { image: spec } => {
                let files = image.ok_or_else(|| {
                    let reason = Fault::Refused("its files were not obtained".to_owned());
                    reason.explain(&self.config.provider, &doing)
                })?;
                self.provide_image(&spec, files, journal).await?;
            }
            // A volume is recognised by its name, so the token is not needed.
            ProviderAction::CreateVolume {
                spec,
                stamp,
                token: _,
                copy_of: Some(original),
            } => {
                let config = self.config.pool.clone();
                let copy = move |conn: &Connect| {
                    volume::copy(conn, &config, &stamp, spec.size_mib, &original)
                };
                return made(self.slow.call(&doing, COPY, copy).await?);
            }
            ProviderAction::CreateVolume {
                spec,
                stamp,
                token: _,
                copy_of: None,
            } => {
                let create = move |conn: &Connect, config: &LibvirtConfig| {
                    volume::create(conn, &config.pool, &stamp, spec.size_mib)
                };
                return made(self.change(&doing, create).await?);
            }
            ProviderAction::GrowVolume { id, size_mib } => {
                let grow = move |conn: &Connect, config: &LibvirtConfig| {
                    volume::grow(conn, &config.pool, &id, size_mib)
                };
                self.change(&doing, grow).await?;
            }
            ProviderAction::DeleteVolume { id } => {
                let delete = move |conn: &Connect, config: &LibvirtConfig| {
                    volume::delete(conn, &config.pool, &id)
                };
                self.change(&doing, delete).await?;
            }
            // Nor for a machine, whose identity follows from its owner and environment.
            ProviderAction::CreateMachine {
                spec,
                stamp,
                volumes,
                token: _,
                beside,
            } => {
                let create = self.create_machine(&spec, &stamp, &volumes, beside.as_ref(), journal);
                return made(create.await?);
            }
            ProviderAction::ClaimMachine {
                warm,
                stamp,
                volumes,
                token: _,
                is_protected: _, // nothing keeps a domain from being ended
            } => {
                let claim = move |conn: &Connect, config: &LibvirtConfig| {
                    claim::claim(conn, &config.pool, &warm, &stamp, &volumes)
                };
                return made(self.change(&doing, claim).await?);
            }
            ProviderAction::GiveBack { warm } => {
                let give_back = move |conn: &Connect, config: &LibvirtConfig| {
                    claim::give_back(conn, &config.pool, &warm)
                };
                self.change(&doing, give_back).await?;
            }
            ProviderAction::PauseMachine { id, ready } => {
                let pause =
                    move |conn: &Connect, _: &LibvirtConfig| machine::pause(conn, &id, &ready);
                self.change(&doing, pause).await?;
            }
            ProviderAction::MoveVolume { id, from, to } => {
                let hand_over = move |conn: &Connect, config: &LibvirtConfig| {
                    handover::hand_over(conn, &config.pool, &id, &from, &to)
                };
                self.change(&doing, hand_over).await?;
            }
            ProviderAction::StartMachine { id } => {
                let start = move |conn: &Connect, _: &LibvirtConfig| machine::start(conn, &id);
                self.change(&doing, start).await?;
            }
            ProviderAction::StopMachine { id } => self.stop(&id, journal).await?,
            ProviderAction::ResizeMachine {
                id,
                cpus,
                memory_mib,
                stamp,
            } => {
                let resize = move |conn: &Connect, _: &LibvirtConfig| {
                    machine::resize(conn, &id, (cpus, memory_mib), &stamp)
                };
                self.change(&doing, resize).await?;
            }
            // No plan asks for it: no inventory says that there is any.
            ProviderAction::ProtectMachine { .. } => {
                return Err(ProviderError::Refused {
                    provider: self.config.provider.clone(),
                    doing: action.to_string(),
                    reason: "libvirt keeps no machine from being ended".to_owned(),
                });
            }
            ProviderAction::DeleteMachine { id } => self.delete_machine(&id, journal).await?,
        }
        Ok(Made::default())
    }
}
