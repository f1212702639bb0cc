//! The tree of a document: values that know their places.

use std::sync::Arc;

use super::event::Mark;

/// A value and where it stands. There are as many of them as there are words in a repository, and they are
/// kept: so none has room to grow.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins; for an alias the place of its use.
    pub mark: Mark,
    pub end: Mark,
    /// A scalar as text: what stands there, without its quotes.
    pub raw: Box<str>,
    pub data: Data,
    /// How many values it unfolds to, itself included.
    pub(super) weight: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Null,
    Bool(bool),
    Integer(i64),
    /// Any other number; nobody here counts with it.
    Float,
    Text,
    List(Box<[Arc<Node>]>),
    Map(Box<[Entry]>),
}

/// One field of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Box<str>,
    pub mark: Mark,
    pub value: Arc<Node>,
}

impl PartialEq for Node {
    /// Equal values are equal wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.data == other.data
    }
}

impl Node {
    /// The value of a field; `None` where there is none or this is no map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A field with the place of its key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| *entry.key == *key)
    }

    /// The fields of a map; none where this is no map.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            Data::Null
            | Data::Bool(_)
            | Data::Integer(_)
            | Data::Float
            | Data::Text
            | Data::List(_) => &[],
        }
    }

    /// The items of a list; none where this is no list.
    #[must_use]
    pub fn items(&self) -> &[Arc<Node>] {
        match &self.data {
            Data::List(items) => items,
            Data::Null
            | Data::Bool(_)
            | Data::Integer(_)
            | Data::Float
            | Data::Text
            | Data::Map(_) => &[],
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        (self.data == Data::Text).then_some(&*self.raw)
    }

    /// What a scalar says, whatever its type; `None` for lists and maps.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match &self.data {
            Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float | Data::Text => {
                Some(&self.raw)
            }
            Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The value below these keys and indices (`["sources", "0", "url"]`), or the last one on the
    /// way that is there.
    #[must_use]
    pub fn nearest<'a>(&'a self, path: &[&str]) -> &'a Node {
        let mut node = self;
        for part in path {
            let next = match &node.data {
                Data::List(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => node.get(part),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// The same value in the form that serde reads.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Integer(value) => Value::from(*value),
            Data::Float => self.raw.parse::<f64>().map_or(Value::Null, Value::from),
            Data::Text => Value::String(self.raw.to_string()),
            Data::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Data::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.to_string(), entry.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

impl Data {
    /// How many values lie in this one.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float | Self::Text => 0,
            Self::List(items) => items.iter().map(|item| item.weight).sum(),
            Self::Map(entries) => entries.iter().map(|entry| entry.value.weight).sum(),
        }
    }
}
