//! Spans of time as people read them.

use std::time::Duration;

use crate::model::Timestamp;

/// `0.3s`, `12.5s`, `1m 12s`, `2h 05m`.
#[must_use]
pub fn took(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", took.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600.. => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How long ago, in one unit: `40s`, `5m`, `3h`, `12d`.
#[must_use]
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short_and_exact_enough() {
        let spans = [300, 12_500, 72_000, 7_500_000].map(|ms| took(Duration::from_millis(ms)));
        assert_eq!(spans, ["0.3s", "12.5s", "1m 12s", "2h 05m"]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let ages = [5, 300, 7_200, 200_000].map(|second| age(at(0), at(second)));
        assert_eq!(ages, ["5s", "5m", "2h", "2d"]);
        assert_eq!(age(at(10), at(0)), "0s");
    }
}
