//! Declarations as files, so that the true code reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{Digest, Entry, EnvName, ProviderName, RepoPath, Revision, Snapshot};

/// What a repository of the world declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    pub environments: BTreeMap<EnvName, Environment>,
    pub hosts: Vec<ProviderName>,
    /// How long data is kept that nothing declares: `forever`, `nothing` or a length of time.
    pub retain: String,
    /// Other policies, as `name: value`.
    pub policies: Vec<String>,
    /// Of the template that all environments share.
    pub template_version: u32,
    /// A file that cannot be read as YAML, at this path.
    pub garbage: Option<String>,
    /// Between two looks at the repository, in seconds; 0 for what is usual.
    pub poll: u32,
    /// So many machines are made ahead on the first host.
    pub warm: u32,
    /// Other fields of every host, as `name: value`.
    pub host_fields: Vec<String>,
    /// Other fields of one host, as `name: value`.
    pub fields_of: BTreeMap<ProviderName, Vec<String>>,
    /// Other files, by path.
    pub files: BTreeMap<String, String>,
}

/// One environment of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub placement: ProviderName,
    /// Another place where it may be instead.
    pub also: Option<ProviderName>,
    /// Its whole `placement`, instead of these two.
    pub stated: Option<String>,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    pub data_gib: u64,
    pub image: &'static str,
    pub level: u32,
    /// The URL of a repository that it checks out.
    pub source: Option<String>,
    pub expires: Option<String>,
    /// Other fields of its spec, as `name: value`.
    pub fields: Vec<String>,
    /// It refers to a template that is not there.
    pub is_broken: bool,
}

impl Environment {
    #[must_use]
    pub fn on(placement: &ProviderName) -> Self {
        Self {
            placement: placement.clone(),
            also: None,
            stated: None,
            cpus: 2,
            memory_mib: 1024,
            disk_gib: 8,
            data_gib: 4,
            image: "debian-13",
            level: 1,
            source: None,
            expires: None,
            fields: Vec::new(),
            is_broken: false,
        }
    }
}

impl Declared {
    /// The files of it as a commit; the number makes equal files different commits.
    #[must_use]
    pub fn commit(&self, number: u32) -> Snapshot {
        let mut files = BTreeMap::from([
            ("metrom.yaml".to_owned(), self.settings()),
            ("templates/web/template.yaml".to_owned(), self.template()),
            (
                "templates/web/docker-compose.yml".to_owned(),
                self.compose(),
            ),
        ]);
        for (name, environment) in &self.environments {
            files.insert(format!("environments/{name}.yaml"), environment.yaml(name));
        }
        files.extend(self.files.clone());
        if let Some(path) = &self.garbage {
            files.insert(path.clone(), "<html>\n\tnot: [yaml\n".to_owned());
        }
        // Equal declarations have equal files.
        let digest = Digest::of_bytes(format!("{number} {self:?}").as_bytes());
        let entry = |text: String| Entry::File {
            bytes: text.into_bytes().into(),
            executable: false,
        };
        let entries = files.into_iter().map(|(path, text)| {
            let path = RepoPath::parse(&path).expect("paths of the world are plain");
            (path, entry(text))
        });
        Snapshot {
            revision: Revision::parse(&digest.as_str()[..40]).expect("forty digits of a digest"),
            entries: entries.collect(),
        }
    }

    fn settings(&self) -> String {
        let mut policies = vec![format!("retain: {}", self.retain)];
        match self.policies.is_empty() {
            true => policies.push("deletions: {atMost: 100, percent: 100}".to_owned()),
            false => policies.extend(self.policies.iter().cloned()),
        }
        let mut text = format!(
            "apiVersion: metrom.dev/v1\nkind: Repository\nmetadata: {{name: acme}}\n\
             spec:\n  access: {{user: dev, authorizedKeys: [\"{KEY}\"]}}\n  \
             policies: {{{}}}\n",
            policies.join(", ")
        );
        if self.poll > 0 {
            let _ = writeln!(text, "  poll: {}s", self.poll);
        }
        if let Some(first) = self.hosts.first().filter(|_| self.warm > 0) {
            let _ = writeln!(text, "  defaults: {{placement: {first}}}");
        }
        for name in &self.hosts {
            let _ = write!(
                text,
                "---\napiVersion: metrom.dev/v1\nkind: Host\nmetadata: {{name: {name}}}\n\
                 spec:\n  uri: \"qemu+ssh://{name}/system\"\n"
            );
            let own = self.fields_of.get(name).into_iter().flatten();
            for field in self.host_fields.iter().chain(own) {
                let _ = writeln!(text, "  {field}");
            }
        }
        for name in ["debian-13", "debian-12"] {
            let suite = if name == "debian-13" {
                "trixie"
            } else {
                "bookworm"
            };
            let _ = write!(
                text,
                "---\napiVersion: metrom.dev/v1\nkind: Image\nmetadata: {{name: {name}}}\n\
                 spec: {{build: {{suite: {suite}}}, boot: kernel}}\n"
            );
        }
        text
    }

    /// Warm machines are as environments are that say nothing of their own.
    fn template(&self) -> String {
        match self.warm {
            0 => TEMPLATE.to_owned(),
            warm => format!(
                "{TEMPLATE}  warm: {warm}\n  machine: {{image: debian-13, cpus: 2, memory: 1024MiB, \
                 disk: 8GiB, data: 4GiB}}\n"
            ),
        }
    }

    fn compose(&self) -> String {
        format!(
            "services:\n  web:\n    image: nginx:{}\n    environment: {{LEVEL: \"${{LEVEL}}\"}}\n  \
             db:\n    image: postgres:16\n",
            self.template_version
        )
    }
}

/// Somebody's public key.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvbcKdxT0KD4n4o0cVQgkYQrPmw7rNHNBBpZnqcNbhi dev";

const TEMPLATE: &str = "apiVersion: metrom.dev/v1\nkind: Template\nmetadata: {name: web}\n\
    spec:\n  parameters:\n    LEVEL: {type: integer, default: 1}\n";

impl Environment {
    fn yaml(&self, name: &EnvName) -> String {
        let template = if self.is_broken { "wbe" } else { "web" };
        let placement = match (&self.stated, &self.also) {
            (Some(stated), _) => stated.clone(),
            (None, Some(also)) => format!("placement: [{}, {also}]", self.placement),
            (None, None) => format!("placement: {}", self.placement),
        };
        let mut text = format!(
            "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec:\n  \
             {placement}\n  template: {template}\n  parameters: {{LEVEL: {}}}\n  \
             machine: {{image: {}, cpus: {}, memory: {}MiB, disk: {}GiB, data: {}GiB}}\n",
            self.level, self.image, self.cpus, self.memory_mib, self.disk_gib, self.data_gib
        );
        if let Some(url) = &self.source {
            let _ = writeln!(
                text,
                "  sources: [{{name: app, url: \"{url}\", ref: main}}]"
            );
        }
        if let Some(expires) = &self.expires {
            let _ = writeln!(text, "  expires: {expires}");
        }
        for field in &self.fields {
            let _ = writeln!(text, "  {field}");
        }
        text
    }
}
