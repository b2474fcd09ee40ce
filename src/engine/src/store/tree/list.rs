//! Hashes a tree of small files and lists what is in it: many files are read side by side, whatever
//! directories they are in. It does not copy.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::content::{self, HashOf, Small};
use super::source_walk::{SourceNode, SourceStep, SourceWalk};
use super::{Listing, Part, compile};
use crate::hash::{Hash, Hasher};
use crate::names::Placeholder;
use crate::nar::Writer;
use crate::platform::{self, Directory, FileKind};
use crate::settings::Interrupt;
use crate::store::Result;
use crate::store::self_references::Patterns;

/// What is listed of a tree is held in memory.
const MOST_PARTS: usize = 100_000;

/// How many parts are looked at before they are hashed: with the size of a small file, the memory
/// that takes.
const CHUNK: usize = 512;

/// In how many directories they may be: each is open.
const DIRECTORIES: usize = 64;

/// How many files one thread reads at least.
const PART: usize = 16;

/// Positions among the patterns.
const ROOT: usize = 0;
const PLACEHOLDER: usize = 1;

/// A file or link: its directory, its name there, and its path below the top.
struct Leaf {
    directory: Arc<Directory>,
    name: OsString,
    below: PathBuf,
}

/// A part of a tree, in the order of its archive.
enum Node {
    File(Leaf),
    Link(Leaf),
    /// A directory begins, at a path below the top.
    Begin(PathBuf),
    /// The innermost directory ends.
    End,
    /// An entry of a directory begins.
    Entry(Vec<u8>),
    /// It ends.
    EndEntry,
}

/// What was read of a part.
enum Read {
    File(Small),
    /// Where a link leads.
    Link(PathBuf),
    /// A file that is not small.
    Large,
    Nothing,
}

/// A hashed tree.
pub(super) struct Listed {
    pub(super) nar: Hash,
    /// What is in it, if it has no placeholder.
    pub(super) listing: Option<Listing>,
}

/// Hashes the tree at a path, without what is excluded; `None` for a file or link, for a tree with
/// large files, and for a tree with too many parts. `root` is the place of the store.
///
/// # Errors
/// When something cannot be read, is neither file, directory nor link, or changes during the read.
pub(super) fn hash(
    path: &Path,
    excluded: &BTreeSet<PathBuf>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<Option<Listed>> {
    let names =
        [(platform::bytes_of_path(root), None), (Placeholder::PREFIX.as_bytes().to_vec(), None)];
    let patterns = compile(path, &names)?;
    let mut walk = SourceWalk::new(path, excluded)?;
    let mut hasher = Hasher::default();
    let mut list = List {
        patterns: &patterns,
        interrupt,
        archive: Writer::new(&mut hasher),
        listing: Listing { root: root.to_owned(), relocatable: true, ..Listing::default() },
        has_placeholder: false,
    };
    let (mut nodes, mut directories) = (Vec::new(), 0);
    while let Some(step) = walk.step()? {
        match step {
            SourceStep::Node(node) => {
                let SourceNode { directory, name, below, kind, is_top, collides } = node;
                if is_top && kind != FileKind::Directory {
                    return Ok(None);
                }
                if collides {
                    list.listing.case_collisions.push(below.clone());
                }
                if !is_top {
                    nodes.push(Node::Entry(platform::bytes_of_path(Path::new(&name))));
                }
                if kind == FileKind::Directory {
                    nodes.push(Node::Begin(below));
                    directories += 1;
                    continue;
                }
                let leaf = Leaf { directory, name, below };
                let is_link = kind == FileKind::Symlink;
                nodes.push(if is_link { Node::Link(leaf) } else { Node::File(leaf) });
                nodes.push(Node::EndEntry);
            }
            SourceStep::End { is_top, .. } => {
                nodes.push(Node::End);
                if !is_top {
                    nodes.push(Node::EndEntry);
                }
            }
        }
        if nodes.len() >= CHUNK || directories >= DIRECTORIES {
            if !list.take(&std::mem::take(&mut nodes))? {
                return Ok(None);
            }
            directories = 0;
        }
    }
    if !list.take(&nodes)? {
        return Ok(None);
    }
    let List { listing, has_placeholder, .. } = list;
    if listing.parts.is_empty() {
        return Err(platform::failed("read", path)(std::io::ErrorKind::NotFound.into()).into());
    }
    Ok(Some(Listed { nar: hasher.finish(), listing: (!has_placeholder).then_some(listing) }))
}

/// A list that grows.
struct List<'a> {
    patterns: &'a Patterns,
    interrupt: &'a Interrupt,
    archive: Writer<'a, Hasher>,
    listing: Listing,
    has_placeholder: bool,
}

impl List<'_> {
    /// Reads the next parts, hashes and lists them. Returns whether all of them could be listed.
    fn take(&mut self, nodes: &[Node]) -> Result<bool> {
        let read: Vec<Result<Read>> =
            nodes.par_iter().with_min_len(PART).map(|node| self.read(node)).collect();
        for (node, read) in nodes.iter().zip(read) {
            let part = match (node, read?) {
                (Node::File(leaf), Read::File(small)) => {
                    let length = small.bytes.len() as u64;
                    self.archive.begin_file(small.executable, length);
                    self.archive.content(&small.bytes);
                    self.archive.end_file(length);
                    self.listing.size += length;
                    self.note(&small.found);
                    Part::File {
                        below: leaf.below.clone(),
                        nar: small.hash.unwrap_or_else(|| Hash::from_bytes([0; 32])),
                        executable: small.executable,
                        facts: small.facts,
                    }
                }
                (Node::Link(leaf), Read::Link(target)) => {
                    let text = platform::bytes_of_path(&target);
                    let mut found = Vec::new();
                    self.patterns.apply(&text, |number| found.push(number));
                    self.note(&found);
                    self.archive.symlink(&text);
                    Part::Link(leaf.below.clone(), target)
                }
                (Node::Begin(below), _) => {
                    self.archive.begin_directory();
                    Part::Begin(below.clone())
                }
                (Node::End, _) => {
                    self.archive.end_directory();
                    Part::End
                }
                (Node::Entry(name), _) => {
                    self.archive.begin_entry(name);
                    continue;
                }
                (Node::EndEntry, _) => {
                    self.archive.end_entry();
                    continue;
                }
                (Node::File(_) | Node::Link(_), _) => return Ok(false),
            };
            self.listing.parts.push(part);
        }
        Ok(self.listing.parts.len() <= MOST_PARTS)
    }

    fn note(&mut self, found: &[usize]) {
        self.listing.relocatable &= !found.contains(&ROOT);
        self.has_placeholder |= found.contains(&PLACEHOLDER);
    }

    fn read(&self, node: &Node) -> Result<Read> {
        let check = |leaf: &Leaf| {
            let path = || leaf.directory.path().join(&leaf.name);
            self.interrupt.check().map_err(|cause| platform::failed("read", &path())(cause))
        };
        match node {
            Node::File(leaf) => {
                check(leaf)?;
                let (patterns, hash) = (self.patterns, HashOf::Archive);
                let small = content::read_small(&leaf.directory, &leaf.name, patterns, None, hash)?;
                Ok(small.map_or(Read::Large, Read::File))
            }
            Node::Link(leaf) => {
                check(leaf)?;
                let target = leaf.directory.read_link(&leaf.name)?;
                let path = || leaf.directory.path().join(&leaf.name);
                Ok(Read::Link(target.ok_or_else(|| content::changed(&path()))?))
            }
            _ => Ok(Read::Nothing),
        }
    }
}
