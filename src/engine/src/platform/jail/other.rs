//! Systems on which nothing can be enforced yet.

use std::io;

use super::{Rules, Support};

/// Returns what can be enforced: nothing.
pub fn support() -> Support {
    Support { landlock: 0, filter: false }
}

/// Confines nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base;

impl Base {
    /// Returns that nothing confines.
    pub fn of(_rules: &Rules) -> Base {
        Base
    }

    /// Returns that nothing confines.
    pub fn of_jails(_network: bool) -> Base {
        Base
    }

    /// Confines nothing.
    ///
    /// # Errors
    /// Never.
    pub fn restrict(self) -> io::Result<()> {
        Ok(())
    }

    /// Opens nothing.
    pub fn places(self) -> Places {
        Places
    }
}

/// Holds nothing open.
pub struct Places;

/// Confines nothing.
pub struct Confinement(());

impl Confinement {
    /// Makes nothing ready.
    ///
    /// # Errors
    /// Never.
    pub fn new(_rules: &Rules, _places: &Places) -> io::Result<Confinement> {
        Ok(Confinement(()))
    }
}
