//! Machines in one region of an AWS account.
//!
//! A machine is an instance, a data volume an EBS volume that outlives it. Whose they are is in their
//! tags, which go along with the call that makes them; they are found by nothing else. What EC2 does
//! takes time, and is shown later still: each action looks, asks, and looks until it is so. Creations
//! carry a token, so that EC2 itself makes nothing twice.
//!
//! Foreign objects are shown and never touched. What goes with a machine (its own disk, and empty ones
//! in place of data volumes) is no object.
//!
//! Reading order: [`config`], [`tag`] and [`seen`] (pure: what is written and read), [`fault`] (pure:
//! what EC2's refusals mean), [`link`] (the clients), [`inventory`], then one file per kind of action.

mod address;
mod answer;
mod attach;
mod cidr;
mod claim;
mod code;
mod config;
mod console;
mod copy;
mod create;
mod credentials;
mod doubt;
mod end;
mod fault;
mod handover;
mod image;
mod inventory;
mod kind;
mod launch;
mod link;
mod machine;
mod meter;
mod network;
mod offer;
mod parameter;
mod power;
mod protect;
mod request;
mod resize;
mod seen;
mod tag;
mod volume;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::model::{Inventory, LiveId, Object, ProviderAction, ProviderName, Reading, Timestamp};
use crate::port::{Actuator, ImageFiles, Journal, Made, Meter, Observer, ProviderError, SeedMaker};
use create::Order;
use fault::Fault;
use link::Link;

pub use config::{AwsConfig, Credentials, InstanceType, Reach};

/// How long a machine may take to shut down before it is ended. A guest with Docker and a database
/// needs some seconds; its data volume deserves the wait.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// One region of an account.
pub struct Aws {
    config: AwsConfig,
    seeds: Arc<dyn SeedMaker>,
    link: OnceCell<Link>,
    stop_patience: Duration,
    answer_patience: Duration,
}

impl Aws {
    /// Opens nothing yet; the first call does.
    #[must_use]
    pub fn new(config: AwsConfig, seeds: Arc<dyn SeedMaker>) -> Self {
        Self {
            config,
            seeds,
            link: OnceCell::new(),
            stop_patience: STOP_PATIENCE,
            answer_patience: link::ANSWER,
        }
    }

    /// With another time for a machine to shut down by itself.
    #[must_use]
    pub fn with_stop_patience(mut self, patience: Duration) -> Self {
        self.stop_patience = patience;
        self
    }

    /// With another time for EC2 to answer one attempt of a request.
    #[must_use]
    pub fn with_answer_patience(mut self, patience: Duration) -> Self {
        self.answer_patience = patience;
        self
    }

    /// The clients, with credentials of the declared account.
    async fn link(&self) -> Result<&Link, Fault> {
        let open = || Link::open(self.config.clone(), self.answer_patience);
        let link = self.link.get_or_try_init(open).await?;
        link.require_account().await?;
        Ok(link)
    }

    async fn act(
        &self,
        action: &ProviderAction,
        journal: &dyn Journal,
    ) -> Result<Option<LiveId>, Fault> {
        let link = self.link().await?;
        let patience = self.stop_patience;
        match action {
            // There is one part, and what it lacks is found out anew.
            ProviderAction::Prepare { part: _ } => network::prepare(link).await?,
            ProviderAction::ProvideImage { image } => return Err(image::not_brought(image)),
            ProviderAction::CreateVolume {
                spec,
                stamp,
                token,
                copy_of: None,
            } => {
                return volume::create(link, stamp, spec.size_mib, token)
                    .await
                    .map(Some);
            }
            ProviderAction::CreateVolume {
                spec,
                stamp,
                token,
                copy_of: Some(original),
            } => {
                let copy = copy::copy(link, stamp, spec.size_mib, original, token, journal);
                return copy.await.map(Some);
            }
            ProviderAction::GrowVolume { id, size_mib } => {
                resize::grow(link, id, *size_mib).await?;
            }
            ProviderAction::DeleteVolume { id } => resize::delete(link, id).await?,
            ProviderAction::CreateMachine {
                spec,
                stamp,
                volumes,
                token,
                beside,
            } => {
                let order = Order {
                    spec,
                    stamp,
                    volumes,
                    token,
                    beside: beside.as_ref(),
                    seeds: &*self.seeds,
                };
                return create::make(link, &order, journal).await.map(Some);
            }
            // The machine is there, so the token is not needed.
            ProviderAction::ClaimMachine {
                warm,
                stamp,
                volumes,
                token: _,
                is_protected,
            } => {
                let claimed = claim::claim(link, warm, stamp, volumes, *is_protected);
                return claimed.await.map(Some);
            }
            ProviderAction::GiveBack { warm } => claim::give_back(link, warm).await?,
            ProviderAction::PauseMachine { id, ready } => {
                power::pause(link, id, ready, patience, journal).await?;
            }
            ProviderAction::MoveVolume { id, from, to } => {
                handover::hand_over(link, id, from, to).await?;
            }
            ProviderAction::StartMachine { id } => power::start(link, id).await?,
            ProviderAction::StopMachine { id } => power::stop(link, id, patience, journal).await?,
            ProviderAction::ResizeMachine {
                id,
                cpus,
                memory_mib,
                stamp,
            } => power::resize(link, id, (*cpus, *memory_mib), stamp).await?,
            ProviderAction::ProtectMachine { id, is_protected } => {
                protect::protect(link, id, *is_protected).await?;
            }
            ProviderAction::DeleteMachine { id } => end::delete(link, id).await?,
        }
        Ok(None)
    }

    /// A region that is not there is an address that nobody has: so it is said where nobody answers.
    fn explain(&self, fault: Fault, doing: &str) -> ProviderError {
        let fault = match (fault, &self.config.endpoint) {
            (Fault::Closed(reason), None) => {
                Fault::Closed(format!("{reason} (`region` is {})", self.config.region))
            }
            (fault, _) => fault,
        };
        fault.explain(&self.config.provider, doing)
    }
}

#[async_trait]
impl Observer for Aws {
    fn provider(&self) -> &ProviderName {
        &self.config.provider
    }

    async fn inventory(&self) -> Inventory {
        let taken = async { inventory::take(self.link().await?).await };
        match taken.await {
            Ok(inventory) => inventory,
            Err(fault) => {
                let error = self.explain(fault, "list what is there");
                Inventory::unreachable(self.config.provider.clone(), error.to_string())
            }
        }
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        let seen = async { inventory::one(self.link().await?, id).await };
        seen.await
            .map_err(|fault| self.explain(fault, "look at a machine"))
    }

    async fn console(&self, id: &LiveId) -> Result<String, ProviderError> {
        let read = async { console::end(self.link().await?, id).await };
        read.await
            .map_err(|fault| self.explain(fault, "read a console"))
    }

    fn meter(&self) -> Option<&dyn Meter> {
        Some(self)
    }
}

#[async_trait]
impl Meter for Aws {
    fn pace(&self) -> Duration {
        meter::PACE
    }

    async fn measure(
        &self,
        machines: &BTreeSet<LiveId>,
    ) -> Result<BTreeMap<LiveId, Reading>, ProviderError> {
        let now = Timestamp::now();
        let measured = async { meter::measure(self.link().await?, machines, now).await };
        measured
            .await
            .map_err(|fault| self.explain(fault, "tell how much machines use"))
    }
}

#[async_trait]
impl Actuator for Aws {
    /// No image is ever brought to AWS, so none is looked at.
    async fn perform(
        &self,
        action: &ProviderAction,
        _: Option<&ImageFiles>,
        journal: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        match self.act(action, journal).await {
            Ok(id) => Ok(Made { id }),
            Err(fault) => Err(self.explain(fault, &action.to_string())),
        }
    }
}
