//! What each environment comes to: every reference followed, every value decided.
//!
//! Values by precedence: environment, template, defaults of the repository, built-in ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::StackFiles;
use super::finding::{Findings, UnitId, meant};
use super::load::{Declared, Folders, Tables, Templates, image_spec};
use super::parameter;
use super::schema::{ComposeFile, EnvironmentSpec, MachineShape, RepositorySpec, SourceRepository};
use super::yaml::{Fault, Mark};
use crate::model::{
    ComposeSource, EnvName, GuestSpec, ImageName, ImageOrigin, ImageSpec, ProviderName,
    RegistryLogin, RegistrySpec, RepoPath, Timestamp, Variable,
};

/// The account of people on a machine, when nobody names one.
const USER: &str = "dev";

/// An environment with everything decided that can be decided without asking the outside.
#[derive(Debug, Clone)]
pub(super) struct Effective {
    pub machine: Machine,
    pub guest: GuestSpec,
    pub sources: BTreeMap<String, SourceRepository>,
    pub compose: ComposeSource,
    /// Empty when the compose file lies in a checkout.
    pub stack: Arc<StackFiles>,
    pub variables: BTreeMap<String, Variable>,
    pub expires: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub provider: ProviderName,
    pub image: ImageSpec,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_mib: u64,
    pub data_mib: u64,
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
    let images = tables.images.iter();
    let mut resolved = Resolved {
        images: images
            .filter_map(|(name, d)| Some((name.clone(), image_spec(name, d.spec.as_ref()?)?)))
            .collect(),
        effective: BTreeMap::new(),
        depends: BTreeMap::new(),
    };
    for (name, document) in &tables.environments {
        let mut resolver = Resolver {
            tables,
            templates,
            images: &resolved.images,
            folders,
            findings,
            document,
            depends: BTreeSet::from([document.unit]),
        };
        let effective = resolver.environment();
        let depends = resolver.depends;
        let is_good = !depends.iter().any(|unit| findings.is_broken(*unit));
        if let Some(effective) = effective.filter(|_| is_good) {
            resolved.effective.insert(name.clone(), Arc::new(effective));
        }
        resolved.depends.insert(name.clone(), depends);
    }
    resolved
}

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
}

impl<'a> Resolver<'a, '_> {
    /// `None` when something is missing; why, is among the findings.
    fn environment(&mut self) -> Option<Effective> {
        let repository = self.repository();
        let spec = self.document.spec.as_ref()?;
        // Everything is looked at before anything gives up, so that all findings come at once.
        let sources = self.sources(spec);
        let stack = self.stack(spec, sources.as_ref());
        let shape = stack.as_ref().map(|stack| &stack.machine);
        let machine = self.machine(spec, shape, repository);
        let (repository, stack) = (repository?, stack?);
        Some(Effective {
            machine: machine?,
            guest: guest(spec, repository),
            sources: sources?,
            compose: stack.compose,
            stack: stack.files,
            variables: stack.variables,
            expires: spec.expires,
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

    fn machine(
        &mut self,
        spec: &EnvironmentSpec,
        template: Option<&MachineShape>,
        repository: Option<&RepositorySpec>,
    ) -> Option<Machine> {
        let none = MachineShape::default();
        let defaults = repository.map(|repository| &repository.defaults);
        let shape = spec
            .machine
            .or(template.unwrap_or(&none))
            .or(defaults.map_or(&none, |defaults| &defaults.machine))
            .or(&MachineShape::BUILT_IN);
        let default_placement = defaults.and_then(|defaults| defaults.placement.as_ref());
        let provider = self.provider(spec.placement.as_ref().or(default_placement));
        // The template may yet name an image: without it, nothing can be said of a missing one.
        let is_known = spec.template.is_none() || template.is_some();
        let image = self.image(shape.image.as_ref(), is_known);
        let (provider, image) = (provider?, image?);
        let machine = Machine {
            provider,
            image,
            cpus: shape.cpus?,
            memory_mib: shape.memory?.mib(),
            disk_mib: shape.disk?.mib(),
            data_mib: shape.data?.mib(),
        };
        self.is_roomy(&machine).then_some(machine)
    }

    fn provider(&mut self, named: Option<&ProviderName>) -> Option<ProviderName> {
        let hosts = &self.tables.hosts;
        let at = ["spec", "placement"];
        let known: Vec<&str> = hosts.keys().map(ProviderName::as_str).collect();
        let (name, host) = match (named, hosts.len()) {
            (Some(name), _) => match hosts.get(name) {
                Some(host) => (name, host),
                None => {
                    let message = format!("host `{name}` is not defined");
                    let help = meant(name.as_str(), known);
                    return self.fault(&at, "unknown-host", message, help);
                }
            },
            (None, 1) => hosts.iter().next()?,
            (None, _) => {
                let message = "no host is named for this environment".to_owned();
                let help = match known.as_slice() {
                    [] => "declare one: a document of `kind: Host`".to_owned(),
                    known => format!(
                        "write `placement: {}`, or set `defaults.placement` in `metrom.yaml`",
                        known[0]
                    ),
                };
                return self.fault(&at, "no-placement", message, Some(help));
            }
        };
        self.depends.insert(host.unit);
        Some(name.clone())
    }

    fn image(&mut self, named: Option<&ImageName>, is_known: bool) -> Option<ImageSpec> {
        let documents = &self.tables.images;
        let at = ["spec", "machine", "image"];
        let known: Vec<&str> = documents.keys().map(ImageName::as_str).collect();
        let (name, document) = match (named, documents.len()) {
            (Some(name), _) => match documents.get(name) {
                Some(document) => (name, document),
                None => {
                    let message = format!("image `{name}` is not defined");
                    let help = meant(name.as_str(), known);
                    return self.fault(&at, "unknown-image", message, help);
                }
            },
            (None, 1) => documents.iter().next()?,
            (None, _) if !is_known => return None,
            (None, _) => {
                let message = "no image is named for the machine of this environment".to_owned();
                let help = match known.as_slice() {
                    [] => "declare one: a document of `kind: Image`".to_owned(),
                    known => format!(
                        "write `image: {}` in `machine`, here or in the defaults of `metrom.yaml`",
                        known[0]
                    ),
                };
                return self.fault(&at, "no-image", message, Some(help));
            }
        };
        self.depends.insert(document.unit);
        self.images.get(name).cloned()
    }

    /// A disk smaller than what is cloned onto it cannot be made.
    fn is_roomy(&mut self, machine: &Machine) -> bool {
        let ImageOrigin::Build(recipe) = &machine.image.origin else {
            return true;
        };
        if machine.disk_mib >= recipe.size_mib {
            return true;
        }
        let needed = crate::model::text::mib(recipe.size_mib);
        let message = format!(
            "a disk of {} is smaller than the image `{}`, which needs {needed}",
            crate::model::text::mib(machine.disk_mib),
            machine.image.name
        );
        let help = Some(format!("write `disk: {}` or more", needed.replace(' ', "")));
        let none: Option<()> =
            self.fault(&["spec", "machine", "disk"], "small-disk", message, help);
        none.is_some()
    }

    /// Says what is wrong at a place of the document, or at the nearest that is there.
    fn fault<T>(
        &mut self,
        at: &[&str],
        code: &'static str,
        message: String,
        help: Option<String>,
    ) -> Option<T> {
        let mark: Mark = self.document.node.nearest(at).mark;
        let fault = Fault {
            mark,
            code,
            message,
            help,
        };
        self.findings
            .error(&self.document.path, self.document.unit, fault);
        None
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
