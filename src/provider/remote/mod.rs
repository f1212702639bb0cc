//! A Linux machine that is reached by SSH and made a hypervisor.
//!
//! Until libvirt answers there, this room looks and works by SSH alone; from then on it hands
//! everything to the provider within, whose connection goes through the same one.
//!
//! Reading order: [`facts`] (what a machine says of itself), [`system`] (how its system is made a
//! hypervisor: data), [`ready`] (what it lacks) – pure; [`look`], [`setup`] and [`door`] act;
//! [`doctor`] tells people.

mod config;
pub mod doctor;
mod door;
mod facts;
mod look;
mod ready;
mod setup;
mod system;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{HostHealth, Inventory, LiveId, Object, Part, ProviderAction, ProviderName};
use crate::port::{Actuator, ImageFiles, Journal, Made, Meter, Observer, ProviderError};
use crate::ssh::Connections;

pub use config::RemoteConfig;
pub use door::Forwarded;
pub use facts::HostFacts;
pub use look::facts_of;
pub use ready::{Readiness, readiness};
pub use system::System;
pub use words::unanswered;

/// One Linux machine, and the provider that works on it once it is a hypervisor.
pub struct Remote<P> {
    config: RemoteConfig,
    connections: Arc<Connections>,
    within: P,
}

impl<P: Actuator> Remote<P> {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(config: RemoteConfig, connections: Arc<Connections>, within: P) -> Self {
        Self {
            config,
            connections,
            within,
        }
    }

    /// What is there before it is a hypervisor: nothing of ours, and all of its memory.
    fn bare(&self, facts: &HostFacts, missing: BTreeSet<Part>) -> Inventory {
        let nothing = Inventory::unreachable(self.config.provider.clone(), String::new());
        Inventory {
            missing,
            free_memory_mib: Some(facts.memory_mib),
            has_unique_names: true,
            health: Some(facts.health()),
            gaps: Vec::new(),
            ..nothing
        }
    }
}

/// What the machine says, and beside it what only libvirt knows.
fn told(facts: &HostFacts, by_libvirt: Option<HostHealth>) -> HostHealth {
    let HostHealth { pool, libvirt, .. } = by_libvirt.unwrap_or_default();
    HostHealth {
        pool,
        libvirt,
        ..facts.health()
    }
}

#[async_trait]
impl<P: Actuator> Observer for Remote<P> {
    fn provider(&self) -> &ProviderName {
        &self.config.provider
    }

    async fn inventory(&self) -> Inventory {
        let unknown = |reason| Inventory::unreachable(self.config.provider.clone(), reason);
        let facts = match look::facts_of(&self.connections, &self.config).await {
            Ok(facts) => facts,
            Err(reason) => return unknown(reason),
        };
        match readiness(&facts, &self.config) {
            Readiness::Ready => {
                let inventory = self.within.inventory().await;
                Inventory {
                    health: Some(told(&facts, inventory.health)),
                    ..inventory
                }
            }
            Readiness::Lacks(missing) => self.bare(&facts, missing),
            Readiness::Unfit(reason) => Inventory {
                health: Some(facts.health()),
                ..unknown(reason)
            },
        }
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        self.within.machine(id).await
    }

    async fn console(&self, id: &LiveId) -> Result<String, ProviderError> {
        self.within.console(id).await
    }

    fn meter(&self) -> Option<&dyn Meter> {
        self.within.meter()
    }
}

#[async_trait]
impl<P: Actuator> Actuator for Remote<P> {
    async fn perform(
        &self,
        action: &ProviderAction,
        image: Option<&ImageFiles>,
        journal: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        match action {
            ProviderAction::Prepare {
                part: part @ (Part::Packages(_) | Part::Service(_)),
            } => {
                setup::make(&self.connections, &self.config, part, journal).await?;
                Ok(Made::default())
            }
            action => self.within.perform(action, image, journal).await,
        }
    }
}
