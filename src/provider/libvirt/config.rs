//! A libvirt host, as declared.

use super::{Accelerator, Forward, Subnet};
use crate::model::ProviderName;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibvirtConfig {
    pub provider: ProviderName,
    pub uri: String,
    pub accelerator: Accelerator,
    pub pool: PoolConfig,
    pub network: NetworkConfig,
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
