//! `metrom cost`: what environments cost, and how budgets stand.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Global;
use super::exit::Exit;
use super::output::{BAD, BOLD, FAINT, GOOD, WARN, paint, table};
use super::system::SystemClock;
use super::wiring::Wiring;
use crate::cost::{By, Costs, Ledger, Line, Standing, Sum};
use crate::http::view::LedgerView;
use crate::model::EnvName;
use crate::model::text::minute;
use crate::port::Clock;

/// Shows what environments cost by the declared prices, and how budgets stand
///
/// Computed from prices and hours in the repository, for calendar months of UTC; nobody billed it.
#[derive(Debug, Args)]
pub struct Cost {
    /// What a line is about
    #[arg(long, value_enum, default_value = "environment")]
    by: Grouping,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Grouping {
    Environment,
    Project,
    Provider,
    Month,
}

pub async fn run(args: &Cost, global: &Global) -> Result<Exit> {
    let tick = Wiring::open(global).await?.viewer();
    let tick = tick.tick(SystemClock.now()).await;
    if let Err(error) = &tick.head {
        anstream::eprintln!("{}: {error}", paint(WARN, "warning"));
    }
    let gaps: Vec<_> = tick.inventories.gaps().collect();
    for gap in &gaps {
        anstream::eprintln!("{}: {}", paint(WARN, "not seen"), gap.reason);
    }
    let ledger = &tick.ledger;
    if !global.output.print(&LedgerView::from(ledger))? {
        show(args.by, ledger);
    }
    Ok(match gaps.is_empty() && tick.head.is_ok() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn show(by: Grouping, ledger: &Ledger) {
    if ledger.month.is_none() {
        anstream::println!("nothing has a price; write `prices` in a host or a cloud");
        return;
    }
    let text = match by {
        Grouping::Environment => environments(ledger),
        Grouping::Project => grouped("project", By::Project, ledger),
        Grouping::Provider => grouped("provider", By::Provider, ledger),
        Grouping::Month => months(ledger),
    };
    anstream::println!("{text}");
    if !ledger.budgets.is_empty() {
        anstream::println!("\n{}", budgets(&ledger.budgets));
    }
    let total = ledger.total();
    let missing: BTreeSet<&String> = total.unpriced().iter().collect();
    for missing in missing {
        anstream::println!("{}", paint(WARN, format!("? {missing}")));
    }
}

/// An hour takes more digits than a month.
fn hourly(sum: &Sum) -> String {
    let amounts = sum.amounts.iter();
    let told = amounts.map(|(currency, amount)| format!("{} {currency}", amount.rounded(4)));
    let mut told: Vec<String> = told.collect();
    if !sum.unpriced.is_empty() {
        told.push("?".to_owned());
    }
    match told.is_empty() {
        true => "-".to_owned(),
        false => told.join(" + "),
    }
}

fn cells(costs: &Costs) -> [String; 5] {
    [
        hourly(&costs.hour),
        costs.to_date.to_string(),
        costs.forecast.to_string(),
        costs.next.to_string(),
        costs.full.to_string(),
    ]
}

const SPANS: [&str; 5] = [
    "running hour",
    "month to date",
    "month forecast",
    "next month",
    "full month",
];

fn environments(ledger: &Ledger) -> String {
    let row = |(env, line): (&EnvName, &Line)| {
        let project = line.project.as_ref();
        let names = [
            env.to_string(),
            project.map_or_else(|| "-".to_owned(), ToString::to_string),
            line.provider.to_string(),
        ];
        let held = line.ruling.held.is_some();
        let state = match (line.lives, held) {
            (false, true) => paint(WARN, "held"),
            (false, false) => paint(FAINT, "declared"),
            (true, _) => "there".to_owned(),
        };
        [&names[..], &[state], &cells(&line.costs)].concat()
    };
    let mut rows: Vec<Vec<String>> = ledger.lines.iter().map(row).collect();
    let total = ["total", "", "", ""].map(|text| paint(BOLD, text));
    rows.push([&total[..], &cells(&ledger.total())].concat());
    let header = [&["environment", "project", "provider", "state"][..], &SPANS].concat();
    table(header, rows)
}

fn grouped(title: &'static str, by: By, ledger: &Ledger) -> String {
    let row = |(name, costs): (String, Costs)| [&[name][..], &cells(&costs)].concat();
    let mut rows: Vec<Vec<String>> = ledger.by(by).into_iter().map(row).collect();
    let total = [paint(BOLD, "total")];
    rows.push([&total[..], &cells(&ledger.total())].concat());
    table([&[title][..], &SPANS].concat(), rows)
}

fn months(ledger: &Ledger) -> String {
    let total = ledger.total();
    let month = ledger.month;
    let name = |month: Option<crate::cost::Window>| {
        month.map_or_else(String::new, |month| month.month_name())
    };
    let rows = [
        [
            name(month),
            total.to_date.to_string(),
            total.forecast.to_string(),
        ],
        [
            name(month.map(|month| month.next_month())),
            "-".to_owned(),
            total.next.to_string(),
        ],
    ];
    table(["month", "to date", "forecast"], rows)
}

fn budgets(standings: &[Standing]) -> String {
    let row = |standing: &Standing| {
        let currency = standing.budget.month.currency;
        let money = |amount: crate::model::Amount| format!("{} {currency}", amount.in_cents());
        let uncounted: Vec<&str> = standing.uncounted.iter().map(String::as_str).collect();
        [
            standing.whose.to_string(),
            money(standing.budget.month.amount),
            standing.budget.over.word().to_owned(),
            money(standing.to_date),
            money(standing.forecast),
            state(standing),
            match uncounted.is_empty() {
                true => "-".to_owned(),
                false => paint(WARN, uncounted.join(", ")),
            },
        ]
    };
    let header = [
        "budget",
        "a month",
        "over",
        "month to date",
        "month forecast",
        "state",
        "not counted",
    ];
    table(header, standings.iter().map(row))
}

fn state(standing: &Standing) -> String {
    match (standing.is_over(), standing.spent) {
        (_, Some(spent)) => paint(BAD, format!("spent at {}", minute(spent))),
        (true, None) => paint(WARN, "over"),
        (false, None) => paint(GOOD, "suffices"),
    }
}

/// Tells of budgets that do not suffice, beside what was asked for.
pub fn warn_of_budgets(ledger: &Ledger) {
    for standing in ledger.budgets.iter().filter(|standing| standing.is_over()) {
        anstream::eprintln!("{}: {standing}", paint(WARN, "warning"));
    }
}
