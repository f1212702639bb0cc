//! From the files of a repository to its catalog.
//!
//! Which files ([`files`]) → which documents in them ([`documents`]) → what they declare, by kind
//! and name ([`declared`]) → templates with their files ([`template`]) → environments with
//! everything they stand on ([`super::resolve`]). Nothing stops at an error: it is found, said, and
//! what depends on it is left out.

mod declared;
mod documents;
mod files;
mod folder;
mod template;
mod texts;

use std::collections::BTreeMap;

use super::catalog::{Catalog, DeclaredBudget, Environment, Repository, Whose};
use super::finding::Findings;
use super::resolve;
use super::schema::{Budget, CloudSpec, HostSpec, ProviderSpec};
use super::yaml::{Fault, Mark};
use crate::model::{ImageOrigin, ImageSpec, ProviderName, RepoPath, Revision, Snapshot};

pub(super) use declared::{Declared, Tables};
pub(super) use folder::Folders;
pub(super) use template::Templates;
use texts::Texts;

/// Reads everything that a repository declares. Never fails: what is wrong is in the catalog.
#[must_use]
pub fn load(snapshot: &Snapshot) -> Catalog {
    Loader::default().load(snapshot)
}

/// Reads one revision of a repository after the other, and what stayed as it was only once.
#[derive(Default)]
pub struct Loader {
    texts: Texts,
}

impl Loader {
    /// As [`load`].
    #[must_use]
    pub fn load(&self, snapshot: &Snapshot) -> Catalog {
        self.texts.begin();
        read(snapshot, &self.texts)
    }
}

fn read(snapshot: &Snapshot, texts: &Texts) -> Catalog {
    let mut findings = Findings::default();
    let documents = documents::find(snapshot, texts, &mut findings);
    let tables = Tables::sort(documents, &mut findings);
    require_settings(snapshot, &tables, &mut findings);
    let mut folders = Folders::new(snapshot, &tables);
    let templates = Templates::build(&tables, &mut folders, &mut findings);
    let resolved = resolve::environments(&tables, &templates, &mut folders, &mut findings);
    assemble(snapshot, tables, templates, resolved, findings)
}

/// Without its settings a repository has no name, and nothing of it can be acted upon.
fn require_settings(snapshot: &Snapshot, tables: &Tables, findings: &mut Findings) {
    if !tables.repositories.is_empty() || findings.has_found("metrom.yaml") {
        if tables.repositories.is_empty() {
            findings.hide();
        }
        return;
    }
    let fault = if snapshot.entries.is_empty() {
        ("empty-repository", "the repository has no files")
    } else {
        ("no-settings", "the repository has no `metrom.yaml`")
    };
    let place = RepoPath::parse("metrom.yaml").expect("a plain file name is a path");
    findings.unidentified(
        &place,
        Fault {
            mark: Mark::START,
            code: fault.0,
            message: fault.1.to_owned(),
            help: Some(
                "add `metrom.yaml` with `kind: Repository` and a `metadata.name`".to_owned(),
            ),
        },
    );
}

fn assemble(
    snapshot: &Snapshot,
    tables: Tables,
    templates: Templates,
    resolved: resolve::Resolved,
    findings: Findings,
) -> Catalog {
    let budgets = budgets(&tables);
    let owner = match tables.repositories.len() {
        1 => tables.repositories.keys().next().cloned(),
        _ => None,
    };
    // Warm machines are declared by their templates.
    let declared = resolved.depends.keys().cloned().collect();
    let is_incomplete = findings.is_incomplete();
    let (units, diagnostics) = findings.finish(snapshot).into_iter().unzip();
    let repository = tables
        .repositories
        .into_iter()
        .find_map(|(name, document)| {
            let spec = document.spec?;
            (Some(&name) == owner.as_ref()).then_some(Repository { name, spec })
        });
    let environments = tables.environments.into_iter();
    Catalog {
        revision: Revision::clone(&snapshot.revision),
        diagnostics,
        environments: environments
            .filter_map(|(name, document)| Some((name, environment(document)?)))
            .collect(),
        providers: providers(tables.hosts, tables.clouds),
        images: resolved.images,
        templates: templates.into_sound(),
        projects: specs(tables.projects),
        budgets,
        owner,
        declared,
        effective: resolved.effective,
        depends: resolved.depends,
        units,
        is_complete: !is_incomplete && repository.is_some(),
        repository,
    }
}

fn environment(document: Declared<super::schema::EnvironmentSpec>) -> Option<Environment> {
    Some(Environment {
        path: document.path,
        line: document.node.mark.line,
        spec: document.spec?,
    })
}

fn budgets(tables: &Tables) -> Vec<DeclaredBudget> {
    fn found<S>(
        document: &Declared<S>,
        whose: Whose,
        budget: impl Fn(&S) -> &Option<Budget>,
    ) -> Option<DeclaredBudget> {
        let spec = document.spec.as_ref()?;
        Some(DeclaredBudget {
            whose,
            budget: budget(spec).clone()?,
            path: document.path.to_string(),
        })
    }
    let of_projects = tables.projects.iter().filter_map(|(name, project)| {
        found(project, Whose::Project(name.clone()), |spec| &spec.budget)
    });
    let of_hosts = tables
        .hosts
        .iter()
        .filter_map(|(name, host)| found(host, Whose::Provider(name.clone()), |spec| &spec.budget));
    let of_clouds = tables.clouds.iter().filter_map(|(name, cloud)| {
        found(cloud, Whose::Provider(name.clone()), |spec| &spec.budget)
    });
    of_projects.chain(of_hosts).chain(of_clouds).collect()
}

fn specs<N: Ord, S>(table: BTreeMap<N, Declared<S>>) -> BTreeMap<N, S> {
    table
        .into_iter()
        .filter_map(|(name, document)| Some((name, document.spec?)))
        .collect()
}

fn providers(
    hosts: BTreeMap<ProviderName, Declared<HostSpec>>,
    clouds: BTreeMap<ProviderName, Declared<CloudSpec>>,
) -> BTreeMap<ProviderName, ProviderSpec> {
    let hosts = specs(hosts).into_iter();
    let hosts = hosts.map(|(name, spec)| (name, ProviderSpec::Host(spec)));
    let clouds = specs(clouds).into_iter();
    let clouds = clouds.map(|(name, spec)| (name, ProviderSpec::Cloud(spec)));
    hosts.chain(clouds).collect()
}

/// What an image is to those who make it.
pub(super) fn image_spec(
    name: &crate::model::ImageName,
    spec: &super::schema::ImageSpec,
) -> Option<ImageSpec> {
    use super::schema::Boot as Written;
    use crate::model::{Boot, BuildRecipe, Digest};
    let (origin, usual) = match (&spec.url, &spec.sha256, &spec.build) {
        (Some(url), Some(sha256), None) => {
            let (url, sha256) = (url.clone(), Digest::parse(sha256)?);
            (ImageOrigin::Url { url, sha256 }, Boot::Disk)
        }
        (None, _, Some(build)) => {
            let recipe = BuildRecipe {
                suite: build.suite.clone(),
                packages: build.packages.clone(),
                size_mib: build.size.mib(),
                trim: build.trim,
                containers: build.containers.clone(),
            };
            (ImageOrigin::Build(recipe), Boot::Kernel)
        }
        (_, _, _) => return None,
    };
    let boot = match spec.boot {
        Some(Written::Disk) => Boot::Disk,
        Some(Written::Kernel) => Boot::Kernel,
        None => usual,
    };
    Some(ImageSpec {
        name: name.clone(),
        origin,
        boot,
    })
}
