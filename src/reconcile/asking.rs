//! Asking all providers at once, without waiting for one that hangs.
//!
//! Who has not answered in time is a gap of this look, and is waited for beside it. Its late answer is
//! thrown away, for it may not show what was done since it was asked; but it tells how long an answer
//! takes there, and the next look waits so long. Who has not answered yet is not asked again, and no
//! look waits for it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, join_all, select};

use crate::model::{Inventory, ProviderName, Timestamp};
use crate::port::Clock;

/// So long a look waits for a provider of which nothing is known: more than a host takes that is well.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long it waits for one that did not answer at all when it was last asked.
const LITTLE: Duration = Duration::from_secs(1);
/// Never longer than this, however long an answer took.
const MOST: Duration = Duration::from_secs(30);

/// A question to one provider, and who is asked.
pub type Question = (ProviderName, BoxFuture<'static, Inventory>);

/// Who has not answered yet, and how long answers took.
#[derive(Default)]
pub struct Asking {
    late: Mutex<BTreeMap<ProviderName, Late>>,
    patience: Mutex<BTreeMap<ProviderName, Duration>>,
}

/// A question that is still open.
struct Late {
    since: Timestamp,
    answer: BoxFuture<'static, Inventory>,
}

impl Asking {
    /// What every provider answered; a gap for who has not yet.
    pub async fn all(&self, questions: Vec<Question>, clock: &dyn Clock) -> Vec<Inventory> {
        let asked = questions
            .into_iter()
            .map(|(name, answer)| self.one(name, answer, clock));
        join_all(asked).await
    }

    async fn one(
        &self,
        name: ProviderName,
        answer: BoxFuture<'static, Inventory>,
        clock: &dyn Clock,
    ) -> Inventory {
        let since = hold(&self.late).get(&name).map(|late| late.since);
        if let Some(since) = since {
            return unanswered(name, since, clock.now());
        }
        let since = clock.now();
        let patience = hold(&self.patience).get(&name).copied();
        let time = clock.sleep(patience.unwrap_or(PATIENCE));
        match select(answer, pin!(time)).await {
            Either::Left((inventory, _)) => {
                self.note(&name, &inventory, since, clock.now());
                inventory
            }
            Either::Right(((), answer)) => {
                hold(&self.late).insert(name.clone(), Late { since, answer });
                unanswered(name, since, clock.now())
            }
        }
    }

    /// Waits for late answers; comes back when one has come, and never while there is none.
    pub async fn late(&self, clock: &dyn Clock) {
        poll_fn(|context| {
            let mut come = Vec::new();
            {
                let mut late = hold(&self.late);
                for (name, open) in late.iter_mut() {
                    if let Poll::Ready(inventory) = open.answer.as_mut().poll(context) {
                        come.push((name.clone(), open.since, inventory));
                    }
                }
                late.retain(|name, _| !come.iter().any(|(other, ..)| other == name));
            }
            for (name, since, inventory) in &come {
                self.note(name, inventory, *since, clock.now());
            }
            match come.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    }

    fn note(&self, name: &ProviderName, inventory: &Inventory, since: Timestamp, now: Timestamp) {
        let took = now.duration_since(since).unsigned_abs();
        // What a look saw in full was worth its time; who came to nothing after a while hangs.
        let patience = match inventory.gaps.is_empty() {
            true => (2 * took).clamp(PATIENCE, MOST),
            false if took >= PATIENCE => LITTLE,
            false => PATIENCE,
        };
        hold(&self.patience).insert(name.clone(), patience);
    }
}

fn unanswered(name: ProviderName, since: Timestamp, now: Timestamp) -> Inventory {
    let waited = now.duration_since(since).unsigned_abs().as_secs();
    let reason =
        format!("{name} has not answered in {waited} s; others are not kept waiting for it");
    Inventory::unreachable(name, reason)
}

fn hold<T>(shelf: &Mutex<T>) -> MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
