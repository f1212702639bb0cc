//! EC2's answers as a small tree: elements without mixed content and, but for the first, without
//! attributes.

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// As they were written.
    attributes: String,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub fn leaf(name: &str, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::new(name)
        }
    }

    pub fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The one element of a document.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event();
            match event.unwrap_or_else(|e| panic!("no XML: {e}: {text}")) {
                Event::Start(start) => open.push(Self::begun(&start)),
                Event::Empty(start) => {
                    let node = Self::begun(&start);
                    innermost(&mut open).children.push(node);
                }
                Event::End(_) => {
                    let node = open.pop().unwrap();
                    innermost(&mut open).children.push(node);
                }
                Event::Text(text) => innermost(&mut open).text += &text.decode().unwrap(),
                Event::GeneralRef(name) => {
                    let character = name.resolve_char_ref().unwrap().map(String::from);
                    let known = resolve_predefined_entity(&name.decode().unwrap());
                    let known = known.map(str::to_owned);
                    innermost(&mut open).text += &character.or(known).expect("an entity of XML");
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let document = open.pop().unwrap();
        document.children.into_iter().next().expect("an element")
    }

    fn begun(start: &BytesStart<'_>) -> Self {
        Self {
            name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
            attributes: String::from_utf8(start.attributes_raw().to_vec()).unwrap(),
            ..Self::default()
        }
    }

    /// The first element at a path of names, such as `placement/availabilityZone`.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| {
            node.children.iter().find(|c| c.name == name)
        })
    }

    /// What is written there; nothing where there is no such element.
    pub fn text_at(&self, path: &str) -> &str {
        self.at(path).map_or("", |node| &node.text)
    }

    /// The element at a path, made where it is missing.
    pub fn make(&mut self, path: &str) -> &mut Self {
        path.split('/').fold(self, |node, name| {
            let place = node.children.iter().position(|c| c.name == name);
            let place = place.unwrap_or_else(|| {
                node.children.push(Self::new(name));
                node.children.len() - 1
            });
            &mut node.children[place]
        })
    }

    pub fn set(&mut self, path: &str, text: &str) {
        text.clone_into(&mut self.make(path).text);
    }

    pub fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// The entries of a list, such as `tagSet`.
    pub fn items(&self, list: &str) -> &[Self] {
        self.at(list).map_or(&[], |node| &node.children)
    }

    pub fn items_mut(&mut self, list: &str) -> &mut [Self] {
        &mut self.make(list).children
    }

    pub fn tag(&self, key: &str) -> Option<&str> {
        let tags = self.items("tagSet").iter();
        let mut found = tags.filter(|tag| tag.text_at("key") == key);
        found.next().map(|tag| tag.text_at("value"))
    }
}

fn innermost(open: &mut [Node]) -> &mut Node {
    open.last_mut().expect("as many ends as beginnings")
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            attributes,
            text,
            children,
        } = self;
        write!(f, "<{name}{attributes}>")?;
        if children.is_empty() {
            f.write_str(&escape(text.as_str()))?;
        }
        children.iter().try_for_each(|child| child.fmt(f))?;
        write!(f, "</{name}>")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
