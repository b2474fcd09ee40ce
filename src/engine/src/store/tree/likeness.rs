//! What a tree is without the contents of its large files: these are hashed once, when the tree is
//! declared, and not again when it is copied, as long as nothing wrote to them in between.
//!
//! The likeness of a tree is the hash of its archive in which something else stands for the content
//! of each file: of a small one the hash of the content, of a large one what the system tells of it
//! ([`Unwritten`]). Two trees that are alike have the same archive.
//!
//! [`Unwritten`]: crate::platform::Unwritten

use crate::hash::{Hash, Hasher, Sink};

/// Hashes a tree as an archive and its likeness at the same time.
#[derive(Default)]
pub(super) struct Twice {
    pub(super) nar: Hasher,
    pub(super) likeness: Hasher,
}

impl Sink for Twice {
    fn put(&mut self, bytes: &[u8]) {
        self.nar.put(bytes);
        self.likeness.put(bytes);
    }

    fn put_content(&mut self, bytes: &[u8]) {
        self.nar.put(bytes);
    }

    fn put_stand_in(&mut self, bytes: &[u8]) {
        self.likeness.put(bytes);
    }
}

/// Hashes the likeness of a tree.
#[derive(Default)]
pub struct Likeness(Hasher);

impl Likeness {
    /// Returns the hash.
    pub fn finish(self) -> Hash {
        self.0.finish()
    }
}

impl Sink for Likeness {
    fn put(&mut self, bytes: &[u8]) {
        self.0.put(bytes);
    }

    fn put_content(&mut self, _bytes: &[u8]) {}

    fn put_stand_in(&mut self, bytes: &[u8]) {
        self.0.put(bytes);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::{Seek, SeekFrom, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{LARGE, Tree, copy, copy_seen, hash, hash_to_copy};
    use crate::platform::{Directory, Unwritten};
    use crate::seen_trees::SeenTrees;
    use crate::settings::Interrupt;

    /// All of it but the last bytes is copied past the page cache.
    const LENGTH: u64 = 17 * LARGE + 7;

    fn content(length: usize, first: u8) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
        bytes[0] = first;
        bytes
    }

    fn make(top: &Path) {
        let large = usize::try_from(LENGTH).unwrap();
        fs::create_dir_all(top.join("inner/deep")).unwrap();
        for (name, length) in [("a", large), ("inner/b", large), ("inner/deep/c", 10), ("z", 1000)]
        {
            fs::write(top.join(name), content(length, 1)).unwrap();
        }
        symlink("a", top.join("inner/link")).unwrap();
        fs::set_permissions(top.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn patch(path: &Path, offset: u64) {
        let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(b"changed").unwrap();
    }

    type Change = (&'static str, fn(&Path));

    /// What others may do to a tree between its hash and its copy.
    const CHANGES: [Change; 12] = [
        ("the first byte of a large file", |top| patch(&top.join("a"), 0)),
        ("the last bytes of another", |top| patch(&top.join("inner/b"), LENGTH - 7)),
        ("a small file, of the same length", |top| patch(&top.join("z"), 500)),
        ("a longer large file", |top| patch(&top.join("a"), LENGTH - 2)),
        ("a write whose time is set back", |top| {
            let time = fs::metadata(top.join("a")).unwrap().modified().unwrap();
            patch(&top.join("a"), 77);
            fs::File::options()
                .write(true)
                .open(top.join("a"))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }),
        ("another file in its place", |top| {
            fs::write(top.join("new"), content(usize::try_from(LENGTH).unwrap(), 2)).unwrap();
            fs::rename(top.join("new"), top.join("a")).unwrap();
        }),
        ("two names exchanged", |top| {
            fs::rename(top.join("a"), top.join("t")).unwrap();
            fs::rename(top.join("inner/b"), top.join("a")).unwrap();
            fs::rename(top.join("t"), top.join("inner/b")).unwrap();
        }),
        ("another mode", |top| {
            fs::set_permissions(top.join("a"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("another link", |top| {
            fs::remove_file(top.join("inner/link")).unwrap();
            symlink("z", top.join("inner/link")).unwrap();
        }),
        ("a new file", |top| fs::write(top.join("more"), "").unwrap()),
        ("a file less", |top| fs::remove_file(top.join("z")).unwrap()),
        ("a write to a mapping", |top| {
            use std::os::fd::AsRawFd;
            let file = fs::OpenOptions::new().read(true).write(true).open(top.join("a")).unwrap();
            let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            // SAFETY: a new mapping of an open file that is longer.
            unsafe {
                let map =
                    libc::mmap(std::ptr::null_mut(), 4096, protection, kind, file.as_raw_fd(), 0);
                assert_ne!(map, libc::MAP_FAILED);
                map.cast::<u8>().add(99).write(0);
                libc::munmap(map, 4096);
            }
        }),
    ];

    #[test]
    fn what_is_copied_unread_is_what_was_hashed() {
        let (interrupt, none) = (Interrupt::default(), BTreeSet::new());
        // With the root of the store, files are searched while they are hashed, and not read again.
        let nothing = [("nothing", (|_| {}) as fn(&Path))];
        let changes = nothing.iter().chain(&CHANGES).enumerate();
        let roots = [None, Some(Path::new("/srv/root"))];
        for (root, (number, (what, change))) in
            roots.iter().flat_map(|root| changes.clone().map(move |change| (*root, change)))
        {
            let place = tempfile::tempdir().unwrap();
            let top = place.path().join("top");
            make(&top);
            std::thread::sleep(Duration::from_millis(150));
            let seen = SeenTrees::default();
            let nar = hash_to_copy(&top, &none, root, &seen, &interrupt).unwrap();
            assert_eq!(nar, hash(&top, &interrupt).unwrap().nar);
            let look = Unwritten::observe(&fs::File::open(top.join("a")).unwrap()).unwrap();
            // Not on every file system it can be told.
            if Unwritten::begin(&fs::File::open(top.join("a")).unwrap()).is_none() {
                assert!(!seen.knows(nar));
                return;
            }
            assert!(seen.knows(nar));
            assert_eq!(seen.nameless_for(look.digest()).is_some(), root.is_some());
            change(&top);
            let directory = Arc::new(Directory::at(place.path()).unwrap());
            let into = |name: &'static str| Tree {
                directory: &directory,
                name: "top".as_ref(),
                excluded: None,
                copy: Some((&directory, name.as_ref())),
            };
            let unread = copy_seen(&into("one"), &[], &seen, nar, &interrupt).unwrap();
            let read = copy(&into("two"), &[], &interrupt).unwrap();
            if number == 0 {
                let unread = unread.unwrap();
                assert_eq!((unread.nar, unread.size), (read.nar, read.size));
                assert_eq!(hash(&place.path().join("one"), &interrupt).unwrap().nar, nar);
            } else {
                assert!(unread.is_none(), "{what}");
                assert_ne!(read.nar, nar, "{what}");
            }
        }
    }

    #[test]
    fn names_are_found_in_what_is_copied_unread() {
        let (interrupt, none) = (Interrupt::default(), BTreeSet::new());
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        make(&top);
        let name = b"tool-0a1b2c3d4".to_vec();
        let mut named = content(usize::try_from(LENGTH).unwrap(), 1);
        named[700_000..700_000 + name.len()].copy_from_slice(&name);
        fs::write(top.join("inner/b"), named).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let seen = SeenTrees::default();
        let root = Path::new("/srv/root");
        let nar = hash_to_copy(&top, &none, Some(root), &seen, &interrupt).unwrap();
        let directory = Arc::new(Directory::at(place.path()).unwrap());
        // No name, and without a trace of the store: it is searched for in everything.
        let text = content(1000, 1)[300..340].to_vec();
        for (number, (pattern, places)) in [
            (name, vec!["inner/b"]),
            (b"other-0a1b2c3d4".to_vec(), vec![]),
            (text, vec!["a", "inner/b", "z"]),
        ]
        .into_iter()
        .enumerate()
        {
            let copied = number.to_string();
            let tree = Tree {
                directory: &directory,
                name: "top".as_ref(),
                excluded: None,
                copy: Some((&directory, copied.as_ref())),
            };
            let patterns = [(pattern, None)];
            let digest = copy_seen(&tree, &patterns, &seen, nar, &interrupt).unwrap();
            let digest = digest.unwrap_or_else(|| copy(&tree, &patterns, &interrupt).unwrap());
            let found = digest.found[0].iter().map(|path| path.strip_prefix(&top).unwrap_or(path));
            let expected: Vec<_> = places.iter().map(Path::new).collect();
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_tree_that_something_writes_to_has_no_likeness() {
        let (interrupt, none) = (Interrupt::default(), BTreeSet::new());
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        make(&top);
        std::thread::sleep(Duration::from_millis(150));
        let writer = fs::OpenOptions::new().append(true).open(top.join("inner/b")).unwrap();
        let seen = SeenTrees::default();
        let nar = hash_to_copy(&top, &none, None, &seen, &interrupt).unwrap();
        assert!(!seen.knows(nar));
        drop(writer);
    }
}
