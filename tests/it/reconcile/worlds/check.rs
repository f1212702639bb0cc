//! What must hold of a world: always, and when it has become quiet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use metrom::cost::{Ledger, Line, Ruling};
use metrom::model::{EnvName, Key, LiveId, Object, Power, ProviderName, Purse};
use metrom::port::Store;
use metrom::reconcile::place::PASSED_OVER;
use metrom::reconcile::{Attempt, End, Reconciler, SyncReport};
use metrom::world::declare::Environment;
use metrom::world::{Faults, World};

use super::super::declared::{hours, is_reborn, lifetime};
use super::story::Story;
use super::{MOST_WARM, machines, volumes};

/// Syncs after the last fault until it must have been quiet.
const ROUNDS: usize = 40;

/// So many quiet rounds in a row; more than a listing lags.
const QUIET: usize = 3;

/// Instants so near to now may have come after the last sync.
const UNSURE: Duration = Duration::from_secs(600);

impl Story {
    /// Whether it should run, as far as that is sure: not within the last minutes before now.
    fn is_awake(&self, env: &EnvName, declared: &Environment, ledger: &Ledger) -> Option<bool> {
        if let Some(Purse::Spent { .. }) = ledger.purse(env) {
            let before = self.world.now().checked_sub(UNSURE).unwrap();
            let mut spent = ledger.budgets.iter().filter_map(|budget| budget.spent);
            return spent.all(|spent| spent < before).then_some(false);
        }
        let memos = self
            .world
            .run(async { Store::memos(&self.world, env).await });
        let wish = memos.unwrap().unwrap().wish;
        let at = |before: Duration| {
            let now = self.world.now().checked_sub(before).unwrap();
            match wish.as_ref().filter(|wish| now < wish.until) {
                Some(wish) => wish.is_awake,
                None => hours(declared).is_none_or(|hours| hours.at(now).is_open),
            }
        };
        let (now, before) = (at(Duration::ZERO), at(UNSURE));
        (now == before).then_some(now)
    }

    pub fn nothing_twice(&self) -> Result<(), String> {
        for provider in &self.hosts {
            let mut claimed = BTreeMap::<_, Vec<LiveId>>::new();
            let mut attached = BTreeMap::new();
            for object in self.world.objects(provider) {
                let volumes = object.fields.as_machine().map(|machine| &machine.volumes);
                for volume in volumes.into_iter().flatten() {
                    if let Some(other) = attached.insert(volume.clone(), object.id.clone()) {
                        let both = format!("{other}, {}", object.id);
                        return Err(format!("{volume} is attached to two machines: {both}"));
                    }
                }
                let Some(stamp) = object.stamp else { continue };
                let may_be_two = stamp.key == Key::Machine && self.reborn.contains(&stamp.env);
                let most = if may_be_two { 2 } else { 1 };
                let claims = claimed.entry((stamp.env, stamp.key)).or_default();
                claims.push(object.id);
                if claims.len() > most {
                    return Err(format!("made twice: {claims:?}"));
                }
            }
        }
        Ok(())
    }

    /// Whether one that may be at several places has no machine at any.
    fn is_unplaced(&self) -> bool {
        let environments = self.declared.environments.iter();
        let mut several = environments.filter(|(_, declared)| declared.also.is_some());
        several.any(|(env, _)| {
            let mut hosts = self.hosts.iter();
            hosts.all(|host| machines(&self.world, host, env).is_empty())
        })
    }

    /// Without faults, but for listings that lag as they always do, until nothing is left to do:
    /// for some rounds, since what was made without an answer may be listed only then.
    pub fn calm(&mut self, reconciler: &mut Reconciler) -> Result<(), String> {
        self.world.set_faults(Faults::LAG);
        for provider in &self.hosts {
            self.world.cut_off(provider, 0);
        }
        let (mut quiet, mut has_waited) = (0, false);
        let mut last = Vec::new();
        for _ in 0..2 * ROUNDS {
            last = self.round(reconciler).ok_or("died in the calm")?;
            self.nothing_twice()?;
            quiet = if last.iter().all(is_quiet) {
                quiet + 1
            } else {
                0
            };
            if quiet == QUIET && !has_waited && self.is_unplaced() {
                // A place that had no room is asked again.
                self.world.pass(PASSED_OVER);
                (quiet, has_waited) = (0, true);
            }
            if quiet == QUIET {
                return Ok(());
            }
        }
        let plan = |r: &SyncReport| r.plan().map(ToString::to_string).unwrap_or_default();
        let ends: Vec<String> = last
            .iter()
            .map(|r| format!("{}: {:?}\n{}", r.env, r.end, plan(r)))
            .collect();
        Err(format!(
            "not quiet after twice {ROUNDS} rounds:\n{}",
            ends.join("\n")
        ))
    }

    /// As declared, wholly, and nothing else.
    pub fn check(&self, reconciler: &Reconciler) -> Result<(), String> {
        self.nothing_twice()?;
        let plans = self
            .world
            .run(plans(reconciler))
            .ok_or("died while looking")?;
        if let Some(plan) = plans
            .iter()
            .find(|plan| plan.lines().any(|l| !l.starts_with('!')))
        {
            return Err(format!("the second plan is not empty:\n{plan}"));
        }
        if let Some(violation) = self.world.violations().first() {
            return Err(violation.clone());
        }
        for (provider, object) in &self.foreign {
            if !self.world.objects(provider).contains(object) {
                return Err(format!("foreign {} was touched", object.id));
            }
        }
        for volume in self.world.deleted_volumes() {
            let env = &volume.stamp.as_ref().expect("only ours is ended").env;
            if self.declared.retain == "forever" || !self.ended.contains(env) {
                return Err(format!("the data of {env} was lost"));
            }
        }
        let tick = self.world.run(async { reconciler.tick().await });
        let ledger = tick.ok_or("died while looking")?.ledger;
        self.check_money(&ledger)?;
        self.check_pool(&ledger)?;
        let names = self.names.iter();
        let checked = names.map(|env| self.check_environment(env, &ledger));
        checked
            .collect::<Result<(), String>>()
            .map_err(|reason| format!("{reason}\n{}", plans.concat()))
    }

    /// What has no price is never held or asleep for money; without money nothing was ever made.
    fn check_money(&self, ledger: &Ledger) -> Result<(), String> {
        let is_free = |host: &ProviderName| {
            let fields = self.declared.fields_of.get(host).into_iter().flatten();
            !fields.clone().any(|field| field.starts_with("budget"))
        };
        if self.hosts.iter().all(is_free) {
            let ruled = |(_, line): &(_, &Line)| line.ruling != Ruling::default();
            if let Some((env, line)) = ledger.lines.iter().find(ruled) {
                return Err(format!(
                    "{env} is ruled without a budget: {:?}",
                    line.ruling
                ));
            }
        }
        let Some(poor) = &self.money.poor else {
            return Ok(());
        };
        let made = self.world.objects(poor).into_iter().find(|object| {
            let stamp = object.stamp.as_ref();
            stamp.is_some_and(|stamp| stamp.key == Key::Machine)
        });
        match made {
            None => Ok(()),
            Some(made) => Err(format!("{} was made without money", made.id)),
        }
    }

    /// So many machines are made ahead as are declared, and every one stands still without data.
    fn check_pool(&self, ledger: &Ledger) -> Result<(), String> {
        for number in 1..=MOST_WARM {
            let env = EnvName::parse(&format!("warm-web-{number}")).unwrap();
            let there = self.hosts.iter();
            let there: Vec<Object> = there.flat_map(|h| machines(&self.world, h, &env)).collect();
            let is_still = |object: &Object| {
                let machine = object.fields.as_machine().expect("claims the machine");
                machine.power == Power::Paused && machine.volumes.is_empty()
            };
            let wanted = usize::from(number <= self.declared.warm);
            let is_right = match ledger.held(&env) {
                Some(_) => there.len() <= wanted,
                None => there.len() == wanted,
            };
            if !is_right || !there.iter().all(is_still) {
                return Err(format!("{env} is not as declared: {there:?}"));
            }
        }
        Ok(())
    }

    /// What was declared last, what is there, and every run with its steps.
    pub fn told(&self) -> String {
        let mut text = format!("{:#?}\n", self.declared.environments);
        for host in &self.hosts {
            for object in self.world.objects(host) {
                let _ = writeln!(text, "on {host}: {object:?}");
            }
        }
        let runs = self
            .world
            .run(async { Store::runs(&self.world, None, 99).await });
        for run in runs.into_iter().flatten().flatten().rev() {
            let (id, env, at) = (&run.id, &run.env, run.started);
            let _ = writeln!(text, "\n{id} {env} {at} {:?}", run.state);
            for step in &run.steps {
                let _ = writeln!(text, "  {} {:?}", step.line, step.outcome);
            }
            for held in &run.held {
                let _ = writeln!(text, "  {held}");
            }
        }
        text
    }

    fn check_environment(&self, env: &EnvName, ledger: &Ledger) -> Result<(), String> {
        let everywhere = |find: fn(&World, &ProviderName, &EnvName) -> Vec<Object>| {
            let found = self
                .hosts
                .iter()
                .flat_map(|host| find(&self.world, host, env));
            found.collect::<Vec<Object>>()
        };
        let (machines, volumes) = (everywhere(machines), everywhere(volumes));
        let declared = self
            .declared
            .environments
            .get(env)
            .filter(|e| e.expires.is_none());
        let Some(declared) = declared else {
            if !machines.is_empty() {
                return Err(format!("{env} is not wanted and has a machine"));
            }
            if self.declared.retain == "nothing" && !volumes.is_empty() {
                return Err(format!("{env} is not wanted and has a volume"));
            }
            return Ok(());
        };
        let places = [Some(&declared.placement), declared.also.as_ref()];
        let places = places.into_iter().flatten();
        let here: usize = places
            .map(|place| self::volumes(&self.world, place, env).len())
            .sum();
        let is_elsewhere = volumes.len() > here;
        if is_elsewhere {
            // Moving data is a person's decision: held, and whatever is there stays.
            return Ok(());
        }
        let is_awake = match self.is_awake(env, declared, ledger) {
            Some(is_awake) => is_awake,
            None => return Ok(()),
        };
        let is_off = |object: &Object| {
            let machine = object.fields.as_machine();
            machine.is_some_and(|machine| machine.power == Power::Stopped)
        };
        if !is_awake && machines.len() == 2 && is_reborn(declared) {
            let is_asleep = machines.iter().all(is_off);
            return is_asleep.then_some(()).ok_or(format!("{env} should sleep"));
        }
        let is_held = ledger.held(env).is_some();
        let [machine] = machines.as_slice() else {
            let may_wait = !is_awake || is_held || lifetime(declared).is_some();
            let is_unmade = machines.is_empty() && may_wait;
            return match is_unmade {
                true => Ok(()),
                false => Err(format!("{env} has {} machines", machines.len())),
            };
        };
        self.require_alive(env, machine, declared)?;
        if !is_awake {
            let power = machine.fields.as_machine().map(|machine| machine.power);
            return match power {
                Some(Power::Stopped) => Ok(()),
                other => Err(format!("{env} should sleep and is {other:?}")),
            };
        }
        let live = machine.fields.as_machine().expect("claims the machine");
        let is_as_declared = (live.cpus, live.memory_mib) == (declared.cpus, declared.memory_mib)
            && live
                .image
                .as_ref()
                .is_some_and(|image| image.starts_with(declared.image));
        // Without money what is there stays as it is, wholly where something of it is dearer.
        let is_right = live.power == Power::Running && (is_as_declared || is_held);
        if !is_right {
            return Err(format!("the machine of {env} is not as declared: {live:?}"));
        }
        match volumes.as_slice() {
            [volume] if live.volumes.contains(&volume.id) => Ok(()),
            // One that was made where there was no room may be left, and is only told.
            volumes
                if declared.also.is_some()
                    && volumes
                        .iter()
                        .any(|volume| live.volumes.contains(&volume.id)) =>
            {
                Ok(())
            }
            _ => Err(format!("the machine of {env} has not its volume")),
        }
    }

    /// That it does not live longer than it may.
    fn require_alive(
        &self,
        env: &EnvName,
        machine: &Object,
        declared: &Environment,
    ) -> Result<(), String> {
        let stamp = machine.stamp.as_ref().expect("only ours is asked for");
        let born = stamp.born.ok_or(format!("{env} does not know its birth"))?;
        let age = Duration::try_from(self.world.now().duration_since(born)).unwrap_or_default();
        match lifetime(declared) {
            Some(lifetime) if age > lifetime + UNSURE => Err(format!("{env} lives too long")),
            Some(_) | None => Ok(()),
        }
    }
}

/// Nothing is left to do, and nothing is waited for.
fn is_quiet(report: &SyncReport) -> bool {
    let held = report.plan().into_iter().flat_map(|plan| &plan.held);
    let mut reasons = held.map(|held| &held.reason);
    report.end == End::Settled && !reasons.any(|reason| reason.contains("list it yet"))
}

/// The plans of all environments, as text.
async fn plans(reconciler: &Reconciler) -> Vec<String> {
    let tick = reconciler.tick().await;
    let attempt = Attempt {
        token: metrom::model::Token("look".to_owned()),
        at: tick.at,
    };
    let mut plans = Vec::new();
    for env in reconciler.viewer().environments(&tick).await {
        let view = reconciler
            .viewer()
            .view(&tick, &env, &attempt)
            .await
            .unwrap();
        plans.extend(view.aim.map(|aim| aim.plan.to_string()));
    }
    plans
}
