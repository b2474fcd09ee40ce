//! Trees that are deeper than paths can be, and trees that others change meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;
use crate::settings::Interrupt;

/// Deeper than any path, any stack and any table of descriptors.
const DEEP: usize = 50_000;

/// In memory where there is such a place: a disk takes its time with so many directories.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn top(path: &Path) -> Arc<Directory> {
    Arc::new(Directory::follow(path).unwrap())
}

fn make_deep(path: &Path, depth: usize) {
    let (directory, name) = locate(path).unwrap();
    directory.make_directory(name).unwrap();
    let mut inner = directory.directory(name).unwrap();
    for _ in 1..depth {
        inner.make_directory(OsStr::new("a")).unwrap();
        inner = inner.directory(OsStr::new("a")).unwrap();
    }
    inner.overwrite(OsStr::new("file"), b"bottom", 0o644).unwrap();
}

fn count(path: &Path) -> usize {
    let (directory, name) = locate(path).unwrap();
    let mut walk = Walk::new(directory, name);
    let mut nodes = 0;
    while let Some(step) = walk.step().unwrap() {
        nodes += usize::from(matches!(step, Step::Node { .. }));
    }
    nodes
}

#[test]
fn trees_of_any_depth_are_walked_copied_and_removed() {
    let place = place();
    let (deep, copy) = (place.path().join("deep"), place.path().join("copy"));
    make_deep(&deep, DEEP);
    assert_eq!(count(&deep), DEEP + 1);
    copy_tree(&deep, &copy, &Interrupt::default()).unwrap();
    assert_eq!(count(&copy), DEEP + 1);
    set_immutable(&copy, true);
    remove_tree(&copy).unwrap();
    remove_tree(&deep).unwrap();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn directories_that_may_not_be_read_are_removed() {
    let place = place();
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/b/file"), "").unwrap();
    for (path, mode) in [("a/b", 0), ("a", 0o555), ("", 0o111)] {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    remove_tree(&tree).unwrap();
    assert!(!exists(&tree));
}

#[test]
fn a_directory_that_was_moved_meanwhile_leads_nowhere() {
    let place = place();
    let tree = place.path().join("tree");
    make_deep(&tree, 30);
    fs::create_dir(place.path().join("outside")).unwrap();
    fs::write(place.path().join("outside/canary"), "").unwrap();
    let (directory, name) = locate(&tree).unwrap();
    let mut walk = Walk::new(directory, name);
    for _ in 0..31 {
        walk.step().unwrap();
    }
    // What is at the bottom is below `outside` by now; on the way up nothing there may be met.
    fs::rename(tree.join("a/a/a"), place.path().join("outside/a")).unwrap();
    let mut result = walk.step();
    while let Ok(Some(step)) = result {
        if let Step::Node { name, .. } = &step {
            assert_ne!(name, "canary");
        }
        result = walk.step();
    }
    assert!(result.unwrap_err().to_string().contains("moved meanwhile"));
}

/// Swaps names in a tree as long as it lives, as fast as it can.
struct Swapper {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn new(swaps: Vec<(PathBuf, PathBuf)>) -> Swapper {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let swap = move || {
            while !stopped.load(Ordering::Relaxed) {
                for (one, two) in &swaps {
                    let _ = renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE);
                }
            }
        };
        Swapper { stop, thread: Some(std::thread::spawn(swap)) }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// A place with a tree to work on, one that is swapped in, and canaries outside.
struct Arena {
    place: tempfile::TempDir,
}

impl Arena {
    fn new() -> Arena {
        let place = place();
        let arena = Arena { place };
        fs::create_dir_all(arena.path("outside/deep")).unwrap();
        for canary in ["outside/one", "outside/deep/two"] {
            fs::write(arena.path(canary), "canary").unwrap();
            fs::set_permissions(arena.path(canary), fs::Permissions::from_mode(0o640)).unwrap();
        }
        fs::create_dir(arena.path("swaps")).unwrap();
        arena
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Fills the tree, and what takes the places of its names.
    fn fill(&self) -> Vec<(PathBuf, PathBuf)> {
        let _ = remove_tree(&self.path("tree"));
        let _ = remove_tree(&self.path("swaps"));
        fs::create_dir_all(self.path("tree/directory/deep")).unwrap();
        fs::create_dir(self.path("swaps")).unwrap();
        for name in ["tree/file", "tree/directory/one", "tree/directory/deep/two"] {
            fs::write(self.path(name), "inside").unwrap();
        }
        symlink(self.path("outside"), self.path("swaps/link")).unwrap();
        symlink(self.path("outside/one"), self.path("swaps/file-link")).unwrap();
        let pipe = self.path("swaps/pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        vec![
            (self.path("tree/directory"), self.path("swaps/link")),
            (self.path("tree/file"), pipe),
            (self.path("tree/file"), self.path("swaps/file-link")),
        ]
    }

    fn is_unharmed(&self) {
        let names = |directory: &str| fs::read_dir(self.path(directory)).unwrap().count();
        assert_eq!((names("outside"), names("outside/deep")), (2, 1));
        for canary in ["outside/one", "outside/deep/two"] {
            assert_eq!(fs::read_to_string(self.path(canary)).unwrap(), "canary");
            assert_eq!(fs::metadata(self.path(canary)).unwrap().permissions().mode() & 0o7777, 0o640);
        }
    }

    /// Works on a tree that is swapped meanwhile, again and again for a while.
    fn race(&self, mut work: impl FnMut(&Path)) {
        let end = Instant::now() + Duration::from_millis(700);
        while Instant::now() < end {
            let swapper = Swapper::new(self.fill());
            for _ in 0..20 {
                work(&self.path("tree"));
            }
            drop(swapper);
            self.is_unharmed();
        }
    }
}

#[test]
fn what_is_swapped_in_while_a_tree_is_removed_leads_nowhere() {
    let arena = Arena::new();
    // It may end with an error, but never outside.
    arena.race(|tree| drop(remove_tree(tree)));
}

#[test]
fn what_is_swapped_in_while_a_tree_is_copied_leads_nowhere() {
    let arena = Arena::new();
    let copy = arena.path("copy");
    arena.race(|tree| {
        if copy_tree(tree, &copy, &Interrupt::default()).is_ok() {
            let mut walk = Walk::new(top(arena.place.path()), OsStr::new("copy"));
            while let Some(step) = walk.step().unwrap() {
                if let Step::Node { directory, name, kind: FileKind::File } = step {
                    assert_eq!(directory.read_file(&name).unwrap(), b"inside");
                }
            }
        }
        remove_tree(&copy).unwrap();
    });
}

#[test]
fn what_is_swapped_in_while_modes_are_set_leads_nowhere() {
    let arena = Arena::new();
    arena.race(|tree| {
        let mut walk = Walk::new(top(tree.parent().unwrap()), OsStr::new("tree"));
        while let Ok(Some(step)) = walk.step() {
            if let Step::Node { directory, name, .. } = step {
                let _ = directory.set_mode(&name, 0o777);
                let _ = directory.normalise(&name, |_| 0o755);
                directory.set_immutable(&name, false);
            }
        }
    });
}

#[test]
fn what_is_swapped_in_while_files_are_written_leads_nowhere() {
    let arena = Arena::new();
    arena.race(|tree| {
        let Ok(directory) = Directory::at(tree) else { return };
        let _ = directory.overwrite(OsStr::new("file"), b"other", 0o644);
        let _ = directory
            .directory(OsStr::new("directory"))
            .and_then(|inner| inner.overwrite(OsStr::new("one"), b"other", 0o644));
    });
}

#[test]
fn a_file_with_more_names_is_replaced_and_the_others_keep_theirs() {
    let place = place();
    fs::write(place.path().join("outside"), "kept").unwrap();
    fs::hard_link(place.path().join("outside"), place.path().join("inside")).unwrap();
    let directory = Directory::at(place.path()).unwrap();
    directory.overwrite(OsStr::new("inside"), b"new", 0o644).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("outside")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(place.path().join("inside")).unwrap(), "new");
}
