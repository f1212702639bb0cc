//! What is, with the gaps in our knowledge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    Bastion, Digest, EnvName, HostHealth, Key, Part, ProviderName, Revision, Stamp, Timestamp,
};

/// How a provider calls a live object: a domain's UUID, a volume's path, an instance id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LiveId(pub String);

impl fmt::Display for LiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What one provider reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inventory {
    pub provider: ProviderName,
    /// Machines and volumes: ours by their stamp, and foreign ones without.
    pub objects: Vec<Object>,
    /// Addresses that are kept whether a machine has them or not, or why they cannot be seen. Nothing
    /// is decided by them.
    pub addresses: Result<Vec<KeptAddress>, String>,
    /// Base images that are there completely, by [`super::ImageSpec::id`].
    pub images: BTreeSet<String>,
    /// What is declared of the provider itself and not there yet: its pool, its network.
    pub missing: BTreeSet<Part>,
    /// Memory that a further machine could have, in MiB; `None`: it is not known, or has no end.
    pub free_memory_mib: Option<u64>,
    /// No two machines have one name here, so that a foreign one may be in the way of ours.
    pub has_unique_names: bool,
    /// How the host is; `None` for what is no host, or does not say.
    pub health: Option<HostHealth>,
    pub gaps: Vec<Gap>,
}

impl Inventory {
    /// An inventory of nothing, because the provider could not be asked.
    #[must_use]
    pub fn unreachable(provider: ProviderName, reason: String) -> Self {
        let gaps = vec![Gap {
            scope: Scope::Provider(provider.clone()),
            reason,
        }];
        Self {
            provider,
            objects: Vec::new(),
            addresses: Ok(Vec::new()),
            images: BTreeSet::new(),
            missing: BTreeSet::new(),
            free_memory_mib: None,
            has_unique_names: false,
            health: None,
            gaps,
        }
    }
}

/// One live object of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    pub id: LiveId,
    /// What people see in the provider's own tools.
    pub name: String,
    pub fields: LiveFields,
    pub about: About,
    pub stamp: Option<Stamp>,
}

/// What a provider tells of a thing beside what is decided by: for whoever looks at the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// What the provider calls what is of that size or sort: `t3.small`, `gp3`, `qcow2`.
    pub type_name: Option<String>,
    /// When it was made; `None`: the provider does not know.
    pub made: Option<Timestamp>,
    /// The machine that has the volume, or the address.
    pub holder: Option<LiveId>,
}

/// An address that is kept, and costs, whether a machine has it or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptAddress {
    pub id: LiveId,
    /// What people see in the provider's own tools.
    pub name: String,
    pub address: IpAddr,
    pub about: About,
}

/// What could not be found out, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    pub scope: Scope,
    pub reason: String,
}

/// Where knowledge ends. Nothing inside is created or pruned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All machines and volumes of a provider.
    Provider(ProviderName),
    /// Everything inside the environment's machine.
    Guest,
}

/// The state of one environment's resources; several live objects may claim one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    pub live: BTreeMap<Key, Vec<Live>>,
    /// Declared parts of the target provider that are not there yet.
    pub missing: BTreeSet<Part>,
    /// Base images on the target provider.
    pub images: BTreeSet<String>,
    /// As in [`Inventory`], of the target provider.
    pub free_memory_mib: Option<u64>,
    pub gaps: Vec<Gap>,
    /// Machines that may be claimed, or given back where there is no room for another.
    pub warm: Vec<Warm>,
    /// Providers in a gap that had no data of the environment when they were last seen.
    pub seen_without_data: BTreeSet<ProviderName>,
    /// Data volumes to which nothing was ever written: the machine that they were made for had no
    /// room.
    /// Two providers may call theirs alike.
    pub fresh: BTreeSet<(ProviderName, LiveId)>,
}

impl Observed {
    #[must_use]
    pub fn gap(&self, scope: &Scope) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.scope == *scope)
    }

    /// Whether nothing was ever written to a data volume.
    #[must_use]
    pub fn is_fresh(&self, live: &Live) -> bool {
        let provider = live.provider.clone();
        provider.is_some_and(|provider| self.fresh.contains(&(provider, live.id.clone())))
    }

    /// Whether a machine of ours is there.
    #[must_use]
    pub fn has_machine(&self) -> bool {
        let claims = self.live.get(&Key::Machine).into_iter().flatten();
        claims.into_iter().any(|live| live.stamp.is_some())
    }
}

/// A warm machine that nobody has claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warm {
    pub id: LiveId,
    /// The member of a pool that it is.
    pub env: EnvName,
    pub memory_mib: u64,
    /// It is just what is declared, and everything in it is there.
    pub is_ready: bool,
}

/// One live object that claims a key of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Live {
    pub id: LiveId,
    /// The provider that has it; `None` for what lies inside the machine.
    pub provider: Option<ProviderName>,
    pub fields: LiveFields,
    /// `None`: it has the name, but is not ours.
    pub stamp: Option<Stamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveFields {
    Volume(LiveVolume),
    Machine(LiveMachine),
    /// The digest in the stamp says everything.
    Guest,
    Checkout(LiveCheckout),
    Stack(LiveStack),
}

impl LiveFields {
    #[must_use]
    pub fn as_volume(&self) -> Option<&LiveVolume> {
        match self {
            Self::Volume(volume) => Some(volume),
            Self::Machine(_) | Self::Guest | Self::Checkout(_) | Self::Stack(_) => None,
        }
    }

    #[must_use]
    pub fn as_machine(&self) -> Option<&LiveMachine> {
        match self {
            Self::Machine(machine) => Some(machine),
            Self::Volume(_) | Self::Guest | Self::Checkout(_) | Self::Stack(_) => None,
        }
    }

    #[must_use]
    pub fn into_machine(self) -> Option<LiveMachine> {
        match self {
            Self::Machine(machine) => Some(machine),
            Self::Volume(_) | Self::Guest | Self::Checkout(_) | Self::Stack(_) => None,
        }
    }

    #[must_use]
    pub fn as_checkout(&self) -> Option<&LiveCheckout> {
        match self {
            Self::Checkout(checkout) => Some(checkout),
            Self::Volume(_) | Self::Machine(_) | Self::Guest | Self::Stack(_) => None,
        }
    }

    #[must_use]
    pub fn as_stack(&self) -> Option<&LiveStack> {
        match self {
            Self::Stack(stack) => Some(stack),
            Self::Volume(_) | Self::Machine(_) | Self::Guest | Self::Checkout(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveVolume {
    pub size_mib: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    Running,
    Paused,
    Stopped,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveMachine {
    pub power: Power,
    pub cpus: u32,
    pub memory_mib: u64,
    /// The base image, by [`super::ImageSpec::id`], as the stamp of the machine has it.
    pub image: Option<String>,
    /// The data volumes that are attached.
    pub volumes: BTreeSet<LiveId>,
    pub address: Option<IpAddr>,
    /// The public host key that was handed to the machine before its first boot, in OpenSSH's
    /// one-line form. Connections are pinned to it.
    pub host_key: Option<String>,
    /// Where the machine itself finds its data volumes: the path of the device by the volume's name.
    pub devices: BTreeMap<String, String>,
    /// What it was made ready for when it was paused, by [`super::Desired::fingerprint`].
    pub ready: Option<Digest>,
    /// Everything that it is made with is there; `false`: its creation was cut off, and goes on.
    pub is_finished: bool,
    /// Whether the provider keeps it from being ended; `None`: it keeps nothing from that.
    pub is_protected: Option<bool>,
    /// Rented out of what the provider has to spare, and of that size as long as it lives.
    pub is_spot: bool,
    /// Through which it is reached; `None`: directly.
    pub bastion: Option<Bastion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveCheckout {
    pub revision: Option<Revision>,
    /// Why the checkout cannot be moved forward without losing somebody's work.
    pub local_work: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveStack {
    pub services: Vec<LiveService>,
    /// Services that were applied and have no container now.
    pub missing: BTreeSet<String>,
    /// Written files that are no longer as they were written, by path.
    pub changed_files: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveService {
    pub name: String,
    pub container: String,
    /// As the compose file names it.
    pub image: String,
    /// The image's content-addressed id.
    pub image_digest: String,
    /// The id that the image's name was resolved to when the stack was last applied, if it is known.
    pub resolved: Option<String>,
    pub state: String,
    pub exit_code: Option<i64>,
    pub health: Health,
    pub restarts: u32,
    /// Published ports as `host:container/protocol`.
    pub ports: Vec<String>,
    /// The container's configuration is not the one that was applied.
    pub altered: bool,
}

impl LiveService {
    /// Running, or a task that came to its end.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == "running" || (self.state == "exited" && self.exit_code == Some(0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Healthy,
    /// No statement: there is no health check, or it has not answered yet.
    Unknown,
    Unhealthy,
}
