//! What a person says of an environment beside git: recorded, told, and in force at once.

use anyhow::Result;

use super::apply;
use super::exit::Exit;
use super::system::{SystemClock, account};
use super::wiring::Wiring;
use super::{Global, chosen};
use crate::model::{EnvName, EventKind, Memo, MemoKind};
use crate::port::{Clock, Store};

/// An environment that is there, and where to write what a person says of it.
pub struct Word<'a> {
    pub wiring: Wiring,
    /// Why it sleeps, whatever a person wishes.
    pub spent: Option<String>,
    env: &'a EnvName,
    global: &'a Global,
}

impl<'a> Word<'a> {
    /// Opens everything, and refuses an environment that there is not.
    ///
    /// # Errors
    /// As [`Wiring::open`] and [`chosen::environments`].
    pub async fn on(env: &'a EnvName, global: &'a Global) -> Result<Self> {
        let wiring = Wiring::open(global).await?;
        let viewer = wiring.viewer();
        let tick = viewer.tick(SystemClock.now()).await;
        chosen::environments(&viewer, &tick, std::slice::from_ref(env)).await?;
        Ok(Self {
            wiring,
            spent: tick.ledger.spent(env).map(str::to_owned),
            env,
            global,
        })
    }

    fn store(&self) -> &dyn Store {
        &*self.wiring.store
    }

    /// Remembers it, and tells who watches; `what` in the imperative.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put(&self, memo: &Memo, what: String) -> Result<()> {
        self.store().put_memo(self.env, memo).await?;
        self.tell(what).await
    }

    /// Forgets it, and tells who watches.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn drop(&self, kind: MemoKind, what: String) -> Result<()> {
        self.store().drop_memo(self.env, kind).await?;
        self.tell(what).await
    }

    async fn tell(&self, what: String) -> Result<()> {
        let by = account();
        let kind = EventKind::PersonSaid { by, what };
        let now = SystemClock.now();
        self.store().put_event(now, Some(self.env), &kind).await?;
        Ok(())
    }

    /// Brings the environment to what it should be now.
    ///
    /// # Errors
    /// As [`apply::bring`].
    pub async fn bring(&self) -> Result<Exit> {
        let envs = std::slice::from_ref(self.env);
        apply::bring(&self.wiring, envs, self.global).await
    }
}
