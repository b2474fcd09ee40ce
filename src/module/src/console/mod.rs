//! The terminal and the process around Lua: it knows no values of configs.
//!
//! Each room uses only rooms listed before it: [`interrupt`], [`loops`], [`signals`], [`progress`],
//! [`terminal`].

pub mod interrupt;
pub mod loops;
pub mod progress;
pub mod signals;
pub mod terminal;
