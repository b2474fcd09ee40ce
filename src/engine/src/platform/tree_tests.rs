//! Trees that are deeper than paths can be, and trees that others change meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::hostile::{Arena, DEEP, count, make_deep, place, top};
use super::*;
use crate::settings::Interrupt;

#[test]
fn trees_of_any_depth_are_walked_copied_and_removed() {
    let place = place();
    let (deep, copy) = (place.path().join("deep"), place.path().join("copy"));
    make_deep(&deep, DEEP, b"bottom");
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
    make_deep(&tree, 30, b"bottom");
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
    assert!(result.unwrap_err().to_string().contains("moved during the operation"));
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
            let mut walk = Walk::new(top(&arena.path("")), OsStr::new("copy"));
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
