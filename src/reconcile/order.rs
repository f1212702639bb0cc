//! From changes to steps: which action, after which others.
//!
//! The steps of a plan stand in an order in which they could be taken one by one; `after` says
//! which of them really wait for each other. Those of the machine as a whole are in [`machine`].

mod machine;

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Attempt;
use super::{intent, keeper};
use crate::model::{
    Action, Cause, Change, Desired, FieldChange, GuestAction, Intent, Key, Live, LiveId, Observed,
    Power, ProviderAction, ProviderName, Risk, Scope, Spec, Stamp, Step, StepId, Subject,
};
use machine::Move;

/// The steps that make these changes.
///
/// **Assumptions.** `changes` passed the gate; a key comes after everything it needs.
#[must_use]
pub fn steps(
    changes: &[Change],
    desired: &Desired,
    observed: &Observed,
    intents: &[Intent],
    attempt: &Attempt,
) -> Vec<Step> {
    let mut order = Order {
        desired,
        observed,
        intents,
        attempt,
        steps: Vec::new(),
        ready: BTreeMap::new(),
        made: BTreeMap::new(),
    };
    let (elsewhere, here): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .partition(|change| change.cause == Cause::Elsewhere);
    let (removals, declared): (Vec<&Change>, Vec<&Change>) = here
        .into_iter()
        .partition(|change| change.cause.is_removal());
    match &desired.provider {
        Some(provider) if desired.waking.is_awake => order.declared(&declared, provider),
        Some(_) => order.asleep(&declared),
        None => {}
    }
    let up: After = order.steps.iter().map(|step| step.id).collect();
    order.removals(&removals, &up);
    order.rest_elsewhere(&elsewhere, &up);
    order.steps
}

struct Order<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    intents: &'a [Intent],
    attempt: &'a Attempt,
    steps: Vec<Step>,
    /// The step after which a key is as declared.
    ready: BTreeMap<Key, StepId>,
    /// The steps that make objects.
    made: BTreeMap<Key, StepId>,
}

/// Why a step is taken, as far as it is the same for all steps of one change.
#[derive(Clone)]
struct Why {
    key: Key,
    cause: Cause,
    fields: Vec<FieldChange>,
}

impl From<&Change> for Why {
    fn from(change: &Change) -> Self {
        Self {
            key: change.key.clone(),
            cause: change.cause.clone(),
            fields: change.fields.clone(),
        }
    }
}

impl Why {
    fn new(key: Key, cause: Cause) -> Self {
        let fields = Vec::new();
        Self { key, cause, fields }
    }
}

type After = BTreeSet<StepId>;

impl<'a> Order<'a> {
    fn push(&mut self, why: Why, action: Action, risk: Risk, after: After) -> StepId {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX) + 1);
        let Why { key, cause, fields } = why;
        self.steps.push(Step {
            id,
            key,
            action,
            cause,
            fields,
            risk,
            after,
        });
        id
    }

    fn on(&mut self, why: Why, action: ProviderAction, risk: Risk, after: After) -> StepId {
        let provider = self.desired.provider.clone();
        let provider = provider.expect("declared changes come with the provider they are for");
        self.push(why, Action::Provider { provider, action }, risk, after)
    }

    fn declared(&mut self, changes: &[&'a Change], provider: &ProviderName) {
        let machine = self.machine_move(changes);
        let mut prepared = self.room(&machine);
        prepared.extend(self.prepare(changes, &machine));
        let image = self.image(&machine, &prepared);
        let stopped = self.take_down(&machine, &image);
        for change in changes {
            if let Key::Volume(_) = change.key {
                self.volume(change, &prepared, &stopped);
            }
        }
        let up = self.bring_up(&machine, provider, &prepared, &image, &stopped);
        self.protection(changes, &machine, &up);
        self.inside(changes, &machine, provider, &up);
    }

    /// Stops what runs and should not; nothing else is done while an environment sleeps.
    fn asleep(&mut self, changes: &[&'a Change]) {
        for change in changes {
            if let Some(live) = self.live(change) {
                self.stop(change, live);
            }
        }
    }

    fn stop(&mut self, change: &Change, live: &Live) -> StepId {
        let id = live.id.clone();
        let action = ProviderAction::StopMachine { id };
        self.on(change.into(), action, Risk::Disruptive, After::new())
    }

    fn live(&self, change: &Change) -> Option<&'a Live> {
        let claims = self.observed.live.get(&change.key)?;
        claims.iter().find(|live| change.is_of(live))
    }

    /// Lets the stack come to its end in good order, where there is one and it can be asked to.
    fn stack_down(&mut self, cause: &Cause, machine: &Live, after: After) -> After {
        let is_there = self.observed.live.contains_key(&Key::Stack);
        let is_heard = self.observed.gap(&Scope::Guest).is_none() && !is_off(machine);
        let Some(provider) = machine.provider.clone().filter(|_| is_there && is_heard) else {
            return After::new();
        };
        let action = Action::Guest {
            machine: Subject::Live(machine.id.clone()),
            provider,
            action: GuestAction::RemoveStack {
                project: self.desired.env.clone(),
            },
        };
        let why = Why::new(Key::Stack, cause.clone());
        After::from([self.push(why, action, Risk::Disruptive, after)])
    }

    /// Takes off what keeps a machine from being ended, once its end is allowed.
    fn unprotected(&mut self, cause: &Cause, machine: &Live, after: After) -> After {
        let is_protected = machine.fields.as_machine().and_then(|m| m.is_protected);
        let provider = machine
            .provider
            .clone()
            .filter(|_| is_protected == Some(true));
        let Some(provider) = provider else {
            return after;
        };
        let action = Action::Provider {
            provider,
            action: ProviderAction::ProtectMachine {
                id: machine.id.clone(),
                is_protected: false,
            },
        };
        let why = Why::new(Key::Machine, cause.clone());
        After::from([self.push(why, action, Risk::Safe, after)])
    }

    fn volume(&mut self, change: &Change, prepared: &After, stopped: &After) {
        let key = &change.key;
        let Some(Spec::Volume(spec)) = self.desired.resources.get(key).map(|r| &r.spec) else {
            return;
        };
        let id = match &change.id {
            Some(id) => {
                let (id, size_mib) = (id.clone(), spec.size_mib);
                let action = ProviderAction::GrowVolume { id, size_mib };
                self.on(change.into(), action, Risk::Safe, stopped.clone())
            }
            None => {
                let (token, stamp) = self.creation(key);
                let spec = spec.clone();
                let action = ProviderAction::CreateVolume {
                    spec,
                    stamp,
                    token,
                    copy_of: None,
                };
                let id = self.on(change.into(), action, Risk::Safe, prepared.clone());
                self.made.insert(key.clone(), id);
                id
            }
        };
        self.ready.insert(key.clone(), id);
    }

    /// Token and stamp of a creation: those of the attempt that is to be repeated, or new ones.
    fn creation(&self, key: &Key) -> (crate::model::Token, Stamp) {
        let provider = self.desired.provider.as_ref();
        let again = provider.and_then(|p| intent::to_repeat(self.intents, key, p));
        match again {
            Some(intent) => (intent.token.clone(), self.desired.stamp(key, intent.since)),
            None => {
                let token = intent::token(&self.attempt.token, key);
                (token, self.desired.stamp(key, self.attempt.at))
            }
        }
    }

    /// A stamp for what is changed in place: it keeps its first creation.
    fn renewed(&self, key: &Key, id: Option<&LiveId>) -> Stamp {
        let claims = self.observed.live.get(key).into_iter().flatten();
        let mut same = claims.filter(|live| {
            let is_here = live.provider.is_none() || live.provider == self.desired.provider;
            is_here && Some(&live.id) == id
        });
        let created = same.find_map(|live| Some(live.stamp.as_ref()?.created));
        self.desired.stamp(key, created.unwrap_or(self.attempt.at))
    }

    fn inside(&mut self, changes: &[&Change], machine: &Move, provider: &ProviderName, up: &After) {
        let subject = match (self.made.get(&Key::Machine), machine) {
            (Some(step), _) => Some(Subject::MadeBy(*step)),
            (None, _) => keeper::machine(self.desired, self.observed)
                .map(|live| Subject::Live(live.id.clone())),
        };
        let Some(subject) = subject else { return };
        for change in changes {
            let Some(action) = self.guest_action(change) else {
                continue;
            };
            let risk = match (&change.key, &change.cause) {
                (Key::Stack, Cause::SpecChanged | Cause::Drifted) => Risk::Disruptive,
                _ => Risk::Safe,
            };
            let action = Action::Guest {
                machine: subject.clone(),
                provider: provider.clone(),
                action,
            };
            let after = self.after_inside(&change.key, up);
            let id = self.push((*change).into(), action, risk, after);
            self.ready.insert(change.key.clone(), id);
        }
    }

    /// Everything inside waits for the machine, checkouts for the guest, the stack for them all.
    fn after_inside(&self, key: &Key, up: &After) -> After {
        let is_before = |other: &Key| {
            let is_inside = matches!(other, Key::Guest | Key::Containers | Key::Checkout(_));
            let is_other_checkout = matches!((key, other), (Key::Checkout(_), Key::Checkout(_)));
            is_inside && other < key && !is_other_checkout
        };
        let ready = self.ready.iter().filter(|(other, _)| is_before(other));
        let after: After = ready.map(|(_, step)| *step).collect();
        if after.is_empty() { up.clone() } else { after }
    }

    fn guest_action(&self, change: &Change) -> Option<GuestAction> {
        let resource = self.desired.resources.get(&change.key)?;
        let stamp = self.renewed(&change.key, change.id.as_ref());
        match &resource.spec {
            Spec::Image(_) | Spec::Volume(_) | Spec::Machine(_) => None,
            Spec::Guest(spec) => Some(GuestAction::Configure {
                spec: spec.clone(),
                stamp,
            }),
            Spec::Containers(spec) => Some(GuestAction::PullImages {
                spec: spec.clone(),
                stamp,
            }),
            Spec::Checkout(spec) => Some(GuestAction::SyncCheckout {
                spec: spec.clone(),
                stamp,
            }),
            Spec::Stack(spec) => Some(GuestAction::ApplyStack {
                spec: Box::new(spec.clone()),
                stamp,
            }),
        }
    }

    /// Machines at other places are stopped once the environment is up where it is to run.
    fn rest_elsewhere(&mut self, changes: &[&'a Change], up: &After) {
        for change in changes {
            let Some(live) = self.live(change) else {
                continue;
            };
            let Some(provider) = live.provider.clone() else {
                continue;
            };
            let id = live.id.clone();
            let action = ProviderAction::StopMachine { id };
            let action = Action::Provider { provider, action };
            self.push((*change).into(), action, Risk::Disruptive, up.clone());
        }
    }

    /// Machines go before the volumes that they hold; those at places that it is carried away from,
    /// when it is up where it is to run.
    fn removals(&mut self, changes: &[&'a Change], up: &After) {
        let mut ended = After::new();
        for change in changes {
            let Some(live) = self.live(change) else {
                continue;
            };
            let Some(provider) = live.provider.clone() else {
                continue;
            };
            let id = live.id.clone();
            match change.key {
                Key::Machine => {
                    let mut after = self.farewell(change, live, changes);
                    if self.desired.elsewhere.contains_key(&provider) {
                        after.extend(up);
                    }
                    let after = self.unprotected(&change.cause, live, after);
                    let action = ProviderAction::DeleteMachine { id };
                    let action = Action::Provider { provider, action };
                    ended.insert(self.push((*change).into(), action, Risk::Destructive, after));
                }
                Key::Volume(_) => {
                    let action = ProviderAction::DeleteVolume { id };
                    let action = Action::Provider { provider, action };
                    let after = ended.clone();
                    self.push((*change).into(), action, Risk::Destructive, after);
                }
                Key::Image | Key::Guest | Key::Containers | Key::Checkout(_) | Key::Stack => {}
            }
        }
    }

    /// When the data stays, the stack ends in good order before its machine does.
    fn farewell(&mut self, change: &Change, live: &Live, changes: &[&Change]) -> After {
        let is_kept = keeper::machine(self.desired, self.observed).is_some_and(|kept| {
            // Two providers may call theirs alike.
            (&kept.provider, &kept.id) == (&live.provider, &live.id)
        });
        let is_data_deleted = changes.iter().any(|c| matches!(c.key, Key::Volume(_)));
        if is_kept && !is_data_deleted {
            self.stack_down(&change.cause, live, After::new())
        } else {
            After::new()
        }
    }
}

fn is_off(live: &Live) -> bool {
    let machine = live.fields.as_machine();
    machine.is_some_and(|machine| machine.power != Power::Running)
}
