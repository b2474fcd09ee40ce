//! Packages as managers tell of them, and what is to change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version, as the manager writes it.
    pub version: String,
    /// Whether it is ready to be used, and not half installed.
    pub is_complete: bool,
}

/// All packages that are installed, by name.
pub type Inventory = BTreeMap<String, Installed>;

/// What a manager is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The packages to install, as the user writes them: `git`, or `git=1:2.39.5-0`.
    pub install: BTreeSet<String>,
    /// The names of packages to remove.
    pub remove: BTreeSet<String>,
}

impl Change {
    /// Returns whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty()
    }
}

/// A package that a simulation names.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema, Serialize, Deserialize)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// The version that it will have.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub version: String,
    /// The version that it has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<String>,
}

/// What a manager says that it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// What it would install.
    pub installs: Vec<Item>,
    /// What it would give another version.
    pub changes: Vec<Item>,
    /// What it would remove.
    pub removes: Vec<Item>,
    /// What it would only set up, since it is unpacked already.
    pub sets_up: BTreeSet<String>,
    /// Packages that prevent a removal, each after the package that they need.
    pub needed_by: Vec<(String, String)>,
}

impl Simulation {
    /// Returns the names of what it would remove.
    pub fn removed(&self) -> BTreeSet<&str> {
        self.removes.iter().map(|item| item.name.as_str()).collect()
    }
}
