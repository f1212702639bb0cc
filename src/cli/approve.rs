//! `metrom approve ENV PLAN`: a person agrees to a plan that policy holds.

use anyhow::{Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::person::Word;
use super::system::{SystemClock, account};
use super::wiring::{Wiring, view};
use crate::model::{Digest, EnvName, EventKind, Memo};
use crate::port::Clock;

/// Fewer digits of a fingerprint name no plan.
const FEWEST_DIGITS: usize = 8;

/// Agrees to a plan that waits for it, or to the end of many environments at once
///
/// What is agreed to is the plan that was shown: if it has changed since, nothing is agreed to.
#[derive(Debug, Args)]
pub struct Approve {
    #[arg(required_unless_present = "deletions", value_name = "ENV")]
    env: Option<EnvName>,
    /// The fingerprint that `metrom plan` shows
    #[arg(requires = "env")]
    plan: Option<String>,
    /// The fingerprint of deletions that are more than may go at once
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "env")]
    deletions: Option<String>,
}

pub async fn run(args: &Approve, global: &Global) -> Result<Exit> {
    match (&args.env, &args.plan, &args.deletions) {
        (_, _, Some(named)) => deletions(named, global).await,
        (Some(env), Some(named), None) => plan(env, named, global).await,
        (Some(env), None, None) => {
            bail!("name the plan; `metrom plan {env}` shows its fingerprint")
        }
        (None, _, None) => bail!("name an environment and its plan"),
    }
}

async fn plan(env: &EnvName, named: &str, global: &Global) -> Result<Exit> {
    let word = Word::on(env, global).await?;
    let wiring = &word.wiring;
    let viewer = wiring.viewer();
    let tick = viewer.tick(SystemClock.now()).await;
    let seen = view(&viewer, &tick, env).await?;
    let awaits = seen.aim.and_then(|aim| aim.plan.awaits);
    let Some(fingerprint) = awaits else {
        bail!("no plan of {env} waits for an agreement; `metrom plan {env}` shows what it will do");
    };
    refuse_another(&fingerprint, named, &format!("metrom plan {env}"))?;
    let what = format!("approve {}", fingerprint.short());
    word.put(&Memo::Approved(fingerprint), what).await?;
    anstream::println!("{env}: agreed; the next sync does it, `metrom apply {env}` does it now");
    Ok(Exit::Done)
}

async fn deletions(named: &str, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let now = SystemClock.now();
    let tick = wiring.viewer().tick(now).await;
    if tick.exodus.is_allowed() {
        bail!("no deletions wait for an agreement");
    }
    refuse_another(&tick.exodus.fingerprint(), named, "metrom plan")?;
    for env in &tick.exodus.envs {
        wiring.store.put_memo(env, &Memo::EndAgreed(now)).await?;
        let kind = EventKind::PersonSaid {
            by: account(),
            what: "approve its deletion with that of others".to_owned(),
        };
        wiring.store.put_event(now, Some(env), &kind).await?;
    }
    let count = tick.exodus.envs.len();
    anstream::println!("agreed to the end of {count} environments; the next sync deletes them");
    Ok(Exit::Done)
}

fn refuse_another(fingerprint: &Digest, named: &str, shows: &str) -> Result<()> {
    let is_long_enough = named.len() >= FEWEST_DIGITS;
    if is_long_enough && fingerprint.as_str().starts_with(named) {
        return Ok(());
    }
    bail!(
        "`{named}` is not what waits now; nothing was agreed to. `{shows}` shows what waits: {}",
        fingerprint.short()
    )
}
