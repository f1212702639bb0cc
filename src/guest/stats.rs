//! What the containers of a stack have used, as Docker counts it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures_util::future::try_join_all;
use futures_util::stream::StreamExt as _;

use super::container::{PROJECT, SERVICE, label};
use super::docker;
use super::operator::Operator;
use super::stack::recorded;
use crate::model::{ContainerReading, Counters, CpuTime, Timestamp};
use crate::port::GuestError;

const DOING: &str = "measuring containers";

/// Of the running containers of the stack; none when there is no stack: then Docker is not even woken.
///
/// # Errors
/// [`GuestError`] when the machine or its Docker cannot be asked.
pub(crate) async fn read(op: &Operator<'_>) -> Result<Vec<ContainerReading>, GuestError> {
    let Some(record) = recorded(op).await? else {
        return Ok(Vec::new());
    };
    let failed = |e: Error| op.failed(DOING, format!("Docker does not answer: {e}"));
    let docker = docker::connect(Arc::clone(&op.session), &op.layout.docker_socket);
    let docker = docker.await.map_err(failed)?;
    of_project(&docker, &record.project).await.map_err(failed)
}

async fn of_project(docker: &Docker, project: &str) -> Result<Vec<ContainerReading>, Error> {
    let label_of_project = vec![format!("{PROJECT}={project}")];
    let running = vec!["running".to_owned()];
    let filters = HashMap::from([("label", label_of_project), ("status", running)]);
    let options = ListContainersOptionsBuilder::new()
        .filters(&filters)
        .build();
    let summaries = docker.list_containers(Some(options)).await?;
    let readings = summaries.iter().map(|summary| async move {
        let id = summary.id.as_deref().unwrap_or_default();
        let Some(stats) = one(docker, id).await? else {
            return Ok(None);
        };
        let names = summary.names.iter().flatten();
        let name = names.map(|name| name.trim_start_matches('/')).next();
        Ok::<_, Error>(Some(ContainerReading {
            service: label(summary, SERVICE).to_owned(),
            container: name.unwrap_or(id).to_owned(),
            counters: counters(&stats, id, Timestamp::now()),
        }))
    });
    let mut found: Vec<ContainerReading> = try_join_all(readings)
        .await?
        .into_iter()
        .flatten()
        .collect();
    found.sort_by(|a, b| (&a.service, &a.container).cmp(&(&b.service, &b.container)));
    Ok(found)
}

/// `None` when it was removed since it was listed.
async fn one(docker: &Docker, id: &str) -> Result<Option<ContainerStatsResponse>, Error> {
    // One look; Docker itself would wait for a second one.
    let options = StatsOptionsBuilder::new()
        .stream(false)
        .one_shot(true)
        .build();
    match docker.stats(id, Some(options)).next().await {
        None
        | Some(Err(Error::DockerResponseServerError {
            status_code: 404, ..
        })) => Ok(None),
        Some(stats) => stats.map(Some),
    }
}

fn counters(stats: &ContainerStatsResponse, id: &str, now: Timestamp) -> Counters {
    let read = stats.read.as_ref().and_then(|read| read.parse().ok());
    let networks = stats.networks.iter().flat_map(HashMap::values);
    let bytes = |of: fn(&_) -> Option<u64>| networks.clone().filter_map(of).reduce(|a, b| a + b);
    Counters {
        at: read.unwrap_or(now),
        life: id.to_owned(),
        cpu: cpu(stats),
        memory: stats.memory_stats.as_ref().and_then(memory),
        disk_read: disk(stats, "read"),
        disk_written: disk(stats, "write"),
        received: bytes(|network: &bollard::models::ContainerNetworkStats| network.rx_bytes),
        sent: bytes(|network| network.tx_bytes),
    }
}

/// The container's time, and that of the machine; their growth is compared, as Docker documents it.
fn cpu(stats: &ContainerStatsResponse) -> Option<CpuTime> {
    let cpu = stats.cpu_stats.as_ref()?;
    Some(CpuTime {
        used: Duration::from_nanos(cpu.cpu_usage.as_ref()?.total_usage?),
        given: cpu.system_cpu_usage.map(Duration::from_nanos),
    })
}

/// Without the files that the kernel only keeps as long as nobody needs the room; the first name is
/// that of cgroup v1.
fn memory(memory: &ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    let cached = |name: &str| memory.stats.as_ref()?.get(name).copied();
    let cache = cached("total_inactive_file").or_else(|| cached("inactive_file"));
    Some(usage.saturating_sub(cache.unwrap_or(0)))
}

fn disk(stats: &ContainerStatsResponse, what: &str) -> Option<u64> {
    let entries = stats.blkio_stats.as_ref()?;
    let entries = entries.io_service_bytes_recursive.iter().flatten();
    let of_kind = entries.filter(|entry| {
        let op = entry.op.as_deref().unwrap_or_default();
        op.eq_ignore_ascii_case(what)
    });
    of_kind.filter_map(|entry| entry.value).reduce(|a, b| a + b)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As dockerd 26.1 answers on a machine of two processors with cgroup v2.
    fn v2(read: &str, total: u64, system: u64) -> Counters {
        let stats = json!({
            "read": read, "preread": "0001-01-01T00:00:00Z",
            "pids_stats": {"current": 4, "limit": 1123},
            "blkio_stats": {
                "io_service_bytes_recursive": [
                    {"major": 254, "minor": 0, "op": "read", "value": 4096},
                    {"major": 254, "minor": 0, "op": "write", "value": 12288},
                    {"major": 253, "minor": 0, "op": "read", "value": 1024},
                ],
                "io_serviced_recursive": null,
            },
            "num_procs": 0, "storage_stats": {},
            "cpu_stats": {
                "cpu_usage": {"total_usage": total, "usage_in_kernelmode": 1, "usage_in_usermode": 2},
                "system_cpu_usage": system, "online_cpus": 2,
                "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
            },
            "precpu_stats": {"cpu_usage": {"total_usage": 0}, "throttling_data": {}},
            "memory_stats": {
                "usage": 31_457_280, "limit": 1_013_000_000,
                "stats": {"active_file": 4096, "inactive_file": 10_485_760},
            },
            "name": "/shop-web-1", "id": "f00d",
            "networks": {
                "eth0": {"rx_bytes": 1296, "tx_bytes": 726, "rx_packets": 14},
                "eth1": {"rx_bytes": 4, "tx_bytes": 6, "rx_packets": 1},
            },
        });
        let stats = serde_json::from_value(stats).unwrap();
        counters(&stats, "f00d", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_share_of_the_processors_is_computed_as_docker_documents_it() {
        let (a, b) = (10_000_000_000, 11_200_000_000);
        let (of, to) = (900_000_000_000, 908_000_000_000);
        let before = v2("2026-11-23T10:00:00.5Z", a, of);
        let now = v2("2026-11-23T10:00:04.5Z", b, to);
        let (before, now) = (before.cpu.unwrap(), now.cpu.unwrap());
        let share = (now.used - before.used).as_secs_f64()
            / (now.given.unwrap() - before.given.unwrap()).as_secs_f64();
        // (cpu_delta / system_cpu_delta) * number_cpus * 100.0 is in percent of one processor.
        let documented = (b - a) as f64 / (to - of) as f64 * 2.0 * 100.0;
        assert!((share * 2.0 * 100.0 - documented).abs() < 1e-9, "{share}");
    }

    #[test]
    fn memory_is_without_what_the_kernel_only_keeps() {
        let counters = v2("2026-11-23T10:00:00Z", 1, 2);
        assert_eq!(counters.memory, Some(20 << 20));
        let v1 = json!({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30,
            "inactive_file": 10}}});
        let stats: ContainerStatsResponse = serde_json::from_value(v1).unwrap();
        assert_eq!(memory(&stats.memory_stats.unwrap()), Some(70));
    }

    #[test]
    fn disks_and_networks_are_summed_up() {
        let counters = v2("2026-11-23T10:00:00Z", 1, 2);
        assert_eq!(
            (counters.disk_read, counters.disk_written),
            (Some(5120), Some(12288))
        );
        assert_eq!((counters.received, counters.sent), (Some(1300), Some(732)));
    }

    #[test]
    fn what_docker_does_not_say_is_absent() {
        let stats = serde_json::from_value(json!({"id": "f00d"})).unwrap();
        let at = Timestamp::from_second(7).unwrap();
        let expected = Counters {
            at,
            life: "f00d".to_owned(),
            ..Counters::default()
        };
        assert_eq!(counters(&stats, "f00d", at), expected);
    }
}
