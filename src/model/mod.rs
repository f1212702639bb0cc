//! The vocabulary of Metrom: plain data that every other module speaks.
//!
//! Pure: no IO, no clock, no randomness, no environment. A type lives here when more than one
//! room needs it; behaviour that decides lives in `reconcile`, behaviour that acts in an adapter.

pub mod bastion;
pub mod bucket;
pub mod change;
pub mod desired;
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod health;
pub mod intent;
pub mod key;
pub mod memo;
pub mod money;
pub mod name;
pub mod observed;
pub mod part;
pub mod plan;
pub mod run;
pub mod snapshot;
pub mod stamp;
pub mod text;
pub mod usage;

pub use bastion::Bastion;
pub use bucket::Bucket;
pub use change::{Cause, Change, Effect, FieldChange};
pub use desired::{
    Boot, BuildRecipe, CheckoutSpec, ComposeSource, ContainersSpec, Desired, Elsewhere,
    FileContent, GuestSpec, ImageOrigin, ImageSpec, MachineSpec, Market, Pool, Purse,
    RegisteredImage, RegistryLogin, RegistrySpec, Resource, SecretRef, Spec, StackSpec, Strategy,
    Update, Variable, VolumeSpec, Waking, WakingBy,
};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use digest::Digest;
pub use event::{Event, EventKind};
pub use health::{HealthWarning, HostHealth, Space};
pub use intent::{Intent, IntentState, Token};
pub use key::Key;
pub use memo::{Announced, Failure, Memo, MemoKind, Memos, Phoenix, Placing, Suspension, Wish};
pub use money::{Amount, Currency, Money, MoneyError};
pub use name::{EnvName, ImageName, NameError, OwnerName, ProjectName, ProviderName, TemplateName};
pub use observed::{
    About, Gap, Health, Inventory, KeptAddress, Live, LiveCheckout, LiveFields, LiveId,
    LiveMachine, LiveService, LiveStack, LiveVolume, Object, Observed, Power, Scope, Warm,
};
pub use part::Part;
pub use plan::{
    Action, Beside, GuestAction, Held, Placed, Plan, ProviderAction, Risk, Step, StepId, Subject,
};
pub use run::{Class, Outcome, Phase, Run, RunId, RunState, StepRecord, Trigger};
pub use snapshot::{Entry, RepoPath, Revision, Snapshot};
pub use stamp::Stamp;
pub use usage::{ContainerReading, Counters, CpuTime, Reading, Sample, Usage};

/// An instant in UTC. Pure code receives it as a value and never asks a clock.
pub type Timestamp = jiff::Timestamp;
