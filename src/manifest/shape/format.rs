//! What a text has to look like, by the `format` of its schema.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::super::schema::{Age, Hours, ParameterName, Retain, Size, Span};
use super::words::shown;
use crate::model::{EnvName, RepoPath, Timestamp};

/// Why a text does not fit.
pub(super) struct Misfit {
    pub message: String,
    pub help: Option<String>,
    /// The text holds a secret.
    pub is_secret: bool,
}

fn misfit(message: String, help: &str) -> Misfit {
    Misfit {
        message,
        help: (!help.is_empty()).then(|| help.to_owned()),
        is_secret: false,
    }
}

/// Holds a text against the `format`, or else the `pattern` and the length that its schema names.
pub(super) fn check(schema: &Value, text: &str) -> Result<(), Misfit> {
    let plain = |result: Result<(), String>| result.map_err(|message| misfit(message, ""));
    match schema.get("format").and_then(Value::as_str) {
        Some("name") => plain(EnvName::parse(text).map(drop).map_err(|e| e.to_string())),
        Some("size") => plain(text.parse::<Size>().map(drop).map_err(|e| e.to_string())),
        Some("span") => plain(text.parse::<Span>().map(drop).map_err(|e| e.to_string())),
        Some("age") => plain(text.parse::<Age>().map(drop).map_err(|e| e.to_string())),
        Some("office-hours") => plain(text.parse::<Hours>().map(drop).map_err(|e| e.to_string())),
        Some("retain") => plain(text.parse::<Retain>().map(drop).map_err(|e| e.to_string())),
        Some("date-time") => instant(text),
        Some("git-url") => git_url(text),
        Some("http-url") => http_url(text),
        Some("git-ref") => git_ref(text),
        Some("ssh-key") => ssh_key(text),
        Some("libvirt-uri") => libvirt_uri(text),
        Some("libvirt-name") => libvirt_name(text),
        Some("absolute-path") => absolute_path(text),
        Some("relative-path") => relative_path(text),
        Some("subnet") => subnet(text),
        Some("network") => network(text),
        Some("pattern") => pattern(text),
        _ => plain_text(schema, text),
    }
}

/// Whether a text can be the key of a map whose keys have that pattern: names of parameters, or of
/// documents.
pub(super) fn key(pattern: &str, text: &str) -> Result<(), String> {
    if pattern == ParameterName::PATTERN {
        let name = ParameterName::parse(text);
        return name.map(drop).map_err(|e| e.to_string());
    }
    EnvName::parse(text).map(drop).map_err(|e| e.to_string())
}

fn plain_text(schema: &Value, text: &str) -> Result<(), Misfit> {
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    if (text.chars().count() as u64) < least {
        return Err(misfit("a text must not be empty here".to_owned(), ""));
    }
    match schema.get("pattern").and_then(Value::as_str) {
        Some(pattern) if !is_match(pattern, text) => {
            let message = format!("{} does not fit here", shown(text));
            Err(misfit(message, &format!("it must match `{pattern}`")))
        }
        _ => Ok(()),
    }
}

/// Patterns of our own schema; each is compiled once.
fn is_match(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> =
        LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

fn instant(text: &str) -> Result<(), Misfit> {
    text.parse::<Timestamp>().map(drop).map_err(|_| {
        misfit(
            format!("{} is not an instant", shown(text)),
            "write date, time and zone, such as `2026-12-24T18:00:00Z` or `2026-12-24T18:00:00+09:00`",
        )
    })
}

/// A URL with a password in it is a secret in the repository, whatever the scheme.
fn without_credentials(text: &str) -> Result<(), Misfit> {
    let authority = text
        .split_once("://")
        .map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let user = authority
        .and_then(|authority| authority.rsplit_once('@'))
        .map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err(Misfit {
            message: "the URL holds a password".to_owned(),
            help: Some("remove it, and change it, since it is in the history now".to_owned()),
            is_secret: true,
        });
    }
    Ok(())
}

fn is_url_text(rest: &str) -> bool {
    !rest.is_empty()
        && !rest.starts_with(['-', '/'])
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn http_url(text: &str) -> Result<(), Misfit> {
    without_credentials(text)?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(is_url_text) {
        return Ok(());
    }
    let message = format!("{} is not a URL that can be used here", shown(text));
    Err(misfit(
        message,
        "write `https://host/path` or `http://host/path`",
    ))
}

fn git_url(text: &str) -> Result<(), Misfit> {
    without_credentials(text)?;
    let is_good = match text.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => is_url_text(rest),
        Some(("file", rest)) => rest.starts_with('/') && !rest.contains(char::is_control),
        Some(_) => false,
        None => is_scp_like(text),
    };
    if is_good {
        return Ok(());
    }
    let message = format!("{} is not the URL of a git repository", shown(text));
    Err(misfit(
        message,
        "write `https://host/path.git`, `ssh://user@host/path.git` or `user@host:path.git`",
    ))
}

/// `user@host:path`, as git and ssh write it.
fn is_scp_like(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else {
        return false;
    };
    let is_host = host.contains('@') && is_url_text(host) && !host.contains('/');
    is_host && !path.is_empty() && !path.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The rules of `git check-ref-format`, and no leading `-`, which programs take for an option.
fn git_ref(text: &str) -> Result<(), Misfit> {
    let has_odd = text.contains(|c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    });
    let is_odd_part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let is_good = !has_odd
        && !text.starts_with('-')
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
        && !text.ends_with('.')
        && !text.split('/').any(is_odd_part);
    if is_good {
        return Ok(());
    }
    let message = format!("{} cannot be a branch, a tag or a commit", shown(text));
    Err(misfit(
        message,
        "write the name as `git branch` shows it, or a full commit id",
    ))
}

fn ssh_key(text: &str) -> Result<(), Misfit> {
    if text.contains("PRIVATE KEY") {
        return Err(Misfit {
            message: "this is a private key".to_owned(),
            help: Some(
                "write the public one, and make a new pair: this one is in the history now"
                    .to_owned(),
            ),
            is_secret: true,
        });
    }
    let mut parts = text.split(' ');
    let kind = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    let is_kind = ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|start| kind.starts_with(start));
    let is_body = body.starts_with("AAAA")
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    if is_kind && is_body && !text.contains(['\n', '\r']) {
        return Ok(());
    }
    let message = format!("{} is not a public key", shown(text));
    Err(misfit(
        message,
        "write the one line of a `.pub` file, such as `ssh-ed25519 AAAA… alice`",
    ))
}

fn libvirt_uri(text: &str) -> Result<(), Misfit> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+')
    };
    if scheme.is_some_and(is_scheme)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Ok(());
    }
    Err(misfit(
        format!("{} is not a libvirt connection", shown(text)),
        "write `qemu:///system` for this machine",
    ))
}

fn libvirt_name(text: &str) -> Result<(), Misfit> {
    let is_good = !text.is_empty()
        && !text.starts_with(['-', '.'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if is_good {
        return Ok(());
    }
    let message = format!("{} cannot be the name of a pool or a network", shown(text));
    Err(misfit(message, "use letters, digits, `-`, `_` and `.`"))
}

fn absolute_path(text: &str) -> Result<(), Misfit> {
    let is_clean =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    if text
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_clean))
    {
        return Ok(());
    }
    let message = format!("{} is not an absolute path", shown(text));
    Err(misfit(
        message,
        "begin it with `/`, and leave out `.`, `..` and `/` at the end",
    ))
}

fn relative_path(text: &str) -> Result<(), Misfit> {
    RepoPath::parse(text).map(drop).map_err(|_| {
        let message = format!("{} is not a path inside the repository", shown(text));
        misfit(message, "write it without `.`, `..` and a leading `/`")
    })
}

fn subnet(text: &str) -> Result<(), Misfit> {
    let help = "write an IPv4 network, such as `10.77.0.0/24`";
    let bad = || misfit(format!("{} is not a subnet", shown(text)), help);
    let (address, bits) = text.split_once('/').ok_or_else(bad)?;
    let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
    let bits: u32 = bits.parse().map_err(|_| bad())?;
    if !(8..=29).contains(&bits) {
        let message = format!(
            "{} leaves no room for machines, or far too much",
            shown(text)
        );
        return Err(misfit(message, "take from /8 to /29"));
    }
    let network = u32::from(address) & (u32::MAX << (32 - bits));
    if network != u32::from(address) {
        let message = format!("{} is an address within a subnet", shown(text));
        return Err(misfit(
            message,
            &format!("did you mean `{}/{bits}`?", Ipv4Addr::from(network)),
        ));
    }
    Ok(())
}

/// From a single address to everywhere, of either kind.
fn network(text: &str) -> Result<(), Misfit> {
    let help = "write it such as `203.0.113.0/24`, or a single address as `203.0.113.7/32`";
    let bad = || misfit(format!("{} is not a network", shown(text)), help);
    let (address, bits) = text.split_once('/').ok_or_else(bad)?;
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let bits: u32 = bits.parse().map_err(|_| bad())?;
    let network = match address {
        IpAddr::V4(v4) if bits <= u32::BITS => {
            let hosts = u32::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::from(Ipv4Addr::from(u32::from(v4) & !hosts))
        }
        IpAddr::V6(v6) if bits <= u128::BITS => {
            let hosts = u128::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::from(Ipv6Addr::from(u128::from(v6) & !hosts))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return Err(bad()),
    };
    if network != address {
        let message = format!("{} is an address within a network", shown(text));
        let meant = format!("did you mean `{network}/{bits}`?");
        return Err(misfit(message, &meant));
    }
    Ok(())
}

fn pattern(text: &str) -> Result<(), Misfit> {
    Regex::new(text).map(drop).map_err(|error| {
        let reason = error.to_string();
        let reason = reason
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        misfit(
            format!("{} is not a regular expression: {reason}", shown(text)),
            "",
        )
    })
}
