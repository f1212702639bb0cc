//! The manifest from outside: files in, catalog and desired state out.

mod support;

mod bad_input;
mod cases;
mod cloud;
mod compose;
mod host;
mod load;
mod place;
mod price;
mod reference;
mod render;
mod scaffold;
mod schema;
mod template;
mod timing;
mod yaml;
