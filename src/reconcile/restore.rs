//! Data that was kept, copied into another environment.

use std::collections::BTreeSet;

use super::aim::Aim;
use super::intent;
use super::plan::{Attempt, finished};
use super::sync::{Reconciler, SyncReport};
use super::tick::Tick;
use crate::model::{
    Action, Cause, EnvName, Key, Live, Plan, ProviderAction, Risk, Spec, Step, StepId, Trigger,
};
use crate::port::StoreError;

/// Why data is not restored; each says the next move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("nothing of {from} is kept; `metrom trash list` shows what is")]
    NothingKept { from: EnvName },
    #[error("{to} is not declared, or not good; `metrom check` says why")]
    NotDeclared { to: EnvName },
    #[error(
        "{to} has data or a machine already; restore into an environment that was never applied"
    )]
    NotNew { to: EnvName },
    #[error("the data is not where {to} is to be; declare `placement: {there}` for it")]
    Elsewhere { to: EnvName, there: String },
    #[error("{reason}; try again when it answers")]
    Hidden { reason: String },
    #[error("another process works on {to}; try again")]
    Busy { to: EnvName },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reconciler {
    /// Gives an environment that was never applied a copy of the data that is kept of another.
    ///
    /// **Guarantees.** What is kept stays as it is, for as long as it would have. May be repeated.
    ///
    /// # Errors
    /// [`RestoreError`]: nothing was done. What went wrong later is in the report.
    pub async fn restore(
        &self,
        tick: &Tick,
        from: &EnvName,
        to: &EnvName,
    ) -> Result<SyncReport, RestoreError> {
        let _lock = self.hold(to).await?;
        let attempt = self.attempt();
        let viewer = self.viewer();
        let kept = viewer.view(tick, from, &attempt).await?.aim;
        let mut view = viewer.view(tick, to, &attempt).await?;
        let kept = kept.ok_or_else(|| RestoreError::NothingKept { from: from.clone() })?;
        let aim = view.aim.as_mut();
        let aim = aim.ok_or_else(|| RestoreError::NotDeclared { to: to.clone() })?;
        aim.plan = copies(&kept, aim, &attempt)?;
        Ok(self.done(tick, view, Trigger::Person, &attempt).await?)
    }
}

/// The plan that copies every data volume. Pure.
fn copies(kept: &Aim, aim: &Aim, attempt: &Attempt) -> Result<Plan, RestoreError> {
    let to = &aim.desired.env;
    if let Some(gap) = aim.observed.gaps.first() {
        let reason = gap.reason.clone();
        return Err(RestoreError::Hidden { reason });
    }
    let Some(provider) = &aim.desired.provider else {
        return Err(RestoreError::NotDeclared { to: to.clone() });
    };
    if !aim.observed.live.is_empty() {
        return Err(RestoreError::NotNew { to: to.clone() });
    }
    let mut steps = Vec::new();
    for (key, original) in volumes(kept) {
        if original.provider.as_ref() != Some(provider) {
            let there = original.provider.as_ref().map(ToString::to_string);
            return Err(RestoreError::Elsewhere {
                to: to.clone(),
                there: there.unwrap_or_default(),
            });
        }
        steps.extend(copy(key, original, aim, attempt, steps.len()));
    }
    if steps.is_empty() {
        let from = kept.desired.env.clone();
        return Err(RestoreError::NothingKept { from });
    }
    Ok(finished(&aim.desired, steps, Vec::new(), &aim.policy))
}

/// What is kept of an environment that should not be; nothing of one that should.
fn volumes(kept: &Aim) -> Vec<(&Key, &Live)> {
    let is_volume = |key: &Key| matches!(key, Key::Volume(_));
    let all = kept.observed.live.iter();
    let all = all.filter(|(key, _)| is_volume(key) && kept.desired.provider.is_none());
    all.filter_map(|(key, claims)| {
        let ours = claims.iter().filter(|live| live.stamp.is_some());
        let newest = ours.max_by_key(|live| live.stamp.as_ref().map(|stamp| stamp.created))?;
        Some((key, newest))
    })
    .collect()
}

fn copy(key: &Key, original: &Live, aim: &Aim, attempt: &Attempt, before: usize) -> Option<Step> {
    let desired = &aim.desired;
    let resource = desired.resources.get(key)?;
    let Spec::Volume(spec) = &resource.spec else {
        return None;
    };
    let size_mib = original.fields.as_volume()?.size_mib.max(spec.size_mib);
    let open = &aim.reviewed.open;
    let again = intent::to_repeat(open, key, &spec.provider);
    let (token, created) = match again {
        Some(intent) => (intent.token.clone(), intent.since),
        None => (intent::token(&attempt.token, key), attempt.at),
    };
    let action = ProviderAction::CreateVolume {
        spec: crate::model::VolumeSpec {
            size_mib,
            ..spec.clone()
        },
        stamp: desired.stamp(key, created),
        token,
        copy_of: Some(original.id.clone()),
    };
    Some(Step {
        id: StepId(u32::try_from(before).unwrap_or(u32::MAX) + 1),
        key: key.clone(),
        action: Action::Provider {
            provider: spec.provider.clone(),
            action,
        },
        cause: Cause::Asked,
        fields: Vec::new(),
        risk: Risk::Safe,
        after: BTreeSet::new(),
    })
}
