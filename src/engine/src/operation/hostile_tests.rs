//! Operations of builds on trees as an attacker makes them: of any depth, of any kinds of files,
//! and changing meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use super::unpack::tests::Place;
use super::{Request, Response, perform};
use crate::operation::Error;
use crate::platform::hostile::{
    Arena, CANARY, DEEP, Kinds, Random, count, deep_file, holds_no_canary, make_deep, make_tree,
};
use crate::platform::{self, remove_tree};

fn copy(from: &str, to: &str) -> Request {
    Request::Copy { from: from.into(), to: to.into() }
}

#[test]
fn operations_reach_any_depth() {
    let place = Place::new();
    let perform = |request| perform(&place.workspace, request).unwrap();
    let work = place.workspace.directory.clone();
    let deep = |top: &str| Path::new(top).join(deep_file(DEEP));
    make_deep(&work.join("tree"), DEEP, b"bottom");
    perform(copy("tree", "copy"));
    assert_eq!(count(&work.join("copy")), DEEP + 1);
    perform(Request::SetMode { path: "copy".into(), mode: 0o700 });
    perform(Request::Move { from: "copy".into(), to: "moved".into() });
    assert_eq!(
        perform(Request::Read { path: deep("moved") }),
        Response::Output(b"bottom".to_vec())
    );
    perform(Request::Write { path: deep("moved"), content: b"new".to_vec() });
    assert_eq!(perform(Request::Read { path: deep("moved") }), Response::Output(b"new".to_vec()));
    let lowest = deep("moved").parent().unwrap().to_owned();
    assert_eq!(
        perform(Request::List { path: lowest.clone(), recursive: false }),
        Response::Names(vec![b"file".to_vec()])
    );
    assert_eq!(perform(Request::Exists { path: deep("moved") }), Response::Flag(true));
    perform(Request::Symlink { target: "file".into(), link: lowest.join("link") });
    assert_eq!(
        perform(Request::Read { path: lowest.join("link") }),
        Response::Output(b"new".to_vec())
    );
    perform(Request::MakeDirectory { path: Path::new("made").join(deep_file(DEEP / 10)) });
    assert_eq!(count(&work.join("made")), DEEP / 10 + 1);
    for name in ["tree", "moved", "made"] {
        remove_tree(&work.join(name)).unwrap();
    }
}

#[test]
fn random_trees_are_copied_whole_or_refused() {
    for seed in 0..40 {
        let arena = Arena::new();
        let place = Place::new();
        let work = place.workspace.directory.clone();
        let kinds = if seed % 3 == 0 { Kinds::All } else { Kinds::Storable };
        make_tree(&work.join("tree"), &mut Random::new(1000 + seed), kinds, &arena.path("outside"));
        match perform(&place.workspace, copy("tree", "copy")) {
            Ok(_) => {
                assert_eq!(count(&work.join("copy")), count(&work.join("tree")), "seed {seed}");
            }
            // A pipe, a socket, or what may not be read.
            Err(Error::Refused { .. } | Error::File(_)) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
        let _ = perform(&place.workspace, Request::SetMode { path: "tree".into(), mode: 0o4777 });
        for name in ["tree", "copy"] {
            remove_tree(&work.join(name)).unwrap();
        }
        arena.is_unharmed();
    }
}

/// Performs a request on a tree that is swapped meanwhile; `made` is removed after each.
fn race(request: impl Fn() -> Request, made: &[&str]) {
    let arena = Arena::new();
    let place = Place::new();
    let work = place.workspace.directory.clone();
    arena.race_at(&work.join("tree"), 10, |_| {
        match perform(&place.workspace, request()) {
            Ok(Response::Output(bytes)) => assert_ne!(bytes, CANARY.as_bytes()),
            Ok(Response::Names(names)) => assert!(
                !names.iter().any(|name| name == b"two" && names.len() == 1)
                    || matches!(request(), Request::List { path, .. } if path.ends_with("deep"))
            ),
            _ => {}
        }
        for name in made {
            if platform::exists(&work.join(name)) {
                holds_no_canary(&work.join(name));
                remove_tree(&work.join(name)).unwrap();
            }
        }
    });
}

#[test]
fn what_is_swapped_in_while_operations_work_leads_nowhere() {
    let path = |name: &str| PathBuf::from(name);
    race(|| copy("tree", "copy"), &["copy"]);
    race(|| copy("tree/file", "copy"), &["copy"]);
    race(|| copy("tree/directory/deep", "copy"), &["copy"]);
    race(|| Request::Read { path: path("tree/file") }, &[]);
    race(|| Request::Read { path: path("tree/directory/one") }, &[]);
    race(|| Request::List { path: path("tree/directory/deep"), recursive: false }, &[]);
    race(|| Request::Exists { path: path("tree/directory/one") }, &[]);
    race(|| Request::Write { path: path("tree/directory/one"), content: b"inside".to_vec() }, &[]);
    race(|| Request::Write { path: path("tree/file"), content: b"inside".to_vec() }, &[]);
    race(|| Request::MakeDirectory { path: path("tree/directory/deep/more/and/more") }, &[]);
    race(|| Request::Symlink { target: path("x"), link: path("tree/directory/deep/link") }, &[]);
    race(|| Request::SetMode { path: path("tree"), mode: 0o777 }, &[]);
    race(
        || Request::Move {
            from: path("tree/directory/one"),
            to: path("tree/directory/deep/moved"),
        },
        &[],
    );
}

#[test]
fn what_is_swapped_in_while_an_archive_is_unpacked_leads_nowhere() {
    let arena = Arena::new();
    let place = Place::new();
    let work = place.workspace.directory.clone();
    let made = arena.path("made");
    fs::create_dir_all(made.join("directory/deep")).unwrap();
    for name in ["file", "directory/one", "directory/deep/two"] {
        fs::write(made.join(name), "inside").unwrap();
    }
    let archive = work.join("archive.tar");
    let tar = std::process::Command::new("tar")
        .arg("-C")
        .arg(&made)
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .status();
    assert!(tar.unwrap().success());
    arena.race_at(&work.join("tree"), 10, |_| {
        let options = super::UnpackOptions::default();
        let request =
            Request::Unpack { archive: "archive.tar".into(), destination: "tree".into(), options };
        let _ = perform(&place.workspace, request);
    });
}
