//! The ordered actions of one sync, complete before the first of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{count, mib};
use super::{
    Cause, CheckoutSpec, ContainersSpec, Digest, EnvName, FieldChange, GuestSpec, ImageSpec, Key,
    LiveId, MachineSpec, Money, Part, ProviderName, Revision, StackSpec, Stamp, Token, VolumeSpec,
    Warm,
};

/// Everything one sync will do to one environment, and what it will not do and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub env: EnvName,
    pub revision: Revision,
    pub steps: Vec<Step>,
    pub held: Vec<Held>,
    /// The fingerprint that an agreement must name before any of it is done; `None` when none is
    /// needed, or it was given.
    pub awaits: Option<Digest>,
    /// Which of several places it has, or would have; `None` where only one is declared.
    pub placed: Option<Placed>,
}

/// The place that was chosen for an environment of several that are declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    pub at: ProviderName,
    /// Why there: what speaks for it, or against the others.
    pub because: String,
    /// What an hour of running costs there, disks included; only where that decided.
    pub price_per_hour: Option<Money>,
    /// Why nothing can be made there now, nor at any other place.
    pub unplaced: Option<String>,
}

impl Plan {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// What an approval names: it covers the actions, so a plan that has changed is another plan.
    ///
    /// Intent tokens are left out, since they are made for each attempt.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let actions: Vec<_> = self.steps.iter().map(|s| (&s.key, s.to_string())).collect();
        Digest::of(&(&self.env, &self.revision, actions))
    }
}

/// The place of a step in its plan, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One action with everything it needs and nothing left to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub id: StepId,
    pub key: Key,
    pub action: Action,
    pub cause: Cause,
    pub fields: Vec<FieldChange>,
    pub risk: Risk,
    /// The steps that must be done before.
    pub after: BTreeSet<StepId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Safe,
    /// Somebody who works on it will notice.
    Disruptive,
    /// Something ends to exist.
    Destructive,
}

/// An action that is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub key: Key,
    /// What would have been done, in the imperative.
    pub what: String,
    /// Why not, and the next move.
    pub reason: String,
}

/// A live object, or the one that an earlier step of the same plan makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Live(LiveId),
    MadeBy(StepId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Provider {
        provider: ProviderName,
        action: ProviderAction,
    },
    Guest {
        machine: Subject,
        provider: ProviderName,
        action: GuestAction,
    },
}

/// What a provider can be asked to do.
///
/// **Guarantees that an adapter gives.** Every action is safe to repeat. A creation that finds its
/// object with our stamp takes it over instead of failing. A deletion of what is not there is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderAction {
    /// Makes a declared part of the provider itself; done when it is there.
    Prepare {
        part: Part,
    },
    /// Brings a base image to the provider.
    ProvideImage {
        image: ImageSpec,
    },
    CreateVolume {
        spec: VolumeSpec,
        stamp: Stamp,
        token: Token,
        /// The volume of which it is a copy, and at least as large as that; `None`: it is empty.
        copy_of: Option<LiveId>,
    },
    GrowVolume {
        id: LiveId,
        size_mib: u64,
    },
    DeleteVolume {
        id: LiveId,
    },
    /// Makes a machine and starts it.
    CreateMachine {
        spec: Box<MachineSpec>,
        stamp: Stamp,
        volumes: Vec<Subject>,
        token: Token,
        /// The machine of the same environment that stays meanwhile; `None`: there is no other.
        beside: Option<Beside>,
    },
    /// Makes a warm machine that of an environment: with its stamp and its data volumes, and running.
    ///
    /// Refused when it is no longer the warm machine that the plan saw.
    ClaimMachine {
        warm: Warm,
        stamp: Stamp,
        volumes: Vec<Subject>,
        token: Token,
        is_protected: bool,
    },
    /// Ends a warm machine that nobody has claimed, so that there is room for another one.
    GiveBack {
        warm: Warm,
    },
    /// Lets a machine stand still as it is, and remembers what it was made ready for.
    PauseMachine {
        id: LiveId,
        ready: Digest,
    },
    /// Takes a data volume from one stopped machine and gives it to another, in place of the empty
    /// one that this has. It is attached to no machine in between, and never to two.
    MoveVolume {
        id: LiveId,
        from: LiveId,
        to: LiveId,
    },
    StartMachine {
        id: LiveId,
    },
    StopMachine {
        id: LiveId,
    },
    /// Changes a stopped machine.
    ResizeMachine {
        id: LiveId,
        cpus: u32,
        memory_mib: u64,
        stamp: Stamp,
    },
    /// Keeps a machine from being ended by whomever, or no longer does.
    ProtectMachine {
        id: LiveId,
        is_protected: bool,
    },
    /// Ends a machine with its own disk; data volumes stay.
    DeleteMachine {
        id: LiveId,
    },
}

/// What can be done inside a machine. Every action is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestAction {
    /// Waits until the machine has an address, answers over SSH and has finished its first boot.
    AwaitReady,
    Configure {
        spec: GuestSpec,
        stamp: Stamp,
    },
    /// Brings the images of containers that are not there yet.
    PullImages {
        spec: ContainersSpec,
        stamp: Stamp,
    },
    /// Clones, or moves forward; never throws local work away.
    SyncCheckout {
        spec: CheckoutSpec,
        stamp: Stamp,
    },
    /// Writes the files and applies compose until every service is up and healthy.
    ApplyStack {
        spec: Box<StackSpec>,
        stamp: Stamp,
    },
    /// Stops the stack so that [`GuestAction::StartStack`] brings it back exactly as it was, also
    /// when its data volume was with another machine in between.
    StopStack {
        project: EnvName,
    },
    /// Brings a stopped stack back, with the files that it had.
    StartStack {
        project: EnvName,
    },
    /// Stops the stack and removes its containers and networks; volumes stay.
    RemoveStack {
        project: EnvName,
    },
}

/// The machine beside which another is made, and what that one has in place of its data volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beside {
    pub machine: LiveId,
    /// Empty volumes that are part of the new machine: size in MiB by the name of the data volume.
    pub scratch: BTreeMap<String, u64>,
}

impl Action {
    /// Whether it is done to that machine, or in it.
    #[must_use]
    pub fn is_on(&self, id: &LiveId) -> bool {
        match self {
            Self::Guest { machine, .. } => *machine == Subject::Live(id.clone()),
            Self::Provider { action, .. } => match action {
                ProviderAction::StartMachine { id: on }
                | ProviderAction::PauseMachine { id: on, .. }
                | ProviderAction::StopMachine { id: on }
                | ProviderAction::ResizeMachine { id: on, .. }
                | ProviderAction::ProtectMachine { id: on, .. }
                | ProviderAction::DeleteMachine { id: on } => on == id,
                ProviderAction::Prepare { .. }
                | ProviderAction::ProvideImage { .. }
                | ProviderAction::CreateVolume { .. }
                | ProviderAction::GrowVolume { .. }
                | ProviderAction::DeleteVolume { .. }
                | ProviderAction::CreateMachine { .. }
                | ProviderAction::ClaimMachine { .. }
                | ProviderAction::GiveBack { .. }
                | ProviderAction::MoveVolume { .. } => false,
            },
        }
    }

    /// Whether it changes nothing, so that it may be left at any moment.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        let Self::Guest { action, .. } = self else {
            return false;
        };
        *action == GuestAction::AwaitReady
    }

    /// `+` makes, `-` ends, `~` changes.
    #[must_use]
    pub fn sign(&self) -> char {
        match self {
            Self::Provider { action, .. } => match action {
                ProviderAction::Prepare { .. }
                | ProviderAction::ProvideImage { .. }
                | ProviderAction::CreateVolume { .. }
                | ProviderAction::CreateMachine { .. }
                | ProviderAction::ClaimMachine { .. } => '+',
                ProviderAction::GrowVolume { .. }
                | ProviderAction::StartMachine { .. }
                | ProviderAction::StopMachine { .. }
                | ProviderAction::PauseMachine { .. }
                | ProviderAction::MoveVolume { .. }
                | ProviderAction::ProtectMachine { .. }
                | ProviderAction::ResizeMachine { .. } => '~',
                ProviderAction::DeleteVolume { .. }
                | ProviderAction::DeleteMachine { .. }
                | ProviderAction::GiveBack { .. } => '-',
            },
            Self::Guest { action, .. } => match action {
                GuestAction::AwaitReady
                | GuestAction::Configure { .. }
                | GuestAction::PullImages { .. }
                | GuestAction::SyncCheckout { .. }
                | GuestAction::ApplyStack { .. }
                | GuestAction::StopStack { .. }
                | GuestAction::StartStack { .. } => '~',
                GuestAction::RemoveStack { .. } => '-',
            },
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider { provider, action } => write!(f, "{action} on {provider}"),
            Self::Guest { action, .. } => write!(f, "{action}"),
        }
    }
}

impl fmt::Display for ProviderAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare { part } => f.write_str(&part.making()),
            Self::ProvideImage { image } => write!(f, "provide {}", image.name),
            Self::CreateVolume { spec, copy_of, .. } => {
                let what = if copy_of.is_some() {
                    " as a copy of what is kept"
                } else {
                    ""
                };
                write!(f, "create {}{what}", mib(spec.size_mib))
            }
            Self::GrowVolume { size_mib, .. } => write!(f, "grow to {}", mib(*size_mib)),
            Self::DeleteVolume { .. } => f.write_str("delete with its data"),
            Self::CreateMachine { spec, beside, .. } => write!(
                f,
                "create {}{}, {} memory, {} disk from {}",
                if beside.is_some() {
                    "a second one: "
                } else {
                    ""
                },
                count(spec.cpus as usize, "cpu"),
                mib(spec.memory_mib),
                mib(spec.disk_mib),
                spec.image.name,
            ),
            Self::ClaimMachine { warm, .. } => write!(f, "claim {}", warm.env),
            Self::GiveBack { warm } => write!(f, "give back {}", warm.env),
            Self::PauseMachine { .. } => f.write_str("pause"),
            Self::MoveVolume { .. } => f.write_str("hand over to the other machine"),
            Self::StartMachine { .. } => f.write_str("start"),
            Self::StopMachine { .. } => f.write_str("stop"),
            Self::ResizeMachine {
                cpus, memory_mib, ..
            } => {
                write!(
                    f,
                    "resize to {}, {} memory",
                    count(*cpus as usize, "cpu"),
                    mib(*memory_mib)
                )
            }
            Self::ProtectMachine { is_protected, .. } => f.write_str(match is_protected {
                true => "protect from being ended",
                false => "take its protection off",
            }),
            Self::DeleteMachine { .. } => f.write_str("delete"),
        }
    }
}

impl fmt::Display for GuestAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitReady => f.write_str("wait until it is ready"),
            Self::Configure { spec, .. } => {
                write!(
                    f,
                    "set up for {} with {}",
                    spec.user,
                    count(spec.authorized_keys.len(), "key")
                )
            }
            Self::PullImages { spec, .. } => {
                let names: Vec<&str> = spec.images.iter().map(String::as_str).collect();
                write!(f, "pull {}", names.join(", "))
            }
            Self::SyncCheckout { spec, .. } => {
                let revision = spec.revision.as_ref().map_or("?", Revision::short);
                write!(
                    f,
                    "check out {} at {} ({revision})",
                    spec.url, spec.reference
                )
            }
            Self::ApplyStack { spec, .. } if spec.services.is_empty() => f.write_str("compose up"),
            Self::ApplyStack { spec, .. } => {
                let names: Vec<&str> = spec.services.iter().map(String::as_str).collect();
                write!(f, "compose up {}", names.join(", "))
            }
            Self::StopStack { .. } => f.write_str("compose stop"),
            Self::StartStack { .. } => f.write_str("compose start"),
            Self::RemoveStack { .. } => f.write_str("compose down"),
        }
    }
}

impl fmt::Display for Step {
    /// One line, without its number: `+ machine          create 2 cpus, … on lab  (missing)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:<16} {}  ({}",
            self.action.sign(),
            self.key,
            self.action,
            self.cause
        )?;
        for (i, field) in self.fields.iter().enumerate() {
            write!(f, "{} {field}", if i == 0 { ":" } else { "," })?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "! {:<16} held: {}; {}", self.key, self.what, self.reason)
    }
}

impl fmt::Display for Plan {
    /// One line per step, then one per held action; nothing at all for an empty plan.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        for held in &self.held {
            writeln!(f, "{held}")?;
        }
        Ok(())
    }
}
