//! Time and chance, so that nothing below an adapter asks for them itself.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::{RunId, Timestamp, Token};

#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Comes back after that time. Waiting goes through here so that a world in memory, where
    /// hours pass in microseconds, needs no runtime of its own.
    async fn sleep(&self, time: Duration);
}

/// Makes what must be unique.
pub trait Ids: Send + Sync {
    /// **Guarantees.** Never the same twice; sorts by time of making.
    fn run(&self) -> RunId;
    /// **Guarantees.** Never the same twice; at most 64 ASCII characters.
    fn token(&self) -> Token;
}
