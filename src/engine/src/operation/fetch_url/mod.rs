//! Downloads, kept by hash and shared between derivations and processes.
//!
//! `downloads/HASH` is the file, and `downloads/.names/HASH/NAME` another name of it, which builds
//! get. This file decides what is fetched from where; `syslua_fetch` knows how.

mod partial;

use std::path::{Path, PathBuf};

use syslua_fetch::download::Transfer;
use syslua_fetch::url::{Url, decode, redact};

use self::partial::Partial;
use super::cache::{Cache, check_address, wrong_hash};
use super::network::{check_public, client, failed, from_failure, from_problem, report};
use super::{Error, Result, Workspace, cache_lock};
use crate::hash::Hash;
use crate::pins::Pin;
use crate::platform::{self, FileKind};

/// What is to be downloaded.
#[derive(Clone, Debug)]
pub struct Download {
    /// `http://`, `https://` or `file://`.
    pub url: String,
    /// What the content must hash to; the lock pins it where the config says nothing.
    pub sha256: Option<Hash>,
    /// Where else to look, in this order.
    pub mirrors: Vec<String>,
    /// The name of the file; that in the URL when `None`.
    pub name: Option<String>,
    /// Where the declared hash is from, for the error when it is wrong.
    pub stated_by: Option<String>,
}

/// Where one of several addresses leads.
enum Address {
    Network(Url),
    File(PathBuf),
}

/// Returns the path of the file, downloading it unless it is there already.
pub fn fetch(workspace: &Workspace, wanted: &Download) -> Result<PathBuf> {
    // A mistake in any address is one at once, not on the day when the first server is down.
    let addresses = [&wanted.url].into_iter().chain(&wanted.mirrors);
    let addresses =
        addresses.map(|text| Ok((redact(text), parse(text)?))).collect::<Result<Vec<_>>>()?;
    let name = match &wanted.name {
        Some(name) => check_name(name)
            .map_err(|problem| failed(&wanted.url, problem, None))
            .map(|()| name.clone())?,
        None => name_in(&wanted.url),
    };
    let cache = workspace.cache();
    let key = match wanted.sha256 {
        Some(_) => None,
        None => Some(key_of(&wanted.url)?),
    };
    let sha256 = match (&key, wanted.sha256) {
        (Some(key), _) => {
            let fetch = || fetch_newest(cache, key, &wanted.mirrors);
            let pin = cache.pin(key, "ctx.fetch_url", fetch)?;
            // What moves the pin later finds it there too. A login is for no lock.
            let mirrors: Vec<String> =
                wanted.mirrors.iter().filter(|text| redact(text) == **text).cloned().collect();
            workspace.settings.pins.note_mirrors(key, &mirrors);
            workspace.note_pin(key, pin.sha256);
            pin.sha256
        }
        (None, Some(sha256)) => sha256,
        (None, None) => return Err(failed(&wanted.url, "it has no hash", None)),
    };
    let place = workspace.downloads.join(sha256.to_hex());
    if !is_right(cache, &place, sha256) {
        // A cleanup may have removed the directory.
        workspace.make_parents(&place)?;
        let _turn = cache_lock::take(&workspace.settings, &place, &name)?;
        // The last holder may have fetched the same.
        if !is_right(cache, &place, sha256) {
            let expected = Expected { sha256: Some(sha256), key: key.as_deref() };
            let received = from_any(cache, &wanted.url, &addresses, expected, &place);
            received.map_err(|error| with_origin(error, wanted.stated_by.as_deref()))?;
        }
    }
    let named = give_name(workspace, &place, sha256, &name)?;
    Ok(workspace.give_fetched(named, redact(&wanted.url)))
}

/// Adds where a wrong hash was declared.
fn with_origin(error: Error, stated_by: Option<&str>) -> Error {
    match (error, stated_by) {
        (Error::WrongHash { url, declared, received, .. }, Some(origin)) => {
            let url = format!("{url} (its hash is from {})", redact(origin));
            Error::WrongHash { url, declared, received, is_locked: true }
        }
        (error, _) => error,
    }
}

/// Returns what a download is called in a lock: its address, without what no server sees.
fn key_of(url: &str) -> Result<String> {
    check_address(url)?;
    Ok(url.split('#').next().unwrap_or_default().to_owned())
}

/// Downloads a file whatever its hash is, and keeps it by that.
///
/// # Errors
/// When it cannot be had.
pub fn fetch_newest(cache: Cache<'_>, url: &str, mirrors: &[String]) -> Result<Pin> {
    let addresses = [url].into_iter().chain(mirrors.iter().map(String::as_str));
    let addresses =
        addresses.map(|text| Ok((redact(text), parse(text)?))).collect::<Result<Vec<_>>>()?;
    platform::create_directories(cache.downloads)?;
    // Its own name, since that of its content is not known; the caller has the turn.
    let scratch = cache.downloads.join(Hash::of(format!("newest {url}").as_bytes()).to_hex());
    let _turn = cache_lock::take(cache.settings, &scratch, &redact(url))?;
    Partial::open(&scratch, url)?.remove()?;
    let sha256 = from_any(cache, url, &addresses, Expected::default(), &scratch)?;
    Ok(Pin {
        rev: None,
        sha256,
        last_modified: None,
        mirrors: Vec::new(),
        platforms: Default::default(),
        others: Default::default(),
    })
}

/// What a content must be.
#[derive(Clone, Copy, Default)]
struct Expected<'a> {
    /// Its hash, or `None` if any will do, and the file goes to the place of that.
    sha256: Option<Hash>,
    /// What the lock calls it, where that gives the hash.
    key: Option<&'a str>,
}

impl Expected<'_> {
    fn is_other(self, received: Hash) -> bool {
        self.sha256.is_some_and(|sha256| sha256 != received)
    }

    /// Gives a file its place, if it is right; returns its hash.
    fn publish(self, partial: Partial, shown: &str, place: &Path) -> Result<Hash> {
        let received = partial.hash();
        let Some(sha256) = self.sha256 else {
            partial.publish(&place.with_file_name(received.to_hex()))?;
            return Ok(received);
        };
        if self.is_other(received) {
            let mut partial = partial;
            partial.remove()?;
            return Err(wrong_hash(shown.to_owned(), sha256, received, self.key));
        }
        partial.publish(place)?;
        Ok(sha256)
    }
}

/// A cached file is used only after its bytes are checked again.
fn is_right(cache: Cache<'_>, place: &Path, sha256: Hash) -> bool {
    platform::digest_of(place, &cache.settings.interrupt).is_ok_and(|found| found == sha256)
}

/// Tries one address after the other.
fn from_any(
    cache: Cache<'_>,
    url: &str,
    addresses: &[(String, Address)],
    expected: Expected<'_>,
    place: &Path,
) -> Result<Hash> {
    let mut failures: Vec<Error> = Vec::new();
    for (text, address) in addresses {
        let result = match address {
            Address::File(path) => from_file(cache, text, path, expected, place),
            Address::Network(_) if cache.settings.offline => {
                let hint = "the download is not in the cache; run once without --offline";
                Err(failed(text, "the network is switched off (--offline)", Some(hint.to_owned())))
            }
            Address::Network(url) => from_network(cache, url, expected, place),
        };
        match result {
            Ok(sha256) => return Ok(sha256),
            // Another server does not help against these.
            Err(error @ (Error::Interrupted | Error::File(_)))
                if !matches!(address, Address::File(_)) =>
            {
                return Err(error);
            }
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => failures.push(error),
        }
    }
    let others: Vec<String> = failures.iter().skip(1).map(ToString::to_string).collect();
    let first =
        failures.into_iter().next().unwrap_or_else(|| failed(url, "it has no address", None));
    Err(match first {
        Error::Fetch { url, reason, hint } if !others.is_empty() => {
            let reason = format!("{reason}; and from its mirrors:\n  {}", others.join("\n  "));
            Error::Fetch { url, reason, hint }
        }
        other => other,
    })
}

/// Copies a file of this machine to `place`.
fn from_file(
    cache: Cache<'_>,
    text: &str,
    path: &Path,
    expected: Expected<'_>,
    place: &Path,
) -> Result<Hash> {
    let kind = platform::followed(path)?.map(|metadata| metadata.is_file());
    if kind == Some(false) {
        return Err(failed(text, "it is not a regular file", None));
    }
    let mut file = platform::open_regular(path).map_err(platform::failed("read", path))?;
    let metadata = file.metadata().map_err(platform::failed("read", path))?;
    check_public(text, path, &metadata)?;
    let length = metadata.len();
    let mut partial = Partial::open(place, text)?;
    partial.begin_anew(None)?;
    let client = client(cache.settings).map_err(|problem| from_problem(text, problem))?;
    let transfer =
        Transfer { client: &client, shown: text, report: &*report(&cache.settings.events) };
    match transfer.copy(&mut file, Some(length), &mut partial) {
        Ok(()) => expected.publish(partial, text, place),
        Err(failure) => {
            partial.leave();
            Err(from_failure(text, failure))
        }
    }
}

/// Downloads to `place`, as often as it takes and the settings allow.
fn from_network(cache: Cache<'_>, url: &Url, expected: Expected<'_>, place: &Path) -> Result<Hash> {
    let shown = url.to_string();
    let client = client(cache.settings).map_err(|problem| from_problem(&shown, problem))?;
    let mut partial = Partial::open(place, &url.without_login())?;
    let transfer =
        Transfer { client: &client, shown: &shown, report: &*report(&cache.settings.events) };
    loop {
        match transfer.download(url, &mut partial) {
            // The parts may not have belonged together.
            Ok(()) if partial.is_resumed && expected.is_other(partial.hash()) => {
                partial.remove()?;
            }
            Ok(()) => return expected.publish(partial, &shown, place),
            Err(failure) => {
                let error = from_failure(&shown, failure);
                // A disk that is full needs the room.
                if matches!(&error, Error::File(_)) {
                    let _ = partial.remove();
                }
                partial.leave();
                return Err(error);
            }
        }
    }
}

/// Gives the file the name that builds see it by.
fn give_name(workspace: &Workspace, place: &Path, sha256: Hash, name: &str) -> Result<PathBuf> {
    let named = workspace.downloads.join(".names").join(sha256.to_hex()).join(name);
    let identity =
        |path: &Path| platform::facts_of(path).map(|facts| (facts.numbers[0], facts.numbers[1]));
    let whole = identity(place)?;
    for _ in 0..2 {
        if identity(&named).is_ok_and(|found| found == whole) {
            return Ok(named);
        }
        workspace.make_parents(&named)?;
        platform::remove_tree(&named)?;
        match platform::hard_link(place, &named) {
            Ok(()) => return Ok(named),
            // Another build was faster.
            Err(error) if error.is_already_there() => {}
            // There are file systems without links.
            Err(_) => {
                platform::copy_file(place, &named, &workspace.settings.interrupt)?;
                return Ok(named);
            }
        }
    }
    Ok(named)
}

fn parse(text: &str) -> Result<Address> {
    let Some(path) = text.strip_prefix("file://") else {
        return Url::parse(text).map(Address::Network).map_err(|problem| {
            let hint = "fetch_url takes https://, http:// and file:// addresses".to_owned();
            failed(text, format!("the address {problem}"), Some(hint))
        });
    };
    if text.chars().any(char::is_control) {
        return Err(failed(
            text,
            "the address has a newline or another control character in it",
            None,
        ));
    }
    let path = path.strip_prefix("localhost").unwrap_or(path);
    if !path.starts_with('/') {
        return Err(failed(text, "a file URL names an absolute path: file:///path", None));
    }
    let bytes = decode(path);
    if bytes.contains(&0) {
        return Err(failed(text, "the address has a NUL byte in it", None));
    }
    Ok(Address::File(platform::path_from_bytes(&bytes)))
}

/// Returns the last part of an address as the name of a file, or `download` where there is none
/// that could be one.
fn name_in(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last =
        path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(&decode(last)).into_owned();
    if check_name(&name).is_ok() { name } else { "download".to_owned() }
}

fn check_name(name: &str) -> std::result::Result<(), String> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains('/') {
        "has a slash in it"
    } else if name == "." || name == ".." {
        "is a directory's"
    } else if name.chars().any(char::is_control) {
        "has a newline or another control character in it"
    } else if name.len() > 255 {
        "is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(format!("the name {name:?} {problem}"))
}

/// Returns whether something there is a regular file.
fn is_file(path: &Path) -> bool {
    matches!(platform::kind_of(path), Ok(Some(FileKind::File)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_the_address() {
        assert_eq!(name_in("https://host/dir/tool-1.0.tar.gz?x=/y#z"), "tool-1.0.tar.gz");
        assert_eq!(name_in("https://host/a%20b"), "a b");
        for url in [
            "https://host",
            "https://host/",
            "https://host/a/",
            "https://host/a%2Fb",
            "https://host/%2e%2e",
        ] {
            assert_eq!(name_in(url), "download", "{url}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", "a/b", "..", ".", "a\nb", &"a".repeat(256)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("tool 1.0 (ü).zip").is_ok());
    }

    #[test]
    fn file_addresses_are_absolute_paths() {
        assert!(
            matches!(parse("file:///a%20b"), Ok(Address::File(path)) if path == Path::new("/a b"))
        );
        assert!(matches!(
            parse("file://localhost/a"),
            Ok(Address::File(path)) if path == Path::new("/a")
        ));
        for text in ["file://host/a", "file://a", "file:///a\nb", "file:///a%00", "file:/a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
