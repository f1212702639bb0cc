//! What everything costs, put together from what is declared and what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::observe::Inventories;
use super::tick::Tick;
use super::view::Viewer;
use super::{Aim, Belongs};
use crate::cost::{
    Account, Calendar, Change, Ledger, Life, MadeFrom, SeenMachine, Size, Sum, Tariff, Window,
    change,
};
use crate::manifest::schema::{ProviderSpec, Retain};
use crate::manifest::{Catalog, DeclaredBudget, Facts, Whose, render};
use crate::model::{
    Desired, EnvName, KeptAddress, LiveFields, LiveMachine, Memos, Object, OwnerName, Placed, Pool,
    Power, ProviderName, Spec, Timestamp,
};

/// Everything that a ledger is made from.
pub(super) struct Seen<'a> {
    /// The one that counts most first.
    pub catalogs: &'a [Arc<Catalog>],
    /// Of each environment that is good somewhere, the catalog that decides over it.
    pub deciding: &'a BTreeMap<EnvName, Arc<Catalog>>,
    pub providers: &'a BTreeMap<ProviderName, ProviderSpec>,
    pub inventories: &'a Inventories,
    /// Where those are to be that may be at several places.
    pub placed: &'a BTreeMap<EnvName, Placed>,
    pub now: Timestamp,
}

struct Books<'a> {
    owner: &'a OwnerName,
    seen: Seen<'a>,
    calendar: Calendar,
}

impl Viewer {
    /// The ledger at an instant; an empty one where nothing has a price.
    pub(super) async fn ledger(&self, owner: Option<&OwnerName>, seen: Seen<'_>) -> Ledger {
        let has_prices = seen
            .providers
            .values()
            .any(|spec| !spec.currencies().is_empty());
        let Some(owner) = owner.filter(|_| has_prices) else {
            return Ledger::default();
        };
        let (inventories, now) = (seen.inventories, seen.now);
        let mut books = Books {
            owner,
            seen,
            calendar: Calendar::new(now),
        };
        let mut accounts = Vec::new();
        let declared = books.seen.deciding;
        for (env, catalog) in declared {
            let memos = self.memos_of_cost(inventories, owner, env).await;
            accounts.extend(books.account(catalog, env, &memos));
        }
        for env in inventories.environments(owner) {
            if !declared.contains_key(&env) {
                let memos = self.notes().memos(&env).await.unwrap_or_default();
                accounts.extend(books.left(&env, &memos));
            }
        }
        Ledger::new(accounts, &books.budgets(), now)
    }

    /// What is remembered of an environment of which no machine is seen; a machine knows its birth.
    async fn memos_of_cost(
        &self,
        inventories: &Inventories,
        owner: &OwnerName,
        env: &EnvName,
    ) -> Memos {
        match inventories.born(owner, env) {
            Some(_) => Memos::default(),
            None => self.notes().memos(env).await.unwrap_or_default(),
        }
    }
}

impl Books<'_> {
    /// The budgets of the newest revision, and of what is not readable there those that were.
    fn budgets(&self) -> Vec<DeclaredBudget> {
        let mut budgets: Vec<DeclaredBudget> = Vec::new();
        let mut known: BTreeSet<Whose> = BTreeSet::new();
        for catalog in self.seen.catalogs {
            let unknown = catalog.budgets.iter().filter(|b| !known.contains(&b.whose));
            budgets.extend(unknown.cloned());
            known.extend(catalog.projects.keys().cloned().map(Whose::Project));
            known.extend(catalog.providers.keys().cloned().map(Whose::Provider));
        }
        budgets.sort_by(|a, b| a.whose.cmp(&b.whose));
        budgets
    }

    fn account(&mut self, catalog: &Catalog, env: &EnvName, memos: &Memos) -> Option<Account> {
        let found = self.seen.inventories.born(self.owner, env);
        let born = [memos.born, found].into_iter().flatten().min();
        let hours = self.calendar.open(catalog.office_hours(env));
        // What ended and lives longer all the same begins anew.
        let is_over = catalog
            .end(env, born)
            .is_some_and(|end| end <= self.seen.now);
        let lives = born.filter(|_| is_over || found.is_some() || memos.ended.is_none());
        let from = lives.unwrap_or_else(|| self.calendar.first(&hours, self.seen.now));
        let end = catalog.end(env, Some(born.unwrap_or(from)));
        let desired = self.sketch(catalog, env, born, end);
        let (provider, size) = size(&desired)?;
        let spec = self.seen.providers.get(&provider)?;
        let tariff = Tariff::asked(&provider, spec, size);
        let tariff = tariff.and(self.elsewhere(env, &provider));
        let is_warm = desired.pool == Pool::Member;
        let is_stopped = catalog.places(env).is_some_and(|places| places.is_stopped);
        let open = match (is_warm, spec) {
            // A paused one keeps its memory on a host, and is off in a cloud.
            (true, ProviderSpec::Cloud(_)) => Arc::from([]),
            (true, ProviderSpec::Host(_)) => hours,
            (false, _) if is_stopped => Arc::from([]),
            (false, _) => hours,
        };
        let rules = catalog.rules(env)?;
        let declared = Life {
            tariff,
            from,
            end,
            data_end: data_end(memos.ended.or(end), rules.retain),
            open,
            stopped: None,
        };
        let environment = catalog.environments.get(env);
        let made_from = MadeFrom::of(&desired);
        Some(Account {
            project: environment.and_then(|e| e.spec.project.clone()),
            there: self.there(env, (&provider, made_from.as_ref()), &declared),
            made_from,
            is_warm,
            may_sleep: !is_warm && rules.protected.is_none() && rules.suspended.is_none(),
            env: env.clone(),
            provider,
            declared,
            lives,
        })
    }

    /// What an environment is, or was just before its end.
    fn sketch(
        &self,
        catalog: &Catalog,
        env: &EnvName,
        born: Option<Timestamp>,
        end: Option<Timestamp>,
    ) -> Desired {
        let before = |end: Timestamp| end.checked_sub(Duration::from_secs(1)).ok();
        let last = end.and_then(before).unwrap_or(Timestamp::MAX);
        let facts = Facts {
            born,
            place: self.seen.placed.get(env).map(|placed| placed.at.clone()),
            ..Facts::default()
        };
        render(catalog, env, self.seen.now.min(last), &facts)
    }

    /// What is kept of it at other places: disks that cost, on machines that are off.
    fn elsewhere(&self, env: &EnvName, here: &ProviderName) -> Tariff {
        let objects = self.seen.inventories.of_environment(self.owner, env);
        let mut tariff = Tariff::default();
        for (object, provider) in objects.filter(|(_, provider)| *provider != here) {
            if let Some(spec) = self.seen.providers.get(provider) {
                let kept = Tariff {
                    running: Vec::new(),
                    ..tariff_of(object, provider, spec, None)
                };
                tariff = tariff.and(kept);
            }
        }
        tariff
    }

    /// The machine that is there with its volumes, by their own sizes.
    fn there(
        &self,
        env: &EnvName,
        (wanted, made_from): (&ProviderName, Option<&MadeFrom>),
        declared: &Life,
    ) -> Option<(ProviderName, Life)> {
        let objects = self.seen.inventories.of_environment(self.owner, env);
        let machines = objects.filter(|(object, _)| object.fields.as_machine().is_some());
        let created = |object: &Object| object.stamp.as_ref().map(|stamp| stamp.created);
        let (machine, provider) =
            machines.min_by_key(|(object, at)| (*at != wanted, created(object)))?;
        let spec = self.seen.providers.get(provider)?;
        let mut tariff = tariff_of(machine, provider, spec, made_from);
        for (object, place) in self.seen.inventories.of_environment(self.owner, env) {
            let is_volume = object.fields.as_volume().is_some();
            if let Some(spec) = self.seen.providers.get(place).filter(|_| is_volume) {
                tariff = tariff.and(tariff_of(object, place, spec, None));
            }
        }
        let life = Life {
            tariff,
            ..declared.clone()
        };
        Some((provider.clone(), life))
    }

    /// What is left of an environment that nothing good declares: counted as it is there.
    fn left(&mut self, env: &EnvName, memos: &Memos) -> Option<Account> {
        let objects: Vec<(&Object, &ProviderName)> = self
            .seen
            .inventories
            .of_environment(self.owner, env)
            .collect();
        let (_, first) = objects.first()?;
        let first = (*first).clone();
        let created = objects
            .iter()
            .filter_map(|(o, _)| Some(o.stamp.as_ref()?.created));
        let from = created.min()?;
        let mut tariff = Tariff::default();
        let mut is_running = false;
        for (object, provider) in &objects {
            let Some(spec) = self.seen.providers.get(*provider) else {
                continue;
            };
            is_running |= is_on(object);
            tariff = tariff.and(tariff_of(object, provider, spec, None));
        }
        let open: Arc<[Window]> = match is_running {
            true => self.calendar.open(None),
            false => Arc::from([]),
        };
        let retain = self
            .seen
            .catalogs
            .first()
            .map(|catalog| catalog.policies().retain);
        let declared = Life {
            tariff,
            from,
            end: None,
            data_end: data_end(memos.ended, retain.unwrap_or(Retain::Forever)),
            open,
            stopped: None,
        };
        Some(Account {
            env: env.clone(),
            project: None,
            provider: first,
            there: None,
            lives: Some(from),
            may_sleep: false,
            is_warm: env.is_of_pool(),
            made_from: None,
            declared,
        })
    }
}

/// What a plan changes about the cost of a month; `None` when nothing, or nothing has a price.
#[must_use]
pub fn cost_change(tick: &Tick, aim: &Aim) -> Option<Change> {
    tick.ledger.month?;
    let line = tick.ledger.lines.get(&aim.plan.env);
    let open = match line {
        Some(line) => Arc::clone(&line.open),
        None => Calendar::new(tick.at).open(None),
    };
    let (desired, observed) = (&aim.desired, &aim.observed);
    change(
        &aim.plan,
        desired,
        observed,
        &tick.providers,
        (&open, tick.at),
    )
}

/// What one live object costs this month.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectCost {
    /// The month as a whole, whenever it was made or ends.
    pub full: Sum,
    /// Until now, and with what is still to come; `None` when nobody knows when it was made.
    pub to_date: Option<Sum>,
    pub forecast: Option<Sum>,
}

/// What one live object costs; `None` when nothing on its provider has a price. What is not of this
/// repository is counted as if it stayed what it is just now.
#[must_use]
pub fn cost_of(tick: &Tick, object: &Object, provider: &ProviderName) -> Option<ObjectCost> {
    let month = tick.ledger.month?;
    let spec = tick.providers.get(provider)?;
    if spec.currencies().is_empty() {
        return None;
    }
    let is_ours = matches!(Belongs::of(object, tick), Belongs::Ours | Belongs::Orphaned);
    let stamp = object.stamp.as_ref();
    let line = stamp
        .filter(|_| is_ours)
        .and_then(|stamp| tick.ledger.lines.get(&stamp.env));
    let open = match line {
        Some(line) => Arc::clone(&line.open),
        None if is_on(object) => Calendar::new(tick.at).open(None),
        None => Arc::from([]),
    };
    let tariff = match is_ours {
        true => tariff_of(
            object,
            provider,
            spec,
            line.and_then(|line| line.made_from.as_ref()),
        ),
        false => tariff_of_another(object, provider, spec),
    };
    let from = stamp.map(|stamp| stamp.created).or(object.about.made);
    let life = Life {
        tariff,
        from: from.unwrap_or(month.from),
        end: line.and_then(|line| line.end),
        data_end: line.and_then(|line| line.data_end),
        open,
        stopped: None,
    };
    let known = |window| from.map(|_| life.cost(window));
    Some(ObjectCost {
        full: life.full(month),
        to_date: known(month.until(tick.at)),
        forecast: known(month),
    })
}

/// What an address costs a whole month while no machine has it: with one, it is counted there.
#[must_use]
pub fn cost_of_address(tick: &Tick, address: &KeptAddress, provider: &ProviderName) -> Option<Sum> {
    let month = tick.ledger.month?;
    let ProviderSpec::Cloud(cloud) = tick.providers.get(provider)? else {
        return None;
    };
    let tariff = Tariff::of_address(provider, cloud);
    let hours = month.seconds();
    let is_free = address.about.holder.is_none();
    is_free.then(|| tariff.over(hours))
}

/// Where the machine is to be, and how large it is with its disks.
fn size(desired: &Desired) -> Option<(ProviderName, Size)> {
    let mut size = Size::default();
    for resource in desired.resources.values() {
        match &resource.spec {
            Spec::Machine(machine) => {
                size.cpus = machine.cpus;
                size.memory_mib = machine.memory_mib;
                size.disk_mib = machine.disk_mib;
            }
            Spec::Volume(volume) => size.data_mib += volume.size_mib,
            Spec::Image(_)
            | Spec::Guest(_)
            | Spec::Containers(_)
            | Spec::Checkout(_)
            | Spec::Stack(_) => {}
        }
    }
    Some((desired.provider.clone()?, size))
}

fn data_end(ended: Option<Timestamp>, retain: Retain) -> Option<Timestamp> {
    let kept = match retain {
        Retain::Forever => return None,
        Retain::For(span) => span.duration(),
        Retain::Nothing => Duration::ZERO,
    };
    Some(ended?.checked_add(kept).unwrap_or(Timestamp::MAX))
}

fn is_on(object: &Object) -> bool {
    let machine = object.fields.as_machine();
    machine.is_some_and(|machine| machine.power == Power::Running)
}

/// What a live object costs by itself.
fn tariff_of(
    object: &Object,
    provider: &ProviderName,
    spec: &ProviderSpec,
    made_from: Option<&MadeFrom>,
) -> Tariff {
    match &object.fields {
        LiveFields::Machine(machine) => {
            let disk_mib = made_from.and_then(|made| made.disk_mib(object.stamp.as_ref()));
            Tariff::of_machine(provider, spec, seen(object, machine), disk_mib)
        }
        LiveFields::Volume(volume) => {
            let kind = object.about.type_name.as_deref();
            Tariff::of_data(provider, spec, volume.size_mib, kind)
        }
        LiveFields::Guest | LiveFields::Checkout(_) | LiveFields::Stack(_) => Tariff::default(),
    }
}

/// The same of what somebody else made: its disks are volumes of their own, and counted as such.
fn tariff_of_another(object: &Object, provider: &ProviderName, spec: &ProviderSpec) -> Tariff {
    match &object.fields {
        LiveFields::Machine(machine) => {
            Tariff::of_machine(provider, spec, seen(object, machine), Some(0))
        }
        LiveFields::Volume(_)
        | LiveFields::Guest
        | LiveFields::Checkout(_)
        | LiveFields::Stack(_) => tariff_of(object, provider, spec, None),
    }
}

fn seen<'a>(object: &'a Object, machine: &LiveMachine) -> SeenMachine<'a> {
    SeenMachine {
        cpus: machine.cpus,
        memory_mib: machine.memory_mib,
        type_name: object.about.type_name.as_deref(),
    }
}
