//! A libvirt host, as declared.

use std::sync::Arc;

use super::{Accelerator, Door, Forward, Subnet};
use crate::model::{Bastion, ProviderName};

#[derive(Clone)]
pub struct LibvirtConfig {
    pub provider: ProviderName,
    pub uri: String,
    /// What is opened before each use of the connection; `None`: nothing has to be.
    pub door: Option<Arc<dyn Door>>,
    /// Through which machines are reached; `None`: directly.
    pub bastion: Option<Bastion>,
    pub accelerator: Accelerator,
    pub pool: PoolConfig,
    pub network: NetworkConfig,
}

impl LibvirtConfig {
    /// What stays the same of the connection: behind a door, the socket is another one every time.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.bastion {
            None => self.uri.clone(),
            Some(host) => format!("{}:{} {}", host.address, host.port, host.host_key),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    pub name: String,
    /// Where to make the pool when it is missing; `None`: it must be there.
    pub path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    pub name: String,
    /// What to make the network of when it is missing; `None`: it must be there.
    pub subnet: Option<Subnet>,
    pub forward: Forward,
}
