//! The entries of a lock: inputs and tools.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use syslua_tools::resolve::{is_file_name, is_path_inside};

use super::is_commit;
use crate::hash::Hash;

/// What an input is fetched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// A commit of a repository.
    Git,
    /// A directory of this machine.
    Path,
    /// A tarball or zip.
    Archive,
}

impl fmt::Display for InputKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            InputKind::Git => "git",
            InputKind::Path => "path",
            InputKind::Archive => "archive",
        })
    }
}

/// What an input resolved to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedInput {
    /// Its way to be fetched.
    #[serde(rename = "type")]
    pub kind: InputKind,
    /// The address, as the config has it.
    pub url: String,
    /// The branch, tag or commit that the address names.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The full commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// How many leading components of names in an archive are left out, where the config says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<usize>,
    /// The NAR hash of the tree. A directory of this machine has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hash>,
    /// When the commit was made, in seconds since the epoch.
    #[serde(rename = "lastModified", default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// A tool, as it was resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedTool {
    /// The name of its package in the registry.
    pub package: String,
    /// The tag of its release.
    pub version: String,
    /// The input that its registry is, where that is not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// What the config gave for the registry's templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Its releases with known hashes, by platform.
    pub platforms: BTreeMap<String, LockedRelease>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// The release of a tool for one platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedRelease {
    /// Where it is.
    pub url: String,
    /// `tar.gz`, `zip`, `raw`, `gz`.
    pub format: String,
    /// What it hashes to.
    pub sha256: Hash,
    /// Where the hash is from; a download where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Its programs by name.
    pub files: BTreeMap<String, LockedFile>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// A program of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LockedFile {
    /// Its path in the archive; empty where the download is the program.
    Path(String),
    /// With a further name.
    Linked {
        /// Its path in the archive.
        path: String,
        /// The further name.
        link: String,
        /// Whether that must be a separate file.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hard: bool,
    },
}

impl LockedTool {
    /// Checks what an entry must have; answers what is wrong, to come after the key.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let is_inside = |path: &str| {
            // A download that is the program has no path.
            path.is_empty() || is_path_inside(path)
        };
        for release in self.platforms.values() {
            for (name, file) in &release.files {
                let (path, link) = match file {
                    LockedFile::Path(path) => (path, None),
                    LockedFile::Linked { path, link, .. } => (path, Some(link)),
                };
                if !is_file_name(name) || link.is_some_and(|link| !is_file_name(link)) {
                    return Err("has a program whose name cannot be a file name");
                }
                if !is_inside(path) {
                    return Err("has a program that is not inside of its archive");
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a text has no control character.
pub(super) fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

impl LockedInput {
    /// Checks what an entry of its kind must have; answers what is wrong, to come after the key.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self.kind {
            InputKind::Git if !self.rev.as_deref().is_some_and(is_commit) => {
                Err("has no `rev` of 40 hexadecimal digits")
            }
            InputKind::Git | InputKind::Archive if self.sha256.is_none() => Err("has no `sha256`"),
            _ => Ok(()),
        }
    }
}
