//! Pinned host keys in OpenSSH's `known_hosts` format. Pure.
//!
//! Host keys are always pinned: what is not listed here is not spoken to, and there is no switch to
//! accept a key at first sight.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha1::{Digest as _, Sha1};

/// The block size of SHA-1, for HMAC.
const SHA1_BLOCK: usize = 64;

/// What a list of pinned keys says of the key that a host has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The list has this key for this host.
    Pinned,
    /// The list has keys for this host, the first at this line, but not this one.
    Differs { line: usize },
    /// The list says that this key must not be trusted any more.
    Revoked { line: usize },
    /// The list does not know this host.
    Unknown,
}

/// Looks up what a host has shown; `key` is the raw public key as sent by the server.
#[must_use]
pub fn judge(list: &str, host: &str, port: u16, key: &[u8]) -> Judgement {
    let name = host_name(host, port);
    let mut found = Judgement::Unknown;
    for (number, entry) in list
        .lines()
        .enumerate()
        .filter_map(|(i, l)| Some((i + 1, entry(l)?)))
    {
        if !covers(entry.hosts, &name) {
            continue;
        }
        let is_same = STANDARD.decode(entry.key).is_ok_and(|pinned| pinned == key);
        match (entry.is_revoked, is_same) {
            (true, true) => return Judgement::Revoked { line: number },
            (false, true) => found = Judgement::Pinned,
            (false, false) if found == Judgement::Unknown => {
                found = Judgement::Differs { line: number };
            }
            (true | false, false) => {}
        }
    }
    found
}

/// The line that pins this key for this host.
#[must_use]
pub fn line(host: &str, port: u16, key: &[u8]) -> String {
    let name = host_name(host, port);
    let algorithm = algorithm(key).unwrap_or("unknown");
    format!("{name} {algorithm} {}", STANDARD.encode(key))
}

/// The fingerprint as `ssh-keygen -l` shows it: `SHA256:…`.
#[must_use]
pub fn fingerprint(key: &[u8]) -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(key);
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest))
}

/// The algorithm that a raw public key names in its first field; `None` when it is no key.
#[must_use]
pub fn algorithm(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    (!name.is_empty()).then_some(name)
}

struct Entry<'a> {
    is_revoked: bool,
    hosts: &'a str,
    key: &'a str,
}

/// One line of the list; `None` for a comment, an empty line, and a certificate authority, which we
/// do not follow.
fn entry(line: &str) -> Option<Entry<'_>> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let (is_revoked, hosts) = match first {
        "@revoked" => (true, words.next()?),
        marker if marker.starts_with('@') => return None,
        hosts => (false, hosts),
    };
    let _algorithm = words.next()?;
    let key = words.next()?;
    Some(Entry {
        is_revoked,
        hosts,
        key,
    })
}

/// A host as it is written in a list: `[host]:port` unless the port is the usual one.
fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    match port {
        22 => host,
        _ => format!("[{host}]:{port}"),
    }
}

/// Whether the first field of a line is about this host: names with `*` and `?`, `!` to exclude,
/// separated by commas, or one hashed name.
fn covers(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let patterns = || hosts.split(',');
    let is_excluded = patterns()
        .filter_map(|pattern| pattern.strip_prefix('!'))
        .any(|pattern| matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()));
    !is_excluded
        && patterns()
            .any(|pattern| matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()))
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([a, rest @ ..], [b, name @ ..]) => a == b && matches(rest, name),
        ([_, ..], []) | ([], [_, ..]) => false,
    }
}

/// `hashed` is `salt|hash`, both in base64.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let salt = STANDARD.decode(salt).ok()?;
    let hash = STANDARD.decode(hash).ok()?;
    Some(hmac_sha1(&salt, name.as_bytes())? == hash)
}

/// HMAC-SHA1, which the format prescribes; `None` for a key longer than a block, which no salt is.
fn hmac_sha1(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut block = [0_u8; SHA1_BLOCK];
    block.get_mut(..key.len())?.copy_from_slice(key);
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha1::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize();
    Some(outer.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x04abcd";
    const OTHER: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x04wxyz";

    fn pinned(host: &str, port: u16) -> String {
        format!(
            "# a comment\n\n{} somebody@somewhere\n",
            line(host, port, KEY)
        )
    }

    #[test]
    fn the_line_that_is_offered_pins_the_key_for_that_port_alone() {
        let list = pinned("Example.org", 2222);
        assert_eq!(judge(&list, "example.org", 2222, KEY), Judgement::Pinned);
        assert_eq!(judge(&list, "example.org", 22, KEY), Judgement::Unknown);
        assert_eq!(judge(&list, "other.org", 2222, KEY), Judgement::Unknown);
        assert!(list.contains("[example.org]:2222 ssh-ed25519 "), "{list}");
    }

    #[test]
    fn another_key_for_a_known_host_differs_and_says_where() {
        let list = pinned("h", 22);
        assert_eq!(judge(&list, "h", 22, OTHER), Judgement::Differs { line: 3 });
    }

    #[test]
    fn one_of_several_keys_is_enough_and_a_revoked_one_never_is() {
        let both = format!("{}\n{}", line("h", 22, OTHER), line("h", 22, KEY));
        assert_eq!(judge(&both, "h", 22, KEY), Judgement::Pinned);
        let revoked = format!("{both}\n@revoked {}", line("*", 22, KEY));
        assert_eq!(
            judge(&revoked, "h", 22, KEY),
            Judgement::Revoked { line: 3 }
        );
    }

    #[test]
    fn patterns_cover_and_exclude() {
        let list = format!(
            "*.lab.org,!bad.lab.org,10.0.0.? {}",
            &line("", 22, KEY)[1..]
        );
        assert_eq!(judge(&list, "git.lab.org", 22, KEY), Judgement::Pinned);
        assert_eq!(judge(&list, "10.0.0.7", 22, KEY), Judgement::Pinned);
        assert_eq!(judge(&list, "bad.lab.org", 22, KEY), Judgement::Unknown);
        assert_eq!(judge(&list, "lab.org", 22, KEY), Judgement::Unknown);
    }

    #[test]
    fn a_certificate_authority_and_broken_lines_pin_nothing() {
        for list in [
            "@cert-authority * ssh-ed25519 AAAA",
            "h",
            "h ssh-ed25519",
            "|1|x|y a b",
            "|1|z c d",
        ] {
            assert_eq!(judge(list, "h", 22, KEY), Judgement::Unknown, "{list}");
        }
        assert_eq!(
            judge("h ssh-ed25519 !!!", "h", 22, KEY),
            Judgement::Differs { line: 1 }
        );
    }

    #[test]
    fn hmac_is_that_of_the_standard() {
        // RFC 2202, test case 2.
        let mac = hmac_sha1(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(hex::encode(mac), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
}
