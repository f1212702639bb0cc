//! The way to the inside of an environment's machine, for a person.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::Global;
use super::wiring::Wiring;
use crate::guest::Guests;
use crate::model::EnvName;
use crate::port::GuestTarget;

/// A machine that can be talked to.
pub struct Reached {
    pub guests: Arc<Guests>,
    pub target: GuestTarget,
}

impl Reached {
    /// Looks for the machine of an environment.
    ///
    /// # Errors
    /// When there is none, or it has no address yet.
    pub async fn find(global: &Global, env: &EnvName) -> Result<Self> {
        let wiring = Wiring::open(global).await?;
        let target = wiring.target(env).await?;
        let Some(target) = target else {
            bail!(
                "`{env}` has no machine that can be reached; `metrom describe {env}` says more, \
                 `metrom apply {env}` makes it"
            );
        };
        let guests = wiring.guests();
        Ok(Self { guests, target })
    }

    /// The account to work as: the one asked for, or the people's.
    ///
    /// # Errors
    /// When the machine cannot be asked, or has not been set up.
    pub async fn user(&self, asked: Option<&str>) -> Result<String> {
        if let Some(asked) = asked {
            return Ok(asked.to_owned());
        }
        let people = self.guests.people(&self.target).await?;
        people.with_context(|| {
            let env = &self.target.env;
            format!("`{env}` has not been set up yet; wait for its run, or use `--user metrom`")
        })
    }
}
