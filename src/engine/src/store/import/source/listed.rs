//! A tree that this process hashed becomes an object without being read again: what the store has
//! of its files gets another name. Only the rest is read, and must be what was hashed.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{CHUNK, Copied, CopiedNode, DIRECTORIES, changed, mode};
use crate::hash::Hash;
use crate::platform::lock::LockError;
use crate::platform::{self, Descent, Directory};
use crate::settings::Interrupt;
use crate::store::memory::Entry;
use crate::store::self_references::Patterns;
use crate::store::shared::SharedFiles;
use crate::store::tree::{self, Listing, Part, content};
use crate::store::{Error, Result};
use crate::value::{Source, Text};

/// What makes the copy.
pub(super) struct FromListing<'a> {
    pub(super) source: &'a Source,
    pub(super) shared: SharedFiles<'a>,
    pub(super) interrupt: &'a Interrupt,
}

/// A part and the place of its copy; the beginning of a directory stands for its end.
struct Placed<'a> {
    part: &'a Part,
    to: Arc<Directory>,
    name: OsString,
}

impl FromListing<'_> {
    /// Makes the tree at a free place, with the modes and times of objects; the top directory stays
    /// writable.
    ///
    /// # Errors
    /// When a file has to be read and is not what was hashed, or the file system refuses.
    pub(super) fn tree(
        &self,
        listing: &Listing,
        (staging, staged): (&Arc<Directory>, &OsStr),
    ) -> Result<Copied> {
        let mut copied = Copied {
            size: listing.size,
            relocatable: listing.relocatable,
            case_collisions: listing
                .case_collisions
                .iter()
                .map(|path| Text(platform::bytes_of_path(path)))
                .collect(),
            entries: Vec::with_capacity(listing.parts.len()),
            unprotected: Some(Vec::new()),
        };
        let mut copies = Descent::new(Arc::clone(staging));
        let mut open: Vec<(OsString, &Part)> = Vec::new();
        let mut batch: Vec<Placed<'_>> = Vec::new();
        // Those that the batch holds open.
        let mut directories = 0;
        for part in &listing.parts {
            let to = Arc::clone(copies.directory());
            match part {
                Part::Begin(below) => {
                    let name = below.file_name().unwrap_or(staged).to_owned();
                    to.make_with_rights(&name, Some(0o700))?;
                    copies.enter(Arc::new(to.directory(&name)?))?;
                    copied
                        .entries
                        .push((below.clone(), CopiedNode::Nar(Hash::from_bytes([0; 32]))));
                    open.push((name, part));
                    directories += 1;
                }
                Part::End => {
                    copies.leave()?;
                    let to = Arc::clone(copies.directory());
                    if let Some((name, part)) = open.pop() {
                        batch.push(Placed { part, to, name });
                    }
                }
                Part::Link(below, _) | Part::File { below, .. } => {
                    let name = below.file_name().unwrap_or_default().to_owned();
                    batch.push(Placed { part, to, name });
                }
            }
            if batch.len() >= CHUNK || directories >= DIRECTORIES {
                self.finish(&std::mem::take(&mut batch), staging, &mut copied)?;
                directories = 0;
            }
        }
        self.finish(&batch, staging, &mut copied)?;
        Ok(copied)
    }

    /// Puts the files and links of a batch in their places, and ends directories.
    fn finish(
        &self,
        batch: &[Placed<'_>],
        staging: &Arc<Directory>,
        copied: &mut Copied,
    ) -> Result<()> {
        if self.interrupt.is_set() {
            return Err(LockError::Interrupted.into());
        }
        let put: Vec<Result<Option<(CopiedNode, bool)>>> =
            batch.par_iter().map(|placed| self.put(placed)).collect();
        let unprotected = copied.unprotected.get_or_insert_default();
        for (placed, put) in batch.iter().zip(put) {
            match (placed.part, put?) {
                (Part::Link(below, _) | Part::File { below, .. }, Some((known, is_protected))) => {
                    if !is_protected {
                        unprotected.push(below.clone());
                    }
                    copied.entries.push((below.clone(), known));
                }
                (Part::Begin(below), _) => {
                    // What is inside comes before it: to add names changes its time.
                    let is_top = Arc::ptr_eq(&placed.to, staging);
                    placed.to.normalise(&placed.name, |_| if is_top { 0o755 } else { 0o555 })?;
                    unprotected.push(below.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a file or link in its place. Returns also whether it needs no flag.
    fn put(&self, Placed { part, to, name }: &Placed<'_>) -> Result<Option<(CopiedNode, bool)>> {
        match part {
            Part::File { below, nar, .. } => {
                let facts = match self.shared.link_known(*nar, to, name) {
                    Some(facts) => facts,
                    None => self.copy(below, *nar, (to, name))?,
                };
                Ok(Some((CopiedNode::Entry(Entry::from_facts(&facts, *nar)), facts.is_immutable)))
            }
            Part::Link(_, target) => {
                to.symlink(target, name)?;
                to.normalise(name, |_| 0)?;
                let nar = tree::hash_in(to, name, &[], self.interrupt)?.nar;
                Ok(Some((CopiedNode::Nar(nar), true)))
            }
            Part::Begin(_) | Part::End => Ok(None),
        }
    }

    /// Copies a file of the source that the store does not have, or not as it was.
    fn copy(
        &self,
        below: &Path,
        nar: Hash,
        (to, name): (&Directory, &OsStr),
    ) -> Result<platform::Facts> {
        let none = Patterns::new(&[]).map_err(|error| Error::Damaged {
            path: self.source.path.clone(),
            problem: error.to_string(),
        })?;
        let path = platform::join(&self.source.path, below);
        let (directory, from) = self.open(&path)?;
        let small = content::read_small(&directory, &from, &none, None, content::HashOf::Archive)?
            .filter(|small| small.hash == Some(nar))
            .ok_or_else(|| changed(self.source))?;
        self.shared.write(nar, &small.bytes, mode(small.executable), to, name)
    }

    /// Opens the directory that a path of the source is in, without following a link below its top.
    fn open(&self, path: &Path) -> Result<(Arc<Directory>, OsString)> {
        let (above, top) = platform::locate(&self.source.path)?;
        let below = path.strip_prefix(&self.source.path).unwrap_or(path);
        let mut directory = above;
        let mut names =
            [top].into_iter().chain(below.iter()).map(OsStr::to_owned).collect::<Vec<OsString>>();
        let last = names.pop().unwrap_or_default();
        for name in names {
            directory = Arc::new(directory.directory(&name)?);
        }
        Ok((directory, last))
    }
}
