//! Where machines are made: a hypervisor reached by libvirt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placement::Only;
use super::price::{Budget, HostPrices};

/// A hypervisor on which machines are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSpec {
    /// The libvirt connection, such as `qemu:///system`.
    #[schemars(extend("format" = "libvirt-uri"))]
    pub uri: String,
    /// How the processor is virtualised.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// The storage pool that holds disks and images.
    #[serde(default)]
    pub pool: Pool,
    /// The network that machines are attached to.
    #[serde(default)]
    pub network: Network,
    /// Which environments it takes; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// What its capacity costs; what has no price says so wherever costs are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<HostPrices>,
    /// How much may be spent on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Accelerator {
    /// KVM where it is found to work, emulation otherwise.
    #[default]
    Auto,
    /// KVM, without trying whether it works.
    Kvm,
    /// Software emulation: works everywhere, and is slow.
    Emulation,
}

/// A storage pool of libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    #[schemars(extend("format" = "libvirt-name"))]
    pub name: String,
    /// With a path the pool is made there when it is missing; without one it must exist.
    #[schemars(extend("format" = "absolute-path"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            path: None,
        }
    }
}

/// A network of libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    #[schemars(extend("format" = "libvirt-name"))]
    pub name: String,
    /// With a subnet, such as `10.77.0.0/24`, the network is made when it is missing; without one
    /// it must exist.
    #[schemars(extend("format" = "subnet"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// How a network that is made reaches the world.
    #[serde(default)]
    pub forward: Forward,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            subnet: None,
            forward: Forward::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Forward {
    /// Through the host's address.
    #[default]
    Nat,
    /// Not at all: machines and host see each other only.
    None,
}
