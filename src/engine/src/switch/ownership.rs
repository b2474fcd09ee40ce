//! Other roots on this machine, as far as the files at targets reveal them.
//!
//! There is no register: a link leads into the store of its root, and a file that was installed has
//! the root and its target in an extended attribute. What these say is believed only if that root
//! is there and does not say otherwise.

use std::path::{Path, PathBuf};

use crate::action::{Directories, Observed, Target};
use crate::generations;
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Returns the mark of a file that a root installs at a place.
pub fn mark(store: &Store, place: &Path) -> Vec<u8> {
    let root = platform::bytes_of_path(&platform::canonical(store.root()));
    [root.as_slice(), b"\0", &platform::bytes_of_path(place)].concat()
}

/// Returns the other root that manages the file at a place, if any.
pub fn manager(
    store: &Store,
    directories: &Directories,
    place: &Path,
    found: &Observed,
) -> Option<PathBuf> {
    match found {
        Observed::Link(target, _) => {
            let root = root_of(target)?;
            manages(store, root, |declared| {
                declared.link_text().is_some_and(|text| text.to_path() == *target)
            })
        }
        Observed::Other(seen) if seen.kind == FileKind::File => {
            let (directory, name) = directories.of(place).ok()?;
            let mark = directory.read_mark(&name)?;
            let end = mark.iter().position(|byte| *byte == 0)?;
            let (root, target) = (
                platform::path_from_bytes(&mark[..end]),
                platform::path_from_bytes(&mark[end + 1..]),
            );
            // A copy of it in another place belongs to no root.
            let is_here = root.is_absolute() && target == place;
            is_here.then(|| manages(store, &root, |declared| declared.leads_to().is_none()))?
        }
        _ => None,
    }
}

/// Returns the other root whose store contains a place.
pub fn owner(store: &Store, place: &Path) -> Option<PathBuf> {
    let root = root_of(place)?;
    let manages =
        current(&other(store, root)?).is_none_or(|current| !current.activations.is_empty());
    manages.then(|| root.to_owned())
}

/// Returns whether a place may be the object directory of a root, though its parent is not in a
/// root.
pub fn may_be_owned(place: &Path) -> bool {
    IN_ROOT.iter().any(|inner| place.ends_with(inner))
}

/// Where a root has its objects, and links to them.
const IN_ROOT: [&str; 2] = ["store/obj", "store/ways"];

/// Returns the root whose object a path names, by its text.
fn root_of(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| may_be_owned(above))?.parent()?.parent()
}

/// Returns the root if it is another one and manages a target of this kind, or cannot be read.
fn manages(store: &Store, root: &Path, is_it: impl Fn(&Target) -> bool) -> Option<PathBuf> {
    // It is private, or damaged: whose this is cannot be known.
    let manages = current(&other(store, root)?).is_none_or(|current| {
        current.activations.iter().filter_map(|activation| activation.action.as_target()).any(is_it)
    });
    manages.then(|| root.to_owned())
}

/// Returns the store of a root, if it exists and is another one.
fn other(store: &Store, root: &Path) -> Option<Store> {
    let other = Store::new(root);
    let is_other = platform::canonical(root) != platform::canonical(store.root())
        && platform::exists(&other.current());
    is_other.then_some(other)
}

/// The longest snapshot of another root that is read, in bytes: one of 100,000 files is shorter.
const LONGEST_SNAPSHOT: u64 = 128 << 20;

/// What looks like a root may be made by any user: it is read with a limit, nothing is waited for,
/// and only what belongs to the owner of that root counts.
fn current(other: &Store) -> Option<Snapshot> {
    let id = generations::current_id(other).ok()?;
    let path = other.snapshot(id).join("snapshot.json");
    let (text, node) = platform::read_foreign(&path, LONGEST_SNAPSHOT).ok()??;
    let owner = platform::owner_of(other.root()).ok()?;
    if owner.is_some_and(|owner| owner != node.owner) {
        return None;
    }
    Snapshot::parse(&text).ok().filter(|snapshot| snapshot.id == id)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_snapshot_of_another_root_is_read_with_limits() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(&place.path().join("other"));
        let directory = store.snapshot(crate::names::SnapshotId(1));
        fs::create_dir_all(&directory).unwrap();
        platform::symlink(Path::new("snapshots/1"), &store.current()).unwrap();
        let file = directory.join("snapshot.json");
        let empty =
            serde_json::to_vec(&Snapshot { id: crate::names::SnapshotId(1), ..Snapshot::empty() })
                .unwrap();
        fs::write(&file, &empty).unwrap();
        assert!(current(&store).is_some());
        // Spaces are no part of what it says.
        let long = File::options().append(true).open(&file).unwrap();
        std::io::Write::write_all(&mut &long, &vec![b' '; 1 << 20]).unwrap();
        assert!(current(&store).is_some());
        long.set_len(LONGEST_SNAPSHOT + 1).unwrap();
        assert!(current(&store).is_none());
        fs::remove_file(&file).unwrap();
        platform::hostile::make_pipe(&file);
        assert!(current(&store).is_none());
        fs::remove_file(&file).unwrap();
        fs::write(directory.join("elsewhere"), &empty).unwrap();
        platform::symlink(Path::new("elsewhere"), &file).unwrap();
        assert!(current(&store).is_none());
        fs::remove_file(&file).unwrap();
        fs::write(&file, &empty).unwrap();
        if platform::is_system_user() {
            std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
            assert!(current(&store).is_none());
        }
    }
}
