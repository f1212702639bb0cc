//! What CloudWatch tells of how much machines use. The test says it in EC2's place.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue, header};
use metrom::model::{LiveId, Reading, Sample, Timestamp};
use metrom::port::Observer as _;
use metrom::provider::aws::Aws;

use super::bed::Bed;
use super::emulator::REGION;
use super::proxy::call::Call;

const PERIOD_S: i64 = 300;

/// Puts numbers there, as EC2 would.
async fn say(bed: &Bed, machine: &LiveId, metric: &str, at: i64, values: &[f64]) {
    let at = Timestamp::from_second(at).unwrap().to_string();
    // Which of its services is meant, the emulator reads in the signature.
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDCONSOLE/20260101/{REGION}/monitoring/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        header::AUTHORIZATION,
        HeaderValue::from_str(&signed).unwrap(),
    );
    for value in values {
        let value = value.to_string();
        let params = [
            ("Namespace", "AWS/EC2"),
            ("MetricData.member.1.MetricName", metric),
            ("MetricData.member.1.Timestamp", &at),
            ("MetricData.member.1.Value", &value),
            ("MetricData.member.1.Dimensions.member.1.Name", "InstanceId"),
            ("MetricData.member.1.Dimensions.member.1.Value", &machine.0),
        ];
        let put = Call::new("PutMetricData", &params);
        let answer = bed.console.forward(&headers, &put).await;
        assert!(answer.is_done(), "{}", answer.body);
    }
}

fn instance(number: usize) -> LiveId {
    LiveId(format!("i-{number:017}"))
}

/// The beginning of the last period that is over for long enough.
fn last_period() -> i64 {
    (Timestamp::now().as_second() - 180).div_euclid(PERIOD_S) * PERIOD_S - PERIOD_S
}

async fn measured(provider: &Aws, machines: &BTreeSet<LiveId>) -> Vec<(LiveId, Vec<Sample>)> {
    let meter = provider.meter().expect("CloudWatch counts");
    let readings = meter.measure(machines).await.unwrap();
    let samples = readings.into_iter().map(|(id, reading)| match reading {
        Reading::Samples(samples) => (id, samples),
        Reading::Counters(counters) => panic!("CloudWatch has counted: {counters:?}"),
    });
    samples.collect()
}

#[tokio::test]
async fn what_cloudwatch_has_counted_becomes_samples_and_memory_stays_unknown() {
    let bed = Bed::new().await;
    let provider = bed.provider();
    let (used, other) = (instance(1), instance(2));
    let at = last_period();
    say(&bed, &used, "CPUUtilization", at, &[10.0, 30.0]).await;
    say(&bed, &used, "NetworkIn", at, &[1000.0, 2000.0]).await;
    say(&bed, &used, "NetworkOut", at, &[300.0]).await;
    say(&bed, &used, "EBSReadBytes", at, &[600.0]).await;
    // Long ago, and so nothing of now.
    say(&bed, &used, "EBSWriteBytes", at - 7200, &[900.0]).await;

    let found = measured(&provider, &[used.clone(), other].into()).await;
    let [(id, samples)] = &found[..] else {
        panic!("of the other nothing is known: {found:?}");
    };
    assert_eq!(*id, used);
    let [sample] = samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(sample.at.as_second(), at + PERIOD_S);
    let usage = sample.usage;
    assert_eq!((usage.cpu, usage.memory), (Some(0.2), None));
    assert_eq!((usage.received, usage.sent), (Some(10.0), Some(1.0)));
    assert_eq!((usage.disk_read, usage.disk_written), (Some(2.0), None));
}

#[tokio::test]
async fn more_machines_than_one_request_takes_are_all_asked_for() {
    let bed = Bed::new().await;
    let provider = bed.provider();
    let machines: BTreeSet<LiveId> = (0..230).map(instance).collect();
    let told = [0, 99, 100, 229].map(instance);
    for machine in &told {
        say(&bed, machine, "CPUUtilization", last_period(), &[50.0]).await;
    }
    let found = measured(&provider, &machines).await;
    let ids: Vec<_> = found.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, told);
    assert_eq!(bed.proxy.calls("GetMetricData"), 3);
}
