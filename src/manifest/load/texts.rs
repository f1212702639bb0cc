//! The documents of texts, each text read once however often it is met.
//!
//! A new revision mostly differs in a file or two; reading YAML with all its places and holding it
//! against its schema is most of the work of loading, and depends on nothing but the text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::super::schema::Kind;
use super::super::schema::json::schema_of;
use super::super::shape::{self, Misshape};
use super::super::yaml::{self, Fault, Node};

/// A text that none of so many loads met is forgotten.
const LOADS: u64 = 8;

/// The texts that were met lately.
#[derive(Default)]
pub(super) struct Texts {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// With the number of the last load that met it.
    texts: HashMap<Arc<[u8]>, (Arc<Reading>, u64)>,
    load: u64,
}

/// What a text holds, up to the first place where it is no YAML.
pub(super) struct Reading {
    pub documents: Vec<Held>,
    pub fault: Option<Fault>,
}

/// One document of a text.
pub(super) struct Held {
    pub root: Arc<Node>,
    /// What is readable, and wrong all the same.
    pub notes: Vec<Fault>,
    /// Of the kind that the document says it is.
    misshape: OnceLock<Misshape>,
}

impl Held {
    /// What is wrong with its shape; the kind is the one that the document itself names.
    pub fn misshape(&self, kind: Kind) -> &Misshape {
        self.misshape
            .get_or_init(|| shape::check(schema_of(kind), &self.root))
    }
}

impl Texts {
    /// Begins a load, and forgets what was not met for long.
    pub fn begin(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.load += 1;
        let oldest = known.load.saturating_sub(LOADS);
        known.texts.retain(|_, (_, met)| *met >= oldest);
    }

    /// `text` is that of `bytes`.
    pub fn read(&self, bytes: &Arc<[u8]>, text: &str) -> Arc<Reading> {
        if let Some(reading) = self.met(bytes) {
            return reading;
        }
        let reading = Arc::new(read(text));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let met = (Arc::clone(&reading), known.load);
        known.texts.insert(Arc::clone(bytes), met);
        reading
    }

    fn met(&self, bytes: &Arc<[u8]>) -> Option<Arc<Reading>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let load = known.load;
        let (reading, met) = known.texts.get_mut(bytes)?;
        *met = load;
        Some(Arc::clone(reading))
    }
}

fn read(text: &str) -> Reading {
    let (documents, fault) = yaml::read(text);
    let held = |yaml::Document { root, notes }| Held {
        root,
        notes,
        misshape: OnceLock::new(),
    };
    Reading {
        documents: documents.into_iter().map(held).collect(),
        fault,
    }
}
