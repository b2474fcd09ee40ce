//! Sets keys in documents that other programs write too, and takes them back. Bytes and declared
//! keys come in, bytes and what stood there before go out: nothing here knows files, or what the
//! keys are for.
//!
//! Everything that is not declared keeps its bytes: an edit replaces the text of one value, or adds
//! or takes out one entry. What is taken back leaves the very bytes that stood there before, as long
//! as nothing else changed around them.
//!
//! The floors, each of which uses only those above it in this list and the rooms before it on its
//! own:
//!
//! - **F0** [`declaration`], [`problem`], [`node`], [`record`]
//! - **F1** [`editor`]
//! - **F2** [`toml`], [`json`], [`yaml`], [`ini`], [`lines`]
//! - **F3** [`keys`], [`text_lines`]
//! - **F4** [`merge`](mod@merge)

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed test may panic"))]

mod declaration;
mod editor;
mod ini;
mod json;
mod keys;
mod lines;
mod merge;
mod node;
mod problem;
mod record;
mod text_lines;
mod toml;
mod yaml;

pub use declaration::{Declaration, Format, Key, Want, shown};
pub use merge::{Change, Merged, differences, merge, read};
pub use problem::{Problem, Result};
pub use record::Record;
