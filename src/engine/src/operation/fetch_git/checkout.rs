//! The tree of a commit as files: bytes, executable bits and links as git has them, and nothing of the user's
//! git configuration: no filters, no line endings, no export-ignore.
//!
//! Everything is created anew below a directory that did not exist: what is there already is a collision.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use gix::bstr::{BString, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::validate::path::component;

use crate::platform;
use crate::settings::Interrupt;

/// Directories in directories.
const DEEPEST: usize = 200;
/// A file is held in memory as a whole, since packs have it compressed as a whole.
const LARGEST_FILE: u64 = 1 << 30;

/// Why a tree was not written.
#[derive(Debug)]
pub enum Problem {
    /// Somebody asked to stop.
    Interrupted,
    /// The file system refused.
    File(platform::Error),
    /// The tree is not acceptable; the text comes after "the tree".
    Refused(String),
    /// Objects are missing or damaged.
    Damaged(String),
}

impl From<platform::Error> for Problem {
    fn from(error: platform::Error) -> Problem {
        Problem::File(error)
    }
}

/// A commit that stands in a tree: a submodule.
pub struct Link {
    /// Where, with slashes.
    pub path: BString,
    /// Which commit.
    pub commit: gix::ObjectId,
}

/// Writes trees.
pub struct Checkout<'a> {
    /// Where the objects are.
    pub repository: &'a gix::Repository,
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
    /// Bytes that all files together may still have.
    pub left: u64,
    /// The submodules that were met; each is an empty directory.
    pub links: Vec<Link>,
}

impl Checkout<'_> {
    /// Writes a tree to a directory that it creates.
    ///
    /// # Errors
    /// When the tree is not acceptable or the file system refuses.
    pub fn write(&mut self, tree: gix::ObjectId, destination: &Path) -> Result<(), Problem> {
        platform::create_directory(destination)?;
        self.directory(tree, destination, &BString::default(), 0)
    }

    fn directory(&mut self, tree: gix::ObjectId, place: &Path, path: &BString, depth: usize) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(Problem::Refused(format!("has more than {DEEPEST} directories in each other")));
        }
        let object = self.repository.find_tree(tree).map_err(damaged)?;
        let mut names = BTreeSet::new();
        for entry in object.iter() {
            if self.interrupt.is_set() {
                return Err(Problem::Interrupted);
            }
            let entry = entry.map_err(|error| Problem::Damaged(format!("the tree {tree} is malformed: {error}")))?;
            let name = entry.filename();
            let mut inner = path.clone();
            if !inner.is_empty() {
                inner.push(b'/');
            }
            inner.extend_from_slice(name);
            let refuse = |what: &str| Problem::Refused(format!("has {:?}, {what}", inner.to_str_lossy()));
            let kind = entry.kind();
            let mode = (kind == EntryKind::Link).then_some(component::Mode::Symlink);
            // Names that only Windows minds are fine elsewhere.
            let options = component::Options { protect_windows: cfg!(windows), protect_hfs: true, protect_ntfs: true };
            gix::validate::path::component(name, mode, options).map_err(|error| refuse(&in_words(&error)))?;
            if name.contains(&0) {
                return Err(refuse("a name with a NUL byte"));
            }
            if !names.insert(name.to_owned()) {
                return Err(refuse("the same name twice"));
            }
            let target = place.join(platform::path_from_bytes(name));
            let id = entry.object_id();
            match kind {
                EntryKind::Tree => {
                    platform::create_directory(&target)?;
                    self.directory(id, &target, &inner, depth + 1)?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    let content = self.content(id, &inner)?;
                    let mut file = platform::create_file(&target)?;
                    file.write_all(&content).map_err(platform::failed("write", &target))?;
                    if kind == EntryKind::BlobExecutable {
                        platform::set_mode(&target, 0o755)?;
                    }
                }
                EntryKind::Link => {
                    let content = self.content(id, &inner)?;
                    if content.is_empty() || content.contains(&0) {
                        return Err(refuse("a link that leads to nothing"));
                    }
                    platform::symlink(&platform::path_from_bytes(&content), &target)?;
                }
                EntryKind::Commit => {
                    platform::create_directory(&target)?;
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
            return Err(Problem::Refused(format!("has {:?}, which is larger than 1 GiB", path.to_str_lossy())));
        }
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            Problem::Refused("is larger than the limit, which SYSLUA_DOWNLOAD_LIMIT sets in bytes".to_owned())
        })?;
        let mut blob = self.repository.find_blob(id).map_err(damaged)?;
        Ok(blob.take_data())
    }
}

fn damaged(error: impl std::error::Error) -> Problem {
    Problem::Damaged(crate::failure::chain(&error))
}

fn in_words(error: &component::Error) -> String {
    match error {
        component::Error::Empty => "an empty name".to_owned(),
        component::Error::PathSeparator => "a name with a separator of paths in it".to_owned(),
        component::Error::DotGitDir => "which some file systems take for `.git`".to_owned(),
        component::Error::Relative => "which would lead out of it".to_owned(),
        component::Error::SymlinkedGitModules => "a link where git expects a file".to_owned(),
        other => other.to_string(),
    }
}
