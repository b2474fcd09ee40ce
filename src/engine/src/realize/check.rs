//! Building a derivation a second time, to see whether it comes out the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::build::Shared;
use super::{Build, Error, Step, Tasks, busy, file};
use crate::derivation::Derivation;
use crate::failure::{Failure, FailureKind};
use crate::hash::Hash;
use crate::names::OutputName;
use crate::platform;
use crate::platform::lock::{Lock, Sharing};
use crate::settings::Settings;
use crate::store::compare::first_difference;
use crate::store::import::add_own_name;
use crate::store::verify::content_path;
use crate::store::{self, Outputs, Slot, Store, read_info};

/// Where two builds differ.
#[derive(Debug)]
pub struct Difference {
    /// The output.
    pub output: OutputName,
    /// The first file that differs, below it.
    pub file: PathBuf,
    /// How it differs.
    pub how: String,
}

/// The directory of the second build, in that of the first one.
const OTHER_DIRECTORY: &str = "check";

/// Builds a realized derivation again, on this thread, in another build directory and with another
/// umask, time zone and locale, and returns where it differs, if it does.
///
/// # Errors
/// When the build fails or the file system refuses.
pub fn check(
    store: &Store,
    settings: &Settings,
    derivation: &Arc<Derivation>,
    realized: &BTreeMap<Hash, Outputs>,
    tasks: &mut dyn Tasks,
) -> Result<Option<Difference>, Error> {
    let outputs = realized.get(&derivation.hash).cloned().unwrap_or_default();
    // Collecting garbage takes what a build is at work on for a leftover.
    let shared = Lock::take_for(settings, &store.store_lock(), Sharing::Shared, "the store")
        .map_err(store::Error::from)?;
    let slot = store.slot_lock(Slot::of(derivation.hash));
    // In this order everywhere: a build with a slot waits for nothing.
    let locks = [store.build_lock(derivation.hash), slot]
        .map(|path| Lock::take_for(settings, &path, Sharing::Exclusive, derivation.title()));
    let locks = locks
        .into_iter()
        .collect::<Result<Vec<Lock>, _>>()
        .map_err(|error| busy(derivation, error))?;
    let mut build = Build::prepare(
        store,
        Arc::clone(derivation),
        realized,
        &settings.without_events(),
        &Shared::default(),
    )?;
    build.workspace.is_check = true;
    // It has another name and is as deep as it was not: what depends on it differs.
    let directory = build.workspace.directory.clone();
    platform::create_directory(&directory).map_err(store::Error::from)?;
    build.workspace.directory = directory.join(OTHER_DIRECTORY);
    let build = Arc::new(build);
    let result = run(&build, tasks).and_then(|()| compare(store, &build, &outputs));
    let removed = build.discard().and_then(|()| platform::remove_tree(&directory));
    removed.map_err(store::Error::from)?;
    drop((locks, shared));
    result
}

fn run(build: &Arc<Build>, tasks: &mut dyn Tasks) -> Result<(), Error> {
    let failed = |failure: Failure| Error::Build { derivation: build.derivation.title(), failure };
    match file::begin(build, true, tasks).map_err(failed)?.resume(None) {
        Step::Finished => match build.workspace.refusal() {
            Some(failure) => Err(failed(failure)),
            None => Ok(()),
        },
        Step::Failed(failure) => Err(failed(failure)),
        Step::Request(_) | Step::Restart => Err(failed(Failure::new(
            FailureKind::Internal,
            "a task that works in place asked for an operation",
        ))),
    }
}

fn compare(store: &Store, build: &Build, outputs: &Outputs) -> Result<Option<Difference>, Error> {
    let mut names = Vec::new();
    let mut places = BTreeMap::new();
    for (output, temporary) in build.derivation.temporary_names() {
        if let Some(object) = outputs.get(&output) {
            let place = content_path(store, object, read_info(store, object)?.as_ref())
                .map_err(store::Error::from)?;
            // A build in the system's store contains its own path there.
            let own = platform::bytes_of_path(&build.workspace.building.join(temporary.as_str()));
            names.push((own, Some(platform::bytes_of_path(&place))));
            places.insert(output, place);
            let object = object.as_str().as_bytes().to_vec();
            add_own_name(&mut names, Slot::of(build.derivation.hash), &temporary, Some(object));
        }
    }
    for (output, place) in &places {
        let Some(path) = build.workspace.outputs.get(output) else { continue };
        if !platform::exists(path) {
            return Err(store::Error::MissingOutput {
                output: output.to_string(),
                path: path.clone(),
            }
            .into());
        }
        if let Some((file, how)) = first_difference(path, place, &names)? {
            return Ok(Some(Difference { output: output.clone(), file, how }));
        }
    }
    Ok(None)
}
