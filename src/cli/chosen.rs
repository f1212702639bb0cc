//! Which environments a command is about.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::model::EnvName;
use crate::reconcile::{Tick, Viewer};

/// How alike a name must be to be meant, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The environments that were asked for, or all there are.
///
/// # Errors
/// When one was asked for that is neither declared nor live nor known, or when there is no telling
/// because the repository cannot be read.
pub async fn environments(viewer: &Viewer, tick: &Tick, asked: &[EnvName]) -> Result<Vec<EnvName>> {
    let all = viewer.environments(tick).await;
    if asked.is_empty() {
        return match (&tick.head, all.is_empty()) {
            (Err(error), true) => Err(error.clone().into()),
            (Err(_), false) | (Ok(_), _) => Ok(all.into_iter().collect()),
        };
    }
    for env in asked {
        if !all.contains(env) {
            if let Err(error) = &tick.head {
                return Err(error.clone().into());
            }
            bail!("there is no environment `{env}`; {}", hint(env, &all));
        }
    }
    let once: BTreeSet<&EnvName> = asked.iter().collect();
    Ok(once.into_iter().cloned().collect())
}

fn hint(env: &EnvName, all: &BTreeSet<EnvName>) -> String {
    let likeness = |other: &&EnvName| strsim::jaro_winkler(env.as_str(), other.as_str());
    let nearest = all
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|other| likeness(other) >= ALIKE) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`metrom get environments` lists them".to_owned(),
    }
}
