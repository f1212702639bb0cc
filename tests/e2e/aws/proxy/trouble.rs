//! What goes wrong, arranged by a test: how, on which calls, and how often.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::call::Call;
use super::refusal::Refusal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// EC2 says no, and does nothing.
    Refuse(Refusal),
    /// Something in between answers with a page for people, and nothing was done.
    Html,
    /// The connection ends before anything was done.
    Cut,
    /// It is done, and the connection ends without a word.
    Lose,
    /// It is done, and no answer ever comes.
    Hang,
}

/// The calls that it happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Action(&'static str),
    Changes,
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Often {
    Times(u32),
    /// Each time with that probability.
    Chance(f64),
    Always,
}

#[derive(Debug)]
pub struct Troubles {
    rules: Vec<(On, Often, Trouble)>,
    chance: StdRng,
    /// How often each action was asked for.
    pub calls: BTreeMap<String, u32>,
}

impl Troubles {
    pub fn new(seed: u64) -> Self {
        Self {
            rules: Vec::new(),
            chance: StdRng::seed_from_u64(seed),
            calls: BTreeMap::new(),
        }
    }

    pub fn arrange(&mut self, on: On, often: Often, trouble: Trouble) {
        self.rules.push((on, often, trouble));
    }

    pub fn calm(&mut self) {
        self.rules.clear();
    }

    /// Counts a call, and says what happens to it.
    pub fn met(&mut self, call: &Call) -> Option<Trouble> {
        *self.calls.entry(call.action.clone()).or_default() += 1;
        for (on, often, trouble) in &mut self.rules {
            let is_meant = match *on {
                On::Action(action) => call.action == action,
                On::Changes => call.is_change(),
                On::Everything => true,
            };
            if is_meant && happens(often, &mut self.chance) {
                return Some(trouble.clone());
            }
        }
        None
    }
}

fn happens(often: &mut Often, chance: &mut StdRng) -> bool {
    match often {
        Often::Always => true,
        Often::Chance(share) => chance.random_bool(*share),
        Often::Times(0) => false,
        Often::Times(left) => {
            *left -= 1;
            true
        }
    }
}
