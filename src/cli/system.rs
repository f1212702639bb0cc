//! Time and chance as this machine has them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{RunId, Timestamp, Token};
use crate::port::{Clock, Ids};

/// Who runs this: the account behind `sudo` if there is one.
#[must_use]
pub fn account() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|who| !who.is_empty()))
        .unwrap_or_else(|| "somebody".to_owned())
}

/// The clock of the machine.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Ids from the clock and chance.
#[derive(Default)]
pub struct SystemIds {
    /// The time in the last run id, in microseconds.
    last: AtomicI64,
}

impl Ids for SystemIds {
    /// Thirteen digits of time, which make it sort, and six of chance against other processes.
    fn run(&self) -> RunId {
        let now = Timestamp::now().as_microsecond();
        let later = |last: i64| Some(now.max(last + 1));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later)
            .expect("the closure always answers");
        let time = now.max(last + 1);
        let chance = rand::random::<u32>() & 0x00ff_ffff;
        RunId(format!("{time:013x}-{chance:06x}"))
    }

    fn token(&self) -> Token {
        Token(uuid::Uuid::new_v4().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_the_time_of_making_and_never_repeat() {
        let ids = SystemIds::default();
        let made: Vec<RunId> = (0..1000).map(|_| ids.run()).collect();
        let is_rising = |pair: &[RunId]| pair[0] < pair[1];
        assert!(made.windows(2).all(is_rising));
    }
}
