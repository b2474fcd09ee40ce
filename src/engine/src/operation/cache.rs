//! Where things are fetched to, and pins of downloads without a hash: the lock pins the first
//! result, which is required from then on.

use std::path::{Path, PathBuf};

use syslua_fetch::url::redact;

use super::{Error, Result, cache_lock};
use crate::hash::Hash;
use crate::pins::{Pin, Rule};
use crate::settings::Settings;

/// Where things are fetched to, and how.
#[derive(Clone, Copy)]
pub struct Cache<'a> {
    /// The settings of the call.
    pub settings: &'a Settings,
    /// Where downloads are kept, by hash.
    pub downloads: &'a Path,
}

impl Cache<'_> {
    /// Returns where the trees of commits are kept, by hash.
    pub fn trees(&self) -> PathBuf {
        self.downloads.with_file_name("git")
    }

    /// Returns where the trees of inputs are kept, by hash.
    pub fn input_trees(&self) -> PathBuf {
        self.downloads.with_file_name("inputs")
    }

    /// Returns a pin; what is missing is fetched by `fetch` and added, if that may be.
    ///
    /// # Errors
    /// When it may not be added, or cannot be fetched.
    pub fn pin(&self, key: &str, call: &str, fetch: impl FnOnce() -> Result<Pin>) -> Result<Pin> {
        let pins = &self.settings.pins;
        let platform = &self.settings.system.platform;
        if let Some(pin) = pins.get(key) {
            pins.note_use([key.to_owned()].iter(), platform);
            return Ok(pin);
        }
        if pins.rule() != Rule::Adds {
            return Err(Error::NotPinned {
                key: key.to_owned(),
                call: call.to_owned(),
                rule: pins.rule(),
            });
        }
        let place = self.downloads.join(Hash::of(format!("pin {key}").as_bytes()).to_hex());
        crate::platform::create_directories(self.downloads)?;
        let _turn = cache_lock::take(self.settings, &place, &redact(key))?;
        // Another build may have been after the same.
        let pin = match pins.get(key) {
            Some(pin) => pin,
            None => pins.add(key, fetch()?),
        };
        pins.note_use([key.to_owned()].iter(), platform);
        Ok(pin)
    }
}

/// Returns the error for an unexpected content.
pub fn wrong_hash(url: String, expected: Hash, received: Hash, key: Option<&str>) -> Error {
    match key {
        Some(key) => Error::WrongPin { key: key.to_owned(), rev: None, pinned: expected, received },
        None => Error::WrongHash { url, declared: expected, received, is_locked: false },
    }
}

/// Returns what an address is called in a lock.
///
/// # Errors
/// When it has a login in it, which no lock may hold.
pub fn check_address(url: &str) -> Result<()> {
    if redact(url) == url {
        return Ok(());
    }
    Err(super::network::failed(
        url,
        "an address with a login in it is not pinned: syslua.lock never has one",
        Some(
            "leave the login out, and keep it in ~/.netrc or a credential helper of git; or give \
             the sha256"
                .to_owned(),
        ),
    ))
}
