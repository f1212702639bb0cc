//! Where this machine gets its Debian packages from, read from its own apt: no mirror is written in
//! the program.

use std::path::{Path, PathBuf};

/// Archives whose packages Debian itself makes.
const COMPONENTS: [&str; 4] = ["main", "contrib", "non-free", "non-free-firmware"];
/// Other names of Debian's suites under which an archive may be listed.
const ALIASES: [&str; 4] = ["stable", "oldstable", "testing", "unstable"];
/// Suites that have neither updates nor a security archive.
const ROLLING: [&str; 2] = ["sid", "unstable"];
/// What the machine's apt is told that a build must be told as well: how to reach the mirror and
/// how old its lists may be.
const SETTINGS: [&str; 5] = [
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::Check-Valid-Until ",
    "Acquire::Check-Date ",
    "Acquire::Retries ",
];

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archive {
    uri: String,
    suite: String,
    components: Vec<String>,
    signed_by: Option<String>,
    trusted: bool,
}

/// The lines of a `sources.list` for `suite`, from the mirrors that this machine uses itself.
///
/// # Errors
/// Words, when this machine has no Debian mirror.
pub(super) fn mirror_lines(root: &Path, suite: &str) -> Result<Vec<String>, String> {
    let release = std::fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .unwrap_or_default();
    lines_for(&archives(root), &codename, suite)
}

/// The settings of apt that reach the mirror, of all that `apt-config dump` prints.
pub(super) fn settings(dump: &str) -> Vec<&str> {
    dump.lines()
        .filter(|line| SETTINGS.iter().any(|prefix| line.starts_with(prefix)))
        .filter(|line| !line.ends_with(" \"\";"))
        .collect()
}

fn archives(root: &Path) -> Vec<Archive> {
    let mut files = vec![root.join("etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir(root.join("etc/apt/sources.list.d")) {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    files.iter().flat_map(read).collect()
}

fn read(file: &PathBuf) -> Vec<Archive> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match file.extension().and_then(|e| e.to_str()) {
        Some("list") => one_line(&text),
        Some("sources") => deb822(&text),
        _ => Vec::new(),
    }
}

fn lines_for(archives: &[Archive], codename: &str, suite: &str) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for archive in archives.iter().filter(|a| a.is_debian()) {
        let Some(pocket) = archive.pocket(codename) else {
            continue;
        };
        if ROLLING.contains(&suite) && !pocket.is_empty() {
            continue;
        }
        let line = archive.line(&format!("{suite}{pocket}"));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let base = format!(" {suite} ");
    if lines.iter().any(|line| line.contains(&base)) {
        return Ok(lines);
    }
    Err(format!(
        "the apt sources of this machine name no Debian mirror for its own release `{codename}`; \
         add one to /etc/apt/sources.list"
    ))
}

impl Archive {
    fn is_debian(&self) -> bool {
        let of_debian = self
            .signed_by
            .as_ref()
            .is_none_or(|key| key.contains("debian-archive"));
        of_debian && !self.uri.starts_with("cdrom:") && self.components.iter().any(|c| c == "main")
    }

    /// What follows the name of the suite: nothing, `-updates` or `-security`.
    fn pocket(&self, codename: &str) -> Option<&str> {
        let names = ALIASES.iter().copied().chain([codename]);
        let rest = names
            .filter(|name| !name.is_empty())
            .find_map(|name| self.suite.strip_prefix(name))?;
        matches!(rest, "" | "-updates" | "-security").then_some(rest)
    }

    fn line(&self, suite: &str) -> String {
        let option = if self.trusted { "[trusted=yes] " } else { "" };
        let components = Vec::from_iter(
            self.components
                .iter()
                .map(String::as_str)
                .filter(|c| COMPONENTS.contains(c)),
        );
        format!("deb {option}{} {suite} {}", self.uri, components.join(" "))
    }
}

/// Reads the form `deb [option=value] uri suite component…`.
fn one_line(text: &str) -> Vec<Archive> {
    text.lines().filter_map(one_archive).collect()
}

fn one_archive(line: &str) -> Option<Archive> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let option = |name: &str| {
        options
            .split_whitespace()
            .find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Archive {
        uri: words.next()?,
        suite: words.next()?,
        components: words.collect(),
        signed_by: option("signed-by").map(str::to_owned),
        trusted: option("trusted") == Some("yes"),
    })
}

/// Reads the form of paragraphs of `Field: value`, in which a paragraph stands for every
/// combination of its URIs and suites.
fn deb822(text: &str) -> Vec<Archive> {
    let text = Vec::from_iter(text.lines().filter(|line| !line.starts_with('#'))).join("\n");
    text.split("\n\n").flat_map(paragraph).collect()
}

fn paragraph(text: &str) -> Vec<Archive> {
    let field = |name: &str| field(text, name);
    let is_off = field("Enabled").is_some_and(|value| value.trim() == "no");
    let types = field("Types").unwrap_or_default();
    if is_off || !types.split_whitespace().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let words = |name: &str| {
        let value = field(name).unwrap_or_default();
        Vec::from_iter(value.split_whitespace().map(str::to_owned))
    };
    // A key written into the file itself cannot be told apart; such archives are not Debian's own.
    let signed_by = field("Signed-By");
    let trusted = field("Trusted").is_some_and(|value| value.trim() == "yes");
    let (suites, components) = (words("Suites"), words("Components"));
    words("URIs")
        .iter()
        .flat_map(|uri| suites.iter().map(move |suite| (uri, suite)))
        .map(|(uri, suite)| Archive {
            uri: uri.clone(),
            suite: suite.clone(),
            components: components.clone(),
            signed_by: signed_by.clone(),
            trusted,
        })
        .collect()
}

fn field(paragraph: &str, name: &str) -> Option<String> {
    let mut lines = paragraph.lines();
    let first = lines.by_ref().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t']));
    Some(more.fold(first, |value, line| value + " " + line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://other.example
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/other.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
";

    #[test]
    fn the_mirrors_of_the_machine_serve_another_suite() {
        let lines = lines_for(&deb822(DEB822), "bookworm", "trixie").unwrap();
        assert_eq!(
            lines,
            [
                "deb http://mirror.example/debian trixie main contrib",
                "deb http://mirror.example/debian trixie-updates main contrib",
                "deb http://mirror.example/debian-security trixie-security main",
            ]
        );
    }

    #[test]
    fn the_one_line_form_says_the_same() {
        let text = "\
deb [trusted=yes arch=amd64] http://mirror.example/debian stable main # ours
deb-src http://mirror.example/debian stable main
deb cdrom:[Debian]/ stable main
deb [signed-by=/k/vendor.gpg] http://vendor.example stable main
";
        let lines = lines_for(&one_line(text), "trixie", "trixie").unwrap();
        assert_eq!(
            lines,
            ["deb [trusted=yes] http://mirror.example/debian trixie main"]
        );
    }

    #[test]
    fn a_rolling_suite_has_no_updates() {
        let lines = lines_for(&deb822(DEB822), "bookworm", "sid").unwrap();
        assert_eq!(lines, ["deb http://mirror.example/debian sid main contrib"]);
    }

    #[test]
    fn a_machine_without_a_debian_mirror_is_told_so() {
        let words = lines_for(&[], "noble", "trixie").unwrap_err();
        assert!(words.contains("noble"), "{words}");
    }

    #[test]
    fn only_what_reaches_the_mirror_is_taken_over() {
        let dump = "Acquire::Languages \"none\";\nAcquire::http::Proxy \"http://p:3128\";\n\
                    Acquire::http::Timeout \"\";\nAcquire::Check-Date \"false\";\nDir \"/\";";
        assert_eq!(
            settings(dump),
            [
                "Acquire::http::Proxy \"http://p:3128\";",
                "Acquire::Check-Date \"false\";"
            ]
        );
    }
}
