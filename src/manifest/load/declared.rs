//! What is declared, by kind and name.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::super::finding::{Findings, UnitId};
use super::super::schema::{
    CloudSpec, EnvironmentSpec, HostSpec, ImageSpec, Kind, ProjectSpec, RepositorySpec,
    TemplateSpec,
};
use super::super::yaml::{Fault, Node};
use crate::model::{
    EnvName, ImageName, NameError, OwnerName, ProjectName, ProviderName, RepoPath, TemplateName,
};

/// A document of ours, of known kind and name.
pub(in super::super) struct Document {
    pub kind: Kind,
    pub name: EnvName,
    pub path: RepoPath,
    pub unit: UnitId,
    pub node: Arc<Node>,
}

/// A document as its type; `spec` is `None` when it does not have the shape.
pub(in super::super) struct Declared<S> {
    pub path: RepoPath,
    pub unit: UnitId,
    pub node: Arc<Node>,
    pub spec: Option<S>,
}

/// All documents, each kind by name.
#[derive(Default)]
pub(in super::super) struct Tables {
    pub repositories: BTreeMap<OwnerName, Declared<RepositorySpec>>,
    pub hosts: BTreeMap<ProviderName, Declared<HostSpec>>,
    pub clouds: BTreeMap<ProviderName, Declared<CloudSpec>>,
    pub images: BTreeMap<ImageName, Declared<ImageSpec>>,
    pub templates: BTreeMap<TemplateName, Declared<TemplateSpec>>,
    pub projects: BTreeMap<ProjectName, Declared<ProjectSpec>>,
    pub environments: BTreeMap<EnvName, Declared<EnvironmentSpec>>,
}

impl Tables {
    /// Sorts documents by kind and name; two of one name are both broken.
    pub fn sort(documents: Vec<Document>, findings: &mut Findings) -> Self {
        let mut tables = Self::default();
        for document in documents {
            match document.kind {
                Kind::Repository => put(&mut tables.repositories, document, findings),
                Kind::Host => put(&mut tables.hosts, document, findings),
                Kind::Cloud => put(&mut tables.clouds, document, findings),
                Kind::Image => put(&mut tables.images, document, findings),
                Kind::Template => put(&mut tables.templates, document, findings),
                Kind::Project => put(&mut tables.projects, document, findings),
                Kind::Environment => put(&mut tables.environments, document, findings),
            }
        }
        tables.refuse_second_settings(findings);
        tables.refuse_ambiguous_places(findings);
        tables
    }

    fn refuse_second_settings(&self, findings: &mut Findings) {
        if self.repositories.len() < 2 {
            return;
        }
        let places: Vec<String> = self.repositories.values().map(place).collect();
        for document in self.repositories.values() {
            let fault = Fault {
                mark: name_mark(&document.node),
                code: "second-settings",
                message: format!("there is more than one `Repository`: {}", places.join(", ")),
                help: Some("keep one of them".to_owned()),
            };
            findings.error(&document.path, document.unit, fault);
            findings.hide();
        }
    }

    /// `placement` names a host or a cloud, so no two of them may be called the same.
    fn refuse_ambiguous_places(&self, findings: &mut Findings) {
        for (name, host) in &self.hosts {
            if let Some(cloud) = self.clouds.get(name) {
                refuse_twin(Kind::Cloud, name, host, cloud, findings);
                refuse_twin(Kind::Host, name, cloud, host, findings);
            }
        }
    }

    /// Paths of every document, which are no part of a stack.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        let Self {
            repositories,
            hosts,
            clouds,
            images,
            templates,
            projects,
            environments,
        } = self;
        repositories
            .values()
            .map(|d| &d.path)
            .chain(hosts.values().map(|d| &d.path))
            .chain(clouds.values().map(|d| &d.path))
            .chain(images.values().map(|d| &d.path))
            .chain(templates.values().map(|d| &d.path))
            .chain(projects.values().map(|d| &d.path))
            .chain(environments.values().map(|d| &d.path))
    }
}

fn put<N, S>(table: &mut BTreeMap<N, Declared<S>>, document: Document, findings: &mut Findings)
where
    N: Ord + FromStr<Err = NameError> + Display,
    S: DeserializeOwned,
{
    let Document {
        kind,
        name,
        path,
        unit,
        node,
    } = document;
    let name: N = name
        .as_str()
        .parse()
        .expect("one rule holds for the names of all kinds");
    let spec = decode(&path, unit, &node, findings);
    let declared = Declared {
        path,
        unit,
        node,
        spec,
    };
    match table.get(&name) {
        None => {
            table.insert(name, declared);
        }
        Some(first) => {
            refuse_twin(kind, &name, first, &declared, findings);
            refuse_twin(kind, &name, &declared, first, findings);
        }
    }
}

/// The document as its type, when nothing is wrong with it so far.
fn decode<S: DeserializeOwned>(
    path: &RepoPath,
    unit: UnitId,
    node: &Node,
    findings: &mut Findings,
) -> Option<S> {
    if findings.is_broken(unit) {
        return None;
    }
    let spec = node.nearest(&["spec"]);
    match serde_json::from_value(spec.to_json()) {
        Ok(spec) => Some(spec),
        Err(error) => {
            let fault = Fault {
                mark: spec.mark,
                code: "bad-value",
                message: format!("this cannot be understood: {error}"),
                help: None,
            };
            findings.error(path, unit, fault);
            None
        }
    }
}

/// Says at `this` that `other`, of that kind, has its name.
fn refuse_twin<N: Display, S, O>(
    other_kind: Kind,
    name: &N,
    this: &Declared<S>,
    other: &Declared<O>,
    findings: &mut Findings,
) {
    let fault = Fault {
        mark: name_mark(&this.node),
        code: "duplicate-name",
        message: format!(
            "another {} is called `{name}` as well, at {}",
            other_kind.noun(),
            place(other)
        ),
        help: Some("rename or remove one of them".to_owned()),
    };
    findings.error(&this.path, this.unit, fault);
}

fn place<S>(document: &Declared<S>) -> String {
    let mark = name_mark(&document.node);
    format!("{}:{}:{}", document.path, mark.line, mark.column)
}

fn name_mark(node: &Node) -> super::super::yaml::Mark {
    node.nearest(&["metadata", "name"]).mark
}
