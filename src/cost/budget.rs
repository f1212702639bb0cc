//! Budgets: who fits, when the money is spent, and what is to be done then.
//!
//! What lives is counted first, as it is there; then what it would grow by, the oldest first; then
//! what is not there yet, by name. So the same facts always give the same answer, and nothing that
//! lives makes room for what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::hours::Window;
use super::life::Life;
use super::sum::Sum;
use crate::manifest::schema::{Budget, Over};
use crate::manifest::{DeclaredBudget, Whose};
use crate::model::text::minute;
use crate::model::{
    Amount, Currency, Desired, Digest, EnvName, Key, ProjectName, ProviderName, Purse, Stamp,
    Timestamp,
};

/// One environment as budgets see it.
#[derive(Debug, Clone)]
pub struct Account {
    pub env: EnvName,
    pub project: Option<ProjectName>,
    /// Where it is to be.
    pub provider: ProviderName,
    /// As it is declared; what is only left of one, as it is there.
    pub declared: Life,
    /// As it is there, where its machine is seen: with the provider that has it.
    pub there: Option<(ProviderName, Life)>,
    /// Since when it lives; `None`: it is not there yet.
    pub lives: Option<Timestamp>,
    /// A spent budget puts it to sleep.
    pub may_sleep: bool,
    /// It is made ahead, and comes after what somebody asked for.
    pub is_warm: bool,
    pub made_from: Option<MadeFrom>,
}

/// The declaration of a machine, as far as it says how large the disk is of what carries its stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFrom {
    pub digest: Digest,
    pub disk_mib: u64,
}

impl MadeFrom {
    #[must_use]
    pub fn of(desired: &Desired) -> Option<Self> {
        Some(Self {
            digest: desired.resources.get(&Key::Machine)?.digest.clone(),
            disk_mib: desired.machine()?.disk_mib,
        })
    }

    /// The disk of a machine with that stamp; known only while it is as declared.
    #[must_use]
    pub fn disk_mib(&self, stamp: Option<&Stamp>) -> Option<u64> {
        let made_from = stamp?.digest.as_ref()?;
        let is_same = made_from.halves().0 == self.digest.halves().0;
        is_same.then_some(self.disk_mib)
    }
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub whose: Whose,
    pub budget: Budget,
    /// The file that declares it.
    pub path: String,
    /// What counts to it this month until now.
    pub to_date: Amount,
    /// What this month would come to as declared, and the next one.
    pub forecast: Amount,
    pub next: Amount,
    /// What could not be counted: no price, or another currency.
    pub uncounted: BTreeSet<String>,
    /// When the money of this month is spent, or was, and machines sleep.
    pub spent: Option<Timestamp>,
}

impl Standing {
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.forecast > self.budget.month.amount
    }

    /// `suffices`, `over` when this month will come to more than it has, `spent` when it has.
    #[must_use]
    pub fn word(&self, now: Timestamp) -> &'static str {
        match self.spent {
            Some(spent) if spent <= now => "spent",
            Some(_) | None if self.is_over() => "over",
            Some(_) | None => "suffices",
        }
    }
}

/// `budget of project shop: 120.00 of 100.00 USD this month`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}",
            told(&self.whose, &self.budget, self.forecast, "this month")
        )
    }
}

fn told(whose: &Whose, budget: &Budget, amount: Amount, when: &str) -> String {
    format!(
        "budget of {whose}: {} of {} {when}",
        amount.in_cents(),
        cents(budget)
    )
}

fn cents(budget: &Budget) -> String {
    format!(
        "{} {}",
        budget.month.amount.in_cents(),
        budget.month.currency
    )
}

/// What budgets say of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Why it is not made, or nothing of it may become dearer.
    pub held: Option<String>,
    /// A budget that stops counts it.
    pub purse: Option<Purse>,
    /// Why it sleeps until the month ends, whatever a person wishes.
    pub spent: Option<String>,
}

/// What this month and the next come to, in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Need {
    now: Amount,
    next: Amount,
}

impl Need {
    fn of((now, next): &(Sum, Sum), currency: Currency) -> Self {
        Self {
            now: now.of(currency),
            next: next.of(currency),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            now: self.now.plus(other.now),
            next: self.next.plus(other.next),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            now: self.now.minus(other.now),
            next: self.next.minus(other.next),
        }
    }
}

/// What an account comes to, this month and the next: as declared, and as it is there.
struct Needs {
    declared: (Sum, Sum),
    there: Option<(Sum, Sum)>,
}

impl Needs {
    fn of(account: &Account, month: Window) -> Self {
        let both = |life: &Life| (life.cost(month), life.cost(month.next_month()));
        Self {
            declared: both(&account.declared),
            there: account.there.as_ref().map(|(_, life)| both(life)),
        }
    }
}

/// All budgets at one instant.
pub(super) struct Review<'a> {
    month: Window,
    now: Timestamp,
    budgets: &'a [DeclaredBudget],
    accounts: &'a mut [Account],
    /// Of each account, before anything sleeps because of a budget.
    needs: Vec<Needs>,
    /// What counts to each budget so far.
    counted: Vec<Need>,
    held: BTreeMap<EnvName, String>,
}

impl<'a> Review<'a> {
    pub fn new(budgets: &'a [DeclaredBudget], accounts: &'a mut [Account], now: Timestamp) -> Self {
        accounts.sort_by(|a, b| {
            let place = |account: &Account| {
                let is_new = account.lives.is_none();
                (is_new, is_new && account.is_warm, account.lives)
            };
            (place(a), &a.env).cmp(&(place(b), &b.env))
        });
        let month = Window::month(now);
        let needs = match budgets.is_empty() {
            true => Vec::new(),
            false => accounts.iter().map(|a| Needs::of(a, month)).collect(),
        };
        Self {
            month,
            now,
            budgets,
            accounts,
            needs,
            counted: vec![Need::default(); budgets.len()],
            held: BTreeMap::new(),
        }
    }

    /// How the budgets stand, and what they say of each environment that they count.
    pub fn finish(mut self) -> (Vec<Standing>, BTreeMap<EnvName, Ruling>) {
        if self.budgets.is_empty() {
            return (Vec::new(), BTreeMap::new());
        }
        self.count_what_lives();
        for at in 0..self.accounts.len() {
            self.admit(at);
        }
        let needs = self.declared_needs();
        let spent = self.stop();
        let rulings = self.rulings(&spent);
        let standings = (0..self.budgets.len()).map(|at| self.standing(at, needs[at], spent[at]));
        (standings.collect(), rulings)
    }

    /// What is there stays, whatever the budget is.
    fn count_what_lives(&mut self) {
        for (place, budget) in self.budgets.iter().enumerate() {
            for at in 0..self.accounts.len() {
                if self.accounts[at].lives.is_some() {
                    let need = self.present(at, budget);
                    self.counted[place] = self.counted[place].plus(need);
                }
            }
        }
    }

    /// What an account asks for beside what is there: it gets it from all of its budgets, or it is
    /// held.
    fn admit(&mut self, at: usize) {
        let account = &self.accounts[at];
        let mut wanted = self.counted.clone();
        let mut objection = None;
        for (place, budget) in self.budgets.iter().enumerate() {
            let before = match account.lives {
                Some(_) => self.present(at, budget),
                None => Need::default(),
            };
            let after = self.wanted(at, budget);
            let total = wanted[place].minus(before).plus(after);
            let is_dearer = after.now > before.now || after.next > before.next;
            if is_dearer && budget.budget.over != Over::Warn {
                objection = objection.or_else(|| self.refusal(budget, before, after, total));
            }
            wanted[place] = total;
        }
        match objection {
            None => self.counted = wanted,
            Some(reason) => drop(self.held.insert(account.env.clone(), reason)),
        }
    }

    /// What is there of an account comes to.
    fn present(&self, at: usize, budget: &DeclaredBudget) -> Need {
        let account = &self.accounts[at];
        let (provider, needs) = match (&account.there, &self.needs[at].there) {
            (Some((provider, _)), Some(needs)) => (provider, needs),
            (_, _) => (&account.provider, &self.needs[at].declared),
        };
        match counts(account, provider, budget) {
            true => Need::of(needs, budget.budget.month.currency),
            false => Need::default(),
        }
    }

    /// What is declared of an account comes to.
    fn wanted(&self, at: usize, budget: &DeclaredBudget) -> Need {
        let account = &self.accounts[at];
        match counts(account, &account.provider, budget) {
            true => Need::of(&self.needs[at].declared, budget.budget.month.currency),
            false => Need::default(),
        }
    }

    /// Why that is too much, for this month or the next.
    fn refusal(
        &self,
        declared: &DeclaredBudget,
        before: Need,
        after: Need,
        total: Need,
    ) -> Option<String> {
        let DeclaredBudget {
            whose,
            budget,
            path,
        } = declared;
        let most = budget.month.amount;
        let next = format!("in {}", self.month.next_month().month_name());
        let said = if after.now > before.now && total.now > most {
            told(whose, budget, total.now, "this month")
        } else if after.next > before.next && total.next > most {
            told(whose, budget, total.next, &next)
        } else {
            return None;
        };
        Some(format!("{said}; raise `budget` in {path} or end something"))
    }

    /// What the budgets would come to if nothing were held.
    fn declared_needs(&self) -> Vec<Need> {
        let all = 0..self.accounts.len();
        let need = |budget: &DeclaredBudget| {
            all.clone()
                .fold(Need::default(), |sum, at| sum.plus(self.wanted(at, budget)))
        };
        self.budgets.iter().map(need).collect()
    }

    /// Puts machines to sleep from the instant on at which the money of a budget is spent; one
    /// budget after the other, so that what one puts to sleep does not cost the next.
    fn stop(&mut self) -> Vec<Option<Timestamp>> {
        let mut all = Vec::new();
        for budget in self.budgets {
            let spent = match budget.budget.over {
                Over::Stop => self.spent(budget),
                Over::Warn | Over::Hold => None,
            };
            if let Some(from) = spent {
                let to = self.month.to;
                for account in self.accounts.iter_mut().filter(|a| a.may_sleep) {
                    if counts(account, &account.provider, budget) {
                        let before = account.declared.stopped;
                        let from = before.map_or(from, |before| before.from.min(from));
                        account.declared.stopped = Some(Window { from, to });
                    }
                }
            }
            all.push(spent);
        }
        all
    }

    /// The first instant of this month, to the second, at which more is spent than there is.
    fn spent(&self, budget: &DeclaredBudget) -> Option<Timestamp> {
        let most = budget.budget.month.amount;
        let is_spent = |second: i64| {
            let until = Timestamp::from_second(second).unwrap_or(self.month.to);
            self.cost_of(budget, self.month.until(until)) > most
        };
        let (mut low, mut high) = (self.month.from.as_second(), self.month.to.as_second());
        if !is_spent(high) {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match is_spent(middle) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        // What is spent at the very end stops nothing.
        Timestamp::from_second(high)
            .ok()
            .filter(|at| *at < self.month.to)
    }

    fn cost_of(&self, budget: &DeclaredBudget, window: Window) -> Amount {
        self.sum_of(budget, window).of(budget.budget.month.currency)
    }

    /// What counts to a budget, of what is not held.
    fn sum_of(&self, budget: &DeclaredBudget, window: Window) -> Sum {
        let counting = self.accounts.iter().filter(|account| {
            let is_there = account.lives.is_some() || !self.held.contains_key(&account.env);
            is_there && counts(account, &account.provider, budget)
        });
        let mut sum = Sum::default();
        counting.for_each(|account| sum.add(&account.declared.cost(window)));
        sum
    }

    fn rulings(&self, spent: &[Option<Timestamp>]) -> BTreeMap<EnvName, Ruling> {
        let ruling = |account: &Account| {
            let stopping = self.budgets.iter().zip(spent).filter(|(budget, _)| {
                let is_stop = budget.budget.over == Over::Stop && account.may_sleep;
                is_stop && counts(account, &account.provider, budget)
            });
            let stopping: Vec<(&DeclaredBudget, Option<Timestamp>)> =
                stopping.map(|(budget, spent)| (budget, *spent)).collect();
            let first = stopping.iter().filter_map(|(_, spent)| *spent).min();
            let is_spent = |spent: &Option<Timestamp>| spent.is_some_and(|at| at <= self.now);
            let spent = stopping.iter().find(|(_, spent)| is_spent(spent));
            Ruling {
                held: self.held.get(&account.env).cloned(),
                purse: (!stopping.is_empty()).then(|| self.purse(first)),
                spent: spent.map(|(budget, _)| self.told_spent(budget)),
            }
        };
        let all = self.accounts.iter();
        all.map(|account| (account.env.clone(), ruling(account)))
            .collect()
    }

    fn purse(&self, spent: Option<Timestamp>) -> Purse {
        match spent {
            Some(spent) if spent <= self.now => Purse::Spent {
                until: self.month.to,
            },
            Some(_) | None => Purse::Suffices { until: spent },
        }
    }

    fn told_spent(
        &self,
        DeclaredBudget {
            whose,
            path,
            budget,
        }: &DeclaredBudget,
    ) -> String {
        let (month, until) = (cents(budget), minute(self.month.to));
        format!(
            "budget of {whose}: {month} are spent, and it sleeps until {until}; raise `budget` in \
             {path}, or write `protect: true` for what has to run"
        )
    }

    fn standing(&self, at: usize, need: Need, spent: Option<Timestamp>) -> Standing {
        let DeclaredBudget {
            whose,
            budget,
            path,
        } = self.budgets[at].clone();
        let to_date = self.sum_of(&self.budgets[at], self.month.until(self.now));
        let others = to_date
            .amounts
            .iter()
            .filter(|(currency, _)| **currency != budget.month.currency);
        let others = others.map(|(currency, amount)| format!("{} {currency}", amount.in_cents()));
        let uncounted = to_date.unpriced.iter().cloned().chain(others).collect();
        Standing {
            to_date: to_date.of(budget.month.currency),
            forecast: need.now,
            next: need.next,
            uncounted,
            spent,
            whose,
            budget,
            path,
        }
    }
}

/// Whether what an account has on that provider counts to a budget.
fn counts(account: &Account, provider: &ProviderName, budget: &DeclaredBudget) -> bool {
    match &budget.whose {
        Whose::Project(project) => account.project.as_ref() == Some(project),
        Whose::Provider(name) => name == provider,
    }
}
