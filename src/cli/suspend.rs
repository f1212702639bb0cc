//! `metrom suspend ENV` and `metrom resume ENV`: nothing is changed until a person says so.

use anyhow::{Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::person::Word;
use super::system::{SystemClock, account};
use crate::model::{EnvName, Memo, MemoKind, Suspension};
use crate::port::Clock;

/// Leaves an environment as it is, whatever git says, until `metrom resume`
#[derive(Debug, Args)]
pub struct Suspend {
    env: EnvName,
    /// Why, for those who wonder
    #[arg(long, default_value = "")]
    reason: String,
}

/// Ends `metrom suspend`, and brings the environment to its declaration
#[derive(Debug, Args)]
pub struct Resume {
    env: EnvName,
}

pub async fn suspend(args: &Suspend, global: &Global) -> Result<Exit> {
    let word = Word::on(&args.env, global).await?;
    let (by, reason) = (account(), args.reason.trim().to_owned());
    let since = SystemClock.now();
    let suspension = Suspension { since, by, reason };
    let what = match suspension.reason.as_str() {
        "" => "suspend".to_owned(),
        reason => format!("suspend: {reason}"),
    };
    word.put(&Memo::Suspended(suspension), what).await?;
    anstream::println!(
        "{}: nothing is changed until `metrom resume {}`",
        args.env,
        args.env
    );
    Ok(Exit::Done)
}

pub async fn resume(args: &Resume, global: &Global) -> Result<Exit> {
    let word = Word::on(&args.env, global).await?;
    let memos = word.wiring.store.memos(&args.env).await?;
    if memos.suspended.is_none() {
        bail!(
            "{} is not suspended by `metrom suspend`; a `suspend: true` in its file is ended there",
            args.env
        );
    }
    word.drop(MemoKind::Suspended, "resume".to_owned()).await?;
    word.bring().await
}
