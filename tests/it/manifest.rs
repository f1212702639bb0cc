//! The manifest from outside: files in, catalog and desired state out.

#[path = "manifest/support.rs"]
mod support;

#[path = "manifest/load.rs"]
mod load;
