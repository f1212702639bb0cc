//! Futures that run at once, and go on while something else is waited for.
//!
//! A future that is not polled may hold what the other waits for: a connection, a lock, a
//! transaction. So whoever has some of them running waits for nothing but through here.

use std::collections::VecDeque;
use std::pin::pin;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

/// What runs, and what came of it while nobody listened.
pub struct Running<F: Future> {
    futures: FuturesUnordered<F>,
    done: VecDeque<F::Output>,
}

impl<F: Future> Default for Running<F> {
    fn default() -> Self {
        Self {
            futures: FuturesUnordered::new(),
            done: VecDeque::new(),
        }
    }
}

impl<F: Future> Running<F> {
    pub fn push(&mut self, future: F) {
        self.futures.push(future);
    }

    /// How many were begun and not taken back yet.
    #[must_use]
    pub fn count(&self) -> usize {
        self.futures.len() + self.done.len()
    }

    /// Does something else while they go on.
    pub async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match select(work.as_mut(), self.futures.next()).await {
                Either::Left((result, _)) => return result,
                Either::Right((Some(output), _)) => self.done.push_back(output),
                Either::Right((None, _)) => return work.await,
            }
        }
    }

    /// What came of the next that is done; `None` when none runs.
    ///
    /// **Guarantees.** Nothing is lost when this is dropped before it is ready.
    pub async fn next(&mut self) -> Option<F::Output> {
        match self.done.pop_front() {
            Some(output) => Some(output),
            None => self.futures.next().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_another_holds_is_let_go_although_nobody_waits_for_that_one() {
        let lock = Arc::new(Mutex::new(()));
        let mut running = Running::default();
        let held = Arc::clone(&lock);
        running.push(async move {
            let _held = held.lock().await;
            tokio::task::yield_now().await;
            7
        });
        // It has the lock now, and stands amid its work.
        let begun = running.beside(tokio::task::yield_now());
        begun.await;
        let work = async { drop(lock.lock().await) };
        running.beside(work).await;
        assert_eq!(running.next().await, Some(7));
        assert_eq!(running.next().await, None);
    }
}
