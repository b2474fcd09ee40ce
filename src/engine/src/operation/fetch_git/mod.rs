//! Trees of git commits, kept by their NAR hash and shared between derivations and processes.
//!
//! `git/HASH` is the tree. How objects come here is in [`remote`], how they become files in [`checkout`].

mod address;
mod checkout;
mod meter;
mod process;
mod remote;
mod web;

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use gix::bstr::ByteSlice;

use super::http::redact;
use super::{Error, Result, Workspace, turn};
use crate::hash::Hash;
use crate::platform;
use crate::store::{self, tree};
use address::{Revision, resolve_relative};
use checkout::{Checkout, Problem};
use remote::{Trouble, obtain};

/// Submodules in submodules.
const DEEPEST: usize = 10;

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
    address::Address::parse(&wanted.url).map_err(|problem| {
        let hint =
            "fetch_git takes https://, http://, ssh:// and file:// addresses, user@host:path, and absolute paths";
        failed(wanted, format!("the address {problem}"), Some(hint.to_owned()))
    })?;
    let revision = Revision::parse(&wanted.rev)
        .map_err(|problem| failed(wanted, format!("the revision {:?} {problem}", wanted.rev), None))?;
    let cache = workspace.downloads.with_file_name("git");
    let place = cache.join(wanted.sha256.to_hex());
    if !is_right(&place, wanted.sha256) {
        platform::create_directories(&cache)?;
        let _turn = turn::take(workspace, &place, &redact(&wanted.url))?;
        // Whoever had it before may have been after the same.
        if !is_right(&place, wanted.sha256) {
            fetch_to(workspace, wanted, &revision, &cache, &place)?;
        }
    }
    workspace.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
    Ok(place)
}

/// What lies there is believed only after another look at all of it.
fn is_right(place: &Path, sha256: Hash) -> bool {
    platform::exists(place) && tree::hash(place).is_ok_and(|digest| digest.nar == sha256)
}

fn failed(wanted: &Commit, reason: impl Into<String>, hint: Option<String>) -> Error {
    Error::Fetch { url: redact(&wanted.url), reason: reason.into(), hint }
}

/// Fetches into a directory of its own, which goes, and renames the tree when it is right.
fn fetch_to(workspace: &Workspace, wanted: &Commit, revision: &Revision, cache: &Path, place: &Path) -> Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let scratch = cache.join(format!(".{}-{number}.new", std::process::id()));
    platform::create_directory(&scratch)?;
    let mut fetching = Fetching { workspace, wanted, scratch: &scratch, repositories: 0, left: 0 };
    fetching.left = workspace.settings.network.download_limit;
    let tree = scratch.join("tree");
    let done = fetching.commit(&wanted.url, revision, &tree, true, 0).and_then(|()| {
        let received = tree::hash(&tree).map_err(|error| unreadable(wanted, error))?.nar;
        if received != wanted.sha256 {
            let url = format!("{} at {}", redact(&wanted.url), wanted.rev);
            return Err(Error::WrongHash { url, declared: wanted.sha256, received });
        }
        platform::remove_tree(place)?;
        Ok(platform::rename(&tree, place)?)
    });
    let cleaned = platform::remove_tree(&scratch);
    done.and_then(|()| Ok(cleaned?))
}

fn unreadable(wanted: &Commit, error: store::Error) -> Error {
    match error {
        store::Error::File(error) => Error::File(error),
        other => failed(wanted, other.to_string(), None),
    }
}

struct Fetching<'a> {
    workspace: &'a Workspace,
    wanted: &'a Commit,
    scratch: &'a Path,
    repositories: usize,
    /// Bytes that all files together may still have.
    left: u64,
}

impl Fetching<'_> {
    /// Writes the tree of a commit to a directory that does not exist.
    fn commit(
        &mut self,
        url: &str,
        revision: &Revision,
        destination: &Path,
        may_be_local: bool,
        depth: usize,
    ) -> Result<()> {
        self.repositories += 1;
        let repository = self.scratch.join(self.repositories.to_string());
        let within = if depth == 0 { String::new() } else { format!("its submodule {}: ", redact(url)) };
        let trouble = |trouble: Trouble| match trouble {
            Trouble::Interrupted => Error::Interrupted,
            Trouble::Failed(reason, hint) => failed(self.wanted, format!("{within}{reason}"), hint),
        };
        let obtained = obtain(self.workspace, url, revision, &repository, may_be_local).map_err(trouble)?;
        let mut checkout = Checkout {
            repository: &obtained.repository,
            interrupt: &self.workspace.settings.interrupt,
            left: self.left,
            links: Vec::new(),
        };
        checkout.write(obtained.tree, destination).map_err(|problem| match problem {
            Problem::Interrupted => Error::Interrupted,
            Problem::File(error) => Error::File(error),
            Problem::Refused(reason) => failed(self.wanted, format!("{within}the tree {reason}"), None),
            Problem::Damaged(reason) => {
                failed(self.wanted, format!("{within}the repository is damaged: {reason}"), None)
            }
        })?;
        self.left = checkout.left;
        let links = checkout.links;
        if !self.wanted.submodules || links.is_empty() {
            return Ok(());
        }
        if depth >= DEEPEST {
            let reason = format!("it has more than {DEEPEST} submodules in each other");
            return Err(failed(self.wanted, reason, None));
        }
        let modules = self.modules(destination)?;
        let is_local = matches!(address::Address::parse(&obtained.address), Ok(address::Address::Local(_)));
        for link in links {
            let path = link.path.to_str_lossy().into_owned();
            let found = modules
                .name_by_path(link.path.as_ref())
                .and_then(|name| modules.config().string(format!("submodule.{name}.url").as_str()));
            let Some(address) = found else {
                return Err(failed(self.wanted, format!(".gitmodules has no address of the submodule {path}"), None));
            };
            let address = resolve_relative(&obtained.address, &address.to_str_lossy());
            let place = destination.join(platform::path_from_bytes(&link.path));
            platform::remove_directory(&place)?;
            self.commit(&address, &Revision::Commit(link.commit), &place, is_local, depth + 1)?;
        }
        Ok(())
    }

    /// Reads `.gitmodules` of a tree.
    fn modules(&self, tree: &Path) -> Result<gix_submodule::File> {
        let path = tree.join(".gitmodules");
        // The checkout refuses one that is a link.
        let text = if platform::exists(&path) { platform::read_file(&path)? } else { Vec::new() };
        gix_submodule::File::from_bytes(&text, None, &Default::default())
            .map_err(|error| failed(self.wanted, format!(".gitmodules is malformed: {error}"), None))
    }
}
