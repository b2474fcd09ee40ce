//! The switch under faults: at every numbered operation the process ends, the operation fails, or
//! the power goes. Afterwards every target is old or new, nothing of the user's is lost, and the
//! same apply completes.
//!
//! `SYSLUA_SWEEP=all` tries every point; otherwise a part of them, so that the suite stays quick.
//!
//! It has over 600 lines: one story, and what must hold after each of its points.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test"
)]
#![cfg(unix)]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use syslua_engine::action::{
    Absent, Action, Command as Words, Directory, File, Link, Part, Reference, Run, Secret, Variable,
};
use syslua_engine::activation::DeclaredAction;
use syslua_engine::api::{ApplyOptions, Engine};
use syslua_engine::hash::Hash;
use syslua_engine::manifest::Manifest;
use syslua_engine::names::SnapshotId;
use syslua_engine::platform::fault::{self, Fault, Operation};
use syslua_engine::settings::{Mode, Settings};
use syslua_engine::store::Access;
use syslua_engine::value::Text;
use syslua_engine::variable::VariableValue;
use syslua_secrets::identity::Identities;
use syslua_secrets::{Document, Format, KeyPath};

use support::{EIO, EMFILE, ENOSPC, NoTasks, settings, temporary_directory};

/// What the user wrote: none of it may be lost.
const PRECIOUS: [&str; 11] = [
    "taken",
    "in the directory",
    "before install",
    "before back",
    "edited",
    "unwanted",
    "before the tree",
    "before once",
    "rc of the dotfiles",
    "behind the fold",
    "before private",
];

/// Where nothing of ours may ever be readable for others.
const PRIVATE: [&str; 8] = [
    ".ssh",
    ".private-goes",
    ".private-taken",
    ".private-tree",
    ".secret-copy",
    ".secret-copy-goes",
    ".secret-taken",
    "secrets",
];

/// A document with secrets, the identity that decrypts it, and two of its values.
const DOCUMENT: &str = include_str!("../../secrets/tests/vectors/enc/basic.yaml");
const IDENTITY: &str = include_str!("../../secrets/tests/vectors/key.txt");
const VALUES: [(&str, &str); 2] = [("title", "hello world"), ("nested.big", "9007199254740993")];

fn identities() -> Identities {
    let mut identities = Identities::default();
    identities.add_text("the test", IDENTITY);
    identities
}

/// Returns whether a file of ours that should be private is not.
fn is_open_below(path: &Path, name: &str, mode: u32, text: &str) -> bool {
    path.iter().any(|part| part == name) && mode & 0o077 != 0 && !text.starts_with("file before")
}

struct Machine {
    base: tempfile::TempDir,
    work: PathBuf,
}

type Tree = BTreeMap<PathBuf, String>;

impl Machine {
    fn new() -> Machine {
        let base = temporary_directory();
        let work = base.path().canonicalize().unwrap().join("work");
        let machine = Machine { work, base };
        for directory in [
            "home/.dir",
            "home/.config/app",
            "home/.moded",
            "home/.unwanted",
            "home/.tree/sub",
            "dots/.fold/inner",
            "root/store/obj/t-000000003/sub",
            "root/store/obj/u-000000004/sub/deep",
        ] {
            fs::create_dir_all(machine.work.join(directory)).unwrap();
        }
        for (name, text) in [
            ("home/.taken", "taken"),
            ("home/.dir/file", "in the directory"),
            ("home/.install-remove", "before install"),
            ("home/.back", "before back"),
            ("home/.unwanted/file", "unwanted"),
            ("home/.tree/sub/two", "before the tree"),
            ("home/.once-taken", "before once"),
            ("home/.private-taken", "before private"),
            ("dots/.fold/inner/rc", "rc of the dotfiles"),
            ("dots/.fold/inner/more", "behind the fold"),
            ("home/.secret-taken", "before private"),
            ("root/store/obj/s-000000005", DOCUMENT),
            ("root/store/obj/a-000000001", "content of a\n"),
            ("root/store/obj/b-000000002", "content of b\n"),
            ("root/store/obj/t-000000003/one", "one of t\n"),
            ("root/store/obj/t-000000003/sub/two", "two of t\n"),
            ("root/store/obj/u-000000004/sub/two", "two of u\n"),
            ("root/store/obj/u-000000004/sub/deep/three", "three of u\n"),
        ] {
            fs::write(machine.work.join(name), text).unwrap();
        }
        // What GNU Stow folded.
        symlink("../dots/.fold", machine.work.join("home/.fold")).unwrap();
        symlink(".taken", machine.work.join("home/.linked")).unwrap();
        machine
    }

    fn engine(&self) -> Engine {
        let settings = settings(&self.work.join("root"), &self.work.join("home"));
        Engine::open(Settings { identities, ..settings }, Access::Work).unwrap()
    }

    fn apply(&self, manifest: &Manifest) -> Result<(), String> {
        let applied = self.engine().apply(manifest, &ApplyOptions::default(), &mut NoTasks);
        applied.map(drop).map_err(|error| error.to_failure().message)
    }

    fn rollback(&self, id: u64) -> Result<(), String> {
        let done = self.engine().rollback(Some(SnapshotId(id)), Mode::Perform);
        done.map(drop).map_err(|error| error.to_failure().message)
    }

    fn destroy(&self) -> Result<(), String> {
        let done =
            self.engine().destroy(Mode::Perform).map_err(|error| error.to_failure().message)?;
        assert!(done.unknown.is_empty() && done.stuck.is_empty(), "{done:?}");
        let root = self.work.join("root");
        // Only the edits are left, and the list of them.
        let mut left = Tree::new();
        read_tree(&root, &mut left);
        left.retain(|path, _| !path.starts_with(root.join("backups/displaced")));
        let expected = [root.join("backups"), root.join("backups/index.json")];
        assert_eq!(
            left.keys().cloned().collect::<Vec<_>>(),
            if done.removed { vec![] } else { expected.to_vec() }
        );
        Ok(())
    }

    /// What is in the home, and which snapshot is current.
    fn state(&self) -> Tree {
        let mut tree = Tree::new();
        read_tree(&self.work.join("home"), &mut tree);
        read_tree(&self.work.join("dots"), &mut tree);
        read_tree(&self.private_files(), &mut tree);
        // A number may be left out: what counts is what the snapshot says.
        let snapshot =
            fs::read_to_string(self.work.join("root/store/metadata/current/snapshot.json"));
        let applied =
            snapshot.ok().and_then(|text| Some(text.split_once("\"activations\":")?.1.to_owned()));
        // Snapshot 0 is as good as none.
        let applied = applied.filter(|applied| !applied.starts_with("[]")).unwrap_or_default();
        // So of the script only what it says of the variable, and not the number.
        let script = fs::read_to_string(self.work.join("root/env.sh")).unwrap_or_default();
        let script: String =
            script.split_inclusive('\n').filter(|line| line.contains(" VALUE '")).collect();
        tree.insert("env.sh".into(), if applied.is_empty() { String::new() } else { script });
        tree.insert("current".into(), applied);
        let index = fs::read(self.work.join("root/backups/index.json")).unwrap_or_default();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap_or_default();
        tree.insert("rights".into(), index["rights"].to_string());
        tree
    }

    /// Where the files are that links to secrets lead to: those of one user.
    fn private_files(&self) -> PathBuf {
        let above = fs::read_dir(self.work.join("root/secrets")).into_iter().flatten();
        let mut directories = above.map(|entry| entry.unwrap().path());
        directories.find(|path| path.is_dir()).unwrap_or_default()
    }

    /// The values of secrets are in nothing that the root keeps, but in the files made for them.
    fn check_secrecy(&self, when: &str) {
        let mut pending = vec![self.work.join("root")];
        while let Some(path) = pending.pop() {
            let data = fs::symlink_metadata(&path).unwrap();
            if data.is_dir() && !path.ends_with("root/secrets") {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if data.is_file() {
                let content = fs::read(&path).unwrap();
                for (_, value) in VALUES {
                    let found = content.windows(value.len()).any(|part| part == value.as_bytes());
                    assert!(!found, "{when}: a secret is in {}", path.display());
                }
            }
        }
    }

    fn check_precious(&self, when: &str) {
        self.check_secrecy(when);
        let mut tree = Tree::new();
        read_tree(&self.work.join("home"), &mut tree);
        read_tree(&self.work.join("root/backups"), &mut tree);
        read_tree(&self.work.join("dots"), &mut tree);
        for text in PRECIOUS {
            assert!(
                tree.values().any(|content| content == &format!("file {text}")),
                "{when}: lost {text:?}"
            );
        }
    }

    fn save(&self) {
        copy(&self.work, &self.base.path().join("saved"));
    }

    fn restore(&self) {
        copy(&self.base.path().join("saved"), &self.work);
    }

    fn action(&self, action: impl Into<Action>) -> Arc<DeclaredAction> {
        let _ = self;
        Arc::new(DeclaredAction::new(action.into(), vec!["init.lua:1".into()]))
    }

    fn object(&self, name: &str) -> Text {
        Text(self.work.join("root/store/obj").join(name).into_os_string().into_encoded_bytes())
    }

    fn link(&self, target: &str, object: &str) -> Arc<DeclaredAction> {
        self.action(Link::new(self.object(object), target.into()))
    }

    /// A file of a tree, to which it leads through a link of the root's.
    fn member(&self, target: &str, file: &str) -> Arc<DeclaredAction> {
        let through = Some("tree-012345678".into());
        self.action(Link { through, ..Link::new(self.object(file), target.into()) })
    }

    fn install(&self, target: &str, object: &str) -> Arc<DeclaredAction> {
        let source = self.object(object);
        self.action(File {
            source,
            target: target.into(),
            mode: Some("640".into()),
            ..File::default()
        })
    }

    /// A copy of a source that only its owner can read.
    fn private(&self, target: &str, object: &str) -> Arc<DeclaredAction> {
        let source = self.object(object);
        self.action(File { source, target: target.into(), private: true, ..File::default() })
    }

    /// A value of the document: a link to a private file, or a real file.
    fn secret(&self, target: &str, number: usize, copy: bool) -> Arc<DeclaredAction> {
        let key = VALUES[number].0;
        let document = Document::parse(Format::of(Path::new("basic.yaml")), DOCUMENT.as_bytes());
        let sealed = document.unwrap().sealed(&KeyPath::parse(key).unwrap()).unwrap();
        let value = Reference {
            document: self.object("s-000000005"),
            origin: "basic.yaml".into(),
            key: key.to_owned(),
            sealed: Hash::from_bytes(sealed),
        };
        let content = vec![Part::Plain { text: "the secret ".into() }, Part::Value(value)];
        self.action(Secret { target: target.into(), content, copy, ..Secret::default() })
    }

    fn directory(&self, target: &str, mode: &str) -> Arc<DeclaredAction> {
        self.action(Directory {
            target: target.into(),
            mode: Some(mode.into()),
            ..Directory::default()
        })
    }

    fn once(&self, target: &str, object: &str) -> Arc<DeclaredAction> {
        self.action(File {
            source: self.object(object),
            target: target.into(),
            mutable: true,
            ..File::default()
        })
    }

    /// A file of the dotfiles, as one of a tree.
    fn own(&self, below: &str) -> Arc<DeclaredAction> {
        let text = |path: &str| Text(self.work.join(path).into_os_string().into_encoded_bytes());
        let (source, tree) = (text(&format!("dots/{below}")), Some(text("dots")));
        self.action(Link {
            mutable: true,
            tree,
            ..Link::new(source, format!("~/{below}").as_str().into())
        })
    }

    /// Directories, trees, and what is not to be there.
    fn first_of_others(&self) -> Manifest {
        let activations = vec![
            self.directory("~/.moded", "700"),
            self.directory("~/.made/deep", "750"),
            self.directory("~/.goes", "700"),
            self.action(Absent { target: "~/.unwanted".into() }),
            self.install("~/.tree", "t-000000003"),
            self.once("~/.once", "a-000000001"),
            self.link("~/.becomes-absent", "a-000000001"),
            self.member("~/.through/one", "t-000000003/one"),
            self.member("~/.through/two", "t-000000003/sub/two"),
            self.link("~/.straight/two", "t-000000003/sub/two"),
            self.install("~/.becomes-moded", "a-000000001"),
            self.private("~/.ssh/keys/private", "a-000000001"),
            self.private("~/.private-goes", "a-000000001"),
            self.private("~/.private-opens", "a-000000001"),
            self.link("~/.closes", "a-000000001"),
            self.private("~/.private-tree", "t-000000003"),
            self.secret("~/.secret-keep", 0, false),
            self.secret("~/.secret-change", 0, false),
            self.secret("~/.secret-goes", 0, false),
            self.secret("~/.secret-copy", 0, true),
            self.secret("~/.secret-copy-goes", 0, true),
            self.secret("~/.secret-becomes-link", 0, false),
            self.secret("~/.secret-becomes-copy", 0, false),
            self.link("~/.becomes-secret", "a-000000001"),
            self.run("kept"),
        ];
        Manifest { activations, ..Manifest::default() }
    }

    fn second_of_others(&self) -> Manifest {
        let activations = vec![
            self.directory("~/.moded", "755"),
            self.directory("~/.made", "711"),
            self.install("~/.unwanted", "b-000000002"),
            self.install("~/.tree", "u-000000004"),
            self.once("~/.once-taken", "b-000000002"),
            self.once("~/.once-new/deep/file", "b-000000002"),
            self.action(Absent { target: "~/.becomes-absent".into() }),
            self.directory("~/.becomes-moded", "700"),
            self.member("~/.through/two", "u-000000004/sub/two"),
            self.member("~/.through/three", "u-000000004/sub/deep/three"),
            self.member("~/.straight/two", "u-000000004/sub/two"),
            self.own(".fold/inner/rc"),
            self.told("~/.fold/inner/rc"),
            self.private("~/.ssh/keys/private", "b-000000002"),
            self.private("~/.private-taken", "b-000000002"),
            self.install("~/.private-opens", "a-000000001"),
            self.private("~/.closes", "a-000000001"),
            self.private("~/.private-tree", "u-000000004"),
            self.secret("~/.secret-keep", 0, false),
            self.secret("~/.secret-change", 1, false),
            self.secret("~/.secret-copy", 1, true),
            self.secret("~/.secret-taken", 1, true),
            self.link("~/.secret-becomes-link", "a-000000001"),
            self.secret("~/.secret-becomes-copy", 1, true),
            self.secret("~/.becomes-secret", 1, false),
            self.run("kept"),
        ];
        Manifest { activations, ..Manifest::default() }
    }

    /// A command that is told what stands at a target whenever that changed.
    fn told(&self, target: &str) -> Arc<DeclaredAction> {
        const LINE: &str = "mkdir -p ~/.marks; readlink TARGET >~/.marks/told || \
            { rm -f ~/.marks/told; rmdir ~/.marks 2>/dev/null || true; }";
        self.action(Run {
            command: Words::Line(Text(LINE.replace("TARGET", target).into_bytes())),
            on_change: vec![target.into()],
            only_on_change: true,
            ..Run::default()
        })
    }

    fn before(&self, name: &str) -> Arc<DeclaredAction> {
        self.action(Run { before: true, ..marking(name) })
    }

    fn run(&self, name: &str) -> Arc<DeclaredAction> {
        self.action(marking(name))
    }

    fn variable(&self, value: &str) -> Arc<DeclaredAction> {
        self.action(Variable { name: "VALUE".into(), value: VariableValue::Single(value.into()) })
    }

    fn first(&self, commands: bool) -> Manifest {
        const A: &str = "a-000000001";
        let mut activations = vec![
            self.link("~/.keep", A),
            self.link("~/.change", A),
            self.link("~/.remove/deep/one", A),
            self.link("~/.back", A),
            self.link("~/.drifted", A),
            self.link("~/.becomes-link/one", A),
            self.link("~/.becomes-directory", A),
            self.install("~/.install-change", A),
            self.install("~/.install-remove", A),
            self.install("~/.becomes-linked", A),
            self.link("~/.becomes-installed", A),
            self.variable("first"),
        ];
        if commands {
            activations.extend([
                self.run("kept"),
                self.run("gone"),
                self.before("early-gone"),
                self.told("~/.change"),
            ]);
        }
        Manifest { activations, ..Manifest::default() }
    }

    fn second(&self, commands: bool) -> Manifest {
        const A: &str = "a-000000001";
        const B: &str = "b-000000002";
        let mut activations = vec![
            self.link("~/.keep", A),
            self.link("~/.change", B),
            self.link("~/.drifted", B),
            self.link("~/.new/deep/two", B),
            self.link("~/.taken", B),
            self.link("~/.dir", B),
            self.link("~/.becomes-link", B),
            self.link("~/.becomes-directory/one", B),
            self.link("~/.becomes-linked", B),
            self.install("~/.becomes-installed", B),
            self.install("~/.linked", B),
            self.install("~/.install-change", B),
            self.install("~/.install-new/file", B),
            self.variable("second"),
        ];
        if commands {
            activations.extend([
                self.run("kept"),
                self.run("come"),
                self.before("early-come"),
                self.told("~/.change"),
            ]);
        }
        Manifest { activations, ..Manifest::default() }
    }
}

/// A command that leaves a mark, and takes it away again.
fn marking(name: &str) -> Run {
    Run {
        command: Words::Line(Text(
            format!("mkdir -p ~/.marks; echo $VALUE >~/.marks/{name}").into_bytes(),
        )),
        undo: Some(Words::Line(Text(
            format!("rm -f ~/.marks/{name}; rmdir ~/.marks 2>/dev/null || true").into_bytes(),
        ))),
        ..Run::default()
    }
}

fn copy(from: &Path, to: &Path) {
    let line = r#"rm -rf "$2" && cp -a "$1" "$2""#;
    let status = Command::new("sh").args(["-c", line, "sh"]).arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

fn read_tree(path: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let text = if data.is_symlink() {
            format!("link {}", fs::read_link(&path).unwrap().display())
        } else if data.is_dir() {
            read_tree(&path, tree);
            format!("directory {:o}", data.mode() & 0o7777)
        } else {
            let text = format!("file {}", fs::read_to_string(&path).unwrap());
            // What the user did not write is private where it is declared so.
            assert!(
                !PRIVATE.iter().any(|name| is_open_below(&path, name, data.mode(), &text)),
                "{path:?} is open"
            );
            text
        };
        tree.insert(path, text);
    }
}

/// One switch to disturb.
struct Scenario<'a> {
    name: &'static str,
    machine: &'a Machine,
    run: Box<dyn Fn() -> Result<(), String> + 'a>,
    /// Whether an error may come after the new state is in force, and say so.
    goes_on: bool,
    old: Tree,
    new: Tree,
    operations: Vec<Operation>,
    inodes: HashMap<u64, PathBuf>,
}

impl<'a> Scenario<'a> {
    /// Takes the machine as it is for the state before, and finds out what the switch does.
    fn new(
        name: &'static str,
        machine: &'a Machine,
        run: Box<dyn Fn() -> Result<(), String> + 'a>,
    ) -> Scenario<'a> {
        machine.save();
        machine.restore();
        let old = machine.state();
        let inodes = inodes(&machine.work);
        fault::choose(None);
        fault::record(true);
        run().unwrap();
        let operations = fault::record(false);
        let new = machine.state();
        machine.check_precious(name);
        assert_ne!(old, new);
        Scenario { name, machine, run, goes_on: false, old, new, operations, inodes }
    }

    fn expect_old_or_new(&self, when: &str) {
        let state = self.machine.state();
        if state != self.old && state != self.new {
            panic!(
                "{when}: from old {:#?}\nfrom new {:#?}",
                differing(&state, &self.old),
                differing(&state, &self.new)
            );
        }
        self.machine.check_precious(when);
    }

    fn expect_convergence(&self, when: &str) {
        (self.run)().unwrap_or_else(|error| panic!("{when}: the next one fails: {error}"));
        let left = differing(&self.machine.state(), &self.new);
        assert!(left.is_empty(), "{when}: the next one does not converge: {left:#?}");
        let journal = self.machine.work.join("root/store/metadata/journal");
        assert!(!journal.exists(), "{when}: the journal is left");
        self.machine.check_precious(when);
    }

    /// The process ends before the operation.
    fn stop(&self, number: u64) {
        let when = format!("{}: stopped at {number}", self.name);
        self.machine.restore();
        fault::choose(Some((number, Fault::Halt)));
        let _ = (self.run)();
        fault::choose(None);
        self.machine.engine().recover().unwrap_or_else(|error| panic!("{when}: {error}"));
        self.expect_old_or_new(&when);
        self.expect_convergence(&when);
    }

    /// The operation fails; everything else works.
    fn fail(&self, number: u64, code: i32) {
        let when = format!("{}: error {code} at {number}", self.name);
        self.machine.restore();
        fault::choose(Some((number, Fault::Fail(code))));
        let result = (self.run)();
        fault::choose(None);
        let is_new = result.is_ok() || (self.goes_on && self.machine.state() == self.new);
        let expected = if is_new { &self.new } else { &self.old };
        let state = self.machine.state();
        if state != *expected {
            // Tidying up may be left for the next one.
            self.machine.engine().recover().unwrap_or_else(|error| panic!("{when}: {error}"));
            let state = self.machine.state();
            assert!(state == *expected, "{when}: {result:?}: {:#?}", differing(&state, expected));
        }
        self.machine.check_precious(&when);
        self.expect_convergence(&when);
    }

    /// The power goes before the operation; of what was not synced, `keeps` tells what stays.
    fn cut(
        &self,
        number: usize,
        variant: &str,
        mut keeps: impl FnMut(&Operation) -> Option<Operation>,
    ) {
        let when = format!("{}: power cut at {number}, {variant}", self.name);
        self.machine.restore();
        let now = inodes(&self.machine.work);
        let by_path: HashMap<&PathBuf, u64> =
            now.iter().map(|(inode, path)| (path, *inode)).collect();
        let translated: HashMap<u64, u64> = self
            .inodes
            .iter()
            .filter_map(|(old, path)| Some((*old, *by_path.get(path)?)))
            .collect();
        let before = &self.operations[..number];
        for (place, operation) in before.iter().enumerate() {
            let kept =
                if is_durable(before, place) { Some(operation.clone()) } else { keeps(operation) };
            if let Some(operation) = kept {
                replay(&operation, &translated);
            }
        }
        self.machine.engine().recover().unwrap_or_else(|error| panic!("{when}: {error}"));
        self.expect_old_or_new(&when);
        self.expect_convergence(&when);
    }
}

/// Returns in what a state differs from the expected one, in words.
fn differing(state: &Tree, expected: &Tree) -> Vec<String> {
    let keys = expected.keys().chain(state.keys()).collect::<BTreeSet<_>>();
    let keys = keys.into_iter().filter(|key| expected.get(*key) != state.get(*key));
    keys.map(|key| format!("{}: {:?} not {:?}", key.display(), state.get(key), expected.get(key)))
        .collect()
}

fn inodes(path: &Path) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(data.ino(), path);
    }
    found
}

/// Whether a later call made sure that an operation is on the disk.
fn is_durable(operations: &[Operation], place: usize) -> bool {
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    operations[place + 1..].iter().any(|later| match (later, &operations[place]) {
        (Operation::SyncFileSystem, _) => true,
        (Operation::SyncFile(synced), Operation::Write(path, _)) => synced == path,
        (
            Operation::SyncDirectory(synced),
            Operation::MakeDirectory(path)
            | Operation::Rename(_, path)
            | Operation::RenameNew(_, path)
            | Operation::Exchange(_, path)
            | Operation::HardLink(_, path)
            | Operation::Symlink(_, path)
            | Operation::Remove(path)
            | Operation::RemoveDirectory(path),
        ) => parent(path).as_ref() == Some(synced),
        _ => false,
    })
}

/// Does again what was recorded; what it needs may have been lost.
fn replay(operation: &Operation, inodes: &HashMap<u64, u64>) {
    let _ = match operation {
        Operation::MakeDirectory(path) => fs::create_dir(path),
        Operation::Write(path, content) => {
            let is_journal = content.starts_with(br#"{"version":1,"mark""#);
            let content = if is_journal { translate(content, inodes) } else { content.clone() };
            fs::write(path, content)
        }
        Operation::RenameNew(_, to) if fs::symlink_metadata(to).is_ok() => Ok(()),
        Operation::Rename(from, to) | Operation::RenameNew(from, to) => fs::rename(from, to),
        Operation::Exchange(one, other) => {
            let aside = one.with_extension("aside");
            let _ = fs::rename(other, &aside);
            let _ = fs::rename(one, other);
            fs::rename(&aside, one)
        }
        Operation::HardLink(from, to) => fs::hard_link(from, to),
        Operation::Symlink(target, link) => symlink(target, link),
        Operation::Remove(path) => fs::remove_file(path),
        Operation::RemoveDirectory(path) => fs::remove_dir(path),
        _ => Ok(()),
    };
}

/// The files are copies: their numbers in the journal are those of other copies.
fn translate(journal: &[u8], inodes: &HashMap<u64, u64>) -> Vec<u8> {
    let text = String::from_utf8(journal.to_vec()).unwrap();
    let mut parts = text.split("\"inode\":");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let inode: u64 = part[..digits].parse().unwrap();
        let translated = inodes.get(&inode).copied().unwrap_or(inode);
        result.push_str(&format!("\"inode\":{translated}{}", &part[digits..]));
    }
    result.into_bytes()
}

/// Numbers that look random, and are the same on each run.
struct Random(u64);

impl Random {
    fn coin(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.is_multiple_of(2)
    }
}

fn sweep(scenario: &Scenario<'_>, with_power_cuts: bool) {
    let all = env::var_os("SYSLUA_SWEEP").is_some_and(|value| value == "all");
    scenario.machine.restore();
    fault::choose(None);
    (scenario.run)().unwrap();
    let count = fault::count();
    // A prime step meets different operations of repeated groups.
    let step = if all { 1 } else { 7 };
    let mut points = 0;
    for number in (1..=count).step_by(step) {
        scenario.stop(number);
        let codes: &[i32] = if all { &[ENOSPC, EIO, EMFILE] } else { &[ENOSPC] };
        for code in codes {
            scenario.fail(number, *code);
        }
        points += 1 + codes.len();
    }
    if with_power_cuts {
        for number in (0..=scenario.operations.len()).step_by(step) {
            scenario.cut(number, "all of it lost", |_| None);
            scenario.cut(number, "none of it lost", |operation| Some(operation.clone()));
            scenario.cut(number, "names without content", |operation| {
                Some(match operation {
                    Operation::Write(path, _) => Operation::Write(path.clone(), Vec::new()),
                    other => other.clone(),
                })
            });
            let mut random = Random(number as u64 + 1);
            for _ in 0..if all { 5 } else { 1 } {
                scenario.cut(number, "some of it lost", |operation| {
                    random.coin().then(|| operation.clone())
                });
            }
            points += if all { 8 } else { 4 };
        }
    }
    eprintln!("{}: {count} operations, {points} faults", scenario.name);
}

/// One test, since there is one set of numbered points in a process.
#[test]
fn every_target_is_old_or_new() {
    for commands in [false, true] {
        let machine = Machine::new();
        machine.apply(&machine.first(commands)).unwrap();
        // Somebody edits a managed target.
        let drifted = machine.work.join("home/.drifted");
        fs::remove_file(&drifted).unwrap();
        fs::write(&drifted, "edited").unwrap();
        let second = machine.second(commands);
        let name = if commands { "apply with commands" } else { "apply" };
        let scenario = Scenario::new(name, &machine, Box::new(|| machine.apply(&second)));
        sweep(&scenario, !commands);

        machine.restore();
        machine.apply(&second).unwrap();
        let name = if commands { "rollback with commands" } else { "rollback" };
        let scenario = Scenario::new(name, &machine, Box::new(|| machine.rollback(1)));
        sweep(&scenario, !commands);
    }
    for commands in [false, true] {
        let machine = Machine::new();
        if !commands {
            machine.apply(&machine.first(commands)).unwrap();
        }
        machine.apply(&machine.second(commands)).unwrap();
        let drifted = machine.work.join("home/.drifted");
        fs::remove_file(&drifted).unwrap();
        fs::write(&drifted, "edited").unwrap();
        let name = if commands { "destroy with commands" } else { "destroy" };
        let mut scenario = Scenario::new(name, &machine, Box::new(|| machine.destroy()));
        scenario.goes_on = true;
        sweep(&scenario, !commands);
    }
    let machine = Machine::new();
    fs::write(machine.work.join("home/.drifted"), "edited").unwrap();
    machine.apply(&machine.first_of_others()).unwrap();
    // Somebody edits a secret by its link.
    let edited = fs::canonicalize(machine.work.join("home/.secret-change")).unwrap();
    fs::write(edited, "edited").unwrap();
    let second = machine.second_of_others();
    let scenario = Scenario::new("apply of trees", &machine, Box::new(|| machine.apply(&second)));
    sweep(&scenario, false);

    machine.restore();
    machine.apply(&second).unwrap();
    let scenario = Scenario::new("rollback of trees", &machine, Box::new(|| machine.rollback(1)));
    sweep(&scenario, false);

    machine.restore();
    fs::write(machine.work.join("home/.fold/inner/later"), "written later").unwrap();
    let mut scenario = Scenario::new("destroy of trees", &machine, Box::new(|| machine.destroy()));
    scenario.goes_on = true;
    sweep(&scenario, false);

    let machine = Machine::new();
    fs::write(machine.work.join("home/.drifted"), "edited").unwrap();
    let first = machine.first(false);
    let scenario = Scenario::new("first apply", &machine, Box::new(|| machine.apply(&first)));
    sweep(&scenario, false);
}
