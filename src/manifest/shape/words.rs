//! How values and types are called in messages.

use super::super::yaml::{Data, Node};

/// Longest quotation of a value, in characters.
const MAX_SHOWN: usize = 60;

/// A value in backticks, cut where it is long, on one line.
pub(in super::super) fn shown(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if flat.chars().count() <= MAX_SHOWN {
        return format!("`{flat}`");
    }
    let cut: String = flat.chars().take(MAX_SHOWN).collect();
    format!("`{cut}…`")
}

/// What was found, for "must be …, not …".
pub(in super::super) fn a_kind(node: &Node) -> &'static str {
    match &node.data {
        Data::Null => "nothing",
        Data::Bool(_) => "true or false",
        Data::Integer(_) => "a whole number",
        Data::Float => "a number",
        Data::Text => "a text",
        Data::List(_) => "a list",
        Data::Map(_) => "a map",
    }
}

/// What was wanted, by the word of JSON Schema.
pub(super) fn a_type(word: &str) -> &'static str {
    match word {
        "string" => "a text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a map",
    }
}

/// `` `a` ``, `` `a` or `b` ``.
pub(super) fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        _ => words.concat(),
    }
}
