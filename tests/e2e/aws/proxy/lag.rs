//! Listings that lag: for a number of looks, what was made is not there, and what was changed is as
//! it was.

use std::collections::BTreeMap;

use super::xml::Node;

#[derive(Debug, Default)]
pub struct Lag {
    /// So many looks after it was made something is seen for the first time.
    pub fresh: u32,
    /// So many looks after it was changed or deleted something is seen so.
    pub changed: u32,
    old: BTreeMap<String, Old>,
}

#[derive(Debug)]
struct Old {
    /// How it was; `None`: it was not there.
    node: Option<Node>,
    left: u32,
}

impl Lag {
    /// Something is another from now on.
    pub fn note(&mut self, id: &str, before: Option<&Node>) {
        let left = if before.is_some() {
            self.changed
        } else {
            self.fresh
        };
        if left > 0 && !self.old.contains_key(id) {
            let node = before.cloned();
            self.old.insert(id.to_owned(), Old { node, left });
        }
    }

    /// Whether nobody sees it yet.
    pub fn hides(&self, id: &str) -> bool {
        self.old.get(id).is_some_and(|old| old.node.is_none())
    }

    /// Whether it is shown as it was.
    pub fn holds(&self, id: &str) -> bool {
        self.old.contains_key(id)
    }

    /// What is shown as it was, whether or not it is still there.
    pub fn shown_as_it_was(&self, key: &str) -> Vec<String> {
        let nodes = self.old.values().filter_map(|old| old.node.as_ref());
        let ids = nodes.filter_map(|node| node.at(key));
        ids.map(|id| id.text.clone()).collect()
    }

    pub fn look(&mut self, id: &str) {
        if let Some(old) = self.old.get_mut(id) {
            old.left -= 1;
            if old.left == 0 {
                self.old.remove(id);
            }
        }
    }

    /// What is seen of what is there; `key` is the element that has the id.
    pub fn show(&self, nodes: Vec<Node>, key: &str) -> Vec<Node> {
        let is_held = |node: &Node| self.holds(node.text_at(key));
        let held = self.old.values().filter_map(|old| old.node.clone());
        let held = held.filter(|node| node.at(key).is_some());
        let current = nodes.into_iter().filter(|node| !is_held(node));
        current.chain(held).collect()
    }
}
