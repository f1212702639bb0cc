//! Whether a document has the shape that its JSON Schema asks for: *all* that is wrong, each with
//! its place.
//!
//! A reader of JSON Schema for the part of it that our types produce, written for people: it knows
//! what was probably meant. An independent validator is held against it in the tests.

mod format;
mod object;
mod path;
mod words;

use serde_json::Value;

use super::yaml::{Data, Fault, Mark, Node};

use path::At;
pub(super) use words::{a_kind, shown};

/// What is wrong with the shape of a document.
#[derive(Debug, Default)]
pub(super) struct Misshape {
    pub faults: Vec<Fault>,
    /// Secrets that were written in plain.
    pub secrets: Vec<(Mark, Mark)>,
}

/// Holds a document against its schema.
pub(super) fn check(schema: &Value, root: &Node) -> Misshape {
    let mut checker = Checker {
        definitions: &schema["$defs"],
        found: Misshape::default(),
    };
    checker.node(schema, root, At::Root);
    checker.found
}

struct Checker<'s> {
    definitions: &'s Value,
    found: Misshape,
}

impl<'s> Checker<'s> {
    /// `at` is the path of the value within the document.
    fn node(&mut self, schema: &'s Value, node: &Node, at: At<'_>) {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some("#/$defs/SecretReference") if !matches!(node.data, Data::Map(_) | Data::Null) => {
                return self.plain_secret(node, at);
            }
            Some(reference) => self.definition(reference),
            None => schema,
        };
        if let Some(allowed) = allowed_words(schema) {
            return self.one_of_words(&allowed, node, at);
        }
        if let Some(branches) = branches(schema) {
            return self.branch(branches, node, at);
        }
        let Some(wanted) = schema.get("type").and_then(Value::as_str) else {
            return;
        };
        match (wanted, &node.data) {
            (_, Data::Null) => self.no_value(node, at),
            ("object", Data::Map(_)) => self.object(schema, node, at),
            ("array", Data::List(_)) => self.list(schema, node, at),
            ("string", Data::Text) => self.text(schema, node),
            // A number alone: what it lacks is its currency.
            ("string", Data::Integer(_) | Data::Float) if is_money(schema) => {
                self.text(schema, node);
            }
            ("integer", Data::Integer(number)) => self.integer(schema, node, *number, at),
            ("boolean", Data::Bool(_)) => {}
            _ => self.wrong_type(wanted, node, at),
        }
    }

    fn definition(&self, reference: &str) -> &'s Value {
        let name = reference.rsplit('/').next().unwrap_or_default();
        &self.definitions[name]
    }

    fn list(&mut self, schema: &'s Value, node: &Node, at: At<'_>) {
        let items = node.items();
        if let Some(wanted) = schema.get("items") {
            for (i, item) in items.iter().enumerate() {
                self.node(wanted, item, At::Item(&at, i));
            }
        }
        if schema.get("minItems").and_then(Value::as_u64).unwrap_or(0) > items.len() as u64 {
            self.fault(
                node.mark,
                "bad-value",
                format!("`{at}` must not be empty"),
                None,
            );
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.refuse_repeats(node);
        }
    }

    fn refuse_repeats(&mut self, node: &Node) {
        let mut seen = std::collections::BTreeSet::new();
        for item in node.items() {
            if let Some(text) = item.scalar()
                && !seen.insert(text)
            {
                let message = format!("{} is there twice", shown(text));
                let help = Some("remove one of them".to_owned());
                self.fault(item.mark, "duplicate-item", message, help);
            }
        }
    }

    fn text(&mut self, schema: &Value, node: &Node) {
        let (message, help, is_secret) = match format::check(schema, &node.raw) {
            Ok(()) => return,
            Err(format::Misfit {
                message,
                help,
                is_secret,
            }) => (message, help, is_secret),
        };
        if is_secret {
            self.found.secrets.push((node.mark, node.end));
        }
        self.fault(node.mark, "bad-value", message, help);
    }

    fn integer(&mut self, schema: &Value, node: &Node, number: i64, at: At<'_>) {
        let minimum = schema.get("minimum").and_then(Value::as_i64);
        let maximum = schema.get("maximum").and_then(Value::as_i64);
        if minimum.is_some_and(|least| number < least) || maximum.is_some_and(|most| number > most)
        {
            let message = format!("`{at}` is {number}, which is out of range");
            let help = match (minimum, maximum) {
                (Some(least), Some(most)) => format!("take one from {least} to {most}"),
                (Some(least), None) => format!("take {least} or more"),
                (None, Some(most)) => format!("take {most} or less"),
                (None, None) => return,
            };
            self.fault(node.mark, "out-of-range", message, Some(help));
        }
    }

    fn one_of_words(&mut self, allowed: &[&str], node: &Node, at: At<'_>) {
        match node.text() {
            Some(text) if allowed.contains(&text) => {}
            Some(text) => {
                let message = format!("{} is no value of `{at}`", shown(text));
                let help = super::finding::meant(text, allowed.iter().copied());
                self.fault(node.mark, "bad-value", message, help);
            }
            None if node.data == Data::Null => self.no_value(node, at),
            None => self.wrong_type("string", node, at),
        }
    }

    fn no_value(&mut self, node: &Node, at: At<'_>) {
        let message = match at {
            At::Root => "the document is empty".to_owned(),
            at => format!("`{at}` has no value"),
        };
        let help = "write one, or remove the line".to_owned();
        self.fault(node.mark, "missing-value", message, Some(help));
    }

    fn plain_secret(&mut self, node: &Node, at: At<'_>) {
        self.found.secrets.push((node.mark, node.end));
        self.fault(
            node.mark,
            "plain-secret",
            format!("`{at}` is a secret and must not be written here"),
            Some("say where it is found: `{fromEnv: NAME}` or `{fromFile: PATH}`; and change it, since it is in the history now".to_owned()),
        );
    }

    fn wrong_type(&mut self, wanted: &str, node: &Node, at: At<'_>) {
        let found = a_kind(node);
        let message = format!("`{at}` must be {}, not {found}", words::a_type(wanted));
        let help = match (wanted, &node.data) {
            ("string", Data::Integer(_) | Data::Float | Data::Bool(_)) => {
                Some(format!("quote it: \"{}\"", node.raw))
            }
            ("integer", Data::Text) if node.raw.parse::<i64>().is_ok() => {
                Some("write it without quotes".to_owned())
            }
            ("boolean", Data::Text) if matches!(&*node.raw, "true" | "false") => {
                Some("write it without quotes".to_owned())
            }
            ("boolean", _) => Some("write `true` or `false`".to_owned()),
            ("array", _) => Some("write it as a list: `- …` on a line of its own".to_owned()),
            _ => None,
        };
        self.fault(node.mark, "wrong-type", message, help);
    }

    fn fault(&mut self, mark: Mark, code: &'static str, message: String, help: Option<String>) {
        self.found.faults.push(Fault {
            mark,
            code,
            message,
            help,
        });
    }
}

fn is_money(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("money")
}

/// The words of an enumeration: `const`, `enum`, or alternatives that are all constants.
fn allowed_words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word.as_str()?]);
    }
    if let Some(words) = schema.get("enum") {
        return words.as_array()?.iter().map(Value::as_str).collect();
    }
    let groups = schema.get("oneOf")?.as_array()?.iter();
    let words: Option<Vec<Vec<&str>>> = groups.map(allowed_words).collect();
    words.map(|words| words.concat())
}

/// Alternatives of which a value is one; not those that only speak of required fields.
fn branches(schema: &Value) -> Option<&Vec<Value>> {
    if schema.get("properties").is_some() {
        return None;
    }
    schema
        .get("oneOf")
        .or_else(|| schema.get("anyOf"))?
        .as_array()
}
