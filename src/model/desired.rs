//! What should be, concrete and complete, for one environment at one instant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Digest, EnvName, ImageName, Key, OwnerName, ProviderName, Revision, Stamp, Timestamp};

/// What should be for one environment, at the instant it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desired {
    pub owner: OwnerName,
    pub env: EnvName,
    pub revision: Revision,
    /// Where the machine is to be; `None` when nothing should be: it is undeclared, or its time is up.
    pub provider: Option<ProviderName>,
    pub resources: BTreeMap<Key, Resource>,
    /// Resources of which something could not be found out, and why; they are held as they are.
    pub unresolved: BTreeMap<Key, String>,
    /// Whether the machine is to run.
    pub waking: Waking,
    /// How what changes is brought about.
    pub update: Update,
    /// How it has to do with warm machines.
    pub pool: Pool,
    /// Fields that may differ without having been declared, by the word that a plan shows.
    pub ignored: BTreeSet<&'static str>,
    /// What is to be of it at places where it is not to run.
    pub elsewhere: BTreeMap<ProviderName, Elsewhere>,
    /// Where it is to run it has data of its own, whatever it has elsewhere.
    pub has_own_data: bool,
    /// Why nothing of it can be made where it is to be.
    pub unplaced: Option<String>,
    /// The instant at which this answer next changes by itself.
    pub until: Option<Timestamp>,
    /// When its first machine was made; `None` before that.
    pub born: Option<Timestamp>,
    /// The instant at which its time is up, or was; `None` when it has no end.
    pub end: Option<Timestamp>,
}

/// Whether a machine is to run at an instant, and by whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waking {
    pub is_awake: bool,
    pub by: WakingBy,
}

/// Who says whether a machine is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakingBy {
    /// Nobody: a machine runs.
    Default,
    OfficeHours,
    Person,
    /// A budget: there is money, or it is spent.
    Budget,
    /// It is declared to be stopped where it is.
    Placement,
}

/// What is to be of an environment at a place where it is not to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// A machine that is there is kept, and is off.
    Stopped,
    /// No machine is to be there.
    Absent,
}

/// What is left of the money of a month, for what a budget may put to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// It suffices: until then, or for the whole month.
    Suffices { until: Option<Timestamp> },
    /// It is spent until the month ends.
    Spent { until: Timestamp },
}

impl Waking {
    /// What nobody said anything about runs.
    pub const ALWAYS: Self = Self {
        is_awake: true,
        by: WakingBy::Default,
    };
}

impl Desired {
    /// Nothing should be: the environment is not declared at this revision.
    #[must_use]
    pub fn undeclared(owner: OwnerName, env: EnvName, revision: Revision) -> Self {
        Self {
            owner,
            env,
            revision,
            provider: None,
            resources: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            waking: Waking::ALWAYS,
            update: Update::default(),
            pool: Pool::None,
            ignored: BTreeSet::new(),
            elsewhere: BTreeMap::new(),
            has_own_data: false,
            unplaced: None,
            until: None,
            born: None,
            end: None,
        }
    }

    /// Names everything that is declared of the resources.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let digests: BTreeMap<&Key, &Digest> = self
            .resources
            .iter()
            .map(|(key, resource)| (key, &resource.digest))
            .collect();
        Digest::of(&digests.into_iter().collect::<Vec<_>>())
    }

    /// The stamp of a resource as it is declared now. A machine carries on the birth of the one before
    /// it; the first of all is born when it is made.
    #[must_use]
    pub fn stamp(&self, key: &Key, created: Timestamp) -> Stamp {
        let is_machine = matches!(key, Key::Machine);
        Stamp {
            owner: self.owner.clone(),
            env: self.env.clone(),
            key: key.clone(),
            digest: self.resources.get(key).map(|r| r.digest.clone()),
            revision: Some(self.revision.clone()),
            created,
            born: is_machine.then(|| self.born.unwrap_or(created)),
        }
    }

    /// The machine that should be.
    #[must_use]
    pub fn machine(&self) -> Option<&MachineSpec> {
        match &self.resources.get(&Key::Machine)?.spec {
            Spec::Machine(spec) => Some(spec),
            Spec::Image(_)
            | Spec::Volume(_)
            | Spec::Guest(_)
            | Spec::Containers(_)
            | Spec::Checkout(_)
            | Spec::Stack(_) => None,
        }
    }

    /// Its time is up: nothing should be, although it is declared.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.provider.is_none() && self.end.is_some()
    }

    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.provider.is_some() || self.is_expired()
    }
}

/// How an environment has to do with warm machines: made ahead and paused, until somebody needs one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    #[default]
    None,
    /// It is such a machine, of which nobody's name is known yet.
    Member,
    /// It may claim the machine of one of these.
    Claims(BTreeSet<EnvName>),
}

/// How what changes is brought about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Update {
    /// What only a new machine can take over; in place, the machine ends before the new one is made.
    pub machine: Strategy,
    /// What is inside the machine.
    pub stack: Strategy,
    /// A machine this old is replaced by a new one, whatever has changed.
    pub every: Option<Duration>,
    /// How long a second machine may take to be well, where that is declared.
    pub within: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    InPlace,
    /// A second machine is tried beside the first, and takes its place when it is proven.
    Phoenix,
}

/// One resource of an environment, with what must be there before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    pub spec: Spec,
    pub needs: BTreeSet<Key>,
    /// [`Spec::digest`] of `spec`; what the stamp of the live object is compared with.
    pub digest: Digest,
}

impl Resource {
    #[must_use]
    pub fn new(spec: Spec, needs: impl IntoIterator<Item = Key>) -> Self {
        let digest = spec.digest();
        Self {
            spec,
            needs: needs.into_iter().collect(),
            digest,
        }
    }
}

/// The declaration of one resource, neutral of providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    Image(ImageSpec),
    Volume(VolumeSpec),
    Machine(MachineSpec),
    Guest(GuestSpec),
    Containers(ContainersSpec),
    Checkout(CheckoutSpec),
    Stack(StackSpec),
}

impl Spec {
    /// What the stamp of a live object made from this declaration carries.
    ///
    /// That of a machine has two halves ([`Digest::of_halves`]): what only a new machine can take
    /// over, and what a restart can. So a later sync knows which of the two changed, although the
    /// stamp does not hold the declaration.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Machine(MachineSpec {
                provider,
                image,
                cpus,
                memory_mib,
                disk_mib,
                volumes,
            }) => Digest::of_halves(
                &Digest::of(&(provider, image, disk_mib, volumes)),
                &Digest::of(&(cpus, memory_mib)),
            ),
            Self::Image(_)
            | Self::Volume(_)
            | Self::Guest(_)
            | Self::Containers(_)
            | Self::Checkout(_)
            | Self::Stack(_) => Digest::of(self),
        }
    }
}

/// A base image, addressed by the digest of its declaration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageSpec {
    pub name: ImageName,
    pub origin: ImageOrigin,
    pub boot: Boot,
}

impl ImageSpec {
    /// What the image is called on a provider: `debian-13-0123456789ab`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.name, Digest::of(self).short())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageOrigin {
    /// A qcow2 file; the checksum is of the file as downloaded.
    Url { url: String, sha256: Digest },
    /// Made from Debian packages on this machine.
    Build(BuildRecipe),
    /// The provider has it already and is only told which one.
    Registered(RegisteredImage),
}

impl ImageOrigin {
    /// Whether somebody has to bring it to the provider.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Build(_) => true,
            Self::Registered(_) => false,
        }
    }
}

/// Which of a provider's own images is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisteredImage {
    /// The one that the provider calls so, such as an AMI.
    Id(String),
    /// The newest of an owner whose name matches a pattern with `*`, when a machine is made. A newer
    /// one replaces no machine: what runs changes by a commit.
    Newest { owner: String, name: String },
}

/// How an image is made from Debian packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildRecipe {
    /// Debian's code name, such as `trixie`.
    pub suite: String,
    /// Packages beside those that every guest needs.
    pub packages: BTreeSet<String>,
    /// Size of the root file system as built; it grows to the disk at the first boot.
    pub size_mib: u64,
    /// Leaves out what costs boot time and serves no guest of ours.
    pub trim: bool,
    /// Container images, by their ordinary names, to be in the image's Docker from the start.
    pub containers: BTreeSet<String>,
}

/// How a machine finds its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boot {
    /// By the boot loader on its disk.
    Disk,
    /// By the kernel and initrd that come with the image: no boot loader, seconds faster.
    Kernel,
}

/// A data volume; it outlives the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    pub provider: ProviderName,
    pub size_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    pub provider: ProviderName,
    pub image: ImageSpec,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_mib: u64,
    /// The data volumes to attach, by key.
    pub volumes: BTreeSet<Key>,
}

/// What a machine has beyond its image, whatever the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSpec {
    /// The account of the people who work on the machine.
    pub user: String,
    /// Their public keys, in OpenSSH's one-line form.
    pub authorized_keys: BTreeSet<String>,
    pub registries: RegistrySpec,
}

/// Where the machine's Docker gets its images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrySpec {
    /// Mirrors of Docker Hub, as URLs; tried in order.
    pub mirrors: Vec<String>,
    /// Registries spoken to without TLS, as `host:port` or CIDR.
    pub insecure: Vec<String>,
    pub logins: Vec<RegistryLogin>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    pub server: String,
    pub username: String,
    pub password: SecretRef,
}

/// Images of containers, to be on a machine before anything is made from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainersSpec {
    /// By the names under which compose files know them.
    pub images: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutSpec {
    pub url: String,
    /// A branch, a tag or a full commit id.
    pub reference: String,
    /// The commit that `reference` stood for when last asked; `None` only if `unresolved`.
    pub revision: Option<Revision>,
}

/// A compose project with everything it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackSpec {
    /// The name of the compose project: that of the environment.
    pub project: EnvName,
    pub compose: ComposeSource,
    /// Files to write into the stack's folder, by path relative to it.
    pub files: BTreeMap<String, FileContent>,
    /// What `.env` holds.
    pub variables: BTreeMap<String, Variable>,
    /// The checkouts that the stack may build from, and their commits.
    pub sources: BTreeMap<String, Option<Revision>>,
    /// The names of the services as far as they are known before compose has read the file.
    pub services: BTreeSet<String>,
}

/// Where the compose file of a stack lies on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComposeSource {
    /// Among the files of the stack, at this path.
    Files { file: String },
    /// In a checkout, at this path.
    Checkout { name: String, file: String },
}

/// The bytes of a file to be written; serialised as its digest, so that no plan carries content.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    pub bytes: Arc<[u8]>,
    pub executable: bool,
}

impl Serialize for FileContent {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (Digest::of_bytes(&self.bytes), self.executable).serialize(to)
    }
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

/// A value that compose interpolates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    Plain(String),
    Secret(SecretRef),
}

/// Where a secret is found when it is needed; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// An environment variable of the Metrom process.
    Env(String),
    /// A file that the Metrom process can read; one trailing newline is dropped.
    File(PathBuf),
}
