//! Objects that programs altered, under kills: whatever step of an apply a process ends at, what
//! was written into an object is kept, the object is as it was built after the next apply, and
//! `status` is never wrong about either.
//!
//! `SYSLUA_SWEEP=all` tries every point; otherwise a part of them.

#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "a test")]
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs};

use syslua_engine::action::Link;
use syslua_engine::activation::DeclaredAction;
use syslua_engine::api::{ApplyOptions, Engine};
use syslua_engine::derivation::{Derivation, FileContent, FileRecipe, Recipe, Spec};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::{Name, OutputName};
use syslua_engine::platform::{self, fault};
use syslua_engine::settings::{Interrupt, Mode, System};
use syslua_engine::store::{Access, tree};
use syslua_engine::value::{Source, Text};

use support::{NoTasks, remove, settings, temporary_directory, write};

/// What a program writes into objects.
const WRITTEN: [&str; 2] = ["written by a program", "by another program"];

struct Machine {
    base: tempfile::TempDir,
    top: PathBuf,
}

impl Machine {
    fn new() -> Machine {
        let base = temporary_directory();
        let top = base.path().canonicalize().unwrap();
        fs::create_dir(top.join("home")).unwrap();
        write(&top.join("tree/one"), "one of the tree");
        write(&top.join("tree/sub/two"), "two of the tree");
        Machine { base, top }
    }

    fn engine(&self) -> Engine {
        Engine::open(settings(&self.top.join("root"), &self.top.join("home")), Access::Work)
            .unwrap()
    }

    /// A file, one with a text that changes, a tree that is linked as a whole, and one of its files
    /// by itself.
    fn manifest(&self, text: &str) -> Manifest {
        let digest = tree::hash(&self.top.join("tree"), &Interrupt::default()).unwrap();
        let path = self.top.join("tree");
        let content = |text: &str| FileContent::Text(text.as_bytes().to_vec());
        let source =
            FileContent::Source(Source { path, nar: digest.nar, excluded: BTreeSet::new() });
        let mut manifest = Manifest::default();
        for (name, content, below) in [
            ("same", content("a text that stays"), vec![("", "~/.same"), ("", "~/.second")]),
            ("other", content(text), vec![("", "~/.other")]),
            ("tree", source, vec![("", "~/.tree"), ("/sub/two", "~/.two")]),
        ] {
            let spec = Spec {
                name: Name::parse(name).unwrap(),
                version: None,
                outputs: vec![OutputName::main()],
                system: Arc::new(System::current()),
                recipe: Recipe::File(FileRecipe { content, executable: false }),
                output_hash: None,
            };
            let derivation = Arc::new(Derivation::new(spec, |_| None).unwrap());
            let object = derivation.placeholder(&OutputName::main()).to_string();
            for (inner, target) in below {
                let link = Link::new(Text(format!("{object}{inner}").into_bytes()), target.into());
                manifest
                    .activations
                    .push(Arc::new(DeclaredAction::new(link.into(), vec!["init.lua:1".into()])));
            }
            manifest.derivations.push(derivation);
        }
        manifest
    }

    fn apply(&self, text: &str) -> Result<(), String> {
        let options = ApplyOptions::default();
        let applied = self.engine().apply(&self.manifest(text), &options, &mut NoTasks);
        applied.map(drop).map_err(|error| error.to_failure().message)
    }

    /// A program writes into what links lead to, with as many bytes and the time of before.
    fn alter(&self) {
        for (target, text) in [".same", ".tree/sub/two"].iter().zip(WRITTEN) {
            let path = self.top.join("home").join(target).canonicalize().unwrap();
            platform::set_immutable(&path, false);
            let (mode, modified) = (
                fs::metadata(&path).unwrap().mode(),
                fs::metadata(&path).unwrap().modified().unwrap(),
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, text).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Returns the targets that status names.
    fn differing(&self) -> Vec<String> {
        let report = self.engine().status().unwrap();
        report
            .targets
            .iter()
            .filter(|target| target.state != "ok")
            .map(|target| target.target.display())
            .collect()
    }

    fn read(&self, target: &str) -> String {
        fs::read_to_string(self.top.join("home").join(target)).unwrap()
    }

    /// Returns every text that is kept of the user's, or still where it was written.
    fn texts(&self) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let mut pending = vec![self.top.join("root/backups"), self.top.join("root/store/obj")];
        while let Some(path) = pending.pop() {
            let Ok(data) = fs::symlink_metadata(&path) else { continue };
            if data.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if data.is_file() {
                texts.insert(String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
            }
        }
        texts
    }

    fn expect_nothing_lost(&self, when: &str) {
        let texts = self.texts();
        for text in WRITTEN {
            assert!(texts.contains(text), "{when}: {text:?} is lost");
        }
    }

    fn expect_restored(&self, text: &str, when: &str) {
        assert_eq!(self.apply(text), Ok(()), "{when}");
        assert_eq!(self.differing(), Vec::<String>::new(), "{when}");
        assert_eq!(self.read(".same"), "a text that stays", "{when}");
        assert_eq!(self.read(".second"), "a text that stays", "{when}");
        assert_eq!(self.read(".tree/sub/two"), "two of the tree", "{when}");
        assert_eq!(self.read(".two"), "two of the tree", "{when}");
        assert_eq!(self.read(".other"), text, "{when}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let root = self.base.path().join("root");
        if root.exists() {
            remove(&root);
        }
    }
}

/// Runs something on new machines, once for each point that it has.
fn at_each_point(
    what: &str,
    prepare: impl Fn(&Machine),
    run: impl Fn(&Machine),
    check: impl Fn(&Machine, &str),
) {
    let all = env::var_os("SYSLUA_SWEEP").is_some_and(|value| value == "all");
    let mut number = 1;
    loop {
        let machine = Machine::new();
        prepare(&machine);
        fault::choose(Some((number, fault::Fault::Halt)));
        run(&machine);
        let is_over = fault::count() < number;
        fault::choose(None);
        machine.engine().recover().unwrap();
        check(&machine, &format!("{what}: stopped at {number}"));
        if is_over {
            break;
        }
        number += if all { 1 } else { 5 };
    }
    eprintln!("{what}: {number} operations");
    assert!(number > 20, "{what} does next to nothing");
}

/// One test, since there is one set of numbered points in a process.
#[test]
fn what_programs_write_into_objects_is_kept_and_taken_out() {
    let applied = |machine: &Machine| machine.apply("first").unwrap();
    let altered = |machine: &Machine| {
        applied(machine);
        machine.alter();
    };
    let drop_result = |result: Result<(), String>| drop(result);

    // A memory that was not written, or half, tells of no change that was none, and hides none that
    // comes later.
    at_each_point(
        "an apply, then a change",
        applied,
        |machine| drop_result(machine.apply("second")),
        |machine, when| {
            assert_eq!(machine.differing(), Vec::<String>::new(), "{when}");
            machine.alter();
            let expected = ["~/.same", "~/.second", "~/.tree", "~/.two"];
            let mut differing = machine.differing();
            differing.sort();
            assert_eq!(differing, expected, "{when}");
            machine.expect_restored("second", when);
            machine.expect_nothing_lost(when);
        },
    );
    // So it is with what was changed before.
    for text in ["first", "second"] {
        at_each_point(
            "an apply that repairs",
            altered,
            |machine| drop_result(machine.apply(text)),
            |machine, when| {
                machine.expect_nothing_lost(when);
                machine.expect_restored(text, when);
                machine.expect_nothing_lost(when);
            },
        );
    }
    let go_back = |machine: &Machine| {
        let _ = machine.engine().rollback(None, Mode::Perform);
    };
    at_each_point(
        "a rollback",
        |machine| {
            applied(machine);
            machine.apply("second").unwrap();
            machine.alter();
        },
        go_back,
        |machine, when| {
            machine.expect_nothing_lost(when);
            machine.expect_restored("first", when);
            machine.expect_nothing_lost(when);
        },
    );
}
