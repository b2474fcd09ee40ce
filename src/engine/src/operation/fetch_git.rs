//! Trees of git commits, kept by their NAR hash and shared between derivations and processes.
//!
//! `git/HASH` is the tree. `syslua_fetch` downloads its files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use syslua_fetch::git::{Address, Destination, Fetched, Git, Revision};
use syslua_fetch::url::redact;

use super::cache::{Cache, check_address, wrong_hash};
use super::origins::{self, Origin};
use super::{Error, Result, Workspace, cache_lock, network};
use crate::hash::Hash;
use crate::pins::{Pin, key_of_commit, parts_of};
use crate::platform;
use crate::store::{self, tree};

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Commit {
    /// `https://`, `http://`, `ssh://`, `user@host:path`, `file://` or an absolute path.
    pub url: String,
    /// A full commit, a tag or a branch.
    pub rev: String,
    /// The NAR hash of the tree; the lock pins it, and the commit, where the config says nothing.
    pub sha256: Option<Hash>,
    /// Whether to fetch submodules too; otherwise each is an empty directory.
    pub submodules: bool,
}

/// A commit that is to be had, and what its tree must be.
struct Wanted<'a> {
    url: &'a str,
    rev: &'a str,
    submodules: bool,
    /// Nothing where any tree will do.
    sha256: Option<Hash>,
    /// What the lock calls it, where that gives the hash.
    key: Option<&'a str>,
}

/// Returns the path of the tree, fetching it unless it is there already.
pub fn fetch(workspace: &Workspace, wanted: &Commit) -> Result<PathBuf> {
    let Commit { url, rev, submodules, .. } = wanted;
    // Mistakes are found without the network, whatever the cache has.
    check(url, rev)?;
    let cache = workspace.cache();
    let shown = format!("{} at {rev}", redact(url));
    if let Some(sha256) = wanted.sha256 {
        let wanted = Wanted { url, rev, submodules: *submodules, sha256: Some(sha256), key: None };
        let place = obtain(cache, &wanted, sha256)?;
        return Ok(workspace.give_fetched(place, shown));
    }
    check_address(url)?;
    if url.contains('#') {
        return Err(network::failed(
            url,
            "an address with a # in it is not pinned",
            Some("give the sha256, or use another name of the directory".to_owned()),
        ));
    }
    let key = key_of_commit(url, rev, *submodules);
    let fetch = || fetch_newest(cache, url, rev, *submodules);
    let pin = cache.pin(&key, "ctx.fetch_git", fetch)?;
    workspace.note_pin(&key, pin.sha256);
    let wanted = Wanted {
        url,
        // The branch may have moved since.
        rev: pin.rev.as_deref().unwrap_or(rev),
        submodules: *submodules,
        sha256: Some(pin.sha256),
        key: Some(&key),
    };
    let place = obtain(cache, &wanted, pin.sha256)?;
    Ok(workspace.give_fetched(place, shown))
}

/// Returns whether the cache has the tree of a pin, and it came from another commit.
pub fn has_other_rev(cache: Cache<'_>, key: &str, pin: &Pin) -> bool {
    let (Some((url, _, submodules)), Some(rev)) = (parts_of(key), pin.rev.as_deref()) else {
        return false;
    };
    let (name, origin) = (pin.sha256.to_hex(), Origin::Commit { repository: url, rev, submodules });
    let places = [cache.trees(), cache.input_trees()].map(|place| place.join(&name));
    let known = places.map(|place| origins::is_from(&place, origin));
    known.contains(&Some(false)) && !known.contains(&Some(true))
}

/// Makes sure that a pin of the lock names a commit with the tree of its hash.
///
/// # Errors
/// When the commit cannot be fetched, or its tree is another one.
pub fn check_rev(cache: Cache<'_>, key: &str, pin: &Pin) -> Result<()> {
    let (Some((url, _, submodules)), Some(rev)) = (parts_of(key), pin.rev.as_deref()) else {
        return Ok(());
    };
    let wanted = Wanted { url, rev, submodules, sha256: Some(pin.sha256), key: Some(key) };
    obtain(cache, &wanted, pin.sha256).map(drop)
}

/// Fetches what a reference of a repository leads to now, and keeps the tree by its hash.
///
/// # Errors
/// When it cannot be had.
pub fn fetch_newest(cache: Cache<'_>, url: &str, rev: &str, submodules: bool) -> Result<Pin> {
    let revision = check(url, rev)?;
    if let Revision::Commit(_) = revision
        && let Some(pin) = cache.settings.pins.get_commit(url, rev, submodules)
    {
        return Ok(Pin { platforms: BTreeSet::new(), ..pin });
    }
    if let Some(pin) = cache.settings.pins.get_known(url, rev, submodules) {
        return Ok(pin);
    }
    let name = format!("newest {}", key_of_commit(url, rev, submodules));
    let place = cache.trees().join(Hash::of(name.as_bytes()).to_hex());
    platform::create_directories(&cache.trees())?;
    let _turn = cache_lock::take(cache.settings, &place, &redact(url))?;
    let wanted = Wanted { url, rev, submodules, sha256: None, key: None };
    let (fetched, sha256) = fetch_to(cache, &wanted, &revision, &place)?;
    Ok(Pin {
        rev: Some(fetched.commit),
        sha256,
        last_modified: Some(fetched.time),
        mirrors: Vec::new(),
        platforms: BTreeSet::new(),
        others: BTreeMap::new(),
    })
}

fn check(url: &str, rev: &str) -> Result<Revision> {
    Address::parse(url).map_err(|problem| {
        let hint =
            "fetch_git takes https://, http://, ssh:// and file:// addresses, user@host:path, and \
             absolute paths";
        network::failed(url, format!("the address {problem}"), Some(hint.to_owned()))
    })?;
    Revision::parse(rev)
        .map_err(|problem| network::failed(url, format!("the revision {rev:?} {problem}"), None))
}

/// Returns the place of a tree, fetching it unless it is there: as that of a build or of an input.
fn obtain(cache: Cache<'_>, wanted: &Wanted<'_>, sha256: Hash) -> Result<PathBuf> {
    let (place, input) = (cache.trees().join(sha256.to_hex()), cache.input_trees());
    for place in [&place, &input.join(sha256.to_hex())] {
        if is_wanted(cache, place, wanted, sha256) {
            return Ok(place.clone());
        }
    }
    let revision = check(wanted.url, wanted.rev)?;
    platform::create_directories(&cache.trees())?;
    let _turn = cache_lock::take(cache.settings, &place, &redact(wanted.url))?;
    // The last holder may have fetched the same.
    if !is_wanted(cache, &place, wanted, sha256) {
        let fetched = fetch_to(cache, wanted, &revision, &place);
        fetched.map_err(|error| of_lock(error, wanted))?;
    }
    Ok(place)
}

/// Returns the error of a commit that there is not as one of the lock, where that names it.
fn of_lock(error: Error, wanted: &Wanted<'_>) -> Error {
    match (error, wanted.key) {
        (Error::Fetch { url, reason, .. }, Some(key))
            if reason.contains("no commit") && reason.contains(wanted.rev) =>
        {
            Error::Fetch {
                url,
                reason: format!("{reason}, which syslua.lock names for {key}"),
                hint: Some(format!(
                    "take syslua.lock back from version control, or `sys update '{key}'` pins what \
                     is there now"
                )),
            }
        }
        (error, _) => error,
    }
}

/// Where the lock names the commit of a tree, the tree must have come from there.
fn is_wanted(cache: Cache<'_>, place: &Path, wanted: &Wanted<'_>, sha256: Hash) -> bool {
    let Wanted { url, rev, submodules, key, .. } = *wanted;
    let origin = Origin::Commit { repository: url, rev, submodules };
    (key.is_none() || origins::may_be_from(place, origin)) && is_right(cache, place, sha256)
}

/// A cached tree is used only after all of it is checked again.
fn is_right(cache: Cache<'_>, place: &Path, sha256: Hash) -> bool {
    platform::exists(place)
        && tree::hash(place, &cache.settings.interrupt).is_ok_and(|digest| digest.nar == sha256)
}

/// Fetches into a temporary directory, and renames the tree when it is right.
fn fetch_to(
    cache: Cache<'_>,
    wanted: &Wanted<'_>,
    revision: &Revision,
    place: &Path,
) -> Result<(Fetched, Hash)> {
    // This process holds its lock, so that no other makes one for this hash.
    let scratch = place.with_extension("new");
    platform::remove_tree(&scratch)?;
    platform::create_directory(&scratch)?;
    let done = fetch_in(cache, wanted, revision, &scratch);
    let cleaned = platform::remove_tree(&scratch);
    done.and_then(|fetched| {
        cleaned?;
        Ok(fetched)
    })
}

fn fetch_in(
    cache: Cache<'_>,
    wanted: &Wanted<'_>,
    revision: &Revision,
    scratch: &Path,
) -> Result<(Fetched, Hash)> {
    let settings = cache.settings;
    if let Ok(Address::Local(repository)) = Address::parse(wanted.url) {
        for inner in ["", "HEAD", "objects", ".git", ".git/HEAD", ".git/objects"] {
            let path = repository.join(inner);
            if let Some(metadata) = platform::followed(&path)? {
                network::check_public(wanted.url, &path, &metadata)?;
            }
        }
    }
    let git = Git {
        network: &settings.network,
        offline: settings.offline,
        interrupt: &settings.interrupt.0,
        client: &|network| settings.context.client(network, &settings.interrupt.0),
        report: &network::report(&cache.settings.events),
        scratch,
        login: None,
    };
    let tree = scratch.join("tree");
    platform::create_directory(&tree)?;
    let fetched = git
        .fetch(wanted.url, revision, wanted.submodules, &mut Tree { top: &tree })
        .map_err(|failure| network::from_failure(wanted.url, failure))?;
    let received = tree::hash(&tree, &settings.interrupt).map_err(|error| match error {
        store::Error::File(error) => Error::File(error),
        other => network::failed(wanted.url, other.to_string(), None),
    })?;
    if let Some(expected) = wanted.sha256.filter(|expected| *expected != received.nar) {
        let url = format!("{} at {}", redact(wanted.url), wanted.rev);
        return Err(match wrong_hash(url, expected, received.nar, wanted.key) {
            Error::WrongPin { key, pinned, received, .. } => {
                Error::WrongPin { key, rev: Some(fetched.commit), pinned, received }
            }
            error => error,
        });
    }
    let place = cache.trees().join(received.nar.to_hex());
    // If any tree is acceptable, its lock is not held yet.
    let _turn = match wanted.sha256 {
        Some(_) => None,
        None => Some(cache_lock::take(settings, &place, &redact(wanted.url))?),
    };
    // First: a tree without it would be taken for one of an older version.
    let (url, rev) = (wanted.url, fetched.commit.as_str());
    let submodules = wanted.submodules;
    origins::note(&place, Origin::Commit { repository: url, rev, submodules })?;
    if !is_right(cache, &place, received.nar) {
        platform::remove_tree(&place)?;
        platform::rename(&tree, &place)?;
    }
    Ok((fetched, received.nar))
}

/// A private directory, which nothing else writes to.
pub struct Tree<'a> {
    /// Where it is.
    pub top: &'a Path,
}

impl Tree<'_> {
    fn place(&self, path: &[u8]) -> PathBuf {
        self.top.join(platform::path_from_bytes(path))
    }
}

impl Destination for Tree<'_> {
    type Error = platform::Error;

    fn directory(&mut self, path: &[u8]) -> platform::Result<()> {
        platform::create_directory(&self.place(path))
    }

    fn file(&mut self, path: &[u8], content: &[u8], is_executable: bool) -> platform::Result<()> {
        let place = self.place(path);
        let mut file = platform::create_file(&place)?;
        file.write_all(content).map_err(platform::failed("write", &place))?;
        if is_executable { platform::set_mode(&place, 0o755) } else { Ok(()) }
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> platform::Result<()> {
        platform::symlink(&platform::path_from_bytes(target), &self.place(path))
    }
}
