//! Providers as the repository declares them, each connection kept as long as its declaration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::manifest::schema::HostSpec;
use crate::model::ProviderName;
use crate::port::{Actuator, Observer, Observers, ProviderError, Providers, SeedMaker};
use crate::provider::Facts;

/// Opens hosts, and keeps what it opened.
pub struct Hosts {
    seeds: Arc<dyn SeedMaker>,
    facts: Arc<dyn Facts>,
    open: Mutex<BTreeMap<ProviderName, (HostSpec, Opened)>>,
}

/// The two faces of one connection.
#[derive(Clone)]
struct Opened {
    eyes: Arc<dyn Observer>,
    hands: Arc<dyn Actuator>,
}

impl Hosts {
    #[must_use]
    pub fn new(seeds: Arc<dyn SeedMaker>, facts: Arc<dyn Facts>) -> Self {
        Self {
            seeds,
            facts,
            open: Mutex::default(),
        }
    }

    fn opened(&self, name: &ProviderName, host: &HostSpec) -> Result<Opened, ProviderError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((declared, opened)) = open.get(name)
            && declared == host
        {
            return Ok(opened.clone());
        }
        let opened = self.connect(name, host)?;
        open.insert(name.clone(), (host.clone(), opened.clone()));
        Ok(opened)
    }

    #[cfg(feature = "libvirt")]
    fn connect(&self, name: &ProviderName, host: &HostSpec) -> Result<Opened, ProviderError> {
        use crate::provider::libvirt::Libvirt;
        let config = libvirt_config(name, host)?;
        let libvirt = Libvirt::new(config, self.seeds.clone(), self.facts.clone());
        let libvirt = Arc::new(libvirt);
        Ok(Opened {
            eyes: libvirt.clone(),
            hands: libvirt,
        })
    }

    #[cfg(not(feature = "libvirt"))]
    fn connect(&self, name: &ProviderName, _: &HostSpec) -> Result<Opened, ProviderError> {
        let _ = (&self.seeds, &self.facts);
        Err(ProviderError::Unreachable {
            provider: name.clone(),
            reason: "this `metrom` was built without the feature `libvirt`".to_owned(),
        })
    }
}

#[cfg(feature = "libvirt")]
fn libvirt_config(
    name: &ProviderName,
    host: &HostSpec,
) -> Result<crate::provider::libvirt::LibvirtConfig, ProviderError> {
    use crate::manifest::schema::{Accelerator as Declared, Forward as Forwarded};
    use crate::provider::libvirt::{
        Accelerator, Forward, LibvirtConfig, NetworkConfig, PoolConfig,
    };
    let HostSpec {
        uri,
        accelerator,
        pool,
        network,
    } = host;
    let subnet = network.subnet.as_ref().map(|subnet| subnet.parse());
    let subnet = subnet.transpose().map_err(|error| ProviderError::Refused {
        provider: name.clone(),
        doing: "be opened".to_owned(),
        reason: format!("{error}"),
    })?;
    Ok(LibvirtConfig {
        provider: name.clone(),
        uri: uri.clone(),
        accelerator: match accelerator {
            Declared::Auto => Accelerator::Auto,
            Declared::Kvm => Accelerator::Kvm,
            Declared::Emulation => Accelerator::Emulation,
        },
        pool: PoolConfig {
            name: pool.name.clone(),
            path: pool.path.clone(),
        },
        network: NetworkConfig {
            name: network.name.clone(),
            subnet,
            forward: match network.forward {
                Forwarded::Nat => Forward::Nat,
                Forwarded::None => Forward::None,
            },
        },
    })
}

#[async_trait]
impl Observers for Hosts {
    async fn observer(
        &self,
        name: &ProviderName,
        host: &HostSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        Ok(self.opened(name, host)?.eyes)
    }
}

#[async_trait]
impl Providers for Hosts {
    async fn actuator(
        &self,
        name: &ProviderName,
        host: &HostSpec,
    ) -> Result<Arc<dyn Actuator>, ProviderError> {
        Ok(self.opened(name, host)?.hands)
    }
}
