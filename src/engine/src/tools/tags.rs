//! The tags of repositories, listed with the git protocol. Simultaneous requests for one repository
//! share the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use syslua_tools::{Package, mirrored};

use crate::failure::{Failure, FailureKind};
use crate::hash::Hash;
use crate::inputs::with_git;
use crate::operation::{self, cache_lock, network};
use crate::platform;
use crate::settings::Settings;
use crate::store::Store;

type Answer = Arc<OnceLock<Result<Arc<Vec<String>>, Failure>>>;

/// The tags of the repositories that were asked.
#[derive(Default)]
pub struct TagLists(Mutex<BTreeMap<String, Answer>>);

impl TagLists {
    /// Returns the tags of a package. Without a repository they are those that the registry's own
    /// tests use.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn of(
        &self,
        settings: &Settings,
        store: &Store,
        package: &Package,
        github: Option<&str>,
    ) -> Result<Arc<Vec<String>>, Failure> {
        let Some(repository) = package.repository() else {
            let known = package.sample.iter().chain(&package.tested);
            return Ok(Arc::new(known.cloned().collect()));
        };
        let url = format!("{}/{repository}", syslua_tools::resolve::GITHUB);
        let url = mirrored(&url, github);
        let answer = {
            let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lists.entry(url.clone()).or_default())
        };
        let listed = answer.get_or_init(|| list(settings, store, &url).map(Arc::new));
        listed.clone().map_err(|failure| Failure {
            message: format!("cannot list the versions of {}: {}", package.name, failure.message),
            ..failure
        })
    }
}

fn list(settings: &Settings, store: &Store, url: &str) -> Result<Vec<String>, Failure> {
    let failed = |error: &operation::Error| Failure::of(FailureKind::Tools, error);
    if settings.offline && !url.starts_with("file://") {
        let message = "the network is switched off (--offline)";
        return Err(Failure::new(FailureKind::Tools, message)
            .with_hint("what syslua.lock has needs no network; run once without --offline"));
    }
    let place = store.input_trees().join(Hash::of(format!("tags {url}").as_bytes()).to_hex());
    let _turn = cache_lock::take(settings, &place, url).map_err(|error| failed(&error))?;
    let scratch = place.with_extension("new");
    platform::remove_tree(&scratch)
        .and_then(|()| platform::create_directory(&scratch))
        .map_err(|error| failed(&error.into()))?;
    let report = network::report(&settings.events);
    let tags = with_git(settings, &report, &scratch, None, |git| git.list_tags(url));
    // What cannot be removed is removed by the next call, or by gc.
    let _ = platform::remove_tree(&scratch);
    tags.map_err(|problem| {
        let error = network::from_problem(url, problem);
        if matches!(error, operation::Error::Interrupted) {
            return super::interrupted();
        }
        failed(&error)
    })
}
