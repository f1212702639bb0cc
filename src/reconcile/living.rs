//! Who lives where, as it was last seen: so that a host whose file is removed does not take what
//! lives there out of everybody's sight. Pure.
//!
//! It is a note: losing it loses a warning, and nothing that is declared.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observe::Inventories;
use crate::manifest::schema::ProviderSpec;
use crate::model::text::count;
use crate::model::{EnvName, Inventory, OwnerName, ProviderName};

/// The environments of one repository by the place where they live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Living(BTreeMap<ProviderName, Home>);

/// A place where environments live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Where it is, so that it is known again under another name.
    location: String,
    pub environments: BTreeSet<EnvName>,
}

impl Living {
    /// What the note is called in the store.
    #[must_use]
    pub fn key(owner: &OwnerName) -> String {
        format!("living/{owner}")
    }

    /// What can be read of a note.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        let living = text.and_then(|text| serde_json::from_str(text).ok());
        living.unwrap_or_default()
    }

    /// # Panics
    /// Never: it is maps of texts.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("maps of texts are JSON")
    }

    /// After a look: places that were seen as a whole as they were seen, others as before.
    #[must_use]
    pub fn after(
        &self,
        providers: &BTreeMap<ProviderName, ProviderSpec>,
        inventories: &Inventories,
        owner: &OwnerName,
    ) -> Self {
        let mut after = self.clone();
        after.0.retain(|name, home| {
            let is_elsewhere = |(other, spec): (&ProviderName, &ProviderSpec)| {
                other != name && location(spec) == home.location
            };
            providers.contains_key(name) || !providers.iter().any(is_elsewhere)
        });
        let mut living = inventories.living(owner);
        for name in inventories.complete() {
            let Some(spec) = providers.get(&name) else {
                continue;
            };
            match living.remove(&name) {
                None => drop(after.0.remove(&name)),
                Some(environments) => {
                    let location = location(spec);
                    let home = Home {
                        location,
                        environments,
                    };
                    after.0.insert(name, home);
                }
            }
        }
        after
    }

    /// The places that are not declared any more, under this name or another.
    pub fn left<'a>(
        &'a self,
        providers: &'a BTreeMap<ProviderName, ProviderSpec>,
    ) -> impl Iterator<Item = (&'a ProviderName, &'a Home)> {
        let locations: BTreeSet<String> = providers.values().map(location).collect();
        self.0.iter().filter(move |(name, home)| {
            !providers.contains_key(*name) && !locations.contains(&home.location)
        })
    }

    /// Nothing that lives there is needed any more; whether it was known.
    pub fn forget(&mut self, name: &ProviderName) -> Option<Home> {
        self.0.remove(name)
    }
}

impl Home {
    /// A place that nobody declares any more, as a gap: nothing is made or removed there, and what may
    /// be there is made nowhere else.
    #[must_use]
    pub fn hidden(&self, name: &ProviderName) -> Inventory {
        Inventory::unreachable(name.clone(), self.told(name))
    }

    /// What people are told, with the next move.
    #[must_use]
    pub fn told(&self, name: &ProviderName) -> String {
        let names: Vec<&str> = self.environments.iter().map(EnvName::as_str).collect();
        format!(
            "{name} is not declared any more while {} there: {}; declare it again, or `metrom host \
             forget {name}` when none of them is needed",
            match names.len() {
                1 => "1 environment lives".to_owned(),
                n => format!("{} live", count(n, "environment")),
            },
            names.join(", ")
        )
    }
}

fn location(spec: &ProviderSpec) -> String {
    match spec {
        ProviderSpec::Host(host) => host.location(),
        ProviderSpec::Cloud(cloud) => {
            let account = cloud.account.as_deref().unwrap_or_default();
            format!("{}/{account}", cloud.region)
        }
    }
}
