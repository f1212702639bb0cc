//! `metrom trash`: data volumes that nothing declares any more.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::apply::stop_when_asked;
use super::exit::Exit;
use super::output::table;
use super::progress::{Detail, Progress};
use super::system::SystemClock;
use super::wiring::{Wiring, view};
use super::{Global, destroy};
use crate::model::text::{mib, minute};
use crate::model::{EnvName, Key, Live, Timestamp};
use crate::port::Clock;
use crate::reconcile::{Aim, DataVolumes, End};

/// Shows or removes data that was kept when its environment ended
///
/// Data is kept as long as `retain` says. Declare the environment again, or give it a longer
/// lifetime, and it has its data again.
#[derive(Debug, Args)]
pub struct Trash {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the data volumes that are kept, and until when
    List,
    /// Copies the data that is kept of an environment into a new one
    ///
    /// Commit the file of the new environment first, and restore before it is applied; where
    /// `metrom serve` would be faster, say `suspend: true` in the file until it is done.
    Restore(Restore),
    /// Removes the data of an environment at once
    Purge(Purge),
}

#[derive(Debug, Args)]
struct Restore {
    env: EnvName,
    /// The environment that gets a copy: declared, and never applied
    #[arg(long, value_name = "ENV")]
    to: EnvName,
}

#[derive(Debug, Args)]
struct Purge {
    env: EnvName,
    /// Asks nothing
    #[arg(short, long)]
    yes: bool,
}

/// One data volume that is kept.
#[derive(Debug, Serialize)]
struct Kept {
    environment: EnvName,
    volume: String,
    provider: Option<String>,
    size_mib: Option<u64>,
    /// `None`: until a person removes it.
    until: Option<Timestamp>,
}

pub async fn run(args: &Trash, global: &Global) -> Result<Exit> {
    match &args.command {
        Command::List => list(global).await,
        Command::Restore(restore) => self::restore(restore, global).await,
        Command::Purge(purge) => self::purge(purge, global).await,
    }
}

async fn list(global: &Global) -> Result<Exit> {
    let kept = kept(&Wiring::open(global).await?).await?;
    if global.output.print(&kept)? {
        return Ok(Exit::Done);
    }
    if kept.is_empty() {
        anstream::println!("nothing is kept");
        return Ok(Exit::Done);
    }
    let rows = kept.iter().map(|kept| {
        [
            kept.environment.to_string(),
            kept.volume.clone(),
            kept.size_mib.map_or_else(String::new, mib),
            kept.provider.clone().unwrap_or_default(),
            kept.until.map_or("somebody removes it".to_owned(), minute),
        ]
    });
    let header = ["environment", "volume", "size", "on", "kept until"];
    anstream::println!("{}", table(header, rows));
    Ok(Exit::Done)
}

async fn kept(wiring: &Wiring) -> Result<Vec<Kept>> {
    let viewer = wiring.viewer();
    let tick = viewer.tick(SystemClock.now()).await;
    let mut kept = Vec::new();
    for env in viewer.environments(&tick).await {
        let seen = view(&viewer, &tick, &env).await?;
        // What may be declared where nobody can read is nobody's to purge.
        if let Some(aim) = seen.aim.filter(|_| seen.faults.is_empty()) {
            kept.extend(kept_of(&aim));
        }
    }
    Ok(kept)
}

/// The data of an environment that should not be and has no machine; none of any other.
fn kept_of(aim: &Aim) -> Vec<Kept> {
    if aim.desired.provider.is_some() || aim.observed.has_machine() {
        return Vec::new();
    }
    let until = match aim.policy.data_volumes {
        DataVolumes::Keep { until } => until,
        DataVolumes::Delete => Some(aim.now),
    };
    let volumes = aim
        .observed
        .live
        .iter()
        .filter_map(|(key, claims)| match key {
            Key::Volume(name) => Some((name, claims)),
            Key::Image
            | Key::Machine
            | Key::Guest
            | Key::Containers
            | Key::Checkout(_)
            | Key::Stack => None,
        });
    let one = |name: &String, live: &Live| Kept {
        environment: aim.desired.env.clone(),
        volume: name.clone(),
        provider: live.provider.as_ref().map(ToString::to_string),
        size_mib: live.fields.as_volume().map(|volume| volume.size_mib),
        until,
    };
    volumes
        .flat_map(|(name, claims)| claims.iter().map(move |live| one(name, live)))
        .collect()
}

async fn restore(args: &Restore, global: &Global) -> Result<Exit> {
    let Restore { env, to } = args;
    let wiring = Wiring::open(global).await?;
    let progress = Arc::new(Progress::new(Detail::Steps));
    let reconciler = wiring.reconciler().watched_by(progress.clone());
    let tick = reconciler.tick().await;
    stop_when_asked(&reconciler, progress)?;
    let report = reconciler.restore(&tick, env, to).await?;
    match &report.end {
        End::Applied => {}
        End::Failed(_, message) => bail!("{message}"),
        End::Settled | End::Stalled | End::Busy | End::Stopped => {
            bail!("it did not come to an end; the same command goes on from there")
        }
    }
    anstream::println!("{to}: it has a copy of the data of {env}; `metrom apply {to}` goes on");
    Ok(Exit::Done)
}

async fn purge(args: &Purge, global: &Global) -> Result<Exit> {
    let env = &args.env;
    let kept = kept(&Wiring::open(global).await?).await?;
    if !kept.iter().any(|kept| kept.environment == *env) {
        bail!("no data of `{env}` is kept; `metrom trash list` shows what is");
    }
    let end = destroy::Destroy::with_data(env.clone(), args.yes);
    destroy::run(&end, global).await
}
