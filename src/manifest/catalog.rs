//! What a repository declares at one revision, and what can be relied upon of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::compose::Outline;
use super::finding::UnitId;
use super::resolve::{Effective, Places};
use super::schema::{
    Budget, Drift, EnvironmentSpec, Policies, ProjectSpec, ProviderSpec, RepositorySpec, Retain,
    TemplateSpec,
};
use crate::model::{
    Diagnostic, EnvName, FileContent, ImageName, ImageSpec, OwnerName, ProjectName, ProviderName,
    RepoPath, Revision, Severity, TemplateName, Timestamp,
};
use crate::schedule::OfficeHours;

/// Everything that a repository declares at one revision.
///
/// **Guarantees.** Made from any snapshot whatever; what is wrong is in `diagnostics`. The maps
/// hold what could be read, sound or not; [`Catalog::standing`] says what can be acted upon.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub revision: Revision,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    pub repository: Option<Repository>,
    pub environments: BTreeMap<EnvName, Environment>,
    /// Hosts and clouds; no two have one name.
    pub providers: BTreeMap<ProviderName, ProviderSpec>,
    pub images: BTreeMap<ImageName, ImageSpec>,
    pub templates: BTreeMap<TemplateName, Template>,
    pub projects: BTreeMap<ProjectName, ProjectSpec>,
    /// Those of projects first, then those of hosts and clouds; each by name.
    pub budgets: Vec<DeclaredBudget>,
    pub(super) owner: Option<OwnerName>,
    /// Every environment whose name could be read.
    pub(super) declared: BTreeSet<EnvName>,
    /// What each of the good environments comes to.
    pub(super) effective: BTreeMap<EnvName, Arc<Effective>>,
    /// What each declared environment stands on.
    pub(super) depends: BTreeMap<EnvName, BTreeSet<UnitId>>,
    /// The unit of each diagnostic.
    pub(super) units: Vec<Option<UnitId>>,
    pub(super) is_complete: bool,
}

/// The settings of the repository, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: OwnerName,
    pub spec: RepositorySpec,
}

/// A budget, and where it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredBudget {
    pub whose: Whose,
    pub budget: Budget,
    pub path: String,
}

/// What counts to a budget.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The environments of a project.
    Project(ProjectName),
    /// What is on a host, or in a cloud.
    Provider(ProviderName),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(name) => write!(f, "project {name}"),
            Self::Provider(name) => write!(f, "{name}"),
        }
    }
}

/// An environment as declared, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub path: RepoPath,
    pub line: u32,
    pub spec: EnvironmentSpec,
}

/// A template with all that it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its folder in the repository.
    pub folder: String,
    /// Parameters and machine include those of the templates that it extends.
    pub spec: TemplateSpec,
    pub stack: Arc<StackFiles>,
}

/// The files of a stack, and what its compose file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackFiles {
    /// The compose file among `files`.
    pub compose: String,
    /// By path relative to the stack's folder.
    pub files: BTreeMap<String, FileContent>,
    pub outline: Outline,
}

/// What may be done to an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long its data is kept when its time is up.
    pub retain: Retain,
    pub drift: Drift,
    /// Nothing of it may be deleted, and where that is said.
    pub protected: Option<String>,
    /// Nothing of it may be changed, and where that is said.
    pub suspended: Option<String>,
}

/// Whether an environment can be acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It and all that it stands on is sound.
    Good,
    /// It is declared; it, or something that it stands on, has an error.
    Broken,
    /// It is not declared; only to be believed when the catalog [is complete](Catalog::is_complete).
    Absent,
}

impl Catalog {
    /// The owner in every stamp; known even when the settings have errors elsewhere.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerName> {
        self.owner.as_ref()
    }

    #[must_use]
    pub fn standing(&self, env: &EnvName) -> Standing {
        if self.effective.contains_key(env) {
            Standing::Good
        } else if self.declared.contains(env) || (env.is_of_pool() && self.has_errors()) {
            // How many warm machines there are to be is not known when a template cannot be read.
            Standing::Broken
        } else {
            Standing::Absent
        }
    }

    /// Whether an environment is good at both revisions and comes to the same.
    #[must_use]
    pub fn agrees_on(&self, env: &EnvName, other: &Self) -> bool {
        let here = self.effective.get(env);
        here.is_some() && here == other.effective.get(env) && self.owner == other.owner
    }

    /// Whether the settings and every document could be told: if not, an absent environment may
    /// just be unreadable, or what its end is to be is not known, and nothing must be pruned.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Every environment that is declared, sound or not.
    pub fn names(&self) -> impl Iterator<Item = &EnvName> {
        self.declared.iter()
    }

    /// Whether an environment of that name is declared, sound or not; or may be, where not every
    /// document could be told.
    #[must_use]
    pub fn may_declare(&self, env: &EnvName) -> bool {
        !self.is_complete || self.declared.contains(env)
    }

    /// The errors that keep a broken environment from being acted upon.
    pub fn stalled_by<'a>(&'a self, env: &EnvName) -> impl Iterator<Item = &'a Diagnostic> {
        let depends = self.depends.get(env);
        let concerns = move |unit: &Option<UnitId>| match (unit, depends) {
            (Some(unit), Some(depends)) => depends.contains(unit),
            _ => false,
        };
        let pairs = self.units.iter().zip(&self.diagnostics);
        pairs
            .filter(move |(unit, diagnostic)| {
                diagnostic.severity == Severity::Error && concerns(unit)
            })
            .map(|(_, diagnostic)| diagnostic)
    }

    /// Whether anything in the repository is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }

    /// What may be done to an environment that is good.
    #[must_use]
    pub fn rules(&self, env: &EnvName) -> Option<Rules> {
        let timing = &self.effective.get(env)?.timing;
        let declared = self.environments.get(env);
        let place = declared.map_or_else(
            || "its file".to_owned(),
            |declared| format!("{}:{}", declared.path, declared.line),
        );
        Some(Rules {
            retain: timing.retain,
            drift: timing.drift,
            suspended: timing
                .is_suspended
                .then(|| format!("it is suspended in {place}")),
            protected: timing.is_protected.then_some(place),
        })
    }

    /// Where an environment that is good may be, and what it comes to there.
    #[must_use]
    pub fn places(&self, env: &EnvName) -> Option<&Places> {
        Some(&self.effective.get(env)?.places)
    }

    /// When the machine of an environment runs that is good; `None`: always.
    #[must_use]
    pub fn office_hours(&self, env: &EnvName) -> Option<&OfficeHours> {
        self.effective.get(env)?.timing.hours.as_ref()
    }

    /// What is decided by time for an environment that is good, as it is written.
    pub(super) fn timing(&self, env: &EnvName) -> Option<Vec<(&'static str, String)>> {
        let timing = &self.effective.get(env)?.timing;
        Some(timing.told())
    }

    /// The instant from which nothing of an environment should be that was born then; `None` when
    /// it has no end, or is not good.
    #[must_use]
    pub fn end(&self, env: &EnvName, born: Option<Timestamp>) -> Option<Timestamp> {
        self.effective.get(env)?.timing.end(born)
    }

    /// The policies of the repository; while they cannot be read, data is kept forever.
    #[must_use]
    pub fn policies(&self) -> Policies {
        let declared = self.repository.as_ref().map(|r| r.spec.policies.clone());
        declared.unwrap_or_else(|| Policies {
            retain: Retain::Forever,
            ..Policies::default()
        })
    }
}
