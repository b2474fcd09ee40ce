//! Keys in a file that a program owns too. The program writes before every operation, and the
//! switch stops or fails at one of them. Afterwards the last write of the program is in the file,
//! and the declared keys are all old or all new. Undoing the switch leaves the file as the program
//! alone would have made it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test"
)]
#![cfg(unix)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use syslua_engine::action::Action;
use syslua_engine::activation::DeclaredAction;
use syslua_engine::api::{ApplyOptions, Engine};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::SnapshotId;
use syslua_engine::platform::fault::{self, Fault};
use syslua_engine::settings::Mode;
use syslua_engine::store::Access;

use support::{ENOSPC, NoTasks, settings, temporary_directory};

/// What stands there before the first apply; the program counts in `n`.
const BEFORE: &str = "{\n  // the program's\n  \"n\": 0,\n  \"a\": \"before\", // a\n}\n";

struct Machine {
    work: PathBuf,
    _base: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let base = temporary_directory();
        let work = base.path().canonicalize().unwrap();
        fs::create_dir_all(work.join("home")).unwrap();
        fs::write(work.join("home/s.json"), BEFORE).unwrap();
        Machine { work, _base: base }
    }

    fn engine(&self) -> Engine {
        Engine::open(settings(&self.work.join("root"), &self.work.join("home")), Access::Work)
            .unwrap()
    }

    fn apply(&self, number: usize) -> Result<(), String> {
        let manifest = manifest(number);
        let applied = self.engine().apply(&manifest, &ApplyOptions::default(), &mut NoTasks);
        applied.map(drop).map_err(|error| error.to_failure().message)
    }

    fn run(&self, scenario: &str) -> Result<(), String> {
        match scenario {
            "first" => self.apply(1),
            "second" => self.apply(2),
            "rollback" => {
                let done = self.engine().rollback(Some(SnapshotId(1)), Mode::Perform);
                done.map(drop).map_err(|error| error.to_failure().message)
            }
            _ => {
                let done = self.engine().destroy(Mode::Perform);
                done.map(drop).map_err(|error| error.to_failure().message)
            }
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.work.join("home/s.json")).unwrap()
    }

    fn check(&self, states: &[usize], written: u64, when: &str) {
        let text = self.text();
        let expected: Vec<String> = states.iter().map(|state| expected(*state, written)).collect();
        assert!(expected.contains(&text), "{when}: {text}\nis none of {expected:#?}");
        let left = fs::read_dir(self.work.join("home")).unwrap().count();
        assert_eq!(left, 1, "{when}: something is left beside the file");
    }
}

fn manifest(number: usize) -> Manifest {
    let keys = match number {
        1 => r#"[{"path":["a"],"value":"ours"},{"path":["b"],"value":1}]"#,
        _ => r#"[{"path":["a"],"value":"second"},{"path":["c","d"],"value":true}]"#,
    };
    let action: Action = serde_json::from_str(&format!(
        r#"{{"kind":"merge","target":"~/s.json","format":"jsonc","keys":{keys}}}"#
    ))
    .unwrap();
    let activations = vec![Arc::new(DeclaredAction::new(action, vec!["init.lua:1".to_owned()]))];
    Manifest { activations, ..Manifest::default() }
}

/// What stands there in the state of an apply, or before all, when the program counted so far.
fn expected(state: usize, count: u64) -> String {
    let text = match state {
        0 => BEFORE.to_owned(),
        1 => BEFORE.replace("\"before\"", "\"ours\"").replace("// a\n", "// a\n  \"b\": 1,\n"),
        _ => BEFORE
            .replace("\"before\"", "\"second\"")
            .replace("// a\n", "// a\n  \"c\": {\n    \"d\": true\n  },\n"),
    };
    text.replace("\"n\": 0", &format!("\"n\": {count}"))
}

/// Writes the next number into the file, as editors do: beside it, and over it. The program knows
/// its number by itself: between an exchange and the merge that follows, the file has an older one.
fn write_next(path: &Path, count: &AtomicU64) {
    let Ok(text) = fs::read_to_string(path) else { return };
    let now = count.load(Ordering::SeqCst);
    let (start, rest) = text.split_once("\"n\": ").expect("the file has the program's number");
    let (_, end) = rest.split_once(',').expect("the number has an end");
    let new = format!("{start}\"n\": {},{end}", now + 1);
    if now.is_multiple_of(2) {
        fs::write(path, new).unwrap();
    } else {
        let other = path.with_extension("program");
        fs::write(&other, new).unwrap();
        fs::rename(&other, path).unwrap();
    }
    count.fetch_add(1, Ordering::SeqCst);
}

/// Prepares a machine for a scenario; returns the states before and after it.
fn prepared(scenario: &str) -> (Machine, [usize; 2]) {
    let machine = Machine::new();
    let states = match scenario {
        "first" => [0, 1],
        "second" => [1, 2],
        "rollback" => [2, 1],
        _ => [2, 0],
    };
    for number in 1..=states[0] {
        machine.apply(number).unwrap();
    }
    machine.check(&states[..1], 0, scenario);
    (machine, states)
}

/// One test, since there is one set of numbered points in a process.
#[test]
fn a_program_that_writes_all_the_time_loses_nothing() {
    for scenario in ["first", "second", "rollback", "destroy"] {
        for writes in [false, true] {
            let (machine, states) = prepared(scenario);
            let count = Arc::new(AtomicU64::new(0));
            fault::choose(None);
            // Twelve times: a program that never pauses ends the switch.
            let every = Arc::new(AtomicU64::new(0));
            let (path, counted) = (machine.work.join("home/s.json"), Arc::clone(&count));
            if writes {
                let every = Arc::clone(&every);
                fault::meanwhile(Some(Box::new(move || {
                    let is_due = every.fetch_add(1, Ordering::SeqCst) % 5 < 2;
                    if is_due && counted.load(Ordering::SeqCst) < 12 {
                        write_next(&path, &counted);
                    }
                })));
            }
            machine.run(scenario).unwrap();
            fault::meanwhile(None);
            let points = fault::count();
            machine.check(&states[1..], count.load(Ordering::SeqCst), scenario);
            for number in 1..=points {
                for fault in [Fault::Halt, Fault::Fail(ENOSPC)] {
                    disturb(scenario, number, fault, writes);
                }
            }
            eprintln!("{scenario}, writes {writes}: {points} points");
        }
    }
}

fn disturb(scenario: &str, number: u64, fault: Fault, writes: bool) {
    let when = format!("{scenario} at {number}, {fault:?}, writes {writes}");
    let (machine, states) = prepared(scenario);
    let count = Arc::new(AtomicU64::new(0));
    if writes {
        // Just before and at the point.
        let (path, counted) = (machine.work.join("home/s.json"), Arc::clone(&count));
        let at = Arc::new(AtomicU64::new(0));
        fault::meanwhile(Some(Box::new(move || {
            let now = at.fetch_add(1, Ordering::SeqCst) + 1;
            if now + 1 == number || now == number {
                write_next(&path, &counted);
            }
        })));
    }
    fault::choose(Some((number, fault)));
    let result = machine.run(scenario);
    fault::choose(None);
    fault::meanwhile(None);
    let root = machine.work.join("root");
    if root.join("store/metadata/current").symlink_metadata().is_ok() {
        machine.engine().recover().unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    let written = count.load(Ordering::SeqCst);
    let expected: &[usize] = if result.is_ok() { &states[1..] } else { &states };
    machine.check(expected, written, &when);
    // The next one gets there, and what is taken back then is what stood there.
    if scenario != "destroy" {
        machine.run(scenario).unwrap_or_else(|error| panic!("{when}: the next one: {error}"));
        machine.check(&states[1..], written, &when);
    }
    machine.run("destroy").unwrap_or_else(|error| panic!("{when}: destroy: {error}"));
    machine.check(&[0], written, &when);
}
