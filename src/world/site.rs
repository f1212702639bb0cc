//! One provider of the world while something is done on it: its laws, and what breaks them.

use std::collections::{BTreeMap, BTreeSet};

use super::cloud::{Cloud, Flavor, Thing};
use super::guest::Inside;
use super::{Rule, State};
use crate::model::{
    About, Digest, Key, LiveFields, LiveId, LiveMachine, LiveVolume, MachineSpec, Object, Power,
    ProviderName, Stamp, Subject, Token, VolumeSpec, Warm,
};
use crate::port::{Made, ProviderError};

/// So many machines can have names that were made for one environment.
const PLACES: u32 = 64;

/// One provider while something is done on it.
pub(super) struct Site<'a> {
    pub provider: &'a ProviderName,
    pub state: &'a mut State,
}

impl Site<'_> {
    pub fn cloud(&mut self) -> &mut Cloud {
        let cloud = self.state.clouds.get_mut(self.provider);
        cloud.expect("opened for a provider that exists")
    }

    pub fn refused(&self, doing: &str, reason: &str) -> ProviderError {
        ProviderError::Refused {
            provider: self.provider.clone(),
            doing: doing.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn violation(&mut self, what: String) {
        self.state.violations.push(what);
    }

    /// Whether the thing is there; that it is ours is a law.
    pub fn own(&mut self, id: &LiveId) -> Result<(), ProviderError> {
        let Some(thing) = self.cloud().things.get(id) else {
            return Err(self.moved(&id.to_string()));
        };
        if thing.object.stamp.is_none() {
            self.violation(format!("{id} was touched and is not ours"));
        }
        Ok(())
    }

    fn lag(&mut self) -> u32 {
        let most = self.state.dice.faults.lag;
        self.state.dice.below(most + 1)
    }

    /// What a repeated creation finds, or the id of a new thing.
    /// With names there are some places for a machine, and beside the one is another.
    fn id_for(
        &mut self,
        (stamp, token): (&Stamp, &Token),
        beside: Option<&LiveId>,
    ) -> Result<LiveId, LiveId> {
        let flavor = self.cloud().flavor;
        match flavor {
            Flavor::Tokens => {
                if let Some(id) = self.cloud().tokens.get(token) {
                    return Err(id.clone());
                }
                if let Some(id) = self.begun(stamp).filter(|_| beside.is_none()) {
                    return Err(id);
                }
                let number = self.state.dice.number();
                let id = LiveId(format!("i-{number:016x}"));
                self.cloud().tokens.insert(token.clone(), id.clone());
                Ok(id)
            }
            Flavor::Named => {
                let first = LiveId(format!("{}/{}/{}", stamp.owner, stamp.env, stamp.key));
                let place = |number: u32| match number {
                    1 => first.clone(),
                    _ => LiveId(format!("{first}.{number}")),
                };
                let things = &self.state.clouds[self.provider].things;
                let whose = |id: &LiveId| things.get(id).map(|thing| &thing.object.stamp);
                let is_ours = |id: &LiveId| {
                    let ours = whose(id).and_then(Option::as_ref);
                    ours.is_some_and(|s| s.is_of(&stamp.owner, &stamp.env))
                };
                let is_free = |id: &LiveId| whose(id).is_none();
                if beside.is_none()
                    && let Some(id) = (1..=PLACES).map(place).find(is_ours)
                {
                    return Err(id);
                }
                // One that was claimed keeps the place where it was made.
                let mut others = (1..=PLACES).map(place).filter(|id| Some(id) != beside);
                let id = others.find(|id| is_free(id) || is_ours(id));
                let id = id.expect("no test claims as many machines as there are places");
                if is_free(&id) { Ok(id) } else { Err(id) }
            }
        }
    }

    /// A machine of the environment of which the creation was cut off.
    fn begun(&mut self, stamp: &Stamp) -> Option<LiveId> {
        let is_it = |thing: &&Thing| {
            let whose = thing.object.stamp.as_ref();
            let is_ours = whose.is_some_and(|was| was.is_of(&stamp.owner, &stamp.env));
            let machine = thing.object.fields.as_machine();
            is_ours && stamp.key == Key::Machine && machine.is_some_and(|m| !m.is_finished)
        };
        let thing = self.cloud().things.values().find(is_it)?;
        Some(thing.object.id.clone())
    }

    pub fn create_volume(
        &mut self,
        spec: &VolumeSpec,
        (stamp, token): (&Stamp, &Token),
        copy_of: Option<&LiveId>,
    ) -> Result<Made, ProviderError> {
        if !self.cloud().missing.is_empty() {
            return Err(self.refused("create a volume", "it has no pool"));
        }
        let id = match self.id_for((stamp, token), None) {
            Err(id) => return Ok(Made { id: Some(id) }),
            Ok(id) => id,
        };
        let object = Object {
            id: id.clone(),
            name: format!("metrom-{}.data", stamp.env),
            fields: LiveFields::Volume(LiveVolume {
                size_mib: spec.size_mib,
            }),
            about: About::default(),
            stamp: Some(stamp.clone()),
        };
        let content = match copy_of {
            Some(original) => self.copied(original)?,
            None => self.state.dice.number(),
        };
        let lag = self.lag();
        self.cloud().make(object, Inside::default(), lag);
        if let Some(thing) = self.cloud().things.get_mut(&id) {
            thing.content = content;
        }
        Ok(Made { id: Some(id) })
    }

    /// What is on a volume that no running machine writes to.
    fn copied(&mut self, original: &LiveId) -> Result<u64, ProviderError> {
        self.own(original)?;
        let user = self.cloud().user_of(original).map(|user| user.id.clone());
        if let Some(user) = user {
            self.require_off(&user)?;
        }
        let content = self.cloud().things.get(original).map(|thing| thing.content);
        Ok(content.unwrap_or_default())
    }

    pub fn create_machine(
        &mut self,
        spec: &MachineSpec,
        (stamp, token): (&Stamp, &Token),
        volumes: &[Subject],
        beside: Option<&LiveId>,
    ) -> Result<Made, ProviderError> {
        let name = format!("metrom-{}", stamp.env);
        let volumes = self.attachable(volumes)?;
        if !self.cloud().missing.is_empty() || !self.cloud().images.contains(&spec.image.id()) {
            return Err(self.refused("create a machine", "it has no network or no image"));
        }
        let is_named = self.cloud().flavor == Flavor::Named;
        let is_foreign = |object: &Object| object.name == name && object.stamp.is_none();
        if is_named && self.cloud().truth().iter().any(is_foreign) {
            return Err(ProviderError::Foreign {
                provider: self.provider.clone(),
                what: name,
            });
        }
        let id = match self.id_for((stamp, token), beside) {
            Err(id) => return Ok(Made { id: Some(id) }),
            Ok(id) => id,
        };
        if let Some(user) = volumes
            .iter()
            .find_map(|v| self.cloud().user_of(v).cloned())
        {
            self.cloud().tokens.remove(token);
            let reason = format!("its volume is attached to {}", user.id);
            return Err(self.refused("create a machine", &reason));
        }
        let percent = self.state.dice.faults.full;
        if self.state.dice.happens(percent) || self.cloud().is_full() {
            self.cloud().tokens.remove(token);
            return Err(ProviderError::Full {
                provider: self.provider.clone(),
                doing: "create a machine".to_owned(),
                reason: "all its capacity is in use".to_owned(),
            });
        }
        // With tokens, its volumes are attached by a call of their own.
        let is_finished = is_named || volumes.is_empty();
        let machine = LiveMachine {
            power: Power::Stopped,
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            image: Some(spec.image.id()),
            volumes: if is_finished {
                volumes
            } else {
                BTreeSet::new()
            },
            address: None,
            host_key: Some(format!("ssh-ed25519 {:016x}", self.state.dice.number())),
            devices: BTreeMap::new(),
            ready: None,
            is_finished,
            is_protected: (!is_named).then_some(spec.is_protected),
            is_spot: false,
            bastion: None,
        };
        let object = Object {
            id: id.clone(),
            name,
            fields: LiveFields::Machine(machine),
            about: About::default(),
            stamp: Some(stamp.clone()),
        };
        let inside = Inside {
            silent: self.state.dice.below(3),
            ..Inside::default()
        };
        let lag = self.lag();
        self.cloud().make(object, inside, lag);
        Ok(Made { id: Some(id) })
    }

    /// The first half of a claim: whose it is. Never of a machine that somebody has claimed before.
    pub fn claim(&mut self, warm: &Warm, stamp: &Stamp) -> Result<Made, ProviderError> {
        let id = &warm.id;
        let was = self.stamp_of(id);
        let is_again = was
            .as_ref()
            .is_some_and(|s| s.is_of(&stamp.owner, &stamp.env));
        if !is_again && !was.is_some_and(|s| s.is_of(&stamp.owner, &warm.env)) {
            return Err(self.moved(&id.to_string()));
        }
        let thing = self.cloud().things.get_mut(id).filter(|_| !is_again);
        if let Some(thing) = thing {
            thing.object.stamp = Some(stamp.clone());
        }
        Ok(Made {
            id: Some(id.clone()),
        })
    }

    /// The second half of a creation with tokens, and of a claim: its data volumes.
    pub fn give(&mut self, volumes: &[Subject], to: &LiveId) -> Result<(), ProviderError> {
        for volume in self.attachable(volumes)? {
            let user = self.cloud().user_of(&volume).map(|user| user.id.clone());
            if user.is_some_and(|user| user != *to) {
                return Err(self.refused("give a volume", "another machine has it"));
            }
            if let Some(machine) = self.cloud().machine_mut(to) {
                machine.volumes.insert(volume);
            }
        }
        if let Some(machine) = self.cloud().machine_mut(to) {
            machine.is_finished = true;
        }
        Ok(())
    }

    pub fn give_back(&mut self, warm: &Warm) -> Result<(), ProviderError> {
        match self.stamp_of(&warm.id) {
            Some(stamp) if stamp.env != warm.env => Err(self.moved(&warm.id.to_string())),
            Some(_) => self.delete_machine(&warm.id),
            None => Ok(()),
        }
    }

    pub fn pause(&mut self, id: &LiveId, ready: &Digest) -> Result<(), ProviderError> {
        self.own(id)?;
        if let Some(machine) = self.cloud().machine_mut(id) {
            machine.power = Power::Paused;
            machine.address = None;
            machine.ready = Some(ready.clone());
        }
        Ok(())
    }

    fn stamp_of(&mut self, id: &LiveId) -> Option<Stamp> {
        self.cloud().things.get(id)?.object.stamp.clone()
    }

    fn moved(&self, what: &str) -> ProviderError {
        ProviderError::Moved {
            provider: self.provider.clone(),
            what: what.to_owned(),
        }
    }

    fn attachable(&mut self, volumes: &[Subject]) -> Result<BTreeSet<LiveId>, ProviderError> {
        let mut ids = BTreeSet::new();
        for volume in volumes {
            let Subject::Live(id) = volume else {
                self.violation("a machine was asked for with a volume that has no id".to_owned());
                continue;
            };
            self.own(id)?;
            ids.insert(id.clone());
        }
        Ok(ids)
    }

    pub fn grow(&mut self, id: &LiveId, size_mib: u64) -> Result<(), ProviderError> {
        self.own(id)?;
        let thing = self.cloud().things.get_mut(id);
        if let Some(LiveFields::Volume(volume)) = thing.map(|t| &mut t.object.fields) {
            if volume.size_mib > size_mib {
                self.violation(format!("{id} was to shrink"));
            } else {
                volume.size_mib = size_mib;
            }
        }
        Ok(())
    }

    /// The first half of a hand-over; a machine that is gone had nothing to give.
    pub fn detach(&mut self, id: &LiveId, from: &LiveId, to: &LiveId) -> Result<(), ProviderError> {
        self.own(id)?;
        self.own(to)?;
        for machine in [from, to] {
            self.require_off(machine)?;
        }
        let leaves = !self.state.breaks(Rule::HandOver);
        let machine = self.cloud().machine_mut(from).filter(|_| leaves);
        if let Some(machine) = machine {
            machine.volumes.remove(id);
        }
        Ok(())
    }

    /// The second half, by when anything may have happened.
    pub fn attach(&mut self, id: &LiveId, to: &LiveId) -> Result<(), ProviderError> {
        self.own(id)?;
        self.own(to)?;
        self.require_off(to)?;
        let user = self.cloud().user_of(id).map(|user| user.id.clone());
        let is_law = !self.state.breaks(Rule::HandOver);
        if is_law && user.is_some_and(|user| user != *to) {
            return Err(self.refused("move a volume", "another machine has it"));
        }
        if let Some(machine) = self.cloud().machine_mut(to) {
            machine.volumes.insert(id.clone());
        }
        if self.cloud().users_of(id).count() > 1 {
            self.violation(format!("{id} is attached to two machines"));
        }
        Ok(())
    }

    fn require_off(&mut self, id: &LiveId) -> Result<(), ProviderError> {
        let machine = self.cloud().machine(id);
        match machine.is_some_and(|machine| machine.power != Power::Stopped) {
            false => Ok(()),
            true => Err(self.moved(&format!("{id}, running again,"))),
        }
    }

    pub fn delete_volume(&mut self, id: &LiveId) -> Result<(), ProviderError> {
        if self.own(id).is_err() {
            return Ok(());
        }
        if self.cloud().user_of(id).is_some() {
            return Err(self.refused("delete a volume", "a machine uses it"));
        }
        let lag = self.lag();
        let ended = self.cloud().end(id, lag);
        if let Some(thing) = ended.filter(|thing| thing.was_used) {
            self.state.deleted_volumes.push(thing.object);
        }
        Ok(())
    }

    pub fn resize(
        &mut self,
        id: &LiveId,
        cpus: u32,
        memory_mib: u64,
        stamp: &Stamp,
    ) -> Result<(), ProviderError> {
        self.own(id)?;
        if self
            .cloud()
            .machine(id)
            .is_some_and(|m| m.power != Power::Stopped)
        {
            return Err(self.refused("resize a machine", "it runs"));
        }
        if let Some(machine) = self.cloud().machine_mut(id) {
            machine.cpus = cpus;
            machine.memory_mib = memory_mib;
        }
        if let Some(thing) = self.cloud().things.get_mut(id) {
            thing.object.stamp = Some(stamp.clone());
        }
        Ok(())
    }

    /// Only where there is such a thing as protection.
    pub fn protect(&mut self, id: &LiveId, is_protected: bool) -> Result<(), ProviderError> {
        self.own(id)?;
        let machine = self.cloud().machine_mut(id);
        let Some(protection) = machine.and_then(|machine| machine.is_protected.as_mut()) else {
            return Err(self.refused("protect a machine", "it has no protection"));
        };
        *protection = is_protected;
        Ok(())
    }

    pub fn delete_machine(&mut self, id: &LiveId) -> Result<(), ProviderError> {
        if self.own(id).is_err() {
            return Ok(());
        }
        let machine = self.cloud().machine(id);
        if machine.and_then(|machine| machine.is_protected) == Some(true) {
            return Err(self.refused("delete a machine", "it is protected"));
        }
        let lag = self.lag();
        self.cloud().end(id, lag);
        Ok(())
    }
}
