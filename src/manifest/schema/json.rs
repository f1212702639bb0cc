//! The JSON Schema of every kind, generated from the types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    API_VERSION, CloudSpec, EnvironmentSpec, HostSpec, ImageSpec, Kind, ProjectSpec,
    RepositorySpec, TemplateSpec,
};
use crate::model::{EnvName, ImageName, OwnerName, ProjectName, ProviderName, TemplateName};

/// What relative references between the files are resolved against.
const BASE: &str = "https://metrom.dev/schema/v1/";
/// The file of all kinds together; each kind has one named after it.
const EVERYTHING: &str = "metrom.json";

/// The files of `schema/`, by name: one for each kind, and `metrom.json` which tells them apart.
#[must_use]
pub fn json_schemas() -> BTreeMap<String, Value> {
    let single = Kind::ALL.map(|kind| (file_name(kind), schema_of(kind).clone()));
    let mut files: BTreeMap<String, Value> = single.into_iter().collect();
    files.insert(EVERYTHING.to_owned(), every_kind());
    files
}

/// `environment.json` and so on.
#[must_use]
pub fn file_name(kind: Kind) -> String {
    format!("{}.json", kind.noun())
}

/// The schema of the documents of one kind.
#[must_use]
pub fn schema_of(kind: Kind) -> &'static Value {
    static SCHEMAS: LazyLock<BTreeMap<Kind, Value>> =
        LazyLock::new(|| Kind::ALL.map(|kind| (kind, generate(kind))).into());
    &SCHEMAS[&kind]
}

fn generate(kind: Kind) -> Value {
    match kind {
        Kind::Repository => document::<OwnerName, RepositorySpec>(kind),
        Kind::Host => document::<ProviderName, HostSpec>(kind),
        Kind::Cloud => document::<ProviderName, CloudSpec>(kind),
        Kind::Image => document::<ImageName, ImageSpec>(kind),
        Kind::Template => document::<TemplateName, TemplateSpec>(kind),
        Kind::Project => document::<ProjectName, ProjectSpec>(kind),
        Kind::Environment => document::<EnvName, EnvironmentSpec>(kind),
    }
}

/// The envelope that every document has, around the schema of its `spec`.
fn document<N: JsonSchema, S: JsonSchema>(kind: Kind) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let name = generator.subschema_for::<N>();
    let spec = generator.subschema_for::<S>();
    let description = description_of::<S>(&mut generator);
    let definitions = generator.take_definitions(true);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{BASE}{}", file_name(kind)),
        "title": kind.word(),
        "description": description,
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION, "description": "The version of the format." },
            "kind": { "const": kind.word(), "description": "What the document declares." },
            "metadata": {
                "type": "object",
                "description": "What the document is called.",
                "properties": { "name": name },
                "required": ["name"],
                "additionalProperties": false,
            },
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "$defs": definitions,
    });
    without_null(&mut schema);
    schema
}

fn description_of<S: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let schema = S::json_schema(generator);
    schema.get("description").cloned().unwrap_or_default()
}

/// One schema which looks at `kind` first, so that editors show the faults of the right kind only.
fn every_kind() -> Value {
    let choices: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| {
            json!({
                "if": { "properties": { "kind": { "const": kind.word() } }, "required": ["kind"] },
                "then": { "$ref": file_name(*kind) },
            })
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{BASE}{EVERYTHING}"),
        "title": "Metrom",
        "description": "Any document of a Metrom repository.",
        "type": "object",
        "properties": { "kind": { "enum": Kind::ALL.map(Kind::word) } },
        "required": ["kind"],
        "allOf": choices,
    })
}

/// An `Option` is a field that may be left out, not one that may be `null`.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            drop_null_type(object);
            drop_null_branch(object);
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_null_type(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|word| word != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
}

/// `{anyOf: [X, null], …}` becomes `{…X, …}`.
fn drop_null_branch(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get_mut("anyOf") else {
        return;
    };
    branches.retain(|branch| branch.get("type").is_none_or(|word| word != "null"));
    if let [Value::Object(only)] = branches.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}
