//! One download from one address: tries, resumption, limits. Knows no mirrors and no cache.

use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::partial::Partial;
use super::{failed, from_problem};
use crate::hash::Hash;
use crate::operation::http::{Client, Problem, Response, Url, status_text};
use crate::operation::{Error, Result, Workspace};
use crate::platform;
use crate::settings::Event;

const REPORT_EVERY: Duration = Duration::from_millis(100);
const BUFFER_SIZE: usize = 256 * 1024;
/// A server may ask for this much patience at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A try that brought as many bytes got somewhere, and is not counted as a failure.
const PROGRESS: u64 = 1 << 20;
/// Fewer bytes within the time of a stall are one.
const FEWEST_BYTES: u64 = 1000;

/// Why a try ended without the whole file.
enum End {
    /// Another one may succeed, after this long at least.
    Again { reason: String, wait: Option<Duration> },
    /// Another one would end the same way.
    Failed(Error),
}

impl From<platform::Error> for End {
    fn from(error: platform::Error) -> End {
        End::Failed(Error::File(error))
    }
}

/// Copies a file of this machine to `place`.
///
/// # Errors
/// When it cannot be read or has another hash.
pub fn from_file(workspace: &Workspace, text: &str, path: &Path, sha256: Hash, place: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(platform::failed("read", path))?;
    if !metadata.is_file() {
        return Err(failed(text, "it is no regular file", None));
    }
    let mut file = std::fs::File::open(path).map_err(platform::failed("read", path))?;
    let mut partial = Partial::open(place, text)?;
    let done = partial.begin(None).map_err(End::from).and_then(|()| {
        let total = Some(metadata.len());
        receive(workspace, text, &mut file, total, &mut partial, &|error| {
            End::Failed(platform::failed("read", path)(io::Error::new(error.kind(), error.to_string())).into())
        })
    });
    match done {
        Ok(()) if partial.hash() == sha256 => Ok(partial.publish(place)?),
        Ok(()) => {
            let received = partial.hash();
            partial.remove()?;
            Err(Error::WrongHash { url: text.to_owned(), declared: sha256, received })
        }
        Err(end) => {
            partial.leave();
            Err(match end {
                End::Failed(error) => error,
                End::Again { reason, .. } => failed(text, reason, None),
            })
        }
    }
}

/// Downloads to `place`, as often as it takes and the settings allow.
///
/// # Errors
/// When it cannot be had or has another hash.
pub fn from_network(workspace: &Workspace, client: &Client, url: &Url, sha256: Hash, place: &Path) -> Result<()> {
    let network = &workspace.settings.network;
    let mut partial = Partial::open(place, &url.without_login())?;
    let mut failures = 0;
    let mut wait = network.retry_delay;
    loop {
        let before = partial.length;
        let end = match attempt(workspace, client, url, &mut partial) {
            Ok(()) if partial.hash() == sha256 => return Ok(partial.publish(place)?),
            // The parts may not have belonged together.
            Ok(()) if partial.is_resumed => {
                partial.remove()?;
                continue;
            }
            Ok(()) => {
                let received = partial.hash();
                partial.remove()?;
                return Err(Error::WrongHash { url: url.to_string(), declared: sha256, received });
            }
            Err(end) => end,
        };
        let (reason, asked) = match end {
            End::Again { reason, wait } => (reason, wait),
            End::Failed(error) => {
                // A disk that is full needs the room.
                if matches!(&error, Error::File(_)) {
                    let _ = partial.remove();
                }
                partial.leave();
                return Err(error);
            }
        };
        if partial.length >= before + PROGRESS {
            (failures, wait) = (0, network.retry_delay);
        }
        failures += 1;
        let too_long = asked.is_some_and(|asked| asked > LONGEST_WAIT);
        if failures > network.retries || too_long {
            partial.leave();
            let tries = if failures > 1 { format!(", {failures} times in a row") } else { String::new() };
            let hint = asked.filter(|_| too_long);
            let hint = hint.map(|asked| format!("the server asks to come back in {} s", asked.as_secs()));
            return Err(failed(&url.to_string(), format!("{reason}{tries}"), hint));
        }
        let pause = asked.unwrap_or_default().max(wait);
        let message = format!("cannot fetch {url}: {reason}; trying again in {:.1} s", pause.as_secs_f64());
        (workspace.events)(Event::Warning { message });
        if sleep(workspace, pause).is_err() {
            partial.leave();
            return Err(Error::Interrupted);
        }
        wait = wait.saturating_mul(3);
    }
}

fn sleep(workspace: &Workspace, pause: Duration) -> Result<()> {
    let begin = Instant::now();
    while let Some(left) = pause.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        if workspace.settings.interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    Ok(())
}

/// One request, for the whole file or for what is missing.
fn attempt(workspace: &Workspace, client: &Client, url: &Url, partial: &mut Partial) -> std::result::Result<(), End> {
    let end = |problem: Problem| match problem {
        Problem::Passing(reason) => End::Again { reason, wait: None },
        other => End::Failed(from_problem(&url.to_string(), other)),
    };
    let mut headers = Vec::new();
    if let Some(validator) = partial.resume_with() {
        headers.push(("Range".to_owned(), format!("bytes={}-", partial.length)));
        headers.push(("If-Range".to_owned(), validator.to_owned()));
    } else if partial.length > 0 {
        partial.remove()?;
    }
    let response = client.get(url, &headers).map_err(end)?;
    match response.status {
        200 => partial.begin(validator(&response).as_deref())?,
        206 if !headers.is_empty() && continues_at(&response, partial.length) => partial.is_resumed = true,
        206 | 416 => {
            // Whatever the server meant, the next request is for the whole file.
            partial.remove()?;
            return Err(End::Again {
                reason: "the server answered with another part than asked for".into(),
                wait: None,
            });
        }
        408 | 429 | 500..=599 => {
            let reason = format!("the server answered {}", status_text(response.status));
            return Err(End::Again { reason, wait: retry_after(&response) });
        }
        status => {
            let hint = match status {
                401 | 403 => Some("a login can stand in ~/.netrc".to_owned()),
                _ => None,
            };
            let from = if response.url == *url { String::new() } else { format!(" (from {})", response.url) };
            let reason = format!("the server answered {}{from}", status_text(status));
            return Err(End::Failed(failed(&url.to_string(), reason, hint)));
        }
    }
    let body = response.body;
    let total = body.content_length().map(|rest| rest.saturating_add(partial.length));
    receive(workspace, &url.to_string(), &mut body.into_reader(), total, partial, &|error| {
        end(client.read_problem(error))
    })
}

/// Returns what identifies the content of an answer from others of the address.
fn validator(response: &Response) -> Option<String> {
    let strong = response.header("etag").filter(|tag| tag.starts_with('"'));
    strong.or_else(|| response.header("last-modified")).map(ToOwned::to_owned)
}

/// Returns whether a partial answer begins where ours ends: `bytes 100-199/200`.
fn continues_at(response: &Response, length: u64) -> bool {
    let range = response.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()).and_then(|begin| begin.parse().ok()) == Some(length)
}

/// Seconds only: a date would need a clock that both sides agree on.
fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after").and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs)
}

/// Takes the bytes of a body. `problem` says what an error of reading means.
fn receive(
    workspace: &Workspace,
    url: &str,
    body: &mut dyn Read,
    total: Option<u64>,
    partial: &mut Partial,
    problem: &dyn Fn(&io::Error) -> End,
) -> std::result::Result<(), End> {
    let network = &workspace.settings.network;
    let too_large = || {
        let reason = format!("it is larger than {} bytes, the limit", network.download_limit);
        End::Failed(failed(url, reason, Some("SYSLUA_DOWNLOAD_LIMIT sets it".to_owned())))
    };
    if total.is_some_and(|total| total > network.download_limit) {
        return Err(too_large());
    }
    let report = |bytes: u64, total: Option<u64>| {
        (workspace.events)(Event::Download { url: url.to_owned(), bytes, total });
    };
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut reported = Instant::now();
    let mut window = (Instant::now(), partial.length);
    report(partial.length, total);
    loop {
        if workspace.settings.interrupt.is_set() {
            return Err(End::Failed(Error::Interrupted));
        }
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(match (problem(&error), total) {
                    (End::Again { reason, wait }, Some(total)) => {
                        End::Again { reason: format!("{reason} after {} of {total} bytes", partial.length), wait }
                    }
                    (end, _) => end,
                });
            }
        };
        if partial.length + read as u64 > network.download_limit {
            partial.remove()?;
            return Err(too_large());
        }
        partial.put(&buffer[..read])?;
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            report(partial.length, total);
        }
        if window.0.elapsed() >= network.stall_timeout {
            let bytes = partial.length - window.1;
            if bytes < FEWEST_BYTES {
                let seconds = network.stall_timeout.as_secs_f64();
                return Err(End::Again { reason: format!("only {bytes} bytes came in {seconds} s"), wait: None });
            }
            window = (Instant::now(), partial.length);
        }
    }
    if let Some(total) = total.filter(|total| *total != partial.length) {
        let reason = format!("the connection ended after {} of {total} bytes", partial.length);
        return Err(End::Again { reason, wait: None });
    }
    report(partial.length, Some(partial.length));
    Ok(())
}
