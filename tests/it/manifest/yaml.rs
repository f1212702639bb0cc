//! Values and their places, held against an independent reader.

use metrom::manifest::yaml::{Data, Mark, Node, read};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Whether the text at a mark is where that scalar begins: itself, a quote, a block, an anchor, an
/// alias or a tag.
fn begins_at(lines: &[&str], mark: Mark, raw: &str) -> bool {
    let line = lines
        .get(mark.line as usize - 1)
        .copied()
        .unwrap_or_default();
    let rest: String = line.chars().skip(mark.column as usize - 1).collect();
    raw.is_empty()
        || rest.starts_with(raw)
        || rest.starts_with(['"', '\'', '|', '>', '&', '*', '!'])
}

/// Every scalar and every key of a tree stands where its mark says.
fn assert_places(text: &str, node: &Node) {
    let lines: Vec<&str> = text.split('\n').collect();
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| assert_places(text, item)),
        Data::Map(entries) => {
            for entry in entries {
                assert!(
                    begins_at(&lines, entry.mark, &entry.key),
                    "{:?} {:?}\n{text}",
                    entry.key,
                    entry.mark
                );
                assert_places(text, &entry.value);
            }
        }
        Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float | Data::Text => {
            assert!(
                begins_at(&lines, node.mark, &node.raw),
                "{:?} {:?}\n{text}",
                node.raw,
                node.mark
            );
        }
    }
}

fn mark(line: u32, column: u32) -> Mark {
    Mark { line, column }
}

#[test]
fn places_count_characters_and_lines_of_every_document() {
    let text = "# ünï\na: [ü, {b: 'x'}, &y z, *y]\n---\r\nc: \"d\"\n";
    let (documents, fault) = read(text);
    assert_eq!(fault, None);
    let items = documents[0].root.get("a").unwrap().items().to_vec();
    let marks: Vec<Mark> = items.iter().map(|item| item.mark).collect();
    assert_eq!(marks, [mark(2, 5), mark(2, 8), mark(2, 18), mark(2, 24)]);
    assert_eq!(documents[1].root.get("c").unwrap().mark, mark(4, 4));
    for document in &documents {
        assert_places(text, &document.root);
    }
}

#[test]
fn what_comes_by_a_merge_stands_where_it_was_written() {
    let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n";
    let root = read(text).0.remove(0).root;
    let used = root.get("use").unwrap();
    assert_eq!(used.to_json(), json!({"x": 1, "y": 3}));
    assert_eq!(used.entry("x").unwrap().mark, mark(1, 11));
    assert_eq!(used.entry("y").unwrap().mark, mark(4, 3));
}

#[test]
fn an_alias_of_itself_a_wrong_merge_and_an_odd_key_are_faults() {
    assert_eq!(read("a: &a [*a]").1.unwrap().code, "unknown-alias");
    let codes = |text: &str| {
        read(text).0[0]
            .notes
            .iter()
            .map(|n| n.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes("a: {<<: 5}"), ["bad-merge"]);
    assert_eq!(codes("{[a]: b}"), ["complex-key"]);
    assert_eq!(codes("a: !secret b"), ["unknown-tag"]);
    assert_eq!(codes("a: !!str 5"), [""; 0]);
    assert_eq!(codes("'<<': 1"), [""; 0]);
}

fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{0,4}",
        "[ -~äöü€漢🦀]{0,12}",
        Just("two\nlines\n".into()),
        Just("no".into()),
        Just("12".into()),
        Just("1.5".into()),
        Just("~".into()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_another_program_wrote_is_read_with_its_values_and_places(value in values()) {
        let text = serde_yaml::to_string(&value).unwrap();
        let (documents, fault) = read(&text);
        prop_assert_eq!(fault, None, "{}", text);
        let root = documents.first().map_or(Value::Null, |d| d.root.to_json());
        prop_assert_eq!(&root, &value, "{}", text);
        for document in &documents {
            assert_places(&text, &document.root);
        }
    }

    #[test]
    fn no_text_whatever_is_too_much(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn text_that_looks_like_yaml_is_read_as_another_reader_reads_it(text in "[-a-c:{}\\[\\], \"'#&*|>\n]{0,40}") {
        let (documents, fault) = read(&text);
        let other: Result<serde_yaml::Value, _> = serde_yaml::from_str(&text);
        if let Ok(other) = other && let Ok(other) = serde_json::to_value(&other) {
            prop_assert_eq!(&fault, &None, "{:?}", text);
            let is_plain = documents.iter().all(|d| d.notes.is_empty());
            let ours = documents.first().map_or(Value::Null, |d| d.root.to_json());
            prop_assert!(!is_plain || ours == other, "{:?}: {} and {}", text, ours, other);
        }
    }
}
