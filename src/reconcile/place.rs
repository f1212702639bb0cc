//! Which of several places an environment is given, and why. Pure.
//!
//! Where anything of it lives, it stays. What lives nowhere yet gets the first place with room, in the
//! order of [`super::prefer`]; a place that had none when something was to be made there is passed
//! over for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::apply::Outcomes;
use super::observe::Inventories;
use super::prefer::Ranked;
use crate::manifest::{Machine, Places};
use crate::model::text::{mib, minute};
use crate::model::{
    Action, Class, EnvName, Failure, Intent, IntentState, Key, Live, LiveFields, LiveId, Observed,
    Outcome, OwnerName, Placed, Placing, Plan, Power, ProviderAction, ProviderName, Timestamp,
};

/// So long a place is passed over that had no room.
pub const PASSED_OVER: Duration = Duration::from_secs(3600);

/// The memory that is left on each provider, in MiB, less what was given away already. A provider that
/// is not in it has no end that is known.
#[derive(Debug, Clone, Default)]
pub struct Room(BTreeMap<ProviderName, u64>);

impl Room {
    /// What is left, with what warm machines would give back.
    #[must_use]
    pub fn of(inventories: &Inventories, owner: &OwnerName) -> Self {
        let left = inventories.iter().filter_map(|inventory| {
            let provider = &inventory.provider;
            let warm = inventories.warm(owner, provider);
            let held = warm.filter(|(_, _, machine)| machine.power != Power::Stopped);
            let held: u64 = held.map(|(_, _, machine)| machine.memory_mib).sum();
            Some((provider.clone(), inventory.free_memory_mib? + held))
        });
        Self(left.collect())
    }

    /// Gives it away.
    pub fn take(&mut self, machine: &Machine) {
        if let Some(left) = self.0.get_mut(&machine.provider) {
            *left = left.saturating_sub(machine.memory_mib);
        }
    }

    /// Why there is not enough for a machine.
    fn objection(&self, machine: &Machine) -> Option<String> {
        let left = *self.0.get(&machine.provider)?;
        (left < machine.memory_mib).then(|| {
            format!(
                "{} is {} of memory short",
                machine.provider,
                mib(machine.memory_mib - left)
            )
        })
    }
}

/// What is known of one environment that decides where it is.
#[derive(Debug, Default)]
pub struct Roots {
    /// Where its data is.
    data: BTreeSet<ProviderName>,
    /// Where a machine of it is.
    machines: BTreeSet<ProviderName>,
    /// Where something of it was begun and may be.
    begun: BTreeSet<ProviderName>,
    /// Where a machine of it was made, whether or not it is listed yet.
    made: BTreeSet<ProviderName>,
    /// Where it may be for all that is known, and why nobody knows.
    hidden: BTreeMap<ProviderName, String>,
}

impl Roots {
    /// What the inventories and the notes say of it. `empty_when_seen`: the providers out of sight
    /// that had no data of it when they were last seen.
    #[must_use]
    pub fn of(
        inventories: &Inventories,
        (owner, env): (&OwnerName, &EnvName),
        intents: &[Intent],
        placing: Option<&Placing>,
        empty_when_seen: &BTreeSet<ProviderName>,
    ) -> Self {
        let mut roots = Self::default();
        for (object, provider) in inventories.of_environment(owner, env) {
            let created = object.stamp.as_ref().map(|stamp| stamp.created);
            match &object.fields {
                LiveFields::Machine(_) => roots.machines.insert(provider.clone()),
                LiveFields::Volume(_) if !is_fresh(placing, provider, created) => {
                    roots.data.insert(provider.clone())
                }
                LiveFields::Volume(_)
                | LiveFields::Guest
                | LiveFields::Checkout(_)
                | LiveFields::Stack(_) => false,
            };
        }
        for Intent {
            key,
            provider,
            state,
            ..
        } in intents
        {
            // A volume for a machine that then had no room keeps nobody there.
            let is_idle = placing.is_some_and(|placing| placing.short.contains_key(provider));
            match (state, *key == Key::Machine) {
                (IntentState::Confirmed { .. }, true) => roots.made.insert(provider.clone()),
                (IntentState::Ambiguous, true) => roots.begun.insert(provider.clone()),
                (_, false) if is_idle => false,
                (_, false) => roots.begun.insert(provider.clone()),
            };
        }
        for inventory in inventories.iter() {
            let gap = inventory.gaps.first();
            let gap = gap.filter(|_| !empty_when_seen.contains(&inventory.provider));
            if let Some(gap) = gap {
                let provider = inventory.provider.clone();
                roots.hidden.insert(provider, gap.reason.clone());
            }
        }
        roots
    }

    /// Whether anything of it is there, was begun there, or may be there unseen.
    #[must_use]
    pub fn may_be_at(&self, place: &ProviderName) -> bool {
        let known = [&self.data, &self.machines, &self.begun, &self.made];
        known.iter().any(|there| there.contains(place)) || self.hidden.contains_key(place)
    }

    /// Whether it lives nowhere that is known, and nothing of it was begun.
    #[must_use]
    pub fn is_new(&self) -> bool {
        [&self.data, &self.machines, &self.begun, &self.made]
            .iter()
            .all(|there| there.is_empty())
    }
}

/// Whether a volume was made for a machine that then had no room, so that nothing was ever written
/// to it.
fn is_fresh(
    placing: Option<&Placing>,
    provider: &ProviderName,
    created: Option<Timestamp>,
) -> bool {
    let Some(placing) = placing.filter(|placing| placing.short.contains_key(provider)) else {
        return false;
    };
    // Whole seconds: a provider's stamp may be no finer.
    created.is_some_and(|created| created.as_second() >= placing.since.as_second())
}

/// The volumes that were made for a machine that then had no room, and which no machine has.
#[must_use]
pub fn fresh(observed: &Observed, placing: Option<&Placing>) -> BTreeSet<(ProviderName, LiveId)> {
    let machines = observed.live.get(&Key::Machine).into_iter().flatten();
    let ours: Vec<&Live> = machines.filter(|live| live.stamp.is_some()).collect();
    let is_used = |live: &Live| ours.iter().any(|machine| machine.provider == live.provider);
    let volumes = observed.live.iter();
    let volumes = volumes.filter(|(key, _)| matches!(key, Key::Volume(_)));
    let fresh = volumes.flat_map(|(_, claims)| claims).filter_map(|live| {
        let created = live.stamp.as_ref().map(|stamp| stamp.created);
        let provider = live.provider.clone()?;
        let is_fresh = is_fresh(placing, &provider, created) && !is_used(live);
        is_fresh.then(|| (provider, live.id.clone()))
    });
    fresh.collect()
}

/// The place that an environment is given.
#[must_use]
pub fn choose(
    ranked: &Ranked<'_>,
    roots: &Roots,
    placing: Option<&Placing>,
    room: &Room,
    now: Timestamp,
) -> Placed {
    let places = ranked.places;
    if let Some(placed) = rooted(places, roots) {
        return placed;
    }
    let mut against: Vec<String> = places.barred.iter().map(|(_, why)| why.clone()).collect();
    for candidate in ranked.iter() {
        let machine = candidate.machine;
        let objection = had_no_room(machine, placing, now).or_else(|| room.objection(machine));
        match objection {
            Some(reason) => against.push(reason),
            None => {
                return Placed {
                    price_per_hour: candidate.price,
                    ..at(machine, ranked.because(candidate, against))
                };
            }
        }
    }
    let reasons = against.join("; ");
    Placed {
        unplaced: Some(format!(
            "no place has room: {reasons}; it is made when one has, or name another in `placement`"
        )),
        ..at(ranked.first(), reasons)
    }
}

fn at(machine: &Machine, because: String) -> Placed {
    Placed {
        at: machine.provider.clone(),
        because,
        price_per_hour: None,
        unplaced: None,
    }
}

/// The place where it lives, or may live.
fn rooted(places: &Places, roots: &Roots) -> Option<Placed> {
    let Roots {
        data,
        machines,
        begun,
        made,
        hidden,
    } = roots;
    let first = |among: &BTreeSet<ProviderName>| {
        let mut named = places.machines.iter();
        named.find(|machine| among.contains(&machine.provider))
    };
    let both = data.intersection(machines).cloned().collect();
    let lives = [
        (&both, "its data is there"),
        (machines, "its machine is there"),
        (data, "its data is there"),
        (made, "its machine was made there"),
        (begun, "it was begun there"),
    ];
    for (there, because) in lives {
        if let Some(machine) = first(there) {
            return Some(at(machine, because.to_owned()));
        }
    }
    let mut named = places.machines.iter();
    named.find_map(|machine| {
        let reason = hidden.get(&machine.provider)?;
        Some(at(machine, format!("it may be there: {reason}")))
    })
}

/// Why a place is passed over that had no room not long ago.
fn had_no_room(machine: &Machine, placing: Option<&Placing>, now: Timestamp) -> Option<String> {
    let provider = &machine.provider;
    let short = placing?.short.get(provider)?;
    let again = short.at.checked_add(PASSED_OVER).ok()?;
    (now < again).then(|| {
        format!(
            "{provider} had no room at {} ({}), and is asked again at {}",
            minute(short.at),
            short.reason,
            minute(again)
        )
    })
}

/// The attempt to place an environment, as it is to be remembered before this plan is done; `None` when
/// there is nothing to be remembered.
///
/// A place is in it from before the first machine is to be made there until one is seen there.
#[must_use]
pub fn placing(
    before: Option<&Placing>,
    roots: &Roots,
    plan: &Plan,
    fresh: &BTreeSet<(ProviderName, LiveId)>,
    now: Timestamp,
) -> Option<Placing> {
    let mut placing = match before {
        Some(before) => before.clone(),
        None if roots.is_new() => Placing {
            since: now,
            begun: BTreeSet::new(),
            short: BTreeMap::new(),
        },
        None => return None,
    };
    for provider in roots.machines.iter().chain(&roots.made) {
        placing.begun.remove(provider);
        placing.short.remove(provider);
    }
    let lives = !roots.machines.is_empty() || !roots.made.is_empty();
    if let Some(provider) = making(plan) {
        placing.short.remove(provider);
        if !lives && (roots.is_new() || placing.begun.contains(provider)) {
            placing.begun.insert(provider.clone());
        }
    }
    // What cannot be seen may have some that are fresh.
    let is_over = lives && fresh.is_empty() && roots.hidden.is_empty();
    let is_begun = !placing.begun.is_empty() || !placing.short.is_empty();
    (is_begun && !is_over).then_some(placing)
}

/// Where a plan makes a machine.
fn making(plan: &Plan) -> Option<&ProviderName> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Provider {
            provider,
            action: ProviderAction::CreateMachine { .. } | ProviderAction::ClaimMachine { .. },
        } => Some(provider),
        Action::Provider { .. } | Action::Guest { .. } => None,
    })
}

/// The same, after a place turned out to have no room; `None` when that says nothing.
#[must_use]
pub fn without_room(
    placing: &Placing,
    plan: &Plan,
    outcomes: &Outcomes,
    now: Timestamp,
) -> Option<Placing> {
    let (provider, reason) = outcomes.iter().find_map(|(id, outcome)| match outcome {
        Outcome::Failed {
            class: Class::NoRoom,
            chain,
            ..
        } => {
            let Action::Provider { provider, .. } = &plan.step(*id)?.action else {
                return None;
            };
            let reason = chain.lines().next().unwrap_or_default().to_owned();
            placing
                .begun
                .contains(provider)
                .then_some((provider, reason))
        }
        Outcome::Failed { .. } | Outcome::Done { .. } | Outcome::Skipped { .. } => None,
    })?;
    let mut placing = placing.clone();
    let failure = Failure { at: now, reason };
    placing.short.insert(provider.clone(), failure);
    Some(placing)
}
