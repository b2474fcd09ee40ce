//! Values between Lua and the engine: it knows no terminal. Each room uses only rooms listed before
//! it: [`handles`], [`convert`], [`render`].

pub mod convert;
pub mod handles;
pub mod render;
