//! Warm machines: made ahead, paused when they are ready, claimed by whoever needs one, given back
//! where there is no room for anything else. Pure.

use super::compare::POWER;
use super::keeper;
use super::observe::Inventories;
use crate::manifest::Catalog;
use crate::model::{
    Cause, Change, Desired, Effect, FieldChange, Key, Live, LiveMachine, Observed, Pool, Power,
    Scope, Warm,
};

/// Of everything that differs on a warm machine, what is to be done: when nothing is left, it is
/// paused, and once it is, what is in it is not asked for again.
#[must_use]
pub fn left_to_do(desired: &Desired, observed: &Observed, all: Vec<Change>) -> Vec<Change> {
    if rests(desired, observed) {
        let is_other = |change: &Change| change.fields.iter().any(|f| f.field != POWER);
        return all.into_iter().filter(is_other).collect();
    }
    match machine(desired, observed) {
        Some((live, LiveMachine { power, .. })) if *power == Power::Running => {
            let is_done = all.is_empty() && observed.gap(&Scope::Guest).is_none();
            if is_done { vec![pause(live)] } else { all }
        }
        Some(_) | None => all,
    }
}

/// Whether a warm machine is paused and was ready for what is declared when it was.
#[must_use]
pub fn rests(desired: &Desired, observed: &Observed) -> bool {
    let Some((_, machine)) = machine(desired, observed).filter(|_| desired.pool == Pool::Member)
    else {
        return false;
    };
    let is_ready = machine.ready.as_ref() == Some(&desired.fingerprint());
    is_ready && machine.power == Power::Paused
}

fn machine<'a>(desired: &Desired, observed: &'a Observed) -> Option<(&'a Live, &'a LiveMachine)> {
    let live = keeper::machine(desired, observed)?;
    Some((live, live.fields.as_machine()?))
}

fn pause(live: &Live) -> Change {
    Change {
        key: Key::Machine,
        id: Some(live.id.clone()),
        provider: live.provider.clone(),
        cause: Cause::Ready,
        fields: vec![FieldChange {
            field: POWER,
            from: Power::Running.to_string(),
            to: Power::Paused.to_string(),
            effect: Effect::InPlace,
        }],
    }
}

/// The warm machines where an environment is to be, if it is not one of them itself.
#[must_use]
pub fn unclaimed(inventories: &Inventories, desired: &Desired) -> Vec<Warm> {
    let (claims, provider) = match (&desired.pool, &desired.provider) {
        (Pool::Member, _) | (_, None) => return Vec::new(),
        (Pool::None, Some(provider)) => (None, provider),
        (Pool::Claims(members), Some(provider)) => (Some(members), provider),
    };
    let wanted = desired.resources.get(&Key::Machine).map(|r| &r.digest);
    let all = inventories.warm(&desired.owner, provider);
    let warm = all.map(|(id, stamp, machine)| {
        let is_meant = claims.is_some_and(|claims| claims.contains(&stamp.env));
        let is_same = stamp.digest.is_some() && stamp.digest.as_ref() == wanted;
        let is_paused = machine.power == Power::Paused && machine.ready.is_some();
        Warm {
            id: id.clone(),
            env: stamp.env.clone(),
            memory_mib: match machine.power {
                Power::Stopped => 0,
                Power::Running | Power::Paused => machine.memory_mib,
            },
            is_ready: is_meant && is_same && is_paused,
        }
    });
    warm.collect()
}

/// Orders the machines so that many environments that want one at once do not all want the same: each
/// has its turn among those that have no machine.
pub fn take_turns(
    observed: &mut Observed,
    catalog: &Catalog,
    inventories: &Inventories,
    desired: &Desired,
) {
    if !observed.warm.iter().any(|warm| warm.is_ready) || observed.has_machine() {
        return;
    }
    let (ready, other): (Vec<Warm>, Vec<Warm>) =
        observed.warm.drain(..).partition(|warm| warm.is_ready);
    let made = inventories.with_machine(&desired.owner);
    let before = catalog.names().take_while(|name| **name < desired.env);
    let before = before.filter(|name| !name.is_of_pool() && !made.contains(*name));
    let turn = before.count() % ready.len();
    let (first, then) = (&ready[turn..], &ready[..turn]);
    observed.warm = [first, then, &other].concat();
}

/// Whether it was claimed for the environment and not all of that was done: it is claimed again.
#[must_use]
pub fn is_half_claimed(desired: &Desired, live: &Live) -> bool {
    let machine = live.fields.as_machine();
    desired.pool != Pool::Member && machine.is_some_and(|machine| machine.ready.is_some())
}

/// The machine to be claimed in place of a new one.
#[must_use]
pub fn choice(observed: &Observed) -> Option<&Warm> {
    observed.warm.iter().find(|warm| warm.is_ready)
}

/// The same machines, for a second machine that is tried: one that is made ahead has no volumes in
/// place of the data.
#[must_use]
pub fn not_to_be_claimed(warm: &[Warm]) -> Vec<Warm> {
    let other = |warm: &Warm| Warm {
        is_ready: false,
        ..warm.clone()
    };
    warm.iter().map(other).collect()
}

/// The machines to be given back, so that there is room for one of that size; none when it would not
/// suffice. Those that are not ready go first.
#[must_use]
pub fn in_the_way(observed: &Observed, memory_mib: u64) -> Vec<&Warm> {
    let free = observed.free_memory_mib.unwrap_or(u64::MAX);
    let mut lacking = memory_mib.saturating_sub(free);
    let mut warm: Vec<&Warm> = observed.warm.iter().collect();
    warm.sort_by_key(|warm| (warm.is_ready, &warm.env));
    let mut going = Vec::new();
    for warm in warm {
        if lacking == 0 {
            break;
        }
        lacking = lacking.saturating_sub(warm.memory_mib);
        going.push(warm);
    }
    match lacking {
        0 => going,
        _ => Vec::new(),
    }
}
