//! Which machines are measured. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::{
    EnvName, LiveId, LiveMachine, Object, OwnerName, Power, ProviderName, Timestamp,
};
use crate::port::GuestTarget;
use crate::reconcile::Tick;

/// The machine of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub env: EnvName,
    pub provider: ProviderName,
    pub power: Power,
    pub cpus: u32,
    pub memory_mib: u64,
    pub id: LiveId,
    /// How its inside is reached; `None` when that is not known, or it does not run.
    pub target: Option<GuestTarget>,
}

/// The machine that counts of each of our environments. Those that are made ahead are nobody's yet.
#[must_use]
pub fn machines(tick: &Tick) -> BTreeMap<EnvName, Machine> {
    let Some(owner) = &tick.owner else {
        return BTreeMap::new();
    };
    let mut best: BTreeMap<EnvName, (Rank, Machine)> = BTreeMap::new();
    for inventory in tick.inventories.iter() {
        for object in &inventory.objects {
            let Some((rank, machine)) = ours(object, owner, &inventory.provider) else {
                continue;
            };
            let is_better = best
                .get(&machine.env)
                .is_none_or(|(other, _)| rank < *other);
            if is_better {
                best.insert(machine.env.clone(), (rank, machine));
            }
        }
    }
    let machines = best.into_iter().map(|(env, (_, machine))| (env, machine));
    machines.collect()
}

/// Of two, the one that has the data counts, then the one that runs, then the older one.
type Rank = (Reverse<usize>, bool, Timestamp);

fn ours(object: &Object, owner: &OwnerName, provider: &ProviderName) -> Option<(Rank, Machine)> {
    let machine = object.fields.as_machine()?;
    let stamp = object.stamp.as_ref()?;
    if stamp.owner != *owner || stamp.env.is_of_pool() {
        return None;
    }
    let rank = (
        Reverse(machine.volumes.len()),
        machine.power != Power::Running,
        stamp.created,
    );
    let target = target(object, machine, owner, &stamp.env);
    Some((
        rank,
        Machine {
            env: stamp.env.clone(),
            provider: provider.clone(),
            power: machine.power,
            cpus: machine.cpus,
            memory_mib: machine.memory_mib,
            id: object.id.clone(),
            target,
        },
    ))
}

fn target(
    object: &Object,
    machine: &LiveMachine,
    owner: &OwnerName,
    env: &EnvName,
) -> Option<GuestTarget> {
    if machine.power != Power::Running {
        return None;
    }
    Some(GuestTarget {
        owner: owner.clone(),
        env: env.clone(),
        machine: object.id.clone(),
        address: machine.address?,
        host_key: machine.host_key.clone()?,
        volumes: machine.devices.clone(),
        bastion: machine.bastion.clone(),
    })
}
