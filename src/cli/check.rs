//! `metrom check [PATH]`: what is wrong with the files, before anybody else sees them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::output::{GOOD, paint};
use super::{Global, diagnostics, place, wiring};
use crate::manifest::{self, Catalog};
use crate::model::EnvName;
use crate::model::text::count;
use crate::source::folder;

/// Checks the files of a repository and shows every problem with its line
///
/// Reads the folder as it is, committed or not; with `--repo` and no PATH, the branch of that
/// repository.
#[derive(Debug, Args)]
pub struct Check {
    /// A folder [default: the git repository around the current folder that has a metrom.yaml]
    path: Option<PathBuf>,
}

pub async fn run(args: &Check, global: &Global) -> Result<Exit> {
    let catalog = match (&args.path, &global.repo) {
        (None, Some(_)) => wiring::catalog(global).await?,
        (path, _) => catalog(&folder(path.as_deref())?).await?,
    };
    let found = &catalog.diagnostics;
    let exit = diagnostics::exit(found);
    let report = json!({
        "revision": catalog.revision,
        "environments": names(&catalog).collect::<Vec<_>>(),
        "diagnostics": found,
    });
    if global.output.print(&report)? {
        return Ok(exit);
    }
    if !found.is_empty() {
        anstream::println!("{}\n", diagnostics::picture(found));
    }
    match diagnostics::summary(found) {
        Some(summary) => anstream::println!("{summary} in {}", size(&catalog)),
        None => anstream::println!("{}: {}", paint(GOOD, "good"), size(&catalog)),
    }
    Ok(exit)
}

/// The folder that was asked for, or the repository around the current one.
///
/// # Errors
/// When nothing was asked for and there is none around.
pub fn folder(asked: Option<&Path>) -> Result<PathBuf> {
    match asked {
        Some(path) => Ok(path.to_owned()),
        None => Ok(PathBuf::from(place::repository(None)?)),
    }
}

/// What the files of a folder declare, committed or not.
///
/// # Errors
/// When the folder cannot be read.
pub async fn catalog(root: &Path) -> Result<Catalog> {
    let root = root.to_owned();
    let reading = tokio::task::spawn_blocking(move || folder::snapshot(&root));
    let snapshot = reading
        .await
        .context("reading the folder was cut short")??;
    Ok(manifest::load(&snapshot))
}

/// What files declare as environments: warm machines are none.
fn names(catalog: &Catalog) -> impl Iterator<Item = &EnvName> {
    catalog.names().filter(|name| !name.is_of_pool())
}

fn size(catalog: &Catalog) -> String {
    format!(
        "{}, {}, {}",
        count(names(catalog).count(), "environment"),
        count(catalog.templates.len(), "template"),
        count(catalog.providers.len(), "provider"),
    )
}
