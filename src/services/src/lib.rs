//! Services: what a declaration of one becomes for systemd, launchd and Windows, and the managers
//! that start and stop them.
//!
//! The crate knows neither Lua nor the store. Rendering is pure: it takes a declaration, whose
//! texts may name paths that are not there yet, and returns texts.
//!
//! The floors. Each uses only those above it in this list and the rooms before it on its own:
//!
//! - **F0** [`problem`], [`declaration`], [`unit_file`]
//! - **F1** [`render`], [`state`]
//! - **F2** [`manager`]
//! - **F3** [`batch`], [`own`]

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

pub mod batch;
pub mod declaration;
pub mod manager;
pub mod own;
pub mod problem;
pub mod render;
pub mod state;
pub mod unit_file;
