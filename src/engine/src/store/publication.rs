//! Publication: what is finished gets its name in `obj/`. Nothing else puts anything there.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::info::{ObjectInfo, read_info, write_info};
use super::{Result, Store, tree, verify};
use crate::encode;
use crate::hash::{Hash, Hasher, Sink};
use crate::names::ObjectName;
use crate::platform::{self, Directory, FileKind, Node, Step, Walk};
use crate::settings::Interrupt;

/// What has a name already.
pub(super) enum Existing {
    /// Nothing.
    Nothing,
    /// The same content, whole.
    Same,
    /// Other content with the same nine digits.
    Other,
}

/// Looks at what has an object's name. A damaged object is set aside, so that a whole one takes its
/// place.
pub(super) fn standing(store: &Store, object: &ObjectName, content: Hash) -> Result<Existing> {
    if !platform::exists(&store.object(object)) {
        return Ok(Existing::Nothing);
    }
    // A damaged record is as good as none.
    if read_info(store, object).ok().flatten().is_some_and(|info| info.content != content) {
        return Ok(Existing::Other);
    }
    if is_whole(store, object) {
        return Ok(Existing::Same);
    }
    verify::quarantine(store, object)?;
    Ok(Existing::Nothing)
}

/// Returns whether an object matches its record. A process that was killed just after the rename
/// left the top directory writable; that is corrected.
pub(super) fn is_whole(store: &Store, object: &ObjectName) -> bool {
    let path = store.object(object);
    if platform::observe(&path)
        .is_ok_and(|seen| seen.is_some_and(|seen| is_open(seen.kind, seen.mode)))
    {
        // The check shows the result.
        let _ = platform::set_mode(&path, 0o555);
    }
    verify::observe(store, object).is_ok()
}

/// Returns whether the top of an object still has the right to write that it is published with.
fn is_open(kind: FileKind, mode: u32) -> bool {
    kind == FileKind::Directory && mode == 0o755
}

/// The directories that publication works in.
pub(super) struct Publisher<'a> {
    pub(super) store: &'a Store,
    /// Where objects are prepared. No build may write here.
    pub staging: Arc<Directory>,
    pub(super) objects: Directory,
}

impl<'a> Publisher<'a> {
    /// Opens them.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn new(store: &'a Store) -> Result<Publisher<'a>> {
        Publisher::from(store, Arc::new(Directory::at(&store.staging())?))
    }

    /// The same for an object that is prepared in another directory of sys.lua.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn from(store: &'a Store, staging: Arc<Directory>) -> Result<Publisher<'a>> {
        Ok(Publisher { store, staging, objects: Directory::at(store.objects())? })
    }

    /// Publishes what is finished: writes its record, gives it its name, and takes the right to
    /// write from its top. Nothing else puts anything into `obj/`. The caller holds the publication
    /// lock, and nothing has the object's name. `read` are the numbers of what was hashed, unless
    /// the caller itself wrote it: only that gets the name.
    ///
    /// # Errors
    /// When the file system refuses, or something else was swapped in.
    pub fn put(
        &self,
        name: &OsStr,
        object: &ObjectName,
        info: &ObjectInfo,
        read: Option<(u64, u64)>,
    ) -> Result<()> {
        write_info(self.store, object, info)?;
        self.place(name, object, read)
    }

    /// The same for an object whose record is there.
    ///
    /// # Errors
    /// As [`Publisher::put`].
    pub fn place(&self, name: &OsStr, object: &ObjectName, read: Option<(u64, u64)>) -> Result<()> {
        let top = OsStr::new(object.as_str());
        // Only after it is there: a user cannot move a directory that is read-only.
        let directory = self.staging.directory(name).ok();
        match self.staging.rename_new(name, &self.objects, top) {
            // A file that objects share is immutable, and cannot be renamed as long as it is.
            Err(error) if error.is_denied() && platform::may_set_immutable() => {
                self.staging.set_immutable(name, false);
                self.staging.rename_new(name, &self.objects, top)?;
                self.objects.set_immutable(top, true);
            }
            renamed => renamed?,
        }
        if let Some(directory) = &directory {
            directory.set_own_mode(0o555)?;
        }
        match read {
            Some(read) if self.objects.node(top)?.is_none_or(|node| node.id != read) => {
                verify::quarantine(self.store, object)?;
                Err(tree::content::changed(&self.store.object(object)))
            }
            _ => Ok(()),
        }
    }
}

/// Waits until published objects are on the disk, and makes them immutable where the system permits
/// it. One sync for all: what a record names is whole even after a power cut.
///
/// # Errors
/// When the system reports a failed write.
pub fn protect<'a>(store: &Store, objects: impl IntoIterator<Item = &'a ObjectName>) -> Result<()> {
    let objects: Vec<&ObjectName> = objects.into_iter().collect();
    if !sync_large(store, &objects)? {
        platform::sync_file_system(store.objects())?;
    }
    if platform::may_set_immutable() {
        for object in objects {
            // The files that it shares with others are so already.
            match store.session().take_unprotected(object) {
                Some(paths) => {
                    let directory = Directory::at(store.objects())?;
                    for path in paths {
                        let path = platform::join(Path::new(object.as_str()), &path);
                        directory.set_immutable(path.as_os_str(), true);
                    }
                }
                None => platform::set_immutable(&store.object(object), true),
            }
        }
    }
    Ok(())
}

/// Syncs objects that are much in a few files, file by file; returns whether it did. To sync the
/// file system would also wait for everything that other programs wrote to it.
fn sync_large(store: &Store, objects: &[&ObjectName]) -> Result<bool> {
    // Their records are read for that.
    const FEW_OBJECTS: usize = 64;
    const FEW: usize = 256;
    const MUCH: u64 = 16 << 20;
    if objects.len() > FEW_OBJECTS {
        return Ok(false);
    }
    let mut size = 0;
    for object in objects {
        match read_info(store, object)? {
            Some(info) if !info.borrowed => size += info.size,
            _ => return Ok(false),
        }
    }
    if size < MUCH {
        return Ok(false);
    }
    let directory = Arc::new(Directory::at(store.objects())?);
    let mut files = Vec::new();
    for object in objects {
        let mut walk = Walk::new(Arc::clone(&directory), OsStr::new(object.as_str()));
        while let Some(step) = walk.step()? {
            match step {
                Step::Node { directory, name, kind: FileKind::File } => {
                    files.push((directory, name));
                    if files.len() > FEW {
                        return Ok(false);
                    }
                }
                Step::Left { inner, .. } => inner.sync()?,
                Step::Node { .. } => {}
            }
        }
    }
    // Side by side: each waits for the disk, which does several at once.
    files.par_iter().try_for_each(|(directory, name)| directory.sync_file(name))?;
    directory.sync()?;
    for object in objects {
        platform::sync_file(&store.info(object))?;
    }
    let info = store.info(objects[0]);
    Ok(platform::sync_directory(info.parent().unwrap_or(&info)).map(|()| true)?)
}

/// Returns the hash that names the object: the content's, or with a counter where that is taken.
pub(super) fn numbered(content: Hash, counter: u64) -> Hash {
    if counter == 0 {
        return content;
    }
    let mut hasher = Hasher::default();
    hasher.put(content.as_bytes());
    encode::number(&mut hasher, counter);
    hasher.finish()
}

/// Gives the owner the rights to look at everything and to rewrite it. Whether a file is executable
/// stays.
///
/// # Errors
/// When the file system refuses.
pub fn make_accessible(directory: &Arc<Directory>, name: &OsStr) -> Result<()> {
    let mut walk = Walk::new(Arc::clone(directory), name);
    while let Some(step) = walk.step()? {
        if let Step::Node { directory, name, kind } = step {
            platform::open_up(
                &directory,
                &name,
                if kind == FileKind::Directory { 0o700 } else { 0o400 },
            )?;
        }
    }
    Ok(())
}

/// Gives everything the modes and times that objects have. The top directory stays writable until
/// it is in place.
pub(super) fn normalise(
    staging: &Arc<Directory>,
    name: &OsStr,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut walk = Walk::new(Arc::clone(staging), name);
    let mut depth = 0usize;
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { kind: FileKind::Directory, directory, .. } => {
                interrupt
                    .check()
                    .map_err(|cause| platform::failed("read", &directory.path())(cause))?;
                depth += 1;
            }
            Step::Node { directory, name, kind } => {
                let node = if kind == FileKind::File { directory.node(&name)? } else { None };
                if let Some(node) = node.filter(|node| node.links > 1) {
                    separate(staging, &directory, &name, &node, interrupt)?;
                }
                directory
                    .normalise(&name, |node| if node.is_executable() { 0o555 } else { 0o444 })?;
            }
            Step::Left { directory, name, .. } => {
                depth -= 1;
                directory.normalise(&name, |_| if depth == 0 { 0o755 } else { 0o555 })?;
            }
        }
    }
    Ok(())
}

/// Gives a file that has other names, maybe outside of the build, its own inode.
fn separate(
    staging: &Directory,
    directory: &Directory,
    name: &OsStr,
    node: &Node,
    interrupt: &Interrupt,
) -> Result<()> {
    let temporary = scratch(node);
    platform::copy_file_in(directory, name, staging, &temporary, interrupt)?;
    Ok(staging.rename_over(&temporary, directory, name)?)
}

/// Returns the name in staging of a new version of a file: by the process and the number of the
/// file.
pub(super) fn scratch(node: &Node) -> OsString {
    format!("scratch-{}-{}", std::process::id(), node.id.1).into()
}
