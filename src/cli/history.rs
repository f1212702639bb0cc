//! `metrom history ENV`, and runs for people: what each step came to, and where the time went.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::exit::Exit;
use super::output::{BAD, BOLD, FAINT, GOOD, WARN, paint};
use super::span::{age, took};
use super::system::SystemClock;
use super::wiring::Wiring;
use super::{Global, plan_text};
use crate::http::view::RunView;
use crate::model::{EnvName, Outcome, Phase, Run, RunState, StepRecord, Timestamp};
use crate::port::Clock;

/// Shows what was done to an environment, and where the time went; the newest first
#[derive(Debug, Args)]
pub struct History {
    env: EnvName,
    /// So many of the last runs
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub async fn run(args: &History, global: &Global) -> Result<Exit> {
    let store = Wiring::store(global).await?;
    let runs = store.runs(Some(&args.env), args.limit).await?;
    let shown: Vec<RunView> = runs.iter().map(RunView::from).collect();
    if global.output.print(&shown)? {
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        anstream::println!("nothing was done to {} yet", args.env);
    }
    let now = SystemClock.now();
    for run in &runs {
        anstream::println!("{}", timeline(run, now));
    }
    Ok(Exit::Done)
}

/// A run with the timeline of its steps.
#[must_use]
pub fn timeline(run: &Run, now: Timestamp) -> String {
    let mut lines = vec![heading(run, now)];
    for record in &run.steps {
        lines.extend(step(run, record));
    }
    let held = run.held.iter().map(|line| paint(WARN, line));
    lines.extend(held.map(|line| format!("  {:<18} {line}", "held")));
    lines.join("\n")
}

fn heading(run: &Run, now: Timestamp) -> String {
    let style = match run.state {
        RunState::Running | RunState::Interrupted => WARN,
        RunState::Succeeded => GOOD,
        RunState::Failed => BAD,
    };
    let end = run.ended.unwrap_or(now);
    let spent = Duration::try_from(end.duration_since(run.started)).unwrap_or_default();
    format!(
        "{} {} in {}, {} ago {}",
        paint(BOLD, &run.id),
        paint(style, run.state),
        took(spent),
        age(run.started, now),
        paint(FAINT, format!("at {}", run.revision.short())),
    )
}

/// One line per step, more where it has parts or failed.
fn step(run: &Run, record: &StepRecord) -> Vec<String> {
    let line = plan_text::recorded(&record.line);
    match &record.outcome {
        None => vec![row(paint(FAINT, format!("{:<8}", "pending")), None, &line)],
        Some(Outcome::Done { took, phases }) => {
            let mut lines = vec![row(
                paint(GOOD, format!("{:<8}", "done")),
                Some(*took),
                &line,
            )];
            if !phases.is_empty() {
                lines.push(format!("{:21}{}", "", paint(FAINT, parts(phases))));
            }
            lines
        }
        Some(Outcome::Failed { took, chain, .. }) => {
            let first = row(paint(BAD, format!("{:<8}", "failed")), Some(*took), &line);
            let reason = chain.lines().map(|line| format!("{:21}{line}", ""));
            [first].into_iter().chain(reason).collect()
        }
        Some(Outcome::Skipped { because }) => {
            let word = paint(FAINT, format!("{:<8}", "skipped"));
            let root = run.steps.iter().find(|record| record.id == *because);
            let why = root.map_or(String::new(), |root| format!(" ({} failed)", root.key));
            vec![row(word, None, &format!("{line}{why}"))]
        }
    }
}

fn row(word: String, spent: Option<Duration>, line: &str) -> String {
    format!("  {word} {:>9} {line}", spent.map(took).unwrap_or_default())
}

/// `upload 5.1s, boot 22.4s`.
fn parts(phases: &[Phase]) -> String {
    let parts = phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, took(phase.took)));
    parts.collect::<Vec<_>>().join(", ")
}
