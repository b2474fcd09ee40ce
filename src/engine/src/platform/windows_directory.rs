//! The same by paths, on Windows: type-checked here, run elsewhere.
//!
//! A link in place of a directory that is opened is refused, but a link that is created later is
//! not seen. Creating links needs a privilege here that an archive does not have, and a build
//! directory belongs to one user.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{Blank, Identity, NewFile, Node, Seen};
use super::read::{FileKind, kind_from};
use super::{Actor, Facts, system};

pub(super) type Handle = PathBuf;

pub(super) fn open(path: &Path) -> io::Result<Handle> {
    match kind_from(fs::symlink_metadata(path)?.file_type()) {
        FileKind::Directory => Ok(path.to_owned()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

pub(super) fn sync(directory: &Handle) -> io::Result<()> {
    system::sync_directory(directory)
}

pub(super) fn follow(path: &Path) -> io::Result<Handle> {
    walk(path).map(|(handle, _)| handle)
}

pub(super) fn is_link_error(_error: &io::Error) -> bool {
    false
}

pub(super) fn walk(path: &Path) -> io::Result<(Handle, Option<Actor>)> {
    if fs::metadata(path)?.is_dir() {
        Ok((path.to_owned(), None))
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

pub(super) fn open_in(directory: &Handle, name: &OsStr) -> io::Result<Handle> {
    open(&directory.join(name))
}

pub(super) fn open_parent(directory: &Handle) -> io::Result<Handle> {
    Ok(directory.parent().unwrap_or(directory).to_owned())
}

/// Directories have no number that the standard library tells; paths stand for them.
pub(super) fn id_of(_directory: &Handle) -> io::Result<(u64, u64)> {
    Ok((0, 0))
}

/// Files have no numbers here.
pub(super) fn id_at(_path: &Path) -> io::Result<(u64, u64)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What an empty directory is, is not told here.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn blank(_directory: &Handle) -> io::Result<Option<Blank>> {
    Ok(None)
}

pub(super) fn node(directory: &Handle, name: &OsStr) -> io::Result<Node> {
    Ok(node_from(&fs::symlink_metadata(directory.join(name))?))
}

fn node_from(data: &fs::Metadata) -> Node {
    Node {
        kind: kind_from(data.file_type()),
        mode: system::mode_of(data),
        owner: 0,
        group: 0,
        size: data.len(),
        links: 1,
        id: (0, 0),
    }
}

pub(super) fn seen(directory: &Handle, name: &OsStr) -> io::Result<Seen> {
    seen_at_path(&directory.join(name))
}

pub(super) fn seen_at_path(path: &Path) -> io::Result<Seen> {
    let data = fs::symlink_metadata(path)?;
    let kind = kind_from(data.file_type());
    let modified =
        data.modified()?.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(modified.as_secs()).unwrap_or_default();
    let content = (data.len(), seconds, i64::from(modified.subsec_nanos()));
    // The standard library tells no number of a file here: the time that it was created stays with
    // it.
    let created =
        data.created()?.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    let inode = u64::try_from(created.as_nanos()).unwrap_or_default();
    let identity = Identity { inode, content: (kind != FileKind::Directory).then_some(content) };
    Ok(Seen { kind, identity, mode: system::mode_of(&data), owner: 0, group: 0, device: (0, 0) })
}

pub(super) fn exists(directory: &Handle, name: &OsStr) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

pub(super) fn facts(directory: &Handle, name: &OsStr) -> io::Result<Facts> {
    system::facts_of(&directory.join(name)).map_err(|error| error.cause)
}

pub(super) fn each(directory: &Handle, take: &mut impl FnMut(OsString) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        if !take(entry?.file_name()) {
            break;
        }
    }
    Ok(())
}

pub(super) fn list(directory: &Handle) -> io::Result<Vec<(OsString, FileKind)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        entries.push((entry.file_name(), kind_from(entry.file_type()?)));
    }
    Ok(entries)
}

pub(super) fn list_new(directory: &Handle) -> io::Result<Vec<(OsString, FileKind)>> {
    list(directory)
}

pub(super) fn read_link(directory: &Handle, name: &OsStr) -> io::Result<PathBuf> {
    fs::read_link(directory.join(name))
}

pub(super) fn is_link_to(directory: &Handle, name: &OsStr, target: &[u8]) -> io::Result<bool> {
    Ok(system::bytes_of_path(&read_link(directory, name)?) == target)
}

pub(super) fn open_file(directory: &Handle, name: &OsStr) -> io::Result<(File, Node)> {
    open_file_at(&directory.join(name))
}

pub(super) fn open_any(directory: &Handle, name: &OsStr) -> io::Result<File> {
    open_file(directory, name).map(|(file, _)| file)
}

pub(super) fn open_known(directory: &Handle, name: &OsStr) -> io::Result<(File, Node, Facts)> {
    let (file, node) = open_file(directory, name)?;
    let facts = system::facts_of_file(&file)?;
    Ok((file, node, facts))
}

pub(super) fn open_file_at(path: &Path) -> io::Result<(File, Node)> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let node = node_from(&file.metadata()?);
    Ok((file, node))
}

pub(super) fn open_to_write(directory: &Handle, name: &OsStr) -> io::Result<Option<(File, u64)>> {
    let path = directory.join(name);
    match fs::symlink_metadata(&path) {
        Ok(data) if data.is_file() => {
            Ok(Some((File::options().write(true).open(path)?, data.len())))
        }
        Ok(data) if data.is_symlink() => Ok(None),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn check_writable(_directory: &Handle) -> io::Result<()> {
    Ok(())
}

pub(super) fn make_directory(directory: &Handle, name: &OsStr, _mode: u32) -> io::Result<()> {
    fs::create_dir(directory.join(name))
}

pub(super) fn remove_directory(directory: &Handle, name: &OsStr) -> io::Result<()> {
    fs::remove_dir(directory.join(name))
}

pub(super) fn symlink(target: &Path, directory: &Handle, name: &OsStr) -> io::Result<()> {
    system::symlink(target, &directory.join(name))
}

pub(super) fn remove(directory: &Handle, name: &OsStr) -> io::Result<()> {
    fs::remove_file(directory.join(name))
}

pub(super) fn hard_link(
    of: &Handle,
    original: &OsStr,
    directory: &Handle,
    name: &OsStr,
) -> io::Result<()> {
    fs::hard_link(of.join(original), directory.join(name))
}

pub(super) fn rename(
    from: &Handle,
    name: &OsStr,
    to: &Handle,
    new: &OsStr,
    keep: bool,
) -> io::Result<()> {
    let place = to.join(new);
    if keep && fs::symlink_metadata(&place).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from.join(name), place)
}

pub(super) fn exchange(directory: &Handle, name: &OsStr, other: &OsStr) -> io::Result<()> {
    let mut aside = name.to_owned();
    aside.push("-aside");
    fs::rename(directory.join(other), directory.join(&aside))?;
    fs::rename(directory.join(name), directory.join(other))?;
    fs::rename(directory.join(&aside), directory.join(name))
}

pub(super) fn owner_of(_file: &File) -> io::Result<Option<(u32, u32)>> {
    Ok(None)
}

pub(super) fn copy_attributes(_directory: &Handle, _like: &OsStr, _file: &File) {}

pub(super) fn create_file(directory: &Handle, name: &OsStr, _mode: u32) -> io::Result<File> {
    File::options().write(true).create_new(true).open(directory.join(name))
}

pub(super) fn set_rights(file: &File, new: &NewFile<'_>) -> io::Result<()> {
    set_mode_of(file, new.mode)
}

/// Directories have no such rights here.
pub(super) fn set_rights_of(
    directory: &Handle,
    name: &OsStr,
    _mode: Option<u32>,
    _owner: Option<u32>,
    _group: Option<u32>,
) -> io::Result<()> {
    open_in(directory, name).map(drop)
}

pub(super) fn set_mode_of(file: &File, mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    file.set_permissions(permissions)
}

pub(super) fn set_mode(directory: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    system::set_mode(&directory.join(name), mode)
}

pub(super) fn set_own_mode(directory: &Handle, mode: u32) -> io::Result<()> {
    system::set_mode(directory, mode)
}

pub(super) fn normalise(
    directory: &Handle,
    name: &OsStr,
    mode: impl FnOnce(&Node) -> u32,
) -> io::Result<Node> {
    let found = node(directory, name)?;
    let path = directory.join(name);
    match found.kind {
        FileKind::Special => return Err(io::Error::other("it is not a regular file")),
        FileKind::Symlink => {}
        _ => system::set_mode(&path, mode(&found))?,
    }
    system::set_time(&path, super::modify::old_time())?;
    Ok(found)
}

pub(super) fn make_plain_file(_file: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn set_immutable(directory: &Handle, name: &OsStr, immutable: bool) -> io::Result<()> {
    system::set_immutable(&directory.join(name), immutable);
    Ok(())
}

pub(super) fn lift_immutable(_directory: &Handle, _name: &OsStr) -> io::Result<Option<File>> {
    Ok(None)
}

pub(super) fn remove_immutable(directory: &Handle, name: &OsStr) -> io::Result<()> {
    system::set_immutable(&directory.join(name), false);
    remove(directory, name)
}
