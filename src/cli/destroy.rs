//! `metrom destroy ENV`: the end of a machine, because a person says so.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::apply::stop_when_asked;
use super::exit::Exit;
use super::output::{GOOD, WARN, paint};
use super::progress::{Detail, Progress};
use super::wiring::{Wiring, look};
use super::{Global, chosen, plan};
use crate::manifest::Standing;
use crate::model::{EnvName, Gap, Held, Key, Scope};
use crate::reconcile::{Aim, DataVolumes, End, Reconciler, Tick};

/// Deletes the machine of an environment, and with --data its data volumes
///
/// The ordinary way is to delete the file of the environment in git: the next sync does the rest.
/// This is for what no file is left for, or for a machine that should be made anew.
#[derive(Debug, Args)]
pub struct Destroy {
    env: EnvName,
    /// Deletes the data volumes as well: databases, uploads, everything
    #[arg(long)]
    data: bool,
    /// Asks nothing
    #[arg(short, long)]
    yes: bool,
    /// Also while it is declared; the next sync makes it anew
    #[arg(long)]
    declared: bool,
    /// Its time is known to be up, or nothing declares it.
    #[arg(skip)]
    is_over: bool,
}

impl Destroy {
    /// The end of what is no longer declared, or whose time is up, with its data.
    pub fn with_data(env: EnvName, yes: bool) -> Self {
        Self {
            env,
            data: true,
            yes,
            declared: false,
            is_over: true,
        }
    }
}

pub async fn run(args: &Destroy, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let progress = Arc::new(Progress::new(match global.verbose {
        0 => Detail::Steps,
        1.. => Detail::Lines,
    }));
    let reconciler = wiring.reconciler().watched_by(progress.clone());
    let tick = reconciler.tick().await;
    chosen::environments(reconciler.viewer(), &tick, std::slice::from_ref(&args.env)).await?;
    if !args.is_over {
        refuse_declared(args, &tick)?;
    }
    let data = match args.data {
        true => DataVolumes::Delete,
        false => DataVolumes::Keep { until: None },
    };
    if !agreed(args, &reconciler, &tick, data).await? {
        return Ok(Exit::Failed);
    }
    stop_when_asked(&reconciler, progress)?;
    let reports = reconciler.destroy_until_gone(&args.env, data).await;
    let last = reports
        .last()
        .context("nothing was done: another process works on it")?;
    match &last.end {
        End::Settled => {}
        End::Failed(_, message) => bail!("{message}"),
        End::Applied | End::Stalled | End::Busy | End::Stopped => {
            bail!("it did not come to an end; the same command goes on from there")
        }
    }
    let aim = last.view.as_ref().and_then(|view| view.aim.as_ref());
    let aim = aim.context("it is not known what is left")?;
    let left = left(aim, args.data);
    if !left.is_empty() {
        bail!("{} may not be gone\n{}", args.env, left.join("\n"));
    }
    anstream::println!("{}: {}", args.env, paint(GOOD, "gone"));
    if !aim.plan.held.is_empty() {
        anstream::println!("its data volumes are kept; `--data` deletes them as well");
    }
    Ok(Exit::Done)
}

/// What is still there although it was to go, and what may be there where nobody can look.
fn left(aim: &Aim, with_data: bool) -> Vec<String> {
    let is_to_go = |held: &&Held| with_data || !matches!(held.key, Key::Volume(_));
    let held = aim.plan.held.iter().filter(is_to_go);
    let is_of_host = |gap: &&Gap| gap.scope != Scope::Guest;
    let gaps = aim.observed.gaps.iter().filter(is_of_host);
    held.map(ToString::to_string)
        .chain(gaps.map(|gap| format!("{}; try again when it answers", gap.reason)))
        .collect()
}

/// What is declared comes back: that is said before anything is lost.
fn refuse_declared(args: &Destroy, tick: &Tick) -> Result<()> {
    let env = &args.env;
    let Ok(catalog) = &tick.head else {
        anstream::eprintln!(
            "{}: the repository cannot be read; while `{env}` is declared it will be made anew",
            paint(WARN, "warning")
        );
        return Ok(());
    };
    let place = match catalog.environments.get(env) {
        Some(declared) => format!("{}:{}", declared.path, declared.line),
        None => "the repository".to_owned(),
    };
    match (catalog.standing(env), args.declared) {
        (Standing::Absent, _) => Ok(()),
        (Standing::Good | Standing::Broken, false) => bail!(
            "`{env}` is declared in {place}, so the next sync would make it anew; delete it there \
             and the next sync ends it, or say `--declared` to have it made anew"
        ),
        (Standing::Good | Standing::Broken, true) => {
            anstream::eprintln!(
                "{}: `{env}` is declared in {place}; the next sync makes it anew",
                paint(WARN, "warning")
            );
            Ok(())
        }
    }
}

/// Shows what will be done, and asks.
async fn agreed(
    args: &Destroy,
    reconciler: &Reconciler,
    tick: &Tick,
    data: DataVolumes,
) -> Result<bool> {
    let attempt = look(tick.at);
    let viewer = reconciler.viewer();
    let view = viewer.view_end(tick, &args.env, data, &attempt).await?;
    anstream::println!("{}", plan::text(&view));
    if args.yes || plan::plan_of(&view).is_none_or(|plan| plan.steps.is_empty()) {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to be asked; say `--yes`");
    }
    let question = match args.data {
        true => format!("delete the machine of {} and all its data?", args.env),
        false => format!("delete the machine of {}? its data volumes stay", args.env),
    };
    let answer = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false);
    answer.interact().context("there was no answer")
}
