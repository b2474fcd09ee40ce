//! Finding the object that a derivation declares by `output_sha256`, instead of building it.
//!
//! No record has to be trusted for that, which is why an object that came from another machine can
//! stand in: its bytes are hashed again, and are those that the build would have to make.

use crate::derivation::Derivation;
use crate::names::ObjectName;
use crate::platform::jail::Level;
use crate::store::{Outputs, Store, read_info, verify};

/// Returns the declared output of a derivation if the store has it, whole.
pub fn find_declared(store: &Store, derivation: &Derivation) -> Option<Outputs> {
    let spec = &derivation.spec;
    let (Some(nar), [output]) = (spec.output_hash, spec.outputs.as_slice()) else { return None };
    let object = ObjectName::new(&spec.name, spec.version.as_ref(), output, nar);
    // A damaged record is as good as none.
    let info = read_info(store, &object).ok().flatten()?;
    let is_declared =
        info.nar == nar && info.content == nar && verify::look(store, &object).is_ok();
    // Whoever made it: it is what it has to be.
    is_declared
        .then(|| Outputs::from_iter([(output.clone(), object)]).with_level(Level::Namespaces))
}
