//! Registries of command-line tools: the address of a tool's release, its archive, and the program
//! in it.
//!
//! The format is that of aqua (<https://aquaproj.github.io/docs/reference/registry-config/>). A
//! registry is a tree of files `pkgs/**/registry.yaml`. Each describes packages in layers: a base,
//! overrides by version, and in each of them overrides by platform. This crate has no I/O: texts
//! come in, and data goes out.
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`platform`], [`version`], [`yaml`]: platforms, how versions compare, YAML as data
//! - **F1** [`expression`], [`template`], [`signature`]: the two languages inside of a registry;
//!   signatures of releases
//! - **F2** [`package`], [`checksums`]: what a package says; files of checksums
//! - **F3** [`resolve`], [`mirror`], [`request`], [`index`]: the address of a release, also at a
//!   mirror; the requested version; all packages of a registry

pub mod platform;
pub mod version;
pub mod yaml;

pub mod expression;
pub mod signature;
pub mod template;

pub mod checksums;
pub mod package;

pub mod index;
pub mod mirror;
pub mod request;
pub mod resolve;

pub use index::Index;
pub use mirror::mirrored;
pub use package::Package;
pub use platform::Platform;
pub use resolve::{Release, Unavailable, resolve};
