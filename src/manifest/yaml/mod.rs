//! YAML with the place of every node.
//!
//! serde-based readers say where a *syntax* error is, but forget where each value stood, and most
//! findings are about values. So documents are read by the event parser below them (libyaml, which
//! is what Compose's own parser was ported from) into a tree that keeps marks.
//!
//! **Guarantees.** Time and memory are bounded by [`MAX_NODES`] and [`MAX_DEPTH`], whatever the
//! aliases unfold to.

mod event;
mod node;
mod read;
mod scalar;

pub use event::Mark;
pub use node::{Data, Entry, Node};
pub use read::{Document, Fault, MAX_DEPTH, MAX_NODES, read};
