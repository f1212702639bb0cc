//! Which of several live objects with one key is the one that stays.

use crate::model::{Desired, Digest, Key, Live, LiveId, Observed, Timestamp};

/// The machine that counts: on the provider that is declared, the one that has data, made from
/// what is declared now if there is one such, else the oldest.
///
/// The digest comes before the age because a listing may still show a machine that was replaced.
#[must_use]
pub fn machine<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a Live> {
    let machines = machines(desired, observed);
    if let [only] = machines[..] {
        return Some(only);
    }
    let digest = desired.resources.get(&Key::Machine).map(|r| &r.digest);
    let is_current = |live: &Live| stamped_digest(live).is_some() && stamped_digest(live) == digest;
    machines.into_iter().min_by_key(|live| {
        let rank = (!has_data(live, observed), !is_current(live));
        (rank, created(live), live.id.clone())
    })
}

/// All machines that could count, the oldest first.
#[must_use]
pub fn machines<'a>(desired: &Desired, observed: &'a Observed) -> Vec<&'a Live> {
    let mut machines = candidates(desired, observed, &Key::Machine);
    machines.sort_by_key(|live| (created(live), live.id.clone()));
    machines
}

fn has_data(live: &Live, observed: &Observed) -> bool {
    let attached = live.fields.as_machine().map(|machine| &machine.volumes);
    let is_volume = |key: &Key| matches!(key, Key::Volume(_));
    let volumes = observed.live.iter().filter(|(key, _)| is_volume(key));
    let mut ids = volumes.flat_map(|(_, claims)| claims).map(|live| &live.id);
    attached.is_some_and(|attached| ids.any(|id| attached.contains(id)))
}

/// The data volume that counts: the one that holds the data of the machine that counts, else the
/// oldest.
#[must_use]
pub fn volume<'a>(desired: &Desired, observed: &'a Observed, key: &Key) -> Option<&'a Live> {
    let machine = machine(desired, observed).and_then(|live| live.fields.as_machine());
    let is_attached = |id: &LiveId| machine.is_some_and(|m| m.volumes.contains(id));
    candidates(desired, observed, key)
        .into_iter()
        .min_by_key(|live| (!is_attached(&live.id), created(live), live.id.clone()))
}

/// What carries our stamp and lies where it is declared, or anywhere when nothing is.
fn candidates<'a>(desired: &Desired, observed: &'a Observed, key: &Key) -> Vec<&'a Live> {
    let is_there = |live: &&Live| desired.provider.is_none() || live.provider == desired.provider;
    let claims = observed.live.get(key).into_iter().flatten();
    let ours = claims.filter(|live| live.stamp.is_some());
    ours.filter(is_there).collect()
}

fn stamped_digest(live: &Live) -> Option<&Digest> {
    live.stamp.as_ref()?.digest.as_ref()
}

fn created(live: &Live) -> Option<Timestamp> {
    live.stamp.as_ref().map(|stamp| stamp.created)
}
