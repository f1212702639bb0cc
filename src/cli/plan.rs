//! `metrom plan [ENV…]`: what a sync would do, and why.

use anyhow::Result;
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::cost::warn_of_budgets;
use super::exit::Exit;
use super::output::{FAINT, WARN, paint};
use super::system::SystemClock;
use super::wiring::{Wiring, view};
use super::{Global, chosen, hosts, plan_text};
use crate::cost::Change;
use crate::http::view::{CostChangeView, PlanView};
use crate::model::{EnvName, Plan};
use crate::port::Clock;
use crate::reconcile::{Tick, View, Viewer, cost_change};

/// Machines that are looked into at once.
const AT_ONCE: usize = 8;

/// Shows what a sync would do, and does nothing
///
/// Nothing but the state folder is written: the command was never given anything that writes.
#[derive(Debug, Args)]
pub struct Planned {
    /// Environments [default: all that are declared or live]
    envs: Vec<EnvName>,
}

/// What a program gets for one environment.
#[derive(Serialize)]
struct Shown {
    environment: String,
    /// `None` when it is not known what should be.
    plan: Option<PlanView>,
    /// What it changes about the cost of a whole month.
    cost: Option<CostChangeView>,
    faults: Vec<String>,
}

pub async fn run(args: &Planned, global: &Global) -> Result<Exit> {
    let viewer = Wiring::open(global).await?.viewer();
    let tick = viewer.tick(SystemClock.now()).await;
    let views = views(&viewer, &tick, &args.envs).await?;
    let exit = views.iter().map(exit_of).fold(Exit::Done, Exit::or);
    let shown: Vec<Shown> = views.iter().map(|view| shown(&tick, view)).collect();
    if global.output.print(&shown)? {
        return Ok(exit);
    }
    for view in &views {
        anstream::println!("{}", text(view));
        if let Some(change) = change_of(&tick, view) {
            anstream::println!("  {}", plan_text::cost(&change));
        }
    }
    warn_of_budgets(&tick.ledger);
    hosts::warn_of_left(&tick);
    let plans: Vec<&Plan> = views.iter().filter_map(plan_of).collect();
    anstream::println!("{}", paint(FAINT, plan_text::total(&plans)));
    if exit == Exit::Changes {
        anstream::println!("{}", paint(FAINT, "`metrom apply` does this"));
    }
    Ok(exit)
}

/// One look at each of the chosen environments.
///
/// # Errors
/// When one of them is not known, or the store cannot be read.
pub async fn views(viewer: &Viewer, tick: &Tick, asked: &[EnvName]) -> Result<Vec<View>> {
    let envs = chosen::environments(viewer, tick, asked).await?;
    let looks = envs.iter().map(|env| view(viewer, tick, env));
    stream::iter(looks).buffered(AT_ONCE).try_collect().await
}

/// The plan of a view, when there is one.
#[must_use]
pub fn plan_of(view: &View) -> Option<&Plan> {
    view.aim.as_ref().map(|aim| &aim.plan)
}

fn exit_of(view: &View) -> Exit {
    let exit = plan_of(view).map_or(Exit::Failed, plan_text::exit);
    match view.faults.is_empty() {
        true => exit,
        false => Exit::Failed,
    }
}

fn change_of(tick: &Tick, view: &View) -> Option<Change> {
    cost_change(tick, view.aim.as_ref()?)
}

fn shown(tick: &Tick, view: &View) -> Shown {
    Shown {
        environment: view.env.to_string(),
        plan: plan_of(view).map(PlanView::from),
        cost: change_of(tick, view).as_ref().map(CostChangeView::from),
        faults: view.faults.clone(),
    }
}

/// The plan with what is wrong with its files.
#[must_use]
pub fn text(view: &View) -> String {
    let mut lines: Vec<String> = view
        .faults
        .iter()
        .map(|fault| format!("{}: {}", view.env, paint(WARN, fault)))
        .collect();
    lines.extend(plan_of(view).map(plan_text::whole));
    lines.join("\n")
}
