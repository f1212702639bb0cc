//! Looking at one environment: what should be, what is, and the plan. Cannot write anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{FutureExt as _, join_all};

use super::aim::Aim;
use super::allow::{self, Exodus};
use super::gate::DataVolumes;
use super::ledger::Seen;
use super::library::Library;
use super::living::Living;
use super::notes::Notes;
use super::observe::Inventories;
use super::plan::Attempt;
use super::target;
use super::tick::{References, Tick};
use crate::manifest::schema::ProviderSpec;
use crate::manifest::{Catalog, Standing};
use crate::model::{EnvName, Inventory, OwnerName, ProviderName, Revision, Timestamp};
use crate::port::{
    Clock, GuestObserver, NoCarrier, Observers, Refs, Routes, Source, SourceError, StoreError,
};

/// Looks at environments and plans, with ports that can only read.
pub struct Viewer {
    source: Arc<dyn Source>,
    pub(super) refs: Arc<dyn Refs>,
    providers: Arc<dyn Observers>,
    pub(super) guests: Arc<dyn GuestObserver>,
    pub(super) notes: Arc<dyn Notes>,
    pub(super) routes: Arc<dyn Routes>,
    pub(super) library: Arc<Library>,
    /// What tells how long a look has waited; without it, it waits for everybody.
    hurry: Option<Arc<dyn Clock>>,
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

/// The catalogs that something may be aimed at: the head, and when that is not wholly good, the last
/// good ones.
#[derive(Default)]
struct Counting {
    /// The one that counts most first.
    catalogs: Vec<Arc<Catalog>>,
    /// Of each environment that is good somewhere, the one that decides over it, as
    /// [`target::verdict`] finds it.
    deciding: BTreeMap<EnvName, Arc<Catalog>>,
}

async fn inventory(
    providers: Arc<dyn Observers>,
    name: ProviderName,
    spec: ProviderSpec,
) -> Inventory {
    match providers.observer(&name, &spec).await {
        Ok(observer) => observer.inventory().await,
        Err(error) => Inventory::unreachable(name, error.to_string()),
    }
}

/// What decides over an environment.
pub(super) enum Verdict {
    /// Declared there.
    Declared(Arc<Catalog>),
    /// Not declared there.
    Gone(Arc<Catalog>),
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
            routes: Arc::new(NoCarrier),
            library: Arc::default(),
            hurry: None,
        }
    }

    /// With what tells between which places data can be carried, instead of nothing that can.
    #[must_use]
    pub fn carrying_by(mut self, routes: Arc<dyn Routes>) -> Self {
        self.routes = routes;
        self
    }

    /// Whose looks wait for no provider that hangs: it is a gap meanwhile.
    #[must_use]
    pub fn hurrying(mut self, clock: Arc<dyn Clock>) -> Self {
        self.hurry = Some(clock);
        self
    }

    /// Waits for answers that came too late for a look; comes back when one has come.
    pub async fn late(&self) {
        match &self.hurry {
            Some(clock) => self.library.asking.late(&**clock).await,
            None => std::future::pending().await,
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
        let Counting { catalogs, deciding } = self.counting(&head).await;
        let mut providers = BTreeMap::new();
        for catalog in catalogs.iter().rev() {
            providers.extend(catalog.providers.clone());
        }
        let owner = catalogs.iter().find_map(|c| c.owner().cloned());
        let mut inventories = self.inventories(&providers).await;
        let living = self.living(owner.as_ref()).await;
        for (name, home) in living.left(&providers) {
            inventories.push(home.hidden(name));
            if let Some(owner) = &owner {
                self.library.remember_left(name, home, owner, at);
            }
        }
        let inventories = Inventories::new(inventories);
        self.library.remember(&inventories, at);
        let exodus = match (&head, &owner) {
            (Ok(catalog), Some(owner)) => self.exodus(catalog, owner, &inventories, at).await,
            (Err(_), _) | (_, None) => Exodus::default(),
        };
        let placed = match &owner {
            Some(owner) => self.placed(&deciding, owner, &inventories, at).await,
            None => BTreeMap::new(),
        };
        let seen = Seen {
            catalogs: &catalogs,
            deciding: &deciding,
            providers: &providers,
            inventories: &inventories,
            placed: &placed,
            now: at,
        };
        let ledger = self.ledger(owner.as_ref(), seen).await;
        Tick {
            at,
            head,
            inventories,
            providers,
            owner,
            living,
            exodus,
            deciding,
            placed,
            ledger,
            refs: References::default(),
        }
    }

    /// Who lived where, as far as that is remembered.
    async fn living(&self, owner: Option<&OwnerName>) -> Living {
        let Some(owner) = owner else {
            return Living::default();
        };
        let note = self.notes.fact(&Living::key(owner)).await;
        Living::parse(note.ok().flatten().as_deref())
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
            Some(verdict) => Some(self.aim(tick, env, verdict, &faults, attempt).await?),
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
        let aim = self.aim(tick, env, verdict, &[], attempt).await?;
        Ok(View {
            env: env.clone(),
            faults: Vec::new(),
            aim: Some(aim),
        })
    }

    /// Every provider is asked at once.
    async fn inventories(
        &self,
        providers: &BTreeMap<ProviderName, ProviderSpec>,
    ) -> Vec<Inventory> {
        let asked = providers.iter().map(|(name, spec)| {
            let asked = inventory(Arc::clone(&self.providers), name.clone(), spec.clone());
            (name.clone(), asked.boxed())
        });
        match &self.hurry {
            Some(clock) => self.library.asking.all(asked.collect(), &**clock).await,
            None => join_all(asked.map(|(_, asked)| asked)).await,
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

    async fn counting(&self, head: &Result<Arc<Catalog>, SourceError>) -> Counting {
        let mut counting = Counting::default();
        if let Ok(head) = head {
            counting.catalogs.push(head.clone());
            let is_good = |env: &&EnvName| head.standing(env) == Standing::Good;
            let good = head.names().filter(is_good);
            let good = good.map(|env| (env.clone(), head.clone()));
            counting.deciding.extend(good);
            if head.is_complete() && !head.has_errors() {
                return counting;
            }
        }
        let mut revisions = BTreeMap::new();
        for env in self.notes.known_environments().await.unwrap_or_default() {
            if let Some(revision) = self.notes.good_revision(&env).await.ok().flatten() {
                let envs: &mut Vec<EnvName> = revisions.entry(revision).or_default();
                envs.push(env);
            }
        }
        for (revision, envs) in revisions {
            if let Ok(catalog) = self.catalog(&revision).await {
                let is_gone = |env: &EnvName| {
                    let head = head.as_ref().ok().filter(|head| head.is_complete());
                    head.is_some_and(|head| head.standing(env) == Standing::Absent)
                };
                for env in envs {
                    if catalog.standing(&env) == Standing::Good && !is_gone(&env) {
                        let decides = counting.deciding.entry(env);
                        decides.or_insert_with(|| catalog.clone());
                    }
                }
                counting.catalogs.push(catalog);
            }
        }
        counting
    }

    /// What opens providers for looking.
    #[must_use]
    pub fn providers(&self) -> &Arc<dyn Observers> {
        &self.providers
    }

    /// What looks into machines.
    #[must_use]
    pub fn guests(&self) -> &Arc<dyn GuestObserver> {
        &self.guests
    }

    pub(super) fn notes(&self) -> &dyn Notes {
        &*self.notes
    }
}
