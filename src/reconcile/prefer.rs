//! In which order the places of an environment are tried, and what speaks for the one that is taken.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::cost::{Size, price_per_hour};
use crate::manifest::schema::{Prefer, ProviderSpec};
use crate::manifest::{Machine, Places};
use crate::model::{Currency, Money, ProviderName};

/// The places of one environment in the order in which they are tried.
///
/// **Guarantees.** Each place once. By price the cheapest comes first and what has no price last;
/// what costs the same, or cannot be compared, keeps the order in which it is named.
#[derive(Debug)]
pub struct Ranked<'a> {
    pub places: &'a Places,
    order: Vec<Candidate<'a>>,
    /// The currencies of all places; more than one cannot be compared.
    currencies: BTreeSet<Currency>,
}

/// One of the places.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub machine: &'a Machine,
    /// What it costs an hour there; only where that decides.
    pub price: Option<Money>,
    /// Why that is not known, where it should decide.
    unpriced: Option<String>,
}

impl<'a> Ranked<'a> {
    /// By the price lists of these providers.
    #[must_use]
    pub fn new(places: &'a Places, providers: &BTreeMap<ProviderName, ProviderSpec>) -> Self {
        let is_by_price = places.prefer == Prefer::Price;
        let specs = places
            .machines
            .iter()
            .filter_map(|machine| providers.get(&machine.provider));
        let currencies: BTreeSet<Currency> = match is_by_price {
            true => specs.flat_map(ProviderSpec::currencies).collect(),
            false => BTreeSet::new(),
        };
        let candidates = places.machines.iter().map(|machine| {
            let spec = providers.get(&machine.provider);
            match is_by_price && currencies.len() < 2 {
                true => Candidate::priced(machine, spec),
                false => Candidate {
                    machine,
                    price: None,
                    unpriced: None,
                },
            }
        });
        let mut order: Vec<Candidate<'a>> = candidates.collect();
        // Stable: what is equal stays as it is named.
        order.sort_by_key(|candidate| (candidate.price.is_none(), candidate.price));
        Self {
            places,
            order,
            currencies,
        }
    }

    /// The preferred first; never empty.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<'a>> {
        self.order.iter()
    }

    #[must_use]
    pub fn first(&self) -> &'a Machine {
        self.order[0].machine
    }

    /// Why that one is taken: what speaks against those before it, then for it.
    #[must_use]
    pub fn because(&self, taken: &Candidate<'_>, against: Vec<String>) -> String {
        let mut reasons = against;
        match taken.price {
            Some(price) => reasons.push(format!(
                "it has the lowest price of those with room, {price} an hour"
            )),
            None if reasons.is_empty() => {
                reasons.push("it is the first that is named, and has room".to_owned());
            }
            None => {}
        }
        if self.currencies.len() > 1 {
            let words: Vec<&str> = self.currencies.iter().map(Currency::as_str).collect();
            let words = words.join(" and ");
            reasons.push(format!("prices in {words} cannot be compared"));
        }
        reasons.extend(self.order.iter().filter_map(|other| other.unpriced.clone()));
        reasons.join("; ")
    }
}

impl<'a> Candidate<'a> {
    fn priced(machine: &'a Machine, spec: Option<&ProviderSpec>) -> Self {
        let name = &machine.provider;
        let size = Size {
            cpus: machine.cpus,
            memory_mib: machine.memory_mib,
            disk_mib: machine.disk_mib,
            data_mib: machine.data_mib,
        };
        let price = spec.and_then(|spec| price_per_hour(name, spec, size));
        let has_some = spec.is_some_and(|spec| !spec.currencies().is_empty());
        let unpriced = match (price, has_some) {
            (Some(_), _) => None,
            (None, true) => Some(format!("only some prices are declared for `{name}`")),
            (None, false) => Some(format!("no price is declared for `{name}`")),
        };
        Self {
            machine,
            price,
            unpriced,
        }
    }
}
