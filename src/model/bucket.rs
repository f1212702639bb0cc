//! What was used in a stretch of time, folded into means.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Sample, Timestamp, Usage};

/// A mean over the time that it is known of, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Mean(f32, f32);

impl Mean {
    fn add(&mut self, value: Option<f64>, seconds: f32) {
        let Some(value) = value.map(|value| value as f32) else {
            return;
        };
        let Self(mean, known) = self;
        let whole = *known + seconds;
        if whole > 0.0 && value.is_finite() {
            *mean += (value - *mean) * (seconds / whole);
            *known = whole;
        }
    }

    fn value(self) -> Option<f64> {
        (self.1 > 0.0).then_some(f64::from(self.0))
    }
}

/// What was used in one stretch of time, on average of the time in which it was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Seconds since 1970.
    begin: i64,
    /// The end of the last sample, in seconds since 1970.
    until: i64,
    means: [Mean; 6],
}

impl Bucket {
    /// An empty one that begins so many seconds after 1970.
    #[must_use]
    pub fn beginning(begin: i64) -> Self {
        Self {
            begin,
            until: begin,
            ..Self::default()
        }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn begin_s(&self) -> i64 {
        self.begin
    }

    #[must_use]
    pub fn begin(&self) -> Timestamp {
        Timestamp::from_second(self.begin).unwrap_or(Timestamp::MIN)
    }

    /// The end of the last sample in it.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        Timestamp::from_second(self.until).unwrap_or(Timestamp::MIN)
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(self.means.map(Mean::value))
    }

    /// For how long it was measured: only what is awake is.
    #[must_use]
    pub fn measured(&self) -> Duration {
        let longest = self.means.iter().map(|mean| mean.1).fold(0.0, f32::max);
        Duration::try_from_secs_f32(longest).unwrap_or_default()
    }

    /// Takes a sample in; `length` is that of the bucket in seconds.
    pub fn add(&mut self, sample: &Sample, length: i64) {
        // A sample that is longer than the bucket says only so much of it.
        let seconds = sample.over.as_secs_f32().min(length as f32);
        for (mean, value) in self.means.iter_mut().zip(sample.usage.values()) {
            mean.add(value, seconds);
        }
        self.until = self.until.max(sample.at.as_second());
    }
}
