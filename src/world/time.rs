//! Time that passes only when everybody waits, and what runs futures in it.
//!
//! One future at a time, polled when something woke it; when nothing did, the clock jumps to the
//! next instant that somebody sleeps for. No thread, no runtime, no chance of another order.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::World;
use crate::model::Timestamp;
use crate::port::Clock;

pub(super) struct Time {
    pub now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    sleeps: u64,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).expect("a time of this century"),
            sleepers: BTreeMap::new(),
            sleeps: 0,
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl World {
    /// Runs a future to its end, or until the process dies: then it is dropped where it stands.
    ///
    /// # Panics
    /// When the future waits for something that will never come.
    pub fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        loop {
            if flag.0.swap(false, Ordering::SeqCst)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return Some(output);
            }
            if self.has_died() {
                return None;
            }
            if !flag.0.load(Ordering::SeqCst) {
                assert!(
                    self.jump(),
                    "everybody waits and nobody sleeps: this never ends"
                );
            }
        }
    }

    /// The clock is set: nobody who sleeps is woken by that.
    pub fn set_clock(&self, at: Timestamp) {
        self.state().time.now = at;
    }

    /// Time passes.
    pub fn pass(&self, time: Duration) {
        let mut state = self.state();
        let now = state.time.now;
        state.time.now = now.checked_add(time).unwrap_or(Timestamp::MAX);
    }

    /// A new process after a crash: what was in memory is gone.
    pub fn restart(&self) {
        let mut state = self.state();
        state.dice.has_crashed = false;
        state.dice.crash_in = None;
        state.time.sleepers.clear();
        state.locked.clear();
    }

    fn has_died(&self) -> bool {
        self.state().dice.has_crashed
    }

    /// On to the next instant that somebody sleeps for.
    fn jump(&self) -> bool {
        let mut state = self.state();
        let Some(((at, _), waker)) = state.time.sleepers.pop_first() else {
            return false;
        };
        state.time.now = state.time.now.max(at);
        drop(state);
        waker.wake();
        true
    }

    /// A call of a port: here the process may die, and never comes back.
    pub(super) async fn call(&self) {
        let dies = self.state().dice.dies();
        if dies {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        World::now(self)
    }

    async fn sleep(&self, time: Duration) {
        let (until, number) = {
            let mut state = self.state();
            state.time.sleeps += 1;
            let until = state.time.now.checked_add(time);
            (until.unwrap_or(Timestamp::MAX), state.time.sleeps)
        };
        poll_fn(|context| {
            let mut state = self.state();
            if state.time.now >= until {
                state.time.sleepers.remove(&(until, number));
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            state.time.sleepers.insert((until, number), waker);
            Poll::Pending
        })
        .await;
    }
}
