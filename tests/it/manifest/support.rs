//! Repositories made of text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use metrom::manifest::{Catalog, Standing, load};
use metrom::model::{Entry, EnvName, RepoPath, Revision, Snapshot};

/// The settings, a host and an image: what every small repository has.
pub const METROM: &str = "\
apiVersion: metrom.dev/v1
kind: Repository
metadata: {name: acme}
spec: {}
";
pub const HOST: &str = "\
apiVersion: metrom.dev/v1
kind: Host
metadata: {name: lab}
spec: {uri: 'qemu:///system'}
";
pub const IMAGE: &str = "\
apiVersion: metrom.dev/v1
kind: Image
metadata: {name: debian-13}
spec: {build: {suite: trixie}}
";
pub const TEMPLATE: &str = "\
apiVersion: metrom.dev/v1
kind: Template
metadata: {name: web}
spec: {}
";
pub const COMPOSE: &str = "services: {web: {image: nginx}}\n";

pub fn environment(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

/// Files by path.
#[derive(Clone, Default)]
pub struct Repo(pub BTreeMap<RepoPath, Entry>);

impl Repo {
    pub fn empty() -> Self {
        Self::default()
    }

    /// With settings, host, image and the template `web`.
    pub fn small() -> Self {
        Self::empty()
            .with("metrom.yaml", METROM)
            .with("hosts/lab.yaml", HOST)
            .with("images/debian.yaml", IMAGE)
            .with("templates/web/template.yaml", TEMPLATE)
            .with("templates/web/docker-compose.yml", COMPOSE)
    }

    pub fn with(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let bytes = Arc::from(text.as_ref());
        self.with_entry(
            path,
            Entry::File {
                bytes,
                executable: false,
            },
        )
    }

    pub fn with_entry(mut self, path: &str, entry: Entry) -> Self {
        self.0.insert(RepoPath::parse(path).unwrap(), entry);
        self
    }

    /// The regular files below a folder.
    pub fn from_folder(folder: &Path) -> Self {
        let mut repo = Self::empty();
        let mut folders = vec![folder.to_owned()];
        while let Some(inner) = folders.pop() {
            for entry in std::fs::read_dir(inner).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path
                        .strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    repo = repo.with(&name, std::fs::read(&path).unwrap());
                }
            }
        }
        repo
    }

    pub fn snapshot(self) -> Snapshot {
        Snapshot {
            revision: revision('a'),
            entries: self.0,
        }
    }

    pub fn load(self) -> Catalog {
        load(&self.snapshot())
    }

    /// Every finding as one line.
    pub fn findings(self) -> Vec<String> {
        lines(&self.load())
    }
}

pub fn lines(catalog: &Catalog) -> Vec<String> {
    catalog
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

pub fn revision(digit: char) -> Revision {
    Revision::parse(&digit.to_string().repeat(40)).unwrap()
}

pub fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

pub fn standing(catalog: &Catalog, name: &str) -> Standing {
    catalog.standing(&env(name))
}
