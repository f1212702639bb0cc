//! What one environment costs: its tariff, for the time that it is there.

use std::sync::Arc;

use super::hours::{Window, seconds};
use super::rate::{Charge, Tariff};
use super::sum::Sum;
use crate::model::Timestamp;

/// One environment, or what is left of one, with all that costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    pub tariff: Tariff,
    /// Its birth; of what is not there yet, the instant at which it would be made.
    pub from: Timestamp,
    /// When its machine goes; `None`: nobody knows.
    pub end: Option<Timestamp>,
    /// When its data goes.
    pub data_end: Option<Timestamp>,
    /// When the machine runs, in this month and the next.
    pub open: Arc<[Window]>,
    /// From when on its machine sleeps until the month ends, because a budget is spent.
    pub stopped: Option<Window>,
}

/// What an environment costs, by the span of time that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Costs {
    /// An hour in which the machine runs.
    pub hour: Sum,
    /// This calendar month until now: computed from birth and declared hours, not billed.
    pub to_date: Sum,
    /// This calendar month as a whole, with what is still to come.
    pub forecast: Sum,
    /// The next calendar month.
    pub next: Sum,
    /// A whole month like this one with its declared hours, whenever it was born or ends.
    pub full: Sum,
}

impl Life {
    /// What it comes to in that window.
    #[must_use]
    pub fn cost(&self, window: Window) -> Sum {
        let life = self.life(self.end).within(window);
        let data = self.life(self.data_end).within(window);
        self.charged(self.running(life), life.seconds(), data.seconds())
    }

    /// What a window comes to if it is there all the time.
    #[must_use]
    pub fn full(&self, window: Window) -> Sum {
        let all = window.seconds();
        self.charged(seconds(&self.open, window), all, all)
    }

    /// Everything that is told of it.
    #[must_use]
    pub fn costs(&self, now: Timestamp) -> Costs {
        let month = Window::month(now);
        Costs {
            hour: self.tariff.hour(),
            to_date: self.cost(month.until(now)),
            forecast: self.cost(month),
            next: self.cost(month.next_month()),
            full: self.full(month),
        }
    }

    fn life(&self, end: Option<Timestamp>) -> Window {
        Window {
            from: self.from,
            to: end.unwrap_or(Timestamp::MAX).max(self.from),
        }
    }

    /// Seconds of that stretch of its life in which the machine runs.
    fn running(&self, life: Window) -> u64 {
        let all = seconds(&self.open, life);
        let Some(stopped) = self.stopped else {
            return all;
        };
        all - seconds(&self.open, life.within(stopped))
    }

    fn charged(&self, running: u64, there: u64, data_there: u64) -> Sum {
        let Tariff {
            running: machine,
            disk,
            data,
        } = &self.tariff;
        let mut sum = Sum::default();
        let mut add = |charges: &[Charge], seconds: u64| {
            charges
                .iter()
                .for_each(|charge| sum.add(&charge.over(seconds)));
        };
        add(machine, running);
        add(disk, there);
        add(data, data_there);
        sum
    }
}
