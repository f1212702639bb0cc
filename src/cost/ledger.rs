//! What everything costs at one instant, and what budgets say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::budget::{Account, MadeFrom, Review, Ruling, Standing};
use super::hours::{Window, open};
use super::life::Costs;
use super::sum::Sum;
use crate::manifest::{DeclaredBudget, Whose};
use crate::model::{EnvName, ProjectName, ProviderName, Purse, Timestamp};
use crate::schedule::OfficeHours;

/// What every environment costs, and how budgets stand. Empty where nothing has a price.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    pub lines: BTreeMap<EnvName, Line>,
    pub budgets: Vec<Standing>,
    pub at: Timestamp,
    /// The month that it is of; `None` where nothing has a price.
    pub month: Option<Window>,
}

/// What one environment costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub project: Option<ProjectName>,
    pub provider: ProviderName,
    pub costs: Costs,
    /// Whether it is there, or only declared.
    pub lives: bool,
    pub ruling: Ruling,
    /// When its machine runs, in this month and the next.
    pub open: Arc<[Window]>,
    /// What its machine is made of, as it is declared.
    pub made_from: Option<MadeFrom>,
    /// When its machine goes, and when its data does.
    pub end: Option<Timestamp>,
    pub data_end: Option<Timestamp>,
}

/// What lines are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Project,
    Provider,
}

impl Ledger {
    #[must_use]
    pub fn new(mut accounts: Vec<Account>, budgets: &[DeclaredBudget], now: Timestamp) -> Self {
        let review = Review::new(budgets, &mut accounts, now);
        let (standings, mut rulings) = review.finish();
        let line = |account: Account| {
            let ruling = rulings.remove(&account.env).unwrap_or_default();
            let line = Line {
                costs: account.declared.costs(now),
                lives: account.lives.is_some(),
                end: account.declared.end,
                data_end: account.declared.data_end,
                open: account.declared.open,
                made_from: account.made_from,
                project: account.project,
                provider: account.provider,
                ruling,
            };
            (account.env, line)
        };
        Self {
            lines: accounts.into_iter().map(line).collect(),
            budgets: standings,
            at: now,
            month: Some(Window::month(now)),
        }
    }

    /// The budgets that do not suffice, with how they are.
    #[must_use]
    pub fn short(&self) -> BTreeSet<(Whose, &'static str)> {
        let states = self.budgets.iter();
        let states = states.map(|budget| (budget.whose.clone(), budget.word(self.at)));
        states.filter(|(_, word)| *word != "suffices").collect()
    }

    /// Why an environment is not made, or may not become dearer.
    #[must_use]
    pub fn held(&self, env: &EnvName) -> Option<String> {
        self.lines.get(env)?.ruling.held.clone()
    }

    /// The same at a place: nothing is begun where nobody has counted whether there is money for it.
    #[must_use]
    pub fn held_at(&self, env: &EnvName, place: &ProviderName) -> Option<String> {
        let line = self.lines.get(env).filter(|line| line.provider == *place);
        match line {
            Some(line) => line.ruling.held.clone(),
            None if self.budgets.is_empty() => None,
            None => Some(format!(
                "whether budgets suffice for it on {place} is not known yet; the next look counts \
                 it again"
            )),
        }
    }

    /// What is left of the money, for what a budget may put to sleep.
    #[must_use]
    pub fn purse(&self, env: &EnvName) -> Option<Purse> {
        self.lines.get(env)?.ruling.purse
    }

    /// Why an environment sleeps until the month ends, whatever a person wishes.
    #[must_use]
    pub fn spent(&self, env: &EnvName) -> Option<&str> {
        self.lines.get(env)?.ruling.spent.as_deref()
    }

    /// When the answer of a budget changes by itself, beside what [`Self::purse`] says.
    #[must_use]
    pub fn until(&self, env: &EnvName) -> Option<Timestamp> {
        let held = self.lines.get(env)?.ruling.held.is_some();
        self.month.filter(|_| held).map(|month| month.to)
    }

    /// What several environments cost together: those that are there, and those that will be.
    #[must_use]
    pub fn by(&self, by: By) -> BTreeMap<String, Costs> {
        let mut found: BTreeMap<String, Costs> = BTreeMap::new();
        for line in self.counting() {
            let name = match by {
                By::Project => line
                    .project
                    .as_ref()
                    .map_or("-".to_owned(), ToString::to_string),
                By::Provider => line.provider.to_string(),
            };
            found.entry(name).or_default().add(&line.costs);
        }
        found
    }

    #[must_use]
    pub fn total(&self) -> Costs {
        let mut total = Costs::default();
        self.counting().for_each(|line| total.add(&line.costs));
        total
    }

    /// What is held costs nothing while it is held.
    fn counting(&self) -> impl Iterator<Item = &Line> {
        self.lines
            .values()
            .filter(|line| line.lives || line.ruling.held.is_none())
    }
}

impl Costs {
    pub fn add(&mut self, other: &Self) {
        let Self {
            hour,
            to_date,
            forecast,
            next,
            full,
        } = self;
        hour.add(&other.hour);
        to_date.add(&other.to_date);
        forecast.add(&other.forecast);
        next.add(&other.next);
        full.add(&other.full);
    }

    /// What of it has no price.
    #[must_use]
    pub fn unpriced(&self) -> &BTreeSet<String> {
        &self.full.unpriced
    }

    #[must_use]
    pub fn is_unknown(&self) -> bool {
        Sum::is_unknown(&self.full)
    }
}

/// When machines run in a month and the next, each hours followed once.
pub struct Calendar {
    horizon: Window,
    known: Vec<(OfficeHours, Arc<[Window]>)>,
    always: Arc<[Window]>,
}

impl Calendar {
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let month = Window::month(now);
        let to = month.next_month().to;
        let horizon = Window { to, ..month };
        Self {
            horizon,
            known: Vec::new(),
            always: Arc::new([horizon]),
        }
    }

    /// The stretches in which hours are open; all of it without hours.
    #[must_use]
    pub fn open(&mut self, hours: Option<&OfficeHours>) -> Arc<[Window]> {
        let Some(hours) = hours else {
            return Arc::clone(&self.always);
        };
        if let Some((_, known)) = self.known.iter().find(|(known, _)| known == hours) {
            return Arc::clone(known);
        }
        let found: Arc<[Window]> = open(Some(hours), self.horizon).into();
        self.known.push((hours.clone(), Arc::clone(&found)));
        found
    }

    /// The first instant from `now` on at which one of these is open.
    #[must_use]
    pub fn first(&self, open: &[Window], now: Timestamp) -> Timestamp {
        let next = open.iter().find(|stretch| stretch.to > now);
        next.map_or(self.horizon.to, |stretch| stretch.from.max(now))
    }
}
