//! The composition root: which adapter stands behind which port.
//!
//! Commands that only look get a [`Viewer`], which was never given anything that writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::locks::FileLocks;
use super::providers::Opener;
use super::system::{SystemClock, SystemIds};
use super::{Global, place};
use crate::guest::{Guests, NoCloud};
use crate::image::ImageStore;
use crate::manifest::{self, Catalog};
use crate::model::{EnvName, SecretRef, Timestamp, Token};
use crate::port::{Clock, GuestTarget, Source, Store};
use crate::provider::StoredFacts;
use crate::reconcile::{Aim, Attempt, Ports, Reconciler, Tick, View, Viewer, keeper};
use crate::secrets::LocalSecrets;
use crate::source::git::{GitConfig, GitSource};
use crate::ssh::{Connections, Identity, identity};
use crate::store::SqliteStore;

/// Everything behind the ports, opened and ready.
pub struct Wiring {
    /// The repository as it may be shown.
    pub url: String,
    pub state: PathBuf,
    pub source: GitSource,
    pub store: Arc<dyn Store>,
    pub images: ImageStore,
    connections: Arc<Connections>,
    guests: Arc<Guests>,
    providers: Arc<Opener>,
}

impl Wiring {
    /// Opens everything that commands need to look and to act.
    ///
    /// # Errors
    /// When there is no repository, or the state folder cannot be used.
    pub async fn open(global: &Global) -> Result<Self> {
        let source = source(global)?;
        let state = place::state(global.state.as_deref())?;
        let store = open_store(&state).await?;
        let identity = identity(&state)?;
        let seeds = Arc::new(NoCloud::new(identity.clone()));
        let connections = Arc::new(Connections::new(identity, Arc::new(LocalSecrets)));
        let facts = Arc::new(StoredFacts(store.clone()));
        Ok(Self {
            url: source.url(),
            source,
            images: ImageStore::new(state.join("images")),
            guests: Arc::new(Guests::new(connections.clone())),
            providers: Arc::new(Opener::new(seeds, facts, connections.clone())),
            connections,
            store,
            state,
        })
    }

    /// The history alone, for commands that need neither repository nor machines.
    ///
    /// # Errors
    /// When the state folder cannot be used.
    pub async fn store(global: &Global) -> Result<Arc<dyn Store>> {
        open_store(&place::state(global.state.as_deref())?).await
    }

    /// What the newest revision declares.
    ///
    /// # Errors
    /// When the repository cannot be reached or read.
    pub async fn catalog(&self) -> Result<Catalog> {
        newest(&self.source).await
    }

    /// The connections to machines and hosts.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    #[must_use]
    pub fn guests(&self) -> Arc<Guests> {
        self.guests.clone()
    }

    /// Looks, and cannot touch.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer::new(
            Arc::new(self.source.clone()),
            Arc::new(self.source.clone()),
            self.providers.clone(),
            self.guests.clone(),
            Arc::new(self.store.clone()),
        )
    }

    /// Every port, writing ones included.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports {
            source: Arc::new(self.source.clone()),
            refs: Arc::new(self.source.clone()),
            providers: self.providers.clone(),
            guests: self.guests.clone(),
            images: Arc::new(self.images.clone()),
            store: self.store.clone(),
            locks: Arc::new(FileLocks::new(self.state.join("locks"))),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds::default()),
        }
    }

    #[must_use]
    pub fn reconciler(&self) -> Reconciler {
        Reconciler::new(self.ports())
    }

    /// How to reach the machine of an environment; `None` when there is none that answers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn target(&self, env: &EnvName) -> Result<Option<GuestTarget>> {
        let viewer = self.viewer();
        let tick = viewer.tick(SystemClock.now()).await;
        let Some(aim) = view(&viewer, &tick, env).await?.aim else {
            return Ok(None);
        };
        Ok(way_in(&aim))
    }
}

/// The address and the pinned key of the machine that counts, when it has both.
fn way_in(aim: &Aim) -> Option<GuestTarget> {
    let live = keeper::machine(&aim.desired, &aim.observed)?;
    let machine = live.fields.as_machine()?;
    Some(GuestTarget {
        owner: aim.desired.owner.clone(),
        env: aim.desired.env.clone(),
        machine: live.id.clone(),
        address: machine.address?,
        host_key: machine.host_key.clone()?,
        volumes: machine.devices.clone(),
        bastion: machine.bastion.clone(),
    })
}

/// An attempt that nobody makes: what a look needs to plan.
#[must_use]
pub fn look(at: Timestamp) -> Attempt {
    let token = Token("look".to_owned());
    Attempt { token, at }
}

/// Connections without anything else.
///
/// # Errors
/// When the state folder cannot be used.
pub fn connections(global: &Global) -> Result<Connections> {
    let identity = identity(&place::state(global.state.as_deref())?)?;
    Ok(Connections::new(identity, Arc::new(LocalSecrets)))
}

/// One look at one environment.
///
/// # Errors
/// When the store cannot be read.
pub async fn view(viewer: &Viewer, tick: &Tick, env: &EnvName) -> Result<View> {
    Ok(viewer.view(tick, env, &look(tick.at)).await?)
}

/// The environment repository.
///
/// # Errors
/// When there is none, or its URL is not supported.
pub fn source(global: &Global) -> Result<GitSource> {
    let url = place::repository(global.repo.as_deref())?;
    let state = place::state(global.state.as_deref())?;
    let access = &global.access;
    let config = GitConfig {
        branch: global.branch.clone(),
        identity: access.git_identity.clone(),
        known_hosts: access.git_known_hosts.clone(),
        host_key: access.git_host_key.clone(),
        username: access.git_username.clone(),
        token: git_token(),
        ..GitConfig::new(url, state.join("mirrors"))
    };
    Ok(GitSource::new(config, Arc::new(LocalSecrets))?)
}

/// Where the token for the repository is found, if there is one.
fn git_token() -> Option<SecretRef> {
    const VARIABLE: &str = "METROM_GIT_TOKEN";
    std::env::var_os(VARIABLE).map(|_| SecretRef::Env(VARIABLE.to_owned()))
}

/// What the newest revision of the repository declares.
///
/// # Errors
/// When the repository cannot be reached or read.
pub async fn catalog(global: &Global) -> Result<Catalog> {
    newest(&source(global)?).await
}

/// The same, of a source that is there already.
///
/// # Errors
/// When it cannot be reached or read.
async fn newest(source: &dyn Source) -> Result<Catalog> {
    let head = source.head().await?;
    let snapshot = source.snapshot(&head).await?;
    Ok(manifest::load(&snapshot))
}

async fn open_store(state: &Path) -> Result<Arc<dyn Store>> {
    prepare(state)?;
    Ok(Arc::new(SqliteStore::open(&state.join("metrom.db")).await?))
}

/// Metrom's own key for its machines, made at first need.
fn identity(state: &Path) -> Result<Identity> {
    prepare(state)?;
    Ok(identity::load_or_create(&state.join("identity"))?)
}

/// Makes the state folder for its owner alone: keys lie in it.
fn prepare(state: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(state);
    made.with_context(|| {
        format!(
            "cannot make the state folder {}; name another with `--state` or METROM_STATE",
            state.display()
        )
    })
}
