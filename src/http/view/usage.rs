//! What environments use.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Bucket, EnvName, Sample, Timestamp, Usage};
use crate::usage::{ContainerUse, Known, Machine, Now, Resolution};

/// What is used; what is not known is `null`, and not nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct UsageNumbers {
    /// The share of all processors, from 0 to 1.
    pub cpu: Option<f64>,
    pub memory_bytes: Option<f64>,
    pub disk_read_bytes_per_second: Option<f64>,
    pub disk_written_bytes_per_second: Option<f64>,
    pub received_bytes_per_second: Option<f64>,
    pub sent_bytes_per_second: Option<f64>,
}

impl From<Usage> for UsageNumbers {
    fn from(usage: Usage) -> Self {
        let Usage {
            cpu,
            memory,
            disk_read,
            disk_written,
            received,
            sent,
        } = usage;
        Self {
            cpu,
            memory_bytes: memory,
            disk_read_bytes_per_second: disk_read,
            disk_written_bytes_per_second: disk_written,
            received_bytes_per_second: received,
            sent_bytes_per_second: sent,
        }
    }
}

/// What one environment uses just now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NowView {
    pub environment: String,
    pub provider: Option<String>,
    /// `running`, `paused` or `stopped`; `null` when it has no machine.
    pub power: Option<String>,
    pub cpus: Option<u32>,
    /// What its machine has.
    pub memory_mib: Option<u64>,
    /// The end of the time that was measured.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    #[serde(flatten)]
    pub usage: UsageNumbers,
    pub containers: Vec<ContainerUseView>,
    /// Since when nobody uses it, by the rule of the repository.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub idle_since: Option<Timestamp>,
    /// Why something is not known.
    pub faults: Vec<String>,
}

/// What one environment uses now, and what it used on average; oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeriesView {
    pub now: NowView,
    /// Of the last hour.
    pub minutes: Vec<PointView>,
    /// Of the last day, five minutes each.
    pub five_minutes: Vec<PointView>,
    /// Of the last 31 days.
    pub hours: Vec<PointView>,
}

/// Averages of the time in which its machine ran and was measured.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PointView {
    /// The beginning.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// For how many seconds it was measured.
    pub measured_s: u64,
    #[serde(flatten)]
    pub usage: UsageNumbers,
}

impl SeriesView {
    #[must_use]
    pub fn of(env: &EnvName, known: &Known) -> Self {
        let points = |resolution| known.series.buckets(resolution).map(PointView::from);
        Self {
            now: NowView::of(env, known),
            minutes: points(Resolution::Minute).collect(),
            five_minutes: points(Resolution::FiveMinutes).collect(),
            hours: points(Resolution::Hour).collect(),
        }
    }
}

impl From<&Bucket> for PointView {
    fn from(bucket: &Bucket) -> Self {
        Self {
            at: bucket.begin(),
            measured_s: bucket.measured().as_secs(),
            usage: bucket.usage().into(),
        }
    }
}

/// What one container uses; `cpu` is the share of all processors of its machine.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ContainerUseView {
    pub service: String,
    pub container: String,
    #[serde(flatten)]
    pub usage: UsageNumbers,
}

impl NowView {
    /// Of an environment without a machine.
    #[must_use]
    pub fn absent(environment: String) -> Self {
        Self {
            environment,
            provider: None,
            power: None,
            cpus: None,
            memory_mib: None,
            at: None,
            usage: UsageNumbers::default(),
            containers: Vec::new(),
            idle_since: None,
            faults: Vec::new(),
        }
    }

    /// As it was measured last.
    #[must_use]
    pub fn of(env: &EnvName, known: &Known) -> Self {
        let absent = Self {
            idle_since: known.idle,
            ..Self::absent(env.to_string())
        };
        let Some(machine) = &known.machine else {
            return absent;
        };
        let faults = [&known.faults.machine, &known.faults.containers];
        Self {
            containers: known
                .containers
                .iter()
                .map(ContainerUseView::from)
                .collect(),
            faults: faults.into_iter().flatten().cloned().collect(),
            ..absent.on(machine, known.latest)
        }
    }

    fn on(self, machine: &Machine, sample: Option<Sample>) -> Self {
        let usage = sample.map(|Sample { usage, .. }| usage);
        Self {
            provider: Some(machine.provider.to_string()),
            power: Some(machine.power.to_string()),
            cpus: Some(machine.cpus),
            memory_mib: Some(machine.memory_mib),
            at: sample.map(|sample| sample.at),
            usage: usage.unwrap_or_default().into(),
            ..self
        }
    }
}

impl From<&Now> for NowView {
    fn from(now: &Now) -> Self {
        let Now {
            machine,
            sample,
            containers,
            faults,
        } = now;
        Self {
            containers: containers.iter().map(ContainerUseView::from).collect(),
            faults: faults.clone(),
            ..Self::absent(machine.env.to_string()).on(machine, *sample)
        }
    }
}

impl From<&ContainerUse> for ContainerUseView {
    fn from(container: &ContainerUse) -> Self {
        let ContainerUse {
            service,
            container,
            sample,
        } = container;
        Self {
            service: service.clone(),
            container: container.clone(),
            usage: sample.usage.into(),
        }
    }
}
