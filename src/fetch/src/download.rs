//! One download from one address: tries, resumption, limits. Knows neither hashes nor mirrors.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::http::{Client, Response, status_text};
use crate::{Failure, Problem, Progress, Url, is_set};

const REPORT_EVERY: Duration = Duration::from_millis(100);
const BUFFER_SIZE: usize = 256 * 1024;
/// A server may ask for this much patience at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A try that brought as many bytes got somewhere, and is not counted as a failure.
const PROGRESS: u64 = 1 << 20;
/// Fewer bytes within the time of a stall are one.
const FEWEST_BYTES: u64 = 1000;

/// Where the bytes of a download go. It may remember the beginning of an earlier try.
pub trait Target {
    /// Why it takes no bytes.
    type Error;

    /// Returns how many bytes it has.
    fn length(&self) -> u64;

    /// Returns the validator with which the rest can be asked for.
    fn validator(&self) -> Option<String>;

    /// Begins anew, for an answer with this validator.
    ///
    /// # Errors
    /// When it cannot.
    fn begin(&mut self, validator: Option<&str>) -> Result<(), Self::Error>;

    /// Records that the following data continues an earlier response.
    fn resume(&mut self);

    /// Adds bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Throws away what it has.
    ///
    /// # Errors
    /// When it cannot.
    fn clear(&mut self) -> Result<(), Self::Error>;
}

/// Why a try ended without the whole file.
enum End<E> {
    /// Another one may succeed, after this long at least.
    Again { reason: String, wait: Option<Duration> },
    /// Another one would end the same way.
    Failed(Failure<E>),
}

impl<E> End<E> {
    fn place(error: E) -> End<E> {
        End::Failed(Failure::Place(error))
    }
}

/// What is done with the bytes of one address.
pub struct Transfer<'a> {
    /// Makes the requests; its settings and its flag count.
    pub client: &'a Client,
    /// The address as people read it.
    pub shown: &'a str,
    /// Takes progress.
    pub report: &'a dyn Fn(Progress<'_>),
}

impl Transfer<'_> {
    /// Downloads from an address, as often as it takes and the settings allow.
    ///
    /// # Errors
    /// When it cannot be had, or the target does not take it. What the target has by then can be
    /// resumed.
    pub fn download<T: Target>(&self, url: &Url, target: &mut T) -> Result<(), Failure<T::Error>> {
        let network = self.client.network();
        let mut failures = 0;
        let mut wait = network.retry_delay;
        loop {
            let before = target.length();
            let (reason, asked) = match self.attempt(url, target) {
                Ok(()) => return Ok(()),
                Err(End::Again { reason, wait }) => (reason, wait),
                Err(End::Failed(failure)) => return Err(failure),
            };
            if target.length() >= before + PROGRESS {
                (failures, wait) = (0, network.retry_delay);
            }
            failures += 1;
            let too_long = asked.is_some_and(|asked| asked > LONGEST_WAIT);
            if failures > network.retries || too_long {
                let tries = if failures > 1 {
                    format!(", {failures} times in a row")
                } else {
                    String::new()
                };
                let hint = asked.filter(|_| too_long);
                let hint = hint
                    .map(|asked| format!("the server asks to come back in {} s", asked.as_secs()));
                return Err(Problem::Lasting { reason: format!("{reason}{tries}"), hint }.into());
            }
            let pause = asked.unwrap_or_default().max(wait);
            (self.report)(Progress::Retrying { url: self.shown, reason: &reason, pause });
            self.sleep(pause)?;
            wait = wait.saturating_mul(3);
        }
    }

    /// Takes what can be read, of a file for example, whose size is `total`.
    ///
    /// # Errors
    /// When it cannot be read, is larger than the limit, or the target does not take it.
    pub fn copy<T: Target>(
        &self,
        body: &mut dyn Read,
        total: Option<u64>,
        target: &mut T,
    ) -> Result<(), Failure<T::Error>> {
        let unreadable = |error: &io::Error| {
            Problem::lasting(format!("it cannot be read: {}", crate::http::words(error)))
        };
        self.receive(body, total, target, &unreadable).map_err(|end| match end {
            End::Failed(failure) => failure,
            End::Again { reason, .. } => Problem::lasting(reason).into(),
        })
    }

    fn sleep(&self, pause: Duration) -> Result<(), Problem> {
        let begin = Instant::now();
        while let Some(left) = pause.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
            if is_set(self.client.interrupt()) {
                return Err(Problem::Interrupted);
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    /// One request, for the whole file or for what is missing.
    fn attempt<T: Target>(&self, url: &Url, target: &mut T) -> Result<(), End<T::Error>> {
        let mut headers = Vec::new();
        if let Some(validator) = target.validator() {
            headers.push(("Range".to_owned(), format!("bytes={}-", target.length())));
            headers.push(("If-Range".to_owned(), validator));
        } else if target.length() > 0 {
            target.clear().map_err(End::place)?;
        }
        let response = self.client.get(url, &headers).map_err(End::from)?;
        match response.status {
            // Whatever a successful answer says of its content, it has one.
            200..=205 | 207..=299 => {
                target.begin(validator(&response).as_deref()).map_err(End::place)?;
            }
            206 if !headers.is_empty() && continues_at(&response, target.length()) => {
                target.resume();
            }
            206 | 416 => {
                // Whatever the server meant, the next request is for the whole file.
                target.clear().map_err(End::place)?;
                let reason = "the server answered with another part than asked for".to_owned();
                return Err(End::Again { reason, wait: None });
            }
            408 | 429 | 500..=599 => {
                let reason = format!("the server answered {}", status_text(response.status));
                return Err(End::Again { reason, wait: retry_after(&response) });
            }
            status => {
                let hint = match status {
                    401 | 403 => Some("put the login into ~/.netrc".to_owned()),
                    _ => None,
                };
                let from = if response.url == *url {
                    String::new()
                } else {
                    format!(" (from {})", response.url)
                };
                let reason = format!("the server answered {}{from}", status_text(status));
                return Err(Problem::Lasting { reason, hint }.into());
            }
        }
        let body = response.body;
        let total = body.content_length().map(|rest| rest.saturating_add(target.length()));
        self.receive(&mut body.into_reader(), total, target, &|error| {
            self.client.read_problem(error)
        })
    }

    /// Takes the bytes of a body. `problem` says what an error of reading means.
    fn receive<T: Target>(
        &self,
        body: &mut dyn Read,
        total: Option<u64>,
        target: &mut T,
        problem: &dyn Fn(&io::Error) -> Problem,
    ) -> Result<(), End<T::Error>> {
        let network = self.client.network();
        let too_large = || Problem::Lasting {
            reason: format!("it is larger than {} bytes, the limit", network.download_limit),
            hint: Some("SYSLUA_DOWNLOAD_LIMIT sets it".to_owned()),
        };
        if total.is_some_and(|total| total > network.download_limit) {
            return Err(too_large().into());
        }
        let report = |bytes: u64, total: Option<u64>| {
            (self.report)(Progress::Received { url: self.shown, bytes, total });
        };
        let mut buffer = vec![0; BUFFER_SIZE];
        let mut reported = Instant::now();
        let mut window = (Instant::now(), target.length());
        report(target.length(), total);
        loop {
            if is_set(self.client.interrupt()) {
                return Err(Problem::Interrupted.into());
            }
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(match (problem(&error).into(), total) {
                        (End::Again { reason, wait }, Some(total)) => End::Again {
                            reason: format!("{reason} after {} of {total} bytes", target.length()),
                            wait,
                        },
                        (end, _) => end,
                    });
                }
            };
            if target.length() + read as u64 > network.download_limit {
                target.clear().map_err(End::place)?;
                return Err(too_large().into());
            }
            target.put(&buffer[..read]).map_err(End::place)?;
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                report(target.length(), total);
            }
            if window.0.elapsed() >= network.stall_timeout {
                let bytes = target.length() - window.1;
                if bytes < FEWEST_BYTES {
                    let seconds = network.stall_timeout.as_secs_f64();
                    return Err(End::Again {
                        reason: format!("only {bytes} bytes came in {seconds} s"),
                        wait: None,
                    });
                }
                window = (Instant::now(), target.length());
            }
        }
        if let Some(total) = total.filter(|total| *total != target.length()) {
            let reason = format!("the connection ended after {} of {total} bytes", target.length());
            return Err(End::Again { reason, wait: None });
        }
        report(target.length(), Some(target.length()));
        Ok(())
    }
}

impl<E> From<Problem> for End<E> {
    fn from(problem: Problem) -> End<E> {
        match problem {
            Problem::Passing(reason) => End::Again { reason, wait: None },
            other => End::Failed(Failure::Problem(other)),
        }
    }
}

/// Returns what identifies the content of an answer from others of the address.
fn validator(response: &Response) -> Option<String> {
    let strong = response.header("etag").filter(|tag| tag.starts_with('"'));
    strong.or_else(|| response.header("last-modified")).map(ToOwned::to_owned)
}

/// Returns whether a partial response begins where the kept part ends: `bytes 100-199/200`.
fn continues_at(response: &Response, length: u64) -> bool {
    let range = response.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()).and_then(|begin| begin.parse().ok())
        == Some(length)
}

/// Seconds only: a date would need a clock that both sides agree on.
fn retry_after(response: &Response) -> Option<Duration> {
    response
        .header("retry-after")
        .and_then(|seconds| seconds.trim().parse().ok())
        .map(Duration::from_secs)
}
