//! What should be for one environment, what is, and the plan from the one to the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allow;
use super::closed;
use super::diff::diff;
use super::fight;
use super::gate::{DataVolumes, Policy, Prune};
use super::intent::{Reviewed, review};
use super::keeper;
use super::observe::{add_guest, add_guest_gap, assemble};
use super::phoenix::{self, Look, Seat, Stage, Trying};
use super::place::{self, Roots};
use super::plan::{Attempt, plan};
use super::remember::{Writing, announcement, writings};
use super::second;
use super::tick::Tick;
use super::view::{Verdict, Viewer};
use super::warm;
use crate::manifest::{Catalog, Facts, references};
use crate::model::{
    Announced, Cause, Desired, EnvName, Intent, Memo, MemoKind, Memos, Observed, OwnerName,
    Phoenix, Placed, Placing, Plan, Pool, Power, ProviderName, Timestamp,
};
use crate::port::{GuestTarget, NoRoute, StoreError};
use crate::schedule::lifetime;

/// What should be, what is, and how to get there.
#[derive(Debug)]
pub struct Aim {
    pub desired: Arc<Desired>,
    pub observed: Observed,
    pub plan: Plan,
    /// What may be done.
    pub policy: Policy,
    /// The instant of which all this is said.
    pub now: Timestamp,
    /// The instant at which the answer changes by itself.
    pub until: Option<Timestamp>,
    /// Since when nobody uses it, as far as it is measured.
    pub idle: Option<Timestamp>,
    /// What is to be remembered after this look; to be written by who may.
    pub(super) writings: Vec<Writing>,
    /// A second machine is being tried or proven.
    pub(super) trying: Option<Trying>,
    /// The first machine gets its data back: what is to be remembered when it has them.
    pub(super) returned: Option<Phoenix>,
    /// What people are to be told of its end.
    pub(super) announcement: Option<Announced>,
    /// The attempt to find a place for it, after this look.
    pub(super) placing: Option<Placing>,
    /// Notes of creations after this look; to be written by who may.
    pub(super) reviewed: Reviewed,
    /// The revision is the newest that says for sure what should be.
    pub(super) is_current: bool,
    /// Nothing is declared, nothing is left and nothing is hidden.
    pub(super) is_gone: bool,
}

impl Viewer {
    pub(super) async fn aim(
        &self,
        tick: &Tick,
        env: &EnvName,
        verdict: Verdict,
        faults: &[String],
        attempt: &Attempt,
    ) -> Result<Aim, StoreError> {
        let memos = self.notes.memos(env).await?;
        let is_current = faults.is_empty() && !matches!(verdict, Verdict::Unwanted(..));
        let prune = prune(tick, env, faults);
        let intents = self.notes.intents(env).await?;
        let roots = match &tick.owner {
            Some(owner) => self.roots(&tick.inventories, (owner, env), &intents, &memos),
            None => Roots::default(),
        };
        let placed = match &verdict {
            Verdict::Declared(catalog) => self.place(tick, catalog, env, &roots, &memos),
            Verdict::Gone(_) | Verdict::Unwanted(..) => None,
        };
        let decided = self
            .decided(
                tick,
                env,
                verdict,
                (&memos, placed.as_ref()),
                prune,
                attempt.at,
            )
            .await;
        let Some((desired, policy)) = decided else {
            return Err(StoreError {
                doing: "name the owner of an environment",
                reason: "the repository has no name; give `metrom.yaml` a `metadata.name`".into(),
            });
        };
        let target = desired.provider.as_ref();
        let mut observed = assemble(&tick.inventories, &desired.owner, env, target);
        observed.warm = warm::unclaimed(&tick.inventories, &desired);
        if let Ok(catalog) = &tick.head {
            warm::take_turns(&mut observed, catalog, &tick.inventories, &desired);
        }
        observed.seen_without_data = self
            .library
            .seen_without_data(&observed, &desired.owner, env);
        self.look_inside(&desired, &mut observed).await;
        observed.fresh = place::fresh(&observed, memos.placing.as_ref());
        let complete = tick.inventories.complete();
        let is_wanted = |key: &_| desired.resources.contains_key(key);
        let reviewed = review(intents, &observed, &complete, is_wanted, tick.at);
        let trial = self.look_at_second(&desired, &observed, &memos).await;
        let stays = closed::stays(&desired, &observed, &tick.providers, &*self.routes);
        let policy = Policy { stays, ..policy };
        let look = Look {
            desired: &desired,
            observed: &observed,
            trial: trial.as_ref(),
            intents: &reviewed.open,
            memo: memos.phoenix.as_ref(),
            is_protected: policy.protected.is_some(),
            attempt,
        };
        let stage = look.stage();
        let of_two = second::planned(&stage, &look, &policy);
        let trying = of_two.as_ref().and_then(|_| look.trying(&stage));
        let returned = of_two.as_ref().and_then(|_| look.returned(&stage));
        let (plan, policy, pause) = match of_two {
            Some(plan) => (plan, policy, None),
            None => self.of_one(&stage, &look, policy).await?,
        };
        let plan = Plan { placed, ..plan };
        let placing = match desired.provider {
            Some(_) if plan.placed.is_some() || !observed.fresh.is_empty() => place::placing(
                memos.placing.as_ref(),
                &roots,
                &plan,
                &observed.fresh,
                attempt.at,
            ),
            Some(_) | None => None,
        };
        let pause = [pause, look.until(&stage), tick.ledger.until(env)];
        let pause = pause.into_iter().flatten().min();
        let has_drifted = policy.drift.is_some() && has_drifted(&desired, &observed);
        let is_hidden = tick.inventories.gaps().next().is_some() || !reviewed.open.is_empty();
        let is_declared = desired.is_declared();
        let is_gone = !is_declared && observed.live.is_empty() && !is_hidden;
        let announcement = announcement(&desired, &memos, attempt.at);
        let mut writings = match is_current && !is_gone {
            true => writings(
                &desired,
                &observed,
                &policy,
                &memos,
                has_drifted,
                attempt.at,
            ),
            false => Vec::new(),
        };
        writings.extend(look.writing(&stage));
        if placing != memos.placing {
            writings.push(match &placing {
                Some(placing) => Writing::Put(Memo::Placing(placing.clone())),
                None => Writing::Drop(MemoKind::Placing),
            });
        }
        Ok(Aim {
            now: attempt.at,
            idle: memos.idle,
            until: until(&desired, &policy, pause, attempt.at),
            is_gone,
            is_current,
            desired,
            observed,
            plan,
            policy,
            reviewed,
            writings,
            announcement,
            trying,
            returned,
            placing,
        })
    }

    /// What is inside a second machine that is tried while the first has the data.
    async fn look_at_second(
        &self,
        desired: &Desired,
        observed: &Observed,
        memos: &Memos,
    ) -> Option<Observed> {
        let pair = phoenix::pair(desired, observed, memos.phoenix.as_ref());
        let pair = pair.filter(|pair| pair.seat == Seat::Old)?;
        let mut seen = second::alone(observed, Some(pair.new));
        let desired = second::without_data(desired);
        self.look_inside(&desired, &mut seen).await;
        Some(seen)
    }

    /// The ordinary plan, with what waits for a second machine.
    async fn of_one(
        &self,
        stage: &Stage<'_>,
        look: &Look<'_>,
        policy: Policy,
    ) -> Result<(Plan, Policy, Option<Timestamp>), StoreError> {
        let rebirth = look.hold(stage);
        let policy = Policy { rebirth, ..policy };
        let facts = (look.desired, look.observed, look.intents);
        let (mut plan, policy, pause) = self.peaceful(facts, policy, look.attempt).await?;
        if let Stage::Waits(change, reason) = stage {
            phoenix::tell(&mut plan, change, reason);
        }
        Ok((plan, policy, pause))
    }

    /// The plan; where it would put right what others change again and again, one that does not,
    /// and until when.
    async fn peaceful(
        &self,
        (desired, observed, intents): (&Desired, &Observed, &[Intent]),
        policy: Policy,
        attempt: &Attempt,
    ) -> Result<(Plan, Policy, Option<Timestamp>), StoreError> {
        let first = plan(desired, observed, intents, &policy, attempt);
        if !first.steps.iter().any(|step| step.cause == Cause::Drifted) {
            return Ok((first, policy, None));
        }
        let runs = self.notes.runs(&desired.env, fight::RUNS).await?;
        let Some(fight) = fight::fought(&first, &runs, attempt.at) else {
            return Ok((first, policy, None));
        };
        let drift = Some(allow::fight(&fight));
        let policy = Policy { drift, ..policy };
        let without = plan(desired, observed, intents, &policy, attempt);
        Ok((without, policy, Some(fight.pause_ends)))
    }

    /// What should be, and what may be done to get there; `None` when it is not known whose.
    async fn decided(
        &self,
        tick: &Tick,
        env: &EnvName,
        verdict: Verdict,
        (memos, placed): (&Memos, Option<&Placed>),
        prune: Prune,
        now: Timestamp,
    ) -> Option<(Arc<Desired>, Policy)> {
        let nothing = |owner: OwnerName, catalog: &Catalog| {
            let revision = catalog.revision.clone();
            Arc::new(Desired::undeclared(owner, env.clone(), revision))
        };
        match verdict {
            Verdict::Declared(catalog) => {
                let facts = Facts {
                    place: placed.map(|placed| placed.at.clone()),
                    unplaced: placed.and_then(|placed| placed.unplaced.clone()),
                    ..self.facts(tick, &catalog, env, memos).await
                };
                let desired = self.library.desired(&catalog, env, tick.at, facts);
                let is_expired = desired.is_expired();
                let rules = catalog.rules(env)?;
                let policy = match desired.pool {
                    // Nothing on a warm machine is anybody's.
                    Pool::Member => Policy::default(),
                    Pool::None | Pool::Claims(_) => {
                        allow::declared(&catalog, &rules, memos, is_expired, now)
                    }
                };
                let place = desired.provider.as_ref();
                let budget = place.and_then(|place| tick.ledger.held_at(env, place));
                let policy = Policy {
                    prune,
                    budget,
                    closed: place.and_then(|place| closed::objection(place, &tick.providers)),
                    uncarried: self.uncarried(&desired),
                    ..policy
                };
                Some((desired, policy))
            }
            Verdict::Gone(catalog) => {
                let policy = match env.is_of_pool() {
                    true => Policy {
                        prune,
                        ..Policy::default()
                    },
                    false => allow::undeclared(&catalog, memos, prune, now),
                };
                Some((nothing(catalog.owner()?.clone(), &catalog), policy))
            }
            Verdict::Unwanted(owner, revision, data_volumes) => {
                let desired = Desired::undeclared(owner, env.clone(), revision);
                Some((Arc::new(desired), allow::unwanted(memos, data_volumes)))
            }
        }
    }

    /// From where its data cannot be carried to where it is to run.
    fn uncarried(&self, desired: &Desired) -> BTreeMap<ProviderName, NoRoute> {
        let Some(here) = &desired.provider else {
            return BTreeMap::new();
        };
        let refused = |there: &ProviderName| {
            let no_route = self.routes.can_carry(there, here).err()?;
            Some((there.clone(), no_route))
        };
        desired.elsewhere.keys().filter_map(refused).collect()
    }

    async fn facts(&self, tick: &Tick, catalog: &Catalog, env: &EnvName, memos: &Memos) -> Facts {
        let owner = catalog.owner();
        let seen = owner.and_then(|owner| tick.inventories.born(owner, env));
        let mut facts = Facts {
            born: [memos.born, seen].into_iter().flatten().min(),
            wish: memos.wish.clone(),
            purse: tick.ledger.purse(env),
            ..Facts::default()
        };
        for wanted in references(catalog, env) {
            let answer = tick.refs.resolve(&*self.refs, wanted.clone()).await;
            facts.refs.insert(wanted, answer);
        }
        facts
    }

    /// Asks the machine what is in it; that it cannot be asked is a gap.
    async fn look_inside(&self, desired: &Desired, observed: &mut Observed) {
        match way_in(desired, observed) {
            None => {}
            Some(_) if !desired.waking.is_awake || warm::rests(desired, observed) => {}
            Some(Err(reason)) => add_guest_gap(observed, reason),
            Some(Ok(target)) => {
                let report = self.guests.observe(&target).await;
                add_guest(observed, report, &desired.owner, &desired.env);
            }
        }
    }
}

/// Whether what should not be may be deleted: not while something newer cannot be read, and not
/// when too many would go at once.
fn prune(tick: &Tick, env: &EnvName, faults: &[String]) -> Prune {
    let unread = |fault: &String| format!("what is declared now is not known: {fault}");
    let reason = faults.first().map(unread);
    match reason.or_else(|| tick.exodus.objection(env)) {
        None => Prune::Allowed,
        Some(reason) => Prune::Held { reason },
    }
}

/// When this answer changes by itself: what should be, what data is kept, what is to be told.
fn until(
    desired: &Desired,
    policy: &Policy,
    pause: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let kept = match policy.data_volumes {
        DataVolumes::Keep { until } => until.filter(|_| desired.provider.is_none()),
        DataVolumes::Delete => None,
    };
    let end = desired.end.filter(|_| desired.provider.is_some());
    let told = end.and_then(|end| lifetime::next(end, now));
    [desired.until, kept, told, pause]
        .into_iter()
        .flatten()
        .min()
}

/// Whether something differs that nobody declared.
fn has_drifted(desired: &Desired, observed: &Observed) -> bool {
    let changes = diff(desired, observed);
    changes.iter().any(|change| change.cause == Cause::Drifted)
}

/// How to reach the machine that counts; `None` when there is none, or the reason why not.
fn way_in(desired: &Desired, observed: &Observed) -> Option<Result<GuestTarget, String>> {
    let live = keeper::machine(desired, observed)?;
    let machine = live.fields.as_machine()?;
    if machine.power != Power::Running {
        return Some(Err(format!("the machine is {}", machine.power)));
    }
    let (Some(address), Some(host_key)) = (machine.address, machine.host_key.clone()) else {
        let what = if machine.address.is_none() {
            "the machine has no address yet"
        } else {
            "the machine's host key is not known, so it cannot be told from another; delete it"
        };
        return Some(Err(what.to_owned()));
    };
    Some(Ok(GuestTarget {
        owner: desired.owner.clone(),
        env: desired.env.clone(),
        machine: live.id.clone(),
        address,
        host_key,
        volumes: machine.devices.clone(),
        bastion: machine.bastion.clone(),
    }))
}
