//! Which environment is synced next: a keyed queue with delays, as a pure structure.
//!
//! **Guarantees.** Bursts merge. The earlier time wins. A key that runs is never given out again
//! until it is done; woken meanwhile, it runs once more. Never more than the limit run at once.
//! Whoever has waited longest since its time came goes first, so a busy key cannot starve others.
//! Only a warm machine, which nobody needs yet, goes after all others and leaves room for one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::backoff::pause_after;
use crate::model::{Class, EnvName, Timestamp};

/// The queue of all environments.
#[derive(Debug)]
pub struct Queue {
    entries: BTreeMap<EnvName, Entry>,
    limit: usize,
    running: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// When it is to be synced; `None` while nothing asks for it.
    due: Option<Timestamp>,
    /// When it was last woken: what it is synced with must have been seen later.
    asked: Option<Timestamp>,
    is_running: bool,
    failures: u32,
    /// A reminder that comes before this is too early.
    not_before: Option<Timestamp>,
}

/// A key that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub env: EnvName,
    /// It is to be synced with what was seen at this instant or later.
    pub asked: Timestamp,
}

/// How a key came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// Nothing more to do until woken.
    Settled,
    /// Something was done; to be looked at again at once.
    Again,
    Failed(Class),
    /// To be tried later, through no fault of its own.
    Later(Timestamp),
    /// Gone for good.
    Gone,
}

impl Queue {
    /// From now on so many run at once; at least one. What runs already goes on.
    pub fn allow(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// An empty queue that lets so many run at once; at least one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            limit: limit.max(1),
            running: 0,
        }
    }

    /// Somebody wants it synced now, whatever happened before.
    pub fn wake(&mut self, env: &EnvName, now: Timestamp) {
        let entry = self.entries.entry(env.clone()).or_default();
        entry.not_before = None;
        entry.ask(now, now);
    }

    /// It should be synced at that time; not earlier than its back-off allows.
    pub fn remind(&mut self, env: &EnvName, at: Timestamp, now: Timestamp) {
        let entry = self.entries.entry(env.clone()).or_default();
        let earliest = entry.not_before.map_or(at, |not_before| at.max(not_before));
        entry.ask(earliest.max(now), now);
    }

    /// The key that has waited longest and may run, if there is one and there is room.
    pub fn take(&mut self, now: Timestamp) -> Option<Taken> {
        let due = self.may_run().filter(|(due, _)| *due <= now);
        let env = due
            .min_by_key(|(due, env)| (env.is_of_pool(), *due, *env))?
            .1
            .clone();
        let entry = self.entries.get_mut(&env)?;
        entry.is_running = true;
        entry.due = None;
        self.running += 1;
        let asked = entry.asked.unwrap_or(now);
        Some(Taken { env, asked })
    }

    /// A key that was taken comes back.
    pub fn back(&mut self, env: &EnvName, how: Back, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(env).filter(|entry| entry.is_running) else {
            return;
        };
        entry.is_running = false;
        self.running -= 1;
        match how {
            Back::Settled => entry.calm(),
            Back::Gone if entry.due.is_none() => drop(self.entries.remove(env)),
            Back::Gone => entry.calm(),
            Back::Again => {
                entry.calm();
                // What was seen before it came back does not show what it did.
                let later = now.checked_add(Duration::from_nanos(1)).unwrap_or(now);
                entry.ask(now, later);
            }
            Back::Later(at) => entry.ask(at.max(now), now),
            Back::Failed(class) => {
                entry.failures += 1;
                let pause = pause_after(class, entry.failures, env);
                let at = now.checked_add(pause).unwrap_or(Timestamp::MAX);
                entry.not_before = Some(at);
                // Woken while it ran, it does not wait.
                entry.ask(at, entry.asked.unwrap_or(now).max(now));
            }
        }
    }

    /// When the next key that may run comes due; `None` when all wait for something else.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.may_run().map(|(due, _)| due).min()
    }

    /// The keys for which there is room, with the time when each is due.
    fn may_run(&self) -> impl Iterator<Item = (Timestamp, &EnvName)> {
        let left = self.limit.saturating_sub(self.running);
        let has_room = move |env: &EnvName| match env.is_of_pool() {
            true => left > usize::from(self.limit > 1),
            false => left > 0,
        };
        let waiting = self.entries.iter().filter(|(_, entry)| !entry.is_running);
        let due = waiting.filter_map(|(env, entry)| Some((entry.due?, env)));
        due.filter(move |(_, env)| has_room(env))
    }

    /// Keys whose time has come and that wait for room, or for their own end.
    #[must_use]
    pub fn waiting(&self, now: Timestamp) -> usize {
        let is_due = |entry: &&Entry| entry.due.is_some_and(|due| due <= now);
        self.entries.values().filter(is_due).count()
    }

    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// The keys that were given out and have not come back.
    pub fn under_way(&self) -> impl Iterator<Item = &EnvName> {
        let running = self.entries.iter().filter(|(_, entry)| entry.is_running);
        running.map(|(env, _)| env)
    }
}

impl Entry {
    fn ask(&mut self, at: Timestamp, now: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        self.asked = self.asked.max(Some(now));
    }

    fn calm(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn env(n: usize) -> EnvName {
        EnvName::parse(&format!("e{n}")).unwrap()
    }

    #[test]
    fn a_burst_is_one_sync() {
        let mut queue = Queue::new(4);
        for second in 0..5 {
            queue.wake(&env(1), at(second));
        }
        assert_eq!(queue.take(at(5)).unwrap().asked, at(4));
        assert_eq!(queue.take(at(5)), None);
    }

    #[test]
    fn a_warm_machine_goes_last_and_leaves_room_for_what_is_needed() {
        let mut queue = Queue::new(2);
        let warm = |n| EnvName::parse(&format!("warm-web-{n}")).unwrap();
        queue.wake(&warm(1), at(0));
        queue.wake(&warm(2), at(0));
        queue.wake(&env(1), at(9));
        assert_eq!(queue.take(at(9)).unwrap().env, env(1));
        assert_eq!((queue.take(at(9)), queue.next_due()), (None, None));
        queue.back(&env(1), Back::Settled, at(10));
        assert_eq!(queue.take(at(10)).unwrap().env, warm(1));
        assert_eq!((queue.take(at(10)), queue.next_due()), (None, None));
        queue.wake(&env(1), at(11));
        assert_eq!(queue.take(at(11)).unwrap().env, env(1));

        let mut queue = Queue::new(1);
        queue.wake(&warm(1), at(0));
        assert_eq!(queue.take(at(0)).unwrap().env, warm(1), "alone it may");
    }

    #[test]
    fn the_earlier_time_wins() {
        let mut queue = Queue::new(4);
        queue.remind(&env(1), at(50), at(0));
        queue.remind(&env(1), at(20), at(0));
        queue.remind(&env(1), at(90), at(0));
        assert_eq!(queue.next_due(), Some(at(20)));
        assert_eq!(queue.take(at(19)), None);
        assert!(queue.take(at(20)).is_some());
    }

    #[test]
    fn woken_while_it_runs_it_runs_once_more() {
        let mut queue = Queue::new(4);
        queue.wake(&env(1), at(0));
        assert!(queue.take(at(0)).is_some());
        queue.wake(&env(1), at(1));
        queue.wake(&env(1), at(2));
        assert_eq!(queue.take(at(3)), None);
        queue.back(&env(1), Back::Settled, at(4));
        assert!(queue.take(at(4)).is_some());
        queue.back(&env(1), Back::Settled, at(5));
        assert_eq!(queue.take(at(99)), None);
    }

    #[test]
    fn a_busy_key_cannot_starve_others() {
        let mut queue = Queue::new(1);
        queue.wake(&env(1), at(0));
        queue.wake(&env(2), at(1));
        for second in 2..4 {
            let taken = queue.take(at(second)).unwrap();
            queue.wake(&env(1), at(second));
            queue.back(&taken.env, Back::Again, at(second));
            assert_eq!(taken.env, env(usize::from(second == 3) + 1));
        }
    }

    #[test]
    fn a_reminder_waits_for_the_back_off_and_a_person_does_not() {
        let mut queue = Queue::new(1);
        queue.wake(&env(1), at(0));
        queue.take(at(0)).unwrap();
        queue.back(&env(1), Back::Failed(Class::Terminal), at(0));
        queue.remind(&env(1), at(1), at(1));
        assert_eq!(queue.take(at(2)), None);
        queue.wake(&env(1), at(3));
        assert!(queue.take(at(3)).is_some());
    }

    #[test]
    fn a_conflict_is_looked_at_again_at_once() {
        let mut queue = Queue::new(1);
        queue.wake(&env(1), at(0));
        queue.take(at(0)).unwrap();
        queue.back(&env(1), Back::Failed(Class::Conflict), at(1));
        assert!(queue.next_due().unwrap() <= at(3));
    }

    #[derive(Debug, Clone)]
    enum Move {
        Wake(usize),
        Remind(usize, i64),
        Take,
        Back(usize, u8),
        Pass(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (0..6usize).prop_map(Move::Wake),
            (0..6usize, 0..100i64).prop_map(|(n, s)| Move::Remind(n, s)),
            Just(Move::Take),
            (0..3usize, 0..5u8).prop_map(|(n, how)| Move::Back(n, how)),
            (0..400i64).prop_map(Move::Pass),
        ];
        prop::collection::vec(one, 1..120)
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_runs_twice_and_nothing_woken_is_forgotten(moves in moves()) {
            let mut queue = Queue::new(3);
            let mut now = 0;
            let mut running: Vec<EnvName> = Vec::new();
            let mut woken = std::collections::BTreeSet::new();
            for step in moves {
                match step {
                    Move::Wake(n) => { queue.wake(&env(n), at(now)); woken.insert(env(n)); }
                    Move::Remind(n, s) => queue.remind(&env(n), at(now + s), at(now)),
                    Move::Take => if let Some(taken) = queue.take(at(now)) {
                        prop_assert!(!running.contains(&taken.env));
                        woken.remove(&taken.env);
                        running.push(taken.env);
                    },
                    Move::Back(n, how) => if n < running.len() {
                        let env = running.remove(n);
                        let how = match how {
                            0 => Back::Settled,
                            1 => Back::Again,
                            2 => Back::Failed(Class::Transient),
                            3 => Back::Later(at(now + 7)),
                            _ => Back::Gone,
                        };
                        queue.back(&env, how, at(now));
                    },
                    Move::Pass(s) => now += s,
                }
                prop_assert!(running.len() <= 3);
                prop_assert_eq!(queue.running(), running.len());
            }
            for env in running.drain(..) {
                queue.back(&env, Back::Settled, at(now));
            }
            while let Some(taken) = queue.take(at(now)) {
                woken.remove(&taken.env);
                queue.back(&taken.env, Back::Settled, at(now));
            }
            prop_assert!(woken.is_empty(), "woken and never given out: {woken:?}");
        }
    }
}
