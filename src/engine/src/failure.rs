//! A failure as the user reads it: what happened, where, and what to do.

pub use syslua_fetch::problem::chain;

/// A failure that carries what a report needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A word for programs, such as `build` or `config`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// Where in the user's files, such as `init.lua:12`.
    pub position: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// More lines, such as the end of a build's output.
    pub details: Option<String>,
    /// The contents that differ from their declaration, if it is about that.
    pub mismatches: Vec<Mismatch>,
}

/// A content that differs from its declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it was declared, such as `init.lua:12`.
    pub position: Option<String>,
    /// The address that it came from, or the name of the derivation whose output it is.
    pub url: String,
    /// The SHA-256 that was declared, as hexadecimal digits.
    pub expected: String,
    /// The hash of the actual content.
    pub found: String,
}

impl Mismatch {
    /// Returns its lines in a list of several.
    pub fn lines(&self) -> String {
        let position =
            self.position.as_ref().map_or_else(String::new, |position| format!("{position}: "));
        format!(
            "  {position}{}\n    declared sha256 {}\n    received sha256 {}",
            self.url, self.expected, self.found
        )
    }
}

impl Failure {
    /// Makes a failure of a kind and a message.
    pub fn new(kind: &str, message: impl Into<String>) -> Failure {
        Failure {
            kind: kind.to_owned(),
            message: message.into(),
            position: None,
            hint: None,
            details: None,
            mismatches: Vec::new(),
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, position: Option<String>) -> Failure {
        self.position = position;
        self
    }

    /// Adds more lines.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Failure {
        self.details = Some(details.into());
        self
    }
}
