//! A Linux machine that becomes a hypervisor, as declared.

use crate::model::{Bastion, ProviderName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteConfig {
    pub provider: ProviderName,
    /// How it is reached, and the way to the machines on it.
    pub host: Bastion,
    /// Machines may be emulated there.
    pub may_emulate: bool,
    /// What is missing is installed.
    pub installs: bool,
    /// Lines of a file of further package sources.
    pub sources: Vec<String>,
    /// The storage pool of libvirt.
    pub pool: String,
    /// The folder that is or will be that pool.
    pub pool_path: String,
    /// It is made when it is missing.
    pub makes_pool: bool,
    /// The network of libvirt.
    pub network: String,
    /// It is made when it is missing.
    pub makes_network: bool,
}
