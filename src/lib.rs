//! Metrom: a GitOps reconciler for complete environments.
//!
//! *Git says what should be. Providers say what is. A pure function says what to do. A plain loop
//! does it again and again.*
//!
//! Modules in reading order; imports point from lower lines to upper ones only:
//!
//! - [`model`] the vocabulary
//! - [`schedule`] office hours, holidays, the end of a life
//! - [`manifest`] files → `Catalog` → `Desired`
//! - [`cost`] what environments cost, and budgets
//! - [`port`] where the outside enters
//! - [`ssh`] connections to machines and hosts, with pinned keys
//! - [`reconcile`] diff, plan, gate, queue; apply and one whole sync
//! - [`source`], [`secrets`], [`provider`], [`guest`], [`image`], [`store`]: the adapters
//! - [`usage`] what environments use, kept and judged
//! - [`scm`] what a webhook says, checked and understood
//! - [`world`] all of the outside in memory, with faults
//! - [`http`] webhook, API, events
//! - [`cli`] one file per command; the only place that knows every adapter

pub mod cli;
pub mod cost;
pub mod guest;
pub mod http;
pub mod image;
pub mod manifest;
pub mod model;
pub mod port;
pub mod provider;
pub mod reconcile;
pub mod schedule;
pub mod scm;
pub mod secrets;
pub mod source;
pub mod ssh;
pub mod store;
pub mod usage;
pub mod world;
