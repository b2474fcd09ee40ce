//! Errors. No message ever contains a decrypted value.

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// What the user can do, when there is something.
    pub hint: Option<String>,
}

/// The result of most functions here.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// An error of a file that cannot be read.
    pub(crate) fn unread(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self {
            message: format!("cannot read {}: {error}", path.display()),
            hint: syslua_reading::remedy(error).map(str::to_owned),
        }
    }

    /// An error of a line (from 1) of a document.
    pub(crate) fn at(line: usize, message: impl std::fmt::Display) -> Self {
        Self::new(format!("line {line}: {message}"))
    }

    /// The same, said of a file.
    #[must_use]
    pub fn in_file(self, path: &std::path::Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), hint: self.hint }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The number of the line (from 1) that contains a byte of a text.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
}
