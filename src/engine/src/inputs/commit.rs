//! Inputs that are commits of git.

use std::path::{Path, PathBuf};

use syslua_fetch::Report;
use syslua_fetch::git::{Git, Revision};
use syslua_tools::mirrored;

use super::address::{InputAddress, Origin};
use super::tree::InputTree;
use super::{Fetched, Request, Session, login_of};
use crate::lock::LockedInput;
use crate::operation::{Error, Result, network};
use crate::platform;
use crate::settings::{Network, Settings};

/// Calls `run` with what fetches commits, into repositories below `scratch`.
pub fn with_git<T>(
    settings: &Settings,
    report: &Report,
    scratch: &Path,
    login: Option<(String, String)>,
    run: impl FnOnce(&Git<'_>) -> T,
) -> T {
    let interrupt = &settings.interrupt.0;
    let client = |network: &Network| settings.context.client(network, interrupt);
    let (network, offline) = (&settings.network, settings.offline);
    run(&Git { network, offline, interrupt, client: &client, report, scratch, login })
}

/// Fetches a commit into a directory below `scratch`: the locked one, or what the address names.
pub fn fetch(
    session: &Session<'_>,
    request: &Request,
    address: &InputAddress,
    locked: Option<&LockedInput>,
    scratch: &Path,
) -> Result<(Fetched, PathBuf)> {
    let Origin::Git { repository, reference, submodules } = &address.origin else {
        return Err(Error::Fetch {
            url: request.key.clone(),
            reason: "it is not a repository".to_owned(),
            hint: None,
        });
    };
    let repository = &mirrored(repository, request.github.as_deref());
    let wanted =
        locked.and_then(|locked| locked.rev.as_deref()).or(reference.as_deref()).unwrap_or("HEAD");
    let revision = Revision::parse(wanted).map_err(|problem| {
        network::failed(repository, format!("the revision {wanted:?} {problem}"), None)
    })?;
    let top = scratch.join("tree");
    platform::create_directory(&top)?;
    let report = network::report(&session.settings.events);
    let login = request.auth.as_ref().map(|auth| login_of(auth));
    let mut tree = InputTree::new(&top, *submodules);
    let commit = with_git(session.settings, &report, scratch, login, |git| {
        git.fetch(repository, &revision, *submodules, &mut tree)
    });
    let commit = commit.map_err(|failure| network::from_failure(repository, failure))?;
    let notices = tree.notices();
    let sha256 =
        session.hash(&top).map_err(|error| network::failed(repository, error.to_string(), None))?;
    let fetched =
        Fetched { sha256, rev: Some(commit.commit), last_modified: Some(commit.time), notices };
    Ok((fetched, top))
}
