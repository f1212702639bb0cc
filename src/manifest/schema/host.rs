//! Where machines are made: a hypervisor reached by libvirt, or a Linux machine to become one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bastion::Bastion;
use super::placement::Only;
use super::price::{Budget, HostPrices};
use super::secret::SecretReference;

/// A hypervisor on which machines are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["uri"] }, { "required": ["ssh"] }]))]
pub struct HostSpec {
    /// The libvirt connection, such as `qemu:///system`.
    #[schemars(extend("format" = "libvirt-uri"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A Linux machine that is reached by SSH and made a hypervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<HostSsh>,
    /// Where a machine that is made a hypervisor gets its software from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// How the processor is virtualised.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// The storage pool that holds disks and images [default: `default`, which must exist; with `ssh`
    /// `metrom`, which is made].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// The network that machines are attached to [default: `default`, which must exist; with `ssh`
    /// `metrom`, which is made].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Which environments it takes; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// Nothing new is made there; what lives there goes on.
    #[serde(default, skip_serializing_if = "is_not")]
    pub maintenance: bool,
    /// It is to be emptied: nothing new is made there, and each plan says what keeps an environment
    /// there.
    #[serde(default, skip_serializing_if = "is_not")]
    pub drain: bool,
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

fn is_not(is: &bool) -> bool {
    !is
}

impl HostSpec {
    /// The pool as it is declared or goes without saying.
    #[must_use]
    pub fn pool(&self) -> Pool {
        let made = self
            .ssh
            .as_ref()
            .map(|_| "/var/lib/libvirt/metrom".to_owned());
        self.pool.clone().unwrap_or_else(|| Pool {
            name: self.own_name(),
            path: made,
        })
    }

    /// The network as it is declared or goes without saying. Machines on a host that is reached by SSH
    /// are reached through it, so that all of them may have the same.
    #[must_use]
    pub fn network(&self) -> Network {
        let made = self.ssh.as_ref().map(|_| "10.177.0.0/24".to_owned());
        self.network.clone().unwrap_or_else(|| Network {
            name: self.own_name(),
            subnet: made,
            forward: Forward::default(),
        })
    }

    fn own_name(&self) -> String {
        let is_ours = self.ssh.is_some();
        (if is_ours { "metrom" } else { "default" }).to_owned()
    }

    /// Where it is, for people: its connection, or its account and address.
    #[must_use]
    pub fn location(&self) -> String {
        match (&self.uri, &self.ssh) {
            (Some(uri), _) => uri.clone(),
            (None, Some(ssh)) => format!("{}@{}:{}", ssh.user, ssh.address, ssh.port),
            (None, None) => String::new(),
        }
    }
}

/// How a Linux machine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSsh {
    /// Its address or its name.
    #[schemars(length(min = 1), regex(pattern = r"^[A-Za-z0-9.:_-]+$"))]
    pub address: String,
    /// Where its sshd listens.
    #[schemars(range(min = 1))]
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// The account to log in as: `root`, or one that may use `sudo` without a password.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_-]{0,31}$"))]
    #[serde(default = "root")]
    pub user: String,
    /// The private key to log in with, in OpenSSH's form and without a passphrase; without one,
    /// Metrom's own, `identity` in its state folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretReference>,
    /// Its host key, as `metrom host scan` prints it: `ssh-ed25519 AAAA…`. No other is taken.
    #[schemars(extend("format" = "ssh-key"))]
    pub host_key: String,
    /// Through which it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bastion: Option<Bastion>,
}

fn ssh_port() -> u16 {
    22
}

fn root() -> String {
    "root".to_owned()
}

impl From<HostSsh> for crate::model::Bastion {
    fn from(declared: HostSsh) -> Self {
        let HostSsh {
            address,
            port,
            user,
            key,
            host_key,
            bastion,
        } = declared;
        Self {
            address,
            port,
            user,
            key: key.map(Into::into),
            host_key,
            through: bastion.map(|bastion| Box::new(bastion.into())),
        }
    }
}

/// Where software comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Packages {
    /// Whether what is missing is installed.
    pub install: Install,
    /// Lines of a file of package sources that is written beside those of the machine, in the form of
    /// its package manager.
    #[schemars(extend("items" = { "type": "string", "minLength": 1 }))]
    pub sources: Vec<String>,
}

/// Whether Metrom installs what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Install {
    /// What is missing.
    #[default]
    Missing,
    /// Nothing: what is missing is told.
    Never,
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
