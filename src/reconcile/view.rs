//! Looking at one environment: what should be, what is, and the plan. Cannot write anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::allow::{self, Exodus};
use super::gate::{DataVolumes, Policy, Prune};
use super::intent::{Reviewed, review};
use super::library::Library;
use super::notes::Notes;
use super::observe::{Inventories, add_guest, add_guest_gap, assemble};
use super::plan::{Attempt, plan};
use super::remember::{Writing, announcement, writings};
use super::tick::{References, Tick};
use super::{keeper, target};
use crate::manifest::schema::HostSpec;
use crate::manifest::{Catalog, Facts, references};
use crate::model::{
    Announced, Desired, EnvName, Inventory, Memos, Observed, OwnerName, Plan, Power, ProviderName,
    Revision, Timestamp,
};
use crate::port::{GuestObserver, GuestTarget, Observers, Refs, Source, SourceError, StoreError};
use crate::schedule::lifetime;

/// Looks at environments and plans, with ports that can only read.
pub struct Viewer {
    source: Arc<dyn Source>,
    refs: Arc<dyn Refs>,
    providers: Arc<dyn Observers>,
    guests: Arc<dyn GuestObserver>,
    notes: Arc<dyn Notes>,
    library: Arc<Library>,
}

/// What was seen of one environment.
#[derive(Debug)]
pub struct View {
    pub env: EnvName,
    /// What is wrong with the source or the files, in lines for people. The last good revision is
    /// the target then.
    pub faults: Vec<String>,
    /// What should be and what is; `None` when it is not known what should be: nothing happens.
    pub aim: Option<Aim>,
}

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
    /// What is to be remembered after this look; to be written by who may.
    pub(super) writings: Vec<Writing>,
    /// What people are to be told of its end.
    pub(super) announcement: Option<Announced>,
    /// Notes of creations after this look; to be written by who may.
    pub(super) reviewed: Reviewed,
    /// The revision is the newest that says for sure what should be.
    pub(super) is_current: bool,
    /// Nothing is declared, nothing is left and nothing is hidden.
    pub(super) is_gone: bool,
}

/// What decides over an environment.
pub(super) enum Verdict {
    /// Declared there.
    Declared(Arc<Catalog>),
    /// Not declared there, for sure.
    Gone(Arc<Catalog>),
    /// Perhaps not declared.
    Unsure(Arc<Catalog>, String),
    /// A person wants it to be gone.
    Unwanted(OwnerName, Revision, DataVolumes),
}

impl Viewer {
    #[must_use]
    pub fn new(
        source: Arc<dyn Source>,
        refs: Arc<dyn Refs>,
        providers: Arc<dyn Observers>,
        guests: Arc<dyn GuestObserver>,
        notes: Arc<dyn Notes>,
    ) -> Self {
        Self {
            source,
            refs,
            providers,
            guests,
            notes,
            library: Arc::default(),
        }
    }

    /// With what others have read and rendered, and who share what this one does.
    #[must_use]
    pub fn sharing(mut self, library: Arc<Library>) -> Self {
        self.library = library;
        self
    }

    /// Fetches the repository and asks every provider, all at once.
    pub async fn tick(&self, at: Timestamp) -> Tick {
        let head = self.head().await;
        let catalogs = self.counting(&head).await;
        let mut hosts = BTreeMap::new();
        for catalog in catalogs.iter().rev() {
            hosts.extend(catalog.hosts.clone());
        }
        let owner = catalogs.iter().find_map(|c| c.owner().cloned());
        let asked = hosts.iter().map(|(name, host)| self.inventory(name, host));
        let inventories = Inventories::new(join_all(asked).await);
        self.library.remember(&inventories, at);
        let exodus = match (&head, &owner) {
            (Ok(catalog), Some(owner)) => self.exodus(catalog, owner, &inventories, at).await,
            (Err(_), _) | (_, None) => Exodus::default(),
        };
        Tick {
            at,
            head,
            inventories,
            hosts,
            owner,
            exodus,
            refs: References::default(),
        }
    }

    /// Whose machines are to go, but for those whose end a person agreed to.
    async fn exodus(
        &self,
        catalog: &Catalog,
        owner: &OwnerName,
        inventories: &Inventories,
        at: Timestamp,
    ) -> Exodus {
        let mut exodus = allow::exodus(catalog, owner, inventories, at);
        if exodus.is_allowed() {
            return exodus;
        }
        for env in exodus.envs.clone() {
            let memos = self.notes.memos(&env).await.unwrap_or_default();
            if memos.end_agreed.is_some() {
                exodus.envs.remove(&env);
            }
        }
        exodus
    }

    /// Every environment that is declared, live or known from before.
    pub async fn environments(&self, tick: &Tick) -> BTreeSet<EnvName> {
        let mut all = BTreeSet::new();
        if let Ok(catalog) = &tick.head {
            all.extend(catalog.names().cloned());
        }
        if let Some(owner) = &tick.owner {
            all.extend(tick.inventories.environments(owner));
        }
        all.extend(self.notes.known_environments().await.unwrap_or_default());
        all
    }

    /// Looks at one environment and plans.
    ///
    /// # Errors
    /// [`StoreError`]: without the notes of what is under way no plan is safe.
    pub async fn view(
        &self,
        tick: &Tick,
        env: &EnvName,
        attempt: &Attempt,
    ) -> Result<View, StoreError> {
        let (verdict, faults) = target::verdict(self, tick, env).await?;
        let aim = match verdict {
            None => None,
            Some(verdict) => Some(
                self.aim(tick, env, verdict, faults.is_empty(), attempt)
                    .await?,
            ),
        };
        Ok(View {
            env: env.clone(),
            faults,
            aim,
        })
    }

    /// Looks at one environment as if a person had asked for its end.
    ///
    /// # Errors
    /// [`StoreError`] as for [`Viewer::view`].
    pub async fn view_end(
        &self,
        tick: &Tick,
        env: &EnvName,
        data: DataVolumes,
        attempt: &Attempt,
    ) -> Result<View, StoreError> {
        let revision = match &tick.head {
            Ok(catalog) => Some(catalog.revision.clone()),
            Err(_) => self.notes.good_revision(env).await?,
        };
        let (Some(owner), Some(revision)) = (tick.owner.clone(), revision) else {
            let faults = vec!["it is not known whose environments these are".to_owned()];
            return Ok(View {
                env: env.clone(),
                faults,
                aim: None,
            });
        };
        let verdict = Verdict::Unwanted(owner, revision, data);
        let aim = self.aim(tick, env, verdict, false, attempt).await?;
        Ok(View {
            env: env.clone(),
            faults: Vec::new(),
            aim: Some(aim),
        })
    }

    async fn aim(
        &self,
        tick: &Tick,
        env: &EnvName,
        verdict: Verdict,
        is_current: bool,
        attempt: &Attempt,
    ) -> Result<Aim, StoreError> {
        let memos = self.notes.memos(env).await?;
        let decided = self.decided(tick, env, verdict, &memos, attempt.at).await;
        let Some((desired, policy)) = decided else {
            return Err(StoreError {
                doing: "name the owner of an environment",
                reason: "the repository has no name; give `metrom.yaml` a `metadata.name`".into(),
            });
        };
        let target = desired.provider.as_ref();
        let mut observed = assemble(&tick.inventories, &desired.owner, env, target);
        observed.seen_without_data = self
            .library
            .seen_without_data(&observed, &desired.owner, env);
        self.look_inside(&desired, &mut observed).await;
        let intents = self.notes.intents(env).await?;
        let complete = tick.inventories.complete();
        let is_wanted = |key: &_| desired.resources.contains_key(key);
        let reviewed = review(intents, &observed, &complete, is_wanted, tick.at);
        let plan = plan(&desired, &observed, &reviewed.open, &policy, attempt);
        let is_hidden = tick.inventories.gaps().next().is_some() || !reviewed.open.is_empty();
        let is_declared = desired.provider.is_some() || desired.is_expired;
        let is_gone = !is_declared && observed.live.is_empty() && !is_hidden;
        let announcement = announcement(&desired, &memos, attempt.at);
        let writings = match is_current && !is_gone {
            true => writings(&desired, &policy, &memos, attempt.at),
            false => Vec::new(),
        };
        Ok(Aim {
            now: attempt.at,
            until: until(&desired, &policy, attempt.at),
            is_gone,
            is_current,
            desired,
            observed,
            plan,
            policy,
            reviewed,
            writings,
            announcement,
        })
    }

    /// What should be, and what may be done to get there; `None` when it is not known whose.
    async fn decided(
        &self,
        tick: &Tick,
        env: &EnvName,
        verdict: Verdict,
        memos: &Memos,
        now: Timestamp,
    ) -> Option<(Arc<Desired>, Policy)> {
        let nothing = |owner: OwnerName, catalog: &Catalog| {
            let revision = catalog.revision.clone();
            Arc::new(Desired::undeclared(owner, env.clone(), revision))
        };
        let prune = match tick.exodus.objection(env) {
            None => Prune::Allowed,
            Some(reason) => Prune::Held { reason },
        };
        match verdict {
            Verdict::Declared(catalog) => {
                let facts = self.facts(tick, &catalog, env, memos).await;
                let desired = self.library.desired(&catalog, env, tick.at, facts);
                let end = desired.end.filter(|_| desired.is_expired);
                let policy = allow::declared(&catalog, &catalog.rules(env)?, memos, end, now);
                Some((desired, Policy { prune, ..policy }))
            }
            Verdict::Gone(catalog) => {
                let policy = allow::undeclared(&catalog, memos, prune, now);
                Some((nothing(catalog.owner()?.clone(), &catalog), policy))
            }
            Verdict::Unsure(catalog, reason) => {
                let policy = allow::undeclared(&catalog, memos, Prune::Held { reason }, now);
                Some((nothing(catalog.owner()?.clone(), &catalog), policy))
            }
            Verdict::Unwanted(owner, revision, data_volumes) => {
                let desired = Desired::undeclared(owner, env.clone(), revision);
                Some((Arc::new(desired), allow::unwanted(memos, data_volumes)))
            }
        }
    }

    async fn facts(&self, tick: &Tick, catalog: &Catalog, env: &EnvName, memos: &Memos) -> Facts {
        let owner = catalog.owner();
        let seen = owner.and_then(|owner| tick.inventories.born(owner, env));
        let mut facts = Facts {
            born: [memos.born, seen].into_iter().flatten().min(),
            wish: memos.wish.clone(),
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
            Some(_) if !desired.waking.is_awake => {}
            Some(Err(reason)) => add_guest_gap(observed, reason),
            Some(Ok(target)) => add_guest(observed, self.guests.observe(&target).await),
        }
    }

    async fn inventory(&self, name: &ProviderName, host: &HostSpec) -> Inventory {
        match self.providers.observer(name, host).await {
            Ok(observer) => observer.inventory().await,
            Err(error) => Inventory::unreachable(name.clone(), error.to_string()),
        }
    }

    async fn head(&self) -> Result<Arc<Catalog>, SourceError> {
        let revision = self.source.head().await?;
        self.catalog(&revision).await
    }

    /// The catalog of a revision, loaded once.
    pub(super) async fn catalog(&self, revision: &Revision) -> Result<Arc<Catalog>, SourceError> {
        if let Some(catalog) = self.library.catalog(revision) {
            return Ok(catalog);
        }
        let snapshot = self.source.snapshot(revision).await?;
        Ok(self.library.read(&snapshot))
    }

    /// The catalogs that something may be aimed at: the head, and when that is not wholly good,
    /// the last good ones. The first counts most.
    async fn counting(&self, head: &Result<Arc<Catalog>, SourceError>) -> Vec<Arc<Catalog>> {
        let mut catalogs: Vec<Arc<Catalog>> = head.iter().cloned().collect();
        if head
            .as_ref()
            .is_ok_and(|c| c.is_complete() && !c.has_errors())
        {
            return catalogs;
        }
        let mut revisions = BTreeSet::new();
        for env in self.notes.known_environments().await.unwrap_or_default() {
            revisions.extend(self.notes.good_revision(&env).await.ok().flatten());
        }
        for revision in revisions {
            catalogs.extend(self.catalog(&revision).await.ok());
        }
        catalogs
    }

    pub(super) fn notes(&self) -> &dyn Notes {
        &*self.notes
    }
}

/// When this answer changes by itself: what should be, what data is kept, what is to be told.
fn until(desired: &Desired, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let kept = match policy.data_volumes {
        DataVolumes::Keep { until } => until.filter(|_| desired.provider.is_none()),
        DataVolumes::Delete => None,
    };
    let end = desired.end.filter(|_| desired.provider.is_some());
    let told = end.and_then(|end| lifetime::next(end, now));
    [desired.until, kept, told].into_iter().flatten().min()
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
    }))
}
