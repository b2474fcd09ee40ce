//! Gets the objects of one commit: directly from a repository of this machine, or from a server
//! into a repository that is created for it.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use gix::protocol::transport::client::blocking_io::Transport;
use gix::remote::Direction;
use gix::remote::fetch::{Shallow, Tags};

use super::Git;
use super::address::{Address, Revision};
use super::credential::{Helpers, Secrets};
use super::http_transport::Web;
use super::progress::Meter;
use super::ssh::{self, Said};
use crate::problem::chain;
use crate::url::redact;
use crate::{Network, Problem, is_set};

/// The name of fetched references in that repository.
const FETCHED: &str = "refs/syslua/fetched";

fn failed(reason: impl Into<String>) -> Problem {
    Problem::lasting(reason)
}

fn with_hint(reason: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::Lasting { reason: reason.into(), hint: Some(hint.into()) }
}

/// A commit's objects, and which one it is.
pub struct Obtained {
    /// Where the objects are.
    pub repository: gix::Repository,
    /// The commit.
    pub commit: gix::ObjectId,
    /// When it was committed, in seconds since the epoch.
    pub time: i64,
    /// The tree of the commit.
    pub tree: gix::ObjectId,
    /// Where the repository was in the end: the user's git configuration may have changed the
    /// address.
    pub address: String,
}

/// Where a commit is to come from.
pub struct Source<'a> {
    /// How it is fetched.
    pub git: &'a Git<'a>,
    /// The address.
    pub url: &'a str,
    /// Whether it may be a repository of this machine.
    pub may_be_local: bool,
    /// User and password for its web server.
    pub login: Option<&'a (String, String)>,
}

/// The contents of a repository.
struct Found {
    commit: gix::ObjectId,
    time: i64,
    tree: gix::ObjectId,
}

/// Obtains a commit. `scratch` is a directory that does not exist.
///
/// # Errors
/// When there is no such commit, or it cannot be had.
pub fn obtain(source: &Source<'_>, wanted: &Revision, scratch: &Path) -> Result<Obtained, Problem> {
    let Source { git, may_be_local, .. } = *source;
    let repository = new_repository(scratch)?;
    let (address, place) = locate(source, &repository)?;
    if let Address::Local(path) = place {
        if !may_be_local {
            let hint = "a repository from elsewhere has no say in what is read of this machine";
            return Err(with_hint("a submodule of it is on this machine", hint));
        }
        let repository = open_local(&path)?;
        let found = find_local(&repository, wanted)?;
        return Ok(obtained(repository, &found, address));
    }
    check_online(git)?;
    let server = Server {
        git,
        repository: &repository,
        address: &address,
        place: &place,
        secrets: Secrets::default(),
    };
    let found = server.fetch(wanted)?;
    Ok(obtained(repository, &found, address))
}

fn obtained(repository: gix::Repository, found: &Found, address: String) -> Obtained {
    let Found { commit, time, tree } = *found;
    Obtained { repository, commit, time, tree, address }
}

fn check_online(git: &Git<'_>) -> Result<(), Problem> {
    if git.offline {
        let hint = "the tree is not in the cache; run once without --offline";
        return Err(with_hint("the network is switched off (--offline)", hint));
    }
    Ok(())
}

/// Returns the address of a repository as the user's git configuration has it, and where that is.
fn locate(source: &Source<'_>, repository: &gix::Repository) -> Result<(String, Address), Problem> {
    let given_place = parse(source.url)?;
    let given = gix::url::parse(source.url).map_err(|_| failed("the address is malformed"))?;
    let remote = repository.remote_at(given).map_err(|error| failed(chain(&error)))?;
    let rewritten = remote
        .url(Direction::Fetch)
        .map(|url| String::from_utf8_lossy(&url.to_bstring()).into_owned());
    // Only what `insteadOf` changed is taken from there: printing an address may change how it is
    // written.
    let is_same = gix::url::parse(source.url).ok().as_ref() == remote.url(Direction::Fetch);
    let address = rewritten.filter(|_| !is_same).unwrap_or_else(|| source.url.to_owned());
    let mut place = parse(&address)?;
    if let (Some(login), Address::Web(url), Address::Web(given)) =
        (source.login, &mut place, &given_place)
    {
        // Whatever `insteadOf` made of it: a token is for the server that it was given for.
        if url.is_same_server(given) {
            url.login = Some(login.clone());
        }
    }
    Ok((address, place))
}

/// Counts the commits that are in `newer` and not in `older`, or returns `None` if that is not
/// known.
pub fn count_commits(
    git: &Git<'_>,
    url: &str,
    older: &str,
    newer: &str,
    since: i64,
) -> Option<usize> {
    let id = |text: &str| gix::ObjectId::from_hex(text.as_bytes()).ok();
    let (older, newer) = (id(older)?, id(newer)?);
    let fresh = new_repository(&git.scratch.join("history")).ok()?;
    let source = Source { git, url, may_be_local: true, login: git.login.as_ref() };
    let (address, place) = locate(&source, &fresh).ok()?;
    let repository = if let Address::Local(path) = &place {
        open_local(path).ok()?
    } else {
        check_online(git).ok()?;
        let server = Server {
            git,
            repository: &fresh,
            address: &address,
            place: &place,
            secrets: Secrets::default(),
        };
        // The older commit itself has to be in it, so that the walk knows that it arrived.
        let cutoff = gix::date::Time::new(since - 1, 0);
        let spec = format!("+{newer}:{FETCHED}");
        server.attempt(&[spec], Shallow::Since { cutoff }).ok()?.ok()?;
        fresh
    };
    let walk = repository.rev_walk([newer]).all().ok()?;
    let (mut count, mut is_found) = (0, false);
    let hidden = ancestors(&repository, older);
    for commit in walk {
        let commit = commit.ok()?.id;
        is_found |= commit == older;
        count += usize::from(!hidden.contains(&commit));
    }
    is_found.then_some(count)
}

/// Lists the tags of a repository.
pub fn list_tags(git: &Git<'_>, url: &str) -> Result<Vec<String>, Problem> {
    const TAGS: &str = "refs/tags/";
    let fresh = new_repository(&git.scratch.join("tags"))?;
    let source = Source { git, url, may_be_local: true, login: git.login.as_ref() };
    let (address, place) = locate(&source, &fresh)?;
    let name = |full: &[u8]| {
        let name = full.strip_prefix(TAGS.as_bytes())?;
        String::from_utf8(name.to_vec()).ok()
    };
    let mut tags: Vec<String> = if let Address::Local(path) = &place {
        let repository = open_local(path)?;
        let platform = repository.references().map_err(|error| failed(chain(&error)))?;
        let references = platform.prefixed(TAGS).map_err(|error| failed(chain(&error)))?;
        references.flatten().filter_map(|reference| name(reference.name().as_bstr())).collect()
    } else {
        check_online(git)?;
        let server = Server {
            git,
            repository: &fresh,
            address: &address,
            place: &place,
            secrets: Secrets::default(),
        };
        let mut names = Vec::new();
        let mut take = |full: &[u8]| names.extend(name(full));
        match server.list(&mut take)? {
            Ok(()) => {}
            Err(Stage::Begin(reason) | Stage::Transfer(reason)) => {
                return Err(server.failed(reason));
            }
            // There are no tags.
            Err(Stage::Missing) => {}
        }
        names
    };
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// Returns a commit and those before it, as far as the repository has them.
fn ancestors(
    repository: &gix::Repository,
    commit: gix::ObjectId,
) -> std::collections::HashSet<gix::ObjectId> {
    let walk = repository.rev_walk([commit]).all();
    walk.into_iter().flatten().filter_map(|commit| Some(commit.ok()?.id)).collect()
}

fn parse(url: &str) -> Result<Address, Problem> {
    Address::parse(url).map_err(|problem| {
        let hint =
            "fetch_git takes https://, http://, ssh:// and file:// addresses, user@host:path, and \
             absolute paths";
        with_hint(format!("the address {problem}"), hint)
    })
}

/// The user's configuration counts, of what says how to reach a server.
fn open_options() -> gix::open::Options {
    // A terminal is useless while several builds run; credential helpers are asked.
    gix::open::Options::default().config_overrides([
        "gitoxide.credentials.terminalPrompt=false",
        "core.useReplaceRefs=false",
    ])
}

fn new_repository(scratch: &Path) -> Result<gix::Repository, Problem> {
    let options =
        gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    let repository = gix::ThreadSafeRepository::init_opts(
        scratch,
        gix::create::Kind::Bare,
        options,
        open_options().strict_config(false),
    );
    Ok(repository.map_err(|error| failed(chain(&error)))?.to_thread_local())
}

#[expect(clippy::disallowed_methods, reason = "it only chooses the words of an error")]
fn open_local(path: &Path) -> Result<gix::Repository, Problem> {
    let options = open_options().bail_if_untrusted(true);
    let repository = options.open(path).map_err(|error| {
        let text = chain(&error);
        // git's reason: reading a repository of another user may run programs that are configured
        // there.
        let is_foreign = !gix::sec::identity::is_path_owned_by_current_user(path).unwrap_or(true);
        if is_foreign && path.exists() {
            let hint = format!(
                "if you trust it: git config --global --add safe.directory {}",
                path.display()
            );
            with_hint("the repository belongs to another user", hint)
        } else {
            let hint = "check the path: it is a work tree of git, or a bare repository";
            with_hint(format!("there is no repository: {text}"), hint)
        }
    })?;
    Ok(repository.to_thread_local())
}

fn find_local(repository: &gix::Repository, wanted: &Revision) -> Result<Found, Problem> {
    let id = match wanted {
        Revision::Commit(id) => *id,
        Revision::Reference(names) => {
            let found = names
                .iter()
                .find_map(|name| repository.try_find_reference(name.as_str()).ok().flatten());
            let mut reference = found.ok_or_else(|| no_such(wanted))?;
            // `HEAD` of an empty repository leads to a branch that is not there.
            reference.peel_to_id().map_err(|_| no_such(wanted))?.detach()
        }
    };
    find_commit(repository, id, wanted)
}

fn find_commit(
    repository: &gix::Repository,
    id: gix::ObjectId,
    wanted: &Revision,
) -> Result<Found, Problem> {
    let object = repository
        .try_find_object(id)
        .map_err(|error| failed(chain(&error)))?
        .ok_or_else(|| no_such(wanted))?;
    let commit = object
        .peel_to_kind(gix::objs::Kind::Commit)
        .map_err(|_| failed(format!("{id} is not a commit")))?;
    let commit = commit.try_into_commit().map_err(|error| failed(chain(&error)))?;
    let tree = commit.tree_id().map_err(|error| failed(chain(&error)))?.detach();
    let time = commit.time().map_err(|error| failed(chain(&error)))?.seconds;
    Ok(Found { commit: commit.id, time, tree })
}

fn no_such(wanted: &Revision) -> Problem {
    match wanted {
        Revision::Commit(id) => with_hint(
            format!("it has no commit {id}"),
            "name a commit that the server still has, or a branch or tag",
        ),
        Revision::Reference(names) => {
            let last = names.last().map_or("", String::as_str);
            let short = last.strip_prefix("refs/heads/").unwrap_or(last);
            if short == "HEAD" {
                return with_hint(
                    "it has no commits",
                    "push a commit to it, or name a branch that has one",
                );
            }
            let is_short_commit = (4..40).contains(&short.len())
                && short.bytes().all(|byte| byte.is_ascii_hexdigit());
            let hint = if is_short_commit {
                "of a commit, all 40 digits are needed"
            } else {
                "`git ls-remote` with its address lists the branches and tags that it has"
            };
            with_hint(format!("it has neither a tag nor a branch `{short}`"), hint)
        }
    }
}

struct Server<'a> {
    git: &'a Git<'a>,
    repository: &'a gix::Repository,
    address: &'a str,
    place: &'a Address,
    secrets: Secrets,
}

/// How far one try came.
enum Stage {
    /// The server did not even list what it has.
    Begin(String),
    /// It listed that, but not what is wanted.
    Missing,
    /// It would not send it.
    Transfer(String),
}

impl Server<'_> {
    /// Fetches one commit alone, or what is needed to find it where the server does not allow that.
    fn fetch(&self, wanted: &Revision) -> Result<Found, Problem> {
        let specs = match wanted {
            Revision::Commit(id) => vec![vec![format!("+{id}:{FETCHED}")]],
            Revision::Reference(names) => {
                names.iter().map(|name| vec![format!("+{name}:{FETCHED}")]).collect()
            }
        };
        let mut chosen = None;
        for spec in specs {
            match self.attempt(&spec, Shallow::DepthAtRemote(NonZeroU32::MIN))? {
                Ok(()) => return self.fetched(wanted),
                Err(Stage::Begin(reason)) => return Err(self.failed(reason)),
                Err(Stage::Missing) => {}
                Err(Stage::Transfer(reason)) => {
                    chosen = Some((spec, reason));
                    break;
                }
            }
        }
        let (spec, first) = match chosen {
            Some(chosen) => chosen,
            None => return Err(no_such(wanted)),
        };
        let spec = match wanted {
            Revision::Commit(_) => {
                vec![
                    "+refs/heads/*:refs/syslua/heads/*".to_owned(),
                    "+refs/tags/*:refs/syslua/tags/*".to_owned(),
                ]
            }
            Revision::Reference(_) => spec,
        };
        match self.attempt(&spec, Shallow::NoChange)? {
            Ok(()) => self.fetched(wanted),
            Err(Stage::Begin(reason) | Stage::Transfer(reason)) => {
                Err(self.failed(format!("{first}; and of all: {reason}")))
            }
            Err(Stage::Missing) => Err(no_such(wanted)),
        }
    }

    fn fetched(&self, wanted: &Revision) -> Result<Found, Problem> {
        let id = match wanted {
            Revision::Commit(id) => *id,
            Revision::Reference(_) => {
                let reference = self.repository.try_find_reference(FETCHED).ok().flatten();
                reference.ok_or_else(|| no_such(wanted))?.id().detach()
            }
        };
        find_commit(self.repository, id, wanted)
    }

    fn failed(&self, reason: String) -> Problem {
        let secrets = match self.place {
            Address::Web(url) => url.login.clone().map(|(_, password)| password),
            _ => None,
        };
        let given = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let secrets = secrets.into_iter().chain(given).filter(|secret| !secret.is_empty());
        let reason = secrets.fold(reason, |reason, secret| reason.replace(&secret, "***"));
        let needs_login = ["401", "Permission denied", "Credentials provided"]
            .iter()
            .any(|sign| reason.contains(sign));
        let hint = match self.place {
            Address::Web(_) if needs_login => {
                Some("put the login into ~/.netrc, or use a credential helper of git")
            }
            Address::Ssh if needs_login => Some("does `ssh` to that host work without a password?"),
            Address::Ssh if reason.contains("has changed") => Some(
                "its key is not the known one: ask who runs that host; if the new key is right, \
                 remove the old one (`ssh-keygen -R HOST`) and connect once with `ssh`",
            ),
            Address::Ssh if reason.contains("Host key verification failed") => {
                Some("connect to that host once with `ssh`, to make its key known")
            }
            _ => None,
        };
        Problem::Lasting { reason, hint: hint.map(ToOwned::to_owned) }
    }

    /// One connection. The outer error is final.
    fn attempt(&self, specs: &[String], shallow: Shallow) -> Result<Result<(), Stage>, Problem> {
        let url = redact(self.address);
        let meter = Arc::new(Meter::new(
            &url,
            self.git.network.download_limit,
            Arc::clone(self.git.report),
        ));
        let mut said = None;
        let outcome = self.try_fetch(specs, Some(shallow), &meter, &mut said, &mut |_| {});
        self.ended(&meter, outcome, said.as_ref())
    }

    /// One connection that only lists tags. The outer error is final.
    fn list(&self, take: &mut dyn FnMut(&[u8])) -> Result<Result<(), Stage>, Problem> {
        let url = redact(self.address);
        let limit = self.git.network.download_limit;
        let meter = Arc::new(Meter::new(&url, limit, Arc::clone(self.git.report)));
        let mut said = None;
        let spec = ["+refs/tags/*:refs/syslua/tags/*".to_owned()];
        let outcome = self.try_fetch(&spec, None, &meter, &mut said, take);
        self.ended(&meter, outcome, said.as_ref())
    }

    fn ended(
        &self,
        meter: &Meter,
        outcome: Result<(), Stage>,
        said: Option<&Said>,
    ) -> Result<Result<(), Stage>, Problem> {
        meter.finish();
        if is_set(self.git.interrupt) {
            return Err(Problem::Interrupted);
        }
        Ok(outcome.map_err(|stage| match (stage, last_lines(said)) {
            (Stage::Begin(_), Some(lines)) => Stage::Begin(lines),
            (Stage::Transfer(reason), Some(lines)) => Stage::Transfer(format!("{reason}: {lines}")),
            (stage, _) => stage,
        }))
    }

    fn try_fetch(
        &self,
        specs: &[String],
        shallow: Option<Shallow>,
        meter: &Arc<Meter>,
        said: &mut Option<Said>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Stage> {
        let begin = |error: gix::Error| Stage::Begin(chain(&error));
        // Not rewritten again: `insteadOf` was applied to what the user wrote.
        let url = match self.place {
            // The login stays with this client, which knows where to send it.
            Address::Web(url) => url.without_login(),
            _ => self.address.to_owned(),
        };
        let url = gix::url::parse(url.as_str()).map_err(|error| Stage::Begin(chain(&error)))?;
        let remote = self.repository.remote_at_without_url_rewrite(url).map_err(begin)?;
        let remote = remote.with_fetch_tags(Tags::None);
        let remote = remote
            .with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
            .map_err(begin)?;
        let (url, version) = remote.sanitized_url_and_version(Direction::Fetch).map_err(begin)?;
        let transport = self.transport(url, version, meter, said).map_err(Stage::Begin)?;
        let connection =
            remote.to_connection_with_transport(transport).with_transport_options(Box::new(()));
        let prepared =
            connection.prepare_fetch(gix::progress::Discard, Default::default()).map_err(begin)?;
        for reference in &prepared.ref_map().remote_refs {
            let (name, ..) = reference.unpack();
            take(name);
        }
        let Some(shallow) = shallow else { return Ok(()) };
        if prepared.ref_map().is_missing_required_mapping() {
            return Err(Stage::Missing);
        }
        let received =
            prepared.with_shallow(shallow).receive(gix::progress::Discard, self.git.interrupt);
        received.map(drop).map_err(|error| Stage::Transfer(chain(&error)))
    }

    /// The user's git configuration for web servers takes precedence over the environment, as in
    /// git.
    fn network(&self) -> Network {
        let mut network = self.git.network.clone();
        let config = self.repository.config_snapshot();
        if let Some(proxy) = config.string("http.proxy") {
            // An empty one switches it off.
            let proxy = Some(proxy.to_string()).filter(|proxy| !proxy.is_empty());
            network.http_proxy.clone_from(&proxy);
            network.https_proxy = proxy;
        }
        if let Ok(Some(file)) = config.trusted_path("http.sslCAInfo") {
            network.certificate_file = Some(file);
        }
        network
    }

    fn transport(
        &self,
        url: gix::Url,
        version: gix::protocol::transport::Protocol,
        meter: &Arc<Meter>,
        said: &mut Option<Said>,
    ) -> Result<Box<dyn Transport>, String> {
        match self.place {
            Address::Web(address) => {
                let client =
                    (self.git.client)(&self.network()).map_err(|problem| match problem {
                        Problem::Lasting { reason, .. } | Problem::Passing(reason) => reason,
                        Problem::Interrupted => "interrupted".to_owned(),
                    })?;
                let helpers = Helpers {
                    repository: self.repository.git_dir().to_owned(),
                    interrupt: Arc::clone(self.git.interrupt),
                    secrets: Arc::clone(&self.secrets),
                };
                let web = Web::new(client, address.clone(), Arc::clone(meter), helpers);
                Ok(Box::new(gix::protocol::transport::client::blocking_io::http::connect_http(
                    web, url, version, false,
                )))
            }
            _ => {
                let options =
                    self.repository.ssh_connect_options().map_err(|error| chain(&error))?;
                let patience = self.git.network.response_timeout;
                let (connection, lines) = ssh::connect(
                    &url,
                    &options,
                    version,
                    self.git.interrupt,
                    patience,
                    Arc::clone(meter),
                )
                .map_err(|error| error.to_string())?;
                *said = Some(lines);
                Ok(Box::new(connection))
            }
        }
    }
}

fn last_lines(said: Option<&Said>) -> Option<String> {
    let lines = said?.lock().unwrap_or_else(PoisonError::into_inner);
    let text = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    (!text.is_empty()).then_some(text)
}
