//! What each environment comes to: every reference followed, every value decided.
//!
//! Values by precedence: environment, template, defaults of the repository, built-in ones.

mod host;
mod machine;
mod place;
mod placement;
mod pool;
mod price;
mod timing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::StackFiles;
use super::finding::{Findings, UnitId, meant};
use super::load::{Declared, Folders, Tables, Templates, image_spec};
use super::parameter;
use super::schema::{ComposeFile, EnvironmentSpec, MachineShape, RepositorySpec, SourceRepository};
use super::yaml::Fault;
use crate::model::{
    ComposeSource, EnvName, GuestSpec, ImageName, ImageSpec, Market, Pool, ProviderName,
    RegistryLogin, RegistrySpec, RepoPath, Variable,
};

pub use placement::Places;
pub(super) use timing::Timing;

/// The account of people on a machine, when nobody names one.
const USER: &str = "dev";

/// An environment with everything decided that can be decided without asking the outside.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effective {
    pub places: Places,
    pub guest: GuestSpec,
    pub sources: BTreeMap<String, SourceRepository>,
    pub compose: ComposeSource,
    /// Empty when the compose file lies in a checkout.
    pub stack: Arc<StackFiles>,
    pub variables: BTreeMap<String, Variable>,
    pub timing: Timing,
    /// How it has to do with warm machines.
    pub pool: Pool,
}

/// A machine at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub provider: ProviderName,
    pub image: ImageSpec,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_mib: u64,
    pub data_mib: u64,
    pub market: Market,
}

/// What came of all environments.
pub(super) struct Resolved {
    pub images: BTreeMap<ImageName, ImageSpec>,
    pub effective: BTreeMap<EnvName, Arc<Effective>>,
    pub depends: BTreeMap<EnvName, BTreeSet<UnitId>>,
}

/// Follows every reference of every environment.
pub(super) fn environments(
    tables: &Tables,
    templates: &Templates,
    folders: &mut Folders<'_>,
    findings: &mut Findings,
) -> Resolved {
    host::look_at_hosts(tables, findings);
    place::look_at_clouds(tables, findings);
    price::look_at_money(tables, findings);
    let images = tables.images.iter();
    let mut resolved = Resolved {
        images: images
            .filter_map(|(name, d)| Some((name.clone(), image_spec(name, d.spec.as_ref()?)?)))
            .collect(),
        effective: BTreeMap::new(),
        depends: BTreeMap::new(),
    };
    for (name, document) in &tables.environments {
        let resolver = Resolver {
            tables,
            templates,
            images: &resolved.images,
            folders,
            findings,
            document,
            depends: BTreeSet::from([document.unit]),
        };
        let outcome = resolver.finish(Resolver::environment);
        resolved.add(name.clone(), outcome);
    }
    pool::members(tables, templates, folders, findings, &mut resolved);
    resolved
}

impl Resolved {
    fn add(&mut self, name: EnvName, (effective, depends): Outcome) {
        if let Some(effective) = effective {
            self.effective.insert(name.clone(), effective);
        }
        self.depends.insert(name, depends);
    }
}

/// What a document comes to, unless something that it stands on is broken; and what that is.
type Outcome = (Option<Arc<Effective>>, BTreeSet<UnitId>);

struct Resolver<'a, 's> {
    tables: &'a Tables,
    templates: &'a Templates,
    images: &'a BTreeMap<ImageName, ImageSpec>,
    folders: &'a mut Folders<'s>,
    findings: &'a mut Findings,
    document: &'a Declared<EnvironmentSpec>,
    depends: BTreeSet<UnitId>,
}

/// What runs, and what it knows of the machine.
struct Stack {
    compose: ComposeSource,
    files: Arc<StackFiles>,
    variables: BTreeMap<String, Variable>,
    machine: MachineShape,
    pool: Pool,
}

impl<'a> Resolver<'a, '_> {
    fn finish(mut self, resolve: impl FnOnce(&mut Self) -> Option<Effective>) -> Outcome {
        let effective = resolve(&mut self);
        let is_broken = |unit: &UnitId| self.findings.is_broken(*unit);
        let is_good = !self.depends.iter().any(is_broken);
        (effective.filter(|_| is_good).map(Arc::new), self.depends)
    }

    /// `None` when something is missing; why, is among the findings.
    fn environment(&mut self) -> Option<Effective> {
        let repository = self.repository();
        let spec = self.document.spec.as_ref()?;
        // Everything is looked at before anything gives up, so that all findings come at once.
        let sources = self.sources(spec);
        let stack = self.stack(spec, sources.as_ref());
        let shape = stack.as_ref().map(|stack| &stack.machine);
        let places = self.machines(spec, shape, repository);
        let timing = repository.and_then(|repository| self.timing(spec, repository));
        let (repository, stack) = (repository?, stack?);
        Some(Effective {
            places: places?,
            guest: guest(spec, repository),
            sources: sources?,
            compose: stack.compose,
            stack: stack.files,
            variables: stack.variables,
            timing: timing?,
            pool: stack.pool,
        })
    }

    fn repository(&mut self) -> Option<&'a RepositorySpec> {
        let repositories = &self.tables.repositories;
        self.depends.extend(repositories.values().map(|d| d.unit));
        match repositories.len() {
            1 => repositories.values().next()?.spec.as_ref(),
            _ => None,
        }
    }

    /// The sources of the project, then its own; one of the same name takes the other's place.
    fn sources(&mut self, spec: &EnvironmentSpec) -> Option<BTreeMap<String, SourceRepository>> {
        let mut sources = BTreeMap::new();
        if let Some(name) = &spec.project {
            let known = self.tables.projects.keys().map(|name| name.as_str());
            let Some(project) = self.tables.projects.get(name) else {
                let help = meant(name.as_str(), known);
                let message = format!("project `{name}` is not defined");
                return self.fault(&["spec", "project"], "unknown-project", message, help);
            };
            self.depends.insert(project.unit);
            for source in &project.spec.as_ref()?.sources {
                sources.insert(source.name.as_str().to_owned(), source.clone());
            }
        }
        let own = spec.sources.iter();
        sources.extend(own.map(|source| (source.name.as_str().to_owned(), source.clone())));
        Some(sources)
    }

    fn stack(
        &mut self,
        spec: &EnvironmentSpec,
        sources: Option<&BTreeMap<String, SourceRepository>>,
    ) -> Option<Stack> {
        match (&spec.template, &spec.compose) {
            (Some(_), _) => self.stack_of_template(spec),
            (None, Some(compose)) => {
                let (source, files) = match &compose.source {
                    None => self.compose_here(compose)?,
                    Some(_) => (self.compose_in_source(compose, sources?)?, Arc::default()),
                };
                let given = spec.parameters.iter();
                Some(Stack {
                    compose: source,
                    files,
                    variables: given
                        .map(|(name, value)| (name.to_string(), parameter::variable(value)))
                        .collect(),
                    machine: MachineShape::default(),
                    pool: Pool::None,
                })
            }
            (None, None) => None,
        }
    }

    fn stack_of_template(&mut self, spec: &EnvironmentSpec) -> Option<Stack> {
        let name = spec.template.as_ref()?;
        let Some(built) = self.templates.get(name) else {
            let help = meant(name.as_str(), self.templates.names());
            let message = format!("template `{name}` is not defined");
            return self.fault(&["spec", "template"], "unknown-template", message, help);
        };
        self.depends.extend(&built.units);
        let template = built.template.as_ref()?;
        let node = self.document.node.nearest(&["spec", "parameters"]);
        let declared = &template.spec.parameters;
        let (variables, problems) =
            parameter::variables(name.as_str(), declared, &spec.parameters, node);
        let is_sound = problems.is_empty();
        for problem in problems {
            problem.tell(&self.document.path, self.document.unit, self.findings);
        }
        is_sound.then(|| Stack {
            compose: ComposeSource::Files {
                file: template.stack.compose.clone(),
            },
            files: Arc::clone(&template.stack),
            variables,
            machine: template.spec.machine.clone(),
            pool: pool::claims(name, template.spec.warm),
        })
    }

    /// A compose file in this repository, with the files beside it.
    fn compose_here(&mut self, compose: &ComposeFile) -> Option<(ComposeSource, Arc<StackFiles>)> {
        let at = ["spec", "compose", "file"];
        let path = RepoPath::parse(&compose.file).ok()?;
        if !self.folders.has(&path) {
            let message = format!("there is no file `{path}` in this repository");
            let names = self.folders.names(path.folder());
            let help = meant(path.file_name(), names.iter().copied());
            return self.fault(&at, "no-compose-file", message, help);
        }
        if path.folder().is_empty() {
            let message =
                format!("`{path}` lies at the root, where everything would belong to the stack");
            let help = "move it into a folder of its own, such as `projects/<name>/`".to_owned();
            return self.fault(&at, "no-compose-folder", message, Some(help));
        }
        let (files_unit, files) = self.folders.files(path.folder(), self.findings);
        let (outline_unit, outline) = self.folders.outline(&path, self.findings);
        self.depends.extend([files_unit, outline_unit]);
        let stack = StackFiles {
            compose: path.file_name().to_owned(),
            files,
            outline: outline?,
        };
        let source = ComposeSource::Files {
            file: stack.compose.clone(),
        };
        Some((source, Arc::new(stack)))
    }

    fn compose_in_source(
        &mut self,
        compose: &ComposeFile,
        sources: &BTreeMap<String, SourceRepository>,
    ) -> Option<ComposeSource> {
        let name = compose.source.as_ref()?.as_str();
        if !sources.contains_key(name) {
            let message = format!("source `{name}` is not defined");
            let help = meant(name, sources.keys().map(String::as_str))
                .or_else(|| Some("add it to `sources`, here or in the project".to_owned()));
            return self.fault(
                &["spec", "compose", "source"],
                "unknown-source",
                message,
                help,
            );
        }
        Some(ComposeSource::Checkout {
            name: name.to_owned(),
            file: compose.file.clone(),
        })
    }

    /// Says what is wrong, for those who have to go without.
    fn fault<T>(
        &mut self,
        at: &[&str],
        code: &'static str,
        message: String,
        help: Option<String>,
    ) -> Option<T> {
        self.say(at, code, message, help);
        None
    }

    /// Says what is wrong at a place of the document, or at the nearest that is there.
    fn say(&mut self, at: &[&str], code: &'static str, message: String, help: Option<String>) {
        let fault = Fault {
            mark: self.document.node.nearest(at).mark,
            code,
            message,
            help,
        };
        self.findings
            .error(&self.document.path, self.document.unit, fault);
    }
}

fn guest(spec: &EnvironmentSpec, repository: &RepositorySpec) -> GuestSpec {
    let common = &repository.access;
    let user = spec.access.user.as_ref().or(common.user.as_ref());
    let keys = common
        .authorized_keys
        .iter()
        .chain(&spec.access.authorized_keys);
    let registries = &repository.registries;
    let logins = registries.logins.iter().map(|login| RegistryLogin {
        server: login.server.clone(),
        username: login.username.clone(),
        password: login.password.clone().into(),
    });
    GuestSpec {
        user: user.map_or_else(|| USER.to_owned(), Clone::clone),
        authorized_keys: keys.cloned().collect(),
        registries: RegistrySpec {
            mirrors: registries.mirrors.clone(),
            insecure: registries.insecure.clone(),
            logins: logins.collect(),
        },
    }
}
