//! Why something was not fetched.

use std::error::Error;

/// Why something was not fetched.
#[derive(Debug)]
pub enum Problem {
    /// The operation was cancelled.
    Interrupted,
    /// It may work a moment later: a dropped connection, a time-out.
    Passing(String),
    /// It would fail again.
    Lasting {
        /// What happened.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Problem {
    /// Makes a lasting one without a hint.
    pub fn lasting(reason: impl Into<String>) -> Problem {
        Problem::Lasting { reason: reason.into(), hint: None }
    }
}

/// Why something did not come to its place.
#[derive(Debug)]
pub enum Failure<E> {
    /// It was not fetched.
    Problem(Problem),
    /// The place did not take it.
    Place(E),
}

impl<E> From<Problem> for Failure<E> {
    fn from(problem: Problem) -> Failure<E> {
        Failure::Problem(problem)
    }
}

/// Returns an error's text and that of its causes, as one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // A transparent wrapper repeats its cause.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
