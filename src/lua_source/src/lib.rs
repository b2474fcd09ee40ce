//! The source text of Lua functions, for a program that has the functions of a running Lua: which
//! text a function was made from, and what its free names mean.
//!
//! This crate runs no Lua and knows no files: texts and the code that Lua made of them come in.
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`lexer`], [`bytecode`]: tokens; where the code of a function is in a dump
//! - **F1** [`scopes`]: functions and the meaning of names
//! - **F2** [`chunk`]: the text of a file

pub mod bytecode;
pub mod lexer;

pub mod scopes;

pub mod chunk;

pub use chunk::{Chunk, NotFound};
pub use scopes::Meaning;
