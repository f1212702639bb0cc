//! Samples kept at three resolutions, each bounded in count: a minute for an hour, five minutes for a
//! day, an hour for a month. Pure.

use std::collections::VecDeque;

use crate::model::{Bucket, Sample, Timestamp};

/// How finely, and so for how long, something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    Minute,
    FiveMinutes,
    Hour,
}

impl Resolution {
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Hour];

    /// The length of a bucket in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::FiveMinutes => 300,
            Self::Hour => 3600,
        }
    }

    /// How many buckets are kept: an hour, a day, 31 days of them.
    #[must_use]
    pub const fn kept(self) -> usize {
        match self {
            Self::Minute => 60,
            Self::FiveMinutes => 288,
            Self::Hour => 31 * 24,
        }
    }

    /// Buckets that begin then or before are not kept any more.
    #[must_use]
    pub fn horizon(self, now: Timestamp) -> i64 {
        let kept = i64::try_from(self.kept()).unwrap_or(i64::MAX);
        self.begin(now) - kept * self.seconds()
    }

    /// The beginning of the bucket that an instant lies in, in seconds since 1970.
    #[must_use]
    pub fn begin(self, at: Timestamp) -> i64 {
        let seconds = self.seconds();
        at.as_second().div_euclid(seconds) * seconds
    }
}

/// What one environment has used, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    rings: [VecDeque<Bucket>; 3],
    /// The end of the last sample: what ends before is known already.
    until: Option<Timestamp>,
}

impl Series {
    /// A series of which the hours were kept elsewhere, in any order.
    #[must_use]
    pub fn of_hours(hours: impl IntoIterator<Item = Bucket>, now: Timestamp) -> Self {
        let mut hours: Vec<Bucket> = hours.into_iter().collect();
        hours.sort_by_key(|bucket| bucket.begin_s());
        hours.dedup_by_key(|bucket| bucket.begin_s());
        let until = hours.iter().map(Bucket::until).max();
        let mut series = Self {
            until,
            ..Self::default()
        };
        series.rings[Resolution::Hour as usize] = hours.into();
        series.trim(now);
        series
    }

    /// Folds a sample in; false when it says nothing new.
    ///
    /// **Guarantees.** Whatever comes in, no resolution has more than [`Resolution::kept`] buckets.
    pub fn add(&mut self, sample: &Sample, now: Timestamp) -> bool {
        self.trim(now);
        let is_known = self.until.is_some_and(|until| sample.at <= until);
        // A clock of somebody else may be ahead of ours by a little.
        let is_ahead = sample.at.duration_since(now) > jiff::SignedDuration::from_mins(1);
        if is_known || is_ahead {
            return false;
        }
        self.until = Some(sample.at);
        for resolution in Resolution::ALL {
            let begin = resolution.begin(sample.at);
            let ring = &mut self.rings[resolution as usize];
            let found = ring.binary_search_by_key(&begin, |bucket| bucket.begin_s());
            let at = found.unwrap_or_else(|at| {
                ring.insert(at, Bucket::beginning(begin));
                at
            });
            ring[at].add(sample, resolution.seconds());
        }
        self.trim(now);
        true
    }

    /// Drops what is too old, and what lies in the future since the clock was set back.
    pub fn trim(&mut self, now: Timestamp) {
        let ahead = now.as_second() + 60;
        if self.until.is_some_and(|until| until.as_second() > ahead) {
            self.until = None;
        }
        for resolution in Resolution::ALL {
            let ring = &mut self.rings[resolution as usize];
            let horizon = resolution.horizon(now);
            while ring
                .front()
                .is_some_and(|bucket| bucket.begin_s() <= horizon)
            {
                ring.pop_front();
            }
            while ring.back().is_some_and(|bucket| bucket.begin_s() > ahead) {
                ring.pop_back();
            }
            let surplus = ring.len().saturating_sub(resolution.kept());
            ring.drain(..surplus);
        }
    }

    /// Oldest first.
    pub fn buckets(&self, resolution: Resolution) -> impl DoubleEndedIterator<Item = &Bucket> {
        self.rings[resolution as usize].iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(VecDeque::is_empty)
    }

    /// The end of the last sample.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Usage;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sample(second: i64, seconds: u64, cpu: Option<f64>) -> Sample {
        Sample {
            at: at(second),
            over: Duration::from_secs(seconds),
            usage: Usage {
                cpu,
                sent: Some(1.0),
                ..Usage::default()
            },
        }
    }

    fn cpus(series: &Series, resolution: Resolution) -> Vec<Option<f64>> {
        let buckets = series.buckets(resolution);
        buckets.map(|bucket| bucket.usage().cpu).collect()
    }

    proptest! {
        #[test]
        fn whatever_comes_in_its_size_is_bounded_and_its_order_kept(
            samples in prop::collection::vec((-100_000_i64..10_000_000, 0_u64..10_000, 0.0..1.0), 0..400),
            clock in prop::collection::vec(-50_000_i64..50_000, 1..20),
        ) {
            let mut series = Series::default();
            for (number, (second, seconds, cpu)) in samples.iter().enumerate() {
                let now = at(second + clock[number % clock.len()]);
                series.add(&sample(*second, *seconds, Some(*cpu)), now);
                for resolution in Resolution::ALL {
                    let begins: Vec<i64> = series.buckets(resolution).map(Bucket::begin_s).collect();
                    prop_assert!(begins.len() <= resolution.kept());
                    prop_assert!(begins.is_sorted_by(|a, b| a < b), "{begins:?}");
                    let span = i64::try_from(resolution.kept()).unwrap() * resolution.seconds();
                    prop_assert!(begins.iter().all(|begin| *begin > now.as_second() - span - resolution.seconds()));
                }
            }
        }

        #[test]
        fn averages_are_those_of_the_samples_by_their_length(
            samples in prop::collection::vec((1_u64..300, prop::option::of(0.0..1.0)), 1..40),
        ) {
            let mut series = Series::default();
            let mut second = 3600;
            let mut kept = Vec::new();
            for (seconds, cpu) in samples {
                second += i64::try_from(seconds).unwrap();
                // Within one hour, so that one bucket has all of them.
                if second >= 7200 {
                    break;
                }
                series.add(&sample(second, seconds, cpu), at(second));
                kept.extend(cpu.map(|cpu| (seconds as f64, cpu)));
            }
            let known: f64 = kept.iter().map(|(seconds, _)| seconds).sum();
            let sum: f64 = kept.iter().map(|(seconds, cpu)| seconds * cpu).sum();
            let expected = (known > 0.0).then(|| sum / known);
            let found = cpus(&series, Resolution::Hour);
            match (expected, found.first().copied().flatten()) {
                (Some(expected), Some(found)) => prop_assert!((expected - found).abs() < 1e-4),
                (expected, found) => prop_assert_eq!(expected, found),
            }
        }

        #[test]
        fn hours_come_back_from_where_they_were_kept(
            steps in prop::collection::vec((1_i64..5000, 0.0..1.0), 1..60),
        ) {
            let mut series = Series::default();
            let mut second = 0;
            for (step, cpu) in steps {
                second += step;
                series.add(&sample(second, 60, Some(cpu)), at(second));
            }
            let hours: Vec<Bucket> = series.buckets(Resolution::Hour).copied().collect();
            let text = serde_json::to_string(&hours).unwrap();
            let read: Vec<Bucket> = serde_json::from_str(&text).unwrap();
            let again = Series::of_hours(read.into_iter().rev(), at(second));
            prop_assert_eq!(again.until(), series.until());
            let again: Vec<Bucket> = again.buckets(Resolution::Hour).copied().collect();
            prop_assert_eq!(again, hours);
        }
    }

    #[test]
    fn each_resolution_has_the_means_of_its_own_stretch() {
        let mut series = Series::default();
        for minute in 1..=10 {
            let cpu = if minute <= 5 { 0.1 } else { 0.3 };
            series.add(&sample(minute * 60 - 1, 60, Some(cpu)), at(minute * 60));
        }
        let rounded = |resolution| -> Vec<i64> {
            let cpus = cpus(&series, resolution);
            cpus.iter()
                .map(|cpu| (cpu.unwrap() * 1000.0).round() as i64)
                .collect()
        };
        assert_eq!(
            rounded(Resolution::Minute),
            [100, 100, 100, 100, 100, 300, 300, 300, 300, 300]
        );
        assert_eq!(rounded(Resolution::FiveMinutes), [100, 300]);
        assert_eq!(rounded(Resolution::Hour), [200]);
    }

    #[test]
    fn what_was_told_already_does_not_count_twice() {
        let mut series = Series::default();
        assert!(series.add(&sample(300, 300, Some(0.2)), at(300)));
        assert!(!series.add(&sample(300, 300, Some(0.9)), at(360)));
        assert!(!series.add(&sample(240, 300, Some(0.9)), at(360)));
        let measured = series.buckets(Resolution::Hour).next().unwrap().measured();
        assert_eq!(measured, Duration::from_secs(300));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_series() {
        let mut series = Series::default();
        let (wrong, right) = (50_000_000, 1_000_000);
        series.add(&sample(wrong, 60, Some(0.9)), at(wrong));
        assert!(series.add(&sample(right, 60, Some(0.1)), at(right)));
        assert_eq!(series.buckets(Resolution::Hour).count(), 1);
    }
}
