//! Systems on which nothing can be enforced yet.

use std::io;

use super::{Rules, Support};

/// Returns what can be enforced: nothing.
pub fn support() -> Support {
    Support { landlock: 0, filter: false }
}

/// Confines nothing.
pub struct Confinement(());

impl Confinement {
    /// Makes nothing ready.
    ///
    /// # Errors
    /// Never.
    pub fn new(_rules: &Rules) -> io::Result<Confinement> {
        Ok(Confinement(()))
    }

    /// Returns that no descriptor is needed.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        std::iter::empty()
    }

    /// Confines nothing.
    ///
    /// # Errors
    /// Never.
    pub fn restrict(&self) -> io::Result<()> {
        Ok(())
    }
}
