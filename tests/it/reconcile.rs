//! The core from outside: golden plans, worlds with faults, the loop on a clock of its own.

#[path = "reconcile/architecture.rs"]
mod architecture;
#[path = "reconcile/declared.rs"]
mod declared;
#[path = "reconcile/drift.rs"]
mod drift;
#[path = "reconcile/golden.rs"]
mod golden;
mod guards;
#[path = "reconcile/library.rs"]
mod library;
#[path = "reconcile/live.rs"]
mod live;
mod phoenix;
#[path = "reconcile/serve.rs"]
mod restore;
mod serve;
#[path = "reconcile/stories.rs"]
mod stories;
#[path = "reconcile/support.rs"]
mod support;
#[path = "reconcile/time.rs"]
mod time;
mod warm;
#[path = "reconcile/worlds.rs"]
mod worlds;
