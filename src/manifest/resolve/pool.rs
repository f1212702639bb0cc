//! Warm pools: environments that nobody declared, each a machine that is made ahead for a template.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::finding::Findings;
use super::super::load::{Declared, Folders, Tables, Templates};
use super::super::schema::{EnvironmentSpec, TemplateSpec};
use super::{Effective, Resolved, Resolver, guest};
use crate::manifest::yaml::Fault;
use crate::model::{ComposeSource, EnvName, Pool, TemplateName};

/// The warm machines that an environment of a template may claim.
pub(super) fn claims(template: &TemplateName, warm: u32) -> Pool {
    match names(template, warm).collect::<BTreeSet<_>>() {
        names if names.is_empty() => Pool::None,
        names => Pool::Claims(names),
    }
}

/// The names of a pool; none when they would be too long.
fn names(template: &TemplateName, warm: u32) -> impl Iterator<Item = EnvName> {
    (1..=warm).filter_map(|number| EnvName::of_pool(template, number).ok())
}

/// Adds the warm machines that templates ask for.
pub(super) fn members(
    tables: &Tables,
    templates: &Templates,
    folders: &mut Folders<'_>,
    findings: &mut Findings,
    resolved: &mut Resolved,
) {
    refuse_their_names(tables, findings, resolved);
    for (name, declared) in &tables.templates {
        let warm = declared.spec.as_ref().map_or(0, |spec| spec.warm);
        if warm == 0 {
            continue;
        }
        if let Some(fault) = fault(name, warm, declared, tables) {
            findings.error(&declared.path, declared.unit, fault);
            continue;
        }
        // As an environment that says nothing but its template.
        let document = Declared {
            path: declared.path.clone(),
            unit: declared.unit,
            node: Arc::clone(&declared.node),
            spec: Some(EnvironmentSpec {
                template: Some(name.clone()),
                ..EnvironmentSpec::default()
            }),
        };
        let resolver = Resolver {
            tables,
            templates,
            images: &resolved.images,
            folders,
            findings,
            document: &document,
            depends: BTreeSet::from([document.unit]),
        };
        let outcome = resolver.finish(|resolver| resolver.member(name));
        for env in names(name, warm) {
            resolved.add(env, outcome.clone());
        }
    }
}

/// An environment of such a name would be taken for a warm machine.
fn refuse_their_names(tables: &Tables, findings: &mut Findings, resolved: &mut Resolved) {
    let of_pool = tables.environments.iter();
    for (name, document) in of_pool.filter(|(name, _)| name.is_of_pool()) {
        let fault = Fault {
            mark: document.node.nearest(&["metadata", "name"]).mark,
            code: "name-of-pool",
            message: format!("`{name}` is a name for warm machines"),
            help: Some("choose one that does not begin with `warm-`".to_owned()),
        };
        findings.error(&document.path, document.unit, fault);
        resolved.effective.remove(name);
    }
}

/// Why a template can have no pool.
fn fault(
    name: &TemplateName,
    warm: u32,
    declared: &Declared<TemplateSpec>,
    tables: &Tables,
) -> Option<Fault> {
    let mark = declared.node.nearest(&["spec", "warm"]).mark;
    if let Err(error) = EnvName::of_pool(name, warm) {
        return Some(Fault {
            mark,
            code: "long-name-of-pool",
            message: format!("the warm machines of `{name}` cannot have names: {error}"),
            help: Some("give the template a shorter name".to_owned()),
        });
    }
    let repository = tables.repositories.values().next()?.spec.as_ref()?;
    let is_placed =
        repository.defaults.placement.is_some() || tables.hosts.len() + tables.clouds.len() == 1;
    (!is_placed).then(|| Fault {
        mark,
        code: "no-place-for-pool",
        message: format!("no provider is named for the warm machines of `{name}`"),
        help: Some("set `defaults.placement` in `metrom.yaml`".to_owned()),
    })
}

impl Resolver<'_, '_> {
    /// What a warm machine of the template comes to: nobody's, with no data, no source and no key of
    /// any person on it.
    fn member(&mut self, name: &TemplateName) -> Option<Effective> {
        let repository = self.repository()?;
        let spec = self.document.spec.as_ref()?;
        let built = self.templates.get(name)?;
        self.depends.extend(&built.units);
        let template = built.template.as_ref()?;
        let shape = Some(&template.spec.machine);
        let places = self.machines(spec, shape, Some(repository))?;
        let mut guest = guest(spec, repository);
        guest.authorized_keys.clear();
        Some(Effective {
            places,
            guest,
            sources: Default::default(),
            compose: ComposeSource::Files {
                file: template.stack.compose.clone(),
            },
            stack: Arc::clone(&template.stack),
            variables: Default::default(),
            timing: super::Timing::none(),
            pool: Pool::Member,
        })
    }
}
