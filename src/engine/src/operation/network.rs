//! What operations that use the network share: the client, progress as events, problems as errors.

use std::path::Path;
use std::sync::Arc;

use syslua_fetch::url::redact;
use syslua_fetch::{Client, Failure, Problem, Progress, Report};

use super::Error;
use crate::platform;
use crate::settings::{Event, Events, Settings};

/// Returns the client for the settings of a call.
pub fn client(settings: &Settings) -> Result<Client, Problem> {
    settings.context.client(&settings.network, &settings.interrupt.0)
}

/// Returns what makes events of progress.
pub fn report(events: &Events) -> Report {
    let events = events.clone();
    Arc::new(move |progress: Progress<'_>| {
        events.send(match progress {
            Progress::Received { url, bytes, total } => {
                Event::Download { url: url.to_owned(), bytes, total }
            }
            Progress::Retrying { url, reason, pause } => Event::Warning {
                message: format!(
                    "cannot fetch {url}: {reason}; trying again in {:.1} s",
                    pause.as_secs_f64()
                ),
            },
        });
    })
}

/// Makes the error of an address.
pub fn failed(url: &str, reason: impl Into<String>, hint: Option<String>) -> Error {
    Error::Fetch { url: redact(url), reason: reason.into(), hint }
}

/// Refuses what other users cannot read, where root would read it for a recipe: all users can read
/// what is built in the system's store.
///
/// # Errors
/// When it is private.
pub fn check_public(url: &str, path: &Path, metadata: &std::fs::Metadata) -> Result<(), Error> {
    if !platform::is_system_user() || !platform::is_private(metadata) {
        return Ok(());
    }
    let path = path.display();
    let hint = format!(
        "`chmod -R o+rX {path}` if it is not a secret; secrets are not built: see lib.secret"
    );
    let reason =
        format!("other users cannot read {path}, and all users can read the system's store");
    Err(failed(url, reason, Some(hint)))
}

/// Makes the error of a problem.
pub fn from_problem(url: &str, problem: Problem) -> Error {
    match problem {
        Problem::Interrupted => Error::Interrupted,
        Problem::Passing(reason) => failed(url, reason, None),
        Problem::Lasting { reason, hint } => failed(url, reason, hint),
    }
}

/// Makes the error of a failure about a file of sys.lua.
pub fn from_failure(url: &str, failure: Failure<platform::Error>) -> Error {
    match failure {
        Failure::Problem(problem) => from_problem(url, problem),
        Failure::Place(error) => Error::File(error),
    }
}
