//! From changes to steps: which action, after which others.
//!
//! The steps of a plan stand in an order in which they could be taken one by one; `after` says
//! which of them really wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Attempt;
use super::{intent, keeper, warm};
use crate::model::{
    Action, Cause, Change, Desired, Effect, FieldChange, GuestAction, Intent, Key, Live, LiveId,
    MachineSpec, Observed, Power, ProviderAction, ProviderName, Risk, Scope, Spec, Stamp, Step,
    StepId, Subject, Warm,
};

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
    let (removals, declared): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.cause.is_removal());
    match &desired.provider {
        Some(provider) if desired.waking.is_awake => order.declared(&declared, provider),
        Some(_) => order.asleep(&declared),
        None => {}
    }
    order.removals(&removals);
    order.steps
}

/// What is to happen to the machine as a whole.
enum Move<'a> {
    Keep,
    Start(&'a Change, &'a Live),
    Restart(&'a Change, &'a Live),
    Replace(&'a Change, &'a Live),
    Create(&'a Change),
    /// A warm machine takes the place of a new one.
    Claim(&'a Change, Warm),
    Pause(&'a Change, &'a Live),
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
        claims
            .iter()
            .find(|live| Some(&live.id) == change.id.as_ref())
    }

    fn machine_move(&self, changes: &[&'a Change]) -> Move<'a> {
        let Some(change) = changes.iter().find(|c| c.key == Key::Machine) else {
            return Move::Keep;
        };
        let Some(live) = self.live(change) else {
            return match self.warm() {
                Some(warm) => Move::Claim(change, warm.clone()),
                None => Move::Create(change),
            };
        };
        match change.effect() {
            _ if warm::is_half_claimed(self.desired, live) => {
                let warm = Warm {
                    id: live.id.clone(),
                    env: self.desired.env.clone(),
                    memory_mib: held(live),
                    is_ready: true,
                };
                Move::Claim(change, warm)
            }
            _ if change.cause == Cause::Ready => Move::Pause(change, live),
            Effect::Replace => Move::Replace(change, live),
            Effect::Restart => Move::Restart(change, live),
            Effect::InPlace => Move::Start(change, live),
        }
    }

    /// The warm machine to be claimed; none while another creation may have been done.
    fn warm(&self) -> Option<&'a Warm> {
        let provider = self.desired.provider.as_ref()?;
        match intent::to_repeat(self.intents, &Key::Machine, provider) {
            Some(_) => None,
            None => warm::choice(self.observed),
        }
    }

    /// Gives warm machines back that are in the way of one that is needed.
    fn room(&mut self, machine: &Move) -> After {
        let freed = match machine {
            Move::Create(_) => 0,
            Move::Start(_, live) | Move::Restart(_, live) | Move::Replace(_, live) => held(live),
            Move::Keep | Move::Claim(..) | Move::Pause(..) => return After::new(),
        };
        let Some(spec) = self.machine_spec() else {
            return After::new();
        };
        let needed = spec.memory_mib.saturating_sub(freed);
        let going = warm::in_the_way(self.observed, needed);
        let mut given = After::new();
        for warm in going {
            let why = Why::new(Key::Machine, Cause::Room);
            let warm = warm.clone();
            let action = ProviderAction::GiveBack { warm };
            given.insert(self.on(why, action, Risk::Safe, After::new()));
        }
        given
    }

    /// Parts of the provider that are missing, if anything is to stand on them.
    fn prepare(&mut self, changes: &[&Change], machine: &Move) -> After {
        let makes_volume = |c: &&&Change| matches!(c.key, Key::Volume(_)) && c.id.is_none();
        let is_needed = !matches!(machine, Move::Keep) || changes.iter().any(|c| makes_volume(&c));
        if self.observed.missing.is_empty() || !is_needed {
            return After::new();
        }
        let missing = self.observed.missing.clone();
        let why = Why::new(Key::Machine, Cause::Missing);
        let action = ProviderAction::Prepare { missing };
        After::from([self.on(why, action, Risk::Safe, After::new())])
    }

    fn image(&mut self, machine: &Move, prepared: &After) -> After {
        let is_new = matches!(machine, Move::Create(_) | Move::Replace(..));
        let Some(spec) = self.machine_spec().filter(|_| is_new) else {
            return After::new();
        };
        let image = spec.image.clone();
        if self.observed.images.contains(&image.id()) {
            return After::new();
        }
        let why = Why::new(Key::Image, Cause::Missing);
        let action = ProviderAction::ProvideImage { image };
        After::from([self.on(why, action, Risk::Safe, prepared.clone())])
    }

    fn machine_spec(&self) -> Option<&'a MachineSpec> {
        match &self.desired.resources.get(&Key::Machine)?.spec {
            Spec::Machine(spec) => Some(spec),
            Spec::Image(_)
            | Spec::Volume(_)
            | Spec::Guest(_)
            | Spec::Containers(_)
            | Spec::Checkout(_)
            | Spec::Stack(_) => None,
        }
    }

    /// Stops or ends the machine that is there, no earlier than its successor can be made.
    fn take_down(&mut self, machine: &Move, image: &After) -> After {
        match machine {
            Move::Keep | Move::Start(..) | Move::Create(_) | Move::Claim(..) | Move::Pause(..) => {
                After::new()
            }
            Move::Restart(_, live) if is_stopped(live) => After::new(),
            Move::Restart(change, live) => After::from([self.stop(change, live)]),
            Move::Replace(change, live) => {
                let down = self.stack_down(&change.cause, live, image.clone());
                let after = if down.is_empty() { image.clone() } else { down };
                let id = live.id.clone();
                let action = ProviderAction::DeleteMachine { id };
                After::from([self.on((*change).into(), action, Risk::Destructive, after)])
            }
        }
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
        let mut same = claims.filter(|live| Some(&live.id) == id);
        let created = same.find_map(|live| Some(live.stamp.as_ref()?.created));
        self.desired.stamp(key, created.unwrap_or(self.attempt.at))
    }

    /// Makes, resizes or starts the machine and waits for it; returns what its inside waits for.
    fn bring_up(
        &mut self,
        machine: &Move,
        provider: &ProviderName,
        prepared: &After,
        image: &After,
        stopped: &After,
    ) -> After {
        let volumes: After = self.ready.values().copied().collect();
        let before: After = [prepared, image, stopped, &volumes]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        match machine {
            Move::Keep => self.await_silent(provider),
            Move::Create(change) | Move::Replace(change, _) => {
                let Some(spec) = self.machine_spec() else {
                    return After::new();
                };
                let (token, stamp) = self.creation(&Key::Machine);
                let action = ProviderAction::CreateMachine {
                    spec: Box::new(spec.clone()),
                    stamp,
                    volumes: self.attached(spec),
                    token,
                    beside: None,
                };
                self.made_by(provider, change, action, before)
            }
            Move::Claim(change, warm) => {
                let Some(spec) = self.machine_spec() else {
                    return After::new();
                };
                let (token, stamp) = self.creation(&Key::Machine);
                let action = ProviderAction::ClaimMachine {
                    warm: warm.clone(),
                    stamp,
                    volumes: self.attached(spec),
                    token,
                };
                self.made_by(provider, change, action, before)
            }
            Move::Pause(change, live) => {
                let action = ProviderAction::PauseMachine {
                    id: live.id.clone(),
                    ready: self.desired.fingerprint(),
                };
                After::from([self.on((*change).into(), action, Risk::Safe, before)])
            }
            Move::Restart(change, live) => {
                let resized = self.resize(change, live, before);
                self.start(provider, change, live, resized)
            }
            Move::Start(change, live) => self.start(provider, change, live, before),
        }
    }

    /// The step after which there is a machine, and the one that waits for it.
    fn made_by(
        &mut self,
        provider: &ProviderName,
        change: &Change,
        action: ProviderAction,
        before: After,
    ) -> After {
        let id = self.on(change.into(), action, Risk::Safe, before);
        self.made.insert(Key::Machine, id);
        self.await_ready(provider, Subject::MadeBy(id), change, After::from([id]))
    }

    fn attached(&self, spec: &MachineSpec) -> Vec<Subject> {
        let subject = |key: &Key| match self.made.get(key) {
            Some(step) => Some(Subject::MadeBy(*step)),
            None => keeper::volume(self.desired, self.observed, key)
                .map(|live| Subject::Live(live.id.clone())),
        };
        spec.volumes.iter().filter_map(subject).collect()
    }

    fn resize(&mut self, change: &Change, live: &Live, after: After) -> After {
        let Some(spec) = self.machine_spec() else {
            return after;
        };
        let action = ProviderAction::ResizeMachine {
            id: live.id.clone(),
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            stamp: self.renewed(&Key::Machine, Some(&live.id)),
        };
        After::from([self.on(change.into(), action, Risk::Disruptive, after)])
    }

    fn start(
        &mut self,
        provider: &ProviderName,
        change: &Change,
        live: &Live,
        after: After,
    ) -> After {
        let id = live.id.clone();
        let action = ProviderAction::StartMachine { id: id.clone() };
        let started = self.on(change.into(), action, Risk::Safe, after);
        self.await_ready(provider, Subject::Live(id), change, After::from([started]))
    }

    fn await_ready(
        &mut self,
        provider: &ProviderName,
        machine: Subject,
        change: &Change,
        after: After,
    ) -> After {
        let why = Why::new(Key::Machine, change.cause.clone());
        After::from([self.wait(why, provider, machine, after)])
    }

    fn wait(
        &mut self,
        why: Why,
        provider: &ProviderName,
        machine: Subject,
        after: After,
    ) -> StepId {
        let action = Action::Guest {
            machine,
            provider: provider.clone(),
            action: GuestAction::AwaitReady,
        };
        self.push(why, action, Risk::Safe, after)
    }

    /// A running machine that does not answer: that it answers is all that is asked of it now.
    fn await_silent(&mut self, provider: &ProviderName) -> After {
        let live = keeper::machine(self.desired, self.observed);
        let is_declared = self.machine_spec().is_some();
        let is_silent = self.observed.gap(&Scope::Guest).is_some() && is_declared;
        match live.filter(|live| is_silent && !is_off(live)) {
            None => After::new(),
            Some(live) => {
                let why = Why::new(Key::Machine, Cause::Drifted);
                let machine = Subject::Live(live.id.clone());
                After::from([self.wait(why, provider, machine, After::new())])
            }
        }
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

    /// Machines go before the volumes that they hold.
    fn removals(&mut self, changes: &[&'a Change]) {
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
                    let after = self.farewell(change, live, changes);
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
        let is_kept = keeper::machine(self.desired, self.observed).is_some_and(|k| k.id == live.id);
        let is_data_deleted = changes.iter().any(|c| matches!(c.key, Key::Volume(_)));
        if is_kept && !is_data_deleted {
            self.stack_down(&change.cause, live, After::new())
        } else {
            After::new()
        }
    }
}

/// The memory that a machine takes just now, in MiB.
fn held(live: &Live) -> u64 {
    let machine = live.fields.as_machine().filter(|_| !is_stopped(live));
    machine.map_or(0, |machine| machine.memory_mib)
}

/// Whether it can be changed: one that is paused cannot.
fn is_stopped(live: &Live) -> bool {
    let machine = live.fields.as_machine();
    machine.is_some_and(|machine| machine.power == Power::Stopped)
}

fn is_off(live: &Live) -> bool {
    let machine = live.fields.as_machine();
    machine.is_some_and(|machine| machine.power != Power::Running)
}
