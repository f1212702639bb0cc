//! What is known of how much environments use, as `metrom serve` measures it: in memory, shared by
//! who writes and who shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::idle::{Rule, Verdict, judge};
use super::machine::Machine;
use super::once::ContainerUse;
use super::series::{Resolution, Series};
use crate::model::{Bucket, EnvName, Power, ProviderName, Sample, Timestamp};

/// No more environments than that are kept, those that were measured last: a month of previews of a
/// large company.
pub const MOST: usize = 5000;

/// What is known of one environment.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its machine at the last look; `None`: it had none.
    pub machine: Option<Machine>,
    /// What was used last; `None` while its machine does not run.
    pub latest: Option<Sample>,
    pub containers: Vec<ContainerUse>,
    /// Why its machine, and why its containers could not be measured.
    pub faults: Faults,
    /// Since when nobody uses it.
    pub idle: Option<Timestamp>,
    pub series: Series,
    /// Hours that are not in the store as they are here begin then or later.
    pub unkept: Option<i64>,
}

/// Why something is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    pub machine: Option<String>,
    pub containers: Option<String>,
}

impl Known {
    fn runs(&self) -> bool {
        let machine = self.machine.as_ref();
        machine.is_some_and(|machine| machine.power == Power::Running)
    }
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<EnvName, Known>>);

impl Ledger {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<EnvName, Known>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins with the hours that were kept elsewhere.
    pub fn restore(&self, hours: Vec<(EnvName, Bucket)>, now: Timestamp) {
        let mut by_env: BTreeMap<EnvName, Vec<Bucket>> = BTreeMap::new();
        for (env, hour) in hours {
            by_env.entry(env).or_default().push(hour);
        }
        self.with(|all| {
            for (env, hours) in by_env {
                all.entry(env).or_default().series = Series::of_hours(hours, now);
            }
        });
    }

    /// Takes the machines that there are; what belongs to none of them ages, and goes in the end.
    pub fn see(&self, machines: &BTreeMap<EnvName, Machine>, now: Timestamp) {
        self.with(|all| {
            for (env, machine) in machines {
                all.entry(env.clone()).or_default().machine = Some(machine.clone());
            }
            for (env, known) in all.iter_mut() {
                if !machines.contains_key(env) {
                    known.machine = None;
                }
                if !known.runs() {
                    known.latest = None;
                    known.containers = Vec::new();
                    known.faults = Faults::default();
                }
                known.series.trim(now);
            }
            all.retain(|_, known| known.machine.is_some() || !known.series.is_empty());
            drop_surplus(all);
        });
    }

    /// Folds in what was measured of a machine.
    pub fn add(&self, env: &EnvName, samples: &[Sample], now: Timestamp) {
        self.with(|all| {
            let Some(known) = all.get_mut(env) else {
                return;
            };
            known.faults.machine = None;
            for sample in samples {
                if known.series.add(sample, now) {
                    known.latest = Some(*sample);
                    let hour = Resolution::Hour.begin(sample.at);
                    known.unkept = Some(known.unkept.map_or(hour, |unkept| unkept.min(hour)));
                }
            }
        });
    }

    /// The machines of a provider could not be measured.
    pub fn fail(&self, provider: &ProviderName, fault: &str) {
        self.with(|all| {
            for known in all.values_mut().filter(|known| known.runs()) {
                let machine = known.machine.as_ref();
                if machine.is_some_and(|machine| machine.provider == *provider) {
                    known.faults.machine = Some(fault.to_owned());
                }
            }
        });
    }

    /// What the containers of an environment use, or why that is not known.
    pub fn put_containers(&self, env: &EnvName, containers: Result<Vec<ContainerUse>, String>) {
        self.with(|all| {
            let Some(known) = all.get_mut(env).filter(|known| known.runs()) else {
                return;
            };
            match containers {
                Ok(containers) => {
                    known.containers = containers;
                    known.faults.containers = None;
                }
                Err(fault) => known.faults.containers = Some(fault),
            }
        });
    }

    /// Judges all that have a machine by a rule.
    #[must_use]
    pub fn judge(&self, rule: &Rule, now: Timestamp) -> Vec<(EnvName, Verdict)> {
        self.with(|all| {
            let there = all.iter_mut().filter(|(_, known)| known.machine.is_some());
            let verdicts = there.map(|(env, known)| {
                let verdict = judge(known.series.buckets(Resolution::Hour), rule, now);
                known.idle = match verdict {
                    Verdict::Idle { since } => Some(since),
                    Verdict::Unknown | Verdict::Used => None,
                };
                (env.clone(), verdict)
            });
            verdicts.collect()
        })
    }

    /// Hours that the store does not have as they are here.
    #[must_use]
    pub fn unkept(&self) -> Vec<(EnvName, Bucket)> {
        self.with(|all| {
            let of_env = |(env, known): (&EnvName, &Known)| {
                let hours = known.series.buckets(Resolution::Hour);
                let unkept = known.unkept.unwrap_or(i64::MAX);
                let hours = hours.filter(|hour| hour.begin_s() >= unkept);
                let hours: Vec<_> = hours.map(|hour| (env.clone(), *hour)).collect();
                hours
            };
            all.iter().flat_map(of_env).collect()
        })
    }

    /// These hours are in the store now.
    pub fn kept(&self, hours: &[(EnvName, Bucket)]) {
        let envs: BTreeSet<&EnvName> = hours.iter().map(|(env, _)| env).collect();
        self.with(|all| {
            for env in envs {
                if let Some(known) = all.get_mut(env) {
                    known.unkept = None;
                }
            }
        });
    }

    /// Nothing was measured yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(|all| all.is_empty())
    }

    /// Everything of one environment.
    #[must_use]
    pub fn one(&self, env: &EnvName) -> Option<Known> {
        self.with(|all| all.get(env).cloned())
    }

    /// Everything but the series of those that have a machine.
    #[must_use]
    pub fn now(&self) -> BTreeMap<EnvName, Known> {
        self.with(|all| {
            let there = all.iter().filter(|(_, known)| known.machine.is_some());
            let shown = there.map(|(env, known)| {
                let shown = Known {
                    machine: known.machine.clone(),
                    latest: known.latest,
                    containers: known.containers.clone(),
                    faults: known.faults.clone(),
                    idle: known.idle,
                    ..Known::default()
                };
                (env.clone(), shown)
            });
            shown.collect()
        })
    }
}

fn drop_surplus(all: &mut BTreeMap<EnvName, Known>) {
    let surplus = all.len().saturating_sub(MOST);
    if surplus == 0 {
        return;
    }
    let mut by_age: Vec<(bool, Option<Timestamp>, EnvName)> = all
        .iter()
        .map(|(env, known)| (known.machine.is_some(), known.series.until(), env.clone()))
        .collect();
    by_age.sort();
    for (_, _, env) in by_age.into_iter().take(surplus) {
        all.remove(&env);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{LiveId, Usage};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn env(number: usize) -> EnvName {
        EnvName::parse(&format!("e{number}")).unwrap()
    }

    fn machine(env: &EnvName, power: Power) -> Machine {
        Machine {
            env: env.clone(),
            provider: ProviderName::parse("lab").unwrap(),
            power,
            cpus: 1,
            memory_mib: 256,
            id: LiveId(env.to_string()),
            target: None,
        }
    }

    fn there(envs: impl IntoIterator<Item = usize>, power: Power) -> BTreeMap<EnvName, Machine> {
        let machines = envs.into_iter().map(env);
        machines
            .map(|env| (env.clone(), machine(&env, power)))
            .collect()
    }

    fn sample(second: i64) -> Sample {
        Sample {
            at: at(second),
            over: Duration::from_secs(60),
            usage: Usage {
                cpu: Some(0.5),
                ..Usage::default()
            },
        }
    }

    #[test]
    fn an_hour_is_written_down_when_it_has_changed_and_not_again() {
        let ledger = Ledger::default();
        ledger.see(&there([1, 2], Power::Running), at(0));
        ledger.add(&env(1), &[sample(60)], at(60));
        let first = ledger.unkept();
        assert_eq!(first.len(), 1);
        ledger.kept(&first);
        assert_eq!(ledger.unkept(), []);
        ledger.add(&env(1), &[sample(60)], at(120));
        assert_eq!(ledger.unkept(), [], "nothing new was said");
        ledger.add(&env(1), &[sample(3599), sample(3700)], at(3700));
        let begins = ledger.unkept().into_iter().map(|(_, hour)| hour.begin_s());
        assert_eq!(begins.collect::<Vec<_>>(), [0, 3600]);
    }

    #[test]
    fn what_a_machine_used_that_stopped_is_not_what_it_uses() {
        let ledger = Ledger::default();
        ledger.see(&there([1], Power::Running), at(0));
        ledger.add(&env(1), &[sample(60)], at(60));
        ledger.fail(&ProviderName::parse("lab").unwrap(), "it does not answer");
        assert!(ledger.one(&env(1)).unwrap().faults.machine.is_some());
        ledger.see(&there([1], Power::Stopped), at(120));
        let known = ledger.one(&env(1)).unwrap();
        assert_eq!((known.latest, known.faults), (None, Faults::default()));
        assert!(!known.series.is_empty());
    }

    #[test]
    fn who_is_gone_is_kept_for_a_month_and_then_forgotten() {
        let ledger = Ledger::default();
        ledger.see(&there([1], Power::Running), at(0));
        ledger.add(&env(1), &[sample(60)], at(60));
        let month = 31 * 24 * 3600;
        ledger.see(&BTreeMap::new(), at(month - 3600));
        assert!(ledger.one(&env(1)).is_some() && ledger.now().is_empty());
        ledger.see(&BTreeMap::new(), at(month + 3600));
        assert!(ledger.one(&env(1)).is_none());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_those_that_are_there_stay() {
        let ledger = Ledger::default();
        ledger.see(&there(0..MOST, Power::Running), at(0));
        for number in 0..MOST {
            ledger.add(&env(number), &[sample(60)], at(60));
        }
        ledger.see(&there(MOST..MOST + 10, Power::Running), at(120));
        let is_there = |number| ledger.one(&env(number)).is_some();
        assert_eq!((0..MOST + 10).filter(|n| is_there(*n)).count(), MOST);
        assert!((MOST..MOST + 10).all(is_there));
    }
}
