//! From text to trees: aliases unfolded, merge keys applied, everything within bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::event::{Dress, Event, EventKind, Mark, Parser, SyntaxError};
use super::node::{Data, Entry, Node};
use super::scalar;

/// Values in one document, those behind an alias counted as often as they are used.
pub const MAX_NODES: usize = 100_000;
/// How deep values may lie in one another.
pub const MAX_DEPTH: usize = 64;

/// One document of a stream.
#[derive(Debug, Clone)]
pub struct Document {
    pub root: Arc<Node>,
    /// What is readable, and wrong all the same.
    pub notes: Vec<Fault>,
}

/// Something about a text that is not as YAML, or as we, want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub mark: Mark,
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// Reads all documents of a text; those before a fault are good, what follows it is lost.
#[must_use]
pub fn read(text: &str) -> (Vec<Document>, Option<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut reader = Reader::new(text);
    loop {
        match reader.document() {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => return (documents, None),
            Err(fault) => return (documents, Some(fault)),
        }
    }
}

struct Reader<'text> {
    text: &'text str,
    parser: Parser<'text>,
    anchors: HashMap<String, Arc<Node>>,
    notes: Vec<Fault>,
    /// Values so far in this document.
    count: usize,
}

impl<'text> Reader<'text> {
    fn new(text: &'text str) -> Self {
        Self {
            text,
            parser: Parser::new(text),
            anchors: HashMap::new(),
            notes: Vec::new(),
            count: 0,
        }
    }

    fn next(&mut self) -> Result<Event, Fault> {
        let text = self.text;
        self.parser
            .next_event()
            .map_err(|error| syntax_fault(error, text))
    }

    fn document(&mut self) -> Result<Option<Document>, Fault> {
        self.anchors.clear();
        self.count = 0;
        let root = loop {
            let event = self.next()?;
            match event.kind {
                EventKind::Frame => {}
                EventKind::StreamEnd => return Ok(None),
                EventKind::DocumentEnd => break None,
                _ => break Some(self.node(event, 0)?),
            }
        };
        let Some(root) = root else {
            return self.document();
        };
        self.next()?; // the end of the document: a second root is a syntax error
        let notes = std::mem::take(&mut self.notes);
        Ok(Some(Document { root, notes }))
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Arc<Node>, Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(event.start));
        }
        let (start, end) = (event.start, event.end);
        if let EventKind::Alias(name) = &event.kind {
            return self.alias(name, start, end);
        }
        self.weigh(1, start)?;
        let (dress, raw, data, end) = match event.kind {
            EventKind::Scalar {
                dress,
                text,
                is_plain,
            } => {
                let data = scalar_data(&dress, &text, is_plain);
                (dress, text, data, end)
            }
            EventKind::ListStart(dress) => {
                let (items, end) = self.items(depth)?;
                (dress, String::new(), Data::List(items.into()), end)
            }
            EventKind::MapStart(dress) => {
                let (entries, end) = self.entries(depth)?;
                (dress, String::new(), Data::Map(entries.into()), end)
            }
            EventKind::Alias(_)
            | EventKind::Frame
            | EventKind::StreamEnd
            | EventKind::DocumentEnd
            | EventKind::ListEnd
            | EventKind::MapEnd => (Dress::default(), String::new(), Data::Null, end),
        };
        self.note_tag(&dress, start);
        let weight = 1 + data.weight();
        let node = Arc::new(Node {
            mark: start,
            end,
            raw: raw.into(),
            data,
            weight,
        });
        if let Some(anchor) = dress.anchor {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    /// The value behind an alias, standing where the alias stands.
    fn alias(&mut self, name: &str, mark: Mark, end: Mark) -> Result<Arc<Node>, Fault> {
        let Some(node) = self.anchors.get(name).cloned() else {
            return Err(Fault {
                mark,
                code: "unknown-alias",
                message: format!("`*{name}` is not the alias of anything above it"),
                help: Some(format!("mark the value that you mean with `&{name}`")),
            });
        };
        self.weigh(node.weight, mark)?;
        let mut node = Node::clone(&node);
        (node.mark, node.end) = (mark, end);
        Ok(Arc::new(node))
    }

    fn weigh(&mut self, more: usize, mark: Mark) -> Result<(), Fault> {
        self.count += more;
        if self.count <= MAX_NODES {
            return Ok(());
        }
        Err(Fault {
            mark,
            code: "too-many-values",
            message: format!(
                "this document unfolds to more than {MAX_NODES} values, its aliases included"
            ),
            help: Some("split it, or use fewer aliases of aliases".to_owned()),
        })
    }

    fn items(&mut self, depth: usize) -> Result<(Vec<Arc<Node>>, Mark), Fault> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if let EventKind::ListEnd = event.kind {
                return Ok((items, event.end));
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, Mark), Fault> {
        let mut entries = Vec::new();
        let mut merges = Vec::new();
        let end = loop {
            let event = self.next()?;
            if let EventKind::MapEnd = event.kind {
                break event.end;
            }
            let is_merge = matches!(&event.kind, EventKind::Scalar { text, is_plain: true, .. } if text == "<<");
            let key = self.node(event, depth + 1)?;
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            match key.scalar() {
                Some(_) if is_merge => merges.push(value),
                Some(_) => entries.push(Entry {
                    mark: key.mark,
                    key: Arc::try_unwrap(key).map_or_else(|key| key.raw.clone(), |key| key.raw),
                    value,
                }),
                None => self.note(
                    key.mark,
                    "complex-key",
                    "a list or a map cannot be the name of a field".to_owned(),
                    None,
                ),
            }
        };
        self.refuse_duplicates(&mut entries);
        self.merge(&mut entries, &merges)?;
        Ok((entries, end))
    }

    /// Notes fields that are there twice; the first one stays.
    fn refuse_duplicates(&mut self, entries: &mut Vec<Entry>) {
        let keys: BTreeSet<&str> = entries.iter().map(|entry| &*entry.key).collect();
        if keys.len() == entries.len() {
            return;
        }
        let mut first: BTreeMap<Box<str>, Mark> = BTreeMap::new();
        let mut notes = Vec::new();
        entries.retain(|entry| {
            let Some(mark) = first.get(&entry.key) else {
                first.insert(entry.key.clone(), entry.mark);
                return true;
            };
            notes.push(Fault {
                mark: entry.mark,
                code: "duplicate-key",
                message: format!("`{}` is there twice", entry.key),
                help: Some(format!(
                    "the first is in line {}; keep one of them",
                    mark.line
                )),
            });
            false
        });
        self.notes.extend(notes);
    }

    /// Fills in the fields of `<<`; what is written in the map itself wins, then the earlier merge.
    fn merge(&mut self, entries: &mut Vec<Entry>, merges: &[Arc<Node>]) -> Result<(), Fault> {
        let mut parts: Vec<&Arc<Node>> = Vec::new();
        for merge in merges {
            match &merge.data {
                Data::List(items) => parts.extend(items),
                _ => parts.push(merge),
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        let mut known: BTreeSet<Box<str>> = entries.iter().map(|entry| entry.key.clone()).collect();
        for part in parts {
            let Data::Map(fields) = &part.data else {
                self.note(
                    part.mark,
                    "bad-merge",
                    "`<<` takes a map, or a list of maps".to_owned(),
                    Some("merge the alias of a map, such as `<<: *base`".to_owned()),
                );
                continue;
            };
            for field in fields {
                if known.insert(field.key.clone()) {
                    self.weigh(field.value.weight, part.mark)?;
                    entries.push(field.clone());
                }
            }
        }
        Ok(())
    }

    /// Only the tags of YAML itself mean something.
    fn note_tag(&mut self, dress: &Dress, mark: Mark) {
        if let Some(tag) = &dress.tag
            && tag != "!"
            && !tag.starts_with("tag:yaml.org,2002:")
        {
            let message = format!("the tag `{tag}` means nothing here");
            self.note(mark, "unknown-tag", message, Some("remove it".to_owned()));
        }
    }

    fn note(&mut self, mark: Mark, code: &'static str, message: String, help: Option<String>) {
        self.notes.push(Fault {
            mark,
            code,
            message,
            help,
        });
    }
}

fn scalar_data(dress: &Dress, text: &str, is_plain: bool) -> Data {
    match dress.tag.as_deref() {
        Some("!" | "tag:yaml.org,2002:str") => Data::Text,
        _ if is_plain => scalar::resolve(text),
        _ => Data::Text,
    }
}

fn too_deep(mark: Mark) -> Fault {
    Fault {
        mark,
        code: "too-deep",
        message: format!("values lie more than {MAX_DEPTH} deep in one another"),
        help: Some("nothing that Metrom or Compose reads is that deep".to_owned()),
    }
}

fn syntax_fault(error: SyntaxError, text: &str) -> Fault {
    let SyntaxError {
        mark,
        byte,
        problem,
        context,
    } = error;
    let mark = byte.map_or(mark, |byte| Mark::of_byte(text.as_bytes(), byte));
    let context = context.map_or(String::new(), |context| format!(" {context}"));
    let help = if problem.contains("cannot start any token") {
        "YAML indents with spaces, never with tabs; quote a text that begins with `@`, `` ` `` or `%`"
    } else if problem.contains("mapping values are not allowed") {
        "look at the indentation, and quote a text that contains `: `"
    } else {
        "look at the indentation, the quotes and the brackets here and in the line above"
    };
    Fault {
        mark,
        code: "bad-yaml",
        message: format!("this is not YAML: {problem}{context}"),
        help: Some(help.to_owned()),
    }
}
