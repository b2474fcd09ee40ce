//! Performing a plan: new snapshot first, then the actions, then the swap of `current`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::plan::{Mark, Plan, Step};
use super::{Error, write};
use crate::action::symlink::{self, Done};
use crate::activation::Action;
use crate::generations;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform;
use crate::snapshot::{self, Snapshot};
use crate::store::Store;
use crate::value::Text;

/// What a switch left.
#[derive(Debug)]
pub struct Switched {
    /// The snapshot that is applied now.
    pub id: SnapshotId,
}

/// Performs a plan. The caller holds the switch lock and computed the plan under it.
///
/// # Errors
/// When a step fails: everything is as it was, or the error says what is not.
pub fn switch(
    store: &Store,
    home: &Path,
    manifest: &Manifest,
    plan: &Plan,
    description: &str,
) -> Result<Switched, Error> {
    if !platform::exists(&store.snapshot(SnapshotId(0))) {
        write::write_snapshot(store, home, &Snapshot::empty(), &Manifest::default())?;
    }
    if !platform::exists(&store.current()) {
        platform::symlink(Path::new("snapshots/0"), &store.current())?;
    }
    write::write_fixed_links(store)?;
    let id = generations::next_id(store)?;
    let mut done: Vec<Done> = Vec::new();
    let switched = perform(store, home, manifest, plan, description, id, &mut done);
    switched.map(|()| Switched { id }).map_err(|error| take_back(store, id, &done, error))
}

fn perform(
    store: &Store,
    home: &Path,
    manifest: &Manifest,
    plan: &Plan,
    description: &str,
    id: SnapshotId,
    done: &mut Vec<Done>,
) -> Result<(), Error> {
    let changing: Vec<&Step> = plan.steps.iter().filter(|step| step.mark != Mark::Unchanged).collect();
    let (kept, leftover) = directories(plan, missing_parents(&changing));
    let snapshot = Snapshot {
        version: snapshot::VERSION,
        id,
        parent: Some(plan.current.id),
        created_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        description: description.to_owned(),
        config_path: manifest.config_path.clone(),
        derivations: plan.derivations.clone(),
        activations: plan.activations.clone(),
        directories: kept.iter().map(|path| Text(platform::bytes_of_path(path))).collect(),
    };
    write::write_snapshot(store, home, &snapshot, manifest)?;
    for step in changing {
        done.extend(perform_step(step)?);
    }
    platform::replace_symlink(Path::new(&format!("snapshots/{id}")), &store.current())?;
    // From here on the new state is the truth; what follows only tidies up.
    let _ = platform::sync_directory(&store.metadata());
    symlink::remove_empty(&leftover);
    Ok(())
}

/// The directories that will have to be created for new targets.
fn missing_parents(steps: &[&Step]) -> Vec<PathBuf> {
    let places = steps.iter().filter(|step| step.mark != Mark::Remove).filter_map(|step| step.place.as_deref());
    let mut missing = Vec::new();
    for place in places {
        let above = place.ancestors().skip(1);
        missing.extend(above.take_while(|directory| !platform::exists(directory)).map(Path::to_owned));
    }
    missing
}

fn perform_step(step: &Step) -> Result<Option<Done>, Error> {
    let (Some(place), Action::Symlink { source, .. }) = (&step.place, &step.activation.action) else {
        return Ok(None);
    };
    let source = (step.mark != Mark::Remove).then(|| source.to_path());
    if source.is_some() && source == step.before {
        return Ok(None);
    }
    Ok(Some(symlink::perform(place, source.as_deref(), step.before.as_deref())?))
}

/// Splits our directories into those that still hold a target and those that may go.
fn directories(plan: &Plan, created: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut all: Vec<PathBuf> = plan.current.directories.iter().map(Text::to_path).chain(created).collect();
    all.sort();
    all.dedup();
    let places: Vec<&PathBuf> =
        plan.steps.iter().filter(|step| step.mark != Mark::Remove).filter_map(|step| step.place.as_ref()).collect();
    all.into_iter().partition(|directory| places.iter().any(|place| place.starts_with(directory)))
}

fn take_back(store: &Store, id: SnapshotId, done: &[Done], cause: Error) -> Error {
    let mut failed: Vec<String> =
        done.iter().rev().filter_map(|done| done.undo().err()).map(|error| error.to_string()).collect();
    // A snapshot that was never current is nobody's.
    failed.extend(platform::remove_tree(&store.snapshot(id)).err().map(|error| error.to_string()));
    if failed.is_empty() { cause } else { Error::HalfUndone { cause: cause.to_string(), failed } }
}
