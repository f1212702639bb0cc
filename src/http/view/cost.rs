//! What things cost.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::cost::{By, Change, Costs, Ledger, Standing, Sum, Window};
use crate::model::Timestamp;

/// Amounts side by side, never added across currencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SumView {
    /// Exact decimal numbers, by currency.
    pub amounts: BTreeMap<String, String>,
    /// What has no price and is not in the amounts.
    pub unpriced: Vec<String>,
    /// For people, to the cent.
    #[serde(skip)]
    shown: String,
}

/// What something costs, computed from declared prices and hours; nobody billed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostView {
    /// An hour in which the machine runs.
    pub hour: SumView,
    /// This calendar month (UTC) until now.
    pub month_to_date: SumView,
    /// This calendar month as a whole.
    pub month_forecast: SumView,
    /// The next calendar month.
    pub next_month: SumView,
    /// A whole month with its declared hours, whenever it was born or ends.
    pub full_month: SumView,
}

/// What a whole month costs before a plan is done, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostChangeView {
    pub before: SumView,
    pub after: SumView,
}

/// What one environment costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnvironmentCost {
    pub environment: String,
    pub project: Option<String>,
    pub provider: String,
    /// Whether it is there, or only declared.
    pub lives: bool,
    /// Why a budget holds it.
    pub held: Option<String>,
    pub cost: CostView,
}

/// A calendar month of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MonthCost {
    /// Such as `November 2026`.
    pub month: String,
    /// Until now; absent when it has not begun.
    pub to_date: Option<SumView>,
    pub forecast: SumView,
}

/// How a budget stands this calendar month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BudgetView {
    /// `project shop`, or the name of a host or a cloud.
    pub of: String,
    pub currency: String,
    pub amount: String,
    /// `warn`, `hold` or `stop`.
    pub over: &'static str,
    pub to_date: String,
    /// What this month would come to as declared, and the next one.
    pub forecast: String,
    pub next_month: String,
    pub is_over: bool,
    /// When the money of this month is spent, or was, and machines sleep.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub spent: Option<Timestamp>,
    /// What could not be counted.
    pub uncounted: Vec<String>,
    pub declared_in: String,
}

/// What everything costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LedgerView {
    pub environments: Vec<EnvironmentCost>,
    pub projects: BTreeMap<String, CostView>,
    pub providers: BTreeMap<String, CostView>,
    /// This month and the next.
    pub months: Vec<MonthCost>,
    pub total: CostView,
    pub budgets: Vec<BudgetView>,
}

impl SumView {
    /// As people read it, to the cent.
    #[must_use]
    pub fn in_cents(&self) -> String {
        self.shown.clone()
    }
}

impl From<&Sum> for SumView {
    fn from(sum: &Sum) -> Self {
        let Sum { amounts, unpriced } = sum;
        let told = amounts.iter();
        let told = told.map(|(currency, amount)| (currency.to_string(), amount.to_string()));
        Self {
            amounts: told.collect(),
            unpriced: unpriced.iter().cloned().collect(),
            shown: sum.to_string(),
        }
    }
}

impl From<&Costs> for CostView {
    fn from(costs: &Costs) -> Self {
        let Costs {
            hour,
            to_date,
            forecast,
            next,
            full,
        } = costs;
        Self {
            hour: hour.into(),
            month_to_date: to_date.into(),
            month_forecast: forecast.into(),
            next_month: next.into(),
            full_month: full.into(),
        }
    }
}

impl From<&Change> for CostChangeView {
    fn from(Change { before, after }: &Change) -> Self {
        Self {
            before: before.into(),
            after: after.into(),
        }
    }
}

impl From<&Standing> for BudgetView {
    fn from(standing: &Standing) -> Self {
        let Standing {
            whose,
            budget,
            path,
            to_date,
            forecast,
            next,
            uncounted,
            spent,
        } = standing;
        Self {
            of: whose.to_string(),
            currency: budget.month.currency.to_string(),
            amount: budget.month.amount.to_string(),
            over: budget.over.word(),
            to_date: to_date.to_string(),
            forecast: forecast.to_string(),
            next_month: next.to_string(),
            is_over: standing.is_over(),
            spent: *spent,
            uncounted: uncounted.iter().cloned().collect(),
            declared_in: path.clone(),
        }
    }
}

impl From<&Ledger> for LedgerView {
    fn from(ledger: &Ledger) -> Self {
        let environments = ledger.lines.iter().map(|(env, line)| EnvironmentCost {
            environment: env.to_string(),
            project: line.project.as_ref().map(ToString::to_string),
            provider: line.provider.to_string(),
            lives: line.lives,
            held: line.ruling.held.clone(),
            cost: CostView::from(&line.costs),
        });
        let by = |by| {
            let costs = ledger.by(by).into_iter();
            costs.map(|(name, costs)| (name, CostView::from(&costs)))
        };
        let total = ledger.total();
        Self {
            environments: environments.collect(),
            projects: by(By::Project).collect(),
            providers: by(By::Provider).collect(),
            months: months(ledger.month, &total),
            total: CostView::from(&total),
            budgets: ledger.budgets.iter().map(BudgetView::from).collect(),
        }
    }
}

fn months(month: Option<Window>, total: &Costs) -> Vec<MonthCost> {
    let Some(month) = month else {
        return Vec::new();
    };
    vec![
        MonthCost {
            month: month.month_name(),
            to_date: Some(SumView::from(&total.to_date)),
            forecast: SumView::from(&total.forecast),
        },
        MonthCost {
            month: month.next_month().month_name(),
            to_date: None,
            forecast: SumView::from(&total.next),
        },
    ]
}
