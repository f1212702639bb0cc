//! How much instances are used, as CloudWatch has counted it.
//!
//! Each metric that is asked for costs money, so there are five of them, and nobody asks more often
//! than there is something new. CloudWatch does not see the memory inside a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy,
};

use super::answer::look;
use super::fault::Fault;
use super::link::Link;
use crate::model::{LiveId, Reading, Sample, Timestamp, Usage};

/// Without detailed monitoring, which costs more, there is a number every five minutes.
const PERIOD_S: i32 = 300;
pub const PACE: Duration = Duration::from_secs(PERIOD_S as u64);

/// So late the last number of a period may still come.
const LATENCY_S: i64 = 180;

/// Periods that are asked for: one that came late, or was missed, is seen at the next look.
const PERIODS: i64 = 3;

/// CloudWatch takes no more in one request.
const QUERIES: usize = 500;

/// A name of CloudWatch's, how a period of it is summed up, and what it is of a usage.
struct What {
    metric: &'static str,
    statistic: &'static str,
    put: fn(&mut Usage, f64),
}

const WHAT: [What; 5] = [
    What {
        metric: "CPUUtilization",
        statistic: "Average",
        put: |usage, percent| usage.cpu = Some((percent / 100.0).clamp(0.0, 1.0)),
    },
    What {
        metric: "NetworkIn",
        statistic: "Sum",
        put: |usage, bytes| usage.received = Some(rate(bytes)),
    },
    What {
        metric: "NetworkOut",
        statistic: "Sum",
        put: |usage, bytes| usage.sent = Some(rate(bytes)),
    },
    What {
        metric: "EBSReadBytes",
        statistic: "Sum",
        put: |usage, bytes| usage.disk_read = Some(rate(bytes)),
    },
    What {
        metric: "EBSWriteBytes",
        statistic: "Sum",
        put: |usage, bytes| usage.disk_written = Some(rate(bytes)),
    },
];

fn rate(bytes_of_period: f64) -> f64 {
    bytes_of_period / f64::from(PERIOD_S)
}

/// What is known of each, by the beginning of the period in seconds since 1970.
type Found = BTreeMap<LiveId, BTreeMap<i64, Usage>>;

/// What these instances have used in the last whole periods.
pub async fn measure(
    link: &Link,
    machines: &BTreeSet<LiveId>,
    now: Timestamp,
) -> Result<BTreeMap<LiveId, Reading>, Fault> {
    let machines: Vec<&LiveId> = machines.iter().collect();
    let mut found = Found::new();
    for batch in machines.chunks(QUERIES / WHAT.len()) {
        ask(link, batch, window(now), &mut found).await?;
    }
    let readings = found.into_iter().map(|(id, periods)| {
        let samples = periods.into_iter().filter_map(sample);
        (id, Reading::Samples(samples.collect()))
    });
    Ok(readings.collect())
}

/// From the beginning of the first period to the end of the last that is complete.
fn window(now: Timestamp) -> (i64, i64) {
    let period = i64::from(PERIOD_S);
    let end = (now.as_second() - LATENCY_S).div_euclid(period) * period;
    (end - PERIODS * period, end)
}

async fn ask(
    link: &Link,
    machines: &[&LiveId],
    (from, to): (i64, i64),
    found: &mut Found,
) -> Result<(), Fault> {
    let asked = link
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries(machines)))
        .start_time(DateTime::from_secs(from))
        .end_time(DateTime::from_secs(to))
        .scan_by(ScanBy::TimestampAscending);
    let mut pages = asked.into_paginator().send();
    while let Some(page) = pages.next().await {
        for result in page.map_err(look)?.metric_data_results() {
            take(machines, result, found);
        }
    }
    Ok(())
}

/// Every metric of every machine, each with the two numbers in its id.
fn queries(machines: &[&LiveId]) -> Vec<MetricDataQuery> {
    let mut queries = Vec::with_capacity(machines.len() * WHAT.len());
    for (number, machine) in machines.iter().enumerate() {
        let instance = Dimension::builder()
            .name("InstanceId")
            .value(&machine.0)
            .build();
        for (which, what) in WHAT.iter().enumerate() {
            let metric = Metric::builder()
                .namespace("AWS/EC2")
                .metric_name(what.metric)
                .dimensions(instance.clone())
                .build();
            let stat = MetricStat::builder()
                .metric(metric)
                .period(PERIOD_S)
                .stat(what.statistic)
                .build();
            let query = MetricDataQuery::builder()
                .id(format!("m{number}_{which}"))
                .metric_stat(stat)
                .return_data(true)
                .build();
            queries.push(query);
        }
    }
    queries
}

fn take(machines: &[&LiveId], result: &MetricDataResult, found: &mut Found) {
    let Some((machine, what)) = result.id().and_then(|id| meant(machines, id)) else {
        return;
    };
    let numbers = result.timestamps().iter().zip(result.values());
    for (at, value) in numbers.filter(|(_, value)| value.is_finite()) {
        let periods = found.entry(machine.clone()).or_default();
        (what.put)(periods.entry(at.secs()).or_default(), *value);
    }
}

/// What a query with that id was about.
fn meant<'a>(machines: &[&'a LiveId], id: &str) -> Option<(&'a LiveId, &'static What)> {
    let (number, which) = id.strip_prefix('m')?.split_once('_')?;
    let machine = machines.get(number.parse::<usize>().ok()?)?;
    Some((machine, WHAT.get(which.parse::<usize>().ok()?)?))
}

fn sample((begin, usage): (i64, Usage)) -> Option<Sample> {
    Some(Sample {
        at: Timestamp::from_second(begin + i64::from(PERIOD_S)).ok()?,
        over: PACE,
        usage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<LiveId> {
        (0..count).map(|n| LiveId(format!("i-{n}"))).collect()
    }

    #[test]
    fn only_periods_that_are_over_for_a_while_are_asked_for() {
        let at = |second| window(Timestamp::from_second(second).unwrap());
        assert_eq!(at(3600), (2400, 3300));
        assert_eq!(at(3600 + 179), (2400, 3300));
        assert_eq!(at(3600 + 180), (2700, 3600));
    }

    #[test]
    fn a_query_is_known_again_by_its_id() {
        let owned = ids(100);
        let machines: Vec<&LiveId> = owned.iter().collect();
        let queries = queries(&machines);
        assert_eq!(queries.len(), QUERIES);
        for query in &queries {
            let (machine, what) = meant(&machines, query.id().unwrap()).unwrap();
            let stat = query.metric_stat().unwrap();
            let metric = stat.metric().unwrap();
            assert_eq!(metric.metric_name(), Some(what.metric));
            assert_eq!(stat.stat(), Some(what.statistic));
            let dimension = &metric.dimensions()[0];
            assert_eq!(dimension.value(), Some(machine.0.as_str()));
        }
        for strange in ["", "m", "m1", "m100_0", "m0_5", "x0_0"] {
            assert!(meant(&machines, strange).is_none(), "{strange}");
        }
    }

    #[test]
    fn a_period_becomes_a_rate_and_memory_stays_unknown() {
        let owned = ids(1);
        let machines: Vec<&LiveId> = owned.iter().collect();
        let mut found = Found::new();
        for (id, value) in [("m0_0", 12.5), ("m0_1", 3000.0), ("m0_4", 600.0)] {
            let result = MetricDataResult::builder()
                .id(id)
                .timestamps(DateTime::from_secs(2400))
                .values(value)
                .build();
            take(&machines, &result, &mut found);
        }
        let (begin, usage) = found[&owned[0]].iter().next().unwrap();
        let sample = sample((*begin, *usage)).unwrap();
        let expected = Usage {
            cpu: Some(0.125),
            received: Some(10.0),
            disk_written: Some(2.0),
            ..Usage::default()
        };
        assert_eq!((sample.usage, sample.at.as_second()), (expected, 2700));
    }
}
