//! What environments use and cost, in Prometheus' text format.
//!
//! Written anew from what is known then, so that whoever is gone leaves no line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::cost::{By, Costs, Ledger, Sum};
use crate::model::{EnvName, Timestamp, Usage};
use crate::usage::Known;

/// What was measured longer ago is not what is used now; clouds are some ten minutes behind.
const FRESH: Duration = Duration::from_secs(20 * 60);

/// A name, what it means, and where the number is.
type Gauge = (&'static str, &'static str, fn(&Usage) -> Option<f64>);

const GAUGES: [Gauge; 6] = [
    (
        "metrom_environment_cpu_ratio",
        "The share of all processors of its machine that is used, from 0 to 1",
        |usage| usage.cpu,
    ),
    (
        "metrom_environment_memory_bytes",
        "Memory that its machine uses",
        |usage| usage.memory,
    ),
    (
        "metrom_environment_disk_read_bytes_per_second",
        "What its machine reads from its disks",
        |usage| usage.disk_read,
    ),
    (
        "metrom_environment_disk_written_bytes_per_second",
        "What its machine writes to its disks",
        |usage| usage.disk_written,
    ),
    (
        "metrom_environment_network_received_bytes_per_second",
        "What comes in to its machine",
        |usage| usage.received,
    ),
    (
        "metrom_environment_network_sent_bytes_per_second",
        "What goes out of its machine",
        |usage| usage.sent,
    ),
];

const OF_SERVICES: [Gauge; 2] = [
    (
        "metrom_service_cpu_ratio",
        "The share of all processors of the machine that the containers of a service use",
        |usage| usage.cpu,
    ),
    (
        "metrom_service_memory_bytes",
        "Memory that the containers of a service use, without what the kernel only keeps",
        |usage| usage.memory,
    ),
];

/// The end of a name, what it means, and where the amount is.
type Span = (&'static str, &'static str, fn(&Costs) -> &Sum);

const SPANS: [Span; 4] = [
    (
        "month_to_date",
        "of this calendar month (UTC) until now",
        |costs| &costs.to_date,
    ),
    (
        "month_forecast",
        "of this calendar month (UTC) as a whole",
        |costs| &costs.forecast,
    ),
    ("next_month", "of the next calendar month (UTC)", |costs| {
        &costs.next
    }),
    (
        "full_month",
        "of a whole month with the declared hours",
        |costs| &costs.full,
    ),
];

/// One number with its labels.
pub(super) type Line = (String, f64);

/// Everything that is known now.
#[must_use]
pub fn render(known: &BTreeMap<EnvName, Known>, now: Timestamp) -> String {
    let mut text = String::new();
    for (name, help, number) in GAUGES {
        let lines = known.iter().filter_map(|(env, known)| {
            let sample = known.latest.filter(|sample| is_fresh(sample.at, now))?;
            Some((labels(env, known)?, number(&sample.usage)?))
        });
        write(&mut text, (name, help), lines.collect());
    }
    let idle = known.iter().filter_map(|(env, known)| {
        let is_idle = f64::from(u8::from(known.idle.is_some()));
        Some((labels(env, known)?, is_idle))
    });
    let help = "1 when nobody has used it for as long as `policies.idle` says";
    write(&mut text, ("metrom_environment_idle", help), idle.collect());
    for (name, help, number) in OF_SERVICES {
        let lines = known
            .iter()
            .flat_map(|(env, known)| services(env, known, number, now));
        write(&mut text, (name, help), lines.collect());
    }
    text
}

/// What each environment, project and provider costs, by currency. What has no price is in no amount.
#[must_use]
pub fn costs(ledger: &Ledger) -> String {
    let by = |label: &str, by: By| -> Vec<(String, Costs)> {
        let found = ledger.by(by).into_iter();
        found
            .map(|(name, costs)| (format!("{label}=\"{name}\""), costs))
            .collect()
    };
    let environments = ledger.lines.iter().map(|(env, line)| {
        let project = line
            .project
            .as_ref()
            .map_or("-", |project| project.as_str());
        let provider = &line.provider;
        let labels = format!("environment=\"{env}\",project=\"{project}\",provider=\"{provider}\"");
        (labels, line.costs.clone())
    });
    let kinds = [
        ("environment", environments.collect()),
        ("project", by("project", By::Project)),
        ("provider", by("provider", By::Provider)),
    ];
    let mut text = String::new();
    for (kind, entries) in &kinds {
        for (end, meaning, sum) in SPANS {
            let lines = entries.iter().flat_map(|(labels, costs)| {
                let amounts = sum(costs).amounts.iter();
                amounts.map(move |(currency, amount)| {
                    let labels = format!("{labels},currency=\"{currency}\"");
                    (labels, amount.approximately())
                })
            });
            let name = format!("metrom_{kind}_cost_{end}");
            let help = format!("Computed cost {meaning}");
            write(&mut text, (&name, &help), lines.collect());
        }
    }
    text
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).unsigned_abs() <= FRESH
}

/// `None` when it has no machine.
fn labels(env: &EnvName, known: &Known) -> Option<String> {
    let provider = &known.machine.as_ref()?.provider;
    Some(format!("environment=\"{env}\",provider=\"{provider}\""))
}

/// The containers of a service together.
fn services(
    env: &EnvName,
    known: &Known,
    number: fn(&Usage) -> Option<f64>,
    now: Timestamp,
) -> Vec<Line> {
    let Some(labels) = labels(env, known) else {
        return Vec::new();
    };
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for container in &known.containers {
        let sample = container.sample;
        if let Some(number) = number(&sample.usage).filter(|_| is_fresh(sample.at, now)) {
            *sums.entry(&container.service).or_default() += number;
        }
    }
    let lines = sums.into_iter().map(|(service, sum)| {
        let service = escaped(service);
        (format!("{labels},service=\"{service}\""), sum)
    });
    lines.collect()
}

/// A name that users gave may hold anything.
fn escaped(label: &str) -> String {
    let label = label.replace('\\', "\\\\").replace('"', "\\\"");
    label.replace('\n', "\\n")
}

pub(super) fn write(text: &mut String, (name, help): (&str, &str), lines: Vec<Line>) {
    if lines.is_empty() {
        return;
    }
    let told = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    told.expect("a text takes everything");
    for (labels, number) in lines {
        writeln!(text, "{name}{{{labels}}} {number}").expect("a text takes everything");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LiveId, Power, ProviderName, Sample};
    use crate::usage::{ContainerUse, Machine};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sample(cpu: f64) -> Sample {
        Sample {
            at: at(0),
            over: Duration::from_secs(60),
            usage: Usage {
                cpu: Some(cpu),
                sent: Some(1024.0),
                ..Usage::default()
            },
        }
    }

    fn known() -> BTreeMap<EnvName, Known> {
        let env = EnvName::parse("shop").unwrap();
        let container = |service: &str, name: &str| ContainerUse {
            service: service.to_owned(),
            container: name.to_owned(),
            sample: sample(0.25),
        };
        let known = Known {
            machine: Some(Machine {
                env: env.clone(),
                provider: ProviderName::parse("lab").unwrap(),
                power: Power::Running,
                cpus: 2,
                memory_mib: 1024,
                id: LiveId("m".to_owned()),
                target: None,
            }),
            latest: Some(sample(0.5)),
            containers: vec![
                container("web", "shop-web-1"),
                container("web", "shop-web-2"),
                container("a\"b", "shop-ab-1"),
            ],
            ..Known::default()
        };
        BTreeMap::from([(env, known)])
    }

    #[test]
    fn what_is_known_has_a_line_and_what_is_not_has_none() {
        let text = render(&known(), at(60));
        let shop = "environment=\"shop\",provider=\"lab\"";
        for line in [
            format!("metrom_environment_cpu_ratio{{{shop}}} 0.5"),
            format!("metrom_environment_network_sent_bytes_per_second{{{shop}}} 1024"),
            format!("metrom_environment_idle{{{shop}}} 0"),
            format!("metrom_service_cpu_ratio{{{shop},service=\"web\"}} 0.5"),
            format!("metrom_service_cpu_ratio{{{shop},service=\"a\\\"b\"}} 0.25"),
            "# TYPE metrom_environment_cpu_ratio gauge".to_owned(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("memory"), "{text}");
    }

    #[test]
    fn what_was_measured_long_ago_is_not_used_now() {
        let text = render(&known(), at(7200));
        assert!(!text.contains("_ratio"), "{text}");
        assert_eq!(render(&BTreeMap::new(), at(0)), "");
    }
}
