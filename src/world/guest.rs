//! The inside of machines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::{State, World};
use crate::model::{
    CheckoutSpec, ContainerReading, Counters, CpuTime, Gap, GuestAction, Health, Key, LiveCheckout,
    LiveFields, LiveService, LiveStack, Power, Scope, StackSpec, Stamp,
};
use crate::port::{
    Clock, GuestActuator, GuestError, GuestObserver, GuestReport, GuestTarget, Journal,
};

/// What lies on the root disk of a machine.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    pub live: BTreeMap<Key, (LiveFields, Option<Stamp>)>,
    /// So many questions stay without an answer.
    pub silent: u32,
}

#[async_trait]
impl GuestObserver for World {
    async fn observe(&self, target: &GuestTarget) -> GuestReport {
        self.call().await;
        match ask(&mut self.state(), target, |inside| inside.live.clone()) {
            Ok(live) => GuestReport {
                live,
                gaps: Vec::new(),
            },
            Err(error) => GuestReport {
                live: BTreeMap::new(),
                gaps: vec![Gap {
                    scope: Scope::Guest,
                    reason: error.to_string(),
                }],
            },
        }
    }

    /// Each container that runs uses an equal part of what the machine uses.
    async fn containers(&self, target: &GuestTarget) -> Result<Vec<ContainerReading>, GuestError> {
        let state = &mut *self.state();
        let live = ask(state, target, |inside| inside.live.clone())?;
        let stack = live.get(&Key::Stack);
        let stack = stack.and_then(|(fields, _)| fields.as_stack());
        let services = stack.map_or(&[][..], |stack| &stack.services);
        let running: Vec<_> = services.iter().filter(|s| s.state == "running").collect();
        let count = u32::try_from(running.len()).unwrap_or(1).max(1);
        let whole = state.counters(&target.machine, 1).unwrap_or_default();
        let part = |bytes: Option<u64>| bytes.map(|bytes| bytes / u64::from(count));
        let readings = running.into_iter().map(|service| ContainerReading {
            service: service.name.clone(),
            container: service.container.clone(),
            counters: Counters {
                at: state.time.now,
                life: format!("{} {}", service.container, whole.life),
                cpu: whole.cpu.map(|cpu| CpuTime {
                    used: cpu.used / count,
                    given: None,
                }),
                memory: part(whole.memory),
                disk_read: part(whole.disk_read),
                disk_written: part(whole.disk_written),
                received: part(whole.received),
                sent: part(whole.sent),
            },
        });
        Ok(readings.collect())
    }
}

#[async_trait]
impl GuestActuator for World {
    async fn await_ready(
        &self,
        target: &GuestTarget,
        patience: Duration,
        _: &dyn Journal,
    ) -> Result<(), GuestError> {
        let mut waited = Duration::ZERO;
        loop {
            self.call().await;
            match ask(&mut self.state(), target, |_| ()) {
                Ok(()) => return Ok(()),
                Err(error) if waited >= patience => return Err(error),
                Err(_) => {}
            }
            let pause = Duration::from_secs(30);
            self.sleep(pause).await;
            waited += pause;
        }
    }

    async fn perform(
        &self,
        target: &GuestTarget,
        action: &GuestAction,
        _: &dyn Journal,
    ) -> Result<(), GuestError> {
        self.call().await;
        let lost = {
            let state = &mut *self.state();
            let percent = state.dice.faults.unanswered;
            state
                .dice
                .happens(percent)
                .then(|| state.dice.below(2) == 0)
        };
        let error = GuestError::Lost {
            env: target.env.clone(),
            doing: "working".to_owned(),
            reason: "the connection was reset".to_owned(),
        };
        if lost == Some(false) {
            return Err(error);
        }
        begin(&mut self.state(), target, action)?;
        self.call().await;
        let works_for = self.state().works_for;
        if !works_for.is_zero() {
            self.sleep(works_for).await;
        }
        let problem = ask(&mut self.state(), target, |inside| finish(inside, action))?;
        if let Some(problem) = problem {
            self.state()
                .violations
                .push(format!("{}: {problem}", target.env));
        }
        self.call().await;
        if lost == Some(true) {
            Err(error)
        } else {
            Ok(())
        }
    }
}

/// Gets through to the inside of a machine, or not.
fn ask<T>(
    state: &mut State,
    target: &GuestTarget,
    question: impl FnOnce(&mut Inside) -> T,
) -> Result<T, GuestError> {
    let silent = |reason: &str| GuestError::Silent {
        env: target.env.clone(),
        reason: reason.to_owned(),
    };
    let percent = state.dice.faults.silent;
    if state.dice.happens(percent) {
        return Err(silent("connection timed out"));
    }
    let clouds = state.clouds.values_mut();
    let mut things = clouds.filter_map(|cloud| cloud.things.get_mut(&target.machine));
    let Some(thing) = things.next() else {
        return Err(silent("no route to host"));
    };
    let Some(machine) = thing.object.fields.as_machine() else {
        return Err(silent("no route to host"));
    };
    if machine.power != Power::Running || machine.address != Some(target.address) {
        return Err(silent("no route to host"));
    }
    if machine.host_key.as_ref() != Some(&target.host_key) {
        return Err(GuestError::HostKey {
            env: target.env.clone(),
            reason: "another key".to_owned(),
        });
    }
    if thing.inside.silent > 0 {
        thing.inside.silent -= 1;
        return Err(silent("connection refused"));
    }
    Ok(question(&mut thing.inside))
}

/// What is there while an action is under way: a stack without its stamp.
fn begin(state: &mut State, target: &GuestTarget, action: &GuestAction) -> Result<(), GuestError> {
    match action {
        GuestAction::ApplyStack { .. } => ask(state, target, |inside| {
            if let Some((_, stamp)) = inside.live.get_mut(&Key::Stack) {
                *stamp = None;
            }
        }),
        GuestAction::AwaitReady
        | GuestAction::Configure { .. }
        | GuestAction::PullImages { .. }
        | GuestAction::SyncCheckout { .. }
        | GuestAction::StopStack { .. }
        | GuestAction::StartStack { .. }
        | GuestAction::RemoveStack { .. } => Ok(()),
    }
}

/// Does the action; says what law was broken by it.
fn finish(inside: &mut Inside, action: &GuestAction) -> Option<String> {
    match action {
        GuestAction::AwaitReady => Some("waiting is not an action".to_owned()),
        GuestAction::Configure { stamp, .. } => {
            let guest = (LiveFields::Guest, Some(stamp.clone()));
            inside.live.insert(Key::Guest, guest);
            None
        }
        GuestAction::PullImages { stamp, .. } => {
            let pulled = (LiveFields::Guest, Some(stamp.clone()));
            inside.live.insert(Key::Containers, pulled);
            None
        }
        GuestAction::SyncCheckout { spec, stamp } => checkout(inside, spec, stamp),
        GuestAction::ApplyStack { spec, stamp } => stack(inside, spec, stamp),
        GuestAction::StopStack { .. } => put_services(inside, "exited"),
        GuestAction::StartStack { .. } => put_services(inside, "running"),
        GuestAction::RemoveStack { .. } => {
            inside.live.remove(&Key::Stack);
            None
        }
    }
}

fn put_services(inside: &mut Inside, state: &str) -> Option<String> {
    if let Some((LiveFields::Stack(stack), _)) = inside.live.get_mut(&Key::Stack) {
        for service in &mut stack.services {
            state.clone_into(&mut service.state);
            service.exit_code = (state == "exited").then_some(137);
        }
    }
    None
}

fn checkout(inside: &mut Inside, spec: &CheckoutSpec, stamp: &Stamp) -> Option<String> {
    let there = inside
        .live
        .get(&stamp.key)
        .and_then(|(fields, _)| fields.as_checkout());
    if there.is_some_and(|checkout| checkout.local_work.is_some()) {
        return Some(format!("local work in {} was to be thrown away", stamp.key));
    }
    let fields = LiveFields::Checkout(LiveCheckout {
        revision: spec.revision.clone(),
        local_work: None,
    });
    let problem = (!inside.live.contains_key(&Key::Guest))
        .then(|| "a checkout came before the guest".to_owned());
    inside
        .live
        .insert(stamp.key.clone(), (fields, Some(stamp.clone())));
    problem
}

fn stack(inside: &mut Inside, spec: &StackSpec, stamp: &Stamp) -> Option<String> {
    let has_source = |(name, revision): (&String, &Option<_>)| {
        let checkout = inside.live.get(&Key::Checkout(name.clone()));
        let checkout = checkout.and_then(|(fields, _)| fields.as_checkout());
        checkout.is_some_and(|checkout| checkout.revision == *revision)
    };
    let is_ready = inside.live.contains_key(&Key::Guest) && spec.sources.iter().all(has_source);
    let service = |name: &String| LiveService {
        name: name.clone(),
        container: format!("{name}-1"),
        image: name.clone(),
        image_digest: format!("sha256:{name}"),
        resolved: Some(format!("sha256:{name}")),
        state: "running".to_owned(),
        exit_code: None,
        health: Health::Healthy,
        restarts: 0,
        ports: Vec::new(),
        altered: false,
    };
    let fields = LiveFields::Stack(LiveStack {
        services: spec.services.iter().map(service).collect(),
        missing: BTreeSet::new(),
        changed_files: BTreeSet::new(),
    });
    inside
        .live
        .insert(Key::Stack, (fields, Some(stamp.clone())));
    (!is_ready).then(|| "the stack came before what it needs".to_owned())
}
