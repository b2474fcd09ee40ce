//! Sets keys in documents that other programs write too, and reverts them. Bytes and declared keys
//! come in, new bytes and a record of the earlier state go out: nothing here knows files, or the
//! purpose of keys.
//!
//! Everything that is not declared keeps its bytes: an edit replaces the text of one value, or adds
//! or removes one entry. Reverting restores the exact earlier bytes, if nothing else changed around
//! them.
//!
//! The floors. Each uses only those above it in this list and earlier rooms on its own floor:
//!
//! - **F0** [`declaration`], [`problem`], [`node`], [`paths`], [`record`]
//! - **F1** [`editor`]
//! - **F2** [`toml`], [`json_scan`], [`json`], [`yaml`], [`ini`], [`lines`]
//! - **F3** [`lists`], [`keys`], [`text_lines`]
//! - **F4** [`merge`](mod@merge)

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed test may panic"))]

mod declaration;
mod editor;
mod ini;
mod json;
mod json_scan;
mod keys;
mod lines;
mod lists;
mod merge;
mod node;
mod paths;
mod problem;
mod record;
mod text_lines;
mod toml;
mod yaml;

pub use declaration::{Declaration, Format, Key, Want, shown};
pub use merge::{Change, Merged, differences, merge, read, special_float};
pub use problem::{Problem, Result};
pub use record::Record;
