//! How hosts are, for people.

use super::output::{BAD, WARN, paint, table};
use crate::http::view::{HostView, SpaceView};
use crate::model::health::Severeness;
use crate::model::text::mib;
use crate::reconcile::Tick;

/// What stands above [`cells`].
pub const HEADER: [&str; 5] = ["load", "memory free", "disk free", "libvirt", "clock"];

/// A host in cells; a dash is what it does not say.
#[must_use]
pub fn cells(host: Option<&HostView>) -> [String; 5] {
    let dash = || "-".to_owned();
    let Some(host) = host else {
        return [(); 5].map(|()| dash());
    };
    let load = host.load.map(|load| match host.cpus {
        Some(cpus) => format!("{load:.2}/{cpus}"),
        None => format!("{load:.2}"),
    });
    let memory = match (host.available_mib, host.memory_mib) {
        (Some(free), Some(all)) => Some(format!("{}/{}", mib(free), mib(all))),
        (None, Some(all)) => Some(format!("-/{}", mib(all))),
        (_, None) => None,
    };
    let room = host.room();
    let room = room.map(|SpaceView { size_mib, free_mib }| {
        format!("{} of {} GiB", free_mib >> 10, size_mib >> 10)
    });
    let clock = host.clock_skew_seconds.map(|skew| match skew {
        0 => "as ours".to_owned(),
        skew => format!("{skew:+} s"),
    });
    let cells = [load, memory, room, host.libvirt_version.clone(), clock];
    cells.map(|cell| cell.unwrap_or_else(dash))
}

/// Hosts in a table.
#[must_use]
pub fn listed(hosts: &[HostView]) -> String {
    let rows = hosts.iter().map(|host| {
        let name = std::iter::once(host.provider.clone());
        name.chain(cells(Some(host))).collect::<Vec<_>>()
    });
    let header = [&["host"][..], &HEADER[..]].concat();
    table(header, rows)
}

/// Says what is about to fail.
pub fn warn(hosts: &[HostView]) {
    for host in hosts {
        for warning in &host.warnings {
            let (style, word) = match warning.severity {
                Severeness::Warning => (WARN, "warning"),
                Severeness::Severe => (BAD, "severe"),
            };
            let word = paint(style, word);
            anstream::eprintln!("{word}: {}: {}", host.provider, warning.message);
        }
    }
}

/// Says which places are not declared any more while environments live there.
pub fn warn_of_left(tick: &Tick) {
    for (_, message) in tick.left() {
        anstream::eprintln!("{}: {message}", paint(BAD, "severe"));
    }
}
