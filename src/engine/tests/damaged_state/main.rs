//! Files of the root that are cut, zeroed, of a newer version or nonsense: no command panics,
//! deletes anything or changes anything without saying so; each error names the file; going back to
//! a snapshot that can be read works.
//!
//! `SYSLUA_SWEEP=all` cuts at every byte; otherwise at a part of them, so that the suite stays
//! quick.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, reason = "a test")]
#![cfg(unix)]

mod damages;
mod machine;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;
use syslua_engine::journal::{self, Journal};
use syslua_engine::names::SnapshotId;
use syslua_engine::settings::Mode;
use syslua_engine::store::source_cache::SourceMemory;
use syslua_engine::store::{self, Store};
use syslua_engine::value::Text;

use damages::{damages, mutations, thorough};
use machine::{Machine, Tree, differing, read_tree};

/// Damages a file in every way. `fails` are the commands that must fail, naming the file; all
/// others work.
fn sweep(machine: &Machine, name: &str, text: &[u8], fails: &[&str]) {
    let path = machine.path(name);
    let shown = path.display().to_string();
    for (place, (what, damaged)) in damages(text).into_iter().enumerate() {
        let when = format!("{name} {what}");
        write(&path, &damaged);
        let failed = machine.look_at_damage(&when);
        for (command, message) in &failed {
            assert!(message.contains(&shown), "{when}: {command} does not name {shown}: {message}");
            assert!(message.len() < 1000, "{when}: {command}: {} bytes of message", message.len());
        }
        let names: Vec<&str> = failed.keys().copied().collect();
        let mut expected = fails.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected, "{when}");
        if fails.contains(&"gc --dry-run") && (thorough() || place.is_multiple_of(4)) {
            refuse_to_collect(machine, &when, &shown);
        }
    }
    // Nonsense that reads: whatever comes of it, it is no panic, and nothing changes.
    for (place, damaged) in mutations(text).into_iter().enumerate() {
        write(&path, &damaged);
        machine.look_at_one_of_many(&String::from_utf8_lossy(&damaged), place);
    }
    machine.restore();
}

/// Nothing is deleted where something cannot be read that could hold an object.
fn refuse_to_collect(machine: &Machine, when: &str, named: &str) {
    let before = read_tree(&machine.work);
    let message = machine.collect().unwrap_err();
    assert!(message.contains(named), "{when}: gc does not name {named}: {message}");
    let changed = differing(&before, &read_tree(&machine.work));
    assert!(changed.is_empty(), "{when}: the gc that failed changed {changed:?}");
}

fn write(path: &Path, text: &[u8]) {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).unwrap();
    }
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Damages a file in some ways, and for each tries to apply and to go back. `apply_works` says
/// which is expected.
fn act(machine: &Machine, homes: &[Tree], name: &str, text: &[u8], apply_works: bool) {
    let path = machine.path(name);
    let shown = path.display().to_string();
    let step = if thorough() { 1 } else { 6 };
    for (what, damaged) in damages(text).into_iter().step_by(step) {
        let when = format!("{name} {what}");
        write(&path, &damaged);
        let before = read_tree(&machine.work);
        match machine.apply(3) {
            Ok(()) => {
                assert!(apply_works, "{when}: apply works");
                machine.restore();
                write(&path, &damaged);
            }
            Err(message) => {
                assert!(!apply_works, "{when}: {message}");
                assert!(message.contains(&shown), "{when}: {message}");
                let changed = differing(&before, &read_tree(&machine.work));
                assert!(changed.is_empty(), "{when}: the apply that failed changed {changed:?}");
            }
        }
        let objects = |tree: &Tree| {
            tree.keys().filter(|path| path.to_string_lossy().contains("/obj/")).count()
        };
        for id in [1, 0] {
            machine
                .rollback(Some(id))
                .unwrap_or_else(|error| panic!("{when}: no way to {id}: {error}"));
            let home = machine.home();
            assert_eq!(home, homes[usize::try_from(id).unwrap()], "{when}: not the home of {id}");
        }
        assert_eq!(objects(&before), objects(&read_tree(&machine.work)), "{when}: objects went");
        write(&path, &damaged);
        if apply_works {
            match machine.collect() {
                Ok(()) => {
                    machine
                        .engine()
                        .status()
                        .map(drop)
                        .unwrap_or_else(|error| panic!("{when}: gc broke it: {error}"));
                }
                Err(message) => assert!(message.contains(&shown), "{when}: gc: {message}"),
            }
            machine.restore();
            write(&path, &damaged);
            machine
                .engine()
                .destroy(Mode::Perform)
                .unwrap_or_else(|error| panic!("{when}: no end: {error}"));
            assert_eq!(machine.home(), homes[0], "{when}: not the home of before");
            machine.restore();
        } else {
            machine.restore();
            write(&path, &damaged);
            let before = read_tree(&machine.work);
            assert!(machine.engine().destroy(Mode::Perform).is_err(), "{when}: destroyed");
            let changed = differing(&before, &read_tree(&machine.work));
            assert!(changed.is_empty(), "{when}: the destruction that failed changed {changed:?}");
            machine.rollback(Some(1)).unwrap();
        }
        // From there on all is well.
        machine.apply(3).unwrap_or_else(|error| panic!("{when}: no apply after that: {error}"));
        machine
            .engine()
            .status()
            .unwrap_or_else(|error| panic!("{when}: no status after that: {error}"));
        machine.restore();
    }
}

const SNAPSHOT: &str = "store/metadata/snapshots/2/snapshot.json";

#[test]
fn a_damaged_current_snapshot_is_named_and_can_be_left() {
    let machine = Machine::new();
    let homes = machine.homes();
    let text = fs::read(machine.path(SNAPSHOT)).unwrap();
    sweep(
        &machine,
        SNAPSHOT,
        &text,
        &[
            "status",
            "plan",
            "plan of another",
            "diff",
            "why",
            "list",
            "info",
            "gc --dry-run",
            "destroy --dry-run",
        ],
    );
    act(&machine, &homes, SNAPSHOT, &text, false);
}

#[test]
fn without_manifest_too_it_can_be_left() {
    let machine = Machine::new();
    let homes = machine.homes();
    for manifest in [b"".as_slice(), b"{", b"{\"version\":2}", b"[]", &[b'['; 100_000]] {
        write(&machine.path(SNAPSHOT), b"{");
        write(&machine.path("store/metadata/snapshots/2/manifest.json"), manifest);
        machine.look_at_damage("no manifest");
        machine.rollback(Some(1)).unwrap();
        let home = machine.home();
        // What only the lost snapshot declared may stay; all else is as snapshot 1 has it.
        let lost = differing(&homes[1], &home);
        assert!(
            lost.iter().all(|path| homes[2].contains_key(path) && !homes[1].contains_key(path)),
            "{lost:?}"
        );
        assert!(homes[1].iter().all(|(path, content)| home.get(path) == Some(content)));
        machine.restore();
    }
}

#[test]
fn a_damaged_manifest_stands_in_nobodys_way() {
    let machine = Machine::new();
    let homes = machine.homes();
    let name = "store/metadata/snapshots/2/manifest.json";
    let text = fs::read(machine.path(name)).unwrap();
    sweep(&machine, name, &text, &[]);
    act(&machine, &homes, name, &text, true);
}

#[test]
fn a_damaged_older_snapshot_is_named_by_what_needs_it() {
    let machine = Machine::new();
    let homes = machine.homes();
    let name = "store/metadata/snapshots/1/snapshot.json";
    let text = fs::read(machine.path(name)).unwrap();
    sweep(&machine, name, &text, &["diff", "gc --dry-run", "rollback --dry-run"]);
    for (what, damaged) in damages(&text).into_iter().step_by(5) {
        write(&machine.path(name), &damaged);
        let before = read_tree(&machine.work);
        let message = machine.rollback(Some(1)).unwrap_err();
        assert!(message.contains(name), "{what}: {message}");
        assert!(machine.rollback(None).unwrap_err().contains(name), "{what}");
        assert!(differing(&before, &read_tree(&machine.work)).is_empty(), "{what}");
        machine.rollback(Some(0)).unwrap();
        assert_eq!(machine.home(), homes[0], "{what}");
        machine.apply(3).unwrap();
        machine.restore();
    }
}

#[test]
fn a_damaged_index_is_made_anew() {
    let machine = Machine::new();
    let homes = machine.homes();
    let name = "store/metadata/snapshots.json";
    let text = fs::read(machine.path(name)).unwrap();
    sweep(&machine, name, &text, &[]);
    act(&machine, &homes, name, &text, true);
    for last in [u64::MAX, u64::MAX - 1] {
        write(
            &machine.path(name),
            format!("{{\"version\":1,\"last_id\":\"{last}\",\"snapshots\":[]}}").as_bytes(),
        );
        machine.apply(3).unwrap();
        assert_eq!(machine.engine().status().unwrap().snapshot.id, SnapshotId(3));
        machine.restore();
    }
    // A newer one keeps what this one must know.
    write(&machine.path(name), b"{\"version\":9,\"last_id\":\"41\",\"snapshots\":{}}");
    machine.apply(3).unwrap();
    assert_eq!(machine.engine().status().unwrap().snapshot.id, SnapshotId(42));
    machine.restore();
    // Without a parent in the damaged snapshot, the index knows it.
    write(&machine.path(SNAPSHOT), b"{");
    machine.rollback(None).unwrap();
    assert_eq!(machine.home(), homes[1]);
}

#[test]
fn a_damaged_record_is_found_by_verify() {
    let machine = Machine::new();
    let homes = machine.homes();
    let store = Store::new(&machine.work.join("root"));
    let outputs =
        store::get_outputs(&store, machine.derivations[1].hash, |_| true).unwrap().unwrap();
    let object = outputs.values().next().unwrap();
    let name = format!("store/info/{object}.json");
    let text = fs::read(machine.path(&name)).unwrap();
    sweep(&machine, &name, &text, &["gc --dry-run"]);
    act(&machine, &homes, &name, &text, true);
    for (what, damaged) in damages(&text) {
        write(&machine.path(&name), &damaged);
        let found = machine.engine().verify().unwrap();
        assert_eq!(found.broken, 1, "{what}");
        assert!(found.damaged[0].problem.contains(&name), "{what}: {}", found.damaged[0].problem);
        let listed = machine.engine().list().unwrap();
        assert_eq!(listed.objects.len(), 2, "{what}");
        assert!(
            listed.unreadable[0].problem.contains(&name),
            "{what}: {}",
            listed.unreadable[0].problem
        );
    }
}

#[test]
fn damaged_records_of_derivations_count_as_none() {
    let machine = Machine::new();
    let homes = machine.homes();
    let hash = machine.derivations[1].hash;
    let name = format!("store/drv-out/{hash}");
    let text = fs::read(machine.path(&name)).unwrap();
    let all = damages(&text).into_iter().map(|(_, text)| text).chain(mutations(&text));
    for (place, damaged) in all.enumerate() {
        write(&machine.path(&name), &damaged);
        let failed = machine.look_at_one_of_many("drv-out", place);
        assert!(failed.is_empty(), "{failed:?}");
    }
    machine.restore();
    act(&machine, &homes, &name, &text, true);
    let name = format!("store/drv/{hash}.drv");
    let text = fs::read(machine.path(&name)).unwrap();
    for (what, damaged) in damages(&text) {
        write(&machine.path(&name), &damaged);
        let failed = machine.look_at_damage(&what);
        for (command, message) in failed {
            assert_eq!(command, "diff of derivations", "{what}");
            assert!(message.contains(&name), "{what}: {message}");
        }
    }
}

#[test]
fn damaged_memories_count_as_empty() {
    let machine = Machine::new();
    let homes = machine.homes();
    let store = Store::new(&machine.work.join("root"));
    let source = machine.work.join("source");
    let hash = SourceMemory::default().hash(&source, &BTreeSet::new()).unwrap();
    let entry = json!({ "fingerprint": hash, "nar": hash });
    let text =
        serde_json::to_vec(&json!({ "version": 1, "entries": { "/somewhere": entry } })).unwrap();
    for damaged in damages(&text).into_iter().map(|(_, text)| text).chain(mutations(&text)) {
        write(&store.source_memory(), &damaged);
        let mut memory = SourceMemory::load(&store);
        memory.hash(&source, &BTreeSet::new()).unwrap();
    }
    for (what, damaged) in damages(&text) {
        write(&store.source_memory(), &damaged);
        assert_eq!(
            SourceMemory::load(&store).hash(&source, &BTreeSet::new()).unwrap(),
            hash,
            "{what}"
        );
    }
    let text = b"{\"version\":1,\"directories\":[\"/somewhere\"]}\n";
    sweep(&machine, "store/metadata/origin.json", text, &[]);
    act(&machine, &homes, "store/metadata/origin.json", text, true);
    let text = fs::read(store.backups_index()).unwrap();
    sweep(&machine, "backups/index.json", &text, &[]);
    // The directories that were made are forgotten with it; nothing of the user's is.
    for (what, damaged) in damages(&text).into_iter().step_by(5) {
        write(&store.backups_index(), &damaged);
        machine.rollback(Some(0)).unwrap();
        let left = differing(&homes[0], &machine.home());
        assert!(
            left.iter().all(|path| path.starts_with(machine.work.join("home/.deep"))),
            "{what}: {left:?}"
        );
        machine.restore();
    }
}

#[test]
fn a_damaged_journal_stops_everything_but_going_back() {
    let machine = Machine::new();
    let homes = machine.homes();
    let journal = Journal {
        version: journal::VERSION,
        mark: "1-2".into(),
        from: SnapshotId(2),
        to: Some(SnapshotId(3)),
        makes_snapshot: true,
        is_first: false,
        process: 1,
        started_at: 0,
        confirm: None,
        changes: Vec::new(),
        leftover: vec![Text::from("/nowhere")],
    };
    let text = journal::line(&journal);
    let name = "store/metadata/journal";
    sweep(
        &machine,
        name,
        &text,
        &["status", "plan", "plan of another", "history", "gc --dry-run", "destroy --dry-run"],
    );
    act(&machine, &homes, name, &text, false);
    // However far the switch came: here to its end, but for the commit.
    machine.apply(3).unwrap();
    fs::remove_file(machine.path("store/metadata/current")).unwrap();
    symlink("snapshots/2", machine.path("store/metadata/current")).unwrap();
    write(&machine.path(name), &text[..text.len() / 2]);
    machine.rollback(Some(1)).unwrap();
    assert_eq!(machine.home(), homes[1]);
    let aside = fs::read(machine.path("store/quarantine/journal.0")).unwrap();
    assert_eq!(aside, &text[..text.len() / 2]);
}

#[test]
fn whatever_stands_in_the_place_of_current_is_named() {
    let machine = Machine::new();
    let homes = machine.homes();
    let current = machine.path("store/metadata/current");
    let place = |what: &dyn Fn()| {
        fs::remove_file(&current).unwrap();
        what();
    };
    let links = [
        "snapshots/7",
        "nowhere",
        "/",
        "../../..",
        "snapshots/2/snapshot.json",
        "snapshots/18446744073709551616",
    ];
    for link in links {
        place(&|| symlink(link, &current).unwrap());
        for (command, message) in machine.look_at_damage(link) {
            let names_it = message.contains("/current is not a link")
                || message.contains("snapshots/7/snapshot.json");
            assert!(names_it, "{link}: {command}: {message}");
        }
        assert!(machine.apply(3).is_err(), "{link}");
        machine.rollback(Some(1)).unwrap_or_else(|error| panic!("{link}: {error}"));
        assert_eq!(machine.home(), homes[1], "{link}");
        machine.restore();
    }
    place(&|| fs::write(&current, "snapshots/2").unwrap());
    assert!(
        machine.look_at_damage("a file")["status"].contains("/current is not a link to a snapshot")
    );
    machine.rollback(Some(1)).unwrap();
    assert_eq!(machine.home(), homes[1]);
    assert_eq!(fs::read_link(&current).unwrap(), Path::new("snapshots/1"));
}

#[test]
fn a_directory_in_the_place_of_a_file_is_named() {
    let machine = Machine::new();
    let homes = machine.homes();
    for name in [SNAPSHOT, "store/metadata/journal"] {
        let path = machine.path(name);
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        let failed = machine.look_at_damage(name);
        assert!(failed["status"].contains(name), "{}", failed["status"]);
        assert!(machine.apply(3).unwrap_err().contains(name));
        if name == SNAPSHOT {
            machine.rollback(Some(1)).unwrap();
            assert_eq!(machine.home(), homes[1]);
        }
        machine.restore();
    }
    for name in ["store/metadata/snapshots.json", "cache/sources", "backups/index.json"] {
        let path = machine.path(name);
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        let failed = machine.look_at_damage(name);
        assert!(failed.is_empty(), "{name}: {failed:?}");
        machine.restore();
    }
}

#[test]
fn the_greatest_number_is_the_last() {
    let machine = Machine::new();
    fs::create_dir(machine.path("store/metadata/snapshots").join(u64::MAX.to_string())).unwrap();
    let before = read_tree(&machine.work);
    assert!(machine.apply(3).unwrap_err().contains("leaves no number"));
    assert!(differing(&before, &read_tree(&machine.work)).is_empty());
    assert_eq!(machine.engine().history().unwrap().snapshots.len(), 4);
}
