//! Everything that needs no virtual machine, in one binary.
//!
//! Beside these lie the suites `cli`, `guest`, `http`, `manifest`, `provider`, `reconcile` and
//! `store`; each joins this list in the commit in which it is seen to pass.

mod image;
mod source;
