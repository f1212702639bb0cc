//! The core from outside: golden plans, worlds with faults, the loop on a clock of its own.

mod architecture;
mod begun;
mod budget;
mod declared;
mod drift;
mod golden;
mod guards;
mod host;
mod library;
mod live;
mod phoenix;
mod place;
mod restore;
mod serve;
mod stories;
mod support;
mod time;
mod usage;
mod warm;
mod worlds;
