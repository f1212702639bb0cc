//! The adapters that make machines. Today: libvirt, on this machine or on others, and AWS.
//!
//! Each provider is a folder that implements [`crate::port::Observer`] and
//! [`crate::port::Actuator`]; its foreign types never leave it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::port::{Store, StoreError};

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(feature = "aws", feature = "libvirt"))]
mod console;
#[cfg(feature = "libvirt")]
pub mod libvirt;
pub mod remote;

/// The way to a daemon on another machine, which is opened before the daemon is called.
#[async_trait]
pub trait Door: Send + Sync {
    /// Sees that it is open.
    ///
    /// # Errors
    /// Why it is not, with the next move, for people.
    async fn open(&self) -> Result<(), String>;
}

/// Small answers that are dear to find out again, such as whether KVM works on a host.
///
/// **Assumptions.** Forgetting one costs time and nothing else.
#[async_trait]
pub trait Facts: Send + Sync {
    /// # Errors
    /// [`StoreError`] when the memory cannot be asked.
    async fn recall(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// # Errors
    /// [`StoreError`] when the memory cannot be written.
    async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

/// Facts kept in Metrom's store, for every process that uses it.
pub struct StoredFacts(pub Arc<dyn Store>);

#[async_trait]
impl Facts for StoredFacts {
    async fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.0.fact(name).await
    }

    async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.0.put_fact(name, value).await
    }
}

/// Facts kept as long as the process lives, for commands that open no store.
#[derive(Default)]
pub struct ProcessFacts(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Facts for ProcessFacts {
    async fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.lock().get(name).cloned())
    }

    async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.lock().insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}

impl ProcessFacts {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}
