//! Everything that needs no virtual machine, in one binary.

mod cli;
mod cost;
mod guest;
mod http;
mod image;
mod licences;
mod manifest;
mod policy;
mod provider;
mod reconcile;
mod remote;
mod schedule;
mod source;
mod store;
