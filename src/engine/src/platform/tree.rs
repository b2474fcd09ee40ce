//! Changing whole trees, of any depth, that may change at the same time: by descriptors, so that
//! nothing outside is touched.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::walk::{Step, Walk};
use super::{Directory, FileKind, Result, failed, is_system_user, may_set_immutable, user_number};
use crate::settings::Interrupt;

/// The number of attempts when others change a file at the same time.
const TRIES: usize = 100;

/// Bytes that are copied between two checks for an interrupt.
const COPIED_AT_ONCE: u64 = 64 << 20;

/// Returns the directory that a path is in, and its name there.
///
/// # Errors
/// When the directory cannot be opened.
pub fn locate(path: &Path) -> Result<(Arc<Directory>, &OsStr)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("use", path)(std::io::ErrorKind::InvalidInput.into()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Ok((Arc::new(Directory::follow(parent)?), name))
}

/// Removes a path with all its contents, read-only directories included; a missing path is not an
/// error.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_tree(path: &Path) -> Result<()> {
    match locate(path) {
        Ok((directory, name)) => remove_in(&directory, name),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The same for a name in a directory.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_in(directory: &Arc<Directory>, name: &OsStr) -> Result<()> {
    let mut tries = 0;
    loop {
        match remove_once(directory, name) {
            // Other processes added files during the removal, or swapped names.
            Err(error) if tries < TRIES && error.is_change() => tries += 1,
            result => return result,
        }
    }
}

fn remove_once(directory: &Arc<Directory>, name: &OsStr) -> Result<()> {
    let mut walk = Walk::new(Arc::clone(directory), name);
    while let Some(step) = walk.step()? {
        match step {
            // The names of a directory can be listed and removed only with the rights to do so.
            Step::Node { directory, name, kind: FileKind::Directory } => {
                directory.lift(&name);
                open_up(&directory, &name, 0o700)?;
            }
            Step::Node { directory, name, .. } => {
                remove_name(&directory, &name, Directory::remove_own)?;
            }
            Step::Left { directory, name, .. } => {
                remove_name(&directory, &name, Directory::remove_directory)?;
            }
        }
    }
    Ok(())
}

fn remove_name(
    directory: &Directory,
    name: &OsStr,
    remove: impl Fn(&Directory, &OsStr) -> Result<()>,
) -> Result<()> {
    match remove(directory, name) {
        Err(error) if error.is_not_found() => Ok(()),
        result => result,
    }
}

/// Gives a directory or file rights that its owner lacks.
///
/// # Errors
/// When the system refuses.
pub fn open_up(directory: &Directory, name: &OsStr, needed: u32) -> Result<()> {
    let Some(node) = directory.node(name)? else { return Ok(()) };
    let is_ours = is_system_user() || node.owner == user_number();
    let matters = matches!(node.kind, FileKind::Directory | FileKind::File);
    if !matters || node.mode & needed == needed || !is_ours {
        return Ok(());
    }
    directory.set_mode(name, node.mode | needed)
}

/// Copies a path with all its contents to a new name, symbolic links as links.
///
/// # Errors
/// When a file cannot be read or written, or on an interrupt.
pub fn copy_tree(from: &Path, to: &Path, interrupt: &Interrupt) -> Result<()> {
    let path = from;
    let ((from, from_name), (to, to_name)) = (locate(from)?, locate(to)?);
    let mut walk = Walk::new(from, from_name);
    let mut copies = super::walk::Descent::new(to);
    let mut is_top = true;
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { directory, name, kind } => {
                let new = if std::mem::take(&mut is_top) { to_name } else { name.as_os_str() };
                let to = copies.directory();
                match kind {
                    FileKind::Directory => {
                        to.make_directory(new)?;
                        let inner = to.directory(new)?;
                        copies.enter(Arc::new(inner))?;
                    }
                    FileKind::Symlink => {
                        let target = directory.read_link(&name)?;
                        to.symlink(&target.unwrap_or_default(), new)?;
                    }
                    _ => copy_file_in(&directory, &name, to, new, interrupt)?,
                }
            }
            Step::Left { .. } => drop(copies.leave()?),
        }
    }
    if is_top {
        return Err(failed("read", path)(std::io::ErrorKind::NotFound.into()));
    }
    Ok(())
}

/// Copies a regular file to a name that nothing has, with its permission bits.
///
/// # Errors
/// When it is not a directory, cannot be read or written, or on an interrupt.
pub fn copy_file_in(
    from: &Directory,
    name: &OsStr,
    to: &Directory,
    new: &OsStr,
    interrupt: &Interrupt,
) -> Result<()> {
    let (mut source, node) = from.open_node(name)?;
    let mut copy = to.create_file(new, 0o600)?;
    let path = || to.path().join(new);
    let mut copy_piece = || {
        interrupt.check()?;
        std::io::copy(&mut std::io::Read::take(&mut source, COPIED_AT_ONCE), &mut copy)
    };
    while copy_piece().map_err(|cause| failed("copy to", &path())(cause))? > 0 {}
    super::set_mode_of(&copy, &path(), node.mode & 0o777)
}

/// Makes everything at a path immutable, or lifts that, where the system permits it: the modes
/// alone protect where it does not.
pub fn set_immutable(path: &Path, immutable: bool) {
    if let Ok((directory, name)) = locate(path) {
        set_immutable_in(&directory, name, immutable);
    }
}

/// The same for a name in a directory.
pub fn set_immutable_in(directory: &Arc<Directory>, name: &OsStr, immutable: bool) {
    each_that_can_be_immutable(directory, name, |directory, name, kind, is_before| {
        // What is in a directory comes before it, or the other way round.
        if kind == FileKind::File || is_before != immutable {
            directory.set_immutable(name, immutable);
        }
    });
}

/// Lifts the immutability of the tree at a name, except for files that have names elsewhere.
pub fn lift_immutable_tree(directory: &Arc<Directory>, name: &OsStr) {
    each_that_can_be_immutable(directory, name, |directory, name, kind, is_before| {
        let is_shared =
            || directory.node(name).is_ok_and(|node| node.is_some_and(|node| node.links > 1));
        if is_before && (kind == FileKind::Directory || !is_shared()) {
            directory.set_immutable(name, false);
        }
    });
}

/// Does something with each file and directory of a tree; with a directory before and after what is
/// in it.
fn each_that_can_be_immutable(
    directory: &Arc<Directory>,
    name: &OsStr,
    change: impl Fn(&Directory, &OsStr, FileKind, bool),
) {
    if !may_set_immutable() {
        return;
    }
    let mut walk = Walk::new(Arc::clone(directory), name);
    // What cannot be looked at stays as it is.
    while let Ok(Some(step)) = walk.step() {
        match step {
            Step::Node { kind: FileKind::Symlink | FileKind::Special, .. } => {}
            Step::Node { directory, name, kind } => change(&directory, &name, kind, true),
            Step::Left { directory, name, .. } => {
                change(&directory, &name, FileKind::Directory, false);
            }
        }
    }
}
