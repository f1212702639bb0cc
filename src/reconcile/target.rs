//! Which revision decides over an environment: the newest, or the last good one.
//!
//! A source that cannot be reached or is broken never changes what should be.

use super::tick::Tick;
use super::view::{Verdict, Viewer};
use crate::manifest::{Catalog, Standing};
use crate::model::{EnvName, Severity};
use crate::port::StoreError;

/// What decides, and what is wrong with anything newer: while there is such a fault, nothing is
/// deleted. Without any good revision nothing decides.
pub(super) async fn verdict(
    viewer: &Viewer,
    tick: &Tick,
    env: &EnvName,
) -> Result<(Option<Verdict>, Vec<String>), StoreError> {
    let catalog = match &tick.head {
        Err(error) => return last_good(viewer, env, vec![error.to_string()], None).await,
        Ok(catalog) => catalog,
    };
    match catalog.standing(env) {
        Standing::Good => Ok((Some(Verdict::Declared(catalog.clone())), Vec::new())),
        Standing::Absent if catalog.is_complete() => {
            Ok((Some(Verdict::Gone(catalog.clone())), Vec::new()))
        }
        Standing::Absent => {
            // Without a name in `metrom.yaml` it is not even known whose environments these are.
            let owned = catalog.owner().map(|_| catalog.clone());
            last_good(viewer, env, unreadable(catalog), owned.map(Verdict::Gone)).await
        }
        Standing::Broken => {
            let faults = catalog.stalled_by(env).map(ToString::to_string).collect();
            last_good(viewer, env, faults, None).await
        }
    }
}

fn unreadable(catalog: &Catalog) -> Vec<String> {
    let errors = catalog.diagnostics.iter();
    let errors = errors.filter(|d| d.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

async fn last_good(
    viewer: &Viewer,
    env: &EnvName,
    mut faults: Vec<String>,
    otherwise: Option<Verdict>,
) -> Result<(Option<Verdict>, Vec<String>), StoreError> {
    if faults.is_empty() {
        faults.push(format!("the declaration of {env} cannot be used"));
    }
    let Some(revision) = viewer.notes().good_revision(env).await? else {
        if otherwise.is_none() {
            faults.push(format!(
                "{env} has no earlier good revision, so nothing is done"
            ));
        }
        return Ok((otherwise, faults));
    };
    let catalog = match viewer.catalog(&revision).await {
        Ok(catalog) => catalog,
        Err(error) => {
            faults.push(format!("the last good revision is out of reach: {error}"));
            return Ok((otherwise, faults));
        }
    };
    let verdict = match catalog.standing(env) {
        Standing::Good => Some(Verdict::Declared(catalog)),
        Standing::Absent if catalog.is_complete() => Some(Verdict::Gone(catalog)),
        Standing::Absent | Standing::Broken => otherwise,
    };
    Ok((verdict, faults))
}
