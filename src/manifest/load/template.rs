//! Templates with all that they inherit, and the files of their folders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::catalog::{StackFiles, Template};
use super::super::finding::{Findings, UnitId, meant, nearest};
use super::super::parameter;
use super::super::schema::TemplateSpec;
use super::super::yaml::{Fault, Mark};
use super::declared::{Declared, Tables};
use super::folder::{DOT_ENV, Folders, join};
use crate::model::{RepoPath, TemplateName};

/// The compose file of a template that names none.
const COMPOSE: &str = "docker-compose.yml";

/// Every template by name: what it comes to, and what it stands on.
pub(in super::super) struct Templates(BTreeMap<TemplateName, Built>);

pub(in super::super) struct Built {
    /// The documents and files of the whole chain; broken when one of them is.
    pub units: BTreeSet<UnitId>,
    /// `None` when something in the chain is broken.
    pub template: Option<Template>,
}

impl Templates {
    pub fn build(tables: &Tables, folders: &mut Folders<'_>, findings: &mut Findings) -> Self {
        let names = tables.templates.keys();
        Self(
            names
                .map(|name| (name.clone(), build(name, tables, folders, findings)))
                .collect(),
        )
    }

    pub fn get(&self, name: &TemplateName) -> Option<&Built> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(TemplateName::as_str)
    }

    pub fn into_sound(self) -> BTreeMap<TemplateName, Template> {
        let built = self.0.into_iter();
        built
            .filter_map(|(name, built)| Some((name, built.template?)))
            .collect()
    }
}

fn build(
    name: &TemplateName,
    tables: &Tables,
    folders: &mut Folders<'_>,
    findings: &mut Findings,
) -> Built {
    let own = &tables.templates[name];
    check_own(own, folders, findings);
    let chain = chain(name, tables, findings);
    let mut units: BTreeSet<UnitId> = chain.iter().map(|document| document.unit).collect();
    let mut files = BTreeMap::new();
    for document in &chain {
        let (unit, found) = folders.files(document.path.folder(), findings);
        units.insert(unit);
        for (path, content) in found {
            files.entry(path).or_insert(content);
        }
    }
    let spec = merged(&chain);
    let compose = match &spec {
        Some(spec) => spec.compose.clone(),
        // Its own findings do not keep those about its compose file back.
        None => own
            .node
            .nearest(&["spec", "compose"])
            .text()
            .map(str::to_owned),
    };
    let compose = compose.unwrap_or_else(|| COMPOSE.to_owned());
    let is_sound = |units: &BTreeSet<UnitId>, findings: &Findings| {
        !units.iter().any(|unit| findings.is_broken(*unit))
    };
    let mut outline = None;
    if let Some(path) = compose_path(&compose, &chain, folders) {
        let (unit, found) = folders.outline(&path, findings);
        units.insert(unit);
        outline = found;
    } else if is_sound(&units, findings) {
        let fault = no_compose(name, &compose, own, folders);
        findings.error(&own.path, own.unit, fault);
    }
    let template = match (spec, outline) {
        (Some(spec), Some(outline)) if is_sound(&units, findings) => Some(Template {
            folder: own.path.folder().to_owned(),
            spec,
            stack: Arc::new(StackFiles {
                compose,
                files,
                outline,
            }),
        }),
        (_, _) => None,
    };
    Built { units, template }
}

/// The template and those it extends, nearest first; ends where one is missing or comes again.
fn chain<'t>(
    name: &TemplateName,
    tables: &'t Tables,
    findings: &mut Findings,
) -> Vec<&'t Declared<TemplateSpec>> {
    let mut names = vec![name.clone()];
    let mut chain = vec![&tables.templates[name]];
    loop {
        let document = chain[chain.len() - 1];
        let Some(next) = document.spec.as_ref().and_then(|spec| spec.extends.clone()) else {
            return chain;
        };
        let is_cycle = names.contains(&next);
        names.push(next.clone());
        if is_cycle {
            // Said of each template that is part of the cycle, at its own `extends`.
            let own = chain[0];
            let fault = cycle(&names, own);
            findings.error(&own.path, own.unit, fault);
            return chain;
        }
        let Some(parent) = tables.templates.get(&next) else {
            let known: Vec<&str> = tables.templates.keys().map(TemplateName::as_str).collect();
            let fault = Fault {
                mark: document.node.nearest(&["spec", "extends"]).mark,
                code: "unknown-template",
                message: format!("template `{next}` is not defined"),
                help: meant(next.as_str(), known),
            };
            findings.error(&document.path, document.unit, fault);
            return chain;
        };
        chain.push(parent);
    }
}

fn cycle(names: &[TemplateName], own: &Declared<TemplateSpec>) -> Fault {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Fault {
        mark: own.node.nearest(&["spec", "extends"]).mark,
        code: "template-cycle",
        message: format!(
            "templates extend one another in a circle: {}",
            names.join(" → ")
        ),
        help: Some("take `extends` out of one of them".to_owned()),
    }
}

/// The template with what it inherits; `None` when a document of the chain is not sound.
fn merged(chain: &[&Declared<TemplateSpec>]) -> Option<TemplateSpec> {
    let mut specs = chain.iter().map(|document| document.spec.as_ref());
    let mut merged = specs.next()??.clone();
    for base in specs {
        let base = base?;
        merged.machine = merged.machine.or(&base.machine);
        merged.compose = merged.compose.or_else(|| base.compose.clone());
        for (name, parameter) in &base.parameters {
            merged
                .parameters
                .entry(name.clone())
                .or_insert_with(|| parameter.clone());
        }
    }
    Some(merged)
}

/// Where in the chain the compose file lies.
fn compose_path(
    compose: &str,
    chain: &[&Declared<TemplateSpec>],
    folders: &Folders<'_>,
) -> Option<RepoPath> {
    chain
        .iter()
        .filter_map(|document| RepoPath::parse(&join(document.path.folder(), compose)).ok())
        .find(|path| folders.has(path))
}

fn no_compose(
    name: &TemplateName,
    compose: &str,
    own: &Declared<TemplateSpec>,
    folders: &Folders<'_>,
) -> Fault {
    let folder = own.path.folder();
    let names = folders.names(folder);
    let meant = folders
        .usual_compose(folder)
        .or_else(|| nearest(compose, names));
    let help = match meant {
        Some(other) => format!("there is `{other}`: write `compose: {other}`, or rename it"),
        None => format!("put it into `{folder}`, beside `{}`", own.path.file_name()),
    };
    Fault {
        mark: own.node.nearest(&["spec", "compose"]).mark,
        code: "no-compose-file",
        message: format!("template `{name}` has no compose file `{compose}`"),
        help: Some(help),
    }
}

/// What can be wrong with a template by itself.
fn check_own(own: &Declared<TemplateSpec>, folders: &Folders<'_>, findings: &mut Findings) {
    let Some(spec) = &own.spec else { return };
    for (name, declared) in &spec.parameters {
        let node = own.node.nearest(&["spec", "parameters", name.as_str()]);
        for problem in parameter::check_declaration(name, declared, node) {
            problem.tell(&own.path, own.unit, findings);
        }
    }
    warn_of_dot_env(own, spec, folders, findings);
}

/// A template's own `.env` serves those who use it without Metrom; here it is not taken, so a
/// variable that is no parameter would be lost without a word.
fn warn_of_dot_env(
    own: &Declared<TemplateSpec>,
    spec: &TemplateSpec,
    folders: &Folders<'_>,
    findings: &mut Findings,
) {
    let Ok(path) = RepoPath::parse(&join(own.path.folder(), DOT_ENV)) else {
        return;
    };
    for (line, text) in (1..).zip(folders.text(&path).unwrap_or_default().lines()) {
        let name = text.split_once('=').map(|(name, _)| name.trim());
        let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with('#')) else {
            continue;
        };
        if !spec.parameters.contains_key(name) {
            let mark = Mark { line, column: 1 };
            let message = format!("`{name}` is not taken from here: Metrom writes `.env` itself");
            let fault = Fault {
                mark,
                code: "env-file",
                message,
                help: Some(format!("declare `{name}` as a parameter of the template")),
            };
            // The value may be a secret.
            findings.mask(
                &path,
                Mark {
                    line,
                    column: to_column(text, name),
                },
                end_of(line),
            );
            findings.warning(&path, own.unit, fault);
        }
    }
}

fn to_column(text: &str, name: &str) -> u32 {
    let before = text
        .find('=')
        .map_or(name.len(), |at| text[..=at].chars().count());
    u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
}

fn end_of(line: u32) -> Mark {
    Mark {
        line,
        column: u32::MAX,
    }
}
