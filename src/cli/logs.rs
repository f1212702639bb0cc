//! `metrom logs ENV [SERVICE]`: what a run, or a service, wrote.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use super::exit::Exit;
use super::output::{FAINT, paint};
use super::reach::Reached;
use super::wiring::Wiring;
use super::{Global, exec, plan_text};
use crate::guest::{Follow, Logs as Wanted};
use crate::model::{EnvName, Run, RunId, RunState, StepId};
use crate::port::Store;

/// Shows the output of the last run, or the log of a service's containers
#[derive(Debug, Args)]
pub struct Logs {
    env: EnvName,
    /// A service of the stack; its containers' log is shown instead of the run's
    service: Option<String>,
    /// Goes on until the run ends, or until it is interrupted
    #[arg(short, long)]
    follow: bool,
    /// A run other than the last
    #[arg(long, value_name = "ID", conflicts_with = "service")]
    run: Option<String>,
    /// So many of the last lines of each container
    #[arg(long, default_value_t = 100, requires = "service")]
    lines: u32,
}

/// How often a run is asked for more.
const INTERVAL: Duration = Duration::from_millis(300);

/// Lines read at once.
const PAGE: u32 = 1_000;

pub async fn run(args: &Logs, global: &Global) -> Result<Exit> {
    match &args.service {
        Some(service) => of_service(args, service, global).await,
        None => of_run(args, global).await,
    }
}

async fn of_service(args: &Logs, service: &str, global: &Global) -> Result<Exit> {
    let reached = Reached::find(global, &args.env).await?;
    let wanted = Wanted {
        service: Some(service.to_owned()),
        follow: if args.follow { Follow::Yes } else { Follow::No },
        lines: args.lines,
    };
    let logs = &mut |line: &str| anstream::println!("{line}");
    let code = reached.guests.compose_logs(&reached.target, &wanted, logs);
    Ok(exec::exit(code.await?))
}

async fn of_run(args: &Logs, global: &Global) -> Result<Exit> {
    let store = Wiring::store(global).await?;
    let mut run = find(&*store, args).await?;
    let mut shown = Shown::default();
    loop {
        // Asked before the lines, so that what was written last is not missed.
        let is_over = run.state != RunState::Running;
        shown.rest(&*store, &run).await?;
        if is_over || !args.follow {
            break;
        }
        tokio::time::sleep(INTERVAL).await;
        run = again(&*store, &run.id).await?;
    }
    anstream::println!("{}", paint(FAINT, format!("run {} {}", run.id, run.state)));
    Ok(Exit::Done)
}

async fn find(store: &dyn Store, args: &Logs) -> Result<Run> {
    let Some(id) = &args.run else {
        let newest = store.runs(Some(&args.env), 1).await?.pop();
        return match newest {
            Some(run) => Ok(run),
            None => bail!(
                "there is no run of `{0}` yet; `metrom apply {0}` makes one",
                args.env
            ),
        };
    };
    again(store, &RunId(id.clone())).await
}

async fn again(store: &dyn Store, id: &RunId) -> Result<Run> {
    match store.run(id).await? {
        Some(run) => Ok(run),
        None => bail!("there is no run `{id}`; see `metrom get runs`"),
    }
}

/// How much of a log has been shown.
#[derive(Default)]
struct Shown {
    position: i64,
    step: Option<StepId>,
}

impl Shown {
    /// Shows what has come since, each step under its line in the plan.
    async fn rest(&mut self, store: &dyn Store, run: &Run) -> Result<()> {
        loop {
            let lines = store.log(&run.id, self.position, PAGE).await?;
            if lines.is_empty() {
                return Ok(());
            }
            for (position, step, line) in lines {
                if self.step.replace(step) != Some(step)
                    && let Some(record) = run.steps.iter().find(|record| record.id == step)
                {
                    anstream::println!("{}", plan_text::recorded(&record.line));
                }
                anstream::println!("    {line}");
                self.position = position;
            }
        }
    }
}
