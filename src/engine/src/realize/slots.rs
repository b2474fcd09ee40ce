//! The directories of slots between two builds of one run. A build that leaves its two directories
//! as they were made, empty and with nothing about them that modes do not say, leaves them to the
//! next build of its slot: file systems do not give the number of what was just removed to
//! something new, and to look for another takes the longer the more there are. What is left at the
//! end of the run is removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::platform::lock::{Lock, Sharing};
use crate::platform::{self, Blank, Directory};
use crate::store::{Slot, Store};

/// The numbers of the directory of the outputs, and of that of the build where it has one.
type Left = [Option<(u64, u64)>; 2];

/// The directories that builds of one run left.
#[derive(Default)]
pub struct Slots {
    /// What a new directory is.
    new: OnceLock<Option<Blank>>,
    left: Mutex<BTreeMap<Slot, Left>>,
}

impl Slots {
    /// Notes what a directory is that was just made.
    pub fn note_new(&self, directory: &Path) {
        self.new.get_or_init(|| blank(directory));
    }

    /// Leaves the directories of a build, whose processes have all ended, to the next build of its
    /// slot. Returns whether they are unchanged; otherwise they must be removed. If builds run as
    /// other users, the directories become this process's. The caller holds the lock of the slot.
    pub fn leave(&self, slot: Slot, directories: [&Path; 2]) -> bool {
        let Some(Some(new)) = self.new.get() else { return false };
        let mut left = Left::default();
        for (directory, left) in directories.into_iter().zip(&mut left) {
            // Most builds of a single file have no other than that of the outputs.
            if platform::id_at(directory).is_none() {
                continue;
            }
            let Some(blank) = blank(directory).filter(|blank| blank.is_like(new)) else {
                return false;
            };
            if platform::is_system_user() && platform::give_to_number(directory, 0).is_err() {
                return false;
            }
            *left = Some(blank.id);
        }
        if left[0].is_none() {
            return false;
        }
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, left);
        true
    }

    /// Returns whether these places are the directories that the last build of a slot left; from
    /// now on they belong to the caller, who holds the lock of the slot.
    pub fn take(&self, slot: Slot, directories: [&Path; 2]) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
        left.is_some_and(|left| is_left(left, directories))
    }

    /// Removes what is left. What another process builds in is its own by now.
    pub fn clear(&self, store: &Store) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        for (slot, left) in left {
            let Ok(Some(_lock)) = Lock::try_take(&store.slot_lock(slot), Sharing::Exclusive) else {
                continue;
            };
            let (building, directory) = (store.building(slot), store.build_directory(slot));
            if is_left(left, [&building, &directory]) {
                // A directory that is no longer empty is not one of these, and the next build
                // checks it.
                let _ = platform::remove_directory(&building);
                let _ = platform::remove_directory(&directory);
            }
        }
    }
}

fn blank(directory: &Path) -> Option<Blank> {
    Directory::at(directory).and_then(|directory| directory.blank()).ok().flatten()
}

fn is_left(left: Left, directories: [&Path; 2]) -> bool {
    directories.map(platform::id_at) == left
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::hash::Hash;

    struct Place {
        _root: tempfile::TempDir,
        store: Store,
        slot: Slot,
        slots: Slots,
    }

    impl Place {
        fn new() -> Place {
            let root = tempfile::tempdir().unwrap();
            let store = Store::new(root.path());
            store.create().unwrap();
            Place {
                _root: root,
                store,
                slot: Slot::of(Hash::from_bytes([7; 32])),
                slots: Slots::default(),
            }
        }

        fn directories(&self) -> [std::path::PathBuf; 2] {
            [self.store.building(self.slot), self.store.build_directory(self.slot)]
        }

        fn make(&self) {
            for directory in self.directories() {
                platform::create_directory_as(&directory, 0o700).unwrap();
            }
            self.slots.note_new(&self.directories()[0]);
        }

        fn leave(&self) -> bool {
            let [building, directory] = self.directories();
            self.slots.leave(self.slot, [&building, &directory])
        }

        fn take(&self) -> bool {
            let [building, directory] = self.directories();
            self.slots.take(self.slot, [&building, &directory])
        }
    }

    #[test]
    fn what_is_as_it_was_made_goes_to_the_next_build_once() {
        let place = Place::new();
        place.make();
        let numbers = place.directories().map(|directory| fs::metadata(directory).unwrap().ino());
        assert!(place.leave());
        assert!(place.take() && !place.take());
        assert!(place.leave());
        assert_eq!(
            place.directories().map(|directory| fs::metadata(directory).unwrap().ino()),
            numbers
        );
        place.slots.clear(&place.store);
        assert!(place.directories().iter().all(|directory| !directory.exists()));
        assert!(!place.take());
    }

    #[test]
    fn nothing_that_a_build_did_to_a_directory_reaches_the_next_one() {
        type Change = fn(&Path) -> bool;
        let changes: [Change; 9] = [
            |directory| fs::write(directory.join("file"), "").is_ok(),
            |directory| fs::create_dir(directory.join(".hidden")).is_ok(),
            |directory| std::os::unix::fs::symlink("nowhere", directory.join("link")).is_ok(),
            |directory| fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).is_ok(),
            |directory| fs::set_permissions(directory, fs::Permissions::from_mode(0o1700)).is_ok(),
            |directory| fs::set_permissions(directory, fs::Permissions::from_mode(0o2700)).is_ok(),
            // File systems without attributes, and without flags, refuse.
            |directory| {
                let file = fs::File::open(directory).unwrap();
                rustix::fs::fsetxattr(&file, "user.note", b"x", rustix::fs::XattrFlags::empty())
                    .is_ok()
            },
            |directory| {
                let file = fs::File::open(directory).unwrap();
                let flags =
                    rustix::fs::ioctl_getflags(&file).unwrap_or(rustix::fs::IFlags::empty());
                rustix::fs::ioctl_setflags(&file, flags | rustix::fs::IFlags::NOATIME).is_ok()
            },
            // It is empty again, and larger than a new one, or it is as it was.
            |directory| {
                let before = fs::metadata(directory).unwrap().len();
                let names: Vec<_> =
                    (0..400).map(|number| directory.join(format!("{number:0>200}"))).collect();
                names.iter().for_each(|name| fs::write(name, "").unwrap());
                names.iter().for_each(|name| fs::remove_file(name).unwrap());
                fs::metadata(directory).unwrap().len() != before
            },
        ];
        for (number, change) in changes.iter().enumerate() {
            for which in 0..2 {
                let place = Place::new();
                place.make();
                let has_changed = change(&place.directories()[which]);
                assert_eq!(place.leave(), !has_changed, "change {number} of directory {which}");
                assert_eq!(place.take(), !has_changed, "change {number} of directory {which}");
            }
        }
    }

    #[test]
    fn what_another_process_made_in_the_place_of_what_was_left_is_not_taken_and_not_removed() {
        for which in 0..2 {
            for is_cleared in [false, true] {
                let place = Place::new();
                place.make();
                assert!(place.leave());
                let directory = &place.directories()[which];
                // Another is made before the first is removed: they have different numbers.
                let other = directory.with_extension("other");
                platform::create_directory_as(&other, 0o700).unwrap();
                fs::remove_dir(directory).unwrap();
                fs::rename(&other, directory).unwrap();
                if is_cleared {
                    place.slots.clear(&place.store);
                    assert!(directory.exists());
                }
                assert!(!place.take());
            }
        }
    }

    #[test]
    fn a_slot_that_another_process_holds_is_left_alone() {
        let place = Place::new();
        place.make();
        assert!(place.leave());
        let _held = Lock::try_take(&place.store.slot_lock(place.slot), Sharing::Exclusive)
            .unwrap()
            .unwrap();
        place.slots.clear(&place.store);
        assert!(place.directories().iter().all(|directory| directory.exists()));
    }

    #[test]
    fn a_build_without_a_directory_of_its_own_leaves_that_of_its_outputs() {
        let place = Place::new();
        place.make();
        fs::remove_dir(&place.directories()[1]).unwrap();
        assert!(place.leave() && place.take());
        fs::remove_dir(&place.directories()[0]).unwrap();
        assert!(!place.leave());
    }
}
