//! The provider ports of the world.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use super::cloud::{Cloud, Flavor};
use super::meter::Metering;
use super::site::Site;
use super::{Rule, State, World};
use crate::manifest::schema::ProviderSpec;
use crate::model::{Inventory, LiveId, Object, Power, ProviderAction, ProviderName};
use crate::port::{
    Actuator, Clock as _, ImageFiles, Journal, Made, Meter, Observer, Observers, ProviderError,
    Providers,
};

/// One provider of the world.
pub(super) struct Provider {
    world: World,
    name: ProviderName,
}

#[async_trait]
impl Observers for World {
    async fn observer(
        &self,
        name: &ProviderName,
        _: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        self.open(name)
            .map(|provider| provider as Arc<dyn Observer>)
    }
}

#[async_trait]
impl Providers for World {
    async fn actuator(
        &self,
        name: &ProviderName,
        _: &ProviderSpec,
    ) -> Result<Arc<dyn Actuator>, ProviderError> {
        self.open(name)
            .map(|provider| provider as Arc<dyn Actuator>)
    }
}

impl World {
    fn open(&self, name: &ProviderName) -> Result<Arc<Provider>, ProviderError> {
        if !self.state().clouds.contains_key(name) {
            return Err(ProviderError::Unreachable {
                provider: name.clone(),
                reason: "there is no such host".to_owned(),
            });
        }
        Ok(Arc::new(Provider {
            world: self.clone(),
            name: name.clone(),
        }))
    }
}

impl Provider {
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State, &ProviderName) -> T) -> T {
        look(&mut self.world.state(), &self.name)
    }

    /// One call at a time, as over a connection: whoever has the turn keeps the others waiting.
    async fn turn(&self) -> OwnedMutexGuard<()> {
        let (turn, answers_after) = self.with(|state, name| {
            let cloud = state.clouds.get(name);
            let cloud = cloud.expect("opened for a provider that exists");
            let answers_after = cloud.answers_after.unwrap_or(state.answers_after);
            (Arc::clone(&cloud.turn), answers_after)
        });
        let turn = turn.lock_owned().await;
        if !answers_after.is_zero() {
            self.world.sleep(answers_after).await;
        }
        turn
    }

    /// Whether volumes are attached by a call after the one that makes the machine.
    fn is_attached_later(&self, action: &ProviderAction) -> bool {
        let flavor = self.with(|state, name| state.clouds.get(name).map(|cloud| cloud.flavor));
        let is_claim = matches!(action, ProviderAction::ClaimMachine { .. });
        is_claim || flavor == Some(Flavor::Tokens)
    }

    pub(super) fn unreachable(&self) -> ProviderError {
        ProviderError::Unreachable {
            provider: self.name.clone(),
            reason: "connection refused".to_owned(),
        }
    }

    fn unanswered(&self) -> ProviderError {
        ProviderError::Unanswered {
            provider: self.name.clone(),
            doing: "a request".to_owned(),
            reason: "the connection was closed".to_owned(),
        }
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.with(|state, name| {
            let percent = state.dice.faults.unreachable;
            let happens = state.dice.happens(percent);
            state.clouds.get_mut(name).is_none_or(Cloud::is_cut_off) || happens
        })
    }
}

#[async_trait]
impl Observer for Provider {
    fn provider(&self) -> &ProviderName {
        &self.name
    }

    async fn inventory(&self) -> Inventory {
        let _turn = self.turn().await;
        self.world.call().await;
        if self.is_cut_off() {
            let reason = self.unreachable().to_string();
            return Inventory::unreachable(self.name.clone(), reason);
        }
        self.with(|state, name| {
            let percent = state.dice.faults.partial;
            let hidden = state.dice.happens(percent).then(|| state.dice.below(64));
            let cloud = state.clouds.get_mut(name);
            cloud
                .expect("opened for a provider that exists")
                .inventory(name, hidden)
        })
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        let _turn = self.turn().await;
        self.world.call().await;
        if self.is_cut_off() {
            return Err(self.unreachable());
        }
        Ok(self.with(|state, name| {
            let object = &state.clouds.get(name)?.things.get(id)?.object;
            object.fields.as_machine().map(|_| object.clone())
        }))
    }

    async fn console(&self, _: &LiveId) -> Result<String, ProviderError> {
        Ok(String::new())
    }

    fn meter(&self) -> Option<&dyn Meter> {
        let metering = self.with(|state, name| state.clouds.get(name).map(|cloud| cloud.metering));
        (metering != Some(Metering::None)).then_some(self)
    }
}

#[async_trait]
impl Actuator for Provider {
    async fn perform(
        &self,
        action: &ProviderAction,
        image: Option<&ImageFiles>,
        _: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        let _turn = self.turn().await;
        self.world.call().await;
        if self.is_cut_off() {
            return Err(self.unreachable());
        }
        let is_lost = self.with(|state, _| {
            let percent = state.dice.faults.unanswered;
            state
                .dice
                .happens(percent)
                .then(|| state.dice.below(2) == 0)
        });
        if is_lost == Some(false) {
            return Err(self.unanswered());
        }
        let made = self.with(|state, name| perform(state, name, action, image))?;
        self.world.call().await;
        if let ProviderAction::MoveVolume { id, to, .. } = action {
            self.with(|state, provider| Site { provider, state }.attach(id, to))?;
            self.world.call().await;
        }
        if let (
            ProviderAction::CreateMachine { volumes, .. }
            | ProviderAction::ClaimMachine { volumes, .. },
            Some(id),
        ) = (action, &made.id)
            && self.is_attached_later(action)
        {
            self.with(|state, provider| Site { provider, state }.give(volumes, id))?;
            self.world.call().await;
        }
        if let (
            ProviderAction::CreateMachine { .. } | ProviderAction::ClaimMachine { .. },
            Some(id),
        ) = (action, &made.id)
        {
            self.with(|state, name| state.clouds.get_mut(name).map(|cloud| cloud.start(id)));
            self.world.call().await;
        }
        if let (ProviderAction::ClaimMachine { is_protected, .. }, Some(id)) = (action, &made.id) {
            let is_protected = *is_protected;
            self.with(|state, name| {
                let cloud = state.clouds.get_mut(name);
                if let Some(machine) = cloud.and_then(|cloud| cloud.machine_mut(id)) {
                    machine.ready = None;
                    if let Some(protection) = &mut machine.is_protected {
                        *protection = is_protected;
                    }
                }
            });
            self.world.call().await;
        }
        if is_lost == Some(true) {
            return Err(self.unanswered());
        }
        Ok(made)
    }
}

fn perform(
    state: &mut State,
    provider: &ProviderName,
    action: &ProviderAction,
    image: Option<&ImageFiles>,
) -> Result<Made, ProviderError> {
    let mut site = Site { provider, state };
    match action {
        ProviderAction::Prepare { part } => {
            site.cloud().missing.remove(part);
        }
        ProviderAction::ProvideImage { image: spec } => {
            if image.is_none() {
                return Err(site.refused("take an image", "it was not given"));
            }
            site.cloud().images.insert(spec.id());
        }
        ProviderAction::CreateVolume {
            spec,
            stamp,
            token,
            copy_of,
        } => return site.create_volume(spec, (stamp, token), copy_of.as_ref()),
        ProviderAction::CreateMachine {
            spec,
            stamp,
            volumes,
            token,
            beside,
        } => {
            let other = beside.as_ref().map(|beside| &beside.machine);
            return site.create_machine(spec, (stamp, token), volumes, other);
        }
        ProviderAction::ClaimMachine { warm, stamp, .. } => return site.claim(warm, stamp),
        ProviderAction::GiveBack { warm } => site.give_back(warm)?,
        ProviderAction::PauseMachine { id, ready } => site.pause(id, ready)?,
        ProviderAction::MoveVolume { id, from, to } => site.detach(id, from, to)?,
        ProviderAction::GrowVolume { id, size_mib } => site.grow(id, *size_mib)?,
        ProviderAction::DeleteVolume { id } => site.delete_volume(id)?,
        ProviderAction::StartMachine { id } => {
            site.own(id)?;
            site.cloud().start(id);
        }
        ProviderAction::StopMachine { id } => {
            site.own(id)?;
            let stops = !site.state.breaks(Rule::Stop);
            let machine = site.cloud().machine_mut(id).filter(|_| stops);
            if let Some(machine) = machine {
                machine.power = Power::Stopped;
                machine.address = None;
            }
        }
        ProviderAction::ResizeMachine {
            id,
            cpus,
            memory_mib,
            stamp,
        } => site.resize(id, *cpus, *memory_mib, stamp)?,
        ProviderAction::ProtectMachine { id, is_protected } => site.protect(id, *is_protected)?,
        ProviderAction::DeleteMachine { id } => site.delete_machine(id)?,
    }
    Ok(Made::default())
}
