//! One provider: what is there, what its listing shows of it, and its laws.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::guest::Inside;
use super::meter::Metering;
use crate::model::{
    Gap, HostHealth, Inventory, LiveFields, LiveId, LiveMachine, Object, Part, Power, ProviderName,
    Scope, Token,
};

/// Which kind of provider it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Names are unique and creation takes over what has the name, as with libvirt.
    Named,
    /// Ids are random and only a token tells a repeated creation from a second one, as with EC2.
    Tokens,
}

/// One thing that is really there.
#[derive(Debug, Clone)]
pub struct Thing {
    pub object: Object,
    pub inside: Inside,
    /// What is written on a volume.
    pub content: u64,
    /// A machine had this volume at some time.
    pub(super) was_used: bool,
    /// The first inventory whose listing shows it.
    pub(super) listed_from: u64,
}

pub(super) struct Cloud {
    pub flavor: Flavor,
    pub things: BTreeMap<LiveId, Thing>,
    /// What was ended and is still listed, until that inventory.
    ghosts: Vec<(Object, u64)>,
    pub images: BTreeSet<String>,
    pub missing: BTreeSet<Part>,
    /// `None`: it has no end.
    pub free_memory_mib: Option<u64>,
    pub health: Option<HostHealth>,
    pub tokens: BTreeMap<Token, LiveId>,
    /// So many machines cannot be made, because there is no room.
    pub full: u32,
    /// Calls for which it cannot be reached.
    pub cut_off: u32,
    /// How long it takes to answer, where that is its own.
    pub answers_after: Option<Duration>,
    /// Held during a call.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    pub metering: Metering,
    /// How often it was asked what machines use.
    pub measured: u32,
    inventories: u64,
}

impl Cloud {
    pub fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            things: BTreeMap::new(),
            ghosts: Vec::new(),
            images: BTreeSet::new(),
            missing: BTreeSet::from([
                Part::Pool("metrom".to_owned()),
                Part::Network("metrom".to_owned()),
            ]),
            free_memory_mib: None,
            health: None,
            tokens: BTreeMap::new(),
            full: 0,
            cut_off: 0,
            answers_after: None,
            turn: Arc::default(),
            metering: Metering::default(),
            measured: 0,
            inventories: 0,
        }
    }

    /// Whether there is no room for this machine.
    pub fn is_full(&mut self) -> bool {
        let is = self.full > 0;
        self.full = self.full.saturating_sub(1);
        is
    }

    /// Whether this call does not get through.
    pub fn is_cut_off(&mut self) -> bool {
        let is = self.cut_off > 0;
        self.cut_off = self.cut_off.saturating_sub(1);
        is
    }

    pub fn put(&mut self, object: Object) {
        let thing = Thing {
            object,
            inside: Inside::default(),
            content: 0,
            was_used: false,
            listed_from: 0,
        };
        self.things.insert(thing.object.id.clone(), thing);
    }

    pub fn truth(&self) -> Vec<Object> {
        self.things
            .values()
            .map(|thing| thing.object.clone())
            .collect()
    }

    /// A new thing, that listings show only later.
    pub fn make(&mut self, object: Object, inside: Inside, lag: u32) {
        let thing = Thing {
            object,
            inside,
            content: 0,
            was_used: false,
            listed_from: self.inventories + u64::from(lag) + 1,
        };
        self.things.insert(thing.object.id.clone(), thing);
    }

    /// Ends a thing, that listings go on to show for a while.
    pub fn end(&mut self, id: &LiveId, lag: u32) -> Option<Thing> {
        let thing = self.things.remove(id)?;
        if thing.listed_from <= self.inventories {
            let until = self.inventories + u64::from(lag);
            self.ghosts.push((thing.object.clone(), until));
        }
        Some(thing)
    }

    pub fn inventory(&mut self, provider: &ProviderName, hidden: Option<u32>) -> Inventory {
        self.inventories += 1;
        let now = self.inventories;
        self.ghosts.retain(|(_, until)| *until >= now);
        let things = self
            .things
            .values()
            .filter(|thing| thing.listed_from <= now);
        let mut objects: Vec<Object> = things.map(|thing| thing.object.clone()).collect();
        let again = self.ghosts.iter().map(|(object, _)| object);
        let again: Vec<Object> = again
            .filter(|ghost| !self.things.contains_key(&ghost.id))
            .cloned()
            .collect();
        objects.extend(again);
        let mut gaps = Vec::new();
        if let Some(hidden) = hidden {
            let at = hidden as usize % objects.len().max(1);
            objects.truncate(at);
            gaps.push(Gap {
                scope: Scope::Provider(provider.clone()),
                reason: format!("{provider} ended its listing in the middle"),
            });
        }
        Inventory {
            provider: provider.clone(),
            objects,
            addresses: Ok(Vec::new()),
            images: self.images.clone(),
            missing: self.missing.clone(),
            free_memory_mib: self.free_memory_mib,
            has_unique_names: self.flavor == Flavor::Named,
            health: self.health.clone(),
            gaps,
        }
    }

    pub fn machine(&self, id: &LiveId) -> Option<&LiveMachine> {
        self.things.get(id)?.object.fields.as_machine()
    }

    pub fn machine_mut(&mut self, id: &LiveId) -> Option<&mut LiveMachine> {
        match &mut self.things.get_mut(id)?.object.fields {
            LiveFields::Machine(machine) => Some(machine),
            LiveFields::Volume(_)
            | LiveFields::Guest
            | LiveFields::Checkout(_)
            | LiveFields::Stack(_) => None,
        }
    }

    /// The machine that has this volume attached.
    pub fn user_of(&self, volume: &LiveId) -> Option<&Object> {
        self.users_of(volume).next()
    }

    /// Every machine that has this volume attached: one, by law.
    pub fn users_of(&self, volume: &LiveId) -> impl Iterator<Item = &Object> {
        let has = move |thing: &&Thing| {
            let machine = thing.object.fields.as_machine();
            machine.is_some_and(|machine| machine.volumes.contains(volume))
        };
        self.things.values().filter(has).map(|thing| &thing.object)
    }

    /// Starts a machine, which gets an address by it and may write to its volumes.
    pub fn start(&mut self, id: &LiveId) {
        let volumes = self.machine(id).map(|machine| machine.volumes.clone());
        for volume in volumes.into_iter().flatten() {
            if let Some(thing) = self.things.get_mut(&volume) {
                thing.was_used = true;
            }
        }
        let number = u32::try_from(self.things.len()).unwrap_or(0);
        if let Some(machine) = self.machine_mut(id) {
            machine.power = Power::Running;
            let address = Ipv4Addr::from(0x0a4d_0002 + number);
            machine.address.get_or_insert(IpAddr::V4(address));
        }
    }
}
