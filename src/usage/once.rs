//! Looks at what is used just now, one after another: for a person who waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};

use super::ask::{Ask, Told};
use super::machine::Machine;
use super::rate::Counted;
use crate::manifest::schema::ProviderSpec;
use crate::model::{
    ContainerReading, EnvName, LiveId, Power, ProviderName, Reading, Sample, Timestamp,
};

/// Machines that are looked into at once.
const AT_ONCE: usize = 8;

/// A provider that has something new only after so long is not asked at every look.
const RESTS: Duration = Duration::from_secs(60);

/// What a container uses.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUse {
    pub service: String,
    pub container: String,
    pub sample: Sample,
}

/// What one environment uses just now.
#[derive(Debug, Clone)]
pub struct Now {
    pub machine: Machine,
    pub sample: Option<Sample>,
    pub containers: Vec<ContainerUse>,
    /// Why something is not known.
    pub faults: Vec<String>,
}

/// Whether the insides of machines are asked as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Machines,
    Containers,
}

/// Looks again and again; a rate is known from the second look on.
pub struct Watch {
    ask: Ask,
    depth: Depth,
    machines: Counted<LiveId>,
    containers: Counted<(EnvName, String)>,
    /// What a provider said that has nothing new before then.
    resting: BTreeMap<ProviderName, (Timestamp, BTreeMap<LiveId, Reading>)>,
}

impl Watch {
    #[must_use]
    pub fn new(ask: Ask, depth: Depth) -> Self {
        Self {
            ask,
            depth,
            machines: Counted::default(),
            containers: Counted::default(),
            resting: BTreeMap::new(),
        }
    }

    /// One look at these machines.
    pub async fn look(
        &mut self,
        declared: &BTreeMap<ProviderName, ProviderSpec>,
        machines: &BTreeMap<EnvName, Machine>,
    ) -> Vec<Now> {
        let (mut readings, faults) = self.ask_providers(declared, machines).await;
        let mut inside = self.ask_guests(machines).await;
        let mut found = Vec::with_capacity(machines.len());
        for (env, machine) in machines {
            let mut now = Now {
                machine: machine.clone(),
                sample: None,
                containers: Vec::new(),
                faults: Vec::new(),
            };
            if machine.power == Power::Running {
                now.faults.extend(faults.get(&machine.provider).cloned());
                if let Some(reading) = readings.remove(&machine.id) {
                    let samples = self.machines.take(&machine.id, reading, machine.cpus);
                    now.sample = samples.last().copied();
                }
                match inside.remove(env) {
                    Some(Ok(containers)) => self.rate(&mut now, containers),
                    Some(Err(fault)) => now.faults.push(fault),
                    None => {}
                }
            }
            found.push(now);
        }
        found
    }

    async fn ask_providers(
        &mut self,
        declared: &BTreeMap<ProviderName, ProviderSpec>,
        machines: &BTreeMap<EnvName, Machine>,
    ) -> (BTreeMap<LiveId, Reading>, BTreeMap<ProviderName, String>) {
        let now = self.ask.clock.now();
        self.resting.retain(|_, (until, _)| now < *until);
        let ask = &self.ask;
        let asked = by_provider(machines.values());
        let asking = asked
            .iter()
            .filter(|(name, _)| !self.resting.contains_key(*name))
            .map(|(name, ids)| async move {
                let told = match declared.get(*name) {
                    Some(spec) => ask.provider(name, spec, ids).await,
                    None => Err(format!("{name} is not declared any more")),
                };
                (*name, told)
            });
        let answers = join_all(asking).await;
        let (mut readings, mut faults) = (BTreeMap::new(), BTreeMap::new());
        for (name, told) in answers {
            match told {
                Ok(Told {
                    pace,
                    readings: told,
                }) if pace >= RESTS => {
                    let until = now.checked_add(pace).unwrap_or(now);
                    self.resting.insert(name.clone(), (until, told));
                }
                Ok(told) => readings.extend(told.readings),
                Err(fault) => drop(faults.insert(name.clone(), fault)),
            }
        }
        for (_, told) in self.resting.values() {
            readings.extend(told.clone());
        }
        (readings, faults)
    }

    async fn ask_guests(
        &self,
        machines: &BTreeMap<EnvName, Machine>,
    ) -> BTreeMap<EnvName, Result<Vec<ContainerReading>, String>> {
        let targets = machines
            .values()
            .filter_map(|machine| machine.target.as_ref());
        let targets = targets.filter(|_| self.depth == Depth::Containers);
        let asking = targets.map(|target| async {
            let containers = self.ask.containers(target).await;
            (target.env.clone(), containers)
        });
        stream::iter(asking)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    fn rate(&mut self, now: &mut Now, containers: Vec<ContainerReading>) {
        let Machine { env, cpus, .. } = &now.machine;
        now.containers = rated(&mut self.containers, env, *cpus, containers);
    }
}

/// What containers have used since they were looked at last.
pub fn rated(
    counted: &mut Counted<(EnvName, String)>,
    env: &EnvName,
    cpus: u32,
    containers: Vec<ContainerReading>,
) -> Vec<ContainerUse> {
    let there: BTreeSet<String> = containers.iter().map(|c| c.container.clone()).collect();
    counted.keep(|(of, container)| of != env || there.contains(container));
    let uses = containers.into_iter().filter_map(|reading| {
        let of = (env.clone(), reading.container.clone());
        let samples = counted.take(&of, Reading::Counters(reading.counters), cpus);
        Some(ContainerUse {
            service: reading.service,
            container: reading.container,
            sample: *samples.last()?,
        })
    });
    uses.collect()
}

/// The machines that run, by their provider.
#[must_use]
pub fn by_provider<'a>(
    machines: impl IntoIterator<Item = &'a Machine>,
) -> BTreeMap<&'a ProviderName, BTreeSet<LiveId>> {
    let mut asked: BTreeMap<&ProviderName, BTreeSet<LiveId>> = BTreeMap::new();
    for machine in machines {
        if machine.power == Power::Running {
            asked
                .entry(&machine.provider)
                .or_default()
                .insert(machine.id.clone());
        }
    }
    asked
}
