//! The machine in between: its own login, its own pinned key, and its own words when it fails.
//!
//! It sees nothing of what goes through it: the machine behind it is pinned just the same.

use secrecy::ExposeSecret as _;

use super::connections::Peer;
use super::dial::shown;
use super::identity::Identity;
use super::session::{Login, Session, SshError, Way};
use crate::model::Bastion;
use crate::port::Secrets;

/// Under which its connection is kept.
pub fn peer(bastion: &Bastion) -> Peer {
    let Bastion {
        address,
        port,
        user,
        key,
        host_key,
        through,
    } = bastion;
    let place = format!("{user}@{address}:{port}");
    (
        format!("bastion {place}"),
        format!("{key:?} {through:?}"),
        host_key.clone(),
    )
}

/// Connects to it and logs in.
///
/// # Errors
/// [`SshError`]; [`SshError::Barred`] when its key cannot be read.
pub async fn connect(
    bastion: &Bastion,
    own: &Identity,
    secrets: &dyn Secrets,
    way: Way,
) -> Result<Session, SshError> {
    let identity = match &bastion.key {
        None => own.clone(),
        Some(reference) => {
            let barred = |error: &dyn std::fmt::Display| {
                SshError::Barred(format!("there is no key to log in with: {error}"))
            };
            let pem = secrets.resolve(reference).map_err(|e| barred(&e))?;
            let pem = pem.expose_secret().as_bytes();
            // Files lose their last newline on the way, and OpenSSH's form ends in one.
            let pem = [pem, b"\n"].concat();
            Identity::read(&pem).map_err(|e| barred(&e))?
        }
    };
    let login = Login {
        user: bastion.user.clone(),
        port: bastion.port,
    };
    Session::open(&bastion.address, &bastion.host_key, &login, &identity, way).await
}

/// What it means to whoever wanted to pass: [`SshError::Silent`] while it is not there,
/// [`SshError::Barred`] when somebody has to see to it.
#[must_use]
pub fn explained(bastion: &Bastion, error: SshError) -> SshError {
    let place = shown(&bastion.address, bastion.port);
    let barred = |reason: String| SshError::Barred(format!("the bastion {place} {reason}"));
    match error {
        SshError::HostKey(reason) => barred(format!(
            "is not the one that is declared: {reason}; look at its `hostKey`, unless somebody is in \
             between"
        )),
        SshError::Refused(reason) => barred(format!(
            "does not let us in: {reason}; add that key there, or look at its `user` and `key`"
        )),
        SshError::Silent(reason) | SshError::Lost(reason) => SshError::Silent(format!(
            "the bastion does not answer: {reason}; start it, or look at its `address`"
        )),
        SshError::Barred(reason) => barred(format!("cannot be reached: {reason}")),
        SshError::Late(_) => error,
    }
}
