//! The ports: the only places where the outside enters.
//!
//! Each file is one port: its traits, what passes through it, and its error. Adapters implement
//! them (`source`, `provider`, `guest`, `image`, `store`), `world` fakes them all, `reconcile` uses
//! them and knows nothing else. Reading and writing are different traits, so that what only plans
//! cannot write by mistake: it was never given anything that can.

pub mod carrier;
pub mod clock;
pub mod guest;
pub mod host;
pub mod image;
pub mod journal;
pub mod locks;
pub mod meter;
pub mod provider;
pub mod secrets;
pub mod seed;
pub mod source;
pub mod store;

pub use carrier::{Carrier, NoCarrier, NoRoute, Routes};
pub use clock::{Clock, Ids};
pub use guest::{GuestActuator, GuestError, GuestObserver, GuestReport, GuestTarget};
pub use host::{Observers, Providers};
pub use image::{ImageError, ImageFiles, Images};
pub use journal::{Journal, Silent};
pub use locks::{Lock, LockError, Locks};
pub use meter::Meter;
pub use provider::{Actuator, Made, Observer, ProviderError};
pub use secrets::{SecretError, Secrets};
pub use seed::{Seed, SeedError, SeedMaker, SeedRequest};
pub use source::{Refs, Source, SourceError};
pub use store::{Store, StoreError};
