//! Trees of git commits, kept by their NAR hash and shared between derivations and processes.
//!
//! `git/HASH` is the tree. How its files come here, `syslua_fetch` knows.

use std::io::Write;
use std::path::{Path, PathBuf};

use syslua_fetch::git::{Address, Destination, Git, Revision};
use syslua_fetch::url::redact;

use super::{Error, Result, Workspace, network, turn};
use crate::hash::Hash;
use crate::platform;
use crate::store::{self, tree};

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Commit {
    /// `https://`, `http://`, `ssh://`, `user@host:path`, `file://` or an absolute path.
    pub url: String,
    /// A full commit, a tag or a branch.
    pub rev: String,
    /// The NAR hash of the tree.
    pub sha256: Hash,
    /// Whether to fetch submodules too; otherwise each is an empty directory.
    pub submodules: bool,
}

/// Returns the path of the tree, fetching it unless it is there already.
pub fn fetch(workspace: &Workspace, wanted: &Commit) -> Result<PathBuf> {
    // Mistakes are found without the network, whatever the cache has.
    Address::parse(&wanted.url).map_err(|problem| {
        let hint =
            "fetch_git takes https://, http://, ssh:// and file:// addresses, user@host:path, and absolute paths";
        network::failed(&wanted.url, format!("the address {problem}"), Some(hint.to_owned()))
    })?;
    let revision = Revision::parse(&wanted.rev).map_err(|problem| {
        network::failed(&wanted.url, format!("the revision {:?} {problem}", wanted.rev), None)
    })?;
    let cache = workspace.downloads.with_file_name("git");
    let place = cache.join(wanted.sha256.to_hex());
    if !is_right(workspace, &place, wanted.sha256) {
        platform::create_directories(&cache)?;
        let _turn =
            turn::take(&workspace.settings, &workspace.events, &place, &redact(&wanted.url))?;
        // Whoever had it before may have been after the same.
        if !is_right(workspace, &place, wanted.sha256) {
            fetch_to(workspace, wanted, &revision, &place)?;
        }
    }
    Ok(workspace.give_fetched(place, format!("{} at {}", redact(&wanted.url), wanted.rev)))
}

/// What lies there is believed only after another look at all of it.
fn is_right(workspace: &Workspace, place: &Path, sha256: Hash) -> bool {
    platform::exists(place)
        && tree::hash(place, &workspace.settings.interrupt).is_ok_and(|digest| digest.nar == sha256)
}

/// Fetches into a directory of its own, which goes, and renames the tree when it is right.
fn fetch_to(
    workspace: &Workspace,
    wanted: &Commit,
    revision: &Revision,
    place: &Path,
) -> Result<()> {
    // Its turn is ours, so that nothing else makes one for this hash.
    let scratch = place.with_extension("new");
    platform::remove_tree(&scratch)?;
    platform::create_directory(&scratch)?;
    let done = fetch_in(workspace, wanted, revision, &scratch, place);
    let cleaned = platform::remove_tree(&scratch);
    done.and_then(|()| Ok(cleaned?))
}

fn fetch_in(
    workspace: &Workspace,
    wanted: &Commit,
    revision: &Revision,
    scratch: &Path,
    place: &Path,
) -> Result<()> {
    let settings = &workspace.settings;
    let git = Git {
        network: &settings.network,
        offline: settings.offline,
        interrupt: &settings.interrupt.0,
        client: &|network| settings.context.client(network, &settings.interrupt.0),
        report: &network::report(&workspace.events),
        scratch,
        login: None,
    };
    let tree = scratch.join("tree");
    platform::create_directory(&tree)?;
    git.fetch(&wanted.url, revision, wanted.submodules, &mut Tree { top: &tree })
        .map_err(|failure| network::from_failure(&wanted.url, failure))?;
    let received =
        tree::hash(&tree, &workspace.settings.interrupt).map_err(|error| match error {
            store::Error::File(error) => Error::File(error),
            other => network::failed(&wanted.url, other.to_string(), None),
        })?;
    if received.nar != wanted.sha256 {
        let url = format!("{} at {}", redact(&wanted.url), wanted.rev);
        return Err(Error::WrongHash { url, declared: wanted.sha256, received: received.nar });
    }
    platform::remove_tree(place)?;
    Ok(platform::rename(&tree, place)?)
}

/// A directory of ours, which nothing else writes to.
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
