//! What a machine or a container uses, as it is measured.

use std::time::Duration;

use super::Timestamp;

/// What was used over a while. What nobody knows is absent, and not nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// The share of all its processors, from 0 to 1.
    pub cpu: Option<f64>,
    /// Bytes of memory, at the end of the while.
    pub memory: Option<f64>,
    /// Bytes a second.
    pub disk_read: Option<f64>,
    /// Bytes a second.
    pub disk_written: Option<f64>,
    /// Bytes a second that came in over the network.
    pub received: Option<f64>,
    /// Bytes a second that went out.
    pub sent: Option<f64>,
}

impl Usage {
    /// In the order of the fields.
    #[must_use]
    pub fn values(&self) -> [Option<f64>; 6] {
        let Self {
            cpu,
            memory,
            disk_read,
            disk_written,
            received,
            sent,
        } = *self;
        [cpu, memory, disk_read, disk_written, received, sent]
    }

    /// The inverse of [`Usage::values`].
    #[must_use]
    pub fn of(values: [Option<f64>; 6]) -> Self {
        let [cpu, memory, disk_read, disk_written, received, sent] = values;
        Self {
            cpu,
            memory,
            disk_read,
            disk_written,
            received,
            sent,
        }
    }

    /// Bytes a second in both directions; `None` unless both are known.
    #[must_use]
    pub fn network(&self) -> Option<f64> {
        Some(self.received? + self.sent?)
    }
}

/// What was used in the while that ended then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at: Timestamp,
    pub over: Duration,
    pub usage: Usage,
}

/// What a meter says of one machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Two of them make a sample.
    Counters(Counters),
    /// Somebody else has counted; oldest first.
    Samples(Vec<Sample>),
}

/// Numbers that only rise as long as something runs, and the memory that it has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    pub at: Timestamp,
    /// Another word each time that it was started anew: then its counters begin at nothing.
    pub life: String,
    pub cpu: Option<CpuTime>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes, and so for the rest.
    pub disk_read: Option<u64>,
    pub disk_written: Option<u64>,
    pub received: Option<u64>,
    pub sent: Option<u64>,
}

/// Processor time since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub used: Duration,
    /// What all processors together had to give, where the counter says that too; otherwise it is
    /// the time that has passed for each of them.
    pub given: Option<Duration>,
}

/// What a container has used.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerReading {
    pub service: String,
    pub container: String,
    /// `life` is the container's id with its start.
    pub counters: Counters,
}
