//! Chance, and what goes wrong by it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How often what goes wrong, in percent of the calls concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// A provider refuses to be reached; it was not done.
    pub unreachable: u32,
    /// No answer: it was done or not, by chance.
    pub unanswered: u32,
    /// A machine cannot be made, because there is no room.
    pub full: u32,
    /// An inventory is partial and says so.
    pub partial: u32,
    /// A listing shows what was made or ended only after up to this many later inventories.
    pub lag: u32,
    /// A machine does not answer.
    pub silent: u32,
    /// The repository cannot be fetched.
    pub source: u32,
}

impl Faults {
    /// Everything goes wrong now and then.
    pub const ALL: Self = Self {
        unreachable: 6,
        unanswered: 10,
        full: 8,
        partial: 8,
        lag: 2,
        silent: 10,
        source: 8,
    };

    /// Only what no provider promises to be without: listings that lag.
    pub const LAG: Self = Self {
        unreachable: 0,
        unanswered: 0,
        full: 0,
        partial: 0,
        lag: 2,
        silent: 0,
        source: 0,
    };
}

pub(super) struct Dice {
    rng: StdRng,
    pub faults: Faults,
    pub crash_in: Option<u32>,
    pub has_crashed: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            crash_in: None,
            has_crashed: false,
        }
    }

    pub fn happens(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.random_range(0..100) < percent
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.rng.random_range(0..bound.max(1))
    }

    pub fn number(&mut self) -> u64 {
        self.rng.random()
    }

    /// Counts a call; whether the process dies at it.
    pub fn dies(&mut self) -> bool {
        match &mut self.crash_in {
            None => {}
            Some(0) => self.has_crashed = true,
            Some(calls) => *calls -= 1,
        }
        self.has_crashed
    }
}
