//! Systems that do not tell what a program left running outside of its group.

#[cfg(unix)]
use super::ProgramLimits;

/// Would keep what loses its parent within reach.
pub struct Reaper(());

impl Reaper {
    /// Begins.
    pub fn begin() -> Reaper {
        Reaper(())
    }
}

/// Ends nothing.
#[cfg(unix)]
pub(super) fn end(_terms: &ProgramLimits<'_>) -> bool {
    true
}

/// Refuses: builds have no users of their own here.
///
/// # Errors
/// Always.
pub fn end_user(_user: u32) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Says nothing: programs that are not confined are told of already.
pub fn missing(_is_scoped: bool, _has_user: bool) -> Option<&'static str> {
    None
}

/// Ends what a killed process left running, which this system does not tell.
pub fn end_marked(_mark: &str) {}
