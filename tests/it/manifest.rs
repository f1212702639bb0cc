//! The manifest from outside: files in, catalog and desired state out.

#[path = "manifest/support.rs"]
mod support;

#[path = "manifest/bad_input.rs"]
mod bad_input;
#[path = "manifest/cases.rs"]
mod cases;
#[path = "manifest/compose.rs"]
mod compose;
#[path = "manifest/load.rs"]
mod load;
#[path = "manifest/reference.rs"]
mod reference;
#[path = "manifest/render.rs"]
mod render;
#[path = "manifest/scaffold.rs"]
mod scaffold;
#[path = "manifest/schema.rs"]
mod schema;
#[path = "manifest/template.rs"]
mod template;
#[path = "manifest/timing.rs"]
mod timing;
#[path = "manifest/yaml.rs"]
mod yaml;
