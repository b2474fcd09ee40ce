//! What operations that use the network share: the client, progress as events, problems as errors.

use std::sync::{Arc, Mutex, PoisonError};

use syslua_fetch::url::redact;
use syslua_fetch::{Client, Failure, Network, Problem, Progress, Report};

use super::Error;
use crate::platform;
use crate::settings::{Event, EventSink, Interrupt};

/// Returns the client for these settings. The last one is kept, with its open connections.
pub fn client(network: &Network, interrupt: &Interrupt) -> Result<Client, Problem> {
    static LAST: Mutex<Option<Client>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = last.as_ref().filter(|client| client.is_for(network, &interrupt.0)) {
        return Ok(client.clone());
    }
    let client = Client::new(network, &interrupt.0)?;
    *last = Some(client.clone());
    Ok(client)
}

/// Returns what makes events of progress.
pub fn report(events: &EventSink) -> Report {
    let events = Arc::clone(events);
    Arc::new(move |progress: Progress<'_>| {
        events(match progress {
            Progress::Received { url, bytes, total } => Event::Download { url: url.to_owned(), bytes, total },
            Progress::Retrying { url, reason, pause } => Event::Warning {
                message: format!("cannot fetch {url}: {reason}; trying again in {:.1} s", pause.as_secs_f64()),
            },
        });
    })
}

/// Makes the error of an address.
pub fn failed(url: &str, reason: impl Into<String>, hint: Option<String>) -> Error {
    Error::Fetch { url: redact(url), reason: reason.into(), hint }
}

/// Makes the error of a problem.
pub fn from_problem(url: &str, problem: Problem) -> Error {
    match problem {
        Problem::Interrupted => Error::Interrupted,
        Problem::Passing(reason) => failed(url, reason, None),
        Problem::Lasting { reason, hint } => failed(url, reason, hint),
    }
}

/// Makes the error of a failure whose place is a file of ours.
pub fn from_failure(url: &str, failure: Failure<platform::Error>) -> Error {
    match failure {
        Failure::Problem(problem) => from_problem(url, problem),
        Failure::Place(error) => Error::File(error),
    }
}
