//! The machine in between: its own login, its own pinned key, and its own words when it fails.
//!
//! It sees nothing of what goes through it: the machine behind it is pinned just the same.

use secrecy::ExposeSecret as _;

use super::connections::Peer;
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
    } = bastion;
    let place = format!("{user}@{address}:{port}");
    (
        format!("bastion {place}"),
        format!("{key:?}"),
        host_key.clone(),
    )
}

/// Connects to it and logs in.
///
/// # Errors
/// [`SshError::Silent`] while it is not there, [`SshError::Barred`] when somebody has to see to it.
pub async fn connect(
    bastion: &Bastion,
    own: &Identity,
    secrets: &dyn Secrets,
) -> Result<Session, SshError> {
    let place = format!("{}:{}", bastion.address, bastion.port);
    let barred = |reason: String| SshError::Barred(format!("the bastion {place} {reason}"));
    let identity = match &bastion.key {
        None => own.clone(),
        Some(reference) => {
            let read =
                |error: &dyn std::fmt::Display| format!("has no key to log in with: {error}");
            let pem = secrets.resolve(reference).map_err(|e| barred(read(&e)))?;
            let pem = pem.expose_secret().as_bytes();
            // Files lose their last newline on the way, and OpenSSH's form ends in one.
            let pem = [pem, b"\n"].concat();
            Identity::read(&pem).map_err(|e| barred(read(&e)))?
        }
    };
    let login = Login {
        user: bastion.user.clone(),
        port: bastion.port,
    };
    let key = &bastion.host_key;
    let opened = Session::open(&bastion.address, key, &login, &identity, Way::Direct).await;
    opened.map_err(|error| match error {
        SshError::HostKey(reason) => barred(format!(
            "is not the one that is declared: {reason}; look at `hostKey` of `bastion`, unless \
             somebody is in between"
        )),
        SshError::Refused(reason) => barred(format!(
            "does not let us in: {reason}; add that key there, or look at `user` and `key` of \
             `bastion`"
        )),
        SshError::Silent(reason) | SshError::Lost(reason) => SshError::Silent(format!(
            "the bastion does not answer: {reason}; start it, or look at `bastion` in `network`"
        )),
        SshError::Late(_) | SshError::Barred(_) => error,
    })
}
