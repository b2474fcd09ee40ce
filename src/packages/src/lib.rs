//! Packages of the system: what a package manager is asked, and what its answers mean.
//!
//! The crate runs no program and reads no file. A manager gives calls (a program, its arguments and
//! its variables), and reads the output of these calls as data.
//!
//! The floors. Each uses only those above it in this list and the rooms before it on its own:
//!
//! - **F0** [`name`], [`call`], [`package`]
//! - **F1** [`manager`]

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::allow_attributes,
        reason = "tests may fail this way"
    )
)]

pub mod call;
pub mod manager;
pub mod name;
pub mod package;
