//! Repairs objects with what the root itself has: texts in the descriptions of derivations, and the
//! copies of sources. It runs no Lua, so it repairs files and trees only.

use std::path::Path;

use serde::Deserialize;

use super::Engine;
use crate::config_copy;
use crate::hash::Hash;
use crate::names::{ObjectName, Placeholder};
use crate::platform;
use crate::store::{self, read_derivation, read_info, recorded_outputs, repair};
use crate::value::Text;

/// The permission bits of a file that can be run. What is published gets its own.
const EXECUTABLE: u32 = 0o755;

/// A derivation as its description tells it, as far as files need it.
#[derive(Deserialize)]
struct Described {
    file: Option<DescribedFile>,
    dependencies: Vec<Hash>,
}

/// The recipe of a file or tree.
#[derive(Deserialize)]
struct DescribedFile {
    content: Option<Text>,
    source: Option<Hash>,
    built: Option<Text>,
    name: Option<String>,
    executable: bool,
}

impl Engine {
    /// Returns whether the root has what an object was made of, as [`Engine::repair_from_own`]
    /// needs it.
    pub(super) fn is_of_own_content(&self, object: &ObjectName) -> bool {
        self.described(object).is_some_and(|described| described.file.is_some())
    }

    fn described(&self, object: &ObjectName) -> Option<Described> {
        // A damaged record or description tells nothing.
        let info = read_info(&self.store, object).ok().flatten()?;
        serde_json::from_value(read_derivation(&self.store, info.deriver).ok()?).ok()
    }

    /// Repairs a damaged or missing object, if the root has what it was made of. Returns whether it
    /// did; a damaged one is in the quarantine then. The caller holds the store lock.
    ///
    /// # Errors
    /// When the file system refuses, or on an interrupt.
    pub(super) fn repair_from_own(&self, object: &ObjectName) -> store::Result<bool> {
        let store = &self.store;
        let Some(Described { file: Some(file), dependencies }) = self.described(object) else {
            return Ok(false);
        };
        repair::put_back(store, object, |place| self.write_described(&file, &dependencies, place))
    }

    /// Writes what a file recipe makes; returns whether it could.
    fn write_described(
        &self,
        file: &DescribedFile,
        dependencies: &[Hash],
        place: &Path,
    ) -> store::Result<bool> {
        let mut known = Vec::new();
        for dependency in dependencies {
            for outputs in recorded_outputs(&self.store, *dependency)? {
                for (output, object) in outputs {
                    let path = platform::bytes_of_path(&self.store.object(&object));
                    known.push((Placeholder::new(*dependency, &output), path));
                }
            }
        }
        let resolve = |text: &Text| {
            let path_of = |placeholder| {
                known.iter().find(|(known, _)| *known == placeholder).map(|(_, path)| path.clone())
            };
            Placeholder::resolve(&text.0, path_of).ok()
        };
        let is_written = match file {
            DescribedFile { content: Some(text), name, .. } => {
                let Some(text) = resolve(text) else { return Ok(false) };
                let inner = match name {
                    Some(name) => {
                        platform::create_directory(place)?;
                        place.join(name)
                    }
                    None => place.to_owned(),
                };
                platform::write_file_as(&inner, &text, 0o600)?;
                true
            }
            DescribedFile { source: Some(nar), .. } => {
                config_copy::restore_by_hash(&self.store, *nar, place)?
            }
            DescribedFile { built: Some(path), .. } => match resolve(path) {
                Some(path) => {
                    let path = platform::path_from_bytes(&path);
                    platform::copy_tree(&path, place, self.store.interrupt()).is_ok()
                }
                None => false,
            },
            _ => false,
        };
        if is_written && file.executable {
            platform::set_mode(place, EXECUTABLE)?;
        }
        Ok(is_written)
    }
}
