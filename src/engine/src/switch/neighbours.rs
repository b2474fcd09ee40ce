//! Other roots on this machine, as far as what stands at a target tells of them.
//!
//! There is no register: a link leads into the store of its root, and a file that was installed has the root
//! and its target in an extended attribute. What these say is believed only if that root is there and
//! does not say otherwise.

use std::path::{Path, PathBuf};

use crate::action::{Directories, Found, Target};
use crate::generations;
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Returns the mark of a file that a root installs at a place.
pub fn mark(store: &Store, place: &Path) -> Vec<u8> {
    let root = platform::bytes_of_path(&platform::canonical(store.root()));
    [root.as_slice(), b"\0", &platform::bytes_of_path(place)].concat()
}

/// Returns the other root that manages what stands at a place, if one does.
pub fn manager(store: &Store, directories: &Directories, place: &Path, found: &Found) -> Option<PathBuf> {
    match found {
        Found::Link(target, _) => {
            let root = root_of(target)?;
            manages(store, root, |declared| declared.leads_to().is_some_and(|source| source.to_path() == *target))
        }
        Found::Other(seen) if seen.kind == FileKind::File => {
            let (directory, name) = directories.of(place).ok()?;
            let mark = directory.read_mark(&name)?;
            let end = mark.iter().position(|byte| *byte == 0)?;
            let (root, target) = (platform::path_from_bytes(&mark[..end]), platform::path_from_bytes(&mark[end + 1..]));
            // A copy of it that stands elsewhere is nobody's.
            let is_here = root.is_absolute() && target == place;
            is_here.then(|| manages(store, &root, |declared| declared.leads_to().is_none()))?
        }
        _ => None,
    }
}

/// Returns the other root whose store a place lies in.
pub fn owner(store: &Store, place: &Path) -> Option<PathBuf> {
    let root = root_of(place)?;
    let manages = current(&other(store, root)?).is_none_or(|current| !current.activations.is_empty());
    manages.then(|| root.to_owned())
}

/// Returns whether a place may be that of all objects of a root, though its parent lies in no root.
pub fn may_be_owned(place: &Path) -> bool {
    place.ends_with(OBJECTS)
}

/// Where a root has its objects.
const OBJECTS: &str = "store/obj";

/// Returns the root whose object a path names, by its text.
fn root_of(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| above.ends_with(OBJECTS))?.parent()?.parent()
}

/// Returns the root if it is another one and manages something of the kind, or does not let us see what.
fn manages(store: &Store, root: &Path, is_it: impl Fn(&Target) -> bool) -> Option<PathBuf> {
    // It is private, or damaged: whose this is cannot be known.
    let manages = current(&other(store, root)?).is_none_or(|current| {
        current.activations.iter().filter_map(|activation| activation.action.as_target()).any(is_it)
    });
    manages.then(|| root.to_owned())
}

/// Returns the store of a root, if that is there and not ours.
fn other(store: &Store, root: &Path) -> Option<Store> {
    let other = Store::new(root);
    let is_other = platform::canonical(root) != platform::canonical(store.root()) && platform::exists(&other.current());
    is_other.then_some(other)
}

/// Whatever somebody made to look like a root must not keep us waiting.
fn current(other: &Store) -> Option<Snapshot> {
    let id = generations::current_id(other).ok()?;
    let file = other.snapshot(id).join("snapshot.json");
    let is_file = matches!(platform::kind_of(&file), Ok(Some(FileKind::File)));
    if is_file { generations::read(other, id).ok() } else { None }
}
