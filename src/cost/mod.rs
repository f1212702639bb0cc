//! What environments cost, computed from price lists of the repository and declared hours.
//!
//! Pure. Nothing here is billed by anybody: it is what the declared prices come to for the hours
//! that office hours and lifetimes leave. What has no price says so and never counts as nothing;
//! amounts of different currencies are never added.
//!
//! In reading order: [`sum`] keeps amounts apart, [`rate`] says what things cost an hour, [`hours`]
//! how many hours a month leaves, [`life`] what an environment comes to; [`budget`] says who fits,
//! [`ledger`] puts all of it together, [`mod@change`] tells a plan's before and after.
//! A calendar month is one of UTC, whatever zone office hours name.

pub mod budget;
pub mod change;
pub mod hours;
pub mod ledger;
pub mod life;
pub mod rate;
pub mod sum;

pub use budget::{Account, MadeFrom, Ruling, Standing};
pub use change::{Change, change};
pub use hours::Window;
pub use ledger::{By, Calendar, Ledger, Line};
pub use life::{Costs, Life};
pub use rate::{SeenMachine, Size, Tariff, price_per_hour};
pub use sum::Sum;
