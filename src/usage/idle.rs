//! Which environments nobody uses. Pure.
//!
//! Only whole hours are judged, so that the answer changes at most once an hour, and only time in
//! which the machine ran: whoever sleeps is not idle for that.

use std::time::Duration;

use super::series::Resolution;
use crate::model::{Bucket, Timestamp};

/// What counts as idle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Less than this share of its processors, on average of an hour.
    pub cpu: f64,
    /// And less than so many bytes a second, in and out together.
    pub network: f64,
    /// In each hour of so much time in which it ran.
    pub time: Duration,
}

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has not been measured for long enough.
    Unknown,
    Used,
    /// Idle in every hour since then.
    Idle {
        since: Timestamp,
    },
}

/// An hour in which less was measured says nothing.
const SHORTEST: Duration = Duration::from_secs(600);

/// Judges by the hours that were kept, oldest first.
#[must_use]
pub fn judge<'a>(
    hours: impl DoubleEndedIterator<Item = &'a Bucket>,
    rule: &Rule,
    now: Timestamp,
) -> Verdict {
    let length = jiff::SignedDuration::from_secs(Resolution::Hour.seconds());
    let is_whole = |hour: &&Bucket| now.duration_since(hour.begin()) >= length;
    let says = |hour: &&Bucket| hour.measured() >= SHORTEST;
    let mut idle = Duration::ZERO;
    let mut since = None;
    for hour in hours.rev().filter(is_whole).filter(says) {
        match is_idle(hour, rule) {
            None => break,
            Some(false) if idle < rule.time => return Verdict::Used,
            Some(false) => break,
            Some(true) => {
                idle += hour.measured();
                since = Some(hour.begin());
            }
        }
    }
    match since {
        // Each hour lacks a moment in which it was not measured.
        Some(since) if idle.mul_f64(1.0 + SLACK) >= rule.time => Verdict::Idle { since },
        Some(_) | None => Verdict::Unknown,
    }
}

/// So much of the time may be missing, as a share.
const SLACK: f64 = 0.05;

/// `None` when something of it is not known.
fn is_idle(hour: &Bucket, rule: &Rule) -> Option<bool> {
    let usage = hour.usage();
    Some(usage.cpu? < rule.cpu && usage.network()? < rule.network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sample, Usage};
    use crate::usage::series::Series;

    const RULE: Rule = Rule {
        cpu: 0.03,
        network: 10_240.0,
        time: Duration::from_secs(8 * 3600),
    };

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn sample(minute: i64, cpu: f64, sent: Option<f64>) -> Sample {
        Sample {
            at: Timestamp::from_second(minute * 60 - 1).unwrap(),
            over: Duration::from_secs(60),
            usage: Usage {
                cpu: Some(cpu),
                received: Some(0.0),
                sent,
                ..Usage::default()
            },
        }
    }

    /// Hours with so much CPU each; `None` when it slept.
    fn lived(hours: &[Option<f64>]) -> Series {
        let mut series = Series::default();
        for (hour, cpu) in (0..).zip(hours) {
            for minute in 1..=60 {
                if let Some(cpu) = cpu {
                    let sample = sample(hour * 60 + minute, *cpu, Some(100.0));
                    series.add(&sample, sample.at);
                }
            }
        }
        series
    }

    fn verdict(hours: &[Option<f64>]) -> Verdict {
        let now = at(i64::try_from(hours.len()).unwrap());
        judge(lived(hours).buckets(Resolution::Hour), &RULE, now)
    }

    #[test]
    fn what_uses_nothing_for_long_enough_is_idle_since_it_began() {
        let idle = Verdict::Idle { since: at(1) };
        let hours = [&[Some(0.5)][..], &[Some(0.01); 8]].concat();
        assert_eq!(verdict(&hours), idle);
        assert_eq!(verdict(&[Some(0.01); 8]), Verdict::Idle { since: at(0) });
    }

    #[test]
    fn too_few_hours_are_no_statement() {
        assert_eq!(verdict(&[]), Verdict::Unknown);
        assert_eq!(verdict(&[Some(0.01); 7]), Verdict::Unknown);
    }

    #[test]
    fn one_hour_of_use_begins_the_time_anew() {
        let hours = [&[Some(0.01); 8][..], &[Some(0.04)], &[Some(0.01); 3]].concat();
        assert_eq!(verdict(&hours), Verdict::Used);
    }

    #[test]
    fn time_asleep_is_not_counted() {
        let nights = [None; 15];
        let day = |hours| vec![Some(0.01); hours];
        let four = [day(4), nights.to_vec(), day(3), nights.to_vec()].concat();
        assert_eq!(verdict(&four), Verdict::Unknown);
        let enough = [day(4), nights.to_vec(), day(4), nights.to_vec()].concat();
        assert_eq!(verdict(&enough), Verdict::Idle { since: at(0) });
    }

    #[test]
    fn who_is_asked_over_the_network_is_used() {
        let mut series = Series::default();
        for minute in 1..=600 {
            let sample = sample(minute, 0.001, Some(20_000.0));
            series.add(&sample, sample.at);
        }
        let verdict = judge(series.buckets(Resolution::Hour), &RULE, at(10));
        assert_eq!(verdict, Verdict::Used);
    }

    #[test]
    fn what_is_not_known_of_the_network_is_no_statement() {
        let mut series = Series::default();
        for minute in 1..=600 {
            let sample = sample(minute, 0.001, None);
            series.add(&sample, sample.at);
        }
        let verdict = judge(series.buckets(Resolution::Hour), &RULE, at(10));
        assert_eq!(verdict, Verdict::Unknown);
    }

    #[test]
    fn the_hour_that_is_not_over_says_nothing_yet() {
        let series = lived(&[[Some(0.01); 8].as_slice(), &[Some(0.9)]].concat());
        let hours = || series.buckets(Resolution::Hour);
        let before = Timestamp::from_second(9 * 3600 - 60).unwrap();
        assert_eq!(
            judge(hours(), &RULE, before),
            Verdict::Idle { since: at(0) }
        );
        assert_eq!(judge(hours(), &RULE, at(9)), Verdict::Used);
    }
}
