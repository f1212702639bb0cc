//! A push as almost every SCM server tells it: JSON, with the repository in one of a few fields.

use std::collections::BTreeSet;

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::Address;

/// The headers in which a signature may come, ours first; the value reads `sha256=<hex>`.
pub const SIGNATURE_HEADERS: [&str; 2] = ["x-metrom-signature-256", "x-hub-signature-256"];

/// The largest body that is looked at, in bytes. A push with more in it is lost, and the poll finds
/// what it was about.
pub const BODY_LIMIT: usize = 4 << 20;

/// Where servers write the URLs of the repository, below the top of their JSON.
const URL_FIELDS: [&str; 8] = [
    "clone_url",
    "git_url",
    "ssh_url",
    "url",
    "html_url",
    "git_http_url",
    "git_ssh_url",
    "web_url",
];
/// Where they write its name with the owner, such as `team/app`.
const NAME_FIELDS: [&str; 2] = ["full_name", "path_with_namespace"];

/// Whether a body was signed with the secret: HMAC-SHA256, compared in constant time.
///
/// **Guarantees.** An empty secret verifies nothing.
#[must_use]
pub fn verify(secret: &SecretString, body: &[u8], signature: &str) -> bool {
    let secret = secret.expose_secret();
    let Some(code) = signature.trim().strip_prefix("sha256=") else {
        return false;
    };
    let (Ok(code), false) = (hex::decode(code), secret.is_empty()) else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(body);
    mac.verify_slice(&code).is_ok()
}

/// The repository that a push was made to, by all that the message says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    addresses: BTreeSet<Address>,
    names: BTreeSet<String>,
}

impl Pushed {
    /// Whether the push was made to the repository at this URL, however that is written.
    ///
    /// The name counts only where the message has no URL at all: it says nothing of the server.
    #[must_use]
    pub fn is_to(&self, url: &str) -> bool {
        Address::of(url).is_some_and(|address| match self.addresses.is_empty() {
            true => self.names.contains(address.path()),
            false => self.addresses.contains(&address),
        })
    }
}

impl std::fmt::Display for Pushed {
    /// For logs: the first address, else the name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.addresses.first(), self.names.first()) {
            (Some(address), _) => address.fmt(f),
            (None, Some(name)) => f.write_str(name),
            (None, None) => f.write_str("no repository"),
        }
    }
}

/// Which repository a message is about; `None` when it says nothing of one.
///
/// Understands `{"repository": {"url" | "clone_url" | "git_url" | … | "full_name": "…"}}`, the same
/// with a plain URL as `repository`, and the pushes of GitHub, Gitea, GitLab and Bitbucket.
#[must_use]
pub fn repository_of(body: &[u8]) -> Option<Pushed> {
    if body.len() > BODY_LIMIT {
        return None;
    }
    let message: Message = serde_json::from_slice(body).ok()?;
    let mut pushed = Pushed::default();
    for place in [&message.repository, &message.project] {
        pushed.add_urls(place);
        pushed.add_names(place);
    }
    (pushed != Pushed::default()).then_some(pushed)
}

/// The two places of a message that matter; what else there is is skipped unread.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    repository: Value,
    /// What GitLab calls it.
    #[serde(default)]
    project: Value,
}

impl Pushed {
    fn add_urls(&mut self, place: &Value) {
        let fields = URL_FIELDS.iter().filter_map(|field| place.get(field));
        // Bitbucket's: `links.html.href`.
        let link = place.pointer("/links/html/href");
        let urls = fields.chain(link).chain([place]).filter_map(Value::as_str);
        self.addresses.extend(urls.filter_map(Address::of));
    }

    fn add_names(&mut self, place: &Value) {
        let fields = NAME_FIELDS
            .iter()
            .filter_map(|field| place.get(field)?.as_str());
        let names = fields.map(|name| name.trim_matches('/').to_lowercase());
        self.names.extend(names.filter(|name| !name.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_over_the_same_bytes_verifies() {
        // The example of GitHub's documentation.
        let secret = SecretString::from("It's a Secret to Everybody");
        let body = b"Hello, World!";
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(verify(&secret, body, good));
        assert!(verify(
            &secret,
            body,
            &good.to_uppercase().replace("SHA256", "sha256")
        ));
        assert!(!verify(&secret, b"Hello, World", good));
        assert!(!verify(&SecretString::from("guess"), body, good));
        let bare = good.strip_prefix("sha256=").unwrap();
        let sha1 = format!("sha1={bare}");
        for bad in [
            "",
            "sha256=",
            "sha256=zz",
            &good[..60],
            bare,
            &sha1,
            &format!("{good}00"),
        ] {
            assert!(!verify(&secret, body, bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let mac = Hmac::<Sha256>::new_from_slice(b"")
            .unwrap()
            .finalize()
            .into_bytes();
        let signature = format!("sha256={}", hex::encode(mac));
        assert!(!verify(&SecretString::from(""), b"", &signature));
    }

    #[test]
    fn the_pushes_of_known_servers_name_their_repository() {
        for (server, body) in [
            (
                "generic",
                r#"{"repository": {"url": "ssh://git@h/team/app"}, "ref": "refs/heads/main"}"#,
            ),
            ("plain", r#"{"repository": "https://h/team/app.git"}"#),
            (
                "github",
                r#"{"ref": "refs/heads/main", "after": "0", "repository": {"id": 1, "full_name": "team/app",
                   "html_url": "https://h/team/app", "clone_url": "https://h/team/app.git",
                   "ssh_url": "git@h:team/app.git", "owner": {"login": "team"}}, "commits": []}"#,
            ),
            (
                "gitea",
                r#"{"ref": "refs/heads/main", "repository": {"full_name": "team/app", "empty": false,
                   "ssh_url": "ssh://git@h:2222/team/app.git", "clone_url": "http://h:3000/team/app.git"}}"#,
            ),
            (
                "gitlab",
                r#"{"object_kind": "push", "project": {"path_with_namespace": "team/app",
                   "git_http_url": "https://h/team/app.git", "git_ssh_url": "git@h:team/app.git"},
                   "repository": {"name": "app", "url": "git@h:team/app.git"}}"#,
            ),
            (
                "bitbucket",
                r#"{"push": {"changes": []}, "repository": {"full_name": "team/app",
                   "links": {"html": {"href": "https://h/team/app"}}}}"#,
            ),
        ] {
            let pushed = repository_of(body.as_bytes()).expect(server);
            assert!(pushed.is_to("https://h/team/app.git"), "{server}");
            assert!(pushed.is_to("git@h:team/app"), "{server}");
            assert!(!pushed.is_to("https://elsewhere/team/app.git"), "{server}");
            assert!(!pushed.is_to("https://h/team/other.git"), "{server}");
            assert_eq!(pushed.to_string(), "h/team/app", "{server}");
        }
    }

    #[test]
    fn a_name_alone_is_enough_where_there_is_no_url() {
        let pushed = repository_of(br#"{"repository": {"full_name": "Team/App"}}"#).unwrap();
        assert!(pushed.is_to("https://any/team/app.git"));
        assert!(!pushed.is_to("https://any/deep/team/app.git"));
        assert_eq!(pushed.to_string(), "team/app");
    }

    #[test]
    fn odd_bodies_are_about_no_repository() {
        let deep = "[".repeat(100_000);
        let large = format!(
            r#"{{"repository": "https://h/x", "x": "{}"}}"#,
            "x".repeat(BODY_LIMIT)
        );
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            "payload=%7B%7D",
            r#"{"repository": 5}"#,
            r#"{"repository": {"url": ["https://h/x"]}}"#,
            r#"{"repository": {"url": "", "full_name": "/"}}"#,
            r#"{"repository": {"url": "https://h/x"}"#,
            &deep,
            &large,
        ] {
            let start: String = body.chars().take(60).collect();
            assert_eq!(repository_of(body.as_bytes()), None, "{start}");
        }
        assert_eq!(repository_of(b"{\"repository\": \"\xff\"}"), None);
    }

    #[test]
    fn neither_scheme_nor_credentials_reach_a_log() {
        let body = br#"{"repository": {"url": "https://user:hunter2@h/x"}}"#;
        let pushed = repository_of(body).unwrap();
        assert!(!format!("{pushed} {pushed:?}").contains("hunter2"));
    }
}
