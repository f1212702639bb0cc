//! Create once: what is known of creations that were begun and not yet seen.
//!
//! A listing may lag behind what was made, and a reply may be lost after the work was done. So an
//! attempt that *may* have worked is made again with the same token, which the provider recognises;
//! one that *did* work is waited for until an inventory shows it, or until it must be gone.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{
    Digest, Intent, IntentState, Key, Live, Observed, ProviderName, Timestamp, Token,
};

/// So many complete inventories must have missed an object before it is believed to be gone.
pub const INVENTORIES: u32 = 3;

/// And so long ago must it have been made: three inventories may follow each other in a second,
/// which the slowest listing that we know of (EC2's) does not.
pub const AGE: Duration = Duration::from_secs(60);

/// How long a note of an attempt that nobody wants to repeat is kept.
pub const LEFTOVER: Duration = Duration::from_secs(3600);

/// What the intents of one environment are after an inventory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Those that still count.
    pub open: Vec<Intent>,
    /// What has to be written: intents that count one inventory more.
    pub put: Vec<Intent>,
    /// What has to be forgotten: seen, or gone.
    pub drop: Vec<Token>,
}

/// Holds the notes against what was seen.
///
/// `complete`: the providers whose inventory had no gap. `wanted`: whether a key is declared.
#[must_use]
pub fn review(
    intents: Vec<Intent>,
    observed: &Observed,
    complete: &BTreeSet<ProviderName>,
    wanted: impl Fn(&Key) -> bool,
    now: Timestamp,
) -> Reviewed {
    let mut reviewed = Reviewed::default();
    for intent in intents {
        let age = Duration::try_from(now.duration_since(intent.since)).unwrap_or_default();
        let is_complete = complete.contains(&intent.provider);
        if is_seen(&intent, observed) {
            reviewed.drop.push(intent.token);
            continue;
        }
        match intent.state {
            IntentState::Ambiguous if is_complete && age > LEFTOVER && !wanted(&intent.key) => {
                reviewed.drop.push(intent.token);
            }
            IntentState::Confirmed { inventories, .. }
                if is_complete && inventories + 1 >= INVENTORIES && age >= AGE =>
            {
                reviewed.drop.push(intent.token);
            }
            IntentState::Confirmed { id, inventories } if is_complete => {
                let state = IntentState::Confirmed {
                    id,
                    inventories: inventories + 1,
                };
                let intent = Intent { state, ..intent };
                reviewed.put.push(intent.clone());
                reviewed.open.push(intent);
            }
            IntentState::Ambiguous | IntentState::Confirmed { .. } => reviewed.open.push(intent),
        }
    }
    reviewed
}

fn is_seen(intent: &Intent, observed: &Observed) -> bool {
    let claims = observed.live.get(&intent.key).into_iter().flatten();
    let there = |live: &&Live| live.provider.as_ref() == Some(&intent.provider) && is_whole(live);
    let mut ours = claims
        .filter(there)
        .filter_map(|live| Some((live, live.stamp.as_ref()?)));
    match &intent.state {
        // What was there before may still be listed. Whole seconds: a provider's stamp may be
        // no finer.
        IntentState::Ambiguous => {
            ours.any(|(_, stamp)| stamp.created.as_second() >= intent.since.as_second())
        }
        IntentState::Confirmed { id, .. } => ours.any(|(live, stamp)| {
            live.id == *id && stamp.created.as_second() >= intent.since.as_second()
        }),
    }
}

/// What was only begun is not what was to be made, and the attempt counts still.
fn is_whole(live: &Live) -> bool {
    let machine = live.fields.as_machine();
    machine.is_none_or(|machine| machine.is_finished)
}

/// The attempt that is to be made again with the same token, if there is one.
#[must_use]
pub fn to_repeat<'a>(
    intents: &'a [Intent],
    key: &Key,
    provider: &ProviderName,
) -> Option<&'a Intent> {
    intents.iter().find(|intent| {
        intent.key == *key && intent.provider == *provider && intent.state == IntentState::Ambiguous
    })
}

/// A token for a new creation within an attempt: at most 64 ASCII characters, as EC2 wants it.
#[must_use]
pub fn token(attempt: &Token, key: &Key) -> Token {
    Token(Digest::of(&(attempt, key)).as_str()[..40].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EnvName, LiveFields, LiveId, LiveVolume, OwnerName, Stamp};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn lab() -> ProviderName {
        ProviderName::parse("lab").unwrap()
    }

    fn key() -> Key {
        Key::Volume("data".into())
    }

    fn intent(state: IntentState) -> Intent {
        Intent {
            token: Token("t".into()),
            key: key(),
            provider: lab(),
            since: at(0),
            state,
        }
    }

    fn showing(id: &str, created: Timestamp) -> Observed {
        let stamp = Stamp {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop").unwrap(),
            key: key(),
            digest: None,
            revision: None,
            created,
            born: None,
        };
        let live = Live {
            id: LiveId(id.into()),
            provider: Some(lab()),
            fields: LiveFields::Volume(LiveVolume { size_mib: 1 }),
            stamp: Some(stamp),
        };
        let mut observed = Observed::default();
        observed.live.insert(key(), vec![live]);
        observed
    }

    fn after(state: IntentState, observed: &Observed, second: i64) -> Reviewed {
        let complete = BTreeSet::from([lab()]);
        review(
            vec![intent(state)],
            observed,
            &complete,
            |_| true,
            at(second),
        )
    }

    fn confirmed(inventories: u32) -> IntentState {
        let id = LiveId("new".into());
        IntentState::Confirmed { id, inventories }
    }

    #[test]
    fn what_is_seen_is_forgotten() {
        let observed = showing("new", at(0));
        assert_eq!(after(confirmed(0), &observed, 5).drop.len(), 1);
        assert_eq!(after(IntentState::Ambiguous, &observed, 5).drop.len(), 1);
    }

    #[test]
    fn an_older_object_is_not_what_was_begun() {
        let observed = showing("new", at(-50));
        assert_eq!(after(IntentState::Ambiguous, &observed, 5).open.len(), 1);
        assert_eq!(after(confirmed(0), &observed, 5).open.len(), 1);
    }

    #[test]
    fn a_confirmed_creation_is_gone_after_three_inventories_and_a_minute() {
        let nothing = Observed::default();
        assert_eq!(
            after(confirmed(0), &nothing, 99).put,
            [intent(confirmed(1))]
        );
        assert_eq!(
            after(confirmed(2), &nothing, 30).open,
            [intent(confirmed(3))]
        );
        assert_eq!(after(confirmed(2), &nothing, 60).drop, [Token("t".into())]);
    }

    #[test]
    fn a_gap_counts_for_nothing() {
        let intents = vec![intent(confirmed(7))];
        let none = BTreeSet::new();
        let reviewed = review(
            intents.clone(),
            &Observed::default(),
            &none,
            |_| true,
            at(999),
        );
        assert_eq!(reviewed.open, intents);
        assert!(reviewed.put.is_empty());
    }

    #[test]
    fn tokens_differ_by_attempt_and_by_key() {
        let (a, b) = (Token("a".into()), Token("b".into()));
        assert_ne!(token(&a, &key()), token(&b, &key()));
        assert_ne!(token(&a, &key()), token(&a, &Key::Machine));
        assert_eq!(token(&a, &key()), token(&a, &key()));
        assert!(token(&a, &key()).0.len() <= 64);
    }
}
