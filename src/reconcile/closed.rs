//! Hosts that take nothing new: in maintenance, or to be emptied. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::place::Roots;
use crate::manifest::Places;
use crate::manifest::schema::ProviderSpec;
use crate::model::{Desired, Elsewhere, Key, Live, Observed, Pool, ProviderName};
use crate::port::Routes;

/// Why nothing new is made at a place; `None`: it is open.
#[must_use]
pub fn closed(
    name: &ProviderName,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
) -> Option<String> {
    match providers.get(name)? {
        ProviderSpec::Host(host) if host.drain => Some(format!("{name} is to be emptied")),
        ProviderSpec::Host(host) if host.maintenance => Some(format!("{name} is in maintenance")),
        ProviderSpec::Host(_) | ProviderSpec::Cloud(_) => None,
    }
}

/// The same for what is to be made there, with the next move.
#[must_use]
pub fn objection(
    name: &ProviderName,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
) -> Option<String> {
    let reason = closed(name, providers)?;
    Some(format!(
        "{reason}; it is made when `maintenance` and `drain` are gone from its file, or name another \
         place in `placement`"
    ))
}

/// The places but for those that take nothing new, unless something of it lives there or may. Where
/// none is left, they stay as they are named, and what is to be made is held.
#[must_use]
pub fn open<'a>(
    places: &'a Places,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
    roots: &Roots,
) -> Cow<'a, Places> {
    let reason = |name: &ProviderName| closed(name, providers).filter(|_| !roots.may_be_at(name));
    let (open, shut): (Vec<_>, Vec<_>) = places
        .machines
        .iter()
        .partition(|machine| reason(&machine.provider).is_none());
    if shut.is_empty() || open.is_empty() {
        return Cow::Borrowed(places);
    }
    let mut places = Places {
        machines: open.into_iter().cloned().collect(),
        ..places.clone()
    };
    let shut = shut
        .into_iter()
        .filter_map(|machine| Some((machine.provider.clone(), reason(&machine.provider)?)));
    places.barred.extend(shut);
    Cow::Owned(places)
}

/// Why a machine that is on a host which is to be emptied stays there, and what to do: the host, and
/// the reason.
#[must_use]
pub fn stays(
    desired: &Desired,
    observed: &Observed,
    providers: &BTreeMap<ProviderName, ProviderSpec>,
    routes: &dyn Routes,
) -> Option<(ProviderName, String)> {
    let is_drained = |name: &ProviderName| match providers.get(name) {
        Some(ProviderSpec::Host(host)) => host.drain,
        Some(ProviderSpec::Cloud(_)) | None => false,
    };
    let machines = observed.live.get(&Key::Machine).into_iter().flatten();
    let ours = machines.filter(|live: &&Live| live.stamp.is_some());
    let mut hosts = ours.filter_map(|live| live.provider.as_ref());
    let host = hosts.find(|name| is_drained(name))?;
    if desired.elsewhere.get(host) == Some(&Elsewhere::Stopped) {
        let reason = format!("it is kept there; write `state: absent` for {host}");
        return Some((host.clone(), reason));
    }
    if desired.provider.as_ref() != Some(host) || desired.pool == Pool::Member {
        // What is not to be there goes by its own plan, and nobody would miss a warm machine.
        return None;
    }
    let others = providers.keys().filter(|name| *name != host);
    let mut others = others.filter(|name| closed(name, providers).is_none());
    let why = match others.next() {
        None => "there is no other place that takes it; declare one".to_owned(),
        Some(other) => match routes.can_carry(host, other) {
            Err(no_route) => format!(
                "its data is there, and {no_route}; save its data and end it there, or name another \
                 place with `data: own` if it needs none of it"
            ),
            Ok(()) => format!("name another place in `placement`, such as {other}"),
        },
    };
    Some((host.clone(), why))
}
