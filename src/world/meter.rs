//! How much the machines of the world use: as much as a test has said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::provider::Provider;
use super::{State, World};
use crate::model::{
    Counters, CpuTime, LiveId, Power, ProviderName, Reading, Sample, Timestamp, Usage,
};
use crate::port::{Meter, ProviderError};

/// A machine at work.
#[derive(Debug, Clone)]
pub(super) struct Work {
    load: Usage,
    /// What it has used until then, at one processor.
    until: Timestamp,
    used: [f64; 6],
    life: u32,
}

impl Work {
    fn new(now: Timestamp) -> Self {
        Self {
            load: Usage::default(),
            until: now,
            used: [0.0; 6],
            life: 1,
        }
    }

    /// Goes on until then.
    fn go_on(&mut self, now: Timestamp) {
        let time = now.duration_since(self.until).as_secs_f64().max(0.0);
        for (used, load) in self.used.iter_mut().zip(self.load.values()) {
            *used += load.unwrap_or(0.0) * time;
        }
        self.until = now;
    }

    fn counters(&self, cpus: u32) -> Counters {
        let [cpu, _, read, written, received, sent] = self.used;
        let known = self.load.values();
        let bytes = |at: usize, used: f64| known[at].map(|_| used as u64);
        Counters {
            at: self.until,
            life: self.life.to_string(),
            cpu: known[0].map(|_| CpuTime {
                used: Duration::from_secs_f64(cpu * f64::from(cpus)),
                given: None,
            }),
            memory: self.load.memory.map(|bytes| bytes as u64),
            disk_read: bytes(2, read),
            disk_written: bytes(3, written),
            received: bytes(4, received),
            sent: bytes(5, sent),
        }
    }
}

/// What a meter of the world is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metering {
    /// Counters, as of a hypervisor.
    #[default]
    Counters,
    /// Finished samples of five minutes, as of a cloud.
    Samples,
    /// There is none.
    None,
    /// It never answers.
    Hangs,
}

const FIVE_MINUTES: i64 = 300;

impl World {
    /// From now on that machine uses so much. What is `None` is not counted at all.
    pub fn load(&self, machine: &LiveId, load: Usage) {
        let state = &mut *self.state();
        let now = state.time.now;
        let work = state.work.entry(machine.clone());
        let work = work.or_insert_with(|| Work::new(now));
        work.go_on(now);
        work.load = load;
    }

    /// The machine boots: its counters begin at nothing.
    pub fn reboot(&self, machine: &LiveId) {
        let state = &mut *self.state();
        let now = state.time.now;
        if let Some(work) = state.work.get_mut(machine) {
            *work = Work {
                load: work.load,
                life: work.life + 1,
                ..Work::new(now)
            };
        }
    }

    /// From now on the meter of that provider is like that.
    pub fn meter_by(&self, provider: &ProviderName, metering: Metering) {
        if let Some(cloud) = self.state().clouds.get_mut(provider) {
            cloud.metering = metering;
        }
    }

    /// How often the meter of that provider was asked.
    #[must_use]
    pub fn measured(&self, provider: &ProviderName) -> u32 {
        let state = self.state();
        state.clouds.get(provider).map_or(0, |cloud| cloud.measured)
    }
}

impl State {
    /// What a machine that runs has used by now.
    pub(super) fn counters(&mut self, machine: &LiveId, cpus: u32) -> Option<Counters> {
        let now = self.time.now;
        let work = self.work.get_mut(machine)?;
        work.go_on(now);
        Some(work.counters(cpus))
    }

    fn readings(
        &mut self,
        provider: &ProviderName,
        machines: &BTreeSet<LiveId>,
    ) -> BTreeMap<LiveId, Reading> {
        let Some(cloud) = self.clouds.get(provider) else {
            return BTreeMap::new();
        };
        let metering = cloud.metering;
        let running = machines.iter().filter_map(|id| {
            let machine = cloud.machine(id)?;
            (machine.power == Power::Running).then_some((id.clone(), machine.cpus))
        });
        let running: Vec<(LiveId, u32)> = running.collect();
        let readings = running.into_iter().filter_map(|(id, cpus)| {
            let reading = match metering {
                Metering::Samples => Reading::Samples(self.samples(&id)?),
                Metering::Counters | Metering::None | Metering::Hangs => {
                    Reading::Counters(self.counters(&id, cpus)?)
                }
            };
            Some((id, reading))
        });
        readings.collect()
    }

    /// The last three whole five minutes, as if it had always used what it uses now.
    fn samples(&self, machine: &LiveId) -> Option<Vec<Sample>> {
        let usage = self.work.get(machine)?.load;
        let last = self.time.now.as_second().div_euclid(FIVE_MINUTES);
        let samples = (last - 2..=last).map(|number| Sample {
            at: Timestamp::from_second(number * FIVE_MINUTES).expect("a time of this century"),
            over: Duration::from_secs(300),
            usage,
        });
        Some(samples.collect())
    }
}

#[async_trait]
impl Meter for Provider {
    fn pace(&self) -> Duration {
        match self.with(|state, name| state.clouds.get(name).map(|cloud| cloud.metering)) {
            Some(Metering::Samples) => Duration::from_secs(300),
            Some(Metering::Counters | Metering::None | Metering::Hangs) | None => {
                Duration::from_secs(1)
            }
        }
    }

    async fn measure(
        &self,
        machines: &BTreeSet<LiveId>,
    ) -> Result<BTreeMap<LiveId, Reading>, ProviderError> {
        let hangs = self.with(|state, name| {
            state.clouds.get_mut(name).is_some_and(|cloud| {
                cloud.measured += 1;
                cloud.metering == Metering::Hangs
            })
        });
        if hangs {
            std::future::pending::<()>().await;
        }
        if self.is_cut_off() {
            return Err(self.unreachable());
        }
        Ok(self.with(|state, name| state.readings(name, machines)))
    }
}
