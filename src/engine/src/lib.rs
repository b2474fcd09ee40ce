//! The engine of sys.lua: everything that needs no Lua.
//!
//! It never prints, never exits and never reads `HOME` or the environment: roots, settings and an
//! event sink are arguments. Each floor uses only the floors above it in this list, and within a
//! floor a room uses only rooms listed before it:
//!
//! - **F0** [`failure`], [`hash`], [`pins`], [`places`], [`seen_trees`], [`context`], [`settings`],
//!   [`nar`], [`names`], [`tail`], [`platform`], [`value`], [`encode`], [`template`], [`watch`],
//!   [`tree_choice`]: data, texts and the system
//! - **F1** [`store`]: the immutable objects and what is recorded of them
//! - **F2** [`derivation`], [`variable`], [`unseal`], [`action`], [`activation`], [`manifest`],
//!   [`snapshot`], [`journal`], [`lock`]: what is wanted, what was done
//! - **F3** [`operation`], [`inputs`], [`tools`], [`packages`], [`environment`], [`trust`]: what a
//!   build may do, what a config gets from elsewhere, what a shell gets, which projects may run
//! - **F4** [`realize`], [`generations`], [`config_copy`], [`switch`]: from recipes to objects,
//!   from a manifest to a machine
//! - **F5** [`api`]: the verbs

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests make files as they like"))]

pub mod context;
pub mod encode;
pub mod failure;
pub mod hash;
pub mod names;
pub mod nar;
pub mod pins;
pub mod places;
pub mod platform;
pub mod seen_trees;
pub mod settings;
pub mod tail;
pub mod template;
pub mod tree_choice;
pub mod value;
pub mod watch;

pub mod store;

pub mod action;
pub mod activation;
pub mod derivation;
pub mod journal;
pub mod lock;
pub mod manifest;
pub mod snapshot;
pub mod unseal;
pub mod variable;

pub mod environment;
pub mod inputs;
pub mod operation;
pub mod packages;
pub mod tools;
pub mod trust;

pub mod config_copy;
pub mod generations;
pub mod realize;
pub mod switch;

pub mod api;
