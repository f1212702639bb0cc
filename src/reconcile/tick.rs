//! One look at the world, shared by every environment that is synced with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::allow::Exodus;
use super::living::Living;
use super::observe::Inventories;
use crate::cost::Ledger;
use crate::manifest::Catalog;
use crate::manifest::schema::ProviderSpec;
use crate::model::{EnvName, OwnerName, Placed, ProviderName, Revision, Timestamp};
use crate::port::{Refs, SourceError};

/// What the repository said and what the providers showed at one instant.
#[derive(Debug)]
pub struct Tick {
    /// When the look began: what was done before is in it.
    pub at: Timestamp,
    /// The newest revision of the repository as a catalog, or why there is none.
    pub head: Result<Arc<Catalog>, SourceError>,
    pub inventories: Inventories,
    /// How to open the providers.
    pub providers: BTreeMap<ProviderName, ProviderSpec>,
    /// In whose name live objects are looked for; `None` before any good revision.
    pub owner: Option<OwnerName>,
    /// Who lived where before this look.
    pub living: Living,
    /// Whose machines are to go, when that is known.
    pub exodus: Exodus,
    /// Of each environment that is good somewhere, the catalog that decides over it.
    pub(super) deciding: BTreeMap<EnvName, Arc<Catalog>>,
    /// The places of those that may have one of several.
    pub(super) placed: BTreeMap<EnvName, Placed>,
    /// What everything costs, and how budgets stand.
    pub ledger: Ledger,
    pub(super) refs: References,
}

impl Tick {
    /// What is to be told of places that are not declared any more while environments live there.
    pub fn left(&self) -> impl Iterator<Item = (&ProviderName, String)> {
        let left = self.living.left(&self.providers);
        left.map(|(name, home)| (name, home.told(name)))
    }

    /// Whether that is what decided over an environment when places were given and money counted.
    pub(super) fn has_decided(&self, env: &EnvName, catalog: &Catalog) -> bool {
        let deciding = self.deciding.get(env);
        deciding.is_some_and(|deciding| deciding.revision == catalog.revision)
    }
}

/// Commits of branches and tags of other repositories, each asked for once in a tick.
#[derive(Debug, Default)]
pub(super) struct References {
    known: Mutex<BTreeMap<(String, String), Result<Revision, String>>>,
}

impl References {
    pub async fn resolve(
        &self,
        refs: &dyn Refs,
        wanted: (String, String),
    ) -> Result<Revision, String> {
        let known = self.with(|known| known.get(&wanted).cloned());
        if let Some(answer) = known {
            return answer;
        }
        let answer = refs.resolve(&wanted.0, &wanted.1).await;
        let answer = answer.map_err(|error| error.to_string());
        self.with(|known| known.insert(wanted, answer.clone()));
        answer
    }

    fn with<T>(
        &self,
        look: impl FnOnce(&mut BTreeMap<(String, String), Result<Revision, String>>) -> T,
    ) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
