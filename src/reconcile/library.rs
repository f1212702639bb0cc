//! What was read and rendered before, so that a look costs what changed since the last one; and on
//! which providers an environment had no data when they were last seen.
//!
//! It may be empty at any time: then a look costs more, and what needs a provider that is out of
//! sight waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::asking::Asking;
use super::living::Home;
use super::observe::Inventories;
use crate::manifest::{Catalog, Facts, Loader, render};
use crate::model::{
    Desired, EnvName, Observed, OwnerName, ProviderName, Revision, Scope, Snapshot, Timestamp,
};

/// Catalogs of so many revisions are kept: the newest, and the last good ones of what is broken.
const CATALOGS: usize = 8;

/// Catalogs by revision, and what their environments come to.
#[derive(Default)]
pub struct Library {
    loader: Loader,
    /// The last used first.
    catalogs: Mutex<VecDeque<Arc<Catalog>>>,
    rendered: Mutex<BTreeMap<EnvName, Rendered>>,
    seen: Mutex<BTreeMap<ProviderName, Seen>>,
    /// Who is being asked, for all looks of this process.
    pub(super) asking: Asking,
}

/// Whose data was on a provider at its last whole report.
struct Seen {
    at: Timestamp,
    data_of: BTreeSet<(OwnerName, EnvName)>,
}

/// What an environment came to, and from what.
struct Rendered {
    at: Timestamp,
    facts: Facts,
    catalog: Arc<Catalog>,
    desired: Arc<Desired>,
}

impl Library {
    /// The catalog of a revision, if it was read not long ago.
    #[must_use]
    pub fn catalog(&self, revision: &Revision) -> Option<Arc<Catalog>> {
        let mut kept = hold(&self.catalogs);
        let at = kept.iter().position(|c| c.revision == *revision)?;
        let catalog = kept.remove(at)?;
        kept.push_front(Arc::clone(&catalog));
        Some(catalog)
    }

    /// Reads a repository, files that are as they were only once.
    pub fn read(&self, snapshot: &Snapshot) -> Arc<Catalog> {
        let catalog = Arc::new(self.loader.load(snapshot));
        let mut kept = hold(&self.catalogs);
        kept.truncate(CATALOGS - 1);
        kept.push_front(Arc::clone(&catalog));
        let is_kept = |revision: &Revision| kept.iter().any(|c| c.revision == *revision);
        hold(&self.rendered).retain(|_, rendered| is_kept(&rendered.desired.revision));
        catalog
    }

    /// What should be for an environment at that instant; rendered again only when the answer may
    /// be another one.
    ///
    /// **Assumptions.** As for [`render`].
    pub fn desired(
        &self,
        catalog: &Arc<Catalog>,
        env: &EnvName,
        now: Timestamp,
        facts: Facts,
    ) -> Arc<Desired> {
        let before = hold(&self.rendered).remove(env);
        let rendered = match before.filter(|before| before.is_still(catalog, &facts, now)) {
            Some(before) => before.at_revision(catalog),
            None => Rendered {
                at: now,
                desired: Arc::new(render(catalog, env, now, &facts)),
                facts,
                catalog: Arc::clone(catalog),
            },
        };
        let desired = Arc::clone(&rendered.desired);
        hold(&self.rendered).insert(env.clone(), rendered);
        desired
    }

    /// As in a process that was just started: what was read is the same for all, what was seen is not.
    pub fn forget_what_was_seen(&self) {
        hold(&self.seen).clear();
    }

    /// Keeps of a look that began at `at` whose data is where.
    pub fn remember(&self, inventories: &Inventories, at: Timestamp) {
        let mut seen = hold(&self.seen);
        for provider in inventories.complete() {
            if seen.get(&provider).is_none_or(|before| before.at <= at) {
                let data_of = inventories.data_of(&provider);
                seen.insert(provider, Seen { at, data_of });
            }
        }
    }

    /// Keeps of places that are not declared any more whose data may be there: of those who lived there.
    pub fn remember_left(
        &self,
        name: &ProviderName,
        home: &Home,
        owner: &OwnerName,
        at: Timestamp,
    ) {
        let whose = |env: &EnvName| (owner.clone(), env.clone());
        let data_of = home.environments.iter().map(whose).collect();
        hold(&self.seen).insert(name.clone(), Seen { at, data_of });
    }

    /// The providers out of sight that had no data of the environment when they were last seen.
    /// What was made there since is known by its intent.
    #[must_use]
    pub fn seen_without_data(
        &self,
        observed: &Observed,
        owner: &OwnerName,
        env: &EnvName,
    ) -> BTreeSet<ProviderName> {
        let hidden = observed.gaps.iter().filter_map(|gap| match &gap.scope {
            Scope::Provider(provider) => Some(provider.clone()),
            Scope::Guest => None,
        });
        self.empty_when_seen(&hidden.collect(), owner, env)
    }

    /// The same, of these providers.
    #[must_use]
    pub fn empty_when_seen(
        &self,
        hidden: &BTreeSet<ProviderName>,
        owner: &OwnerName,
        env: &EnvName,
    ) -> BTreeSet<ProviderName> {
        let (seen, whose) = (hold(&self.seen), (owner.clone(), env.clone()));
        let had_none = |provider: &&ProviderName| {
            let seen = seen.get(*provider);
            seen.is_some_and(|seen| !seen.data_of.contains(&whose))
        };
        hidden.iter().filter(had_none).cloned().collect()
    }
}

impl Rendered {
    /// Whether rendering would give the same again, but for the revision.
    fn is_still(&self, catalog: &Catalog, facts: &Facts, now: Timestamp) -> bool {
        let Self {
            at,
            facts: known,
            catalog: before,
            desired,
        } = self;
        let is_declared_alike =
            before.revision == catalog.revision || before.agrees_on(&desired.env, catalog);
        is_declared_alike
            && known == facts
            && *at <= now
            && desired.until.is_none_or(|until| now < until)
    }

    fn at_revision(self, catalog: &Arc<Catalog>) -> Self {
        if self.desired.revision == catalog.revision {
            return self;
        }
        let desired = Desired {
            revision: catalog.revision.clone(),
            ..Desired::clone(&self.desired)
        };
        Self {
            catalog: Arc::clone(catalog),
            desired: Arc::new(desired),
            ..self
        }
    }
}

fn hold<T>(shelf: &Mutex<T>) -> MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
