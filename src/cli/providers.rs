//! Providers as the repository declares them, each connection kept as long as its declaration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::manifest::schema::{Accelerator, CloudSpec, HostSpec, Install, ProviderSpec};
use crate::model::{Bastion, ProviderName};
use crate::port::{Actuator, Observer, Observers, ProviderError, Providers, SeedMaker};
use crate::provider::Facts;
use crate::provider::remote::RemoteConfig;
use crate::ssh::Connections;

/// Opens providers, and keeps what it opened.
pub struct Opener {
    seeds: Arc<dyn SeedMaker>,
    facts: Arc<dyn Facts>,
    connections: Arc<Connections>,
    open: Mutex<BTreeMap<ProviderName, (ProviderSpec, Opened)>>,
}

/// The two faces of one connection.
#[derive(Clone)]
struct Opened {
    eyes: Arc<dyn Observer>,
    hands: Arc<dyn Actuator>,
}

impl Opener {
    #[must_use]
    pub fn new(
        seeds: Arc<dyn SeedMaker>,
        facts: Arc<dyn Facts>,
        connections: Arc<Connections>,
    ) -> Self {
        Self {
            seeds,
            facts,
            connections,
            open: Mutex::default(),
        }
    }

    fn opened(&self, name: &ProviderName, spec: &ProviderSpec) -> Result<Opened, ProviderError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((declared, opened)) = open.get(name)
            && declared == spec
        {
            return Ok(opened.clone());
        }
        let opened = match spec {
            ProviderSpec::Host(host) => self.host(name, host)?,
            ProviderSpec::Cloud(cloud) => self.cloud(name, cloud)?,
        };
        open.insert(name.clone(), (spec.clone(), opened.clone()));
        Ok(opened)
    }

    #[cfg(feature = "libvirt")]
    fn host(&self, name: &ProviderName, host: &HostSpec) -> Result<Opened, ProviderError> {
        use crate::provider::libvirt::Libvirt;
        use crate::provider::remote::{Forwarded, Remote};
        let mut config = libvirt_config(name, host)?;
        let libvirt = |config| Libvirt::new(config, self.seeds.clone(), self.facts.clone());
        let Some(ssh) = host.ssh.clone() else {
            return Ok(Opened::from(libvirt(config)));
        };
        let remote = remote_config(name, host, ssh.into());
        let way = remote.host.clone();
        let door = Forwarded::new(self.connections.clone(), way.clone());
        let door = door.map_err(|error| ProviderError::Unreachable {
            provider: name.clone(),
            reason: format!("there is no place for a socket: {error}"),
        })?;
        config.uri = door.uri();
        config.door = Some(Arc::new(door));
        config.bastion = Some(way);
        let remote = Remote::new(remote, self.connections.clone(), libvirt(config));
        Ok(Opened::from(remote))
    }

    #[cfg(not(feature = "libvirt"))]
    fn host(&self, name: &ProviderName, _: &HostSpec) -> Result<Opened, ProviderError> {
        let _ = (&self.facts, &self.connections);
        Err(not_built(name, "libvirt"))
    }

    #[cfg(feature = "aws")]
    fn cloud(&self, name: &ProviderName, cloud: &CloudSpec) -> Result<Opened, ProviderError> {
        use crate::manifest::schema::CloudProvider;
        use crate::provider::aws::Aws;
        match cloud.provider {
            CloudProvider::Aws => {
                let aws = Aws::new(aws_config(name, cloud), self.seeds.clone());
                Ok(Opened::from(aws))
            }
        }
    }

    #[cfg(not(feature = "aws"))]
    fn cloud(&self, name: &ProviderName, _: &CloudSpec) -> Result<Opened, ProviderError> {
        Err(not_built(name, "aws"))
    }
}

#[cfg(not(all(feature = "libvirt", feature = "aws")))]
fn not_built(name: &ProviderName, feature: &str) -> ProviderError {
    ProviderError::Unreachable {
        provider: name.clone(),
        reason: format!("this `metrom` was built without the feature `{feature}`"),
    }
}

impl<P: Actuator + 'static> From<P> for Opened {
    fn from(provider: P) -> Self {
        let provider = Arc::new(provider);
        Self {
            eyes: provider.clone(),
            hands: provider,
        }
    }
}

#[cfg(feature = "aws")]
fn aws_config(name: &ProviderName, cloud: &CloudSpec) -> crate::provider::aws::AwsConfig {
    use crate::manifest::schema::Reach as Declared;
    use crate::provider::aws::{AwsConfig, InstanceType, Reach};
    let CloudSpec {
        provider: _,
        region,
        account,
        endpoint,
        credentials,
        network,
        key_pair,
        images: _, // resolved when the machine is
        types,
        tags,
        only: _,
        prices: _,
        budget: _,
    } = cloud.clone();
    let types = types.into_iter().map(|declared| InstanceType {
        name: declared.name,
        cpus: declared.cpus,
        memory_mib: declared.memory.mib(),
    });
    AwsConfig {
        provider: name.clone(),
        region,
        account,
        endpoint,
        credentials: aws_credentials(credentials),
        zone: network.zone,
        subnet: network.subnet,
        security_groups: network.security_groups,
        ssh_from: network.ssh_from,
        reach: match network.reach {
            Declared::Public => Reach::Public,
            Declared::Private => Reach::Private,
        },
        bastion: network.bastion.map(Into::into),
        key_pair,
        types: types.collect(),
        tags,
    }
}

#[cfg(feature = "aws")]
fn aws_credentials(
    declared: crate::manifest::schema::Credentials,
) -> crate::provider::aws::Credentials {
    use crate::manifest::schema::CredentialSource;
    use crate::provider::aws::Credentials;
    let found = match declared.from {
        CredentialSource::Default => Credentials::Default,
        CredentialSource::Environment => Credentials::Environment,
        CredentialSource::Profile => {
            let profile = declared.profile.unwrap_or_else(|| "default".to_owned());
            Credentials::Profile(profile)
        }
        CredentialSource::Instance => Credentials::Instance,
        CredentialSource::WebIdentity => Credentials::WebIdentity,
    };
    match declared.role {
        None => found,
        Some(role) => Credentials::Role {
            arn: role.arn,
            external_id: role.external_id,
            from: Box::new(found),
        },
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
    let (pool, network) = (host.pool(), host.network());
    let HostSpec {
        uri,
        ssh: _,      // the way to it
        packages: _, // how it becomes a hypervisor
        accelerator,
        pool: _,
        network: _,
        only: _,
        maintenance: _,
        drain: _,
        prices: _,
        budget: _,
    } = host;
    let subnet = network.subnet.as_ref().map(|subnet| subnet.parse());
    let subnet = subnet.transpose().map_err(|error| ProviderError::Refused {
        provider: name.clone(),
        doing: "be opened".to_owned(),
        reason: format!("{error}"),
    })?;
    Ok(LibvirtConfig {
        provider: name.clone(),
        uri: uri.clone().unwrap_or_default(),
        door: None,
        bastion: None,
        accelerator: match accelerator {
            Declared::Auto => Accelerator::Auto,
            Declared::Kvm => Accelerator::Kvm,
            Declared::Emulation => Accelerator::Emulation,
        },
        pool: PoolConfig {
            name: pool.name,
            path: pool.path,
        },
        network: NetworkConfig {
            name: network.name,
            subnet,
            forward: match network.forward {
                Forwarded::Nat => Forward::Nat,
                Forwarded::None => Forward::None,
            },
        },
    })
}

/// A machine that becomes a hypervisor, as it is declared.
#[must_use]
pub fn remote_config(name: &ProviderName, spec: &HostSpec, way: Bastion) -> RemoteConfig {
    let (pool, network) = (spec.pool(), spec.network());
    let packages = spec.packages.clone().unwrap_or_default();
    let libvirts_own = || format!("/var/lib/libvirt/images/{}", pool.name);
    RemoteConfig {
        provider: name.clone(),
        host: way,
        may_emulate: spec.accelerator == Accelerator::Emulation,
        installs: packages.install == Install::Missing,
        sources: packages.sources,
        makes_pool: pool.path.is_some(),
        pool_path: pool.path.clone().unwrap_or_else(libvirts_own),
        pool: pool.name,
        makes_network: network.subnet.is_some(),
        network: network.name,
    }
}

#[async_trait]
impl Observers for Opener {
    async fn observer(
        &self,
        name: &ProviderName,
        spec: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        Ok(self.opened(name, spec)?.eyes)
    }
}

#[async_trait]
impl Providers for Opener {
    async fn actuator(
        &self,
        name: &ProviderName,
        spec: &ProviderSpec,
    ) -> Result<Arc<dyn Actuator>, ProviderError> {
        Ok(self.opened(name, spec)?.hands)
    }
}
