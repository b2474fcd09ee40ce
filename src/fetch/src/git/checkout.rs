//! The tree of a commit as files: bytes, executable bits and links as git has them, and nothing of
//! the user's git configuration: no filters, no line endings, no export-ignore.
//!
//! The destination creates everything anew: what is there already is a collision.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use gix::bstr::{BString, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::validate::path::component;

use super::Destination;
use crate::problem::chain;
use crate::{Failure, Problem, is_set};

/// Directories in directories.
const DEEPEST: usize = 200;
/// A file is held in memory as a whole, since packs have it compressed as a whole.
const LARGEST_FILE: u64 = 1 << 30;

/// A commit inside a tree: a submodule.
pub struct Link {
    /// Where in the tree, with slashes.
    pub path: BString,
    /// Which commit.
    pub commit: gix::ObjectId,
}

/// Writes trees.
pub struct Checkout<'a, D> {
    /// Where the objects are.
    pub repository: &'a gix::Repository,
    /// Asks to stop.
    pub interrupt: &'a AtomicBool,
    /// Where the files go.
    pub destination: &'a mut D,
    /// Bytes that all files together may still have.
    pub left: u64,
    /// The submodules that were met; each is an empty directory.
    pub links: Vec<Link>,
    /// The content of `.gitmodules`.
    pub modules: Vec<u8>,
}

impl<D: Destination> Checkout<'_, D> {
    /// Writes a tree to a directory of the destination that is there.
    ///
    /// # Errors
    /// When the tree is not acceptable or the destination does not take it.
    pub fn write(&mut self, tree: gix::ObjectId, top: &BString) -> Result<(), Failure<D::Error>> {
        self.directory(tree, top, &BString::default(), 0)
    }

    fn directory(
        &mut self,
        tree: gix::ObjectId,
        top: &BString,
        path: &BString,
        depth: usize,
    ) -> Result<(), Failure<D::Error>> {
        if depth > DEEPEST {
            return Err(
                refused(&format!("has more than {DEEPEST} directories in each other")).into()
            );
        }
        let object = self.repository.find_tree(tree).map_err(damaged)?;
        let mut names = BTreeSet::new();
        for entry in object.iter() {
            if is_set(self.interrupt) {
                return Err(Problem::Interrupted.into());
            }
            let entry = entry
                .map_err(|error| is_damaged(&format!("the tree {tree} is malformed: {error}")))?;
            let name = entry.filename();
            let inner = join(path, name);
            let refuse = |what: &str| refused(&format!("has {:?}, {what}", inner.to_str_lossy()));
            let kind = entry.kind();
            let mode = (kind == EntryKind::Link).then_some(component::Mode::Symlink);
            // Names that only Windows minds are fine elsewhere.
            let options = component::Options {
                protect_windows: cfg!(windows),
                protect_hfs: true,
                protect_ntfs: true,
            };
            gix::validate::path::component(name, mode, options)
                .map_err(|error| refuse(&in_words(&error)))?;
            if name.contains(&0) {
                return Err(refuse("a name with a NUL byte").into());
            }
            if !names.insert(name.to_owned()) {
                return Err(refuse("the same name twice").into());
            }
            let target = join(top, &inner);
            let id = entry.object_id();
            match kind {
                EntryKind::Tree => {
                    self.destination.directory(&target).map_err(Failure::Place)?;
                    self.directory(id, top, &inner, depth + 1)?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    let content = self.content(id, &inner)?;
                    let is_executable = kind == EntryKind::BlobExecutable;
                    self.destination
                        .file(&target, &content, is_executable)
                        .map_err(Failure::Place)?;
                    if inner == ".gitmodules" {
                        self.modules = content;
                    }
                }
                EntryKind::Link => {
                    let content = self.content(id, &inner)?;
                    if content.is_empty() || content.contains(&0) {
                        return Err(refuse("a link that leads to nothing").into());
                    }
                    self.destination.symlink(&target, &content).map_err(Failure::Place)?;
                }
                EntryKind::Commit => {
                    self.destination.directory(&target).map_err(Failure::Place)?;
                    self.links.push(Link { path: inner, commit: id });
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, id: gix::ObjectId, path: &BString) -> Result<Vec<u8>, Problem> {
        let header = self.repository.find_header(id).map_err(damaged)?;
        let size = header.size();
        if size > LARGEST_FILE {
            return Err(refused(&format!(
                "has {:?}, which is larger than 1 GiB",
                path.to_str_lossy()
            )));
        }
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            Problem::lasting(
                "the tree is larger than the limit, which SYSLUA_DOWNLOAD_LIMIT sets in bytes",
            )
        })?;
        let mut blob = self.repository.find_blob(id).map_err(damaged)?;
        Ok(blob.take_data())
    }
}

/// Returns a path below another; the empty one is the top.
pub fn join(above: &BString, inner: &[u8]) -> BString {
    let mut path = above.clone();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(inner);
    path
}

fn refused(reason: &str) -> Problem {
    let hint = "name a commit whose tree is without it; the owner of the repository can remove it";
    Problem::Lasting { reason: format!("the tree {reason}"), hint: Some(hint.to_owned()) }
}

fn is_damaged(reason: &str) -> Problem {
    Problem::lasting(format!("the repository is damaged: {reason}"))
}

fn damaged(error: impl std::error::Error) -> Problem {
    is_damaged(&chain(&error))
}

fn in_words(error: &component::Error) -> String {
    match error {
        component::Error::Empty => "an empty name".to_owned(),
        component::Error::PathSeparator => "a name with a separator of paths in it".to_owned(),
        component::Error::DotGitDir => {
            "which is `.git`, or which some file systems take for it".to_owned()
        }
        component::Error::Relative => "which would lead out of it".to_owned(),
        component::Error::SymlinkedGitModules => "a link where git expects a file".to_owned(),
        other => other.to_string(),
    }
}
