//! How `adopt` copies files into a config's directory and edits back into the sources there. The
//! caller knows where they belong and how the config declares them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::altered::Altered;
use super::{Engine, Error};
use crate::action::Link;
use crate::activation::DeclaredAction;
use crate::manifest::Manifest;
use crate::platform::{self, Directory, FileKind};
use crate::settings::Interrupt;
use crate::snapshot::Snapshot;
use crate::store::tree;
use crate::switch::{self, Extent};
use crate::value::{Positions, Text};

/// What became of a copy into a config's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was made.
    Made,
    /// The same file existed already.
    There,
    /// Another file exists.
    Occupied,
}

/// The bits of a mode that a copy has: who may do what.
const RIGHTS: u32 = 0o777;

impl Engine {
    /// Checks that a switch could manage targets that are not managed yet.
    ///
    /// # Errors
    /// When it could not, as a plan says it.
    pub fn check_targets(&self, targets: Vec<Text>) -> Result<(), Error> {
        // What the targets would be made of is not known yet: what counts is where they are.
        let source = Text(platform::bytes_of_path(&self.store.objects().join("adopted")));
        let link = |target| Link::new(source.clone(), target);
        let declared =
            |target| Arc::new(DeclaredAction::new(link(target).into(), Positions::default()));
        let activations = targets.into_iter().map(declared);
        let manifest = Manifest { activations: activations.collect(), ..Manifest::default() };
        self.planned(
            &manifest,
            BTreeSet::new(),
            None,
            Snapshot::empty(),
            &Altered::default(),
            (Extent::News, &switch::Secrets::default()),
        )
        .map(drop)
    }

    /// Copies a file or tree to a free place. The original does not change.
    ///
    /// # Errors
    /// When it contains something that no config can contain, changes during the copy, or the file
    /// system refuses.
    pub fn take_over(&self, from: &Path, to: &Path) -> Result<Taken, Error> {
        let digest = tree::hash(from, self.store.interrupt())?;
        if platform::exists(to) {
            let is_same = platform::kind_of(to)? == platform::kind_of(from)?
                && tree::hash(to, self.store.interrupt())
                    .is_ok_and(|there| there.nar == digest.nar);
            return Ok(if is_same { Taken::There } else { Taken::Occupied });
        }
        if let Some(parent) = to.parent() {
            platform::create_user_directories(parent)?;
        }
        let temporary = beside(to, "new");
        let made =
            copy_checked(from, &temporary, digest.nar, self.store.interrupt()).and_then(|()| {
                let parent = to.parent().unwrap_or(Path::new("/"));
                let directory = Directory::open(&platform::canonical(parent))?;
                let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
                // Files that appeared there in the meantime stay.
                directory.rename_new(&name(&temporary), &directory, &name(to))?;
                Ok(platform::sync_directory(parent)?)
            });
        made.inspect_err(|_| drop(platform::remove_tree(&temporary)))?;
        Ok(Taken::Made)
    }

    /// Puts the content of a file or tree into the source that it came from. The old content of the
    /// source is copied to the displaced copies first. Returns the path of the copy, or `None` if
    /// both contents are equal.
    ///
    /// # Errors
    /// When one of the two cannot be read, is of another kind, or the file system refuses: then the
    /// source is as it was.
    pub fn take_into(&self, from: &Path, source: &Path) -> Result<Option<PathBuf>, Error> {
        let _lock = self.lock()?;
        let (digest, old) = (
            tree::hash(from, self.store.interrupt())?,
            tree::hash(source, self.store.interrupt())?,
        );
        if digest.nar == old.nar {
            return Ok(None);
        }
        // A link in place of the source leads to what is meant.
        let source = platform::canonical(source);
        let kept = switch::place_of_copy(&self.store, &source);
        if let Some(parent) = kept.parent() {
            platform::create_directories_as(parent, 0o700)?;
        }
        let (temporary, aside) = (beside(&source, "new"), beside(&source, "old"));
        let parent = source.parent().unwrap_or(Path::new("/"));
        let replaced = copy_checked(&source, &kept, old.nar, self.store.interrupt())
            .and_then(|()| Ok(switch::note_copy(&self.store, &self.settings.home, &source, &kept)?))
            .and_then(|()| copy_checked(from, &temporary, digest.nar, self.store.interrupt()))
            .and_then(|()| {
                if platform::kind_of(&source)? == Some(FileKind::Directory) {
                    platform::rename(&source, &aside)?;
                    let moved = platform::rename(&temporary, &source);
                    moved.inspect_err(|_| drop(platform::rename(&aside, &source)))?;
                    platform::sync_directory(parent)?;
                    platform::remove_tree(&aside)?;
                } else {
                    platform::rename(&temporary, &source)?;
                    platform::sync_directory(parent)?;
                }
                Ok(())
            });
        replaced.inspect_err(|_| drop(platform::remove_tree(&temporary)))?;
        Ok(Some(kept))
    }

    /// Replaces the text of a file in one step for its readers; it keeps its mode. A link leads to
    /// the file.
    ///
    /// # Errors
    /// When it cannot be written: then it is as it was.
    pub fn rewrite(&self, path: &Path, text: &[u8]) -> Result<(), Error> {
        let path = platform::canonical(path);
        let mode = platform::observe(&path)?.map_or(0o644, |seen| seen.mode & RIGHTS);
        let temporary = beside(&path, "new");
        let written = (|| {
            platform::remove_tree(&temporary)?;
            platform::write_file_as(&temporary, text, mode)?;
            platform::sync_file(&temporary)?;
            platform::rename(&temporary, &path)
        })();
        Ok(written.inspect_err(|_| drop(platform::remove_tree(&temporary)))?)
    }
}

fn beside(path: &Path, what: &str) -> PathBuf {
    path.with_file_name(format!(".syslua-adopt-{:x}.{what}", std::process::id()))
}

/// Copies, waits until the copy is on the disk, and checks it.
fn copy_checked(
    from: &Path,
    to: &Path,
    nar: crate::hash::Hash,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    platform::remove_tree(to)?;
    copy(from, to, interrupt)?;
    if tree::hash(to, interrupt)?.nar != nar {
        return Err(crate::store::Error::SourceChanged { path: from.to_owned() }.into());
    }
    Ok(platform::sync_file_system(to.parent().unwrap_or(Path::new("/")))?)
}

/// Copies with modes, without set-id bits.
fn copy(from: &Path, to: &Path, interrupt: &Interrupt) -> platform::Result<()> {
    let rights = |extra: u32| -> platform::Result<()> {
        let mode = platform::observe(from)?.map_or(0, |seen| seen.mode & RIGHTS);
        platform::set_mode(to, mode | extra)
    };
    match platform::kind_of(from)? {
        Some(FileKind::Directory) => {
            platform::create_directory_as(to, 0o700)?;
            for (name, _) in platform::list_directory(from)? {
                copy(&from.join(&name), &to.join(&name), interrupt)?;
            }
            rights(0o700)
        }
        Some(FileKind::Symlink) => platform::symlink(&platform::read_link(from)?, to),
        _ => {
            platform::copy_file(from, to, interrupt)?;
            rights(0o200)
        }
    }
}
