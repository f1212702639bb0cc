//! From what providers and the machine reported to the state of one environment.
//!
//! Only sorts and names; no decision is made here. Several live objects may claim one key, and what
//! could not be seen stays a gap.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    EnvName, Gap, Inventory, Key, Live, LiveFields, LiveId, LiveMachine, Object, Observed,
    OwnerName, ProviderName, Scope, Stamp, Timestamp,
};
use crate::port::GuestReport;

/// Everything of an environment on a provider is called by this name, or by it, a dot and more.
#[must_use]
pub fn reserved_name(env: &EnvName) -> String {
    format!("metrom-{env}")
}

/// The inventories of all providers at one instant, indexed so that looking up one environment
/// costs nothing of the others.
#[derive(Debug, Default)]
pub struct Inventories {
    all: Vec<Inventory>,
    /// Where in `all` the stamped objects of an environment are.
    stamped: BTreeMap<(OwnerName, EnvName), Vec<(usize, usize)>>,
    /// Whose warm machines there are.
    pools: BTreeMap<OwnerName, BTreeSet<EnvName>>,
    /// Where machines are, by the name that the provider shows.
    machines: BTreeMap<String, Vec<(usize, usize)>>,
}

impl Inventories {
    #[must_use]
    pub fn new(all: Vec<Inventory>) -> Self {
        let mut index = Self::default();
        for (i, inventory) in all.iter().enumerate() {
            for (j, object) in inventory.objects.iter().enumerate() {
                index.note((i, j), object);
            }
        }
        index.all = all;
        index
    }

    fn note(&mut self, place: (usize, usize), object: &Object) {
        if let Some(Stamp { owner, env, .. }) = &object.stamp {
            let whose = (owner.clone(), env.clone());
            self.stamped.entry(whose).or_default().push(place);
            if env.is_of_pool() {
                let members = self.pools.entry(owner.clone()).or_default();
                members.insert(env.clone());
            }
        }
        if matches!(object.fields, LiveFields::Machine(_)) {
            let name = object.name.clone();
            self.machines.entry(name).or_default().push(place);
        }
    }

    /// The environments of that owner of which something is live.
    #[must_use]
    pub fn environments(&self, owner: &OwnerName) -> BTreeSet<EnvName> {
        let of_owner = self.stamped.keys().filter(|(o, _)| o == owner);
        of_owner.map(|(_, env)| env.clone()).collect()
    }

    /// The environments of that owner that have a machine.
    #[must_use]
    pub fn with_machine(&self, owner: &OwnerName) -> BTreeSet<EnvName> {
        let is_machine = |place: &(usize, usize)| {
            let stamp = self.live_at(place).0.stamp.as_ref();
            stamp.is_some_and(|stamp| stamp.key == Key::Machine)
        };
        let of_owner = self.stamped.iter().filter(|((o, _), _)| o == owner);
        let with_machine = of_owner.filter(|(_, places)| places.iter().any(is_machine));
        with_machine.map(|((_, env), _)| env.clone()).collect()
    }

    /// The environments of that owner by the place where something of them is, warm machines apart.
    #[must_use]
    pub fn living(&self, owner: &OwnerName) -> BTreeMap<ProviderName, BTreeSet<EnvName>> {
        let mut living: BTreeMap<ProviderName, BTreeSet<EnvName>> = BTreeMap::new();
        for ((_, env), places) in self.stamped.iter().filter(|((o, _), _)| o == owner) {
            for place in places.iter().filter(|_| !env.is_of_pool()) {
                let provider = self.live_at(place).1.clone();
                living.entry(provider).or_default().insert(env.clone());
            }
        }
        living
    }

    #[must_use]
    pub fn of_provider(&self, provider: &ProviderName) -> Option<&Inventory> {
        self.all.iter().find(|i| i.provider == *provider)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Inventory> {
        self.all.iter()
    }

    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.all.iter().flat_map(|inventory| &inventory.gaps)
    }

    /// The providers that reported without a gap.
    #[must_use]
    pub fn complete(&self) -> BTreeSet<ProviderName> {
        let whole = self.all.iter().filter(|i| i.gaps.is_empty());
        whole.map(|i| i.provider.clone()).collect()
    }

    /// Whose data volumes a provider has.
    pub(super) fn data_of(&self, provider: &ProviderName) -> BTreeSet<(OwnerName, EnvName)> {
        let objects = self.of_provider(provider).map(|i| &i.objects[..]);
        let stamps = objects
            .unwrap_or_default()
            .iter()
            .filter_map(|o| o.stamp.as_ref());
        let of_data = stamps.filter(|stamp| matches!(stamp.key, Key::Volume(_)));
        of_data
            .map(|stamp| (stamp.owner.clone(), stamp.env.clone()))
            .collect()
    }

    /// What is live of an environment, and where.
    pub(super) fn of_environment(
        &self,
        owner: &OwnerName,
        env: &EnvName,
    ) -> impl Iterator<Item = (&Object, &ProviderName)> {
        let places = self.stamped.get(&(owner.clone(), env.clone()));
        let places = places.into_iter().flatten();
        places.map(|place| self.live_at(place))
    }

    /// The warm machines of that owner on a provider.
    pub(super) fn warm(
        &self,
        owner: &OwnerName,
        provider: &ProviderName,
    ) -> impl Iterator<Item = (&LiveId, &Stamp, &LiveMachine)> {
        let members = self.pools.get(owner).into_iter().flatten();
        let objects = members.flat_map(|env| self.of_environment(owner, env));
        let here = objects.filter(move |(_, p)| *p == provider);
        here.filter_map(|(object, _)| {
            let machine = object.fields.as_machine()?;
            Some((&object.id, object.stamp.as_ref()?, machine))
        })
    }

    /// When the first machine of an environment was made, as far as its machines know.
    pub(super) fn born(&self, owner: &OwnerName, env: &EnvName) -> Option<Timestamp> {
        let places = self.stamped.get(&(owner.clone(), env.clone()));
        let objects = places
            .into_iter()
            .flatten()
            .map(|place| self.live_at(place).0);
        let stamps = objects.filter_map(|object| object.stamp.as_ref());
        let of_machines = stamps.filter(|stamp| stamp.key == Key::Machine);
        of_machines
            .map(|stamp| stamp.born.unwrap_or(stamp.created))
            .min()
    }

    fn live_at(&self, &(i, j): &(usize, usize)) -> (&Object, &ProviderName) {
        (&self.all[i].objects[j], &self.all[i].provider)
    }
}

/// What providers know of one environment; what is inside its machine comes by [`add_guest`].
#[must_use]
pub fn assemble(
    inventories: &Inventories,
    owner: &OwnerName,
    env: &EnvName,
    target: Option<&ProviderName>,
) -> Observed {
    let mut observed = Observed {
        gaps: inventories.gaps().cloned().collect(),
        ..Observed::default()
    };
    if let Some(inventory) = target.and_then(|t| inventories.of_provider(t)) {
        observed.missing = inventory.missing.clone();
        observed.images = inventory.images.clone();
        observed.free_memory_mib = inventory.free_memory_mib;
    } else if let Some(target) = target {
        observed.gaps.push(Gap {
            scope: Scope::Provider(target.clone()),
            reason: format!("{target} has not been asked what is there"),
        });
    }
    let whose = (owner.clone(), env.clone());
    for place in inventories.stamped.get(&whose).into_iter().flatten() {
        let (object, provider) = inventories.live_at(place);
        if let Some(stamp) = &object.stamp {
            add(&mut observed, stamp.key.clone(), object, provider);
        }
    }
    for place in inventories
        .machines
        .get(&reserved_name(env))
        .into_iter()
        .flatten()
    {
        let (object, provider) = inventories.live_at(place);
        // One that was claimed keeps the name under which it was made.
        let is_ours = object.stamp.as_ref().is_some_and(|s| s.owner == *owner);
        let is_in_the_way = inventories.all[place.0].has_unique_names;
        if !is_ours && is_in_the_way && Some(provider) == target {
            let foreign = Object {
                stamp: None,
                ..object.clone()
            };
            add(&mut observed, Key::Machine, &foreign, provider);
        }
    }
    observed
}

fn add(observed: &mut Observed, key: Key, object: &Object, provider: &ProviderName) {
    observed.live.entry(key).or_default().push(Live {
        id: object.id.clone(),
        provider: Some(provider.clone()),
        fields: object.fields.clone(),
        stamp: object.stamp.clone(),
    });
}

/// Adds what the machine said of itself. What it was before it was claimed counts for nothing; a
/// checkout is whosesoever data it lies in.
pub fn add_guest(observed: &mut Observed, report: GuestReport, owner: &OwnerName, env: &EnvName) {
    observed.gaps.extend(report.gaps);
    for (key, (fields, stamp)) in report.live {
        let is_data = matches!(key, Key::Checkout(_));
        let stamp = stamp.filter(|stamp| is_data || stamp.is_of(owner, env));
        let live = Live {
            id: LiveId(key.to_string()),
            provider: None,
            fields,
            stamp,
        };
        observed.live.entry(key).or_default().push(live);
    }
}

/// Notes that nothing is known of the inside of the machine, and why.
pub fn add_guest_gap(observed: &mut Observed, reason: String) {
    observed.gaps.push(Gap {
        scope: Scope::Guest,
        reason,
    });
}
