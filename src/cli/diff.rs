//! `metrom diff REV..REV`: what another revision makes different.

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::output::{BOLD, GOOD, WARN, paint};
use super::system::SystemClock;
use super::wiring::source;
use crate::manifest::{Catalog, Changed, Difference, What, differences, load};
use crate::model::EnvName;
use crate::port::{Clock, Source};
use crate::source::GitSource;

/// Shows what another revision makes different, environment by environment
///
/// Going back is a revert in git; this shows beforehand what it changes.
#[derive(Debug, Args)]
pub struct Diff {
    /// Two revisions, such as `HEAD~1..HEAD`; a single one is compared with `HEAD`
    #[arg(value_name = "REV..REV")]
    range: String,
    /// Only these environments
    envs: Vec<EnvName>,
}

/// A value longer than this is a digest or a text that nobody reads here, in characters.
const LONGEST: usize = 60;

pub async fn run(args: &Diff, global: &Global) -> Result<Exit> {
    let (from, to) = args.range.split_once("..").unwrap_or((&args.range, "HEAD"));
    let source = source(global)?;
    source.head().await?;
    let (before, after) = (catalog(&source, from).await?, catalog(&source, to).await?);
    let mut found = differences(&before, &after, SystemClock.now());
    if let Some(unknown) = args.envs.iter().find(|env| !is_there(env, &before, &after)) {
        bail!("there is no environment `{unknown}` at either revision");
    }
    found.retain(|difference| args.envs.is_empty() || args.envs.contains(&difference.env));
    let exit = match found.is_empty() {
        true => Exit::Done,
        false => Exit::Changes,
    };
    if global.output.print(&found)? {
        return Ok(exit);
    }
    if found.is_empty() {
        anstream::println!("no environment differs");
    }
    for difference in &found {
        anstream::println!("{}", shown(difference));
    }
    Ok(exit)
}

fn is_there(env: &EnvName, before: &Catalog, after: &Catalog) -> bool {
    before.names().chain(after.names()).any(|name| name == env)
}

async fn catalog(source: &GitSource, named: &str) -> Result<Catalog> {
    let named = if named.is_empty() { "HEAD" } else { named };
    let revision = source.named(named).await?;
    let revision = revision.with_context(|| {
        format!("there is no revision `{named}`; `git log` lists them, `HEAD~1` is the one before")
    })?;
    Ok(load(&*source.snapshot(&revision).await?))
}

fn shown(difference: &Difference) -> String {
    let Difference { env, what } = difference;
    let heading = |word: String| format!("{} {word}", paint(BOLD, env));
    match what {
        What::Added => heading(paint(GOOD, "is new")),
        What::Removed => heading(paint(WARN, "is gone")),
        What::Unknown => heading(paint(
            WARN,
            "has errors at one of the two; `metrom check` tells",
        )),
        What::Changed(fields) => {
            let lines = fields.iter().map(line);
            let heading = [heading("differs".to_owned())];
            let all: Vec<String> = heading.into_iter().chain(lines).collect();
            all.join("\n")
        }
    }
}

fn line(changed: &Changed) -> String {
    let Changed {
        key,
        field,
        from,
        to,
    } = changed;
    let value = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), short);
    format!(
        "  ~ {:<16} {field} {} → {}",
        key.to_string(),
        value(from),
        value(to)
    )
}

fn short(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    match line.chars().count() > LONGEST || line.len() < value.trim_end().len() {
        true => format!("{}…", line.chars().take(LONGEST).collect::<String>()),
        false => line.to_owned(),
    }
}
