//! Fetching what a key of the lock stands for, whichever kind it is.

use super::cache::Cache;
use super::{Result, fetch_git, fetch_url};
use crate::pins::{Pin, parts_of};

/// Fetches what a key stands for now, whatever is pinned. A commit that `known` has already is
/// not fetched again.
///
/// # Errors
/// When it cannot be fetched.
pub fn fetch_key(cache: Cache<'_>, key: &str, known: Option<&Pin>) -> Result<Pin> {
    let pin = match parts_of(key) {
        Some((url, reference, submodules)) => {
            fetch_git::fetch_newest(cache, url, reference, submodules)?
        }
        None => {
            let mirrors = known.map(|known| known.mirrors.as_slice()).unwrap_or_default();
            fetch_url::fetch_newest(cache, key, mirrors)?
        }
    };
    Ok(Pin {
        platforms: known.map(|known| known.platforms.clone()).unwrap_or_default(),
        mirrors: known.map(|known| known.mirrors.clone()).unwrap_or_default(),
        others: known.map(|known| known.others.clone()).unwrap_or_default(),
        ..pin
    })
}
