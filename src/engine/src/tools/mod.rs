//! Tools: which release a request such as `node@22` means, and what it hashes to.
//!
//! What a registry says, `syslua_tools` knows; this room asks servers: for tags, by the protocol of
//! git, for files of checksums, and for the releases themselves where nothing else tells a hash.

mod registry;
mod release;
mod tags;

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub use registry::{is_newer, open, stamp};
pub use syslua_tools as library;
use syslua_tools::index::{Entry, Matches};
pub use syslua_tools::mirrored;
use syslua_tools::request::{self, Request};
use syslua_tools::resolve::Vars;
use syslua_tools::{Index, Package, Platform};

use self::release::Releases;
use self::tags::TagLists;
use crate::failure::{Failure, FailureKind};
use crate::lock::LockedTool;
use crate::operation::cache_lock;
use crate::settings::{Event, Events, Settings};
use crate::store::Store;

/// The limit of tools that are resolved at a time: they wait for servers, not for processors.
const MOST_AT_ONCE: usize = 16;

/// How often time is told while servers are waited for.
const TICK: Duration = Duration::from_millis(100);

/// The limit of releases without files that are skipped before the search ends.
const MOST_PASSED: usize = 8;

/// A tool that is asked for.
#[derive(Clone, Debug)]
pub struct ToolRequest {
    /// Its key in the lock: `node@22`.
    pub key: String,
    /// What the config calls it.
    pub name: String,
    /// Which version.
    pub version: String,
    /// Values of the user for the registry's templates.
    pub vars: BTreeMap<String, String>,
    /// The input that its registry is, where that is not the default one.
    pub registry: Option<String>,
    /// The line that declares it.
    pub position: Option<String>,
    /// What the lock has of it.
    pub locked: Option<LockedTool>,
    /// Whether the newest is asked for, whatever the lock has.
    pub refresh: bool,
    /// Whether the hashes are asked for again too, if that is the locked version.
    pub again: bool,
    /// The platforms that this tool is wanted for, where these are not those of the whole call.
    pub platforms: Option<Vec<Platform>>,
}

/// A tool that was resolved.
#[derive(Clone, Debug)]
pub struct ResolvedTool {
    /// What the lock is to have of it.
    pub entry: LockedTool,
    /// What is worth a word.
    pub notices: Vec<String>,
}

/// How tools are resolved.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The server that replaces GitHub.
    pub github: Option<String>,
    /// The platforms whose hashes are needed: a hash that takes a download is downloaded.
    pub platforms: Vec<Platform>,
    /// Whether a platform without a release is an error.
    pub is_strict: bool,
}

/// What the functions of this room use.
struct Session<'a> {
    settings: &'a Settings,
    store: Store,
    index: &'a Index,
    wanted: &'a Wanted,
    tags: &'a TagLists,
}

/// What comes from a thread.
enum Message {
    Event(Event),
    Done(usize, Result<ResolvedTool, Failure>),
}

fn interrupted() -> Failure {
    Failure::new(FailureKind::Interrupted, "interrupted")
}

/// Returns the package that a name means.
///
/// # Errors
/// When there is none, or several.
pub fn find(index: &Index, name: &str) -> Result<Package, Failure> {
    let read = |entry: &Entry| {
        index.package(entry).map_err(|error| Failure::new(FailureKind::Tools, error.to_string()))
    };
    match index.find(name) {
        Matches::One(entry) => read(entry),
        Matches::Several(entries) => {
            let lines = entries.iter().take(20).map(|entry| {
                format!("  {}  {}", entry.name, entry.description.lines().next().unwrap_or(""))
            });
            let lines = lines.collect::<Vec<_>>().join("\n");
            let first = entries.first().map_or("", |entry| entry.name.as_str());
            Err(Failure::new(
                FailureKind::Tools,
                format!("`{name}` can be several tools:\n{lines}"),
            )
            .with_hint(format!("write the whole name, such as [\"{first}\"]")))
        }
        Matches::Nothing(near) => {
            let failure =
                Failure::new(FailureKind::Tools, format!("the registry has no tool `{name}`"));
            Err(match near.as_slice() {
                [] => failure.with_hint(format!("`sys search {name}` looks in descriptions too")),
                [one] => failure.with_hint(format!("did you mean `{one}`?")),
                near => failure.with_hint(format!("near it are {}", near.join(", "))),
            })
        }
    }
}

/// Returns the versions of a package, newest first: each with its tag.
///
/// # Errors
/// When the server cannot be asked for tags.
pub fn versions(
    settings: &Settings,
    package: &Package,
    github: Option<&str>,
) -> Result<Vec<(String, String)>, Failure> {
    let store = Store::new(&settings.root);
    let settings = &settings.without_events();
    let _lock = cache_lock::lock_cache(settings, &store)?;
    let tags = TagLists::default().of(settings, &store, package, github)?;
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let versions = request::versions(package, &tags).into_iter();
    Ok(versions.map(|tagged| (tagged.version.to_owned(), tagged.tag.to_owned())).collect())
}

/// Resolves tools in parallel. Locked tools stay unchanged, unless they are refreshed; missing
/// platforms are added. The answers have the order of the requests.
pub fn resolve(
    settings: &Settings,
    index: &Index,
    requests: &[ToolRequest],
    wanted: &Wanted,
) -> Vec<Result<ResolvedTool, Failure>> {
    let store = Store::new(&settings.root);
    let _lock = match cache_lock::lock_cache(settings, &store) {
        Ok(lock) => lock,
        Err(failure) => return requests.iter().map(|_| Err(failure.clone())).collect(),
    };
    let tags = TagLists::default();
    let (sender, receiver) = channel();
    let waiting = Mutex::new(requests.iter().enumerate());
    let mut answers: Vec<Option<Result<ResolvedTool, Failure>>> =
        requests.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..requests.len().min(MOST_AT_ONCE) {
            let sender = sender.clone();
            let (waiting, tags, store) = (&waiting, &tags, store.clone());
            let settings = settings.with_events(Events::new({
                let sender = sender.clone();
                // The receiver may be gone.
                move |event| drop(sender.send(Message::Event(event)))
            }));
            let work = move || {
                let settings = &settings;
                let session = Session { settings, store, index, wanted, tags };
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, request)) = next else { return };
                    let answer = session.resolve(request);
                    let answer = answer.map_err(|failure| match failure.position {
                        Some(_) => failure,
                        None => failure.at(request.position.clone()),
                    });
                    let _ = sender.send(Message::Done(place, answer));
                }
            };
            // Where the system gives no more threads, those that there are do all.
            let _ = thread::Builder::new().name("syslua-tool".to_owned()).spawn_scoped(scope, work);
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => settings.events.send(event),
                Ok(Message::Done(place, answer)) => answers[place] = Some(answer),
                Err(RecvTimeoutError::Timeout) => settings.events.send(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(interrupted()))).collect()
}

impl Session<'_> {
    fn resolve(&self, tool: &ToolRequest) -> Result<ResolvedTool, Failure> {
        if self.settings.interrupt.is_set() {
            return Err(interrupted());
        }
        let github = self.wanted.github.as_deref();
        if let Some(locked) = tool.locked.as_ref().filter(|_| !tool.refresh) {
            let package = find(self.index, &locked.package)?;
            let mut releases = Releases::new(self, &package, tool, &locked.version, true);
            let mut entry = locked.clone();
            releases.complete(&mut entry)?;
            return Ok(ResolvedTool { entry, notices: releases.notices });
        }
        let package = find(self.index, &tool.name)?;
        let wanted = Request::parse(&tool.version)
            .map_err(|error| Failure::new(FailureKind::Tools, error.to_string()))?;
        let tags = self.tags.of(self.settings, &self.store, &package, github)?;
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let candidates = request::choose(&package, &wanted, &tags);
        let mut passed = Vec::new();
        for tag in candidates.iter().take(MOST_PASSED) {
            let is_exact = wanted.is_exact();
            let mut releases = Releases::new(self, &package, tool, tag, is_exact);
            // A locked entry of the same version stays: its address never changes on its own, not
            // even where the registry has the package by another name now.
            let same = tool.locked.as_ref().filter(|locked| {
                locked.version == *tag
                    && locked.registry == tool.registry
                    && locked.vars == tool.vars
            });
            let same =
                same.map(|locked| LockedTool { package: package.name.clone(), ..locked.clone() });
            let mut entry = same.unwrap_or_else(|| LockedTool {
                package: package.name.clone(),
                version: (*tag).to_owned(),
                registry: tool.registry.clone(),
                vars: tool.vars.clone(),
                platforms: BTreeMap::new(),
                others: BTreeMap::new(),
            });
            match releases.complete(&mut entry) {
                Ok(()) => {
                    let mut notices: Vec<String> =
                        passed.into_iter().map(|(_, line)| line).collect();
                    notices.append(&mut releases.notices);
                    return Ok(ResolvedTool { entry, notices });
                }
                Err(failure) if failure.kind == FailureKind::NoRelease && !is_exact => {
                    let line = format!("{}: {tag} is passed over: {}", tool.key, failure.message);
                    passed.push((failure.message, line));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(no_version(&package, tool, &wanted, &tags, &passed))
    }
}

fn no_version(
    package: &Package,
    tool: &ToolRequest,
    wanted: &Request,
    tags: &[&str],
    passed: &[(String, String)],
) -> Failure {
    let near = request::nearest(package, wanted, tags);
    let message = format!("{} has no version `{}`", package.name, tool.version);
    let failure = match passed {
        [] => Failure::new(FailureKind::Tools, message),
        [(reason, _), rest @ ..] => {
            let message = format!(
                "no version of {} that `{}` means can be installed: {reason}",
                package.name, tool.version
            );
            let failure = Failure::new(FailureKind::Tools, message);
            if rest.is_empty() {
                failure
            } else {
                let lines: Vec<&str> = passed.iter().map(|(_, line)| line.as_str()).collect();
                failure.with_details(lines.join("\n"))
            }
        }
    };
    if near.is_empty() || !passed.is_empty() {
        failure.with_hint(format!("`sys list --available {}` asks which there are", tool.name))
    } else {
        failure.with_hint(format!("the nearest are {}", near.join(", ")))
    }
}

/// Returns values of the user as the library takes them.
fn vars_of(tool: &ToolRequest) -> Vars {
    tool.vars.clone()
}
