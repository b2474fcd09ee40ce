//! A package that the package manager of the system installs.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::value::Text;

/// A package of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The manager that installs it, such as `apt`.
    pub manager: String,
    /// The package as the config has it: `git`, or `git=1:2.39.5-0`.
    pub package: String,
}

impl Kind for Package {
    fn texts(&self) -> Vec<&Text> {
        Vec::new()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        Vec::new()
    }
}

/// An action that has a package installed.
pub trait PackageKind: Kind {
    /// Returns the package.
    fn package(&self) -> &Package;
}

impl PackageKind for Package {
    fn package(&self) -> &Package {
        self
    }
}
