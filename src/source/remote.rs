//! One conversation with a git server through libgit2, with its errors in our words.
//!
//! Everything here blocks. Whatever a callback decides (a key that is not pinned, a login that is
//! not accepted) is remembered as our own error, so that nothing is read out of libgit2's messages
//! but the detail.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use git2::cert::Cert;
use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, Direction, ErrorClass, ErrorCode,
    FetchOptions, ProxyOptions, Remote, RemoteCallbacks, Repository, RepositoryOpenFlags,
};

use super::access::{Access, SshLogin, plain};
use super::listing::Listing;
use super::location::{Location, origin_of, redacted};
use crate::port::SourceError;

/// How long a server may take to accept a connection: enough for a far one, short for a dead one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may be silent in the middle: it may have to count objects before it answers.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// One conversation: where to, as whom, until when; and what a callback has decided in it.
pub(super) struct Talk<'a> {
    location: &'a Location,
    access: &'a Access,
    deadline: Instant,
    logins_tried: Cell<usize>,
    verdict: RefCell<Option<SourceError>>,
}

impl<'a> Talk<'a> {
    pub fn new(location: &'a Location, access: &'a Access, deadline: Instant) -> Self {
        bound_libgit2();
        Self {
            location,
            access,
            deadline,
            logins_tried: Cell::new(0),
            verdict: RefCell::new(None),
        }
    }

    /// The repository's URL as it may be shown.
    pub fn url(&self) -> String {
        redacted(&self.location.address())
    }

    /// The folder of the repository, when it is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match self.location {
            Location::Local(path) => Some(path),
            Location::Http { .. } | Location::Ssh { .. } => None,
        }
    }

    /// The instant at which this conversation has to be over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Asks what references there are; downloads nothing.
    pub fn list(&self) -> Result<Listing, SourceError> {
        if let Some(path) = self.local_path() {
            self.look_at(path)?;
        }
        self.ask().map_err(|e| self.fault(&e))
    }

    /// Downloads what `refspecs` name into a repository of ours, with all that it needs.
    pub fn fetch(&self, into: &Repository, refspecs: &[String]) -> Result<(), git2::Error> {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks())
            .proxy_options(proxy())
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        into.remote_anonymous(&self.location.address())?
            .fetch(refspecs, Some(&mut options), None)
    }

    fn ask(&self) -> Result<Listing, git2::Error> {
        let mut remote = Remote::create_detached(self.location.address())?;
        let connection =
            remote.connect_auth(Direction::Fetch, Some(self.callbacks()), Some(proxy()))?;
        let mut listing = Listing::default();
        for head in connection.list()? {
            if head.name() == "HEAD" {
                listing.head = head.symref_target().map(str::to_owned);
            }
            listing.refs.insert(head.name().to_owned(), head.oid());
        }
        Ok(listing)
    }

    /// A local repository is opened first: libgit2's transport says less about what is wrong.
    fn look_at(&self, path: &Path) -> Result<(), SourceError> {
        let flags = RepositoryOpenFlags::NO_SEARCH;
        let none: [&str; 0] = [];
        match Repository::open_ext(path, flags, none) {
            Ok(_) => Ok(()),
            Err(e) if e.code() == ErrorCode::Owner => Err(self.refused(format!(
                "it belongs to another user; allow it with \
                 `git config --system --add safe.directory {}`",
                path.display()
            ))),
            Err(e) if e.code() == ErrorCode::NotFound => Err(SourceError::Unreachable {
                url: self.url(),
                reason:
                    "there is no git repository at this path; check it, or run `git init` there"
                        .to_owned(),
            }),
            Err(e) => Err(self.fault(&e)),
        }
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        self.logins_tried.set(0);
        self.verdict.take();
        let mut callbacks = RemoteCallbacks::new();
        callbacks
            .credentials(|url, _, allowed| self.login(url, allowed))
            .certificate_check(|certificate, _| self.check(certificate))
            .sideband_progress(|_| self.has_time())
            .transfer_progress(|_| self.has_time());
        callbacks
    }

    /// Ends a download that never ends, although the server is never silent for long.
    fn has_time(&self) -> bool {
        let has_time = Instant::now() < self.deadline;
        if !has_time {
            self.verdict.replace(Some(late(self.url())));
        }
        has_time
    }

    fn login(&self, url: &str, allowed: CredentialType) -> Result<Cred, git2::Error> {
        match self.location {
            Location::Ssh { user, .. } if allowed.contains(CredentialType::USERNAME) => {
                Cred::username(user)
            }
            Location::Ssh { user, .. } if allowed.contains(CredentialType::SSH_KEY) => {
                self.ssh_login(user)
            }
            Location::Http { .. } if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                self.http_login(url)
            }
            Location::Ssh { .. } => Err(self.give_up("it accepts no keys".to_owned())),
            Location::Http { .. } => Err(self.give_up("it accepts no token".to_owned())),
            Location::Local(_) => Err(self.give_up("it asks for a login".to_owned())),
        }
    }

    fn http_login(&self, url: &str) -> Result<Cred, git2::Error> {
        if self.logins_tried.replace(1) > 0 {
            let reason = "it does not accept the token; make a new one that may read it";
            return Err(self.give_up(reason.to_owned()));
        }
        let token = self.access.token_for(origin_of(url).as_deref());
        let token = token.map_err(|reason| self.give_up(reason))?;
        Cred::userpass_plaintext(&self.access.username, plain(&token))
    }

    fn ssh_login(&self, user: &str) -> Result<Cred, git2::Error> {
        let tried = self.logins_tried.get();
        self.logins_tried.set(tried + 1);
        match self.access.ssh_logins().get(tried) {
            Some(SshLogin::Agent) => Cred::ssh_key_from_agent(user),
            Some(SshLogin::Identity(path)) => {
                let readable = std::fs::File::open(path);
                readable.map_err(|e| {
                    self.give_up(format!("cannot read the identity {}: {e}", path.display()))
                })?;
                Cred::ssh_key(user, None, path, None)
            }
            None => Err(self.give_up(self.access.ssh_refusal())),
        }
    }

    /// SSH host keys are compared with the pinned ones; TLS certificates are left to the CA check.
    fn check(&self, certificate: &Cert<'_>) -> Result<CertificateCheckStatus, git2::Error> {
        let Location::Ssh { host, port, .. } = self.location else {
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        };
        let key = certificate.as_hostkey().and_then(|key| key.hostkey());
        let verdict = match key {
            Some(key) => self.access.pins.check(host, *port, key),
            None => Err("it shows no key".to_owned()),
        };
        verdict
            .map(|()| CertificateCheckStatus::CertificateOk)
            .map_err(|reason| {
                let url = self.url();
                self.verdict
                    .replace(Some(SourceError::HostKey { url, reason }));
                stop(ErrorCode::Certificate)
            })
    }

    fn refused(&self, reason: String) -> SourceError {
        SourceError::Refused {
            url: self.url(),
            reason,
        }
    }

    fn give_up(&self, reason: String) -> git2::Error {
        self.verdict.replace(Some(self.refused(reason)));
        stop(ErrorCode::Auth)
    }

    /// What went wrong, in our words: what a callback decided, else by libgit2's code and class.
    pub fn fault(&self, error: &git2::Error) -> SourceError {
        if let Some(verdict) = self.verdict.take() {
            return verdict;
        }
        let message = error.message().trim().trim_end_matches('.');
        match (error.code(), error.class()) {
            (ErrorCode::Auth, _) => self.refused(format!("{message}; check the token or the key")),
            (ErrorCode::Certificate, _) => self.refused(format!(
                "{message}; if it is right, add its authority to those that this machine trusts"
            )),
            (ErrorCode::Timeout, _) => late(self.url()),
            (_, ErrorClass::Http) => self.http_fault(message),
            _ => SourceError::Unreachable {
                url: self.url(),
                reason: message.to_owned(),
            },
        }
    }

    /// libgit2 has no code for what an HTTP server answers; its text is all there is.
    fn http_fault(&self, message: &str) -> SourceError {
        let status = message.rsplit_once("status code: ").map(|(_, code)| code);
        match status {
            Some("404" | "410") => self.refused(
                "there is no repository at this URL, or it is hidden from us; check the URL, or \
                 give a token"
                    .to_owned(),
            ),
            Some("403") => {
                self.refused("we may not read it; check what the token allows".to_owned())
            }
            Some(_) => SourceError::Unreachable {
                url: self.url(),
                reason: message.to_owned(),
            },
            None => SourceError::Unreadable {
                url: self.url(),
                what: "the answer".to_owned(),
                reason: format!("it is not git's: {message}; check the URL"),
            },
        }
    }
}

/// The error for a server that keeps us waiting.
pub(super) fn late(url: String) -> SourceError {
    SourceError::Unreachable {
        url,
        reason: "it does not answer in time; see whether the server is up and reachable".to_owned(),
    }
}

/// Ends a conversation from within a callback; the reason lies in the verdict.
fn stop(code: ErrorCode) -> git2::Error {
    git2::Error::new(code, ErrorClass::Callback, "stopped")
}

/// The proxy that git's settings or the process's environment name, if any.
fn proxy<'a>() -> ProxyOptions<'a> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

/// Sets libgit2's timeouts, which are off by default and the same for the whole process.
fn bound_libgit2() {
    static ONCE: Once = Once::new();
    let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    ONCE.call_once(|| {
        // SAFETY: both write a plain number that libgit2 reads when it opens a connection. Only a
        // `Talk` opens one, none exists before this has returned, and it is never written again.
        let set = unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(millis(CONNECT_TIMEOUT)).and(
                git2::opts::set_server_timeout_in_milliseconds(millis(SILENCE_TIMEOUT)),
            )
        };
        set.expect("libgit2 takes any number as a timeout");
    });
}
