//! Where a repository lies, understood once from what people write.
//!
//! A URL that carries a password or a token is refused here, before anything else sees it, and what
//! is shown of any URL has lost its credentials.

use std::path::{Path, PathBuf};

use crate::port::SourceError;

/// The account that git servers agree on, for `ssh://` URLs that name none.
const SSH_USER: &str = "git";
const SSH_PORT: u16 = 22;

/// A repository's address by the way it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine, bare or with a work tree; always absolute.
    Local(PathBuf),
    /// `http://` or `https://`; `origin` is scheme, host and port, all that a token is meant for.
    Http { url: String, origin: String },
    /// `ssh://` or `user@host:path`.
    Ssh {
        url: String,
        user: String,
        host: String,
        port: u16,
    },
}

impl Location {
    /// Understands a path, `file://`, `http(s)://`, `ssh://` or `user@host:path`.
    ///
    /// # Errors
    /// [`SourceError::Refused`] for another scheme, for a URL that lacks its host, and for one that
    /// carries credentials.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => parse_url(text, scheme, rest),
            Some(_) | None if text.is_empty() => Err(refused(text, "the URL is empty")),
            Some(_) | None => match scp_like(text) {
                Some((user, host)) => ssh(text, user, &host, SSH_PORT),
                None => local(text, Path::new(text)),
            },
        }
    }

    /// What libgit2 is given.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Local(path) => path.to_string_lossy().into_owned(),
            Self::Http { url, .. } | Self::Ssh { url, .. } => url.clone(),
        }
    }
}

/// The folder of a local repository: a path or a `file://` URL; `None` for any other address.
#[must_use]
pub fn is_local(url: &str) -> Option<PathBuf> {
    match Location::parse(url) {
        Ok(Location::Local(path)) => Some(path),
        Ok(Location::Http { .. } | Location::Ssh { .. }) | Err(_) => None,
    }
}

/// The URL as it may be shown: without a password, and without a user where that may be a token.
#[must_use]
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        None => url.to_owned(),
        Some((user, host)) if scheme == "ssh" && !user.contains(':') => {
            format!("{scheme}://{user}@{host}{path}")
        }
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
    }
}

fn parse_url(url: &str, scheme: &str, rest: &str) -> Result<Location, SourceError> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, server) = match authority.rsplit_once('@') {
        Some((user, server)) => (Some(user), server),
        None => (None, authority),
    };
    let has_secret = user.is_some_and(|user| scheme != "ssh" || user.contains(':'));
    if has_secret {
        return Err(refused(
            url,
            "the URL carries credentials; take them out of it and give a token by reference instead",
        ));
    }
    match scheme {
        "file" => match server {
            "" | "localhost" => local(url, Path::new(&percent_decoded(path))),
            _ => Err(refused(url, "a `file://` URL cannot name another machine")),
        },
        "http" | "https" if server.is_empty() => Err(refused(url, "the URL names no host")),
        "http" | "https" => Ok(Location::Http {
            url: url.to_owned(),
            origin: origin(scheme, server),
        }),
        "ssh" => {
            let (host, port) = host_and_port(server)
                .ok_or_else(|| refused(url, "the URL names no host, or no valid port"))?;
            ssh(url, user.unwrap_or(SSH_USER), &host, port)
        }
        _ => Err(refused(
            url,
            "the scheme is not supported; use `https://`, `ssh://`, `user@host:path`, `file://` or a path",
        )),
    }
}

/// Scheme, host and port of an HTTP URL, in a form that can be compared.
fn origin(scheme: &str, server: &str) -> String {
    let server = server.to_ascii_lowercase();
    let default = if scheme == "https" { ":443" } else { ":80" };
    format!(
        "{scheme}://{}",
        server.strip_suffix(default).unwrap_or(&server)
    )
}

/// The origin of any URL that a server sends us to; `None` when it is not HTTP.
pub(super) fn origin_of(url: &str) -> Option<String> {
    match Location::parse(url) {
        Ok(Location::Http { origin, .. }) => Some(origin),
        Ok(Location::Local(_) | Location::Ssh { .. }) | Err(_) => None,
    }
}

/// User and host of `user@host:path`, as git tells it from a path: a colon before any slash.
fn scp_like(text: &str) -> Option<(&str, String)> {
    let (before, _) = text
        .split_once(':')
        .filter(|(before, _)| !before.contains('/'))?;
    let (user, host) = before.split_once('@').unwrap_or((SSH_USER, before));
    Some((user, host.trim_matches(['[', ']']).to_owned()))
}

fn ssh(url: &str, user: &str, host: &str, port: u16) -> Result<Location, SourceError> {
    let is_option = |text: &str| text.is_empty() || text.starts_with('-');
    if is_option(host) || is_option(user) {
        return Err(refused(url, "the URL names no valid user or host"));
    }
    Ok(Location::Ssh {
        url: url.to_owned(),
        user: user.to_owned(),
        host: host.to_ascii_lowercase(),
        port,
    })
}

fn local(url: &str, path: &Path) -> Result<Location, SourceError> {
    std::path::absolute(path)
        .map(Location::Local)
        .map_err(|e| refused(url, &e.to_string()))
}

fn host_and_port(server: &str) -> Option<(String, u16)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = port.map_or(Some(SSH_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [a, b, ..]) => std::str::from_utf8(&[*a, *b])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(url: &str, reason: &str) -> SourceError {
    SourceError::Refused {
        url: redacted(url),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh_location(url: &str, user: &str, host: &str, port: u16) -> Location {
        Location::Ssh {
            url: url.to_owned(),
            user: user.to_owned(),
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn ssh_addresses_are_understood_in_both_forms() {
        for (url, user, host, port) in [
            ("git@example.org:team/app.git", "git", "example.org", 22),
            ("example.org:app", "git", "example.org", 22),
            ("ssh://deploy@Example.org/app", "deploy", "example.org", 22),
            ("ssh://example.org:2222/app", "git", "example.org", 2222),
            ("ssh://git@[::1]:2222/app", "git", "::1", 2222),
        ] {
            assert_eq!(
                Location::parse(url).unwrap(),
                ssh_location(url, user, host, port)
            );
        }
    }

    #[test]
    fn paths_and_file_urls_are_local() {
        assert_eq!(is_local("/srv/repo"), Some(PathBuf::from("/srv/repo")));
        assert_eq!(
            is_local("file:///srv/a%20b"),
            Some(PathBuf::from("/srv/a b"))
        );
        assert_eq!(
            is_local("file://localhost/srv/a%zz"),
            Some(PathBuf::from("/srv/a%zz"))
        );
        assert_eq!(is_local("./a:b"), Some(std::path::absolute("a:b").unwrap()));
        assert_eq!(is_local("https://example.org/x"), None);
        assert_eq!(is_local("git@example.org:x"), None);
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_never_shown() {
        for url in [
            "https://user:hunter2@example.org/x.git",
            "https://hunter2@example.org/x.git",
            "ssh://git:hunter2@example.org/x.git",
            "http://a@b:hunter2@example.org",
            "ftp://u:hunter2@example.org/",
        ] {
            let error = Location::parse(url).unwrap_err();
            assert!(matches!(error, SourceError::Refused { .. }), "{error}");
            let shown = format!("{error} {error:?} {}", redacted(url));
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("example.org"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_repository_address_is_refused_with_the_next_move() {
        for url in [
            "",
            "git://h/x",
            "ext::sh -c id",
            "ssh:///x",
            "https:///x",
            "ssh://-oP@h/x",
        ] {
            let error = Location::parse(url);
            // `ext::…` reads as host `ext` with an odd path, which no host key will ever match.
            if url.starts_with("ext") {
                assert!(matches!(error, Ok(Location::Ssh { .. })));
            } else {
                assert!(matches!(error, Err(SourceError::Refused { .. })), "{url}");
            }
        }
    }

    #[test]
    fn an_origin_compares_without_the_default_port() {
        assert_eq!(origin_of("https://H:443/x"), origin_of("https://h/y"));
        assert_ne!(origin_of("http://h/x"), origin_of("https://h/x"));
        assert_ne!(origin_of("https://h:8443/x"), origin_of("https://h/x"));
    }
}
