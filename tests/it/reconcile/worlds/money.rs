//! What random worlds declare of money: prices and budgets of hosts, and places by price.
//!
//! It has a chance of its own, so that a seed without money lives as it did.

use metrom::model::ProviderName;
use metrom::world::declare::Declared;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Prices of a cpu for an hour; memory and disks cost nothing. `None`: no price is declared.
const PRICES: [Option<&str>; 4] = [None, Some("0.01"), Some("0.05"), Some("0.05")];

/// Money of a month. The smallest machine costs at least 14 a month, a dear one 67.
const BUDGETS: [Option<&str>; 6] = [None, None, Some("0"), Some("70"), Some("150"), Some("1000")];

/// What of a world's declaration is about money.
pub struct Money {
    rng: StdRng,
    /// Whether anything has a price at all.
    is_counted: bool,
    /// Several places are tried by their price.
    is_by_price: bool,
    /// The host with a budget of nothing from the first commit on.
    pub poor: Option<ProviderName>,
}

impl Money {
    pub fn new(seed: u64, hosts: &[ProviderName]) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0xca54);
        let is_counted = rng.random_bool(0.25);
        let is_poor = rng.random_bool(0.2);
        let poor = hosts[rng.random_range(0..hosts.len())].clone();
        Self {
            is_counted,
            is_by_price: rng.random_bool(0.5),
            poor: (is_counted && is_poor).then_some(poor),
            rng,
        }
    }

    /// Before a commit: sometimes other prices, sometimes other budgets.
    pub fn change(&mut self, declared: &mut Declared) {
        if !self.is_counted {
            return;
        }
        if declared.fields_of.is_empty() || self.rng.random_bool(0.5) {
            for host in &declared.hosts {
                let fields = match self.poor.as_ref() == Some(host) {
                    true => fields(
                        "0.05",
                        Some("budget: {month: 0 EUR, over: hold}".to_owned()),
                    ),
                    false => self.drawn(),
                };
                declared.fields_of.insert(host.clone(), fields);
            }
        }
        for environment in declared.environments.values_mut() {
            let (place, also) = (&environment.placement, &environment.also);
            let also = also.as_ref().filter(|_| self.is_by_price);
            environment.stated =
                also.map(|also| format!("placement: {{among: [{place}, {also}], prefer: price}}"));
        }
    }

    fn drawn(&mut self) -> Vec<String> {
        let Some(price) = PRICES[self.rng.random_range(0..PRICES.len())] else {
            return Vec::new();
        };
        let month = BUDGETS[self.rng.random_range(0..BUDGETS.len())];
        let over = ["warn", "hold", "stop"][self.rng.random_range(0..3)];
        let budget = month.map(|month| format!("budget: {{month: {month} EUR, over: {over}}}"));
        fields(price, budget)
    }
}

fn fields(price: &str, budget: Option<String>) -> Vec<String> {
    let prices =
        format!("prices: {{cpuHour: {price} EUR, memoryGibHour: 0 EUR, diskGibHour: 0 EUR}}");
    [prices].into_iter().chain(budget).collect()
}
