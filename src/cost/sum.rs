//! Amounts side by side: one for each currency, and what could not be counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::model::{Amount, Currency, Money};

/// What several things cost together.
///
/// **Guarantees.** Amounts of different currencies stay apart. What has no price is in `unpriced`,
/// so a sum that names nothing there is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    pub amounts: BTreeMap<Currency, Amount>,
    /// What has no price, in words: `no price for memory on lab`.
    pub unpriced: BTreeSet<String>,
}

impl Sum {
    pub fn add(&mut self, other: &Self) {
        for (currency, amount) in &other.amounts {
            let sum = self.amounts.entry(*currency).or_default();
            *sum = sum.plus(*amount);
        }
        self.unpriced.extend(other.unpriced.iter().cloned());
    }

    /// How much of it is in that currency.
    #[must_use]
    pub fn of(&self, currency: Currency) -> Amount {
        self.amounts.get(&currency).copied().unwrap_or_default()
    }

    /// The one amount that it is; `None` where something has no price, or there are several
    /// currencies, or none.
    #[must_use]
    pub fn whole(&self) -> Option<Money> {
        let mut amounts = self.amounts.iter();
        let (currency, amount) = amounts.next()?;
        let is_whole = self.unpriced.is_empty() && amounts.next().is_none();
        is_whole.then_some(Money {
            currency: *currency,
            amount: *amount,
        })
    }

    /// Nothing of it has a price.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.amounts.is_empty()
    }
}

impl<'a> FromIterator<&'a Sum> for Sum {
    fn from_iter<I: IntoIterator<Item = &'a Sum>>(sums: I) -> Self {
        let mut all = Self::default();
        sums.into_iter().for_each(|sum| all.add(sum));
        all
    }
}

/// `12.40 USD`, `12.40 USD + 900.00 KRW`, with `+ ?` behind what is not whole; `?` when nothing is
/// known.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amounts = self.amounts.iter();
        let told = amounts.map(|(currency, amount)| format!("{} {currency}", amount.in_cents()));
        let mut told: Vec<String> = told.collect();
        if !self.unpriced.is_empty() {
            told.push("?".to_owned());
        }
        match told.is_empty() {
            true => f.pad("-"),
            false => f.pad(&told.join(" + ")),
        }
    }
}
