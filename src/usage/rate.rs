//! From counters to what was used between two looks at them. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Counters, CpuTime, Reading, Sample, Usage};

/// Less time than that says more about the clock than about the machine.
const SHORTEST: Duration = Duration::from_millis(100);

/// What was used between two looks. `None` when they cannot be compared: it was started anew, another
/// one has its place, the clock was set back.
#[must_use]
pub fn between(before: &Counters, now: &Counters, cpus: u32) -> Option<Sample> {
    let over = Duration::try_from(now.at.duration_since(before.at)).ok()?;
    let is_same = before.life == now.life && !has_fallen(before, now);
    if over < SHORTEST || !is_same {
        return None;
    }
    let rate = |field: fn(&Counters) -> Option<u64>| {
        let risen = field(now)? - field(before)?;
        Some(risen as f64 / over.as_secs_f64())
    };
    let usage = Usage {
        cpu: cpu(before.cpu, now.cpu, over, cpus),
        memory: now.memory.map(|bytes| bytes as f64),
        disk_read: rate(|counters| counters.disk_read),
        disk_written: rate(|counters| counters.disk_written),
        received: rate(|counters| counters.received),
        sent: rate(|counters| counters.sent),
    };
    Some(Sample {
        at: now.at,
        over,
        usage,
    })
}

/// Whether any counter is lower than before: then none of them goes on from there.
fn has_fallen(before: &Counters, now: &Counters) -> bool {
    let used = |counters: &Counters| counters.cpu.map(|cpu| cpu.used);
    fn fell<T: PartialOrd>((before, now): (Option<T>, Option<T>)) -> bool {
        matches!((before, now), (Some(before), Some(now)) if now < before)
    }
    let bytes = [
        (before.disk_read, now.disk_read),
        (before.disk_written, now.disk_written),
        (before.received, now.received),
        (before.sent, now.sent),
    ];
    fell((used(before), used(now))) || bytes.into_iter().any(fell)
}

/// At most all of it: an emulator's own threads work beside the processors.
fn cpu(before: Option<CpuTime>, now: Option<CpuTime>, over: Duration, cpus: u32) -> Option<f64> {
    let (before, now) = (before?, now?);
    let used = now.used.checked_sub(before.used)?;
    let given = match (before.given, now.given) {
        (Some(before), Some(now)) => now.checked_sub(before)?,
        (None, _) | (_, None) => over * cpus,
    };
    let share = used.as_secs_f64() / given.as_secs_f64();
    share.is_finite().then_some(share.min(1.0))
}

/// The last counters of whatever is measured, by a name of it.
#[derive(Debug)]
pub struct Counted<K>(BTreeMap<K, Counters>);

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Counted<K> {
    /// What was used since the last time, as far as it can be told.
    pub fn take(&mut self, of: &K, reading: Reading, cpus: u32) -> Vec<Sample> {
        match reading {
            Reading::Samples(samples) => samples,
            Reading::Counters(now) => {
                let before = self.0.insert(of.clone(), now.clone());
                let sample = before.and_then(|before| between(&before, &now, cpus));
                sample.into_iter().collect()
            }
        }
    }

    /// Forgets what is not measured any more.
    pub fn keep(&mut self, is_there: impl Fn(&K) -> bool) {
        self.0.retain(|of, _| is_there(of));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Timestamp;

    fn counters(second: f64, cpu: f64, sent: u64) -> Counters {
        Counters {
            at: Timestamp::from_microsecond((second * 1e6) as i64).unwrap(),
            life: "1".to_owned(),
            cpu: Some(CpuTime {
                used: Duration::from_secs_f64(cpu),
                given: None,
            }),
            memory: Some(42),
            sent: Some(sent),
            ..Counters::default()
        }
    }

    #[test]
    fn two_looks_make_a_rate_of_what_both_know() {
        let sample = between(&counters(10.0, 3.0, 100), &counters(20.0, 8.0, 1100), 2).unwrap();
        let expected = Usage {
            cpu: Some(0.25),
            memory: Some(42.0),
            sent: Some(100.0),
            ..Usage::default()
        };
        assert_eq!(
            (sample.usage, sample.over),
            (expected, Duration::from_secs(10))
        );
    }

    #[test]
    fn what_all_processors_had_to_give_counts_where_it_is_known() {
        let of = |second, used, given| Counters {
            cpu: Some(CpuTime {
                used: Duration::from_secs(used),
                given: Some(Duration::from_secs(given)),
            }),
            ..counters(second, 0.0, 0)
        };
        let sample = between(&of(10.0, 5, 100), &of(20.0, 6, 140), 2).unwrap();
        assert_eq!(sample.usage.cpu, Some(0.025));
    }

    #[test]
    fn a_machine_that_was_started_anew_has_no_rate() {
        let before = counters(10.0, 300.0, 5000);
        assert_eq!(between(&before, &counters(70.0, 4.0, 9000), 1), None);
        assert_eq!(between(&before, &counters(70.0, 301.0, 10), 1), None);
        let again = Counters {
            life: "2".to_owned(),
            ..counters(70.0, 350.0, 9000)
        };
        assert_eq!(between(&before, &again, 1), None);
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_rate() {
        let before = counters(10.0, 1.0, 1);
        assert_eq!(between(&before, &counters(9.0, 2.0, 2), 1), None);
        assert_eq!(between(&before, &counters(10.0, 2.0, 2), 1), None);
    }

    #[test]
    fn a_machine_in_the_place_of_another_begins_anew() {
        let mut counted = Counted::default();
        let reading = |cpu| Reading::Counters(counters(cpu, cpu, 0));
        assert_eq!(counted.take(&"a", reading(1.0), 1), []);
        assert_eq!(counted.take(&"a", reading(2.0), 1).len(), 1);
        assert_eq!(counted.take(&"b", reading(3.0), 1), []);
        counted.keep(|of| *of == "b");
        assert_eq!(counted.take(&"a", reading(4.0), 1), [], "it was forgotten");
    }

    proptest! {
        #[test]
        fn no_rate_is_negative_or_endless_and_no_share_more_than_all(
            (a, b) in (0.0..1e6, 0.0..1e6), (from, to) in (0.0..1e6, 0.0..1e6),
            (sent, more) in (any::<u32>(), any::<u32>()), cpus in 0_u32..8,
        ) {
            let (before, now) = (counters(a, from, sent.into()), counters(b, to, more.into()));
            if let Some(sample) = between(&before, &now, cpus) {
                for value in sample.usage.values().into_iter().flatten() {
                    prop_assert!(value.is_finite() && value >= 0.0, "{value}");
                }
                prop_assert!(sample.usage.cpu.is_none_or(|share| share <= 1.0));
            }
        }
    }
}
