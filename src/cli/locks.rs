//! One worker per environment: a lock file for each, in the state folder.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use async_trait::async_trait;

use crate::model::EnvName;
use crate::port::{Lock, LockError, Locks};

/// Lock files in a folder; the system gives them back when a process dies.
pub struct FileLocks {
    folder: PathBuf,
}

impl FileLocks {
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl Locks for FileLocks {
    async fn try_lock(&self, env: &EnvName) -> Result<Option<Lock>, LockError> {
        let failed = |error: std::io::Error| LockError {
            env: env.clone(),
            reason: format!("{}: {error}", self.folder.display()),
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::create(self.folder.join(env.as_str())).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_had_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let locks = || FileLocks::new(folder.path().join("locks"));
        let shop = EnvName::parse("shop").unwrap();
        let held = locks().try_lock(&shop).await.unwrap();
        assert!(held.is_some());
        assert!(locks().try_lock(&shop).await.unwrap().is_none());
        let other = EnvName::parse("other").unwrap();
        assert!(locks().try_lock(&other).await.unwrap().is_some());
        drop(held);
        assert!(locks().try_lock(&shop).await.unwrap().is_some());
    }
}
