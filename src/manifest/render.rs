//! From a catalog to what should be for one environment at one instant.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::resolve::{Effective, Machine, Places};
use super::schema::SourceRepository;
use crate::model::{
    CheckoutSpec, ComposeSource, ContainersSpec, Desired, EnvName, Key, MachineSpec, Pool,
    ProviderName, Purse, Resource, Revision, Spec, StackSpec, Timestamp, Variable, VolumeSpec,
    Waking, WakingBy, Wish,
};
use crate::schedule::{OfficeHours, State};

/// The one data volume of a machine.
const DATA: &str = "data";
/// Where checkouts lie on a machine.
const CHECKOUTS: &str = "/srv/metrom/src";

/// What was found out outside the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The commit of each `(url, reference)`, or why it could not be found out.
    pub refs: BTreeMap<(String, String), Result<Revision, String>>,
    /// When its first machine was made; `None` before that.
    pub born: Option<Timestamp>,
    /// What a person wants for a while.
    pub wish: Option<Wish>,
    /// Where it is to be, of several places where it may be; without it, at the first.
    pub place: Option<ProviderName>,
    /// Why nothing of it can be made there now.
    pub unplaced: Option<String>,
    /// What is left of the money, where a budget may put it to sleep.
    pub purse: Option<Purse>,
}

/// The references, as `(url, reference)`, that have to be resolved before an environment is rendered;
/// none for one that is not good.
#[must_use]
pub fn references(catalog: &Catalog, env: &EnvName) -> Vec<(String, String)> {
    let effective = catalog.effective.get(env);
    let sources = effective.into_iter().flat_map(|e| e.sources.values());
    let pairs: BTreeSet<(String, String)> = sources
        .map(|source| (source.url.clone(), source.reference.clone()))
        .collect();
    pairs.into_iter().collect()
}

/// What should be for an environment at that instant.
///
/// **Assumptions.** The environment is [good](super::Standing::Good).
///
/// # Panics
/// When it is not: what a broken or absent environment should be is not known, and a guess could
/// delete it.
#[must_use]
pub fn render(catalog: &Catalog, env: &EnvName, now: Timestamp, facts: &Facts) -> Desired {
    let effective = catalog
        .effective
        .get(env)
        .expect("only good environments are rendered");
    let owner = catalog
        .owner
        .clone()
        .expect("no environment is good in a repository without a name");
    let mut desired = Desired::undeclared(owner, env.clone(), catalog.revision.clone());
    let timing = &effective.timing;
    desired.born = facts.born;
    desired.end = timing.end(facts.born);
    if desired.end.is_some_and(|end| end <= now) {
        return desired;
    }
    let places = &effective.places;
    let (waking, until) = waking(places, timing.hours.as_ref(), facts, now);
    desired.waking = waking;
    desired.ignored = timing.ignored.clone();
    desired.update = timing.update;
    desired.until = [until, desired.end].into_iter().flatten().min();
    let machine = places.at(facts.place.as_ref());
    desired.provider = Some(machine.provider.clone());
    desired.elsewhere = places.elsewhere.clone();
    desired.has_own_data = places.has_own_data;
    desired.unplaced = facts.unplaced.clone();
    desired.pool = effective.pool.clone();
    match effective.pool {
        Pool::Member => add_warm(&mut desired, effective, machine),
        Pool::None | Pool::Claims(_) => {
            add_resources(&mut desired, env, effective, machine, facts);
        }
    }
    desired
}

/// Everything of a machine that can be there before it is known whose it is. It is declared as the
/// machine of an environment, data volume included, so that both are known to be of one shape.
fn add_warm(desired: &mut Desired, effective: &Effective, machine: &Machine) {
    let machine = machine_spec(effective, machine);
    let image = Spec::Image(machine.image.clone());
    let mut resources = vec![
        (Key::Image, Resource::new(image, [])),
        (
            Key::Machine,
            Resource::new(Spec::Machine(machine), [Key::Image]),
        ),
        (
            Key::Guest,
            Resource::new(Spec::Guest(effective.guest.clone()), [Key::Machine]),
        ),
    ];
    let images = effective.stack.outline.images();
    if !images.is_empty() {
        let spec = Spec::Containers(ContainersSpec { images });
        resources.push((Key::Containers, Resource::new(spec, [Key::Guest])));
    }
    desired.resources.extend(resources);
}

fn machine_spec(effective: &Effective, machine: &Machine) -> MachineSpec {
    MachineSpec {
        provider: machine.provider.clone(),
        image: machine.image.clone(),
        cpus: machine.cpus,
        memory_mib: machine.memory_mib,
        disk_mib: machine.disk_mib,
        volumes: BTreeSet::from([Key::Volume(DATA.to_owned())]),
        is_protected: effective.timing.is_protected,
        market: machine.market,
    }
}

/// Whether the machine is to run, and when that changes next: without money it does not; then a
/// person's wish counts while it lasts, then that it is to run nowhere, then the office hours.
fn waking(
    places: &Places,
    hours: Option<&OfficeHours>,
    facts: &Facts,
    now: Timestamp,
) -> (Waking, Option<Timestamp>) {
    let enough = match facts.purse {
        Some(Purse::Spent { until }) => {
            let by = WakingBy::Budget;
            let is_awake = false;
            return (Waking { is_awake, by }, Some(until));
        }
        Some(Purse::Suffices { until }) => until,
        None => None,
    };
    let (waking, until) = with_money(places, hours, facts.wish.as_ref(), now);
    let by = match (waking.by, facts.purse) {
        // What runs again because there is money again has not drifted.
        (WakingBy::Default, Some(_)) => WakingBy::Budget,
        (by, _) => by,
    };
    let until = [until, enough].into_iter().flatten().min();
    (Waking { by, ..waking }, until)
}

fn with_money(
    places: &Places,
    hours: Option<&OfficeHours>,
    wish: Option<&Wish>,
    now: Timestamp,
) -> (Waking, Option<Timestamp>) {
    if let Some(wish) = wish.filter(|wish| now < wish.until) {
        let by = WakingBy::Person;
        let is_awake = wish.is_awake;
        return (Waking { is_awake, by }, Some(wish.until));
    }
    let by = WakingBy::Placement;
    if places.is_stopped {
        let is_awake = false;
        return (Waking { is_awake, by }, None);
    }
    match hours.map(|hours| hours.at(now)) {
        // What a person had put to sleep has not drifted when that is over.
        None if wish.is_some() => {
            let by = WakingBy::Person;
            let is_awake = true;
            (Waking { is_awake, by }, None)
        }
        None if places.elsewhere.is_empty() => (Waking::ALWAYS, None),
        None => (Waking { is_awake: true, by }, None),
        Some(State { is_open, until }) => {
            let by = WakingBy::OfficeHours;
            let is_awake = is_open;
            (Waking { is_awake, by }, until)
        }
    }
}

fn add_resources(
    desired: &mut Desired,
    env: &EnvName,
    effective: &Effective,
    machine: &Machine,
    facts: &Facts,
) {
    let volume = Key::Volume(DATA.to_owned());
    let mut add = |key: Key, spec: Spec, needs: &[Key]| {
        desired
            .resources
            .insert(key, Resource::new(spec, needs.iter().cloned()));
    };
    add(Key::Image, Spec::Image(machine.image.clone()), &[]);
    add(volume.clone(), Spec::Volume(volume_spec(machine)), &[]);
    let spec = machine_spec(effective, machine);
    add(Key::Machine, Spec::Machine(spec), &[Key::Image, volume]);
    add(
        Key::Guest,
        Spec::Guest(effective.guest.clone()),
        &[Key::Machine],
    );

    let mut stack_needs = vec![Key::Guest];
    let mut commits = BTreeMap::new();
    let mut unresolved = BTreeMap::new();
    for (name, source) in &effective.sources {
        let key = Key::Checkout(name.clone());
        let revision = resolve(source, facts);
        if let Err(reason) = &revision {
            unresolved.insert(key.clone(), reason.clone());
        }
        let spec = CheckoutSpec {
            url: source.url.clone(),
            reference: source.reference.clone(),
            revision: revision.ok(),
        };
        commits.insert(name.clone(), spec.revision.clone());
        add(key.clone(), Spec::Checkout(spec), &[Key::Guest]);
        stack_needs.push(key);
    }
    let stack = stack_spec(env, effective, commits);
    add(Key::Stack, Spec::Stack(stack), &stack_needs);
    if let Some((key, reason)) = unresolved.iter().next() {
        let reason = format!("{key} is not known: {reason}");
        unresolved.insert(Key::Stack, reason);
    }
    desired.unresolved = unresolved;
}

fn volume_spec(machine: &Machine) -> VolumeSpec {
    VolumeSpec {
        provider: machine.provider.clone(),
        size_mib: machine.data_mib,
    }
}

fn resolve(source: &SourceRepository, facts: &Facts) -> Result<Revision, String> {
    let SourceRepository { url, reference, .. } = source;
    match facts.refs.get(&(url.clone(), reference.clone())) {
        Some(answer) => answer.clone(),
        None => Err(format!(
            "nobody asked which commit `{reference}` of {url} is"
        )),
    }
}

fn stack_spec(
    env: &EnvName,
    effective: &Effective,
    commits: BTreeMap<String, Option<Revision>>,
) -> StackSpec {
    let mut variables = effective.variables.clone();
    variables.insert(
        "METROM_ENVIRONMENT".to_owned(),
        Variable::Plain(env.to_string()),
    );
    for (name, source) in &effective.sources {
        let path = format!("{CHECKOUTS}/{name}");
        variables.insert(source.name.variable(), Variable::Plain(path));
    }
    let (files, services) = match (&effective.compose, &effective.stack) {
        (ComposeSource::Files { .. }, stack) => (
            stack.files.clone(),
            stack.outline.started().cloned().collect(),
        ),
        (ComposeSource::Checkout { .. }, _) => (BTreeMap::new(), BTreeSet::new()),
    };
    StackSpec {
        project: env.clone(),
        compose: effective.compose.clone(),
        files,
        variables,
        sources: commits,
        services,
    }
}
