//! What another revision makes different, environment by environment.
//!
//! Both revisions are rendered at one instant, so what differs is what was written, not what time
//! did. Which commits branches of other repositories stand for is not asked: it is the same for both.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::catalog::{Catalog, Standing};
use super::render::{Facts, render};
use crate::model::{EnvName, Key, Resource, Timestamp};

/// One environment that is not the same at both revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub env: EnvName,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Added,
    Removed,
    Changed(Vec<Changed>),
    /// It cannot be told: at one of the two it has errors.
    Unknown,
}

/// One value of a resource that differs; `None` where there is no such value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Changed {
    pub key: Key,
    /// Its path in the resource: `memory_mib`, `variables.LEVEL`.
    pub field: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// The environments that differ, by name.
#[must_use]
pub fn differences(before: &Catalog, after: &Catalog, now: Timestamp) -> Vec<Difference> {
    let names: BTreeSet<&EnvName> = before.names().chain(after.names()).collect();
    let differing = names.into_iter().filter_map(|env| {
        let what = difference(before, after, env, now)?;
        let env = env.clone();
        Some(Difference { env, what })
    });
    differing.collect()
}

fn difference(before: &Catalog, after: &Catalog, env: &EnvName, now: Timestamp) -> Option<What> {
    match (before.standing(env), after.standing(env)) {
        (Standing::Absent, Standing::Absent) => None,
        (Standing::Absent, Standing::Good) => Some(What::Added),
        (Standing::Good, Standing::Absent) => Some(What::Removed),
        (Standing::Good, Standing::Good) if before.agrees_on(env, after) => None,
        (Standing::Good, Standing::Good) => {
            let mut both = [before, after].map(|catalog| values(catalog, env, now));
            add_places([before, after], env, &mut both);
            let [before, after] = both;
            let changed = changed(&before, &after);
            (!changed.is_empty()).then_some(What::Changed(changed))
        }
        (Standing::Broken, _) | (_, Standing::Broken) => Some(What::Unknown),
    }
}

type Values = BTreeMap<(Key, String), String>;

fn values(catalog: &Catalog, env: &EnvName, now: Timestamp) -> Values {
    let desired = render(catalog, env, now, &Facts::default());
    let mut values = Values::new();
    for (key, resource) in &desired.resources {
        add_leaves(key, String::new(), &leaves_of(resource), &mut values);
    }
    let rules = catalog.timing(env).unwrap_or_default();
    for (field, value) in rules {
        values.insert((Key::Machine, field.to_owned()), value);
    }
    values
}

/// The places where it may be, where that is more than the place of its machine says.
fn add_places(catalogs: [&Catalog; 2], env: &EnvName, values: &mut [Values; 2]) {
    let places = catalogs.map(|catalog| catalog.places(env));
    if !places.iter().flatten().any(|p| p.are_worth_telling()) {
        return;
    }
    for (places, values) in places.iter().zip(values) {
        let told = places.map(|places| places.told());
        values.extend(told.map(|told| ((Key::Machine, "placement".to_owned()), told)));
    }
}

/// The declaration without the name of its kind, which the key says as well.
fn leaves_of(resource: &Resource) -> Value {
    let value = serde_json::to_value(&resource.spec).expect("model types serialise to JSON");
    match value {
        Value::Object(kinds) => kinds
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, inner)| inner),
        other => other,
    }
}

fn add_leaves(key: &Key, path: String, value: &Value, values: &mut Values) {
    let join = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, inner) in fields {
                add_leaves(key, join(name), inner, values);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            values.insert((key.clone(), path), items.join(", "));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            values.insert((key.clone(), path), text(value));
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn changed(before: &Values, after: &Values) -> Vec<Changed> {
    let places: BTreeSet<&(Key, String)> = before.keys().chain(after.keys()).collect();
    let differing = places.into_iter().filter_map(|place| {
        let (from, to) = (before.get(place), after.get(place));
        (from != to).then(|| Changed {
            key: place.0.clone(),
            field: place.1.clone(),
            from: from.cloned(),
            to: to.cloned(),
        })
    });
    differing.collect()
}
