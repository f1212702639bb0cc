//! The permissions that are shipped for an account of AWS: those that the provider uses, and no more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn statements() -> Vec<Value> {
    let text = std::fs::read_to_string(root().join("deploy/aws-policy.json")).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    policy["Statement"].as_array().unwrap().clone()
}

fn actions(statement: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match &statement["Action"] {
        Value::Array(all) => all.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// The calls in the source: `ec2.run_instances()` asks for `ec2:RunInstances`.
fn used() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(&root().join("src/provider/aws")) {
        let text = std::fs::read_to_string(file).unwrap();
        let calls = regex::Regex::new(r"\b(ec2|cloudwatch)\s*\.([a-z_]+)\(\)").unwrap();
        let asked = |call: regex::Captures<'_>| format!("{}:{}", &call[1], pascal(&call[2]));
        found.extend(calls.captures_iter(&text).map(asked));
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn pascal(call: &str) -> String {
    let words = call.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

#[test]
fn the_policy_allows_what_the_provider_uses_and_nothing_else() {
    let allowed: BTreeSet<String> = statements()
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .flat_map(actions)
        .collect();
    let mut used = used();
    assert!(used.len() > 15, "the calls were not found: {used:?}");
    // What tags a thing in the call that makes it needs the right to tag.
    used.insert("ec2:CreateTags".to_owned());
    assert_eq!(allowed, used);
}

#[test]
fn what_ends_something_is_allowed_for_what_carries_our_tag_alone() {
    let ends = ["Delete", "Terminate", "Stop", "Detach", "Modify"];
    for statement in statements() {
        for action in actions(&statement) {
            let call = action.trim_start_matches("ec2:");
            if !ends.iter().any(|verb| call.starts_with(verb)) {
                continue;
            }
            let conditions = statement["Condition"].to_string();
            assert!(
                conditions.contains("aws:ResourceTag/metrom:"),
                "{action} is allowed for what is not ours"
            );
        }
    }
}
