//! How hosts are, in Prometheus' text format: what the loop saw last.

use std::collections::BTreeMap;

use super::gauges::write;
use crate::model::health::Severeness;
use crate::model::{HostHealth, ProviderName, Space};
use crate::reconcile::Inventories;

/// A name, what it means, and where the number is.
type Gauge = (&'static str, &'static str, fn(&HostHealth) -> Option<f64>);

const GAUGES: [Gauge; 9] = [
    ("metrom_host_cpus", "Its processors", |host| {
        host.cpus.map(f64::from)
    }),
    (
        "metrom_host_load1",
        "The mean length of its run queue over the last minute",
        |host| host.load_centi.map(|load| load as f64 / 100.0),
    ),
    ("metrom_host_memory_bytes", "Its memory", |host| {
        host.memory_mib.map(bytes)
    }),
    (
        "metrom_host_memory_available_bytes",
        "Memory that its kernel could give out",
        |host| host.available_mib.map(bytes),
    ),
    (
        "metrom_host_disk_bytes",
        "The file system in which its pool lies",
        |host| host.disk.map(|Space { size_mib, .. }| bytes(size_mib)),
    ),
    (
        "metrom_host_disk_free_bytes",
        "What is free of the file system in which its pool lies",
        |host| host.disk.map(|Space { free_mib, .. }| bytes(free_mib)),
    ),
    ("metrom_host_pool_bytes", "Its storage pool", |host| {
        host.pool.map(|Space { size_mib, .. }| bytes(size_mib))
    }),
    (
        "metrom_host_pool_free_bytes",
        "What is free of its storage pool",
        |host| host.pool.map(|Space { free_mib, .. }| bytes(free_mib)),
    ),
    (
        "metrom_host_clock_skew_seconds",
        "So far its clock is ahead of ours",
        |host| host.skew_s.map(|skew| skew as f64),
    ),
];

/// What the loop saw of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// It was seen without a gap.
    is_up: bool,
    health: Option<HostHealth>,
}

/// What there is to tell of each provider.
#[must_use]
pub fn seen(inventories: &Inventories) -> BTreeMap<ProviderName, Seen> {
    let seen = inventories.iter().map(|inventory| {
        let seen = Seen {
            is_up: inventory.gaps.is_empty(),
            health: inventory.health.clone(),
        };
        (inventory.provider.clone(), seen)
    });
    seen.collect()
}

/// Everything that was seen. Who is not declared any more leaves no line.
#[must_use]
pub fn render(seen: &BTreeMap<ProviderName, Seen>) -> String {
    let mut text = String::new();
    let label = |provider: &ProviderName| format!("provider=\"{provider}\"");
    let up = seen
        .iter()
        .map(|(name, seen)| (label(name), f64::from(u8::from(seen.is_up))));
    let help = "1 when everything of it could be seen at the last look";
    write(&mut text, ("metrom_provider_up", help), up.collect());
    let hosts = || {
        let hosts = seen.iter();
        hosts.filter_map(|(name, seen)| Some((name, seen.health.as_ref()?)))
    };
    for (name, help, number) in GAUGES {
        let lines = hosts().filter_map(|(host, health)| Some((label(host), number(health)?)));
        write(&mut text, (name, help), lines.collect());
    }
    let versions = hosts().filter_map(|(host, health)| {
        let version = health.libvirt.as_ref()?;
        Some((format!("{},libvirt=\"{version}\"", label(host)), 1.0))
    });
    let help = "1, with the version of libvirt there";
    write(&mut text, ("metrom_host_info", help), versions.collect());
    let severities = [
        (Severeness::Warning, "warning"),
        (Severeness::Severe, "severe"),
    ];
    let warnings = hosts().flat_map(|(host, health)| {
        let warnings = health.warnings();
        severities.map(|(severity, word)| {
            let number = warnings.iter().filter(|w| w.severity == severity).count();
            let labels = format!("{},severity=\"{word}\"", label(host));
            (labels, number as f64)
        })
    });
    let help = "What works now and may not for long, by how severe it is";
    write(
        &mut text,
        ("metrom_host_warnings", help),
        warnings.collect(),
    );
    text
}

fn bytes(mib: u64) -> f64 {
    mib as f64 * f64::from(1_u32 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;

    fn lab(health: Option<HostHealth>) -> Inventories {
        let name = ProviderName::parse("lab").unwrap();
        let nothing = Inventory::unreachable(name, String::new());
        let gaps = match &health {
            Some(_) => Vec::new(),
            None => nothing.gaps.clone(),
        };
        Inventories::new(vec![Inventory {
            health,
            gaps,
            ..nothing
        }])
    }

    #[test]
    fn what_a_host_says_has_a_line_and_what_it_does_not_say_has_none() {
        let health = HostHealth {
            cpus: Some(8),
            load_centi: Some(42),
            pool: Some(Space {
                size_mib: 1000,
                free_mib: 40,
            }),
            libvirt: Some("11.3.0".to_owned()),
            ..HostHealth::default()
        };
        let text = render(&seen(&lab(Some(health))));
        for line in [
            "metrom_provider_up{provider=\"lab\"} 1",
            "metrom_host_cpus{provider=\"lab\"} 8",
            "metrom_host_load1{provider=\"lab\"} 0.42",
            "metrom_host_pool_free_bytes{provider=\"lab\"} 41943040",
            "metrom_host_info{provider=\"lab\",libvirt=\"11.3.0\"} 1",
            "metrom_host_warnings{provider=\"lab\",severity=\"severe\"} 1",
            "metrom_host_warnings{provider=\"lab\",severity=\"warning\"} 0",
            "# TYPE metrom_host_load1 gauge",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("memory"), "{text}");
        assert!(!text.contains("clock"), "{text}");
    }

    #[test]
    fn a_host_out_of_sight_is_down_and_says_nothing_else() {
        let text = render(&seen(&lab(None)));
        assert!(text.contains("metrom_provider_up{provider=\"lab\"} 0"));
        assert!(!text.contains("metrom_host_"), "{text}");
    }
}
