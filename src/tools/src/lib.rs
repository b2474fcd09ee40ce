//! Registries of command-line tools: where the release of a tool lies, in which archive, and which
//! file in it is the program.
//!
//! The format is the one of aqua (<https://aquaproj.github.io/docs/reference/registry-config/>). A
//! registry is a tree of files `pkgs/**/registry.yaml`, each of which describes packages in layers:
//! a base, overrides by version, and in each of them overrides by platform. This crate has no I/O:
//! texts come in, and data goes out.
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`platform`], [`version`], [`yaml`]: platforms, how versions compare, YAML as data
//! - **F1** [`expression`], [`template`]: the two languages inside of a registry
//! - **F2** [`package`], [`checksums`]: what a package says; files of checksums
//! - **F3** [`resolve`], [`request`], [`index`]: where a release lies; which version is meant; all
//!   packages of a registry

pub mod platform;
pub mod version;
pub mod yaml;

pub mod expression;
pub mod template;

pub mod checksums;
pub mod package;

pub mod index;
pub mod request;
pub mod resolve;

pub use index::Index;
pub use package::Package;
pub use platform::Platform;
pub use resolve::{Release, Unavailable, resolve};
