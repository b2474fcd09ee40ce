//! Moving closures of objects between machines: `export`, `import closure`.

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::report::{ClosureObjectReport, ExportReport, ImportReport, RootReport};
use super::{Engine, Error};
use crate::names::ObjectName;
use crate::platform::lock::{Lock, Sharing};
use crate::platform::{self, FileKind};
use crate::settings::Event;
use crate::store::closure::{self, Exported, Limits};
use crate::store::{self, Store};

/// The destination of a closure.
pub enum ExportTo<'a> {
    /// A file, which has its name only when it is whole.
    File(&'a Path),
    /// The receiver of the bytes.
    Writer(&'a mut dyn Write),
}

const BUFFER: usize = 256 * 1024;

impl Engine {
    /// Writes some objects and everything they refer to.
    ///
    /// # Errors
    /// When one is missing, damaged or cannot be moved, or the closure cannot be written.
    pub fn export(&self, objects: &[ObjectName], to: ExportTo<'_>) -> Result<ExportReport, Error> {
        let export = || -> closure::Result<(Exported, Option<PathBuf>)> {
            let settings = &self.settings;
            let system = settings.substitute.as_deref().map(Store::new);
            let collect = || {
                closure::collect(&self.store, system.as_ref(), objects, &settings.system.platform)
            };
            // Where there is nothing, no lock is made either.
            collect()?;
            let path = self.store.store_lock();
            let lock = Lock::take_for(settings, &path, Sharing::Shared, "the store");
            let _lock = lock.map_err(store::Error::from)?;
            // What is there now stays until the end.
            let collected = collect()?;
            let write = |writer: &mut dyn Write| {
                closure::export(
                    &self.store,
                    system.as_ref(),
                    collected,
                    writer,
                    settings.jobs,
                    &settings.interrupt,
                )
            };
            match to {
                ExportTo::Writer(writer) => Ok((write(writer)?, None)),
                ExportTo::File(path) => Ok((write_file(path, write)?, Some(path.to_owned()))),
            }
        };
        let failed = |source| Error::Closure { what: "cannot export".to_owned(), source };
        let (exported, file) = self.in_one_root(|| export().map_err(failed))?;
        let objects = exported.objects.into_iter();
        Ok(ExportReport {
            root: self.settings.root.clone(),
            file,
            roots: exported.roots,
            objects: objects.map(|(object, size)| self.closure_object(object, size)).collect(),
            length: exported.length,
        })
    }

    /// Reads a closure into the store. `what` names it in messages.
    ///
    /// # Errors
    /// When it is not a closure, is truncated or contradicts itself, or the store refuses: then
    /// nothing is imported.
    pub fn import_closure(
        &self,
        source: Box<dyn Read + Send>,
        what: &str,
    ) -> Result<ImportReport, Error> {
        let settings = &self.settings;
        let limits = Limits {
            unpack: &settings.unpack,
            platform: &settings.system.platform,
            lock_timeout: settings.lock_timeout,
            interrupt: &settings.interrupt,
        };
        let mut waiting = |lock: &str, pid| {
            self.settings.events.send(Event::Waiting { lock: lock.to_owned(), pid });
        };
        let failed = |source| Error::Closure { what: format!("cannot import {what}"), source };
        let imported = self.in_one_root(|| {
            closure::import(&self.store, source, &limits, &mut waiting).map_err(failed)
        })?;
        if imported.platform != settings.system.platform {
            let message = format!(
                "the closure was made on {}, and this is {}: programs in it may not run here",
                imported.platform.escape_debug(),
                settings.system.platform
            );
            self.settings.events.send(Event::Warning { message });
        }
        let root = |object: ObjectName| RootReport {
            path: self.store.object(&object),
            gc_root: self.store.import_root(&object),
            object,
        };
        Ok(ImportReport {
            root: settings.root.clone(),
            kind: "closure",
            platform: imported.platform,
            roots: imported.roots.into_iter().map(root).collect(),
            imported: imported
                .new
                .into_iter()
                .map(|(object, size)| self.closure_object(object, size))
                .collect(),
            present: imported.present,
        })
    }

    fn closure_object(&self, object: ObjectName, size: u64) -> ClosureObjectReport {
        ClosureObjectReport { path: self.store.object(&object), object, size }
    }
}

/// Writes a file under a temporary name and renames it, so a failure keeps the existing file. A
/// path that is not a regular file, such as a pipe, is written directly.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> closure::Result<Exported>,
) -> closure::Result<Exported> {
    // A link stays, and leads to the new file.
    let path = if platform::exists(path) { platform::canonical(path) } else { path.to_owned() };
    let refused = |reason: &str| {
        let error = std::io::Error::other(format!("{} {reason}", path.display()));
        closure::Error::Write(error)
    };
    match platform::kind_of(&path)? {
        Some(FileKind::Directory) => return Err(refused("is a directory")),
        Some(FileKind::Special) => {
            let mut file = platform::append_file(&path)?;
            return write(&mut file);
        }
        _ => {}
    }
    let Some(name) = path.file_name() else { return Err(refused("is not a valid file name")) };
    let temporary =
        path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    // Only a process of this number, which was killed, can have left one.
    platform::remove_tree(&temporary)?;
    let mut file = BufWriter::with_capacity(BUFFER, platform::create_user_file(&temporary)?);
    let written = write(&mut file).and_then(|written| {
        drop(file);
        platform::rename(&temporary, &path)?;
        Ok(written)
    });
    if written.is_err() {
        // The error is the one to tell.
        let _ = platform::remove_file(&temporary);
    }
    written
}
