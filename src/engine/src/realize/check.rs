//! Building a derivation a second time, to see whether it comes out the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::scheduler::busy;
use super::{Build, Error, Step, Tasks};
use crate::derivation::Derivation;
use crate::failure::Failure;
use crate::hash::Hash;
use crate::names::OutputName;
use crate::platform;
use crate::platform::lock::{Lock, Mode};
use crate::settings::{Event, Settings};
use crate::store::compare::first_difference;
use crate::store::verify::content_path;
use crate::store::{self, Outputs, Store, read_info};

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

/// Builds a realized derivation again, on this thread, and returns where it differs, if it does.
///
/// # Errors
/// When the build fails or the file system refuses.
pub fn check(
    store: &Store,
    settings: &Settings,
    derivation: &Arc<Derivation>,
    realized: &BTreeMap<Hash, Outputs>,
    tasks: &mut dyn Tasks,
    on_event: &mut dyn FnMut(Event),
) -> Result<Option<Difference>, Error> {
    let outputs = realized.get(&derivation.hash).cloned().unwrap_or_default();
    let lock_path = store.build_lock(derivation.hash);
    let waiting = |pid| on_event(Event::Waiting { lock: derivation.title(), pid });
    let lock = Lock::take(&lock_path, Mode::Exclusive, settings.lock_timeout, &settings.interrupt, waiting);
    let lock = lock.map_err(|error| busy(derivation, error))?;
    let build = Arc::new(Build::prepare(store, Arc::clone(derivation), realized, settings, Arc::new(drop))?);
    let result = run(&build, tasks).and_then(|()| compare(store, &build, &outputs));
    build.discard().map_err(store::Error::from)?;
    drop(lock);
    result
}

fn run(build: &Arc<Build>, tasks: &mut dyn Tasks) -> Result<(), Error> {
    let failed = |failure: Failure| Error::Build { derivation: build.derivation.title(), failure };
    match tasks.begin(Arc::clone(build), true).map_err(failed)?.resume(None) {
        Step::Finished => Ok(()),
        Step::Failed(failure) => Err(failed(failure)),
        Step::Request(_) | Step::Restart => {
            Err(failed(Failure::new("internal", "a task that works in place asked for an operation")))
        }
    }
}

fn compare(store: &Store, build: &Build, outputs: &Outputs) -> Result<Option<Difference>, Error> {
    let mut names = Vec::new();
    let mut places = BTreeMap::new();
    for (output, temporary) in build.derivation.temporary_names() {
        if let Some(object) = outputs.get(&output) {
            let place = content_path(store, object, read_info(store, object)?.as_ref()).map_err(store::Error::from)?;
            // What was built in the system's store calls itself by its place there.
            let own = platform::bytes_of_path(&store.building().join(temporary.as_str()));
            names.push((own, Some(platform::bytes_of_path(&place))));
            places.insert(output, place);
            let (temporary, object) = (temporary.as_str().as_bytes(), object.as_str().as_bytes());
            names.push(([b"bld/", temporary].concat(), Some([b"obj/", object].concat())));
            names.push((temporary.to_vec(), Some(object.to_vec())));
        }
    }
    for (output, place) in &places {
        let Some(path) = build.workspace.outputs.get(output) else { continue };
        if !platform::exists(path) {
            return Err(store::Error::MissingOutput { output: output.to_string(), path: path.clone() }.into());
        }
        if let Some((file, how)) = first_difference(path, place, &names)? {
            return Ok(Some(Difference { output: output.clone(), file, how }));
        }
    }
    Ok(None)
}
