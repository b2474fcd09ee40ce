//! Why a document cannot be edited.

use crate::declaration::shown;

/// Why a document cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not of its format.
    #[error("{line}:{column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// The bytes are in no encoding that the format allows.
    #[error("the file is not UTF-8 (first invalid byte: {offset})")]
    Encoding {
        /// The offset of the first invalid byte.
        offset: usize,
    },
    /// A declared value that the format has no place for.
    #[error("{key}: {message}")]
    Value {
        /// The key, as people write it.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

/// The result of an edit.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// Returns a syntax problem at a byte offset of a text.
    pub fn at(text: &str, offset: usize, message: impl Into<String>) -> Problem {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Problem::Syntax {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// Returns a problem with a declared value.
    pub fn value(path: &[String], message: impl Into<String>) -> Problem {
        Problem::Value { key: shown(path), message: message.into() }
    }
}
