//! Three facts become changes: the digest in the stamp, the desired digest, the live fields.
//!
//! | stamp vs desired | live vs desired | meaning |
//! |---|---|---|
//! | equal | equal | in sync: no change |
//! | differs | any | the declaration changed |
//! | equal | differ | drift |
//! | stamp, key undeclared | | to be pruned |
//! | two stamped, one key | | duplicate: one stays |
//! | made on what is made anew | | dependency replaced |
//!
//! Says what is different and why. Whether it may be done is for `gate` to say, in which steps for
//! `plan`.

use std::collections::{BTreeMap, BTreeSet};

use super::{compare, keeper, warm};
use crate::model::{
    Cause, Change, CheckoutSpec, Desired, Effect, Elsewhere, FieldChange, Key, Live, LiveCheckout,
    LiveId, MachineSpec, Observed, Pool, Power, Resource, Scope, Spec, WakingBy,
};

/// Everything that is not as it should be: what is declared in the order in which it is made, then
/// what has to go in the order in which it is ended.
///
/// Of an environment whose machine does not answer, nothing inside is compared.
#[must_use]
pub fn diff(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut all = match desired.waking.is_awake {
        true if desired.pool == Pool::Member => {
            warm::left_to_do(desired, observed, differences(desired, observed))
        }
        true => differences(desired, observed),
        false => asleep(desired, observed).into_iter().collect(),
    };
    all.extend(undeclared(desired, observed));
    all.extend(runs_elsewhere(desired, observed));
    all.extend(duplicates(desired, observed));
    all
}

/// What is declared and not so.
fn differences(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = BTreeMap::new();
    for (key, resource) in &desired.resources {
        let facts = Facts {
            key,
            resource,
            desired,
            observed,
            before: &changes,
        };
        if let Some(change) = facts.change() {
            changes.insert(key.clone(), change);
        }
    }
    changes.into_values().collect()
}

/// Of an environment that sleeps, only that its machine does not run: everything else can wait
/// until it is awake, and what was never made is made then.
fn asleep(desired: &Desired, observed: &Observed) -> Option<Change> {
    let live = keeper::machine(desired, observed)?;
    let power = live.fields.as_machine()?.power;
    (power != Power::Stopped).then(|| stop(live, power, by_waking(desired.waking.by)))
}

fn stop(live: &Live, power: Power, cause: Cause) -> Change {
    Change {
        key: Key::Machine,
        id: Some(live.id.clone()),
        provider: live.provider.clone(),
        cause,
        fields: vec![FieldChange {
            field: compare::POWER,
            from: power.to_string(),
            to: Power::Stopped.to_string(),
            effect: Effect::InPlace,
        }],
    }
}

/// Machines that are kept at other places and are to be off there.
fn runs_elsewhere(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let machines = observed.live.get(&Key::Machine).into_iter().flatten();
    let kept = machines.filter(|live| {
        let state = live
            .provider
            .as_ref()
            .and_then(|p| desired.elsewhere.get(p));
        live.stamp.is_some() && state == Some(&Elsewhere::Stopped)
    });
    let running = kept.filter_map(|live| {
        let power = live.fields.as_machine()?.power;
        (power != Power::Stopped).then(|| stop(live, power, Cause::Elsewhere))
    });
    running.collect()
}

/// Why a machine is started or stopped that is otherwise as declared.
pub(super) fn by_waking(by: WakingBy) -> Cause {
    match by {
        WakingBy::Default => Cause::Drifted,
        WakingBy::OfficeHours => Cause::OfficeHours,
        WakingBy::Person => Cause::Wish,
        WakingBy::Placement => Cause::SpecChanged,
        WakingBy::Budget => Cause::Budget,
    }
}

/// One declared resource and everything that its change depends on.
struct Facts<'a> {
    key: &'a Key,
    resource: &'a Resource,
    desired: &'a Desired,
    observed: &'a Observed,
    /// Changes of keys that are made earlier, so of everything this one can stand on.
    before: &'a BTreeMap<Key, Change>,
}

impl Facts<'_> {
    fn change(&self) -> Option<Change> {
        match &self.resource.spec {
            // Brought along by the step that needs it.
            Spec::Image(_) => None,
            Spec::Volume(spec) => match keeper::volume(self.desired, self.observed, self.key) {
                None => Some(self.missing()),
                Some(live) => {
                    let volume = live.fields.as_volume()?;
                    self.by_fields(live, compare::volume(spec, volume))
                }
            },
            Spec::Machine(spec) => match keeper::machine(self.desired, self.observed) {
                None => Some(self.missing()),
                Some(live) => self.machine(spec, live),
            },
            Spec::Guest(_) | Spec::Containers(_) => self.inside(|_| Vec::new()),
            Spec::Checkout(spec) => self
                .inside(|live| {
                    let checkout = live.fields.as_checkout();
                    checkout.map_or_else(Vec::new, |c| compare::checkout(spec, c))
                })
                .filter(|change| !self.is_peoples_business(spec, change)),
            Spec::Stack(_) => self.inside(|live| {
                let stack = live.fields.as_stack();
                stack.map_or_else(Vec::new, compare::stack)
            }),
        }
    }

    fn with(&self, live: Option<&Live>, cause: Cause, fields: Vec<FieldChange>) -> Change {
        Change {
            key: self.key.clone(),
            id: live.map(|live| live.id.clone()),
            provider: live.and_then(|live| live.provider.clone()),
            cause,
            fields,
        }
    }

    fn missing(&self) -> Change {
        self.with(None, Cause::Missing, Vec::new())
    }

    fn has_other_digest(&self, live: &Live) -> bool {
        let stamped = live.stamp.as_ref().and_then(|stamp| stamp.digest.as_ref());
        // Without a digest nobody can tell who made the difference; the declaration is likelier.
        stamped != Some(&self.resource.digest)
    }

    /// For objects whose live fields tell everything that the declaration says.
    fn by_fields(&self, live: &Live, fields: Vec<FieldChange>) -> Option<Change> {
        let (cause, fields) = if self.has_other_digest(live) {
            (Cause::SpecChanged, fields)
        } else {
            (Cause::Drifted, self.counting(fields))
        };
        (!fields.is_empty()).then(|| self.with(Some(live), cause, fields))
    }

    fn machine(&self, spec: &MachineSpec, live: &Live) -> Option<Change> {
        if warm::is_half_claimed(self.desired, live) {
            return Some(self.with(Some(live), Cause::Missing, Vec::new()));
        }
        // It was begun from what is declared, so the same creation makes it whole.
        let is_finished = live.fields.as_machine()?.is_finished;
        if !is_finished && !self.has_other_digest(live) {
            return Some(self.with(Some(live), Cause::Missing, Vec::new()));
        }
        if let Some(volume) = spec.volumes.iter().find(|key| self.is_new(key)) {
            let fields = vec![FieldChange {
                field: "volumes",
                from: "lost".into(),
                to: "new".into(),
                effect: Effect::Replace,
            }];
            let cause = Cause::DependencyReplaced(volume.clone());
            return Some(self.with(Some(live), cause, fields));
        }
        let id = |key| keeper::volume(self.desired, self.observed, key).map(|live| live.id.clone());
        let attached: BTreeSet<LiveId> = spec.volumes.iter().filter_map(id).collect();
        let stamped = live.stamp.as_ref().and_then(|stamp| stamp.digest.as_ref());
        let digests = stamped.map(|stamped| (stamped, &self.resource.digest));
        let machine = live.fields.as_machine()?;
        let fields = compare::machine(spec, machine, digests, &attached);
        let is_of = |names: &[&str]| fields.iter().all(|field| names.contains(&field.field));
        let is_about = |name| fields.iter().any(|field| field.field == name);
        // No digest speaks of it, and the declaration is likelier to have changed than the provider.
        if is_about(compare::PROTECTION) && is_of(&[compare::PROTECTION]) {
            return Some(self.with(Some(live), Cause::SpecChanged, fields));
        }
        let is_power = is_about(compare::POWER) && is_of(&[compare::POWER, compare::PROTECTION]);
        if is_power && self.desired.waking.by != WakingBy::Default {
            return Some(self.with(Some(live), by_waking(self.desired.waking.by), fields));
        }
        self.by_fields(live, fields)
    }

    /// Whether what this one stands on is made anew by this plan.
    fn is_new(&self, key: &Key) -> bool {
        self.before.get(key).is_some_and(is_made)
    }

    /// The differences that nobody said may be ignored.
    fn counting(&self, mut fields: Vec<FieldChange>) -> Vec<FieldChange> {
        fields.retain(|field| !self.desired.ignored.contains(field.field));
        fields
    }

    /// What lies inside the machine, where the digest in the stamp counts as well as the fields.
    fn inside(&self, differences: impl Fn(&Live) -> Vec<FieldChange>) -> Option<Change> {
        if let Some(machine) = self.before.get(&Key::Machine).filter(|c| is_made(c)) {
            let cause = match machine.cause {
                Cause::Missing => Cause::Missing,
                _ => Cause::DependencyReplaced(Key::Machine),
            };
            return Some(self.with(None, cause, Vec::new()));
        }
        if self.observed.gap(&Scope::Guest).is_some() {
            return None;
        }
        let Some(live) = self.observed.live.get(self.key).and_then(|c| c.first()) else {
            return Some(self.missing());
        };
        if live.stamp.is_none() {
            // An unfinished beginning on our own machine; that of a checkout is held by the gate.
            return Some(self.with(Some(live), Cause::Missing, Vec::new()));
        }
        let fields = differences(live);
        if self.has_other_digest(live) {
            return Some(self.with(Some(live), Cause::SpecChanged, fields));
        }
        let fields = self.counting(fields);
        if !fields.is_empty() {
            return Some(self.with(Some(live), Cause::Drifted, fields));
        }
        self.stands_on_new()
    }

    /// A stack whose checkout has to be cloned again may stand on files that are gone.
    fn stands_on_new(&self) -> Option<Change> {
        let checkout = |key: &&Key| matches!(key, Key::Checkout(_)) && self.is_new(key);
        let need = self.resource.needs.iter().find(checkout)?;
        let cause = Cause::DependencyReplaced(need.clone());
        Some(self.with(None, cause, Vec::new()))
    }

    /// People commit and edit in their checkout; as long as nothing newer is declared than what
    /// they stand on, that is not drift.
    fn is_peoples_business(&self, spec: &CheckoutSpec, change: &Change) -> bool {
        let claims = self.observed.live.get(self.key).into_iter().flatten();
        let Some(live) = claims.into_iter().find(|live| change.is_of(live)) else {
            return false;
        };
        let Some(LiveCheckout {
            revision,
            local_work,
        }) = live.fields.as_checkout()
        else {
            return false;
        };
        let is_where_declared = *revision == spec.revision;
        local_work.is_some() && (change.cause == Cause::Drifted || is_where_declared)
    }
}

/// Whether this change makes an object anew.
#[must_use]
pub fn is_made(change: &Change) -> bool {
    change.cause == Cause::Missing || change.effect() == Effect::Replace
}

/// Ours, and not declared any more or not at that provider. What is inside a machine goes with it,
/// and a checkout that is no longer declared stays as what it is: people's files.
fn undeclared(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let cause = if desired.is_expired() {
        Cause::Expired
    } else {
        Cause::Undeclared
    };
    let is_to_go = |key: &Key, live: &Live| {
        let is_elsewhere = desired.provider.is_some() && live.provider != desired.provider;
        let is_declared = desired.resources.contains_key(key) && !is_elsewhere;
        let is_ours = live.stamp.is_some() && live.provider.is_some();
        let place = live
            .provider
            .as_ref()
            .and_then(|p| desired.elsewhere.get(p));
        let is_kept = match (key, place) {
            (Key::Machine, Some(Elsewhere::Absent)) | (_, None) => false,
            (_, Some(Elsewhere::Stopped | Elsewhere::Absent)) => true,
        };
        is_ours && !is_kept && !is_declared && !desired.unresolved.contains_key(key)
    };
    let claims = observed.live.iter().rev();
    claims
        .flat_map(|(key, claims)| claims.iter().map(move |live| (key, live)))
        .filter(|(key, live)| is_to_go(key, live))
        .map(|(key, live)| removal(key, live, cause.clone()))
        .collect()
}

fn duplicates(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    for key in desired.resources.keys() {
        let kept = match key {
            Key::Machine => keeper::machine(desired, observed),
            Key::Volume(_) => keeper::volume(desired, observed, key),
            Key::Image | Key::Guest | Key::Containers | Key::Checkout(_) | Key::Stack => None,
        };
        let Some(kept) = kept else { continue };
        let claims = observed.live.get(key).into_iter().flatten();
        let others = claims
            .filter(|live| live.stamp.is_some() && live.provider == desired.provider)
            .filter(|live| live.id != kept.id);
        changes.extend(others.map(|live| removal(key, live, Cause::Duplicate)));
    }
    changes
}

fn removal(key: &Key, live: &Live, cause: Cause) -> Change {
    Change {
        key: key.clone(),
        id: Some(live.id.clone()),
        provider: live.provider.clone(),
        cause,
        fields: Vec::new(),
    }
}
