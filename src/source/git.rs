//! The real [`Source`] and [`Refs`]: libgit2 on blocking threads, with a mirror in the state folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use git2::Oid;
use tokio::sync::OnceCell;

use super::access::{Access, HostPin, Pins};
use super::gather::Limits;
use super::listing::Listing;
use super::location::{Location, redacted};
use super::mirror::Mirror;
use super::remote::{Talk, late};
use super::tree::revision;
use crate::model::{Revision, SecretRef, Snapshot};
use crate::port::{Refs, Secrets, Source, SourceError};

/// How long one operation may take in all; a first fetch of a large history over a slow line is
/// the longest.
const PATIENCE: Duration = Duration::from_secs(300);
/// The user name sent along with a token; the usual servers look at the token alone.
const TOKEN_USER: &str = "git";

/// Which repository to follow, and how to get at it.
#[derive(Debug, Clone)]
pub struct GitConfig {
    pub url: String,
    /// The branch to follow; without it the one that the repository's `HEAD` names.
    pub branch: Option<String>,
    /// The folder of mirrors, made when missing.
    pub mirror_dir: PathBuf,
    /// A private key for `ssh://`, without a passphrase; an SSH agent is asked after it.
    pub identity: Option<PathBuf>,
    /// Pinned host keys in OpenSSH's format; without it OpenSSH's own lists are used.
    pub known_hosts: Option<PathBuf>,
    /// The host key of the server of `url`, as `ssh-ed25519 AAAA…`; goes before all lists.
    pub host_key: Option<String>,
    /// The user name that goes with the token, where a server insists on one.
    pub username: Option<String>,
    /// A token for `https://`; sent to the server of `url` alone, and only when it asks.
    pub token: Option<SecretRef>,
    pub limits: Limits,
    /// How long one operation may take in all.
    pub patience: Duration,
}

impl GitConfig {
    /// Follows the default branch, with no credentials and OpenSSH's own lists of known hosts.
    #[must_use]
    pub fn new(url: impl Into<String>, mirror_dir: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            branch: None,
            mirror_dir: mirror_dir.into(),
            identity: None,
            known_hosts: None,
            host_key: None,
            username: None,
            token: None,
            limits: Limits::default(),
            patience: PATIENCE,
        }
    }
}

/// A repository over any transport of git; cheap to clone.
///
/// **Guarantees.** Never accepts a host key that is not pinned, never shows a credential, never
/// blocks an async thread, and answers within the patience of its configuration.
#[derive(Clone)]
pub struct GitSource {
    inner: Arc<Inner>,
}

struct Inner {
    location: Location,
    branch: Option<String>,
    access: Access,
    mirror: Mirror,
    patience: Duration,
}

impl GitSource {
    /// Understands the configuration; nothing is read or asked yet.
    ///
    /// # Errors
    /// [`SourceError::Refused`] for a URL that is not supported or carries credentials, and for a
    /// host key that is none.
    pub fn new(config: GitConfig, secrets: Arc<dyn Secrets>) -> Result<Self, SourceError> {
        let location = Location::parse(&config.url)?;
        let host_key = config
            .host_key
            .map(|text| host_pin(&location, &text))
            .transpose()?;
        let origin = match &location {
            Location::Http { origin, .. } => Some(origin.clone()),
            Location::Local(_) | Location::Ssh { .. } => None,
        };
        let access = Access {
            origin,
            username: config.username.unwrap_or_else(|| TOKEN_USER.to_owned()),
            token: config.token,
            identity: config.identity,
            pins: Pins {
                known_hosts: config.known_hosts,
                host_key,
            },
            secrets,
        };
        let inner = Inner {
            mirror: Mirror::new(&config.mirror_dir, &location.address(), config.limits),
            location,
            branch: config.branch,
            access,
            patience: config.patience,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The revision that a text such as `HEAD~1` or the first digits of an id means, as far as it
    /// is in the mirror; `None` when it means none.
    ///
    /// # Errors
    /// [`SourceError`] when the mirror does not answer in time.
    pub async fn named(&self, text: &str) -> Result<Option<Revision>, SourceError> {
        let text = text.to_owned();
        let work = move |inner: &Inner, _| Ok(inner.mirror.named(&text).map(revision));
        self.blocking(&self.url(), work).await
    }

    /// The URL as it may be shown.
    #[must_use]
    pub fn url(&self) -> String {
        redacted(&self.inner.location.address())
    }

    /// What a repository offers, asked anew.
    async fn listing(&self, url: &str) -> Result<Listing, SourceError> {
        let location = Location::parse(url)?;
        self.blocking(url, move |inner, deadline| {
            Talk::new(&location, &inner.access, deadline).list()
        })
        .await
    }

    /// Does blocking work elsewhere, and waits no longer than the patience.
    ///
    /// Work that is late goes on unheard until libgit2's own timeouts end it.
    async fn blocking<T: Send + 'static>(
        &self,
        url: &str,
        work: impl FnOnce(&Inner, Instant) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let inner = Arc::clone(&self.inner);
        let deadline = Instant::now() + inner.patience;
        let job = tokio::task::spawn_blocking(move || work(&inner, deadline));
        match tokio::time::timeout(self.inner.patience, job).await {
            Ok(Ok(done)) => done,
            // git2 panics on what is not UTF-8 where it has promised text.
            Ok(Err(_)) => Err(SourceError::Unreadable {
                url: redacted(url),
                what: "the references".to_owned(),
                reason: "one has a name that is not UTF-8; rename or delete it".to_owned(),
            }),
            Err(_) => Err(late(redacted(url))),
        }
    }
}

impl Inner {
    fn head(&self, deadline: Instant) -> Result<Revision, SourceError> {
        let talk = Talk::new(&self.location, &self.access, deadline);
        let found = talk
            .list()?
            .branch(&self.location.address(), self.branch.as_deref())?;
        let commit = match self.mirror.holds(found.commit) {
            true => found.commit,
            false => self.mirror.follow(&found.name, &talk)?,
        };
        Ok(revision(commit))
    }

    fn snapshot(&self, revision: &Revision, deadline: Instant) -> Result<Snapshot, SourceError> {
        let talk = Talk::new(&self.location, &self.access, deadline);
        let commit = Oid::from_str(revision.as_str()).map_err(|e| SourceError::Unreadable {
            url: talk.url(),
            what: format!("revision {}", revision.short()),
            reason: e.message().to_owned(),
        })?;
        let branch = match self.branch.as_deref() {
            None => "HEAD".to_owned(),
            Some(full) if full.starts_with("refs/") => full.to_owned(),
            Some(branch) => format!("refs/heads/{branch}"),
        };
        self.mirror.snapshot(commit, &branch, &talk)
    }
}

#[async_trait]
impl Source for GitSource {
    async fn head(&self) -> Result<Revision, SourceError> {
        self.blocking(&self.url(), |inner, deadline| inner.head(deadline))
            .await
    }

    async fn snapshot(&self, revision: &Revision) -> Result<Arc<Snapshot>, SourceError> {
        let revision = revision.clone();
        let work = move |inner: &Inner, deadline| inner.snapshot(&revision, deadline);
        self.blocking(&self.url(), work).await.map(Arc::new)
    }
}

#[async_trait]
impl Refs for GitSource {
    async fn resolve(&self, url: &str, reference: &str) -> Result<Revision, SourceError> {
        if let Some(commit) = Revision::parse(reference) {
            return Ok(commit);
        }
        let commit = self.listing(url).await?.resolve(url, reference)?;
        Ok(revision(commit))
    }
}

/// [`Refs`] for the length of one tick: each repository is asked once, however many references of
/// it are wanted, and one that does not answer is waited for once.
pub struct TickRefs {
    source: GitSource,
    known: Mutex<BTreeMap<String, Arc<Answer>>>,
}

type Answer = OnceCell<Result<Listing, SourceError>>;

impl TickRefs {
    #[must_use]
    pub fn new(source: GitSource) -> Self {
        Self {
            source,
            known: Mutex::default(),
        }
    }

    fn answer(&self, url: &str) -> Arc<Answer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(url.to_owned()).or_default())
    }
}

#[async_trait]
impl Refs for TickRefs {
    async fn resolve(&self, url: &str, reference: &str) -> Result<Revision, SourceError> {
        if let Some(commit) = Revision::parse(reference) {
            return Ok(commit);
        }
        let answer = self.answer(url);
        let listing = answer.get_or_init(|| self.source.listing(url)).await;
        let commit = listing
            .as_ref()
            .map_err(Clone::clone)?
            .resolve(url, reference)?;
        Ok(revision(commit))
    }
}

fn host_pin(location: &Location, text: &str) -> Result<HostPin, SourceError> {
    let (url, pin) = match location {
        Location::Ssh {
            url, host, port, ..
        } => (redacted(url), HostPin::parse(host, *port, text)),
        Location::Local(_) | Location::Http { .. } => (redacted(&location.address()), None),
    };
    pin.ok_or_else(|| SourceError::Refused {
        url,
        reason: "a host key is given for it; that is for `ssh://` and reads `ssh-ed25519 AAAA…`"
            .to_owned(),
    })
}
