//! Copying, writing and changing files below a build's directories: by descriptors, in trees of any
//! depth.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::places::{Last, Place, Purpose};
use super::{Error, Result, Workspace};
use crate::hash::READ_SIZE;
use crate::platform::{self, FileKind, Step, Walk};
use crate::store::{self, tree};
use crate::value::Source;

/// The mode of a file that a build writes.
const FILE: u32 = 0o644;

/// Copies a file, link or tree to a new name; a directory is merged into an existing one.
pub fn copy(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    let named = (workspace.actual(workspace.absolute(from)), workspace.absolute(to));
    let from = match workspace.place_to_read(from, Last::Keep) {
        Err(Error::File(error)) if error.is_not_found() => {
            return Err(failed_to("copy", &error.path, None, "there is no such file or directory"));
        }
        place => place?,
    };
    let Some(kind) = from.kind()? else { return Err(missing("copy", &from)) };
    let to = workspace.place_to_write(to)?;
    refuse_itself("copy", &named, &from, &to)?;
    if kind != FileKind::Directory {
        refuse_directory("copy", &named, &to)?;
    }
    workspace.forget_copies(&to.path());
    let is_new = to.kind()?.is_none();
    let path = from.path();
    match workspace.whole_source(&path) {
        Some(source) => {
            let digest = copy_source(workspace, source, &from, &to)?;
            if let Some(node) = to.directory.node(&to.name)?.filter(|_| is_new) {
                workspace.note_copy(&to.path(), node.id, digest);
            }
            Ok(())
        }
        None => copy_tree(workspace, &from, &to, None, &[]).map(drop),
    }
}

impl Workspace {
    /// Copies the sources to where the build sees them. Until a program runs or something is
    /// written there it need not be done: operations look at the sources themselves.
    ///
    /// # Errors
    /// When one cannot be copied.
    pub fn copy_sources(&self) -> Result<()> {
        let mut copied = self.copied_sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !*copied {
            for source in &self.sources {
                let path = self.place_of(source);
                // Not through what is copied: that is what is being done.
                let place = self.find(&path, Last::Keep, Purpose::Write)?;
                if place.kind()?.is_none() {
                    let (directory, name) = platform::locate(&source.path)?;
                    let from = Place { directory, name: name.to_owned() };
                    copy_source(self, source, &from, &place)?;
                }
            }
            *copied = true;
        }
        drop(copied);
        let given = std::mem::take(&mut *self.given.lock().unwrap_or_else(PoisonError::into_inner));
        for (path, original) in given {
            let place = self.find(&path, Last::Keep, Purpose::Write)?;
            let (directory, name) = platform::locate(&original)?;
            let from = Place { directory, name: name.to_owned() };
            copy_tree(self, &from, &place, None, &[])?;
        }
        Ok(())
    }
}

/// Copies a source as it was hashed.
///
/// # Errors
/// When it is another one by now, or cannot be read or written.
fn copy_source(
    workspace: &Workspace,
    source: &Source,
    from: &Place,
    to: &Place,
) -> Result<tree::Digest> {
    let digest = copy_tree(workspace, from, to, Some(source), &workspace.patterns(&to.path()))?;
    if digest.nar != source.nar {
        let changed = store::Error::SourceChanged { path: source.path.clone() };
        return Err(Error::Refused { what: changed.to_string() });
    }
    Ok(digest)
}

/// Copies a file, link or tree, small files side by side by as many threads as there are jobs. Only
/// a source is hashed.
fn copy_tree(
    workspace: &Workspace,
    from: &Place,
    to: &Place,
    source: Option<&Source>,
    patterns: &[tree::Pattern],
) -> Result<tree::Digest> {
    let excluded = source
        .map(|source| source.excluded.clone())
        .or_else(|| workspace.excluded_below(&from.path()));
    let tree = tree::Tree {
        directory: &from.directory,
        name: &from.name,
        excluded: excluded.as_ref(),
        copy: Some((&to.directory, &to.name)),
    };
    let interrupt = &workspace.settings.interrupt;
    let seen = &workspace.settings.context.seen_trees;
    let copy = || match source {
        None => tree::copy_only(&tree, interrupt),
        Some(source) => match tree::copy_seen(&tree, patterns, seen, source.nar, interrupt)? {
            Some(digest) => Ok(digest),
            None => tree::copy(&tree, patterns, interrupt),
        },
    };
    let copied = if from.kind()? == Some(FileKind::Directory) {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(workspace.settings.jobs).build();
        let failed = |error| platform::failed("copy", &from.path())(std::io::Error::other(error));
        threads.map_err(failed)?.install(copy)
    } else {
        copy()
    };
    copied.map_err(|error| match error {
        _ if interrupt.is_set() => Error::Interrupted,
        store::Error::File(error) => error.into(),
        store::Error::Unstorable { path, .. } => special("copy", &path),
        error => Error::Refused { what: error.to_string() },
    })
}

fn failed_to(operation: &'static str, from: &Path, to: Option<&Path>, reason: &str) -> Error {
    let to = to.map(|to| format!(" to {}", to.display())).unwrap_or_default();
    Error::Refused { what: format!("cannot {operation} {}{to}: {reason}", from.display()) }
}

fn missing(operation: &'static str, from: &Place) -> Error {
    failed_to(operation, &from.path(), None, "there is no such file or directory")
}

fn special(operation: &'static str, path: &Path) -> Error {
    failed_to(operation, path, None, "it is a named pipe, a socket or a device")
}

/// Both places are without links, so that their paths tell. Messages name them as the config does.
fn refuse_itself(
    operation: &'static str,
    named: &(PathBuf, PathBuf),
    from: &Place,
    to: &Place,
) -> Result<()> {
    let (from, to) = (from.path(), to.path());
    let true_path = |path: &Path| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => platform::canonical(parent).join(name),
        _ => path.to_owned(),
    };
    if to.starts_with(&from) || true_path(&to).starts_with(true_path(&from)) {
        return Err(failed_to(
            operation,
            &named.0,
            Some(&named.1),
            "a file or tree cannot become part of itself",
        ));
    }
    Ok(())
}

fn refuse_directory(operation: &'static str, named: &(PathBuf, PathBuf), to: &Place) -> Result<()> {
    if to.kind()? == Some(FileKind::Directory) {
        let reason = "there is a directory: name the file in it";
        return Err(failed_to(operation, &named.0, Some(&named.1), reason));
    }
    Ok(())
}

/// Gives something below the build's directories another name there.
pub fn rename(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    let named = (workspace.absolute(from), workspace.absolute(to));
    let from = workspace.place_to_write(from)?;
    let Some(kind) = from.kind()? else { return Err(missing("move", &from)) };
    let to = workspace.place_to_write(to)?;
    refuse_itself("move", &named, &from, &to)?;
    if kind == FileKind::Directory {
        let is_directory = to.kind()? == Some(FileKind::Directory);
        if is_directory && !to.directory.directory(&to.name)?.list()?.is_empty() {
            let reason = "there is a directory that is not empty";
            return Err(failed_to("move", &named.0, Some(&named.1), reason));
        }
    } else {
        refuse_directory("move", &named, &to)?;
    }
    Ok(from.directory.rename_over(&from.name, &to.directory, &to.name)?)
}

/// Creates a symbolic link, which may point anywhere.
pub fn symlink(workspace: &Workspace, target: &Path, link: &Path) -> Result<()> {
    let link = workspace.place_to_write(link)?;
    Ok(link.directory.symlink(target, &link.name)?)
}

/// Returns the content of a file.
pub fn read(workspace: &Workspace, path: &Path) -> Result<Vec<u8>> {
    let place = workspace.place_to_read(path, Last::Follow)?;
    let failed = |cause| platform::failed("read", &place.path())(cause);
    let mut content = Vec::new();
    let mut file = place.directory.open_file(&place.name)?;
    let mut buffer = vec![0; READ_SIZE];
    loop {
        workspace.settings.interrupt.check().map_err(failed)?;
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(content),
            read => content.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Returns the names in a directory, in the order of their bytes.
pub fn list(workspace: &Workspace, path: &Path) -> Result<Vec<Vec<u8>>> {
    let list = || {
        let place = workspace.place_to_read(path, Last::Follow)?;
        Ok(place.directory.directory(&place.name)?.list()?)
    };
    let entries = list().map_err(|error| match error {
        Error::File(error) => Error::File(platform::Error { operation: "list", ..error }),
        error => error,
    })?;
    Ok(entries.iter().map(|(name, _)| platform::bytes_of_path(Path::new(name))).collect())
}

/// The limit of listed files.
const MOST_LISTED: usize = 1_000_000;

/// Returns the files in a directory, however deep, by their paths relative to it.
pub fn list_all(workspace: &Workspace, path: &Path) -> Result<Vec<Vec<u8>>> {
    let place = workspace.place_to_read(path, Last::Follow)?;
    let mut walk = Walk::new(Arc::clone(&place.directory), &place.name);
    let mut ways = Vec::new();
    while let Some(step) = walk.step()? {
        let Step::Node { name, kind, .. } = step else { continue };
        if kind == FileKind::Directory {
            continue;
        }
        ways.push(platform::bytes_of_path(&walk.way(&name)));
        if ways.len() > MOST_LISTED {
            let what = format!("{} has more than {MOST_LISTED} files", path.display());
            return Err(Error::Refused { what });
        }
    }
    Ok(ways)
}

/// Returns whether something is there, a dangling link included.
pub fn exists(workspace: &Workspace, path: &Path) -> Result<bool> {
    match workspace.place_to_read(path, Last::Keep) {
        Ok(place) => Ok(place.directory.has(&place.name)),
        Err(Error::File(error)) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether something is a file, where links lead too.
pub fn is_file(workspace: &Workspace, path: &Path) -> Result<bool> {
    match workspace.place_to_read(path, Last::Follow) {
        Ok(place) => Ok(place.kind()? == Some(FileKind::File)),
        Err(Error::File(error)) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a directory and those above it.
pub fn make_directory(workspace: &Workspace, path: &Path) -> Result<()> {
    workspace.place_to_write_into(path)?.make_directory()?;
    Ok(())
}

/// Writes a file, creating the directories above it.
pub fn write(workspace: &Workspace, path: &Path, content: &[u8]) -> Result<()> {
    let place = workspace.place_to_write(path)?;
    if place.kind()? == Some(FileKind::Special) {
        return Err(special("write", &place.path()));
    }
    Ok(place.directory.overwrite(&place.name, content, FILE)?)
}

/// Sets the mode of a file, or of a directory and everything in it.
pub fn set_mode(workspace: &Workspace, path: &Path, mode: u32) -> Result<()> {
    let place = workspace.place_to_write(path)?;
    if place.kind()?.is_none() {
        return Err(platform::failed("change the mode of", &place.path())(
            std::io::ErrorKind::NotFound.into(),
        )
        .into());
    }
    let mut walk = Walk::new(Arc::clone(&place.directory), &place.name);
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { kind: FileKind::File, directory, name } => {
                directory.set_mode(&name, mode)?;
            }
            // To list it takes rights that it may lack.
            Step::Node { kind: FileKind::Directory, directory, name } => {
                platform::open_up(&directory, &name, 0o700)?;
            }
            Step::Node { .. } => {}
            // A directory must stay usable for its owner while the build runs.
            Step::Left { directory, name, .. } => directory.set_mode(&name, mode | 0o700)?,
        }
    }
    Ok(())
}
