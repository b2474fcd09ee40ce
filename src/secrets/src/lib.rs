//! SOPS documents and age files: reading, decrypting, changing and writing them, with recipients
//! and identities.
//!
//! The crate knows neither Lua nor the store. It reads no environment variable and no home: the
//! caller names the places of identities ([`identity::Places`]). What it decrypts is wiped when it
//! is dropped.
//!
//! A document is kept as its text. Values are found with their places in it ([`tree`]), and a
//! change replaces just these places: the order, the comments and the formatting of all else stay
//! as they are.
//!
//! The format is that of `sops` 3.11 (<https://github.com/getsops/sops>), the files of `age` are
//! those of
//! <https://age-encryption.org/v1>.
//!
//! The floors. Each uses only those above it in this list and earlier rooms on its own floor:
//!
//! - **F0** [`problem`], [`timestamp`], [`edit`], [`atomic`], [`private`], [`derive`],
//!   [`ssh_key`], [`wiped`]
//! - **F1** [`value`], [`json_text`], [`plain`], [`key_path`]
//! - **F2** [`cipher`], [`age_format`], [`recipient`], [`identity`], [`age_file`]
//! - **F3** [`options`], [`tree`], [`metadata`]
//! - **F4** [`flat`], [`dotenv`], [`ini`], [`json`], [`yaml`]
//! - **F5** [`format`], [`rules`], [`change`], [`seal`], [`document`], [`file`]

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests make files as they like"
    )
)]

pub mod age_file;
pub mod age_format;
pub mod atomic;
pub mod change;
pub mod cipher;
pub mod derive;
pub mod document;
pub mod dotenv;
pub mod edit;
pub mod file;
pub mod flat;
pub mod format;
pub mod identity;
pub mod ini;
pub mod json;
pub mod json_text;
pub mod key_path;
pub mod metadata;
pub mod options;
pub mod plain;
pub mod private;
pub mod problem;
pub mod recipient;
pub mod rules;
pub mod seal;
pub mod ssh_key;
pub mod timestamp;
pub mod tree;
pub mod value;
pub mod wiped;
pub mod yaml;

pub use document::{Document, Leaf, Opened};
pub use format::Format;
pub use key_path::{KeyPath, Step};
pub use options::Options;
pub use plain::Plain;
pub use problem::{Problem, Result};
pub use value::{Type, Value};
