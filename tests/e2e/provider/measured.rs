//! What a real libvirt tells of how much a machine uses.

use std::collections::BTreeSet;
use std::time::Duration;

use metrom::model::{Boot, Counters, LiveId, ProviderAction, Reading};
use metrom::port::{Actuator as _, Observer as _};
use metrom::provider::libvirt::Libvirt;
use metrom::usage::rate::between;

use super::bed::{Bed, PATIENCE, virsh};
use super::contract::{self, Env, SMALL};

/// The smallest guest that is never at rest.
fn busy() -> Vec<u8> {
    let mut sector = vec![0xeb, 0xfe]; // here: jmp here
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

async fn counters(provider: &Libvirt, id: &LiveId) -> Option<Counters> {
    let machines = BTreeSet::from([id.clone()]);
    let meter = provider.meter().expect("libvirt counts");
    let mut readings = meter.measure(&machines).await.unwrap();
    match readings.remove(id)? {
        Reading::Counters(counters) => Some(counters),
        Reading::Samples(samples) => panic!("libvirt only counts: {samples:?}"),
    }
}

/// Once the guest runs and libvirt has a number of each kind.
async fn begun(provider: &Libvirt, id: &LiveId) -> Counters {
    let started = std::time::Instant::now();
    loop {
        let seen = counters(provider, id).await.expect("it runs");
        if seen.disk_read.is_some_and(|bytes| bytes >= 512) {
            return seen;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "never read its disk: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_running_machine_uses_processor_time_and_memory() {
    let bed = Bed::new("measured");
    let provider = bed.prepared().await;
    let image = contract::image("plain", Boot::Disk);
    contract::takes_an_image(&provider, &image, &bed.image_of(&busy(), 64)).await;
    let env = Env::new("busy");
    let id = contract::done(&provider, env.machine(&provider, &image, &[])).await;
    let id = id.expect("a machine has an id");

    let first = begun(&provider, &id).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let second = counters(&provider, &id).await.expect("it runs");
    let used = |counters: &Counters| counters.cpu.expect("libvirt counts it").used;
    assert!(used(&second) > used(&first), "{first:?} {second:?}");
    let sample = between(&first, &second, SMALL.0).expect("it is the same life");
    assert!(
        sample.usage.cpu.unwrap() > 0.05,
        "it is never at rest: {sample:?}"
    );
    assert!(sample.usage.memory.unwrap() > 1e6, "{sample:?}");
    assert!(sample.usage.sent.is_some() && sample.usage.disk_written.is_some());
    // The independent witness counts the same time.
    let stats = virsh(&["domstats", "--cpu-total", "metrom-busy"]);
    let witness = stats
        .lines()
        .find_map(|line| line.trim().strip_prefix("cpu.time="));
    let witness: u64 = witness.unwrap().parse().unwrap();
    assert!(u128::from(witness) >= used(&second).as_nanos(), "{stats}");

    virsh(&["destroy", "metrom-busy"]);
    assert_eq!(counters(&provider, &id).await, None, "it does not run");
    contract::done(&provider, ProviderAction::StartMachine { id: id.clone() }).await;
    let again = begun(&provider, &id).await;
    assert_eq!(between(&second, &again, SMALL.0), None, "another life");
    virsh(&["destroy", "metrom-busy"]);
    let gone = ProviderAction::DeleteMachine { id };
    provider
        .perform(&gone, None, &metrom::port::Silent)
        .await
        .unwrap();
}
