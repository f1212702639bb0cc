//! When an environment runs, how long it lives and how it changes: its own words, then its
//! purpose's, then those of the repository.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::finding::meant;
use super::super::schema::{Drift, EnvironmentSpec, Hours, RepositorySpec, Retain, Span};
use super::Resolver;
use crate::model::{RepoPath, Strategy, Timestamp, Update};
use crate::schedule::OfficeHours;
use crate::schedule::lifetime::end_of_life;

/// What is decided by time, and what people may do to it.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Timing {
    /// `None`: it runs always.
    pub hours: Option<OfficeHours>,
    /// Counted from its first creation.
    pub lifetime: Option<Span>,
    pub expires: Option<Timestamp>,
    pub retain: Retain,
    pub drift: Drift,
    /// The words of fields that may differ without having been declared.
    pub ignored: BTreeSet<&'static str>,
    /// How what changes is brought about.
    pub update: Update,
    pub is_protected: bool,
    pub is_suspended: bool,
}

impl Timing {
    /// Of what runs always, has no end and keeps nothing.
    pub fn none() -> Self {
        Self {
            hours: None,
            lifetime: None,
            expires: None,
            retain: Retain::Nothing,
            drift: Drift::Heal,
            ignored: BTreeSet::new(),
            update: Update::default(),
            is_protected: false,
            is_suspended: false,
        }
    }

    /// What was declared, by the name of the field.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let Self {
            hours,
            lifetime,
            expires,
            retain,
            drift,
            ignored,
            update,
            is_protected,
            is_suspended,
        } = self;
        let drift = match drift {
            Drift::Heal => "heal",
            Drift::Report => "report",
        };
        let Update {
            machine,
            stack,
            every,
            within,
        } = update;
        let span = |time: &Duration| Span::from_secs(time.as_secs()).to_string();
        let some = [
            ("officeHours", hours.as_ref().map(ToString::to_string)),
            ("lifetime", lifetime.as_ref().map(ToString::to_string)),
            ("expires", expires.as_ref().map(ToString::to_string)),
            ("retain", Some(retain.to_string())),
            ("drift", Some(drift.to_owned())),
            ("ignoreDrift", some_words(ignored)),
            ("update.machine", Some(word(*machine).to_owned())),
            ("update.stack", Some(word(*stack).to_owned())),
            ("update.every", every.as_ref().map(span)),
            ("update.within", within.as_ref().map(span)),
            ("protect", Some(is_protected.to_string())),
            ("suspend", Some(is_suspended.to_string())),
        ];
        let told = some
            .into_iter()
            .filter_map(|(field, value)| Some((field, value?)));
        told.collect()
    }

    /// The instant from which nothing of it should be, if it was born then.
    pub fn end(&self, born: Option<Timestamp>) -> Option<Timestamp> {
        let of_lifetime = match (self.lifetime, born) {
            (Some(lifetime), Some(born)) => Some(end_of_life(born, lifetime.duration())),
            (Some(_), None) | (None, _) => None,
        };
        [self.expires, of_lifetime].into_iter().flatten().min()
    }
}

fn some_words(words: &BTreeSet<&'static str>) -> Option<String> {
    let words: Vec<&str> = words.iter().copied().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::InPlace => "in-place",
        Strategy::Phoenix => "phoenix",
    }
}

/// No life is longer, whatever is declared: ten years.
const LONGEST: Span = Span::from_secs(3653 * 24 * 60 * 60);

impl Resolver<'_, '_> {
    /// `None` when something is wrong; what, is among the findings.
    pub(super) fn timing(
        &mut self,
        spec: &EnvironmentSpec,
        repository: &RepositorySpec,
    ) -> Option<Timing> {
        let hours = self.hours(spec, repository);
        let lifetime = self.lifetime(spec, repository);
        let defaults = &repository.defaults;
        Some(Timing {
            hours: hours?,
            lifetime: lifetime?,
            expires: spec.expires,
            retain: spec.retain.unwrap_or(repository.policies.retain),
            drift: spec.drift.or(defaults.drift).unwrap_or_default(),
            ignored: spec.ignore_drift.iter().map(|field| field.word()).collect(),
            update: spec.update.or(defaults.update).into(),
            is_protected: spec.protect,
            is_suspended: spec.suspend,
        })
    }

    fn hours(
        &mut self,
        spec: &EnvironmentSpec,
        repository: &RepositorySpec,
    ) -> Option<Option<OfficeHours>> {
        let defaults = &repository.defaults;
        let hours = spec
            .office_hours
            .as_ref()
            .or(defaults.office_hours.as_ref());
        let Some(Hours::Office(hours)) = hours else {
            return Some(None);
        };
        let Some(file) = spec.holidays.as_ref().or(defaults.holidays.as_ref()) else {
            return Some(Some(hours.clone()));
        };
        let path = RepoPath::parse(file).ok()?;
        if !self.folders.has(&path) {
            let message = format!("there is no file `{path}` in this repository");
            let names = self.folders.names(path.folder());
            let help = meant(path.file_name(), names.iter().copied());
            return self.fault(&["spec", "holidays"], "no-holidays", message, help);
        }
        let (unit, days) = self.folders.holidays(&path, self.findings);
        self.depends.insert(unit);
        Some(Some(hours.clone().with_holidays(days?)))
    }

    fn lifetime(
        &mut self,
        spec: &EnvironmentSpec,
        repository: &RepositorySpec,
    ) -> Option<Option<Span>> {
        let policies = &repository.policies;
        let of_purpose = self.of_purpose(spec, repository)?;
        let declared = spec.lifetime.or(of_purpose);
        let most = policies.max_lifetime.unwrap_or(LONGEST).min(LONGEST);
        if let Some(lifetime) = spec.lifetime.filter(|lifetime| *lifetime > most) {
            let whose = match policies.max_lifetime {
                Some(max) if max <= LONGEST => "that this repository allows (`maxLifetime`)",
                Some(_) | None => "that there is",
            };
            let message = format!("a lifetime of {lifetime} is longer than the longest {whose}");
            let help = Some(format!("write `lifetime: {most}` or less, or none at all"));
            return self.fault(&["spec", "lifetime"], "long-lifetime", message, help);
        }
        let or_default = declared.or(repository.defaults.lifetime);
        Some(match or_default {
            Some(lifetime) => Some(lifetime.min(most)),
            None => policies.max_lifetime.map(|max| max.min(LONGEST)),
        })
    }

    /// The lifetime that the repository sets for the purpose; a purpose that it does not know is
    /// probably mistyped, if it knows any.
    fn of_purpose(
        &mut self,
        spec: &EnvironmentSpec,
        repository: &RepositorySpec,
    ) -> Option<Option<Span>> {
        let lifetimes = &repository.policies.lifetimes;
        let Some(purpose) = spec.purpose.as_ref().filter(|_| !lifetimes.is_empty()) else {
            return Some(None);
        };
        if let Some(lifetime) = lifetimes.get(purpose) {
            return Some(Some(*lifetime));
        }
        let message = format!("the repository sets no lifetime for the purpose `{purpose}`");
        let help = meant(purpose, lifetimes.keys().map(String::as_str));
        self.fault(&["spec", "purpose"], "unknown-purpose", message, help)
    }
}
