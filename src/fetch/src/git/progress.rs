//! Counts the bytes from a server: for progress, and for the limit.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Progress, Report};

const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The bytes of one fetch.
pub struct Meter {
    url: String,
    limit: u64,
    report: Report,
    state: Mutex<(u64, Option<Instant>)>,
}

impl Meter {
    /// Begins; `url` is what people read.
    pub fn new(url: &str, limit: u64, report: Report) -> Meter {
        Meter { url: url.to_owned(), limit, report, state: Mutex::new((0, None)) }
    }

    /// Counts bytes that came.
    ///
    /// # Errors
    /// When there are more than the limit.
    pub fn add(&self, bytes: usize, now: Instant) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += bytes as u64;
        if state.0 > self.limit {
            let limit = self.limit;
            return Err(io::Error::other(format!(
                "it sends more than {limit} bytes, the limit, which SYSLUA_DOWNLOAD_LIMIT sets"
            )));
        }
        if state.1.is_none_or(|reported| now.duration_since(reported) >= REPORT_EVERY) {
            state.1 = Some(now);
            (self.report)(Progress::Received { url: &self.url, bytes: state.0, total: None });
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 > 0 {
            (self.report)(Progress::Received {
                url: &self.url,
                bytes: state.0,
                total: Some(state.0),
            });
        }
    }
}
