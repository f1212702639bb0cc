//! `metrom wake ENV` and `metrom sleep ENV`: a machine that runs, or does not, for a while.

use anyhow::{Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::output::{WARN, paint};
use super::person::Word;
use super::system::{SystemClock, account};
use crate::manifest::schema::Span;
use crate::model::text::minute;
use crate::model::{EnvName, Memo, MemoKind, Wish};
use crate::port::Clock;

/// Starts the machine of an environment outside its office hours, for a while
#[derive(Debug, Args)]
pub struct Wake {
    #[command(flatten)]
    wish: Wished,
}

/// Stops the machine of an environment, for a while
#[derive(Debug, Args)]
pub struct Sleep {
    #[command(flatten)]
    wish: Wished,
}

#[derive(Debug, Args)]
struct Wished {
    env: EnvName,
    /// How long, such as 90m or 2h; then its office hours count again
    #[arg(long = "for", default_value = "2h", value_name = "TIME")]
    time: Span,
    /// Ends an earlier `wake` or `sleep` instead
    #[arg(long, conflicts_with = "time")]
    end: bool,
}

pub async fn wake(args: &Wake, global: &Global) -> Result<Exit> {
    record(&args.wish, true, global).await
}

pub async fn sleep(args: &Sleep, global: &Global) -> Result<Exit> {
    record(&args.wish, false, global).await
}

async fn record(args: &Wished, is_awake: bool, global: &Global) -> Result<Exit> {
    let word = Word::on(&args.env, global).await?;
    if args.end {
        let what = "what its office hours say".to_owned();
        word.drop(MemoKind::Wish, what).await?;
        return word.bring().await;
    }
    let Ok(until) = SystemClock.now().checked_add(args.time.duration()) else {
        bail!("{} is too far ahead", args.time);
    };
    let by = account();
    let wish = Wish {
        is_awake,
        until,
        by,
    };
    let verb = if is_awake { "wake" } else { "sleep" };
    let what = format!("{verb} until {}", minute(until));
    word.put(&Memo::Wish(wish), what).await?;
    if let Some(spent) = word.spent.as_ref().filter(|_| is_awake) {
        anstream::eprintln!("{}: {}: {spent}", paint(WARN, "warning"), args.env);
    }
    word.bring().await
}
