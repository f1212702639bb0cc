//! What the connection to a host says, in words that lead on.

use crate::model::Bastion;
use crate::ssh::SshError;

/// Why a host cannot be worked on, and what to do.
#[must_use]
pub fn of(host: &Bastion, error: SshError) -> String {
    let Bastion { address, user, .. } = host;
    match error {
        SshError::HostKey(reason) => format!(
            "it is not the machine that is declared: {reason}; if it was set up anew, change \
             `ssh.hostKey` to what `metrom host scan {address}` prints, else somebody is in between"
        ),
        SshError::Refused(reason) => format!(
            "it does not let us in: {reason}; add that key to `~{user}/.ssh/authorized_keys` there, or \
             look at `ssh.user` and `ssh.key`"
        ),
        SshError::Silent(reason) => format!("it does not answer: {reason}"),
        SshError::Lost(reason) => format!("the connection was lost: {reason}"),
        SshError::Late(within) => format!("it did not come to an end in {} s", within.as_secs()),
        SshError::Barred(reason) => reason,
    }
}

/// Why a program could not be run as root.
#[must_use]
pub fn of_root(host: &Bastion, output: &str) -> Option<String> {
    let user = &host.user;
    let is_refused = output.contains("sudo:") && user != "root";
    let is_missing = output.contains("sudo") && output.contains("not found");
    (is_refused || is_missing).then(|| {
        format!(
            "`{user}` may not become root there: {}; install sudo and write `{user} ALL=(ALL) NOPASSWD: \
             ALL` to `/etc/sudoers.d/metrom`, or log in as root",
            output.trim()
        )
    })
}

/// Why nobody was heard at an address.
#[must_use]
pub fn unanswered(error: SshError) -> String {
    match error {
        SshError::Silent(reason)
        | SshError::Lost(reason)
        | SshError::HostKey(reason)
        | SshError::Refused(reason)
        | SshError::Barred(reason) => reason,
        SshError::Late(within) => format!("no answer in {} s", within.as_secs()),
    }
}
