//! Who we are to a git server, and how we know the server: credentials by reference, pinned keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::known_hosts::{self, Judgement};
use crate::model::SecretRef;
use crate::port::Secrets;

/// OpenSSH's own lists, used while no other is named.
const SYSTEM_LIST: &str = "/etc/ssh/ssh_known_hosts";
const HOME_LIST: &str = ".ssh/known_hosts";

/// What is presented to servers, and what is expected of them.
pub(super) struct Access {
    /// Where the token may go: scheme, host and port of the repository that it was given for.
    pub origin: Option<String>,
    pub username: String,
    pub token: Option<SecretRef>,
    pub identity: Option<PathBuf>,
    pub pins: Pins,
    pub secrets: Arc<dyn Secrets>,
}

impl Access {
    /// The token for a server, or why there is none; read anew each time, so that it can change.
    pub fn token_for(&self, origin: Option<&str>) -> Result<SecretString, String> {
        let Some(token) = &self.token else {
            return Err(
                "it asks for a login, and no token is given; check the URL, or name the \
                        environment variable or file that holds a token"
                    .to_owned(),
            );
        };
        if origin.is_none() || origin != self.origin.as_deref() {
            return Err(
                "it asks for a login, and the token given is for another server".to_owned(),
            );
        }
        self.secrets.resolve(token).map_err(|e| e.to_string())
    }

    /// The ways to log in over SSH, in the order in which they are tried.
    pub fn ssh_logins(&self) -> Vec<SshLogin> {
        let identity = self.identity.clone().map(SshLogin::Identity);
        let agent = std::env::var_os("SSH_AUTH_SOCK").map(|_| SshLogin::Agent);
        identity.into_iter().chain(agent).collect()
    }

    /// What to tell a person when no login was accepted.
    pub fn ssh_refusal(&self) -> String {
        let public = self.identity.as_deref().and_then(public_key);
        match (public, &self.identity) {
            (Some(key), _) => {
                format!("it does not accept our key; add it there as a deploy key: {key}")
            }
            (None, Some(path)) => format!("it does not accept the key in {}", path.display()),
            (None, None) => {
                "it asks for a key; name an identity file, or start an SSH agent".to_owned()
            }
        }
    }
}

/// One way to log in over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SshLogin {
    Identity(PathBuf),
    Agent,
}

/// User and password of an HTTP login; the password never prints.
pub(super) fn plain(token: &SecretString) -> &str {
    token.expose_secret()
}

/// The public half that lies beside an identity file.
fn public_key(identity: &Path) -> Option<String> {
    let mut beside = identity.as_os_str().to_owned();
    beside.push(".pub");
    let text = std::fs::read_to_string(beside).ok()?;
    Some(text.trim().to_owned())
}

/// The pinned keys of SSH servers.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins {
    /// A list in OpenSSH's format; without it OpenSSH's own lists are used.
    pub known_hosts: Option<PathBuf>,
    /// One key for one host, beside the lists.
    pub host_key: Option<HostPin>,
}

/// The one key that the host of the environment repository must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPin {
    pub host: String,
    pub port: u16,
    pub key: Vec<u8>,
}

impl HostPin {
    /// Understands `ssh-ed25519 AAAA…`, with or without a host before it and a comment after it.
    pub fn parse(host: &str, port: u16, text: &str) -> Option<Self> {
        let key = text.split_ascii_whitespace().find_map(|word| {
            STANDARD
                .decode(word)
                .ok()
                .filter(|key| known_hosts::algorithm(key).is_some())
        })?;
        Some(Self {
            host: host.to_owned(),
            port,
            key,
        })
    }
}

impl Pins {
    /// Whether the key that a host has shown is the pinned one; if not, why and what to do.
    pub fn check(&self, host: &str, port: u16, key: &[u8]) -> Result<(), String> {
        let shown = format!(
            "it shows {} {}",
            known_hosts::algorithm(key).unwrap_or("a key"),
            known_hosts::fingerprint(key)
        );
        if let Some(pin) = self
            .host_key
            .as_ref()
            .filter(|p| p.host == host && p.port == port)
        {
            return match pin.key == key {
                true => Ok(()),
                false => Err(format!(
                    "{shown}, the one given is {}; correct it if the server's key was changed by its owner",
                    known_hosts::fingerprint(&pin.key)
                )),
            };
        }
        let line = known_hosts::line(host, port, key);
        let lists = self.lists();
        for list in &lists {
            let text = std::fs::read_to_string(list).unwrap_or_default();
            let at = |number: usize| format!("{}:{number}", list.display());
            match known_hosts::judge(&text, host, port, key) {
                Judgement::Pinned => return Ok(()),
                Judgement::Unknown => {}
                Judgement::Revoked { line } => {
                    return Err(format!("{shown}, which {} has revoked", at(line)));
                }
                Judgement::Differs { line: number } => {
                    return Err(format!(
                        "{shown}, {} has another; if the server's owner has changed it, write there `{line}`",
                        at(number)
                    ));
                }
            }
        }
        let first = lists.first().map_or_else(
            || "a file of known hosts, and name it".to_owned(),
            |path| path.display().to_string(),
        );
        Err(format!(
            "no key is known for `{host}`, {shown}; compare it with what the server's owner says, then add \
             to {first} the line `{line}`"
        ))
    }

    fn lists(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.known_hosts {
            return vec![path.clone()];
        }
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(HOME_LIST));
        home.into_iter()
            .chain([PathBuf::from(SYSTEM_LIST)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x04abcd";
    const OTHER: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x04wxyz";

    fn pins(list: &str) -> (Pins, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, list).unwrap();
        let pins = Pins {
            known_hosts: Some(path),
            host_key: None,
        };
        (pins, folder)
    }

    #[test]
    fn an_unknown_host_is_refused_with_a_line_that_would_pin_it() {
        let (unknown, _folder) = pins("");
        let reason = unknown.check("h", 2222, KEY).unwrap_err();
        assert!(reason.contains(&known_hosts::fingerprint(KEY)), "{reason}");
        let line = reason.rsplit('`').nth(1).unwrap();
        let (known, _folder) = pins(line);
        assert_eq!(known.check("h", 2222, KEY), Ok(()));
        assert!(
            known
                .check("h", 2222, OTHER)
                .unwrap_err()
                .contains("known_hosts:1")
        );
    }

    #[test]
    fn a_key_given_for_the_host_goes_before_every_list() {
        let (mut pins, _folder) = pins(&known_hosts::line("h", 22, OTHER));
        let text = known_hosts::line("h", 22, KEY);
        pins.host_key = HostPin::parse("h", 22, &text);
        assert_eq!(pins.check("h", 22, KEY), Ok(()));
        assert!(pins.check("h", 22, OTHER).is_err());
        assert!(pins.check("elsewhere", 22, KEY).is_err());
    }

    #[test]
    fn what_is_no_key_pins_nothing() {
        for text in ["", "ssh-ed25519", "h ssh-ed25519 AAAA", "deadbeef"] {
            assert_eq!(HostPin::parse("h", 22, text), None, "{text}");
        }
    }
}
