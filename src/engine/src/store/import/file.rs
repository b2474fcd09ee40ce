//! Publication of single files whose content is at hand, many at a time.

use std::ffi::OsString;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Existing, Publisher, standing};
use crate::hash::Hash;
use crate::names::{Name, ObjectName, OutputName};
use crate::platform;
use crate::platform::jail::Level;
use crate::store::info::{self, ObjectInfo};
use crate::store::memory::Entry;
use crate::store::shared::SharedFiles;
use crate::store::{Result, Store};

/// A file that is to become an object. It refers to nothing, not even to itself.
pub struct File<'a> {
    /// The derivation's hash.
    pub deriver: Hash,
    /// The derivation's name.
    pub name: &'a Name,
    /// The bytes.
    pub content: Vec<u8>,
    /// Whether it can be run.
    pub is_executable: bool,
    /// The SHA-256 of its NAR.
    pub nar: Hash,
    /// Whether its bytes do not name the place of the store.
    pub relocatable: bool,
    /// How far a program would have been confined.
    pub sandbox: Level,
}

impl File<'_> {
    /// Returns the name of the object that it becomes, as long as nothing else has it.
    fn object(&self) -> ObjectName {
        ObjectName::new(self.name, None, &OutputName::main(), self.nar)
    }

    /// Writes the record and the object. `None` when something else has its name, or what has it is
    /// damaged.
    fn publish(
        &self,
        publisher: &Publisher<'_>,
        shared: &SharedFiles<'_>,
        object: &ObjectName,
    ) -> Result<bool> {
        let store = publisher.store;
        match standing(store, object, self.nar)? {
            Existing::Same => return Ok(true),
            Existing::Other => return Ok(false),
            Existing::Nothing => {}
        }
        let staged = OsString::from(format!("{}-{}", self.deriver, OutputName::main()));
        if publisher.staging.has(&staged) {
            // The process that published it was killed.
            platform::remove_in(&publisher.staging, &staged)?;
        }
        let mode = if self.is_executable { 0o555 } else { 0o444 };
        shared.write(self.nar, &self.content, mode, &publisher.staging, &staged)?;
        let info = ObjectInfo {
            version: info::VERSION,
            name: self.name.clone(),
            derivation_version: None,
            output: OutputName::main(),
            content: self.nar,
            nar: self.nar,
            size: self.content.len() as u64,
            deriver: self.deriver,
            references: Vec::new(),
            relocatable: self.relocatable,
            case_collisions: Vec::new(),
            borrowed: false,
            sandbox: self.sandbox,
        };
        publisher.put(&staged, object, &info, None)?;
        let path = object.as_str().as_bytes();
        let entry = Entry::of(&publisher.objects, path, self.nar)?;
        store.session().note_published([(path.to_vec(), entry)]);
        Ok(true)
    }
}

/// Publishes files on all threads of the current pool; returns their objects, `None` for a file
/// that could not be published this way. Equal files become one object, which the first of them
/// makes.
///
/// # Errors
/// When the lock cannot be taken.
pub fn import_files(store: &Store, files: &[Option<File<'_>>]) -> Result<Vec<Option<ObjectName>>> {
    let objects: Vec<Option<ObjectName>> =
        files.iter().map(|file| file.as_ref().map(File::object)).collect();
    let mut first = std::collections::HashMap::new();
    for (number, object) in objects.iter().enumerate() {
        if let Some(object) = object {
            first.entry(object).or_insert(number);
        }
    }
    let _lock = store.lock_publication()?;
    let shared = SharedFiles::new(store);
    let publisher = Publisher::new(store)?;
    let publish = |number: &usize| -> Option<bool> {
        // What fails is built again as everything else is, and then says why.
        Some(
            files[*number]
                .as_ref()?
                .publish(&publisher, &shared, objects[*number].as_ref()?)
                .unwrap_or(false),
        )
    };
    let makers: Vec<usize> = first.values().copied().collect();
    let published: Vec<Option<bool>> = makers.par_iter().map(publish).collect();
    let made: std::collections::HashSet<usize> = makers
        .iter()
        .zip(published)
        .filter(|(_, made)| *made == Some(true))
        .map(|(number, _)| *number)
        .collect();
    let is_made = |object: &ObjectName| first.get(object).is_some_and(|maker| made.contains(maker));
    Ok(objects.iter().map(|object| object.clone().filter(is_made)).collect())
}
