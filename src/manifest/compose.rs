//! A tolerant reader of compose files: the little that Metrom wants to know before Compose has
//! read them.
//!
//! **Guarantees.** Never refuses what Compose accepts: what it does not understand it leaves out.
//! Only text that is no YAML is a fault. Compose itself, on the machine, has the last word.

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::{self, Fault, Node};

/// What a compose file says, as far as it can be told without Compose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    pub services: BTreeMap<String, Service>,
    /// Named volumes that the file declares.
    pub volumes: BTreeSet<String>,
    /// Other files bring services of their own.
    pub has_includes: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// As written, variables included.
    pub image: Option<String>,
    /// The build context as written.
    pub build: Option<String>,
    pub ports: Vec<Port>,
    /// Named volumes that it mounts.
    pub volumes: BTreeSet<String>,
    pub has_healthcheck: bool,
    /// Only started when one of these is asked for.
    pub profiles: BTreeSet<String>,
}

/// A port of a service, as written: each may be a variable or a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// `None` when Docker picks one.
    pub published: Option<String>,
    pub target: String,
}

impl Outline {
    /// The images of the services that `compose up` starts, as far as they are written in full.
    #[must_use]
    pub fn images(&self) -> BTreeSet<String> {
        let started = self.started().filter_map(|name| self.services.get(name));
        let pulled = started.filter(|service| service.build.is_none());
        let images = pulled.filter_map(|service| service.image.clone());
        images.filter(|image| !image.contains('$')).collect()
    }

    /// The services that `compose up` starts.
    pub fn started(&self) -> impl Iterator<Item = &String> {
        let is_started = |(_, service): &(&String, &Service)| service.profiles.is_empty();
        self.services
            .iter()
            .filter(is_started)
            .map(|(name, _)| name)
    }
}

/// Reads a compose file; several documents in it count as one.
///
/// # Errors
/// The [`Fault`] when it is no YAML, or has a key twice, which Compose refuses as well.
pub fn read(text: &str) -> Result<Outline, Fault> {
    let (documents, fault) = yaml::read(text);
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut outline = Outline::default();
    for document in documents {
        if let Some(note) = document
            .notes
            .into_iter()
            .find(|n| n.code == "duplicate-key")
        {
            return Err(note);
        }
        outline.add(&document.root);
    }
    Ok(outline)
}

impl Outline {
    fn add(&mut self, root: &Node) {
        for entry in fields(root, "services") {
            self.services
                .insert(entry.key.to_string(), service(&entry.value));
        }
        let volumes = fields(root, "volumes")
            .iter()
            .map(|entry| entry.key.to_string());
        self.volumes.extend(volumes);
        self.has_includes |= root.get("include").is_some();
    }
}

fn fields<'a>(node: &'a Node, key: &str) -> &'a [yaml::Entry] {
    node.get(key).map_or(&[], |node| node.entries())
}

fn items<'a>(node: &'a Node, key: &str) -> &'a [std::sync::Arc<Node>] {
    node.get(key).map_or(&[], |node| node.items())
}

fn scalar(node: &Node, key: &str) -> Option<String> {
    node.get(key)?
        .scalar()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn service(node: &Node) -> Service {
    Service {
        image: scalar(node, "image"),
        build: build(node),
        ports: items(node, "ports")
            .iter()
            .filter_map(|item| port(item))
            .collect(),
        volumes: items(node, "volumes")
            .iter()
            .filter_map(|item| volume(item))
            .collect(),
        has_healthcheck: node
            .get("healthcheck")
            .is_some_and(|check| is_enabled(check)),
        profiles: items(node, "profiles")
            .iter()
            .filter_map(|item| item.scalar().map(str::to_owned))
            .collect(),
    }
}

/// `build: ./web`, or `build: {context: ./web, …}`, whose context is `.` unless said otherwise.
fn build(node: &Node) -> Option<String> {
    let build = node.get("build")?;
    match build.scalar() {
        Some("") => None,
        Some(context) => Some(context.to_owned()),
        None => Some(scalar(build, "context").unwrap_or_else(|| ".".to_owned())),
    }
}

fn is_enabled(healthcheck: &Node) -> bool {
    let is_disabled = healthcheck
        .get("disable")
        .is_some_and(|disable| *disable.raw == *"true");
    let is_none = items(healthcheck, "test")
        .first()
        .is_some_and(|word| *word.raw == *"NONE");
    !is_disabled && !is_none
}

/// `80`, `8080:80`, `127.0.0.1:8080:80/tcp`, `{published: 8080, target: 80}`.
fn port(node: &Node) -> Option<Port> {
    let Some(text) = node.scalar() else {
        return Some(Port {
            published: scalar(node, "published"),
            target: scalar(node, "target")?,
        });
    };
    let text = text.split_once('/').map_or(text, |(ports, _)| ports);
    let mut parts = split_outside_variables(text);
    let target = parts.pop()?.to_owned();
    let published = parts
        .pop()
        .filter(|port| !port.is_empty())
        .map(str::to_owned);
    Some(Port { published, target })
}

/// `data:/var/lib/data`, or `{type: volume, source: data, …}`; not paths and not anonymous ones.
fn volume(node: &Node) -> Option<String> {
    let source = match node.scalar() {
        Some(text) => match split_outside_variables(text).as_slice() {
            [source, _, ..] => (*source).to_owned(),
            _ => return None,
        },
        None => match scalar(node, "type").as_deref() {
            None | Some("volume") => scalar(node, "source")?,
            Some(_) => return None,
        },
    };
    let is_name = !source.starts_with(['.', '/', '~', '$']) && !source.is_empty();
    is_name.then_some(source)
}

/// The parts between colons, where those in `${NAME:-value}` do not count.
fn split_outside_variables(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut before) = (0_usize, 0, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    parts.push(&text[start..]);
    parts
}
