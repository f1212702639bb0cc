//! When an environment is awake: office hours, holidays, and the end of its life.
//!
//! Pure: an answer depends on the instant it is asked for and on nothing else. Nothing here reads a
//! clock, the environment or a file; the time zone database is the one that is built in, never the
//! machine's, so that every machine gives the same answer and a test can ask for any year.
//!
//! Nothing is remembered either. The caller asks what holds *now* and when that changes, and asks
//! again then; an outage in between needs no catching up.
//!
//! **Assumptions.** Hours are wall-clock times of one zone, in whole minutes. All calculations with
//! dates, weeks and zones are those of the library that knows them. A government that changes its
//! clocks after this program was built is not known here until the program is built again.

mod awake;
mod days;
mod error;
pub mod holidays;
mod hours;
pub mod lifetime;
mod window;
mod zone;

pub use awake::State;
pub use error::HoursError;
pub use holidays::{Holidays, HolidaysError};
pub use hours::OfficeHours;
pub use window::Window;
pub use zone::Zone;
