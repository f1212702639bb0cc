//! Time and chance, so that nothing below an adapter asks for them itself.

use crate::model::{RunId, Timestamp, Token};

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Makes what must be unique.
pub trait Ids: Send + Sync {
    /// **Guarantees.** Never the same twice; sorts by time of making.
    fn run(&self) -> RunId;
    /// **Guarantees.** Never the same twice; at most 64 ASCII characters.
    fn token(&self) -> Token;
}
