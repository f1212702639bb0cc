//! What a plan makes dearer or cheaper: a whole month of what is there, before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::budget::MadeFrom;
use super::hours::Window;
use super::life::Life;
use super::rate::{SeenMachine, Tariff};
use super::sum::Sum;
use crate::manifest::schema::ProviderSpec;
use crate::model::{
    Action, Desired, LiveFields, LiveId, MachineSpec, Observed, Plan, ProviderAction, ProviderName,
    Timestamp,
};

/// What a whole month of one environment costs before a plan is done, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub before: Sum,
    pub after: Sum,
}

/// A machine or a volume that costs.
#[derive(Clone)]
enum Thing {
    Machine {
        provider: ProviderName,
        cpus: u32,
        memory_mib: u64,
        /// `None`: nobody knows.
        disk_mib: Option<u64>,
    },
    Volume {
        provider: ProviderName,
        size_mib: u64,
    },
}

/// Things by their place and, since a machine is called the same on each host, their id there, or what
/// is about to be made.
type Things = BTreeMap<(ProviderName, String), Thing>;

/// What the plan changes about the cost of a month; `None` when nothing.
///
/// `open`: when the machine runs, in the month of `now`.
#[must_use]
pub fn change(
    plan: &Plan,
    desired: &Desired,
    observed: &Observed,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
    (open, now): (&Arc<[Window]>, Timestamp),
) -> Option<Change> {
    let before = there(desired, observed);
    let mut after = before.clone();
    for step in &plan.steps {
        if let Action::Provider { provider, action } = &step.action {
            done(&mut after, provider, action, desired);
        }
    }
    let month = |things: &Things| {
        let sums: Vec<Sum> = things
            .values()
            .map(|thing| monthly(thing, providers, open, now))
            .collect();
        sums.iter().collect::<Sum>()
    };
    let change = Change {
        before: month(&before),
        after: month(&after),
    };
    (change.before != change.after).then_some(change)
}

fn there(desired: &Desired, observed: &Observed) -> Things {
    let mut things = Things::new();
    let made_from = MadeFrom::of(desired);
    for claims in observed.live.values() {
        for live in claims.iter().filter(|live| live.stamp.is_some()) {
            let Some(provider) = live.provider.clone() else {
                continue;
            };
            let thing = match &live.fields {
                LiveFields::Machine(machine) => Thing::Machine {
                    provider: provider.clone(),
                    cpus: machine.cpus,
                    memory_mib: machine.memory_mib,
                    disk_mib: made_from
                        .as_ref()
                        .and_then(|m| m.disk_mib(live.stamp.as_ref())),
                },
                LiveFields::Volume(volume) => Thing::Volume {
                    provider: provider.clone(),
                    size_mib: volume.size_mib,
                },
                LiveFields::Guest | LiveFields::Checkout(_) | LiveFields::Stack(_) => continue,
            };
            things.insert((provider, live.id.to_string()), thing);
        }
    }
    things
}

/// What is there once a step is done.
fn done(things: &mut Things, provider: &ProviderName, action: &ProviderAction, desired: &Desired) {
    let made = |spec: &MachineSpec| Thing::Machine {
        provider: spec.provider.clone(),
        cpus: spec.cpus,
        memory_mib: spec.memory_mib,
        disk_mib: Some(spec.disk_mib),
    };
    let at = |id: &LiveId| (provider.clone(), id.0.clone());
    let new = |what: &str| (provider.clone(), format!("new {what}"));
    match action {
        ProviderAction::CreateMachine { spec, .. } => {
            things.insert(new("machine"), made(spec));
        }
        ProviderAction::ClaimMachine { .. } => {
            let claimed = desired.machine().map(made);
            things.extend(claimed.map(|thing| (new("machine"), thing)));
        }
        ProviderAction::CreateVolume { spec, stamp, .. } => {
            let (provider, size_mib) = (provider.clone(), spec.size_mib);
            let volume = Thing::Volume { provider, size_mib };
            things.insert(new(&stamp.key.to_string()), volume);
        }
        ProviderAction::GrowVolume {
            id,
            size_mib: grown,
        } => {
            if let Some(Thing::Volume { size_mib, .. }) = things.get_mut(&at(id)) {
                *size_mib = *grown;
            }
        }
        ProviderAction::ResizeMachine {
            id,
            cpus: wanted_cpus,
            memory_mib: wanted_memory,
            ..
        } => {
            if let Some(Thing::Machine {
                cpus, memory_mib, ..
            }) = things.get_mut(&at(id))
            {
                (*cpus, *memory_mib) = (*wanted_cpus, *wanted_memory);
            }
        }
        ProviderAction::DeleteVolume { id } | ProviderAction::DeleteMachine { id } => {
            things.remove(&at(id));
        }
        // Office hours are in the cost of a month already; warm machines are others' cost.
        ProviderAction::StartMachine { .. }
        | ProviderAction::StopMachine { .. }
        | ProviderAction::ProtectMachine { .. }
        | ProviderAction::PauseMachine { .. }
        | ProviderAction::MoveVolume { .. }
        | ProviderAction::GiveBack { .. }
        | ProviderAction::Prepare { .. }
        | ProviderAction::ProvideImage { .. } => {}
    }
}

fn monthly(
    thing: &Thing,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
    open: &Arc<[Window]>,
    now: Timestamp,
) -> Sum {
    let (Thing::Machine { provider, .. } | Thing::Volume { provider, .. }) = thing;
    let Some(spec) = providers.get(provider) else {
        let mut unknown = Sum::default();
        unknown
            .unpriced
            .insert(format!("no price for anything on {provider}"));
        return unknown;
    };
    let life = Life {
        tariff: tariff(thing, provider, spec),
        from: Timestamp::MIN,
        end: None,
        data_end: None,
        open: Arc::clone(open),
        stopped: None,
    };
    life.full(Window::month(now))
}

fn tariff(thing: &Thing, provider: &ProviderName, spec: &ProviderSpec) -> Tariff {
    match thing {
        Thing::Machine {
            cpus,
            memory_mib,
            disk_mib,
            ..
        } => {
            let machine = SeenMachine {
                cpus: *cpus,
                memory_mib: *memory_mib,
                type_name: None,
            };
            Tariff::of_machine(provider, spec, machine, *disk_mib)
        }
        Thing::Volume { size_mib, .. } => Tariff::of_data(provider, spec, *size_mib, None),
    }
}
