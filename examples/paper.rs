//! The smallest provider that keeps the contract: a data centre on paper.
//!
//! It makes nothing that runs; it writes down what it was asked for, which is all that the shared
//! contract looks at. `docs/providers.md` explains each part. `cargo run --example paper` shows what
//! it says of itself; `cargo test --test it provider::paper` holds it against the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use metrom::model::{
    About, Beside, Inventory, LiveFields, LiveId, LiveMachine, LiveVolume, MachineSpec, Market,
    Object, Part, Power, ProviderAction, ProviderName, Stamp, Subject, Warm,
};
use metrom::port::{Actuator, ImageFiles, Journal, Made, Observer, ProviderError};

/// A data centre of which there is a sheet of paper.
pub struct Paper {
    name: ProviderName,
    sheet: Mutex<Sheet>,
}

/// What is written down.
#[derive(Default)]
struct Sheet {
    is_prepared: bool,
    images: BTreeSet<String>,
    objects: BTreeMap<LiveId, Object>,
    written: u64,
}

/// Why something is not written down; the provider's name is added outside.
enum Refusal {
    Moved(String),
    Refused(String),
}

type Written<T> = Result<T, Refusal>;

impl Paper {
    #[must_use]
    pub fn new(name: ProviderName) -> Self {
        Self {
            name,
            sheet: Mutex::default(),
        }
    }

    fn sheet<T>(&self, write: impl FnOnce(&mut Sheet) -> T) -> T {
        write(&mut self.sheet.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Observer for Paper {
    fn provider(&self) -> &ProviderName {
        &self.name
    }

    async fn inventory(&self) -> Inventory {
        let missing = |sheet: &Sheet| (!sheet.is_prepared).then(|| Part::Pool("sheet".to_owned()));
        self.sheet(|sheet| Inventory {
            provider: self.name.clone(),
            objects: sheet.objects.values().cloned().collect(),
            addresses: Ok(Vec::new()),
            images: sheet.images.clone(),
            missing: missing(sheet).into_iter().collect(),
            free_memory_mib: None,
            has_unique_names: false,
            health: None,
            gaps: Vec::new(),
        })
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        let found = self.sheet(|sheet| sheet.objects.get(id).cloned());
        Ok(found.filter(|object| object.fields.as_machine().is_some()))
    }

    async fn console(&self, _: &LiveId) -> Result<String, ProviderError> {
        Ok(String::new())
    }
}

#[async_trait]
impl Actuator for Paper {
    async fn perform(
        &self,
        action: &ProviderAction,
        _: Option<&ImageFiles>,
        _: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        let id = self.sheet(|sheet| sheet.perform(action));
        let provider = self.name.clone();
        match id {
            Ok(id) => Ok(Made { id }),
            Err(Refusal::Moved(what)) => Err(ProviderError::Moved { provider, what }),
            Err(Refusal::Refused(reason)) => Err(ProviderError::Refused {
                provider,
                doing: action.to_string(),
                reason,
            }),
        }
    }
}

impl Sheet {
    /// One arm for each action: a new one does not compile until every provider has an answer.
    fn perform(&mut self, action: &ProviderAction) -> Written<Option<LiveId>> {
        match action {
            ProviderAction::Prepare { part: _ } => self.is_prepared = true,
            ProviderAction::ProvideImage { image } => drop(self.images.insert(image.id())),
            ProviderAction::CreateVolume {
                spec,
                stamp,
                token: _,
                copy_of: _, // nothing is on a volume of paper
            } => return self.create_volume(spec.size_mib, stamp).map(Some),
            ProviderAction::GrowVolume { id, size_mib } => self.volume(id)?.size_mib = *size_mib,
            ProviderAction::DeleteVolume { id } => self.delete_volume(id)?,
            ProviderAction::CreateMachine {
                spec,
                stamp,
                volumes,
                token: _,
                beside,
            } => {
                let made = self.create_machine(spec, stamp, volumes, beside.as_ref());
                return made.map(Some);
            }
            ProviderAction::ClaimMachine {
                warm,
                stamp,
                volumes,
                token: _,
                is_protected: _, // nothing is protected on paper
            } => return self.claim(warm, stamp, volumes).map(Some),
            ProviderAction::GiveBack { warm } => self.give_back(warm)?,
            ProviderAction::PauseMachine { id, ready } => {
                let machine = self.machine(id)?;
                machine.power = Power::Paused;
                machine.ready = Some(ready.clone());
            }
            ProviderAction::MoveVolume { id, from, to } => self.hand_over(id, from, to)?,
            ProviderAction::StartMachine { id } => self.machine(id)?.power = Power::Running,
            ProviderAction::StopMachine { id } => self.machine(id)?.power = Power::Stopped,
            ProviderAction::ResizeMachine {
                id,
                cpus,
                memory_mib,
                stamp,
            } => {
                self.require_stopped(id)?;
                let machine = self.machine(id)?;
                (machine.cpus, machine.memory_mib) = (*cpus, *memory_mib);
                self.mark(id, stamp);
            }
            ProviderAction::ProtectMachine { .. } => {
                return Err(Refusal::Refused("paper protects nothing".to_owned()));
            }
            ProviderAction::DeleteMachine { id } => drop(self.objects.remove(id)),
        }
        Ok(None)
    }

    /// A creation that finds its object takes it over.
    fn create_volume(&mut self, size_mib: u64, stamp: &Stamp) -> Written<LiveId> {
        if let Some(id) = self.find(stamp, None) {
            return Ok(id);
        }
        Ok(self.write(stamp, LiveFields::Volume(LiveVolume { size_mib })))
    }

    fn create_machine(
        &mut self,
        spec: &MachineSpec,
        stamp: &Stamp,
        volumes: &[Subject],
        beside: Option<&Beside>,
    ) -> Written<LiveId> {
        if let Some(id) = self.find(stamp, beside.map(|beside| &beside.machine)) {
            return Ok(id);
        }
        if spec.market == Market::SpotOnly {
            return Err(Refusal::Refused("nothing is to spare on paper".to_owned()));
        }
        let volumes = volumes.iter().map(made).collect::<Written<BTreeSet<_>>>()?;
        for volume in &volumes {
            self.require_free(volume, None)?;
        }
        let machine = LiveMachine {
            power: Power::Running,
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            image: Some(spec.image.id()),
            volumes,
            address: None,
            host_key: Some("ssh-ed25519 AAAA on-paper".to_owned()),
            devices: BTreeMap::new(),
            ready: None,
            is_finished: true,
            is_protected: None,
            is_spot: false,
            bastion: None,
        };
        Ok(self.write(stamp, LiveFields::Machine(machine)))
    }

    /// A machine is claimed by one environment, and by that one as often as it likes.
    fn claim(&mut self, warm: &Warm, stamp: &Stamp, volumes: &[Subject]) -> Written<LiveId> {
        let is_warm = self.is_of(&warm.id, |was| was.env == warm.env);
        let is_again = self.is_of(&warm.id, |was| was.is_of(&stamp.owner, &stamp.env));
        if !is_warm && !is_again {
            return Err(gone(&warm.id));
        }
        self.mark(&warm.id, stamp);
        for volume in volumes {
            let volume = made(volume)?;
            self.require_free(&volume, Some(&warm.id))?;
            self.machine(&warm.id)?.volumes.insert(volume);
        }
        let machine = self.machine(&warm.id)?;
        machine.power = Power::Running;
        machine.ready = None;
        Ok(warm.id.clone())
    }

    fn give_back(&mut self, warm: &Warm) -> Written<()> {
        let is_there = self.objects.contains_key(&warm.id);
        if is_there && !self.is_of(&warm.id, |was| was.env == warm.env) {
            return Err(gone(&warm.id));
        }
        self.objects.remove(&warm.id);
        Ok(())
    }

    /// The volume is never with two machines.
    fn hand_over(&mut self, id: &LiveId, from: &LiveId, to: &LiveId) -> Written<()> {
        self.require_stopped(from)?;
        self.require_stopped(to)?;
        if let Ok(giver) = self.machine(from) {
            giver.volumes.remove(id);
        }
        self.require_free(id, Some(to))?;
        self.machine(to)?.volumes.insert(id.clone());
        Ok(())
    }

    fn delete_volume(&mut self, id: &LiveId) -> Written<()> {
        self.require_free(id, None)?;
        self.objects.remove(id);
        Ok(())
    }

    fn write(&mut self, stamp: &Stamp, fields: LiveFields) -> LiveId {
        self.written += 1;
        let id = LiveId(format!("line-{}", self.written));
        let object = Object {
            id: id.clone(),
            name: format!("metrom-{}", stamp.env),
            fields,
            about: About::default(),
            stamp: Some(stamp.clone()),
        };
        self.objects.insert(id.clone(), object);
        id
    }

    fn mark(&mut self, id: &LiveId, stamp: &Stamp) {
        if let Some(object) = self.objects.get_mut(id) {
            object.stamp = Some(stamp.clone());
        }
    }

    /// What an earlier attempt wrote down, leaving out the machine that stays beside.
    fn find(&self, stamp: &Stamp, beside: Option<&LiveId>) -> Option<LiveId> {
        let is_it = |was: &Stamp| was.is_of(&stamp.owner, &stamp.env) && was.key == stamp.key;
        let mut ids = self.objects.keys();
        let found = ids.find(|id| Some(*id) != beside && self.is_of(id, is_it));
        found.cloned()
    }

    fn is_of(&self, id: &LiveId, is_it: impl Fn(&Stamp) -> bool) -> bool {
        let object = self.objects.get(id);
        object.is_some_and(|object| object.stamp.as_ref().is_some_and(is_it))
    }

    fn machine(&mut self, id: &LiveId) -> Written<&mut LiveMachine> {
        match self.objects.get_mut(id).map(|object| &mut object.fields) {
            Some(LiveFields::Machine(machine)) => Ok(machine),
            Some(_) | None => Err(gone(id)),
        }
    }

    fn volume(&mut self, id: &LiveId) -> Written<&mut LiveVolume> {
        match self.objects.get_mut(id).map(|object| &mut object.fields) {
            Some(LiveFields::Volume(volume)) => Ok(volume),
            Some(_) | None => Err(gone(id)),
        }
    }

    /// What is gone has stopped for good.
    fn require_stopped(&mut self, id: &LiveId) -> Written<()> {
        match self.machine(id) {
            Ok(machine) if machine.power != Power::Stopped => {
                Err(Refusal::Refused(format!("{id} runs")))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn require_free(&self, volume: &LiveId, but_for: Option<&LiveId>) -> Written<()> {
        let users = self.objects.values().filter(|object| {
            let machine = object.fields.as_machine();
            machine.is_some_and(|machine| machine.volumes.contains(volume))
        });
        match users.map(|user| &user.id).find(|id| Some(*id) != but_for) {
            Some(user) => Err(Refusal::Refused(format!("{user} has {volume}"))),
            None => Ok(()),
        }
    }
}

fn made(subject: &Subject) -> Written<LiveId> {
    match subject {
        Subject::Live(id) => Ok(id.clone()),
        Subject::MadeBy(step) => Err(Refusal::Refused(format!("step {step} made nothing"))),
    }
}

fn gone(id: &LiveId) -> Refusal {
    Refusal::Moved(id.to_string())
}

#[tokio::main]
pub async fn main() {
    let paper = Paper::new(ProviderName::parse("paper").expect("it is a name"));
    println!("{:#?}", paper.inventory().await);
}
