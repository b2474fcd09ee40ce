//! Inputs of configs: trees from elsewhere, each known by its NAR hash and kept in `cache/inputs`.
//!
//! It resolves the requested inputs in parallel, against the entries of a lock; the Lua side knows
//! which inputs a config and its inputs have.

mod address;
mod archive;
mod auth;
mod commit;
mod lock_file;
mod once;
mod session;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub use address::{AddressError, FORMS, InputAddress, Origin};
pub use auth::SealedPart;
pub use commit::with_git;
pub use lock_file::{Change, Changes, LockFile, ToolChange, Written, place_of, text_with_pins};
pub use once::Once;
use session::{Session, fetch_all};
pub use syslua_fetch::url::redact;
use syslua_tools::mirrored;
use zeroize::Zeroizing;

use crate::failure::{Failure, FailureKind};
use crate::hash::Hash;
use crate::lock::{InputKind, LockedInput};
use crate::operation::{self, cache_lock, origins};
use crate::pins::KnownCommit;
use crate::platform::{self, FileKind};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::source_cache::SourceMemory;

/// The most inputs that are fetched at a time: they wait for servers, not for processors.
const MOST_AT_ONCE: usize = 32;

/// How often time is told while servers are waited for.
const TICK: Duration = Duration::from_millis(100);

/// What to do where a server wants a login.
const LOGIN_HINT: &str = "pass a token: { url = ..., auth = os.getenv(\"TOKEN\") }; \
                          or keep a login in ~/.netrc or a credential helper of git";

/// What to do where a server does not take the login that the config gives.
const REFUSED_HINT: &str = "the server does not accept this `auth`: check the token, when it \
                            expires, and what it may read; with a colon it is USER:PASSWORD";

/// After this long, a change of a file shows in its times.
const SETTLED: Duration = Duration::from_millis(120);

/// Where the file that names an input is.
#[derive(Clone, Debug)]
pub enum Declarer {
    /// In a directory of the user, by its path.
    Own(PathBuf),
    /// In a tree that came from elsewhere.
    Foreign {
        /// The directory of the file.
        directory: PathBuf,
        /// The whole tree.
        tree: PathBuf,
        /// Whether that was a repository of this machine.
        is_local: bool,
    },
}

/// An input that is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its key in the lock.
    pub key: String,
    /// The address, as the config has it.
    pub url: String,
    /// A token, or user and password with a colon between them.
    pub auth: Option<Zeroizing<String>>,
    /// The same as a secret, which is decrypted only when something is fetched.
    pub sealed_auth: Option<Vec<SealedPart>>,
    /// The server that replaces GitHub when the input is fetched. The lock does not name it.
    pub github: Option<String>,
    /// How many leading components of names in an archive are left out, where the config says so.
    pub strip: Option<usize>,
    /// Where the file is that names it.
    pub declarer: Declarer,
    /// What the lock has of it.
    pub locked: Option<LockedInput>,
    /// Whether the newest is asked for, whatever the lock has.
    pub refresh: bool,
    /// The line that declares it.
    pub position: Option<String>,
}

/// An input that was resolved.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The directory that counts.
    pub path: PathBuf,
    /// The tree that it is in, when that came from elsewhere, and its NAR hash.
    pub tree: Option<(PathBuf, Hash)>,
    /// What the lock is to have of it.
    pub entry: LockedInput,
    /// What is worth a word.
    pub notices: Vec<String>,
    /// Whether it is a repository of this machine.
    pub is_local: bool,
}

/// A tree that was fetched.
#[derive(Clone, Debug)]
struct Fetched {
    sha256: Hash,
    rev: Option<String>,
    last_modified: Option<i64>,
    notices: Vec<String>,
}

/// Resolves inputs side by side. Those that the lock has and the cache too need no network, and
/// what `once` has was fetched by this run. The answers are in the order of the requests.
pub fn resolve(
    settings: &Settings,
    requests: &[Request],
    memory: &mut SourceMemory,
    once: &Once,
) -> Vec<Result<Resolved, Failure>> {
    let store = Store::new(&settings.root);
    let mut answers: Vec<Option<Result<Resolved, Failure>>> = Vec::with_capacity(requests.len());
    let mut open = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let step = begin(&store, settings, request, memory);
        answers.push(match step {
            Ok(Step::Done(resolved)) => Some(Ok(*resolved)),
            Ok(Step::Fetch(address)) => {
                open.push((index, address));
                None
            }
            Err(failure) => Some(Err(failure.at(request.position.clone()))),
        });
    }
    let has_secrets = open.iter().any(|(index, _)| requests[*index].sealed_auth.is_some());
    let no_core = has_secrets.then(platform::NoCore::begin);
    let fetched = fetch_all(settings, &store, requests, open, once);
    drop(no_core);
    remember(&store, &fetched, memory);
    for (index, answer) in fetched {
        answers[index] =
            Some(answer.map_err(|failure| failure.at(requests[index].position.clone())));
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| Err(Failure::interrupted())))
        .collect()
}

/// Remembers trees that were fetched, so that the next evaluation need not read them.
fn remember(
    store: &Store,
    fetched: &[(usize, Result<Resolved, Failure>)],
    memory: &mut SourceMemory,
) {
    let trees: Vec<&PathBuf> = fetched
        .iter()
        .filter_map(|(_, answer)| Some(&answer.as_ref().ok()?.tree.as_ref()?.0))
        .collect();
    if trees.is_empty() {
        return;
    }
    // What changed just now is not remembered: a later change could have the same times.
    thread::sleep(SETTLED);
    for tree in trees {
        // The next evaluation reads an unreadable one again.
        let _ = memory.hash(tree, &BTreeSet::new());
    }
    let _ = memory.save(store);
}

/// The next step of an input.
enum Step {
    /// It is there.
    Done(Box<Resolved>),
    /// It has to be fetched.
    Fetch(InputAddress),
}

fn failed(request: &Request, what: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Input, format!("the input `{}`: {what}", request.key))
}

/// Checks an input against its entry in the lock, and looks whether it is there.
fn begin(
    store: &Store,
    settings: &Settings,
    request: &Request,
    memory: &mut SourceMemory,
) -> Result<Step, Failure> {
    let address = InputAddress::parse(&request.url)
        .map_err(|error| failed(request, &error).with_hint(error.hint))?;
    let is_archive = matches!(address.origin, Origin::Archive { .. });
    if request.strip.is_some() && !is_archive {
        return Err(failed(request, "`strip` works only for archives")
            .with_hint("remove it: the tree of a repository has no leading directory"));
    }
    if (request.auth.is_some() || request.sealed_auth.is_some())
        && !request.url.contains("https://")
    {
        return Err(failed(request, "`auth` works only for https:// addresses")
            .with_hint("ssh uses your keys: see ssh-agent(1)"));
    }
    if let Declarer::Foreign { is_local: false, .. } = &request.declarer
        && matches!(address.origin, Origin::Git { .. })
        && address.is_local()
    {
        return Err(failed(request, format!("`{}` is a repository of this machine", request.url))
            .with_hint(
                "a downloaded config cannot read paths of this machine: \
                 share an input with `follows`",
            ));
    }
    if !request.refresh
        && let Some(locked) = &request.locked
        && let Some(difference) = difference(request, &address, locked)
    {
        return Err(failed(request, difference)
            .with_hint(format!("`sys update {}` locks its current version", request.key)));
    }
    if let Origin::Path(path) = &address.origin {
        return own_directory(settings, request, path)
            .map(|resolved| Step::Done(Box::new(resolved)));
    }
    if let Some(locked) = request.locked.as_ref().filter(|_| !request.refresh)
        && let Some(sha256) = locked.sha256
    {
        let place = store.input_trees().join(sha256.to_hex());
        if may_be_from(&place, &address, locked.rev.as_deref(), request.strip)
            && is_right(memory, &place, sha256)
        {
            return done(request, &address, place, locked.clone(), Vec::new())
                .map(|done| Step::Done(Box::new(done)));
        }
    }
    Ok(Step::Fetch(address))
}

/// Returns how an input differs from what the lock says that it is, if it does.
fn difference(request: &Request, address: &InputAddress, locked: &LockedInput) -> Option<String> {
    let kind = address.kind();
    if locked.kind != kind {
        return Some(format!(
            "the kind in syslua.lock is {}, and in the config {kind}",
            locked.kind
        ));
    }
    if locked.url != request.url {
        return Some(format!(
            "the address in syslua.lock is {}, and in the config {}",
            redact(&locked.url),
            redact(&request.url)
        ));
    }
    let words =
        |strip: Option<usize>| strip.map_or_else(|| "none".to_owned(), |strip| strip.to_string());
    (locked.strip != request.strip).then(|| {
        format!(
            "syslua.lock has `strip` {}, and the config {}",
            words(locked.strip),
            words(request.strip)
        )
    })
}

/// Returns where a tree of an address comes from, at a revision; nothing for a directory of this
/// machine. `strip` is what the config says besides the address.
fn origin_of<'a>(
    address: &'a InputAddress,
    rev: Option<&'a str>,
    strip: Option<usize>,
) -> Option<origins::Origin<'a>> {
    match &address.origin {
        Origin::Git { repository, submodules, .. } => Some(origins::Origin::Commit {
            repository,
            rev: rev.unwrap_or_default(),
            submodules: *submodules,
        }),
        Origin::Archive { url, strip: own } => {
            Some(origins::Origin::Archive { url, strip: strip.or(*own) })
        }
        Origin::Path(_) => None,
    }
}

/// Returns the commit that a locked input is, where it is one.
pub fn known_commit(locked: &LockedInput) -> Option<KnownCommit> {
    let address = InputAddress::parse(&locked.url).ok()?;
    let Origin::Git { repository, submodules, .. } = address.origin else { return None };
    Some(KnownCommit {
        address: repository,
        reference: None,
        rev: locked.rev.clone()?,
        submodules,
        sha256: locked.sha256?,
        last_modified: locked.last_modified,
    })
}

/// Returns whether a cached tree may have come from an address.
fn may_be_from(
    tree: &Path,
    address: &InputAddress,
    rev: Option<&str>,
    strip: Option<usize>,
) -> bool {
    origin_of(address, rev, strip).is_none_or(|origin| origins::may_be_from(tree, origin))
}

/// A cached tree is used only if nothing in it changed since it was hashed, or after another check.
fn is_right(memory: &mut SourceMemory, place: &Path, sha256: Hash) -> bool {
    let known = memory.observe(place).ok().flatten();
    known.is_some_and(|known| known.kind == FileKind::Directory && known.nar == sha256)
}

/// Returns a directory of this machine as an input.
fn own_directory(settings: &Settings, request: &Request, path: &str) -> Result<Resolved, Failure> {
    let entry = LockedInput {
        kind: InputKind::Path,
        url: request.url.clone(),
        reference: None,
        rev: None,
        strip: None,
        sha256: None,
        last_modified: None,
        others: BTreeMap::new(),
    };
    let missing = |place: &Path| {
        failed(request, format!("there is no directory {}", place.display()))
            .with_hint("a `path:` address is relative to the file that contains it")
    };
    let resolved = |path, tree| Resolved {
        path,
        tree,
        entry: entry.clone(),
        notices: Vec::new(),
        is_local: true,
    };
    match &request.declarer {
        Declarer::Own(directory) => {
            let given = match path.strip_prefix('~') {
                Some(rest) => settings.home.join(rest.trim_start_matches('/')),
                None => directory.join(path),
            };
            let place = platform::normalize(&given);
            if !platform::is_directory(&place) {
                return Err(missing(&place));
            }
            Ok(resolved(place, None))
        }
        Declarer::Foreign { directory, tree, .. } => {
            let place = platform::normalize(&directory.join(path));
            let is_relative = !path.starts_with(['~', '/']);
            if !is_relative || !is_below(tree, &place) {
                return Err(failed(
                    request,
                    format!("`{}` leads out of the tree that names it", request.url),
                )
                .with_hint(
                    "a downloaded config cannot read paths of this machine: \
                     name a directory inside its tree",
                ));
            }
            if !platform::is_directory(&place) {
                return Err(missing(&place));
            }
            let hash = tree.file_name().and_then(|name| Hash::parse(name.to_str()?).ok());
            Ok(Resolved {
                is_local: false,
                ..resolved(place, hash.map(|hash| (tree.clone(), hash)))
            })
        }
    }
}

/// Returns whether a path is in a tree, all links followed.
fn is_below(tree: &Path, place: &Path) -> bool {
    place.starts_with(tree) && platform::canonical(place).starts_with(platform::canonical(tree))
}

/// Returns a tree that is there as a resolved input.
fn done(
    request: &Request,
    address: &InputAddress,
    tree: PathBuf,
    entry: LockedInput,
    notices: Vec<String>,
) -> Result<Resolved, Failure> {
    let path = match &address.dir {
        None => tree.clone(),
        Some(dir) => {
            let path = tree.join(dir);
            let is_plain =
                Path::new(dir).components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain || !platform::is_directory(&path) || !is_below(&tree, &path) {
                return Err(failed(request, format!("its tree has no directory `{dir}`"))
                    .with_hint("?dir= names a directory in it"));
            }
            path
        }
    };
    let sha256 = entry.sha256.unwrap_or_else(|| Hash::of(b""));
    Ok(Resolved { path, tree: Some((tree, sha256)), entry, notices, is_local: address.is_local() })
}

/// Returns user and password of a login: a token has no user.
fn login_of(auth: &str) -> (String, String) {
    // A server that takes tokens takes any user with them.
    let (user, password) = auth.split_once(':').unwrap_or(("x-access-token", auth));
    (user.to_owned(), password.to_owned())
}

/// A move of a git input: what is asked for, what it was, and the newer commit.
#[derive(Clone, Debug)]
pub struct Move {
    /// The input.
    pub request: Request,
    /// What it was.
    pub older: LockedInput,
    /// The newer commit.
    pub newer: String,
}

/// Returns how many commits lead from one revision of git inputs to another, in the order of the
/// moves and where that can be told. The servers are asked side by side.
pub fn count_commits(settings: &Settings, moves: &[Move]) -> Vec<Option<usize>> {
    let next = AtomicUsize::new(0);
    let counts: Vec<OnceLock<usize>> = moves.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = moves.get(index) else { return };
            if let Some(count) = count_one(settings, one) {
                let _ = counts[index].set(count);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..moves.len().min(MOST_AT_ONCE) {
            // Where the system gives no more threads, those that there are do all.
            let _ =
                thread::Builder::new().name("syslua-count".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    counts.into_iter().map(OnceLock::into_inner).collect()
}

fn count_one(settings: &Settings, one: &Move) -> Option<usize> {
    let Move { request, older, newer } = one;
    let address = InputAddress::parse(&request.url).ok()?;
    let Origin::Git { repository, .. } = &address.origin else { return None };
    let repository = &mirrored(repository, request.github.as_deref());
    let (rev, since) = (older.rev.as_deref()?, older.last_modified?);
    let store = Store::new(&settings.root);
    let settings = &settings.without_events();
    let place =
        store.input_trees().join(Hash::of(format!("history {}", request.url).as_bytes()).to_hex());
    let _turn = cache_lock::take(settings, &place, &request.key).ok()?;
    let scratch = place.with_extension("new");
    platform::remove_tree(&scratch).and_then(|()| platform::create_directory(&scratch)).ok()?;
    let report = operation::network::report(&settings.events);
    let opened = auth::opened(settings, request).ok()?;
    let login = opened.as_ref().unwrap_or(request).auth.as_ref().map(|auth| login_of(auth));
    let count = commit::with_git(settings, &report, &scratch, login, |git| {
        git.count_commits(repository, rev, newer, since)
    });
    // What cannot be removed is removed by the next call, or by gc.
    let _ = platform::remove_tree(&scratch);
    count
}
