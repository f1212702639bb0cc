//! The steps of a second machine: making and trying it, the hand-over, and the way back. Pure.
//!
//! Trying it is an ordinary plan for what is declared without its data volumes, on a machine that
//! is seen alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::gate::{Policy, gate};
use super::phoenix::{Look, Pair, Seat, Stage, data};
use super::plan::{finished, plan};
use super::{keeper, order, warm};
use crate::model::{
    Action, Beside, Cause, Change, Desired, GuestAction, Key, Live, LiveId, Observed, Plan, Power,
    ProviderAction, ProviderName, Risk, Scope, Spec, Step, StepId, Subject, Timestamp, WakingBy,
};

/// What is declared, but for the data volumes.
#[must_use]
pub fn without_data(desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    let is_volume = |key: &Key| matches!(key, Key::Volume(_));
    desired.resources.retain(|key, _| !is_volume(key));
    desired.unresolved.retain(|key, _| !is_volume(key));
    desired
}

/// The provider as it is seen, with this machine of the environment and nothing else.
#[must_use]
pub fn alone(observed: &Observed, machine: Option<&Live>) -> Observed {
    let is_inside = |scope: &Scope| *scope == Scope::Guest;
    Observed {
        live: machine
            .map(|live| (Key::Machine, vec![live.clone()]))
            .into_iter()
            .collect(),
        gaps: observed
            .gaps
            .iter()
            .filter(|gap| !is_inside(&gap.scope))
            .cloned()
            .collect(),
        missing: observed.missing.clone(),
        images: observed.images.clone(),
        fresh: observed.fresh.clone(),
        free_memory_mib: observed.free_memory_mib,
        warm: warm::not_to_be_claimed(&observed.warm),
        seen_without_data: observed.seen_without_data.clone(),
    }
}

/// Everything but other machines of ours than this one.
#[must_use]
pub fn without_other(observed: &Observed, machine: &Live) -> Observed {
    let mut observed = observed.clone();
    if let Some(claims) = observed.live.get_mut(&Key::Machine) {
        claims.retain(|live| live.id == machine.id || live.stamp.is_none());
    }
    observed
}

#[must_use]
pub fn is_off(live: &Live) -> bool {
    let machine = live.fields.as_machine();
    machine.is_some_and(|machine| machine.power == Power::Stopped)
}

/// The plan of a stage in which there are two machines, or are to be; `None` for the others, whose
/// plan is the ordinary one.
#[must_use]
pub fn planned(stage: &Stage, look: &Look, policy: &Policy) -> Option<Plan> {
    if policy.suspended.is_some() {
        return None;
    }
    match stage {
        Stage::Ordinary | Stage::Waits(..) => None,
        Stage::Try(change, None) => {
            let changes = vec![change.clone()];
            let gated = gate(changes, look.desired, look.observed, look.intents, policy);
            gated
                .held
                .is_empty()
                .then(|| tried(change, None, look, policy))
        }
        Stage::Try(change, Some(pair)) => Some(tried(change, Some(pair.new), look, policy)),
        Stage::Prove(pair) if is_off(pair.new) => Some(moved(look, pair, policy, start_again)),
        Stage::Prove(pair) => {
            let policy = &Policy {
                drift: None,
                ..policy.clone()
            };
            let observed = without_other(look.observed, pair.new);
            let (desired, intents) = (look.desired, look.intents);
            Some(plan(desired, &observed, intents, policy, look.attempt))
        }
        Stage::HandOver(pair) => Some(moved(look, pair, policy, hand_over)),
        Stage::Return(pair) => Some(moved(look, pair, policy, give_back)),
        Stage::Sleep(pair) => Some(moved(look, pair, policy, rest)),
    }
}

/// What is left to do on the second machine until it is as declared.
fn tried(change: &Change, new: Option<&Live>, look: &Look, policy: &Policy) -> Plan {
    let desired = without_data(look.desired);
    let observed = match (look.trial, new) {
        (Some(trial), Some(_)) => trial.clone(),
        (_, new) => alone(look.observed, new),
    };
    let policy = Policy {
        drift: None,
        // Whether it may be tried was asked before it was begun.
        budget: None,
        stays: None,
        ..policy.clone()
    };
    let changes = super::diff::diff(&desired, &observed);
    let gated = gate(changes, &desired, &observed, look.intents, &policy);
    let mut steps = order::steps(
        &gated.allowed,
        &desired,
        &observed,
        look.intents,
        look.attempt,
    );
    for step in &mut steps {
        put_beside(step, change, look);
    }
    let old = keeper::machine(look.desired, look.observed);
    if let Some(old) = old.filter(|old| is_off(old)) {
        wake(&mut steps, look.desired, old);
    }
    finished(look.desired, steps, gated.held, &policy)
}

/// Starts a machine that is off, with its stack as it was: what is to become of it waits, and people
/// do not.
pub fn wake(steps: &mut Vec<Step>, desired: &Desired, live: &Live) {
    let Some(provider) = desired.provider.clone() else {
        return;
    };
    let mut moves = Moves {
        desired,
        provider,
        cause: super::diff::by_waking(desired.waking.by),
        steps: std::mem::take(steps),
    };
    let ready = moves.start(live, &After::new());
    let project = desired.env.clone();
    let start = GuestAction::StartStack { project };
    moves.inside(Key::Stack, &live.id, start, Risk::Safe, &ready);
    *steps = moves.steps;
}

/// Says of a step why it is taken, and of a machine beside which other it is made.
fn put_beside(step: &mut Step, change: &Change, look: &Look) {
    if step.cause == Cause::Missing {
        step.cause = Cause::Phoenix;
    }
    let Action::Provider { action, .. } = &mut step.action else {
        return;
    };
    if let (ProviderAction::CreateMachine { beside, stamp, .. }, Some(old)) = (action, &change.id) {
        let (machine, scratch) = (old.clone(), scratch(look.desired));
        *beside = Some(Beside { machine, scratch });
        // Which of two is the second is told by their age, whatever a clock said in between.
        stamp.created = stamp.created.max(after(look.observed, old));
        step.fields.clone_from(&change.fields);
    }
}

/// A second after that machine was made.
fn after(observed: &Observed, machine: &LiveId) -> Timestamp {
    let claims = observed.live.get(&Key::Machine).into_iter().flatten();
    let mut same = claims.into_iter().filter(|live| live.id == *machine);
    let made = same.find_map(|live| Some(live.stamp.as_ref()?.created));
    let next = made.and_then(|made| made.checked_add(Duration::from_secs(1)).ok());
    next.unwrap_or(Timestamp::MIN)
}

/// Empty volumes as large as the ones that are declared.
fn scratch(desired: &Desired) -> BTreeMap<String, u64> {
    let volumes = desired.resources.iter();
    let volumes = volumes.filter_map(|(key, resource)| match (key, &resource.spec) {
        (Key::Volume(name), Spec::Volume(spec)) => Some((name.clone(), spec.size_mib)),
        _ => None,
    });
    volumes.collect()
}

fn moved(look: &Look, pair: &Pair, policy: &Policy, moves: fn(&mut Moves, &Look, &Pair)) -> Plan {
    let provider = look.desired.provider.clone();
    let mut all = Moves {
        desired: look.desired,
        provider: provider.expect("two machines are only where one is declared"),
        cause: Cause::Phoenix,
        steps: Vec::new(),
    };
    moves(&mut all, look, pair);
    finished(look.desired, all.steps, Vec::new(), policy)
}

/// Steps that stand for no difference of a resource.
struct Moves<'a> {
    desired: &'a Desired,
    provider: ProviderName,
    cause: Cause,
    steps: Vec<Step>,
}

type After = BTreeSet<StepId>;

impl Moves<'_> {
    fn push(&mut self, key: Key, action: Action, risk: Risk, after: &After) -> After {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX) + 1);
        self.steps.push(Step {
            id,
            key,
            action,
            cause: self.cause.clone(),
            fields: Vec::new(),
            risk,
            after: after.clone(),
        });
        After::from([id])
    }

    fn on(&mut self, key: Key, action: ProviderAction, risk: Risk, after: &After) -> After {
        let provider = self.provider.clone();
        self.push(key, Action::Provider { provider, action }, risk, after)
    }

    fn inside(
        &mut self,
        key: Key,
        machine: &LiveId,
        action: GuestAction,
        risk: Risk,
        after: &After,
    ) -> After {
        let action = Action::Guest {
            machine: Subject::Live(machine.clone()),
            provider: self.provider.clone(),
            action,
        };
        self.push(key, action, risk, after)
    }

    fn stop(&mut self, live: &Live, after: &After) -> After {
        if is_off(live) {
            return After::new();
        }
        let id = live.id.clone();
        let action = ProviderAction::StopMachine { id };
        self.on(Key::Machine, action, Risk::Disruptive, after)
    }

    fn start(&mut self, live: &Live, after: &After) -> After {
        let id = live.id.clone();
        let action = ProviderAction::StartMachine { id };
        let started = self.on(Key::Machine, action, Risk::Safe, after);
        let wait = GuestAction::AwaitReady;
        self.inside(Key::Machine, &live.id, wait, Risk::Safe, &started)
    }

    /// Every data volume goes from the one to the other, which are both off by then.
    fn carry(&mut self, look: &Look, from: &Live, to: &Live, after: &After) -> After {
        let mut all = after.clone();
        for volume in data(look.desired, look.observed) {
            let Some(stamp) = &volume.stamp else { continue };
            let action = ProviderAction::MoveVolume {
                id: volume.id.clone(),
                from: from.id.clone(),
                to: to.id.clone(),
            };
            all.extend(self.on(stamp.key.clone(), action, Risk::Disruptive, after));
        }
        all
    }

    fn stack(&mut self, live: &Live, action: GuestAction, after: &After) -> After {
        self.inside(Key::Stack, &live.id, action, Risk::Disruptive, after)
    }
}

/// Whether the stack of the machine that is seen can be asked to do something.
fn is_heard(observed: &Observed, machine: &Live) -> bool {
    let is_there = observed.live.contains_key(&Key::Stack);
    is_there && observed.gap(&Scope::Guest).is_none() && !is_off(machine)
}

fn hand_over(moves: &mut Moves, look: &Look, pair: &Pair) {
    let Pair { old, new, seat } = *pair;
    let project = moves.desired.env.clone();
    let mut after_old = After::new();
    if seat == Seat::Old && is_heard(look.observed, old) {
        let stop = GuestAction::StopStack {
            project: project.clone(),
        };
        after_old = moves.stack(old, stop, &After::new());
    }
    let mut after_new = After::new();
    if look.trial.is_some_and(|trial| is_heard(trial, new)) {
        let remove = GuestAction::RemoveStack { project };
        after_new = moves.stack(new, remove, &After::new());
    }
    let mut off = moves.stop(old, &after_old);
    off.extend(moves.stop(new, &after_new));
    let handed = moves.carry(look, old, new, &off);
    tell_images(&mut moves.steps, look);
    let ready = moves.start(new, &handed);
    set_up(moves, look, new, &ready);
}

/// Says of the hand-over what the names of images were resolved to on the second machine and not on
/// the first.
fn tell_images(steps: &mut [Step], look: &Look) {
    let stack = |observed: &Observed| {
        let claims = observed.live.get(&Key::Stack).cloned();
        let live = claims.and_then(|claims| claims.into_iter().next());
        live.and_then(|live| live.fields.as_stack().cloned())
    };
    let Some((old, new)) = stack(look.observed).zip(look.trial.and_then(stack)) else {
        return;
    };
    let fields = super::compare::images(&old, &new);
    let is_carried = |step: &&mut Step| matches!(step.key, Key::Volume(_));
    for step in steps.iter_mut().filter(is_carried) {
        step.fields.clone_from(&fields);
    }
}

/// Once more, for what was set up on empty volumes: the accounts own the files of others now.
fn set_up(moves: &mut Moves, look: &Look, live: &Live, after: &After) {
    let Some(resource) = look.desired.resources.get(&Key::Guest) else {
        return;
    };
    let Spec::Guest(spec) = &resource.spec else {
        return;
    };
    let stamp = look.desired.stamp(&Key::Guest, look.attempt.at);
    let spec = spec.clone();
    let action = GuestAction::Configure { spec, stamp };
    moves.inside(Key::Guest, &live.id, action, Risk::Safe, after);
}

fn start_again(moves: &mut Moves, look: &Look, pair: &Pair) {
    let ready = moves.start(pair.new, &After::new());
    set_up(moves, look, pair.new, &ready);
}

fn give_back(moves: &mut Moves, look: &Look, pair: &Pair) {
    let Pair { old, new, seat } = *pair;
    moves.cause = Cause::PhoenixFailed;
    let project = moves.desired.env.clone();
    let mut ready = After::new();
    if seat != Seat::Old {
        let mut after = After::new();
        if seat == Seat::New && is_heard(look.observed, new) {
            let project = project.clone();
            after = moves.stack(new, GuestAction::RemoveStack { project }, &after);
        }
        let mut off = moves.stop(new, &after);
        off.extend(moves.stop(old, &After::new()));
        ready = moves.carry(look, new, old, &off);
    }
    let ready = moves.start(old, &ready);
    moves.stack(old, GuestAction::StartStack { project }, &ready);
}

fn rest(moves: &mut Moves, look: &Look, pair: &Pair) {
    moves.cause = match look.desired.waking.by {
        WakingBy::Person => Cause::Wish,
        WakingBy::Placement => Cause::SpecChanged,
        WakingBy::Budget => Cause::Budget,
        WakingBy::OfficeHours | WakingBy::Default => Cause::OfficeHours,
    };
    for live in [pair.old, pair.new] {
        moves.stop(live, &After::new());
    }
}
