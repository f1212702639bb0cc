//! XML as a small tree: built, read and changed in one form.
//!
//! libvirt's documents have no mixed content, so an element is a name, attributes, a text and
//! children. Everything is escaped when written; nothing is ever pasted into a template.

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};

/// An element with everything inside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

/// A document that is no XML, or not a single element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("libvirt sent XML that cannot be read: {0}")]
pub struct XmlError(String);

impl Node {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl fmt::Display) -> Self {
        self.attributes
            .push((attribute.to_owned(), value.to_string()));
        self
    }

    #[must_use]
    pub fn text(mut self, text: impl fmt::Display) -> Self {
        self.text = text.to_string();
        self
    }

    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Gives an attribute another value, or adds it.
    pub fn set(&mut self, attribute: &str, value: impl fmt::Display) {
        let value = value.to_string();
        let there = self.attributes.iter_mut().find(|(key, _)| key == attribute);
        match there {
            Some((_, there)) => *there = value,
            None => self.attributes.push((attribute.to_owned(), value)),
        }
    }

    #[must_use]
    pub fn content(&self) -> &str {
        self.text.trim()
    }

    /// The first element at a path of names, such as `target/path`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| {
            node.children.iter().find(|c| c.name == name)
        })
    }

    /// The first child of that name, to be changed.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.children.iter_mut().find(|c| c.name == name)
    }

    /// The children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The children of that name, to be changed.
    pub fn all_mut<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut Self> {
        self.children
            .iter_mut()
            .filter(move |child| child.name == name)
    }

    /// Takes the children of that name out that are meant.
    pub fn remove(&mut self, name: &str, is_meant: impl Fn(&Self) -> bool) {
        self.children.retain(|c| c.name != name || !is_meant(c));
    }

    /// Puts the child behind the last one of its name, or at the end.
    pub fn insert(&mut self, child: Self) {
        let last = self.children.iter().rposition(|c| c.name == child.name);
        let place = last.map_or(self.children.len(), |at| at + 1);
        self.children.insert(place, child);
    }

    /// Puts the child where the first one of its name is, or at the end; others of the name go.
    pub fn replace(&mut self, child: Self) {
        let place = self.children.iter().position(|c| c.name == child.name);
        self.children.retain(|c| c.name != child.name);
        let place = place.unwrap_or(self.children.len());
        self.children.insert(place, child);
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`] when it is no well-formed XML.
    pub fn parse(document: &str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(document);
        // The element at the bottom holds the document's own.
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(fault)?;
            match event {
                Event::Start(tag) => open.push(element(&tag)?),
                Event::Empty(tag) => close(&mut open, element(&tag)?)?,
                Event::End(_) => {
                    let ended = open.pop().ok_or_else(|| fault("an end without a start"))?;
                    close(&mut open, ended)?;
                }
                Event::Text(text) => append(&mut open, &text.decode().map_err(fault)?),
                Event::CData(text) => append(&mut open, &text.decode().map_err(fault)?),
                Event::GeneralRef(reference) => append(&mut open, &resolve(&reference)?),
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        match (open.pop(), open.is_empty()) {
            (Some(mut bottom), true) if bottom.children.len() == 1 => Ok(bottom.children.remove(0)),
            _ => Err(fault("it is not one element")),
        }
    }

    fn write(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(to, " {name}=\"{}\"", escape(value))?;
        }
        if self.text.is_empty() && self.children.is_empty() {
            return to.write_str("/>");
        }
        write!(to, ">{}", escape(&self.text))?;
        for child in &self.children {
            child.write(to)?;
        }
        write!(to, "</{}>", self.name)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

fn fault(reason: impl fmt::Display) -> XmlError {
    XmlError(reason.to_string())
}

fn element(tag: &BytesStart<'_>) -> Result<Node, XmlError> {
    let mut node = Node::new(&String::from_utf8_lossy(tag.name().as_ref()));
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(fault)?;
        let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value = attribute.unescape_value().map_err(fault)?.into_owned();
        node.attributes.push((name, value));
    }
    Ok(node)
}

/// Ends an element. White space alone is how the document is laid out, and no text.
fn close(open: &mut [Node], mut ended: Node) -> Result<(), XmlError> {
    if ended.text.trim().is_empty() {
        ended.text.clear();
    }
    let parent = open
        .last_mut()
        .ok_or_else(|| fault("an end without a start"))?;
    parent.children.push(ended);
    Ok(())
}

fn append(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(fault)? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(fault)?;
    resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| fault(format!("an unknown entity `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_it_contains() {
        let hostile = "a\"b' <c> & ]]> 한글 {{}}";
        let node = Node::new("domain")
            .with("type", hostile)
            .child(Node::new("name").text(hostile))
            .child(Node::new("empty"));
        assert_eq!(Node::parse(&node.to_string()).unwrap(), node);
    }

    #[test]
    fn comments_and_white_space_between_elements_are_nothing() {
        let node = Node::parse("<?xml version='1.0'?>\n<a>\n  <!-- x -->\n  <b c='1'/>\n</a>\n");
        assert_eq!(
            node.unwrap(),
            Node::new("a").child(Node::new("b").with("c", 1))
        );
    }

    #[test]
    fn a_replaced_child_keeps_its_place() {
        let mut node = Node::parse("<a><b>1</b><c/><b>2</b></a>").unwrap();
        node.replace(Node::new("b").text(3));
        assert_eq!(node.to_string(), "<a><b>3</b><c/></a>");
    }

    #[test]
    fn a_child_is_put_behind_its_like_and_taken_out_alone() {
        let mut node = Node::parse("<a><b>1</b><c/></a>").unwrap();
        node.insert(Node::new("b").text(2));
        node.insert(Node::new("d"));
        assert_eq!(node.to_string(), "<a><b>1</b><b>2</b><c/><d/></a>");
        node.remove("b", |b| b.content() == "1");
        assert_eq!(node.to_string(), "<a><b>2</b><c/><d/></a>");
    }

    #[test]
    fn an_attribute_is_changed_in_its_place() {
        let mut node = Node::new("a").with("b", 1).with("c", 2);
        node.set("b", 3);
        node.set("d", 4);
        assert_eq!(node.to_string(), r#"<a b="3" c="2" d="4"/>"#);
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for bad in ["", "<a>", "<a></b>", "<a/><b/>", "text", "<a>&nbsp;</a>"] {
            assert!(Node::parse(bad).is_err(), "{bad}");
        }
    }
}
