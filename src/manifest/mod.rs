//! From files to what should be: the repository that users write, read with all its faults.
//!
//! ```text
//! Snapshot ── load ──► Catalog (with diagnostics) ── render(env, now, facts) ──► Desired
//! ```
//!
//! Pure: no IO, no clock. In reading order: [`schema`] is what people write; [`yaml`] reads text
//! into values that know their place; `shape` holds them against the schema; [`mod@load`] finds the
//! documents and follows what they refer to; [`compose`] reads the little that is wanted of compose
//! files; [`mod@render`] answers what should be at an instant; [`scaffold`] writes new environments.

mod catalog;
pub mod compose;
mod difference;
mod finding;
mod load;
mod parameter;
mod render;
mod resolve;
pub mod scaffold;
pub mod schema;
mod shape;
pub mod yaml;

pub use catalog::{
    Catalog, DeclaredBudget, Environment, Repository, Rules, StackFiles, Standing, Template, Whose,
};
pub use difference::{Changed, Difference, What, differences};
pub use load::{Loader, load};
pub use render::{Facts, references, render};
pub use resolve::{Machine, Places};
pub use schema::Policies;
