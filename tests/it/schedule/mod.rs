//! Office hours, holidays and lifetimes from outside.

mod awake;
mod calendar;
mod hours;
mod lifetime;
mod list;
mod oracle;
mod pure;
mod rules;
mod wild;
mod zones;
