//! What may not be done, and why.
//!
//! Rules are asked one after the other, the first that objects gives the reason. A held change
//! holds what cannot be without it. Nothing here weighs: who wants more to be allowed says so in
//! the repository or by a command.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::POWER;
use super::diff::is_made;
use super::keeper;
use crate::model::text::{mib, minute};
use crate::model::{
    Cause, Change, Desired, Digest, Effect, FieldChange, Held, Intent, IntentState, Key, Live,
    LiveId, Observed, Pool, Power, ProviderName, Risk, Scope, Spec, Strategy, Timestamp,
};
use crate::port::NoRoute;

/// The fields of machines and volumes on which their cost hangs.
const SIZES: [&str; 4] = ["cpus", "memory", "disk", "size"];

/// What the repository, or a person, allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub data_volumes: DataVolumes,
    pub prune: Prune,
    /// Why what differs without having been declared is only told; `None`: it is put right.
    pub drift: Option<String>,
    /// Nothing may be deleted or made anew, and where that is said.
    pub protected: Option<String>,
    /// Nothing may be changed at all, and why.
    pub suspended: Option<String>,
    /// Why what a second machine would be tried for is not done; `None` when nothing is tried.
    pub rebirth: Option<String>,
    /// Why what is not there is not made and nothing becomes dearer: a budget does not suffice.
    pub budget: Option<String>,
    /// Why nothing new is made where it is.
    pub closed: Option<String>,
    /// The host that is to be emptied and on which a machine of it is, and why it stays there.
    pub stays: Option<(ProviderName, String)>,
    /// From where its data cannot be carried to where it is to run, and why.
    pub uncarried: BTreeMap<ProviderName, NoRoute>,
    /// Plans from this risk on wait for a person's agreement; `None` when no plan does.
    pub approve: Option<Risk>,
    /// The plan that was agreed to, by [`crate::model::Plan::fingerprint`].
    pub approved: Option<Digest>,
}

impl Default for Policy {
    /// Everything is put right, nothing is held, and data is never deleted.
    fn default() -> Self {
        Self {
            data_volumes: DataVolumes::Keep { until: None },
            prune: Prune::Allowed,
            drift: None,
            protected: None,
            suspended: None,
            rebirth: None,
            budget: None,
            closed: None,
            stays: None,
            uncarried: BTreeMap::new(),
            approve: None,
            approved: None,
        }
    }
}

/// What becomes of data volumes that are no longer declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataVolumes {
    /// They stay: until then, or until a person removes them.
    Keep { until: Option<Timestamp> },
    /// They go, once their machine is gone.
    Delete,
}

/// Whether what is no longer declared may be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    Allowed,
    /// It cannot be known what is declared.
    Held {
        reason: String,
    },
    /// A person said so, whatever is declared.
    Asked,
}

/// The changes that may be made, and the others with their reasons.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gated {
    pub allowed: Vec<Change>,
    pub held: Vec<Held>,
}

/// Parts what may be done from what may not.
///
/// **Assumptions.** Changes come as `diff` gives them: a key after everything it needs, removals
/// last. `intents` have been reviewed against the same inventory.
#[must_use]
pub fn gate(
    changes: Vec<Change>,
    desired: &Desired,
    observed: &Observed,
    intents: &[Intent],
    policy: &Policy,
) -> Gated {
    let mut gate = Gate {
        desired,
        observed,
        intents,
        policy,
        blocked: BTreeSet::new(),
    };
    let mut gated = Gated::default();
    for change in changes {
        let Some(reason) = gate.objection(&change) else {
            gated.allowed.push(change);
            continue;
        };
        match gate.start_alone(&change) {
            Some((start, rest)) => {
                gated.allowed.push(start);
                gated.held.extend(gate.line(&rest, reason));
            }
            None => {
                gate.block(&change);
                gated.held.extend(gate.line(&change, reason));
            }
        }
    }
    gated.held.extend(gate.unanswered(&gated.allowed));
    gated.held.extend(gate.undecided());
    gated.held.extend(gate.stays());
    gated
}

struct Gate<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    intents: &'a [Intent],
    policy: &'a Policy,
    /// Keys of which the object that is declared will not be there after this plan.
    blocked: BTreeSet<Key>,
}

impl Gate<'_> {
    fn objection(&self, change: &Change) -> Option<String> {
        let suspended = self.policy.suspended.clone();
        suspended
            .or_else(|| self.protected(change))
            .or_else(|| match change.cause {
                Cause::Elsewhere => self.objection_to_rest(change),
                _ if change.cause.is_removal() => self.objection_to_removal(change),
                _ => self.objection_to_change(change),
            })
    }

    /// What is protected is neither deleted nor made anew; a second of it may go, and what was only
    /// begun is finished.
    fn protected(&self, change: &Change) -> Option<String> {
        let is_end = change.cause.is_removal() && change.cause != Cause::Duplicate;
        let is_begun = change.cause == Cause::Missing;
        let is_concerned = is_end || (is_made(change) && change.id.is_some() && !is_begun);
        let place = self.policy.protected.as_ref().filter(|_| is_concerned)?;
        Some(format!(
            "it is protected in {place}; commit `protect: false` there first"
        ))
    }

    /// What is to be tried on a second machine first is not done to the first one.
    fn tried_first(&self, change: &Change) -> Option<String> {
        let reason = self.policy.rebirth.clone()?;
        let update = &self.desired.update;
        let is_new = change.key == Key::Machine && change.effect() == Effect::Replace;
        let is_inside = matches!(change.key, Key::Guest | Key::Checkout(_) | Key::Stack);
        let is_changed = is_inside && change.cause == Cause::SpecChanged;
        let is_meant = (is_new && update.machine == Strategy::Phoenix)
            || (is_changed && update.stack == Strategy::Phoenix);
        is_meant.then_some(reason)
    }

    /// Differences that nobody declared are only told where that is the policy.
    fn only_reported(&self, change: &Change) -> Option<String> {
        let reason = self.policy.drift.clone()?;
        (change.cause == Cause::Drifted).then_some(reason)
    }

    fn objection_to_change(&self, change: &Change) -> Option<String> {
        let unresolved = self.desired.unresolved.get(&change.key).cloned();
        unresolved
            .or_else(|| self.only_reported(change))
            .or_else(|| self.waits(change))
            .or_else(|| self.too_dear(change))
            .or_else(|| self.provider_gap(change))
            .or_else(|| self.unplaced(change))
            .or_else(|| self.closed(change))
            .or_else(|| self.no_room(change))
            .or_else(|| self.foreign(change))
            .or_else(|| self.under_way(change))
            .or_else(|| self.data_uncarried(change))
            .or_else(|| self.data_elsewhere(change))
            .or_else(|| self.data_unseen(change))
            .or_else(|| self.data_unlisted(change))
            .or_else(|| self.shrink(change))
            .or_else(|| self.local_work(change))
            .or_else(|| self.tried_first(change))
    }

    fn objection_to_removal(&self, change: &Change) -> Option<String> {
        if let Prune::Held { reason } = &self.policy.prune {
            return Some(reason.clone());
        }
        let live = self.live(change)?;
        let scope = Scope::Provider(live.provider.clone()?);
        if let Some(gap) = self.observed.gap(&scope) {
            return Some(format!(
                "{}; nothing is removed there meanwhile",
                gap.reason
            ));
        }
        match &change.key {
            Key::Volume(_) if self.observed.is_fresh(live) => None,
            Key::Volume(_) => self.data_is_kept(change),
            // A second one is not needed, whatever becomes of the first.
            Key::Machine if change.cause == Cause::Duplicate => None,
            Key::Machine if self.blocked.contains(&Key::Machine) => {
                Some("the one that replaces it cannot be made yet".to_owned())
            }
            Key::Machine
            | Key::Image
            | Key::Guest
            | Key::Containers
            | Key::Checkout(_)
            | Key::Stack => None,
        }
    }

    /// What is kept elsewhere runs on until it is sure that it can run where it is to be.
    fn objection_to_rest(&self, change: &Change) -> Option<String> {
        let scope = Scope::Provider(self.live(change)?.provider.clone()?);
        let gap = self.observed.gap(&scope).map(|gap| gap.reason.clone());
        gap.or_else(|| {
            let place = self.desired.provider.as_ref()?;
            self.blocked
                .contains(&Key::Machine)
                .then(|| format!("it runs on until it can run on {place}"))
        })
    }

    /// Data that is still declared somewhere is never deleted by a sync, whatever the policy.
    fn data_is_kept(&self, change: &Change) -> Option<String> {
        let env = &self.desired.env;
        if self.desired.resources.contains_key(&change.key) {
            return Some(format!(
                "it may hold data of {env}, and another volume is in its place; remove it by hand \
                 when it is not needed"
            ));
        }
        match self.policy.data_volumes {
            DataVolumes::Delete if self.observed.has_machine() => {
                Some("it goes when its machine is gone".to_owned())
            }
            DataVolumes::Delete => None,
            DataVolumes::Keep { until: None } => Some(format!(
                "data volumes are kept; `metrom destroy {env} --data` removes it"
            )),
            DataVolumes::Keep { until: Some(until) } => Some(format!(
                "it is kept until {}, and used again if {env} is declared again or lives longer; \
                 `metrom trash purge {env}` removes it at once",
                minute(until)
            )),
        }
    }

    fn waits(&self, change: &Change) -> Option<String> {
        let needs = &self.desired.resources.get(&change.key)?.needs;
        let need = needs.iter().find(|need| self.blocked.contains(need))?;
        Some(format!("it waits for {need}"))
    }

    fn provider_gap(&self, change: &Change) -> Option<String> {
        let is_of_provider = matches!(change.key, Key::Machine | Key::Volume(_));
        let provider = self.desired.provider.clone().filter(|_| is_of_provider)?;
        let gap = self.observed.gap(&Scope::Provider(provider))?;
        Some(format!(
            "{}; nothing is changed there meanwhile",
            gap.reason
        ))
    }

    /// No place that is named for it has room.
    fn unplaced(&self, change: &Change) -> Option<String> {
        let is_of_place = matches!(change.key, Key::Machine | Key::Volume(_));
        let is_made = is_of_place && change.cause == Cause::Missing;
        self.desired.unplaced.clone().filter(|_| is_made)
    }

    /// Where nothing new is made, what was begun is finished.
    fn closed(&self, change: &Change) -> Option<String> {
        let is_of_place = matches!(change.key, Key::Machine | Key::Volume(_));
        let is_begun = change.cause == Cause::Missing && change.id.is_some();
        let is_new = is_of_place && is_made(change) && !is_begun;
        self.policy.closed.clone().filter(|_| is_new)
    }

    /// One line for a machine on a host that is to be emptied.
    fn stays(&self) -> Option<Held> {
        let (host, reason) = self.policy.stays.clone()?;
        Some(Held {
            key: Key::Machine,
            what: format!("move off {host}"),
            reason,
        })
    }

    /// Without money nothing is made that costs, and nothing becomes larger.
    fn too_dear(&self, change: &Change) -> Option<String> {
        let reason = self.policy.budget.clone()?;
        let costs = matches!(change.key, Key::Machine | Key::Volume(_));
        let is_larger = |field: &FieldChange| SIZES.contains(&field.field);
        let is_dearer = change.cause == Cause::Missing || change.fields.iter().any(is_larger);
        (costs && is_dearer).then_some(reason)
    }

    /// A machine that is off and would become dearer is started as it is, and the rest is held: it is
    /// nobody's wish that it stays off.
    fn start_alone(&self, change: &Change) -> Option<(Change, Change)> {
        self.too_dear(change)?;
        let is_kept = change.cause != Cause::Missing && change.effect() != Effect::Replace;
        let (power, rest): (Vec<_>, Vec<_>) = change
            .fields
            .iter()
            .cloned()
            .partition(|field| field.field == POWER);
        let with = |fields| Change {
            fields,
            ..change.clone()
        };
        let is_off = self
            .live(change)
            .and_then(|live| live.fields.as_machine())?
            .power
            == Power::Stopped;
        let start = with(power);
        let may = change.key == Key::Machine && is_kept && is_off && !start.fields.is_empty();
        (may && self.objection(&start).is_none()).then(|| (start, with(rest)))
    }

    /// What nobody needs yet is only made where there is room for it.
    fn no_room(&self, change: &Change) -> Option<String> {
        let is_meant = self.desired.pool == Pool::Member && change.key == Key::Machine;
        let free = self.observed.free_memory_mib.filter(|_| is_meant)?;
        let Spec::Machine(spec) = &self.desired.resources.get(&Key::Machine)?.spec else {
            return None;
        };
        (change.cause == Cause::Missing && free < spec.memory_mib).then(|| {
            format!(
                "{} has {} of memory left and a warm machine takes {}; it is made when there is \
                 room, or declare a smaller `warm`",
                spec.provider,
                mib(free),
                mib(spec.memory_mib)
            )
        })
    }

    fn foreign(&self, change: &Change) -> Option<String> {
        if change.cause != Cause::Missing {
            return None;
        }
        let claims = self.observed.live.get(&change.key)?;
        let stranger = claims.iter().find(|live| live.stamp.is_none())?;
        match change.key {
            Key::Machine => Some(format!(
                "{} has its name and is not ours; rename or remove that one, or rename the \
                 environment",
                stranger.id
            )),
            Key::Checkout(_) => {
                Some("files that we did not put there are in its place; move them away".to_owned())
            }
            // Nobody but us writes these on a machine of ours: an unfinished beginning.
            Key::Guest | Key::Containers | Key::Stack | Key::Image | Key::Volume(_) => None,
        }
    }

    /// Made already, and only not listed yet.
    fn under_way(&self, change: &Change) -> Option<String> {
        let provider = self.desired.provider.as_ref().filter(|_| is_made(change))?;
        self.intents.iter().find_map(|intent| match &intent.state {
            IntentState::Confirmed { id, .. }
                if intent.key == change.key && intent.provider == *provider =>
            {
                Some(format!(
                    "it was made as {id} and {provider} does not list it yet"
                ))
            }
            IntentState::Confirmed { .. } | IntentState::Ambiguous => None,
        })
    }

    /// Of two places with data nobody knows which has the latest; nothing runs before it has come
    /// along, also where it can be carried, for no step does that.
    fn data_uncarried(&self, change: &Change) -> Option<String> {
        let is_started = change.key == Key::Machine && self.desired.waking.is_awake;
        let is_new_volume = matches!(change.key, Key::Volume(_)) && change.cause == Cause::Missing;
        let here = self.desired.provider.as_ref()?;
        if self.desired.has_own_data || !(is_started || is_new_volume) {
            return None;
        }
        let claims = self.observed.live.iter();
        let mut volumes = claims
            .filter(|(key, _)| matches!(key, Key::Volume(_)))
            .flat_map(|(_, claims)| claims)
            .filter(|live| live.stamp.is_some());
        let there = volumes.find_map(|live| {
            let provider = live.provider.as_ref()?;
            self.desired
                .elsewhere
                .contains_key(provider)
                .then_some(provider)
        })?;
        let why = match self.policy.uncarried.get(there) {
            Some(no_route) => no_route.to_string(),
            None => format!("it has not been carried to {here}"),
        };
        Some(format!(
            "its data is on {there}, and {why}; write `state: running` for {there}, or `data: \
             own` for {here} if it needs none of it"
        ))
    }

    /// A new machine elsewhere would come up with an empty volume, which looks like lost data.
    fn data_elsewhere(&self, change: &Change) -> Option<String> {
        let is_new_volume = matches!(change.key, Key::Volume(_)) && change.cause == Cause::Missing;
        let claims = self
            .observed
            .live
            .get(&change.key)
            .filter(|_| is_new_volume)?;
        let is_data = |live: &&Live| {
            let place = live.provider.as_ref();
            let is_kept = place.is_some_and(|place| self.desired.elsewhere.contains_key(place));
            live.stamp.is_some() && !is_kept && !self.observed.is_fresh(live)
        };
        let live = claims.iter().find(is_data)?;
        let (env, provider) = (&self.desired.env, live.provider.as_ref()?);
        Some(format!(
            "its data is on {provider} and is not moved by itself; declare `placement: {provider}` \
             again, or `metrom destroy {env} --data` first"
        ))
    }

    /// It may be elsewhere all the same: where nobody can look now, or not listed there yet.
    fn data_unseen(&self, change: &Change) -> Option<String> {
        let is_new_volume = matches!(change.key, Key::Volume(_)) && change.cause == Cause::Missing;
        let here = self.desired.provider.as_ref().filter(|_| is_new_volume)?;
        let is_unlisted = |intent: &&Intent| match intent.state {
            IntentState::Confirmed { .. } => intent.key == change.key && intent.provider != *here,
            // Whoever got no answer put no data there.
            IntentState::Ambiguous => false,
        };
        if let Some(Intent { provider, .. }) = self.intents.iter().find(is_unlisted) {
            return Some(format!(
                "it was made on {provider}, which does not list it yet"
            ));
        }
        let is_elsewhere = |scope: &Scope| match scope {
            Scope::Provider(provider) => {
                let is_own =
                    self.desired.has_own_data && self.desired.elsewhere.contains_key(provider);
                provider != here && !is_own && !self.observed.seen_without_data.contains(provider)
            }
            Scope::Guest => false,
        };
        let gap = self
            .observed
            .gaps
            .iter()
            .find(|gap| is_elsewhere(&gap.scope))?;
        Some(format!("{}; its data may be there", gap.reason))
    }

    /// A running machine that has a volume which is not listed still has the data.
    fn data_unlisted(&self, change: &Change) -> Option<String> {
        let is_new_volume = matches!(change.key, Key::Volume(_)) && change.cause == Cause::Missing;
        let live = keeper::machine(self.desired, self.observed).filter(|_| is_new_volume)?;
        let machine = live.fields.as_machine()?;
        let volumes = self
            .observed
            .live
            .iter()
            .filter(|(key, _)| matches!(key, Key::Volume(_)));
        let listed: BTreeSet<&LiveId> = volumes.flat_map(|(_, v)| v).map(|v| &v.id).collect();
        let unlisted = machine.volumes.iter().find(|id| !listed.contains(id))?;
        (machine.power == Power::Running).then(|| {
            format!(
                "the running machine still has the volume {unlisted}, which its provider does not \
                 list; save its data, then stop the machine"
            )
        })
    }

    fn shrink(&self, change: &Change) -> Option<String> {
        let Spec::Volume(spec) = &self.desired.resources.get(&change.key)?.spec else {
            return None;
        };
        let size = self.live(change)?.fields.as_volume()?.size_mib;
        (spec.size_mib < size).then(|| {
            format!(
                "a volume of {} cannot shrink without losing data; declare at least that size",
                mib(size)
            )
        })
    }

    fn local_work(&self, change: &Change) -> Option<String> {
        let live = self.live(change)?;
        let work = live.fields.as_checkout()?.local_work.as_ref()?;
        Some(format!("{work}; commit and push it, or throw it away"))
    }

    fn live(&self, change: &Change) -> Option<&Live> {
        let claims = self.observed.live.get(&change.key)?;
        claims.iter().find(|live| change.is_of(live))
    }

    fn block(&mut self, change: &Change) {
        let is_checkout = matches!(change.key, Key::Checkout(_));
        if !change.cause.is_removal() && (is_made(change) || is_checkout || self.is_unmade(change))
        {
            self.blocked.insert(change.key.clone());
        }
    }

    /// A dependency was made anew and this has not followed.
    fn is_unmade(&self, change: &Change) -> bool {
        matches!(change.cause, Cause::DependencyReplaced(_))
    }

    /// One line; none for what cannot be told from in-sync because its provider is not to be asked.
    fn line(&self, change: &Change, reason: String) -> Option<Held> {
        let scope = self.desired.provider.clone().map(Scope::Provider);
        let is_unseen = scope.is_some_and(|scope| self.observed.gap(&scope).is_some())
            && change.cause == Cause::Missing;
        let is_said = change.cause.is_removal() && matches!(change.key, Key::Volume(_));
        if is_said && self.blocked.contains(&change.key) {
            return None; // with the volume that is not made because of it
        }
        let what = match change.key {
            _ if self.desired.unresolved.contains_key(&change.key) => "bring up to date".to_owned(),
            Key::Machine | Key::Volume(_) if is_unseen => "create if it is missing".to_owned(),
            Key::Guest | Key::Containers | Key::Checkout(_) | Key::Stack if is_unseen => {
                return None;
            }
            _ => what(change),
        };
        Some(Held {
            key: change.key.clone(),
            what,
            reason,
        })
    }

    /// One line for everything inside a machine that does not answer.
    fn unanswered(&self, allowed: &[Change]) -> Option<Held> {
        let gap = self.observed.gap(&Scope::Guest)?;
        let is_new = |change: &Change| change.key == Key::Machine && is_made(change);
        let is_there = keeper::machine(self.desired, self.observed).is_some()
            && self.desired.waking.is_awake
            && self.desired.resources.contains_key(&Key::Guest)
            && !allowed.iter().any(is_new)
            && !self.blocked.contains(&Key::Machine);
        is_there.then(|| Held {
            key: Key::Guest,
            what: "compare what is inside".to_owned(),
            reason: gap.reason.clone(),
        })
    }

    /// Keys that could not be rendered at all.
    fn undecided(&self) -> impl Iterator<Item = Held> + '_ {
        let unresolved = self.desired.unresolved.iter();
        unresolved
            .filter(|(key, _)| !self.desired.resources.contains_key(key))
            .map(|(key, reason)| Held {
                key: key.clone(),
                what: "leave as it is".to_owned(),
                reason: reason.clone(),
            })
    }
}

/// What would have been done, in the imperative.
pub(super) fn what(change: &Change) -> String {
    let verb = match change.cause {
        Cause::Missing => "create",
        Cause::Undeclared | Cause::Expired | Cause::Duplicate | Cause::Asked => "delete",
        Cause::OfficeHours | Cause::Wish | Cause::Budget => "start or stop",
        Cause::Elsewhere => "stop",
        Cause::Ready => "pause",
        Cause::Room => "give back",
        Cause::Phoenix | Cause::PhoenixFailed => "make a second one",
        Cause::SpecChanged | Cause::Drifted | Cause::DependencyReplaced(_) if is_made(change) => {
            "make anew"
        }
        Cause::DependencyReplaced(_) => "apply again",
        Cause::SpecChanged | Cause::Drifted => "change",
    };
    let fields: Vec<String> = change.fields.iter().map(ToString::to_string).collect();
    match fields.is_empty() {
        true => verb.to_owned(),
        false => format!("{verb} {}", fields.join(", ")),
    }
}
