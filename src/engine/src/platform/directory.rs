//! Working in one directory by its descriptor: names in it are never followed, and a process that
//! swaps a directory above it for a link has no effect. Everything that others can change is used
//! this way.
//!
//! As root, below a directory of another user, everything is done with that user's rights.
//! Elsewhere than on Unix, paths are used instead of descriptors.
//!
//! It is over 600 lines, because it contains every operation in a directory, once.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::fault::Operation;
use super::system_directory as raw;
use super::{Actor, Error, Facts, FileKind, Mounts, Result, failed, fault};
use crate::hash::{Hash, Hasher, Sink};
use crate::settings::Interrupt;

/// A directory that is open. Names are single components.
#[derive(Debug)]
pub struct Directory {
    raw: raw::Handle,
    place: DirectoryPath,
    actor: Option<Actor>,
}

/// The way to a directory, for messages. Of one in another, only the name is kept: trees may be
/// deeper than all their paths together would fit in memory.
#[derive(Clone, Debug)]
struct DirectoryPath(Arc<Step>);

#[derive(Debug)]
struct Step {
    above: Option<DirectoryPath>,
    name: PathBuf,
}

impl DirectoryPath {
    fn path(&self) -> Cow<'_, Path> {
        if self.0.above.is_none() {
            return Cow::Borrowed(&self.0.name);
        }
        let mut names = Vec::new();
        let mut next = Some(self);
        while let Some(place) = next {
            names.push(&place.0.name);
            next = place.0.above.as_ref();
        }
        Cow::Owned(names.into_iter().rev().collect())
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // One after the other: dropping what holds what holds the next would need a deep stack.
        let mut next = self.above.take();
        while let Some(place) = next {
            next = Arc::try_unwrap(place.0).ok().and_then(|mut step| step.above.take());
        }
    }
}

/// The kind of file at a name, as far as trees of files are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its kind.
    pub kind: FileKind,
    /// Its permission bits.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
    /// The bytes of a file.
    pub size: u64,
    /// How many names a file has.
    pub links: u64,
    /// The numbers of its file system and of itself there.
    pub id: (u64, u64),
}

impl Node {
    /// Returns whether the owner may execute it, which is what an archive records.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }
}

/// What an empty directory is, except for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blank {
    /// The numbers of its file system and of itself there.
    pub id: (u64, u64),
    /// Its permission bits.
    pub mode: u32,
    /// The bytes it takes: a directory that once held many names stays larger.
    pub size: u64,
    /// Its flags, as `chattr` shows them.
    pub flags: u64,
}

impl Blank {
    /// Returns whether another one differs from this in nothing but which it is.
    pub fn is_like(&self, other: &Blank) -> bool {
        self.id.0 == other.id.0 && *self == Blank { id: self.id, ..*other }
    }
}

/// What a copy has besides its content.
#[derive(Debug)]
pub struct Like<'a> {
    /// The file whose attributes it gets.
    pub attributes: &'a OsStr,
    /// The file whose rights it gets.
    pub rights: Option<&'a Seen>,
    /// Its mode without such a file.
    pub mode: u32,
    /// The time of its content, in seconds and nanoseconds; now, unless it is given.
    pub modified: Option<(i64, i64)>,
}

/// Returns the moment that is these seconds and nanoseconds after the epoch.
fn time_of((seconds, nanoseconds): (i64, i64)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second =
        if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    second?.checked_add(Duration::from_nanos(nanoseconds.try_into().ok()?))
}

/// What tells a file from others, also after it got another name or the machine started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number on the file system.
    pub inode: u64,
    /// Size and time of the last change of content, in seconds and nanoseconds; of directories,
    /// whose entries may come and go, nothing.
    pub content: Option<(u64, i64, i64)>,
}

/// The file at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its kind.
    pub kind: FileKind,
    /// Which one it is.
    pub identity: Identity,
    /// Its permission bits.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
    /// The file system that it is on, and where that is mounted.
    pub device: (u64, u64),
}

/// The content and the rights of a file to write.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// A file with the content. It is read with this process's own rights.
    pub source: &'a Path,
    /// Permission bits.
    pub mode: u32,
    /// The number of its owner; the writing user by default.
    pub owner: Option<u32>,
    /// The number of its group.
    pub group: Option<u32>,
    /// What tells whose it is; a file system that cannot hold it does without.
    pub mark: Option<&'a [u8]>,
}

/// Returns the file at a path, whose last component is not followed.
///
/// # Errors
/// When the system does not tell.
pub fn observe(path: &Path) -> Result<Option<Seen>> {
    match raw::seen_at_path(path) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("access", path)(error)),
    }
}

/// Returns the numbers of the file system and of the file at a path, which may be a link, or `None`
/// if there is none, and where the system has no such numbers.
pub fn id_at(path: &Path) -> Option<(u64, u64)> {
    raw::id_at(path).ok()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Directory {
    /// Opens a directory by its absolute path, none of whose components may be a link.
    ///
    /// # Errors
    /// When it is missing, a component is not a directory, or the system refuses.
    pub fn open(path: &Path) -> Result<Directory> {
        let (raw, actor) = raw::walk(path).map_err(failed("open the directory", path))?;
        Ok(Directory::new(raw, None, path, actor))
    }

    /// Opens a directory of sys.lua by its path. Links among its parents are followed; the last
    /// component must not be a link.
    ///
    /// # Errors
    /// When there is none, or a link in its place.
    pub fn at(path: &Path) -> Result<Directory> {
        let raw = raw::open(path).map_err(failed("open the directory", path))?;
        Ok(Directory::new(raw, None, path, None))
    }

    /// Opens a directory of sys.lua by its path, following links.
    ///
    /// # Errors
    /// When there is none.
    pub fn follow(path: &Path) -> Result<Directory> {
        let raw = raw::follow(path).map_err(failed("open the directory", path))?;
        Ok(Directory::new(raw, None, path, None))
    }

    fn new(
        raw: raw::Handle,
        above: Option<&Directory>,
        name: &Path,
        actor: Option<Actor>,
    ) -> Directory {
        let step = Step { above: above.map(|above| above.place.clone()), name: name.to_owned() };
        Directory { raw, place: DirectoryPath(Arc::new(step)), actor }
    }

    /// Does everything from now on with the rights of a user.
    #[must_use]
    pub fn with_actor(self, actor: Option<Actor>) -> Directory {
        Directory { actor, ..self }
    }

    /// Tells what this is when it is empty. Nothing where it holds anything, where it has lists of
    /// users or other attributes, and where the system does not tell.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn blank(&self) -> Result<Option<Blank>> {
        raw::blank(&self.raw).map_err(failed("access", &self.path()))
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// When there is none, or a link in its place.
    pub fn directory(&self, name: &OsStr) -> Result<Directory> {
        let raw = self.named("open the directory", name, || raw::open_in(&self.raw, name))?;
        if name == "." {
            return Ok(Directory { raw, place: self.place.clone(), actor: self.actor.clone() });
        }
        Ok(Directory::new(raw, Some(self), Path::new(name), self.actor.clone()))
    }

    /// Opens the directory that a directory was found in, when it still is the one with this
    /// number.
    ///
    /// # Errors
    /// When it was moved, or the system refuses.
    pub(super) fn parent(&self, id: (u64, u64)) -> Result<Directory> {
        let open = || {
            let parent = raw::open_parent(&self.raw)?;
            if raw::id_of(&parent)? == id {
                Ok(parent)
            } else {
                Err(io::Error::other("it was moved during the operation"))
            }
        };
        let raw = self.act(open).map_err(|cause| failed("leave", &self.path())(cause))?;
        let place = self.place.0.above.clone().unwrap_or_else(|| self.place.clone());
        Ok(Directory { raw, place, actor: self.actor.clone() })
    }

    /// Returns the numbers of its file system and of itself there.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn id(&self) -> Result<(u64, u64)> {
        raw::id_of(&self.raw).map_err(|cause| failed("access", &self.path())(cause))
    }

    /// Returns its path, for messages: what is there by now may be another one.
    pub fn path(&self) -> Cow<'_, Path> {
        self.place.path()
    }

    fn act<T>(&self, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        Actor::act(self.actor.as_ref(), run)
    }

    fn change<T>(
        &self,
        operation: &'static str,
        name: &OsStr,
        run: impl FnOnce() -> io::Result<T>,
        record: impl FnOnce(PathBuf) -> Operation,
    ) -> Result<T> {
        let path = || self.path().join(name);
        let changed =
            fault::point().and_then(|()| self.act(run)).inspect(|_| fault::done(|| record(path())));
        changed.map_err(|cause| failed(operation, &path())(cause))
    }

    /// The same for what a replay leaves out.
    fn change_other<T>(
        &self,
        operation: &'static str,
        name: &OsStr,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T> {
        self.change(operation, name, run, |_| Operation::Other)
    }

    fn named<T>(
        &self,
        operation: &'static str,
        name: &OsStr,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T> {
        self.act(run).map_err(|cause| failed(operation, &self.path().join(name))(cause))
    }

    /// Returns the file at a name, if any.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn node(&self, name: &OsStr) -> Result<Option<Node>> {
        match self.act(|| raw::node(&self.raw, name)) {
            Ok(node) => Ok(Some(node)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("access", &self.path().join(name))(error)),
        }
    }

    /// Returns whether a name exists, as a dangling link too.
    pub fn has(&self, name: &OsStr) -> bool {
        raw::exists(&self.raw, name)
    }

    /// Returns the metadata of a name without reading the file.
    ///
    /// # Errors
    /// When nothing does, or the system does not tell.
    pub fn facts_of(&self, name: &OsStr) -> Result<Facts> {
        self.named("access", name, || raw::facts(&self.raw, name))
    }

    /// Returns the file at a name.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn observe(&self, name: &OsStr) -> Result<Option<Seen>> {
        match self.act(|| raw::seen(&self.raw, name)) {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("access", &self.path().join(name))(error)),
        }
    }

    /// Returns the target of a link, or `None` if there is no link.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn read_link(&self, name: &OsStr) -> Result<Option<PathBuf>> {
        self.act(|| raw::read_link(&self.raw, name))
            .map(Some)
            .or_else(|error| self.unless_link(name, error))
    }

    /// Returns whether a link to exactly `target` is at a name.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_link_to(&self, name: &OsStr, target: &[u8]) -> Result<bool> {
        self.act(|| raw::is_link_to(&self.raw, name, target))
            .or_else(|error| self.unless_link(name, error))
    }

    /// The answer for a name without a link.
    fn unless_link<T: Default>(&self, name: &OsStr, error: io::Error) -> Result<T> {
        if is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput {
            return Ok(T::default());
        }
        Err(failed("read the link", &self.path().join(name))(error))
    }

    /// Opens a regular file to read it.
    ///
    /// # Errors
    /// When it is not one, or cannot be read.
    pub fn open_file(&self, name: &OsStr) -> Result<File> {
        self.open_node(name).map(|(file, _)| file)
    }

    /// Opens a regular file to read it, and returns its metadata.
    ///
    /// # Errors
    /// When it is not one, or cannot be read.
    pub fn open_node(&self, name: &OsStr) -> Result<(File, Node)> {
        self.named("read", name, || raw::open_file(&self.raw, name))
    }

    /// Opens a file of sys.lua to look at it, whatever kind it has.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_any(&self, name: &OsStr) -> Result<File> {
        self.named("read", name, || raw::open_any(&self.raw, name))
    }

    /// The same with everything that the system tells of it.
    ///
    /// # Errors
    /// When it is not one, or cannot be read.
    pub fn open_known(&self, name: &OsStr) -> Result<(File, Node, Facts)> {
        self.named("read", name, || raw::open_known(&self.raw, name))
    }

    /// Returns the content of a regular file.
    ///
    /// # Errors
    /// When it is not one, is larger than 256 MiB, or cannot be read.
    pub fn read_file(&self, name: &OsStr) -> Result<Vec<u8>> {
        self.named("read", name, || {
            let (file, node) = raw::open_file(&self.raw, name)?;
            syslua_reading::read_all(file, node.size, syslua_reading::LARGEST)
        })
    }

    /// Returns the SHA-256 of a regular file's content.
    ///
    /// # Errors
    /// When it cannot be read, or on an interrupt.
    pub fn hash(&self, name: &OsStr, interrupt: &Interrupt) -> Result<Hash> {
        let mut file = self.open_file(name)?;
        let mut hasher = Hasher::default();
        let mut buffer = [0; 1 << 16];
        loop {
            interrupt.check().map_err(|cause| failed("read", &self.path().join(name))(cause))?;
            match file
                .read(&mut buffer)
                .map_err(|cause| failed("read", &self.path().join(name))(cause))?
            {
                0 => return Ok(hasher.finish()),
                read => hasher.put(&buffer[..read]),
            }
        }
    }

    /// Returns whether a regular file has this content. A file that may not be read does not.
    ///
    /// # Errors
    /// When it cannot be read for another reason, or on an interrupt.
    pub fn has_content(&self, name: &OsStr, digest: Hash, interrupt: &Interrupt) -> Result<bool> {
        match self.hash(name, interrupt) {
            Err(error) if error.is_denied() => Ok(false),
            found => Ok(found? == digest),
        }
    }

    /// Returns what tells whose regular file this is, if it says so.
    pub fn read_mark(&self, name: &OsStr) -> Option<Vec<u8>> {
        super::owner_xattr::read(&self.open_file(name).ok()?)
    }

    /// Returns whether this process may create and remove names here; errors say why not.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_writable(&self) -> Result<()> {
        self.act(|| raw::check_writable(&self.raw))
            .map_err(|cause| failed("write to", &self.path())(cause))
    }

    /// Creates a directory.
    ///
    /// # Errors
    /// When the name exists or the system refuses.
    pub fn make_directory(&self, name: &OsStr) -> Result<()> {
        self.make_directory_with(name, 0o777)
    }

    /// Creates a directory with a mode, which loses what the umask takes.
    ///
    /// # Errors
    /// When the name exists or the system refuses.
    pub fn make_directory_with(&self, name: &OsStr, mode: u32) -> Result<()> {
        let make = || raw::make_directory(&self.raw, name, mode);
        self.change("create the directory", name, make, Operation::MakeDirectory)
    }

    /// Creates a directory with exactly these permission bits, whatever the umask; those of a new
    /// directory unless given.
    ///
    /// # Errors
    /// When the name exists or the system refuses.
    pub fn make_with_rights(&self, name: &OsStr, mode: Option<u32>) -> Result<()> {
        let Some(mode) = mode else { return self.make_directory(name) };
        let create = || {
            raw::make_directory(&self.raw, name, 0o700)?;
            raw::set_rights_of(&self.raw, name, Some(mode), None, None)
        };
        self.change("create the directory", name, create, Operation::MakeDirectory)
    }

    /// Gives a directory these permission bits, owner and group, as far as they are given.
    ///
    /// # Errors
    /// When it does not exist or the system refuses.
    pub fn set_rights(
        &self,
        name: &OsStr,
        mode: Option<u32>,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> Result<()> {
        self.change_other("change the rights of", name, || {
            raw::set_rights_of(&self.raw, name, mode, owner, group)
        })
    }

    /// Creates a file to write to. The mode loses what the umask takes.
    ///
    /// # Errors
    /// When the name is taken, also by a link that leads nowhere, or the system refuses.
    pub fn create_file(&self, name: &OsStr, mode: u32) -> Result<File> {
        self.change_other("create", name, || raw::create_file(&self.raw, name, mode))
    }

    /// Writes a file, replacing the content of an existing one. A link, or a file with more names,
    /// is replaced itself. `mode` is the mode of a new file.
    ///
    /// # Errors
    /// When another kind of file exists, or the system refuses.
    pub fn overwrite(&self, name: &OsStr, content: &[u8], mode: u32) -> Result<()> {
        let write = || {
            let mut file = match raw::open_to_write(&self.raw, name) {
                Ok(Some((file, size))) => {
                    // File systems see to it that what replaces the content of a file is on the
                    // disk when it is closed, which takes time: an empty one is not cut off.
                    if size > 0 {
                        file.set_len(0)?;
                    }
                    file
                }
                Ok(None) => {
                    match raw::remove(&self.raw, name) {
                        Err(error) if !is_absent(&error) => return Err(error),
                        _ => {}
                    }
                    let file = raw::create_file(&self.raw, name, mode)?;
                    raw::set_mode_of(&file, mode)?;
                    file
                }
                Err(error) => return Err(error),
            };
            file.write_all(content)
        };
        self.change("write", name, write, |path| Operation::Write(path, content.to_vec()))
    }

    /// Writes a file as objects have it: with this mode, a time of one second after the epoch, and
    /// nothing that modes do not say. What is left after an error is the caller's to remove.
    ///
    /// # Errors
    /// When the name exists, or the system refuses.
    pub fn write_object_file(&self, name: &OsStr, content: &[u8], mode: u32) -> Result<()> {
        let write = || {
            let mut file = raw::create_file(&self.raw, name, 0o600)?;
            file.write_all(content)?;
            raw::make_plain_file(&file)?;
            raw::set_mode_of(&file, mode)?;
            file.set_modified(super::modify::old_time())
        };
        self.change("write", name, write, |path| Operation::Write(path, content.to_vec()))
    }

    /// Sets the permission bits of a file or directory; a link is an error. A file that has other
    /// names, wherever they are, becomes a copy with its own.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_mode(&self, name: &OsStr, mode: u32) -> Result<()> {
        self.change_other("change the mode of", name, || raw::set_mode(&self.raw, name, mode))
    }

    /// Sets the permission bits of this directory itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_own_mode(&self, mode: u32) -> Result<()> {
        self.change_other("change the mode of", OsStr::new(""), || {
            raw::set_own_mode(&self.raw, mode)
        })
    }

    /// Gives the file at a name the owner, mode and time of objects, and removes access control
    /// lists, capabilities and attributes. Returns its earlier state.
    ///
    /// # Errors
    /// When it is not a file, directory or link, or the system refuses.
    pub fn normalise(&self, name: &OsStr, mode: impl FnOnce(&Node) -> u32) -> Result<Node> {
        self.change_other("change the mode of", name, || raw::normalise(&self.raw, name, mode))
    }

    /// Makes a file or directory immutable, or lifts that; a file system without such a flag is
    /// left as it is.
    pub fn set_immutable(&self, name: &OsStr, immutable: bool) {
        let _ = self.act(|| raw::set_immutable(&self.raw, name, immutable));
    }

    /// Makes a file or directory that is immutable mutable for a moment: until
    /// `set_file_immutable`, for which it returns what it opened.
    pub fn lift_immutable(&self, name: &OsStr) -> Option<File> {
        if !super::may_set_immutable() {
            return None;
        }
        self.act(|| raw::lift_immutable(&self.raw, name)).ok().flatten()
    }

    /// Lifts the immutable flag of a directory, so that what is in it can be removed.
    pub(super) fn lift(&self, name: &OsStr) {
        if super::may_set_immutable() {
            self.set_immutable(name, false);
        }
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not empty, or the system refuses.
    pub fn remove_directory(&self, name: &OsStr) -> Result<()> {
        let remove = || raw::remove_directory(&self.raw, name);
        self.change("remove the directory", name, remove, Operation::RemoveDirectory)
    }

    /// Creates a symbolic link at a free name.
    ///
    /// # Errors
    /// When the name exists or the system refuses.
    pub fn symlink(&self, target: &Path, name: &OsStr) -> Result<()> {
        let make = || raw::symlink(target, &self.raw, name);
        self.change("create the link", name, make, |path| {
            Operation::Symlink(target.to_owned(), path)
        })
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// When it is missing or the system refuses.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        self.change("remove", name, || raw::remove(&self.raw, name), Operation::Remove)
    }

    /// Removes a file or link of sys.lua, including immutable ones such as objects. A file with
    /// other names stays immutable there.
    pub fn remove_own(&self, name: &OsStr) -> Result<()> {
        let remove = || match raw::remove(&self.raw, name) {
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && super::may_set_immutable() =>
            {
                raw::remove_immutable(&self.raw, name)
            }
            result => result,
        };
        self.change("remove", name, remove, Operation::Remove)
    }

    /// Gives a file a second, free name; a symbolic link gets one too, and is not followed.
    ///
    /// # Errors
    /// When the system refuses, for example since the file system knows no second names.
    pub fn hard_link(&self, name: &OsStr, to: &Directory, second: &OsStr) -> Result<()> {
        let link = || raw::hard_link(&self.raw, name, &to.raw, second);
        to.change("link to", second, link, |path| Operation::HardLink(self.path().join(name), path))
    }

    /// Renames over any file or link at the new name.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename_over(&self, name: &OsStr, to: &Directory, new: &OsStr) -> Result<()> {
        self.rename(name, to, new, false)
    }

    /// Renames to a name that nothing has.
    ///
    /// # Errors
    /// When the name exists or the system refuses.
    pub fn rename_new(&self, name: &OsStr, to: &Directory, new: &OsStr) -> Result<()> {
        self.rename(name, to, new, true)
    }

    fn rename(&self, name: &OsStr, to: &Directory, new: &OsStr, keep: bool) -> Result<()> {
        // Between directories of sys.lua and those of a user, only this process itself has all
        // rights; the descriptors still name the places that were checked.
        let actor = if self.actor == to.actor { self.actor.as_ref() } else { None };
        let path = || to.path().join(new);
        fault::point()
            .and_then(|()| Actor::act(actor, || raw::rename(&self.raw, name, &to.raw, new, keep)))
            .or_else(|cause| match cause.kind() {
                io::ErrorKind::CrossesDevices => {
                    self.rename_in_one_mount(name, to, new, keep, cause)
                }
                _ => Err(cause),
            })
            .inspect(|()| {
                let record = if keep { Operation::RenameNew } else { Operation::Rename };
                fault::done(|| record(self.path().join(name), path()));
            })
            .map_err(|cause| failed("rename to", &path())(cause))
    }

    /// The kernel refuses to rename from one mount to another, even of one file system: there may
    /// be a mount that has both directories.
    fn rename_in_one_mount(
        &self,
        name: &OsStr,
        to: &Directory,
        new: &OsStr,
        keep: bool,
        refused: io::Error,
    ) -> io::Result<()> {
        let mounts = Mounts::now();
        let others = |directory: &Directory| -> Vec<Directory> {
            let names = mounts.other_names(&directory.path());
            let found = names.iter().filter_map(|name| Directory::open(name).ok());
            let id = directory.id().ok();
            found.filter(|other| id.is_some() && other.id().ok() == id).collect()
        };
        let (from_others, to_others) = (others(self), others(to));
        let pairs = to_others.iter().map(|to| (self, to));
        let pairs = pairs.chain(from_others.iter().map(|from| (from, to)));
        for (from, to) in pairs {
            let actor = if self.actor == to.actor { self.actor.as_ref() } else { None };
            match Actor::act(actor, || raw::rename(&from.raw, name, &to.raw, new, keep)) {
                Err(cause) if cause.kind() == io::ErrorKind::CrossesDevices => {}
                result => return result,
            }
        }
        Err(refused)
    }

    /// Exchanges the files at two names in one step. On a file system without support for it, the
    /// second file has a third name for a moment, and the first file replaces it.
    ///
    /// # Errors
    /// When one of them is missing, or the system refuses.
    pub fn exchange(&self, name: &OsStr, other: &OsStr) -> Result<()> {
        let path = || self.path().join(other);
        fault::point()
            .and_then(|()| self.act(|| raw::exchange(&self.raw, name, other)))
            .inspect(|()| {
                fault::done(|| Operation::Exchange(self.path().join(name), path()));
            })
            .map_err(|cause| failed("exchange", &path())(cause))
    }

    /// Writes a file at a free name and waits until it is on the disk.
    ///
    /// # Errors
    /// When the name is taken, or the system refuses.
    pub fn write_copy(&self, name: &OsStr, content: &[u8], like: &Like<'_>) -> Result<()> {
        let write = || {
            let mut file = raw::create_file(&self.raw, name, 0o600)?;
            file.write_all(content)?;
            raw::copy_attributes(&self.raw, like.attributes, &file);
            let own = raw::owner_of(&file)?;
            let rights = like.rights;
            let other =
                rights.filter(|seen| own.is_some_and(|own| own != (seen.owner, seen.group)));
            let new = NewFile {
                source: Path::new(""),
                mode: rights.map_or(like.mode, |seen| seen.mode),
                owner: other.map(|seen| seen.owner),
                group: other.map(|seen| seen.group),
                mark: None,
            };
            raw::set_rights(&file, &new)?;
            // Some file systems keep no such time: the content counts.
            if let Some(time) = like.modified.and_then(time_of) {
                let _ = file.set_modified(time);
            }
            Ok(file)
        };
        let file =
            self.change("write", name, write, |path| Operation::Write(path, content.to_vec()))?;
        self.change("sync", name, || file.sync_all(), Operation::SyncFile)
    }

    /// Writes a file at a name that nothing has; it is not synced.
    ///
    /// # Errors
    /// When the name exists, the source cannot be read, or the system refuses.
    pub fn write_file(&self, name: &OsStr, new: NewFile<'_>) -> Result<()> {
        let mut content = Vec::new();
        let mut source = File::open(new.source).map_err(failed("read", new.source))?;
        let path = self.path().join(name);
        fault::point().map_err(failed("write", &path))?;
        let mut file = self
            .act(|| raw::create_file(&self.raw, name, 0o600))
            .map_err(failed("write", &path))?;
        let mut buffer = vec![0; 1 << 16];
        let result = (|| -> io::Result<()> {
            loop {
                let read = source.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                self.act(|| file.write_all(&buffer[..read]))?;
                if cfg!(any(test, feature = "fault-injection")) {
                    content.extend_from_slice(&buffer[..read]);
                }
            }
            // By the descriptor, so that a swapped name gets nothing.
            raw::set_rights(&file, &new)
        })();
        result.map_err(failed("write", &path))?;
        fault::done(|| Operation::Write(path, content));
        Ok(())
    }

    /// Writes a new file whose content others cannot read at any moment, and gives it its rights.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_private(
        &self,
        name: &OsStr,
        content: &[u8],
        mode: u32,
        owner: Option<u32>,
        group: Option<u32>,
    ) -> Result<()> {
        let path = self.path().join(name);
        fault::point().map_err(failed("write", &path))?;
        let written = self.act(|| raw::create_file(&self.raw, name, 0o600)).and_then(|mut file| {
            self.act(|| file.write_all(content))?;
            let rights = NewFile { source: Path::new(""), mode, owner, group, mark: None };
            raw::set_rights(&file, &rights)
        });
        written.map_err(failed("write", &path))?;
        fault::done(|| Operation::Write(path, content.to_vec()));
        Ok(())
    }

    /// Waits until everything that was written to this file system is on the disk.
    ///
    /// # Errors
    /// When the system reports a failed write.
    pub fn sync_file_system(&self) -> Result<()> {
        super::sync_file_system(&self.path())
    }

    /// Waits until the content of a regular file is on the disk.
    ///
    /// # Errors
    /// When it is not one, or the system reports a failed write.
    pub fn sync_file(&self, name: &OsStr) -> Result<()> {
        let file = self.open_file(name)?;
        self.change("sync", name, || file.sync_all(), Operation::SyncFile)
    }

    /// Waits until its own entries are on the disk.
    ///
    /// # Errors
    /// When the system reports a failed write.
    pub fn sync(&self) -> Result<()> {
        let path = || self.path().into_owned();
        let synced = fault::point().and_then(|()| raw::sync(&self.raw));
        synced.map_err(|cause| failed("sync", &path())(cause))?;
        fault::done(|| Operation::SyncDirectory(path()));
        Ok(())
    }

    /// Hands over the names in it, in no order, until told to stop by `false`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn each(&self, mut take: impl FnMut(OsString) -> bool) -> Result<()> {
        let listed = self.act(|| raw::each(&self.raw, &mut take));
        listed.map_err(|cause| failed("list", &self.path())(cause))
    }

    /// Returns the names in it, in the order of their bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self) -> Result<Vec<(OsString, FileKind)>> {
        self.sorted(raw::list)
    }

    /// Does the same, in fewer calls, with a directory that was just opened and not yet listed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn list_new(&self) -> Result<Vec<(OsString, FileKind)>> {
        self.sorted(raw::list_new)
    }

    fn sorted(
        &self,
        list: impl FnOnce(&raw::Handle) -> io::Result<Vec<(OsString, FileKind)>>,
    ) -> Result<Vec<(OsString, FileKind)>> {
        let mut entries = self.act(|| list(&self.raw)).map_err(|cause| Error {
            operation: "list",
            path: self.path().into_owned(),
            cause,
        })?;
        entries.sort_by(|(a, _), (b, _)| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        Ok(entries)
    }
}

/// Gives an open file exactly these permission bits.
///
/// # Errors
/// When the system refuses.
pub fn set_mode_of(file: &File, path: &Path, mode: u32) -> Result<()> {
    fault::point()
        .and_then(|()| raw::set_mode_of(file, mode))
        .map_err(failed("change the mode of", path))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn no_component_may_be_a_link() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        assert!(Directory::open(&base.join("real")).is_ok());
        assert!(Directory::open(&base.join("link")).is_err());
        assert!(Directory::open(&base.join("link/below")).is_err());
    }

    #[test]
    fn a_new_name_replaces_nothing() {
        let base = tempfile::tempdir().unwrap();
        let directory = Directory::open(&base.path().canonicalize().unwrap()).unwrap();
        let (one, two) = (OsStr::new("one"), OsStr::new("two"));
        directory.symlink(Path::new("1"), one).unwrap();
        directory.symlink(Path::new("2"), two).unwrap();
        assert!(directory.rename_new(one, &directory, two).unwrap_err().is_already_there());
        assert_eq!(directory.read_link(two).unwrap(), Some("2".into()));
        directory.rename_over(one, &directory, two).unwrap();
        assert_eq!(directory.read_link(two).unwrap(), Some("1".into()));
        assert_eq!(directory.read_link(one).unwrap(), None);
    }

    #[test]
    fn no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("outside")).unwrap();
        std::fs::create_dir(place.path().join("inside")).unwrap();
        std::os::unix::fs::symlink("../outside", place.path().join("inside/way")).unwrap();
        std::os::unix::fs::symlink("../outside/file", place.path().join("inside/file")).unwrap();
        std::os::unix::fs::symlink("inside", place.path().join("door")).unwrap();
        let inside = Directory::at(&place.path().join("inside")).unwrap();
        assert!(inside.directory("way".as_ref()).is_err());
        assert!(inside.create_file("file".as_ref(), 0o644).is_err());
        assert!(inside.make_directory("way".as_ref()).is_err());
        assert!(Directory::at(&place.path().join("door")).is_err());
        inside.hard_link("way".as_ref(), &inside, "second".as_ref()).unwrap();
        assert_eq!(inside.node("second".as_ref()).unwrap().unwrap().kind, FileKind::Symlink);
        assert_eq!(std::fs::read_dir(place.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_done_happens_there_though_the_path_leads_elsewhere() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory");
        std::fs::create_dir(&path).unwrap();
        std::fs::create_dir(place.path().join("outside")).unwrap();
        let directory = Directory::at(&path).unwrap();
        std::fs::rename(&path, place.path().join("moved")).unwrap();
        std::os::unix::fs::symlink("outside", &path).unwrap();
        drop(directory.create_file("file".as_ref(), 0o644).unwrap());
        assert!(place.path().join("moved/file").exists());
        assert!(!place.path().join("outside/file").exists());
    }
}
