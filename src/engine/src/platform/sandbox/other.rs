//! Systems on which nothing can be enforced yet.

use std::io;

use super::{Rules, Support};

/// Returns what can be enforced: nothing.
pub fn support() -> Support {
    Support { landlock: 0, filter: false }
}

/// Confines nothing.
///
/// # Errors
/// Never.
pub fn restrict(_rules: &Rules) -> io::Result<()> {
    Ok(())
}
