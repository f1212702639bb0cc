//! One world: what is declared in it, what people and accidents do to it, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use metrom::model::{
    About, EnvName, Key, LiveFields, LiveId, LiveMachine, LiveVolume, Memo, Object, Power,
    ProviderName, Revision, Trigger, Wish,
};
use metrom::port::Store;
use metrom::reconcile::{Library, Reconciler, SyncReport};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Faults, Flavor, World};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

use super::super::declared::{is_reborn, lifetime, timing, update};
use super::money::Money;
use super::{MOST_WARM, reconciler};

pub struct Story {
    pub world: World,
    /// Outlives processes and worlds: reading and rendering are pure, and most of the work.
    pub library: Arc<Library>,
    pub rng: StdRng,
    pub hosts: Vec<ProviderName>,
    pub names: Vec<EnvName>,
    pub declared: Declared,
    pub commits: u32,
    pub foreign: Vec<(ProviderName, Object)>,
    /// Environments that were at some time not wanted, so that their end was in order.
    pub ended: BTreeSet<EnvName>,
    /// Environments of which there may be a second machine for a while.
    pub reborn: BTreeSet<EnvName>,
    pub money: Money,
}

impl Story {
    pub fn new(seed: u64, library: &Arc<Library>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let name = |n| ProviderName::parse(n).unwrap();
        let flavor = |rng: &mut StdRng| [Flavor::Named, Flavor::Tokens][rng.random_range(0..2)];
        let mut providers = vec![(name("lab"), flavor(&mut rng))];
        if rng.random_range(0..4) == 0 {
            providers.push((name("far"), flavor(&mut rng)));
        }
        let world = World::new(seed, &providers);
        let hosts: Vec<ProviderName> = providers.into_iter().map(|(name, _)| name).collect();
        let money = Money::new(seed, &hosts);
        let mut story = Self {
            declared: Declared {
                hosts: hosts.clone(),
                retain: ["forever", "nothing"][rng.random_range(0..2)].to_owned(),
                template_version: 1,
                warm: [0, 0, 1, 2][rng.random_range(0..4)],
                ..Declared::default()
            },
            names: ["a", "b", "c"]
                .iter()
                .map(|n| EnvName::parse(n).unwrap())
                .collect(),
            world,
            library: Arc::clone(library),
            rng,
            hosts,
            commits: 0,
            foreign: Vec::new(),
            ended: BTreeSet::new(),
            reborn: BTreeSet::new(),
            money,
        };
        story.begin();
        story
    }

    fn begin(&mut self) {
        self.set_branch();
        for provider in self.hosts.clone() {
            for n in 0..self.rng.random_range(0..3) {
                let object = self.foreign_object(n);
                self.world.put_foreign(&provider, object.clone());
                self.foreign.push((provider.clone(), object));
            }
        }
        for _ in 0..self.rng.random_range(1..3) {
            self.change();
        }
        self.push();
    }

    /// What stands about and is none of our business: some of it looks much like ours.
    fn foreign_object(&mut self, n: u32) -> Object {
        let is_volume = self.rng.random_bool(0.4);
        let fields = if is_volume {
            LiveFields::Volume(LiveVolume { size_mib: 77 })
        } else {
            LiveFields::Machine(LiveMachine {
                power: Power::Running,
                cpus: 1,
                memory_mib: 512,
                image: None,
                volumes: BTreeSet::new(),
                address: None,
                host_key: None,
                devices: BTreeMap::new(),
                ready: None,
                is_finished: true,
                is_protected: None,
                is_spot: false,
                bastion: None,
            })
        };
        let name =
            ["vm", "metrom-", "metrom-a.old", "metrom-ab", "web"][self.rng.random_range(0..5)];
        Object {
            id: LiveId(format!("foreign-{n}")),
            name: name.to_owned(),
            fields,
            about: About::default(),
            stamp: None,
        }
    }

    pub fn set_branch(&mut self) {
        let digit = char::from_digit(self.rng.random_range(0..16), 16).unwrap();
        let revision = Revision::parse(&digit.to_string().repeat(40)).unwrap();
        self.world.set_branch("git://world/app", Some(revision));
    }

    pub fn push(&mut self) {
        self.commits += 1;
        self.money.change(&mut self.declared);
        self.world.push(self.declared.commit(self.commits));
        for name in &self.names {
            let declared = self.declared.environments.get(name);
            if declared.is_some_and(is_reborn) {
                self.reborn.insert(name.clone());
            }
            let may_end = |e: &Environment| e.expires.is_some() || lifetime(e).is_some();
            if declared.is_none_or(may_end) {
                self.ended.insert(name.clone());
            }
        }
    }

    /// Whatever is wrong with the declaration is put right.
    pub fn mend(&mut self) {
        let before = self.declared.clone();
        self.declared.garbage = None;
        for environment in self.declared.environments.values_mut() {
            environment.is_broken = false;
        }
        if self.declared != before {
            self.push();
        }
    }

    /// One change of the declaration, as people make them.
    pub fn change(&mut self) {
        let name = self.names.iter().choose(&mut self.rng).unwrap().clone();
        let host = self.hosts.iter().choose(&mut self.rng).unwrap().clone();
        let Some(environment) = self.declared.environments.get_mut(&name) else {
            let mut environment = Environment::on(&host);
            if self.rng.random_bool(0.4) {
                environment.source = Some("git://world/app".to_owned());
            }
            let other = self.hosts.iter().find(|other| **other != host).cloned();
            environment.also = other.filter(|_| self.rng.random_bool(0.5));
            if self.rng.random_bool(0.3) {
                environment.fields = vec![update(&mut self.rng)];
            }
            self.declared.environments.insert(name, environment);
            return;
        };
        match self.rng.random_range(0..19) {
            0 | 1 => drop(self.declared.environments.remove(&name)),
            2 => environment.cpus += 1,
            3 => environment.memory_mib += 512,
            4 => environment.disk_gib += 1,
            5 => environment.data_gib += 1,
            6 => environment.data_gib = environment.data_gib.saturating_sub(1).max(1),
            7 => environment.image = ["debian-12", "debian-13"][self.rng.random_range(0..2)],
            8 => environment.level += 1,
            9 => {
                let other = self.hosts.iter().find(|other| **other != host).cloned();
                environment.also = other.filter(|_| self.rng.random_bool(0.5));
                environment.placement = host;
            }
            10 => {
                environment.expires = match environment.expires {
                    None => Some("2027-01-01T00:00:00Z".to_owned()),
                    Some(_) => None,
                }
            }
            11 => self.declared.template_version += 1,
            12 => environment.is_broken = true,
            13 | 14 => environment.fields = timing(&mut self.rng),
            15 => self.wish(&name),
            16 => self.declared.warm = self.rng.random_range(0..=MOST_WARM),
            _ => self.declared.garbage = Some("environments/x.yaml".to_owned()),
        }
    }

    /// Somebody wants it to be awake, or asleep, for a while.
    fn wish(&mut self, env: &EnvName) {
        let pause = Duration::from_secs(60 * self.rng.random_range(1..60));
        let wish = Memo::Wish(Wish {
            is_awake: self.rng.random_bool(0.5),
            until: self.world.now().checked_add(pause).unwrap(),
            by: "ann".to_owned(),
        });
        let said = self
            .world
            .run(async { self.world.put_memo(env, &wish).await });
        said.expect("nobody dies of a wish").unwrap();
    }

    /// What people and accidents do to live objects.
    fn meddle(&mut self) {
        let provider = self.hosts.iter().choose(&mut self.rng).unwrap().clone();
        let mut objects = self.world.objects(&provider);
        objects.retain(|o| o.stamp.as_ref().is_some_and(|s| s.key == Key::Machine));
        let Some(object) = objects.into_iter().choose(&mut self.rng) else {
            return;
        };
        let what = self.rng.random_range(0..4);
        if what == 3 {
            return self.world.remove(&provider, &object.id);
        }
        self.world.meddle(&provider, &object.id, |thing| {
            let LiveFields::Machine(machine) = &mut thing.object.fields else {
                return;
            };
            match what {
                0 => {
                    machine.power = Power::Stopped;
                    machine.address = None;
                }
                1 => machine.memory_mib += 1,
                _ => drop(thing.inside.live.remove(&Key::Stack)),
            }
        });
    }

    /// One round of syncs, which the process may not survive.
    pub fn round(&mut self, reconciler: &mut Reconciler) -> Option<Vec<SyncReport>> {
        let pause = self.rng.random_range(1..90);
        self.world.pass(Duration::from_secs(pause));
        let reports = self.world.run(sync_all(reconciler));
        if reports.is_none() {
            self.world.restart();
            *reconciler = self.process();
        }
        reports
    }

    /// A process that was just started.
    pub fn process(&self) -> Reconciler {
        self.library.forget_what_was_seen();
        reconciler(&self.world).sharing(Arc::clone(&self.library))
    }

    pub fn trouble(&mut self, reconciler: &mut Reconciler) -> Result<(), String> {
        self.world.set_faults(Faults::ALL);
        for _ in 0..self.rng.random_range(1..5) {
            if self.rng.random_bool(0.6) {
                let calls = self.rng.random_range(0..80);
                self.world.crash_after(Some(calls));
            }
            if self.rng.random_bool(0.2) {
                let provider = self.hosts.iter().choose(&mut self.rng).unwrap();
                self.world.cut_off(provider, self.rng.random_range(1..12));
            }
            if self.rng.random_bool(0.2) {
                self.meddle();
            }
            self.round(reconciler);
            self.nothing_twice()?;
        }
        self.world.crash_after(None);
        Ok(())
    }
}

async fn sync_all(reconciler: &Reconciler) -> Vec<SyncReport> {
    let tick = reconciler.tick().await;
    let environments = reconciler.viewer().environments(&tick).await;
    let syncs = environments
        .iter()
        .map(|env| reconciler.sync(&tick, env, Trigger::Poll));
    join_all(syncs).await
}
