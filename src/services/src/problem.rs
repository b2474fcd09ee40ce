//! What can be wrong with a declaration, and why a manager does not do what it is asked to.

/// A declaration that cannot be rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{field}` {why}")]
pub struct Refusal {
    /// The field, as the user writes it: `environment.PATH`.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// Makes a refusal of a field.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Refusal {
        Refusal { field: field.into(), why: why.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }
}

/// Why a service manager refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no manager, or it does not answer.
    #[error("{manager} cannot be reached: {reason}")]
    Unreachable {
        /// What it is.
        manager: String,
        /// Why not.
        reason: String,
    },
    /// The same during an apply, which can leave services as they are.
    #[error("{manager} cannot be reached: {reason}")]
    UnreachableForApply {
        /// What it is.
        manager: String,
        /// Why not.
        reason: String,
    },
    /// It answered with an error.
    #[error("{manager} refuses to {what}: {reason}")]
    Refused {
        /// What it is.
        manager: String,
        /// What was asked, such as `start web.service`.
        what: String,
        /// Its answer.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Problem {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Problem::UnreachableForApply { .. } => Some(
                "`apply --no-services` applies everything else; in a container, systemd \
                 must be the first process",
            ),
            Problem::Unreachable { .. } => Some(
                "run it where the service manager runs; in a container, systemd must be the \
                 first process",
            ),
            _ => None,
        }
    }

    /// Returns the problem as one of an apply.
    #[must_use]
    pub fn of_apply(self) -> Problem {
        match self {
            Problem::Unreachable { manager, reason } => {
                Problem::UnreachableForApply { manager, reason }
            }
            other => other,
        }
    }
}
