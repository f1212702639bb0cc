//! How much environments use: what is asked, how it is kept, and which of them are idle.
//!
//! Pure, in reading order: [`rate`] makes samples of counters, [`series`] keeps them at a bounded
//! resolution, [`idle`] says who is not used, [`machine`] which machines are measured. Over ports:
//! [`ask`] asks within a time, [`once`] looks for a person who waits, [`sampler`] is the task of
//! `metrom serve`, which fills the [`ledger`].
//!
//! **Never** changes anything but its own notes: what is measured here decides nothing elsewhere.

pub mod ask;
pub mod idle;
pub mod ledger;
pub mod machine;
pub mod once;
pub mod rate;
pub mod sampler;
pub mod series;

pub use ask::Ask;
pub use ledger::{Known, Ledger};
pub use machine::{Machine, machines};
pub use once::{ContainerUse, Depth, Now, Watch};
pub use sampler::Sampler;
pub use series::{Resolution, Series};
