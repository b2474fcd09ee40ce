//! Copying, writing and changing files below a build's directories.

use std::fs;
use std::io::Read;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Error, Result, Workspace};
use crate::hash::READ_SIZE;
use crate::platform::{self, FileKind};

/// Copies a file, link or tree to a new name; a directory is merged into one that exists.
pub fn copy(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    let from = workspace.readable(from)?;
    let to = workspace.writable(to)?;
    refuse_itself("copy", &from, &to)?;
    if platform::kind_of(&from)?.is_none() {
        return Err(failed_to("copy", &from, None, "there is no such file or directory"));
    }
    if platform::kind_of(&from)? != Some(FileKind::Directory) {
        refuse_directory("copy", &from, &to)?;
    }
    workspace.make_parents(&to)?;
    copy_tree(workspace, &from, &to)
}

fn failed_to(operation: &'static str, from: &Path, to: Option<&Path>, reason: &str) -> Error {
    let to = to.map(|to| format!(" to {}", to.display())).unwrap_or_default();
    Error::Refused { what: format!("cannot {operation} {}{to}: {reason}", from.display()) }
}

fn refuse_itself(operation: &'static str, from: &Path, to: &Path) -> Result<()> {
    match (fs::canonicalize(from), to.parent().map(fs::canonicalize), to.file_name()) {
        // By its true place, since links may lead there too.
        (Ok(from), Some(Ok(parent)), Some(name)) if parent.join(name).starts_with(&from) => {
            Err(failed_to(operation, &from, Some(to), "a file or tree cannot become part of itself"))
        }
        _ if to.starts_with(from) => {
            Err(failed_to(operation, from, Some(to), "a file or tree cannot become part of itself"))
        }
        _ => Ok(()),
    }
}

fn special(operation: &'static str, path: &Path) -> Error {
    failed_to(operation, path, None, "it is a named pipe, a socket or a device")
}

fn refuse_directory(operation: &'static str, from: &Path, to: &Path) -> Result<()> {
    if platform::kind_of(to)? == Some(FileKind::Directory) {
        return Err(failed_to(operation, from, Some(to), "there is a directory: name the file in it"));
    }
    Ok(())
}

/// Copies a file, link or tree, a tree side by side by as many threads as there are jobs.
///
/// # Errors
/// When it cannot be read or written, or the system gives no threads.
pub(super) fn copy_tree(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    if platform::kind_of(from)? != Some(FileKind::Directory) {
        return copy_node(workspace, from, to);
    }
    let threads = rayon::ThreadPoolBuilder::new().num_threads(workspace.settings.jobs).build();
    let threads = threads.map_err(|error| platform::failed("copy", from)(std::io::Error::other(error)))?;
    threads.install(|| copy_node(workspace, from, to))
}

fn copy_node(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    if workspace.settings.interrupt.is_set() {
        return Err(Error::Interrupted);
    }
    match workspace.reading(from, platform::kind_of)? {
        Some(FileKind::Directory) => {
            workspace.as_build(to, |to| match platform::kind_of(to)? {
                Some(FileKind::Directory) => Ok(()),
                _ => platform::create_directory(to),
            })?;
            let copy = |(name, _): &(std::ffi::OsString, FileKind)| {
                if workspace.is_excluded(&from.join(name)) {
                    return Ok(());
                }
                copy_node(workspace, &from.join(name), &to.join(name))
            };
            workspace.reading(from, platform::list_directory)?.par_iter().try_for_each(copy)
        }
        Some(FileKind::Symlink) => {
            let target = workspace.reading(from, platform::read_link)?;
            Ok(workspace.as_build(to, |to| {
                if platform::exists(to) {
                    platform::remove_file(to)?;
                }
                platform::symlink(&target, to)
            })?)
        }
        None => Err(platform::failed("read", from)(std::io::ErrorKind::NotFound.into()).into()),
        Some(FileKind::Special) => Err(special("copy", from)),
        Some(FileKind::File) => {
            // A link that stands there would be written through.
            let make_room = |to: &Path| if platform::exists(to) { platform::remove_file(to) } else { Ok(()) };
            // What comes from the store is read-only; a build may go on with its copy.
            let open = |to: &Path| {
                let mode = fs::metadata(to).map(|metadata| platform::mode_of(&metadata)).unwrap_or(0o644);
                platform::set_mode(to, mode | 0o200)
            };
            if workspace.sandbox.user().is_none() {
                make_room(to)?;
                platform::copy_file(from, to, &workspace.settings.interrupt)?;
                return Ok(open(to)?);
            }
            let source = workspace.reading(from, platform::open_regular);
            let source = source.map_err(platform::failed("read", from))?;
            Ok(workspace.as_build(to, |to| {
                make_room(to)?;
                platform::copy_open_file(&source, to, &workspace.settings.interrupt)?;
                open(to)
            })?)
        }
    }
}

/// Gives something below the build's directories another name there.
pub fn rename(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    let from = workspace.writable(from)?;
    let to = workspace.writable(to)?;
    refuse_itself("move", &from, &to)?;
    match platform::kind_of(&from)? {
        None => return Err(failed_to("move", &from, None, "there is no such file or directory")),
        Some(FileKind::Directory) => {
            let is_taken =
                platform::kind_of(&to)? == Some(FileKind::Directory) && !platform::list_directory(&to)?.is_empty();
            if is_taken {
                return Err(failed_to("move", &from, Some(&to), "there is a directory that is not empty"));
            }
        }
        Some(_) => refuse_directory("move", &from, &to)?,
    }
    workspace.make_parents(&to)?;
    Ok(workspace.as_build(&from, |from| platform::rename(from, &workspace.within_reach(&to)))?)
}

/// Creates a symbolic link, which may point anywhere.
pub fn symlink(workspace: &Workspace, target: &Path, link: &Path) -> Result<()> {
    let link = workspace.writable(link)?;
    workspace.make_parents(&link)?;
    Ok(workspace.as_build(&link, |link| platform::symlink(target, link))?)
}

/// Returns the content of a file.
pub fn read(workspace: &Workspace, path: &Path) -> Result<Vec<u8>> {
    let path = workspace.readable(path)?;
    let mut content = Vec::new();
    let file = workspace.reading(&path, platform::open_regular);
    let mut file = file.map_err(platform::failed("read", &path))?;
    let mut buffer = vec![0; READ_SIZE];
    loop {
        workspace.settings.interrupt.check().map_err(platform::failed("read", &path))?;
        match file.read(&mut buffer).map_err(platform::failed("read", &path))? {
            0 => return Ok(content),
            read => content.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Returns the names in a directory, in the order of their bytes.
pub fn list(workspace: &Workspace, path: &Path) -> Result<Vec<Vec<u8>>> {
    let path = workspace.readable(path)?;
    let entries = workspace.reading(&path, platform::list_directory)?;
    Ok(entries.iter().map(|(name, _)| platform::bytes_of_path(Path::new(name))).collect())
}

/// Returns whether something is there, a dangling link included.
pub fn exists(workspace: &Workspace, path: &Path) -> Result<bool> {
    let path = workspace.readable(path)?;
    Ok(workspace.reading(&path, platform::exists))
}

/// Creates a directory and those above it.
pub fn make_directory(workspace: &Workspace, path: &Path) -> Result<()> {
    let path = workspace.writable(path)?;
    workspace.make_parents(&path)?;
    workspace.as_build(&path, platform::create_directories)?;
    Ok(())
}

/// Writes a file, creating the directories above it.
pub fn write(workspace: &Workspace, path: &Path, content: &[u8]) -> Result<()> {
    let path = workspace.writable(path)?;
    workspace.make_parents(&path)?;
    workspace.as_build(&path, |path| {
        match platform::kind_of(path)? {
            Some(FileKind::Symlink) => platform::remove_file(path)?,
            Some(FileKind::Special) => return Err(special("write", path)),
            _ => {}
        }
        Ok(platform::write_file(path, content)?)
    })
}

/// Sets the mode of a file, or of a directory and everything in it.
pub fn set_mode(workspace: &Workspace, path: &Path, mode: u32) -> Result<()> {
    let path = workspace.writable(path)?;
    workspace.as_build(&path, |path| set_node_mode(path, mode))
}

fn set_node_mode(path: &Path, mode: u32) -> Result<()> {
    match platform::kind_of(path)? {
        Some(FileKind::Symlink) => Ok(()),
        Some(FileKind::Directory) => {
            for (name, _) in platform::list_directory(path)? {
                set_node_mode(&path.join(name), mode)?;
            }
            // A directory must stay usable for its owner while the build goes on.
            Ok(platform::set_mode(path, mode | 0o700)?)
        }
        _ => Ok(platform::set_mode(path, mode)?),
    }
}
