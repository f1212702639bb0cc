//! `metrom apply [ENV…]`: does now what a sync would do.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use super::exit::Exit;
use super::output::{BAD, FAINT, GOOD, WARN, paint, table};
use super::progress::{Detail, Progress};
use super::wiring::Wiring;
use super::{Global, chosen, next_moves};
use crate::http::view::{EnvironmentView, HeldView, RunView};
use crate::model::{EnvName, Trigger};
use crate::port::Store;
use crate::reconcile::{End, Reconciler, SyncReport, Tick};

/// Brings environments to their declaration, and stays until they are
///
/// Shows each plan and then does it. May be stopped and started again at any time. Another process
/// that works on an environment is waited for.
#[derive(Debug, Args)]
pub struct Apply {
    /// Environments [default: all that are declared or live]
    envs: Vec<EnvName>,
}

/// What came of one environment, for programs.
#[derive(Serialize)]
struct Shown {
    environment: String,
    /// `settled`, `held`, `failed`, `stalled` or `stopped`.
    result: &'static str,
    message: String,
    held: Vec<HeldView>,
    runs: Vec<RunView>,
}

pub async fn run(args: &Apply, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    bring(&wiring, &args.envs, global).await
}

/// Brings these environments, or all, to what they should be, and shows what came of it.
///
/// # Errors
/// When one of them is not there, or history cannot be read.
pub async fn bring(wiring: &Wiring, asked: &[EnvName], global: &Global) -> Result<Exit> {
    let detail = match global.verbose {
        0 => Detail::Steps,
        1.. => Detail::Lines,
    };
    let progress = Arc::new(Progress::new(detail));
    let reconciler = wiring.reconciler().watched_by(progress.clone());
    stop_when_asked(&reconciler, progress)?;
    let tick = reconciler.tick().await;
    let envs = chosen::environments(reconciler.viewer(), &tick, asked).await?;
    let at_once = concurrency(&tick);
    let work = envs
        .iter()
        .map(|env| reconciler.apply_until_settled(env, Trigger::Person));
    let reports: Vec<Vec<SyncReport>> = stream::iter(work).buffered(at_once).collect().await;
    report(&reports, &*wiring.store, global).await
}

/// Shows what came of it, and what to do next.
async fn report(reports: &[Vec<SyncReport>], store: &dyn Store, global: &Global) -> Result<Exit> {
    let last: Vec<&SyncReport> = reports.iter().filter_map(|rounds| rounds.last()).collect();
    let exit = last
        .iter()
        .map(|report| exit(report))
        .fold(Exit::Done, Exit::or);
    if !global.output.is_for_people() {
        let mut shown = Vec::new();
        for rounds in reports {
            shown.extend(for_programs(rounds, store).await?);
        }
        global.output.print(&shown)?;
        return Ok(exit);
    }
    anstream::println!("{}", outcome_table(&last));
    for view in last.iter().filter_map(|report| report.view.as_ref()) {
        let shown = EnvironmentView::new(view, None, None);
        anstream::print!("{}", next_moves::of(&shown));
    }
    Ok(exit)
}

fn outcome_table(reports: &[&SyncReport]) -> String {
    let rows = reports.iter().map(|report| {
        let (word, style) = match exit(report) {
            Exit::Done => (word(report), GOOD),
            Exit::Held | Exit::Changes => (word(report), WARN),
            Exit::Failed | Exit::Usage | Exit::Of(_) => (word(report), BAD),
        };
        [report.env.to_string(), paint(style, word), message(report)]
    });
    let text = table(["environment", "result", ""], rows);
    text.trim_end().to_owned()
}

/// The result of a sync in one word.
fn word(report: &SyncReport) -> &'static str {
    match &report.end {
        End::Settled if has_held(report) => "held",
        End::Settled => "settled",
        End::Applied => "unsettled",
        End::Failed(..) => "failed",
        End::Stalled => "stalled",
        End::Busy => "busy",
        End::Stopped => "stopped",
    }
}

fn message(report: &SyncReport) -> String {
    match &report.end {
        End::Settled => {
            let held = report.plan().into_iter().flat_map(|plan| &plan.held);
            held.map(|held| format!("{}: {}", held.key, held.reason))
                .collect::<Vec<_>>()
                .join("; ")
        }
        End::Applied => "it moves by itself; look at `metrom plan`".to_owned(),
        End::Failed(_, message) => format!("{message}; `metrom logs {}` says more", report.env),
        End::Stalled => "it is not known what should be; `metrom check` says more".to_owned(),
        End::Busy => "another process works on it; `metrom logs -f` follows that".to_owned(),
        End::Stopped => "stopped; the next sync goes on from there".to_owned(),
    }
}

fn exit(report: &SyncReport) -> Exit {
    match &report.end {
        End::Settled if has_held(report) => Exit::Held,
        End::Settled => Exit::Done,
        End::Applied | End::Failed(..) | End::Stalled | End::Busy | End::Stopped => Exit::Failed,
    }
}

fn has_held(report: &SyncReport) -> bool {
    report.plan().is_some_and(|plan| !plan.held.is_empty())
}

async fn for_programs(rounds: &[SyncReport], store: &dyn Store) -> Result<Option<Shown>> {
    let Some(last) = rounds.last() else {
        return Ok(None);
    };
    let mut runs = Vec::new();
    for id in rounds.iter().filter_map(|report| report.run.as_ref()) {
        runs.extend(store.run(id).await?.as_ref().map(RunView::from));
    }
    let held = last.plan().into_iter().flat_map(|plan| &plan.held);
    Ok(Some(Shown {
        environment: last.env.to_string(),
        result: word(last),
        message: message(last),
        held: held.map(HeldView::from).collect(),
        runs,
    }))
}

/// How many environments are worked on at once, as the repository says.
fn concurrency(tick: &Tick) -> usize {
    let policies = tick.head.as_ref().map(|catalog| catalog.policies());
    let policies = policies.unwrap_or_default();
    usize::try_from(policies.concurrency).unwrap_or(1).max(1)
}

/// The first interrupt lets running steps finish, the second ends the process.
///
/// # Errors
/// When signals cannot be listened to.
pub fn stop_when_asked(reconciler: &Reconciler, progress: Arc<Progress>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let stopping = reconciler.stopping().clone();
    let context = "cannot listen to signals";
    let mut interrupt = signal(SignalKind::interrupt()).context(context)?;
    let mut terminate = signal(SignalKind::terminate()).context(context)?;
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !is_first {
                std::process::exit(130);
            }
            stopping.cancel();
            let line = "stopping after the running steps; once more stops at once";
            progress.say(&paint(FAINT, line));
        }
    });
    Ok(())
}
