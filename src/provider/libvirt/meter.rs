//! How much machines use, from libvirt's statistics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use virt::connect::Connect;

use super::fault::Fault;
use super::stats::{self, Numbers, Running};
use crate::model::{Counters, CpuTime, LiveId, Reading, Timestamp};

/// Hundreds of machines are told in one answer; nobody waits for a host that does not give it.
pub const WITHIN: Duration = Duration::from_secs(20);

/// It counts all the time.
pub const PACE: Duration = Duration::from_secs(1);

/// libvirt tells memory in KiB.
const KIB: u64 = 1024;

pub fn measure(
    conn: &Connect,
    machines: &BTreeSet<LiveId>,
) -> Result<BTreeMap<LiveId, Reading>, Fault> {
    let running = stats::of_running(conn)?;
    let at = Timestamp::now();
    let readings = running.iter().filter_map(|running| {
        let id = machines.get(&LiveId(running.uuid.clone()))?;
        Some((id.clone(), Reading::Counters(counters(running, at))))
    });
    Ok(readings.collect())
}

fn counters(running: &Running, at: Timestamp) -> Counters {
    let Running {
        uuid: _,
        id,
        numbers,
    } = running;
    Counters {
        at,
        life: id.to_string(),
        cpu: numbers.get("cpu.time").map(|nanoseconds| CpuTime {
            used: Duration::from_nanos(*nanoseconds),
            given: None,
        }),
        memory: memory(numbers),
        disk_read: sum(numbers, "block.", ".rd.bytes"),
        disk_written: sum(numbers, "block.", ".wr.bytes"),
        received: sum(numbers, "net.", ".rx.bytes"),
        sent: sum(numbers, "net.", ".tx.bytes"),
    }
}

/// What the guest itself says is in use, where it has a balloon that says it; otherwise what its
/// process takes of the host.
fn memory(numbers: &Numbers) -> Option<u64> {
    let kib = |name: &str| numbers.get(name).copied();
    let of_guest = match (kib("balloon.available"), kib("balloon.usable")) {
        (Some(available), Some(usable)) => available.checked_sub(usable),
        (None, _) | (_, None) => None,
    };
    Some(of_guest.or_else(|| kib("balloon.rss"))? * KIB)
}

/// Of all its disks, or all its interfaces; `None` when there is nothing of the kind.
fn sum(numbers: &Numbers, kind: &str, what: &str) -> Option<u64> {
    let of_kind = numbers
        .iter()
        .filter(|(name, _)| name.starts_with(kind) && name.ends_with(what));
    of_kind
        .map(|(_, number)| *number)
        .reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(numbers: &[(&str, u64)]) -> Running {
        let owned = |(name, number): &(&str, u64)| ((*name).to_owned(), *number);
        Running {
            uuid: "u".to_owned(),
            id: 7,
            numbers: numbers.iter().map(owned).collect(),
        }
    }

    fn of(numbers: &[(&str, u64)]) -> Counters {
        counters(&running(numbers), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn all_disks_and_all_interfaces_count() {
        let counters = of(&[
            ("block.count", 2),
            ("block.0.rd.bytes", 10),
            ("block.1.rd.bytes", 5),
            ("block.0.rd.reqs", 99),
            ("block.0.wr.bytes", 1),
            ("net.0.rx.bytes", 7),
            ("net.0.tx.bytes", 8),
            ("cpu.time", 1_500_000_000),
            ("cpu.user", 9),
        ]);
        assert_eq!(
            (counters.disk_read, counters.disk_written),
            (Some(15), Some(1))
        );
        assert_eq!((counters.received, counters.sent), (Some(7), Some(8)));
        assert_eq!(counters.cpu.unwrap().used, Duration::from_millis(1500));
        assert_eq!(counters.life, "7");
    }

    #[test]
    fn what_is_not_told_is_absent_and_not_nothing() {
        let counters = of(&[("block.count", 0)]);
        assert_eq!((counters.disk_read, counters.memory), (None, None));
        assert_eq!((counters.cpu, counters.sent), (None, None));
    }

    #[test]
    fn memory_is_what_the_guest_says_or_what_the_host_gives() {
        let rss = ("balloon.rss", 700);
        assert_eq!(of(&[rss]).memory, Some(700 * KIB));
        let guest = [rss, ("balloon.available", 1000), ("balloon.usable", 600)];
        assert_eq!(of(&guest).memory, Some(400 * KIB));
    }
}
