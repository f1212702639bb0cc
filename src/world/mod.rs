//! All of the outside in memory, with faults: what the convergence tests run on.
//!
//! Every port is here: a source, providers with machines and volumes, the inside of machines, a
//! store, a clock whose hours pass in microseconds. A seed decides everything that is left to
//! chance, so that a run that failed can be run again. What must never be done is written down in
//! [`World::violations`] the moment it is done.
//!
//! **Never** decides like the reconciler does: it only has facts, laws and bad luck.

mod cloud;
pub mod declare;
mod dice;
mod guest;
mod meter;
mod provider;
mod site;
mod small;
mod source;
mod store;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use cloud::{Flavor, Thing};
pub use dice::Faults;
pub use meter::Metering;

use crate::model::{
    EnvName, HostHealth, LiveId, Object, ProviderName, Revision, Snapshot, Timestamp,
};
use crate::store::MemoryStore;

/// A world; clones are the same world.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
}

/// What can be broken on purpose, to see that it would be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The store keeps every intent that is written.
    Intents,
    /// A volume that is handed over leaves the one machine before it comes to the other.
    HandOver,
    /// A machine that was told to stop stops.
    Stop,
}

struct State {
    dice: dice::Dice,
    time: time::Time,
    clouds: BTreeMap<ProviderName, cloud::Cloud>,
    /// Every commit that was ever pushed and not forgotten.
    commits: BTreeMap<Revision, Arc<Snapshot>>,
    head: Option<Revision>,
    /// Where the branches of other repositories stand, by URL.
    branches: BTreeMap<String, Revision>,
    memory: Arc<MemoryStore>,
    broken: Option<Rule>,
    locked: BTreeSet<EnvName>,
    /// How long a provider takes to answer.
    answers_after: Duration,
    /// How long a step inside a machine takes.
    works_for: Duration,
    /// What machines use, as far as anybody has said.
    work: BTreeMap<LiveId, meter::Work>,
    ids: u64,
    violations: Vec<String>,
    deleted_volumes: Vec<Object>,
}

impl State {
    fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }
}

impl World {
    /// A world in which nothing goes wrong yet, with these providers.
    #[must_use]
    pub fn new(seed: u64, providers: &[(ProviderName, Flavor)]) -> Self {
        let clouds = providers
            .iter()
            .map(|(name, flavor)| (name.clone(), cloud::Cloud::new(*flavor)))
            .collect();
        let state = State {
            dice: dice::Dice::new(seed),
            time: time::Time::default(),
            clouds,
            commits: BTreeMap::new(),
            head: None,
            branches: BTreeMap::new(),
            memory: Arc::default(),
            broken: None,
            locked: BTreeSet::new(),
            answers_after: Duration::ZERO,
            works_for: Duration::ZERO,
            work: BTreeMap::new(),
            ids: 0,
            violations: Vec::new(),
            deleted_volumes: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these things go wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.state().dice.faults = faults;
    }

    /// From now on every call of a provider takes that long, one after another.
    pub fn answer_after(&self, time: Duration) {
        self.state().answers_after = time;
    }

    /// From now on that provider takes so long instead.
    pub fn slow_down(&self, provider: &ProviderName, time: Duration) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.answers_after = Some(time);
        }
    }

    /// From now on every step inside a machine takes that long, on each machine by itself.
    pub fn work_for(&self, time: Duration) {
        self.state().works_for = time;
    }

    /// The process dies at the so-many-th call of a port from now.
    pub fn crash_after(&self, calls: Option<u32>) {
        self.state().dice.crash_in = calls;
    }

    /// From now on that rule does not hold.
    pub fn break_rule(&self, rule: Rule) {
        self.state().broken = Some(rule);
    }

    /// What was done that must never be done.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Everything that really is on a provider, whatever its listing shows.
    #[must_use]
    pub fn objects(&self, provider: &ProviderName) -> Vec<Object> {
        let state = self.state();
        let cloud = state.clouds.get(provider);
        cloud.map(cloud::Cloud::truth).unwrap_or_default()
    }

    /// Volumes that were ended, ever, of those that a machine had at some time.
    #[must_use]
    pub fn deleted_volumes(&self) -> Vec<Object> {
        self.state().deleted_volumes.clone()
    }

    /// Puts something there that is not ours.
    pub fn put_foreign(&self, provider: &ProviderName, object: Object) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.put(object);
        }
    }

    /// Changes something behind our back.
    pub fn meddle(&self, provider: &ProviderName, id: &LiveId, change: impl FnOnce(&mut Thing)) {
        let mut state = self.state();
        let thing = state
            .clouds
            .get_mut(provider)
            .and_then(|c| c.things.get_mut(id));
        if let Some(thing) = thing {
            change(thing);
        }
    }

    /// Removes something behind our back.
    pub fn remove(&self, provider: &ProviderName, id: &LiveId) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.things.remove(id);
        }
    }

    /// A provider cannot be reached for so many calls.
    pub fn cut_off(&self, provider: &ProviderName, calls: u32) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.cut_off = calls;
        }
    }

    /// What is written on a volume.
    #[must_use]
    pub fn content(&self, provider: &ProviderName, id: &LiveId) -> Option<u64> {
        let state = self.state();
        Some(state.clouds.get(provider)?.things.get(id)?.content)
    }

    /// So much memory is left for further machines.
    pub fn leave_memory(&self, provider: &ProviderName, mib: Option<u64>) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.free_memory_mib = mib;
        }
    }

    /// A host says that it is so.
    pub fn set_health(&self, provider: &ProviderName, health: HostHealth) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.health = Some(health);
        }
    }

    /// So many further machines cannot be made there, because there is no room.
    pub fn fill(&self, provider: &ProviderName, machines: u32) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.full = machines;
        }
    }

    /// A whole number from chance, below the bound.
    #[must_use]
    pub fn roll(&self, bound: u32) -> u32 {
        self.state().dice.below(bound)
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().time.now
    }
}
