//! One repository under its many URLs.

use std::fmt;

/// What all URLs of one repository have in common: the host, and the path without `.git`.
///
/// User, scheme and port are left out, since they differ between the HTTPS and the SSH address of
/// one server, and so is case. Two repositories taken for one cost a needless look, no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    path: String,
}

impl Address {
    /// Understands `https://h/x.git`, `ssh://git@h/x`, `git@h:x`, `file:///x` and `/x`; `None` for
    /// what names no repository.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let url = url.trim().split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?,
            None => match url.split_once(':') {
                Some((host, path)) if !host.contains('/') => (host, path),
                Some(_) | None => ("", url),
            },
        };
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        (!path.is_empty()).then(|| Self {
            host: without_port(host).to_lowercase(),
            path: path.trim_end_matches('/').to_lowercase(),
        })
    }

    /// The path alone, such as `team/app`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_urls_of_one_repository_are_one_address() {
        let expected = Address::of("https://example.org/Team/App.git").unwrap();
        for url in [
            "git@example.org:team/app",
            "git@example.org:/team/app.git",
            "ssh://git@Example.org:2222/team/app.git",
            "https://user:secret@example.org:8443/team/app/",
            "http://example.org/team/app?x=y#z",
            " git://example.org/team/app.git ",
        ] {
            assert_eq!(Address::of(url), Some(expected.clone()), "{url}");
        }
        assert_eq!(expected.to_string(), "example.org/team/app");
        assert_eq!(expected.path(), "team/app");
    }

    #[test]
    fn a_path_and_its_file_url_are_one_address() {
        assert_eq!(
            Address::of("/srv/git/app.git"),
            Address::of("file:///srv/git/app")
        );
    }

    #[test]
    fn other_hosts_and_paths_are_others() {
        let one = Address::of("https://example.org/team/app");
        for url in [
            "https://example.com/team/app",
            "https://example.org/team/app2",
            "/team/app",
        ] {
            assert_ne!(Address::of(url), one, "{url}");
        }
    }

    #[test]
    fn what_names_no_repository_is_no_address() {
        for url in [
            "",
            "/",
            "https://",
            "https://example.org",
            "https://example.org/",
            ":",
            "h:",
            "?",
        ] {
            assert_eq!(Address::of(url), None, "{url}");
        }
    }
}
