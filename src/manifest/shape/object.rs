//! Maps: their fields, and which alternative one of them is.

use serde_json::{Map, Value};

use super::super::finding::meant;
use super::super::yaml::{Data, Mark, Node};
use super::words::{a_type, one_of};
use super::{At, Checker, format};

impl<'s> Checker<'s> {
    pub(super) fn object(&mut self, schema: &'s Value, node: &Node, at: At<'_>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for entry in node.entries() {
            let at = At::Field(&at, &entry.key);
            match properties.and_then(|known| known.get(&*entry.key)) {
                Some(wanted) => self.node(wanted, &entry.value, at),
                None => match self.free_field(schema, &entry.key, entry.mark) {
                    Free::Wanted(wanted) => self.node(wanted, &entry.value, at),
                    Free::Unknown => self.unknown_field(properties, &entry.key, entry.mark),
                    Free::Open | Free::BadName => {}
                },
            }
        }
        self.required(schema, node, at);
        self.exactly_one(schema, node, at);
    }

    /// What a field may hold that is not among the properties.
    fn free_field(&mut self, schema: &'s Value, key: &str, mark: Mark) -> Free<'s> {
        if let Some(named) = schema.get("patternProperties").and_then(Value::as_object)
            && let Some((pattern, wanted)) = named.iter().next()
        {
            return match format::key(pattern, key) {
                Ok(()) => Free::Wanted(wanted),
                Err(message) => {
                    self.fault(mark, "bad-name", message, None);
                    Free::BadName
                }
            };
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Free::Unknown,
            Some(wanted @ Value::Object(_)) => Free::Wanted(wanted),
            _ => Free::Open,
        }
    }

    fn unknown_field(&mut self, known: Option<&Map<String, Value>>, key: &str, mark: Mark) {
        let words: Vec<&str> = known
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        let message = format!("there is no field `{key}` here");
        self.fault(mark, "unknown-field", message, meant(key, words));
    }

    fn required(&mut self, schema: &Value, node: &Node, at: At<'_>) {
        for field in words_of(schema, "required") {
            if node.get(field).is_none() {
                let message = format!("`{}` is missing", At::Field(&at, field));
                let help = about(schema, field);
                self.fault(node.mark, "missing-field", message, help);
            }
        }
    }

    /// `oneOf` over required fields: exactly one of these groups is there.
    fn exactly_one(&mut self, schema: &Value, node: &Node, at: At<'_>) {
        let Some(groups) = schema.get("oneOf").and_then(Value::as_array) else {
            return;
        };
        let heads: Vec<&str> = groups
            .iter()
            .filter_map(|group| words_of(group, "required").next())
            .collect();
        let there: Vec<&str> = heads
            .iter()
            .copied()
            .filter(|head| node.get(head).is_some())
            .collect();
        match there.as_slice() {
            [] => {
                let message = format!("`{at}` needs {}", one_of(&heads));
                self.fault(node.mark, "missing-field", message, None);
            }
            [head] => {
                let group = groups
                    .iter()
                    .find(|group| words_of(group, "required").next() == Some(head));
                let missing = group
                    .into_iter()
                    .flat_map(|group| words_of(group, "required"))
                    .filter(|field| node.get(field).is_none());
                for field in missing {
                    let message = format!(
                        "`{}` is missing, which belongs to `{head}`",
                        At::Field(&at, field)
                    );
                    self.fault(node.mark, "missing-field", message, about(schema, field));
                }
            }
            [_, second, ..] => {
                let mark = node.entry(second).map_or(node.mark, |entry| entry.mark);
                let message = format!("`{at}` can have only {}", one_of(&there));
                let help = Some("remove all but one of them".to_owned());
                self.fault(mark, "contradiction", message, help);
            }
        }
    }

    /// A value that is one of several things: the one it looks like is what it is held against.
    pub(super) fn branch(&mut self, branches: &'s [Value], node: &Node, at: At<'_>) {
        if node.data == Data::Null {
            return self.no_value(node, at);
        }
        let fitting: Vec<&'s Value> = branches
            .iter()
            .filter(|b| self.is_fitting(b, node))
            .collect();
        match (&node.data, fitting.as_slice()) {
            (Data::Map(_), [_, ..]) => self.object_branch(&fitting, node, at),
            (_, [first, ..]) => self.node(first, node, at),
            (_, []) => {
                let types: Vec<&str> = branches.iter().map(|b| a_type(self.type_of(b))).collect();
                let message = format!("`{at}` must be {}", types.join(" or "));
                let help =
                    (node.data == Data::Float).then(|| format!("quote it: \"{}\"", node.raw));
                self.fault(node.mark, "wrong-type", message, help);
            }
        }
    }

    fn object_branch(&mut self, branches: &[&'s Value], node: &Node, at: At<'_>) {
        let objects: Vec<&'s Value> = branches.iter().flat_map(|b| self.objects_in(b)).collect();
        let Some(tag) = objects.first().and_then(|object| tag_of(object)) else {
            return self.by_key(&objects, node, at);
        };
        let words: Vec<&str> = objects
            .iter()
            .filter_map(|object| const_of(object, tag))
            .collect();
        let Some(value) = node.get(tag) else {
            let message = format!("`{}` is missing", At::Field(&at, tag));
            let help = Some(format!("write {}", one_of(&words)));
            return self.fault(node.mark, "missing-field", message, help);
        };
        let chosen = objects
            .iter()
            .find(|object| const_of(object, tag) == value.text());
        match chosen {
            Some(object) => self.object(object, node, at),
            None => self.one_of_words(&words, value, At::Field(&at, tag)),
        }
    }

    /// Alternatives that are told apart by the field that they have.
    fn by_key(&mut self, objects: &[&'s Value], node: &Node, at: At<'_>) {
        let has_key =
            |object: &&&Value| words_of(object, "required").any(|key| node.get(key).is_some());
        if let Some(object) = objects.iter().find(has_key) {
            return self.object(object, node, at);
        }
        let words: Vec<&str> = objects
            .iter()
            .flat_map(|object| words_of(object, "required"))
            .collect();
        match node.entries().first() {
            Some(entry) => {
                let message = format!("there is no field `{}` here", entry.key);
                self.fault(
                    entry.mark,
                    "unknown-field",
                    message,
                    meant(&entry.key, words),
                );
            }
            None => {
                let message = format!("`{at}` needs {}", one_of(&words));
                self.fault(node.mark, "missing-field", message, None);
            }
        }
    }

    fn resolved(&self, schema: &'s Value) -> &'s Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.definition(reference),
            None => schema,
        }
    }

    fn type_of(&self, schema: &'s Value) -> &'s str {
        let schema = self.resolved(schema);
        schema
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("object")
    }

    fn is_fitting(&self, schema: &'s Value, node: &Node) -> bool {
        match (self.type_of(schema), &node.data) {
            ("object", Data::Map(_))
            | ("array", Data::List(_))
            | ("string", Data::Text)
            | ("integer", Data::Integer(_))
            | ("boolean", Data::Bool(_)) => true,
            (
                _,
                Data::Null
                | Data::Bool(_)
                | Data::Integer(_)
                | Data::Float
                | Data::Text
                | Data::List(_)
                | Data::Map(_),
            ) => false,
        }
    }

    /// The maps among nested alternatives.
    fn objects_in(&self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolved(schema);
        match super::branches(schema) {
            Some(branches) => branches.iter().flat_map(|b| self.objects_in(b)).collect(),
            None => vec![schema],
        }
    }
}

enum Free<'s> {
    Wanted(&'s Value),
    Unknown,
    /// Anything goes.
    Open,
    BadName,
}

fn words_of<'v>(schema: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    schema
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// What to add for a field, in the first sentence that the schema says about it.
fn about(schema: &Value, field: &str) -> Option<String> {
    let property = schema.get("properties")?.get(field)?;
    if let Some(word) = property.get("const").and_then(Value::as_str) {
        return Some(format!("add `{field}: {word}`"));
    }
    let Some(text) = property.get("description").and_then(Value::as_str) else {
        return Some(format!("add `{field}: …`"));
    };
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first);
    let mut letters = sentence.trim_end_matches('.').chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_lowercase)
        .collect();
    Some(format!("add `{field}: …` ({first}{})", letters.as_str()))
}

/// The field whose constant value tells alternatives apart.
fn tag_of(object: &Value) -> Option<&str> {
    let properties = object.get("properties")?.as_object()?;
    properties
        .iter()
        .find(|(_, p)| p.get("const").is_some())
        .map(|(key, _)| key.as_str())
}

fn const_of<'v>(object: &'v Value, tag: &str) -> Option<&'v str> {
    object.get("properties")?.get(tag)?.get("const")?.as_str()
}
