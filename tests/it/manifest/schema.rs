//! The JSON Schema files, held against an independent validator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use metrom::manifest::schema::{Kind, json::file_name, json_schemas};
use metrom::manifest::yaml;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{HOST, IMAGE, METROM, Repo, TEMPLATE, environment};

fn project_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_schema_files_are_those_that_the_types_generate() {
    for (name, schema) in json_schemas() {
        let committed =
            std::fs::read_to_string(project_folder("schema").join(&name)).unwrap_or_default();
        let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
        assert!(
            committed == schema,
            "schema/{name} is stale; run `metrom schema --write schema/`"
        );
    }
}

/// The schema files, each compiled by the validator, by file name.
struct Validators {
    schemas: Schemas,
    by_file: BTreeMap<String, SchemaIndex>,
}

impl Validators {
    fn new() -> Self {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        let files = json_schemas();
        for schema in files.values() {
            let id = schema["$id"].as_str().unwrap();
            compiler.add_resource(id, schema.clone()).unwrap();
        }
        let mut compile = |schema: &Value| {
            let id = schema["$id"].as_str().unwrap();
            compiler.compile(id, &mut schemas).unwrap()
        };
        let by_file = files
            .iter()
            .map(|(name, schema)| (name.clone(), compile(schema)))
            .collect();
        Self { schemas, by_file }
    }

    /// What the validator says against a document; `None` when it is valid.
    fn complaint(&self, file: &str, document: &Value) -> Option<String> {
        let said = self.schemas.validate(document, self.by_file[file]);
        said.err().map(|error| format!("{error:#}"))
    }
}

/// All documents of ours in the YAML files below a folder, with where they came from.
fn documents_below(folder: &Path, found: &mut Vec<(String, Value)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = yaml::read(&text).0.into_iter().map(|d| d.root.to_json());
            let ours = documents.filter(|d| d["apiVersion"] == "metrom.dev/v1");
            found.extend(ours.map(|document| (path.display().to_string(), document)));
        }
    }
}

#[test]
fn every_example_is_valid_to_an_independent_validator() {
    let validators = Validators::new();
    let mut documents = Vec::new();
    documents_below(&project_folder("example-repo"), &mut documents);
    for text in [
        METROM,
        HOST,
        IMAGE,
        TEMPLATE,
        &environment("dev", "{template: web}"),
    ] {
        documents.push(("tests".to_owned(), yaml::read(text).0[0].root.to_json()));
    }
    for (place, document) in documents {
        let kind = Kind::parse(document["kind"].as_str().unwrap()).unwrap();
        for file in [file_name(kind).as_str(), "metrom.json"] {
            let complaint = validators.complaint(file, &document);
            assert_eq!(complaint, None, "{place}");
        }
    }
}

#[test]
fn editors_are_told_every_default() {
    let schemas = json_schemas();
    let poll = &schemas["repository.json"]["$defs"]["RepositorySpec"]["properties"]["poll"];
    assert_eq!(poll["default"], "1m");
    assert!(poll["description"].as_str().unwrap().contains("How often"));
    let text = serde_json::to_string(&schemas).unwrap();
    assert!(!text.contains("\"null\""), "`null` is no value");
}

/// Documents in which everything is said, one of each kind.
fn full_documents() -> Vec<Value> {
    let document = |kind: &str, spec: Value| json!({"apiVersion": "metrom.dev/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    let machine =
        json!({"image": "debian-13", "cpus": 2, "memory": "1GiB", "disk": "8GiB", "data": "4GiB"});
    let update = json!({"machine": "phoenix", "stack": "in-place", "every": "7d"});
    let access = json!({"user": "dev", "authorizedKeys": ["ssh-ed25519 AAAAx y"]});
    let source = json!({"name": "app", "url": "https://x/app.git", "ref": "main"});
    vec![
        document(
            "Repository",
            json!({
                "defaults": {"placement": "lab", "machine": machine, "update": update}, "access": access, "poll": "5m",
                "registries": {"mirrors": ["http://m:5000"], "insecure": ["m:5000"], "logins": [{"server": "s", "username": "u", "password": {"fromEnv": "P"}}]},
                "policies": {"retain": "forever", "concurrency": 3},
            }),
        ),
        document(
            "Host",
            json!({"uri": "qemu:///system", "accelerator": "kvm", "pool": {"name": "p", "path": "/p"}, "network": {"name": "n", "subnet": "10.0.0.0/24", "forward": "none"}}),
        ),
        document(
            "Image",
            json!({"build": {"suite": "trixie", "packages": ["vim"], "size": "3GiB", "trim": false, "containers": ["nginx"]}, "boot": "disk"}),
        ),
        document(
            "Image",
            json!({"url": "https://x/i.qcow2", "sha256": "a".repeat(64)}),
        ),
        document(
            "Template",
            json!({
                "description": "d", "version": "1", "author": "a", "extends": "y", "compose": "c.yaml", "machine": machine,
                "parameters": {"A": {"type": "string", "default": "x", "pattern": "x", "secret": false}, "B": {"type": "integer", "default": 1, "minimum": 0, "maximum": 2},
                    "C": {"type": "boolean", "default": true}, "D": {"type": "choice", "choices": ["a"], "default": "a", "description": "d"}},
            }),
        ),
        document(
            "Project",
            json!({"description": "d", "owners": ["a"], "sources": [source]}),
        ),
        document(
            "Environment",
            json!({
                "project": "p", "placement": "lab", "template": "t", "machine": machine, "sources": [source], "access": access, "expires": "2026-12-24T18:00:00Z", "update": update,
                "parameters": {"A": "x", "B": 1, "C": true, "S": {"fromFile": "/s"}},
            }),
        ),
        document(
            "Environment",
            json!({"compose": {"source": "app", "file": "c.yaml"}}),
        ),
    ]
}

/// Changes one place of a value: takes it out, renames it, or puts something else there.
fn mutate(value: &mut Value, path: &[usize], change: usize) {
    let others = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!("text"),
        json!([]),
        json!({}),
        json!({"a": 1}),
    ];
    match (value, path) {
        (Value::Object(object), [step, rest @ ..]) if !object.is_empty() => {
            let key = object.keys().nth(step % object.len()).unwrap().clone();
            match (rest.is_empty(), change) {
                (true, 0) => drop(object.remove(&key)),
                (true, 1) => {
                    let value = object.remove(&key).unwrap();
                    object.insert(format!("{key}x"), value);
                }
                _ => mutate(object.get_mut(&key).unwrap(), rest, change),
            }
        }
        (Value::Array(items), [step, rest @ ..]) if !items.is_empty() => {
            let at = step % items.len();
            mutate(&mut items[at], rest, change);
        }
        (value, _) => *value = others[change % others.len()].clone(),
    }
}

/// What a validator of the schema sees as well; the rest is about texts and other documents.
const STRUCTURAL: [&str; 6] = [
    "unknown-field",
    "missing-field",
    "missing-value",
    "wrong-type",
    "out-of-range",
    "contradiction",
];

#[test]
fn full_documents_are_valid_to_both() {
    let validators = Validators::new();
    for document in full_documents() {
        let complaint = validators.complaint("metrom.json", &document);
        assert_eq!(complaint, None, "{document}");
        let repo = Repo::empty().with("x.yaml", document.to_string());
        let catalog = repo.load();
        let own: Vec<_> = catalog
            .diagnostics
            .iter()
            .filter(|d| d.place.path.as_str() == "x.yaml" && STRUCTURAL.contains(&d.code))
            .collect();
        assert!(own.is_empty(), "{own:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn editor_and_check_agree_about_any_mutation(
        document in 0_usize..8,
        path in prop::collection::vec(0_usize..8, 1..6),
        change in 0_usize..12,
    ) {
        thread_local!(static VALIDATORS: Validators = Validators::new());
        let mut document = full_documents().swap_remove(document);
        mutate(&mut document["spec"], &path, change);
        let complaint = VALIDATORS.with(|validators| validators.complaint("metrom.json", &document));
        let is_valid = complaint.is_none();
        let catalog = Repo::empty().with("x.yaml", document.to_string()).load();
        let own: Vec<_> = catalog.diagnostics.iter().filter(|d| d.place.path.as_str() == "x.yaml").collect();
        let is_misshapen = own.iter().any(|d| STRUCTURAL.contains(&d.code));
        prop_assert!(is_valid || !own.is_empty(), "only the validator sees: {:?}\n{}", complaint, document);
        prop_assert!(!(is_valid && is_misshapen), "only we see: {:?}\n{}", own, document);
    }
}
