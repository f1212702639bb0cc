//! What happens to the machine as a whole: made or claimed, changed, started, paused, made anew.

use super::super::compare::PROTECTION;
use super::super::{intent, keeper, warm};
use super::{After, Order, Why, is_off};
use crate::model::{
    Action, Cause, Change, Effect, GuestAction, Key, Live, MachineSpec, Power, ProviderAction,
    ProviderName, Risk, Scope, StepId, Subject, Warm,
};

/// What is to happen to the machine as a whole.
pub(super) enum Move<'a> {
    Keep,
    Start(&'a Change, &'a Live),
    Restart(&'a Change, &'a Live),
    Replace(&'a Change, &'a Live),
    Create(&'a Change),
    /// A warm machine takes the place of a new one.
    Claim(&'a Change, Warm),
    Pause(&'a Change, &'a Live),
}

impl<'a> Order<'a> {
    pub(super) fn machine_move(&self, changes: &[&'a Change]) -> Move<'a> {
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
            // What was only begun is made on.
            _ if change.cause == Cause::Missing => Move::Create(change),
            _ if change.cause == Cause::Ready => Move::Pause(change, live),
            Effect::Replace => Move::Replace(change, live),
            Effect::Restart => Move::Restart(change, live),
            Effect::InPlace if is_off(live) => Move::Start(change, live),
            Effect::InPlace => Move::Keep,
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
    pub(super) fn room(&mut self, machine: &Move) -> After {
        let freed = match machine {
            Move::Create(change) => self.live(change).map_or(0, held),
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
    pub(super) fn prepare(&mut self, changes: &[&Change], machine: &Move) -> After {
        let makes_volume = |c: &&&Change| matches!(c.key, Key::Volume(_)) && c.id.is_none();
        let is_needed = !matches!(machine, Move::Keep) || changes.iter().any(|c| makes_volume(&c));
        if self.observed.missing.is_empty() || !is_needed {
            return After::new();
        }
        let mut prepared = After::new();
        for part in self.observed.missing.clone() {
            let why = Why::new(Key::Machine, Cause::Missing);
            let action = ProviderAction::Prepare { part };
            prepared = After::from([self.on(why, action, Risk::Safe, prepared)]);
        }
        prepared
    }

    pub(super) fn image(&mut self, machine: &Move, prepared: &After) -> After {
        let is_new = matches!(machine, Move::Create(_) | Move::Replace(..));
        let Some(spec) = self.machine_spec().filter(|_| is_new) else {
            return After::new();
        };
        let image = spec.image.clone();
        if !image.origin.is_brought() || self.observed.images.contains(&image.id()) {
            return After::new();
        }
        let why = Why::new(Key::Image, Cause::Missing);
        let action = ProviderAction::ProvideImage { image };
        After::from([self.on(why, action, Risk::Safe, prepared.clone())])
    }

    fn machine_spec(&self) -> Option<&'a MachineSpec> {
        self.desired.machine()
    }

    /// Puts protection on a machine that stays, or takes it off.
    pub(super) fn protection(&mut self, changes: &[&'a Change], machine: &Move, up: &After) {
        let is_concerned = |change: &&&Change| {
            let mut fields = change.fields.iter();
            change.key == Key::Machine && fields.any(|field| field.field == PROTECTION)
        };
        let stays = matches!(machine, Move::Keep | Move::Start(..) | Move::Restart(..));
        let Some(change) = changes.iter().find(is_concerned).filter(|_| stays) else {
            return;
        };
        let (Some(live), Some(spec)) = (self.live(change), self.machine_spec()) else {
            return;
        };
        let action = ProviderAction::ProtectMachine {
            id: live.id.clone(),
            is_protected: spec.is_protected,
        };
        let mut why = Why::from(*change);
        why.fields.retain(|field| field.field == PROTECTION);
        self.on(why, action, Risk::Safe, up.clone());
    }

    /// Stops or ends the machine that is there, no earlier than its successor can be made.
    pub(super) fn take_down(&mut self, machine: &Move, image: &After) -> After {
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
                let after = self.unprotected(&change.cause, live, after);
                let action = ProviderAction::DeleteMachine { id };
                After::from([self.on((*change).into(), action, Risk::Destructive, after)])
            }
        }
    }

    /// Makes, resizes or starts the machine and waits for it; returns what its inside waits for.
    pub(super) fn bring_up(
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
                    is_protected: spec.is_protected,
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
