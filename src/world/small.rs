//! The small ports: locks, ids, images.

use std::path::PathBuf;

use async_trait::async_trait;

use super::World;
use crate::model::{EnvName, ImageSpec, RunId, Token};
use crate::port::{Ids, ImageError, ImageFiles, Images, Journal, Lock, LockError, Locks};

struct Held {
    world: World,
    env: EnvName,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.world.state().locked.remove(&self.env);
    }
}

#[async_trait]
impl Locks for World {
    async fn try_lock(&self, env: &EnvName) -> Result<Option<Lock>, LockError> {
        self.call().await;
        let is_free = self.state().locked.insert(env.clone());
        let held = || Held {
            world: self.clone(),
            env: env.clone(),
        };
        Ok(is_free.then(|| Box::new(held()) as Lock))
    }
}

impl World {
    /// Another process has the lock of an environment, or gives it back.
    pub fn lock_elsewhere(&self, env: &EnvName) {
        self.state().locked.insert(env.clone());
    }

    pub fn unlock_elsewhere(&self, env: &EnvName) {
        self.state().locked.remove(env);
    }

    fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.ids += 1;
        state.ids
    }
}

impl Ids for World {
    fn run(&self) -> RunId {
        RunId(format!("run-{:08}", self.next_id()))
    }

    fn token(&self) -> Token {
        Token(format!("token-{:08}", self.next_id()))
    }
}

#[async_trait]
impl Images for World {
    async fn obtain(&self, image: &ImageSpec, _: &dyn Journal) -> Result<ImageFiles, ImageError> {
        self.call().await;
        Ok(ImageFiles {
            disk: PathBuf::from(format!("{}.qcow2", image.id())),
            kernel: None,
        })
    }
}
