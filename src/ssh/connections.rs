//! What is connected, each machine and host once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::bastion;
use super::command::Command;
use super::identity::Identity;
use super::session::{Ended, Login, Session, SshError, Way, offered_key};
use crate::model::Bastion;
use crate::port::Secrets;

/// The connections to machines and to what lies on the way to them.
///
/// **Guarantees.** At most one login per peer at a time; a connection that has ended is made anew at
/// the next use.
pub struct Connections {
    identity: Identity,
    secrets: Arc<dyn Secrets>,
    kept: Mutex<BTreeMap<Peer, Slot>>,
}

/// Machine, address and host key: a machine that was made anew is another peer.
pub(crate) type Peer = (String, String, String);
/// Held while logging in, so that others wait for that login instead of making their own.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Session>>>>;

impl Connections {
    #[must_use]
    pub fn new(identity: Identity, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            identity,
            secrets,
            kept: Mutex::default(),
        }
    }

    /// The public part of our own key, in OpenSSH's one-line form.
    #[must_use]
    pub fn public_key(&self) -> &str {
        self.identity.public()
    }

    pub(crate) fn secrets(&self) -> &dyn Secrets {
        &*self.secrets
    }

    /// The connection to a machine of ours.
    ///
    /// # Errors
    /// [`SshError`].
    pub(crate) async fn machine(
        &self,
        peer: Peer,
        address: &str,
        login: &Login,
        bastion: Option<&Bastion>,
    ) -> Result<Arc<Session>, SshError> {
        let slot = self.slot(&peer);
        let mut slot = slot.lock().await;
        if let Some(session) = open(slot.as_ref()) {
            return Ok(session);
        }
        let way = match bastion {
            None => Way::Direct,
            Some(bastion) => Way::Through(self.bastion(bastion).await?),
        };
        let opening = Session::open(address, &peer.2, login, &self.identity, way);
        let session = Arc::new(opening.await?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The one connection to a bastion, for all machines behind it.
    ///
    /// # Errors
    /// [`SshError::Silent`] while it is not there, [`SshError::Barred`] when somebody has to see to it.
    async fn bastion(&self, bastion: &Bastion) -> Result<Arc<Session>, SshError> {
        let session = self.host(bastion).await;
        session.map_err(|error| bastion::explained(bastion, error))
    }

    /// The same connection, to work on it.
    ///
    /// # Errors
    /// [`SshError`].
    pub async fn host(&self, host: &Bastion) -> Result<Arc<Session>, SshError> {
        let slot = self.slot(&bastion::peer(host));
        let mut slot = slot.lock().await;
        if let Some(session) = open(slot.as_ref()) {
            return Ok(session);
        }
        let way = match &host.through {
            None => Way::Direct,
            Some(bastion) => Way::Through(Box::pin(self.bastion(bastion)).await?),
        };
        let session = bastion::connect(host, &self.identity, &*self.secrets, way).await?;
        let session = Arc::new(session);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Asks a host what changes nothing there. A connection that ended while nobody used it is noticed
    /// only by using it; then it is made anew, and the host asked again, once.
    ///
    /// # Errors
    /// As [`Connections::host`] and [`Session::ask`].
    pub async fn ask(
        &self,
        host: &Bastion,
        question: &Command,
        within: Duration,
    ) -> Result<Ended, SshError> {
        let session = self.host(host).await?;
        match session.ask(question, within).await {
            Err(SshError::Lost(_)) if session.is_closed() => {
                self.host(host).await?.ask(question, within).await
            }
            answer => answer,
        }
    }

    /// Starts a program on a host, as [`Session::pipe`]; over a new connection as above.
    ///
    /// # Errors
    /// As [`Connections::host`] and [`Session::pipe`].
    pub async fn pipe(
        &self,
        host: &Bastion,
        command: &Command,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, SshError> {
        let session = self.host(host).await?;
        match session.pipe(command).await {
            Err(SshError::Lost(_)) if session.is_closed() => {
                self.host(host).await?.pipe(command).await
            }
            opened => opened,
        }
    }

    /// The host key that is offered at an address, with its fingerprint; see [`offered_key`].
    ///
    /// # Errors
    /// [`SshError`].
    pub async fn offered(
        &self,
        address: &str,
        port: u16,
        through: Option<&Bastion>,
    ) -> Result<(String, String), SshError> {
        let way = match through {
            None => Way::Direct,
            Some(bastion) => Way::Through(self.bastion(bastion).await?),
        };
        offered_key(address, port, way).await
    }

    fn slot(&self, peer: &Peer) -> Slot {
        let mut kept = self.kept.lock().expect("no panic while it is held");
        // Another address or key of the same machine: what was kept is of no use any more.
        kept.retain(|other, _| other.0 != peer.0 || other == peer);
        Arc::clone(kept.entry(peer.clone()).or_default())
    }

    /// Uses what is kept no more: the next use logs in anew.
    pub(crate) fn forget(&self, peer: &Peer) {
        let mut kept = self.kept.lock().expect("no panic while it is held");
        kept.remove(peer);
    }
}

fn open(kept: Option<&Arc<Session>>) -> Option<Arc<Session>> {
    kept.filter(|session| !session.is_closed()).cloned()
}
