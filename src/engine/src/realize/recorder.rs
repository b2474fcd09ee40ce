//! What is recorded of finished builds: that their objects are on the disk, and what became of each
//! recipe.
//!
//! The disk is slow, so a separate thread does this, one batch after the other, while builds
//! continue.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::derivation::Derivation;
use crate::hash::Hash;
use crate::platform::lock::Lock;
use crate::store::publication::protect;
use crate::store::{self, Outputs, Store, write_outputs, write_package_link};

/// A build whose objects are there, and not yet known to be on the disk.
pub struct Unrecorded {
    /// The results of a build.
    pub derivation: Arc<Derivation>,
    /// Its hash with its dependencies resolved, when it has any.
    pub resolved: Option<Hash>,
    /// What it became.
    pub outputs: Outputs,
    /// When it was finished.
    pub since: Instant,
    /// Held until it is recorded, so that another process which waits for it finds it.
    pub _lock: Lock,
}

/// The thread, while there is one. It is waited for when this is dropped.
#[derive(Default)]
pub struct Recorder(Option<JoinHandle<store::Result<()>>>);

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // Who wanted to know has asked.
            let _ = thread.join();
        }
    }
}

impl Recorder {
    /// Returns whether it has something to do.
    pub fn is_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Begins to record builds, after it has finished with those before.
    ///
    /// # Errors
    /// When those before could not be recorded.
    pub fn begin(&mut self, store: &Store, builds: Vec<Unrecorded>) -> store::Result<()> {
        self.finish()?;
        let own = store.clone();
        let builds = Arc::new(builds);
        let given = Arc::clone(&builds);
        let started = thread::Builder::new()
            .name("syslua-record".to_owned())
            .spawn(move || record_all(&own, &given));
        match started {
            Ok(thread) => self.0 = Some(thread),
            // Without another thread it is done here.
            Err(_) => record_all(store, &builds)?,
        }
        Ok(())
    }

    /// Waits until everything is recorded.
    ///
    /// # Errors
    /// When something could not be.
    pub fn finish(&mut self) -> store::Result<()> {
        let Some(thread) = self.0.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Syncs the objects of finished builds, then records the builds: a record never names an object
/// that a power failure can damage.
fn record_all(store: &Store, builds: &[Unrecorded]) -> store::Result<()> {
    protect(store, builds.iter().flat_map(|built| built.outputs.values()))?;
    builds
        .iter()
        .try_for_each(|built| record(store, &built.derivation, built.resolved, &built.outputs))
}

/// Records what a derivation became.
///
/// # Errors
/// When the record cannot be written.
pub fn record(
    store: &Store,
    derivation: &Derivation,
    resolved: Option<Hash>,
    outputs: &Outputs,
) -> store::Result<()> {
    // There the pins of the build alone count: what it was built from is in the hash.
    if let (Some(resolved), Some(own)) = (resolved, outputs.own_pins()) {
        write_outputs(store, resolved, &outputs.clone().with_pins(None, own.clone()))?;
    }
    write_outputs(store, derivation.hash, outputs)?;
    let spec = &derivation.spec;
    if let (Some(version), Some(main)) =
        (&spec.version, spec.outputs.first().and_then(|first| outputs.get(first)))
    {
        write_package_link(store, &spec.name, version, &spec.system.platform, main)?;
    }
    Ok(())
}
