//! Publication without any Lua: what a build leaves, and the objects that it becomes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::info::write_info;
use super::super::publication::protect;
use super::super::verify::{self, observe};
use super::*;
use crate::hash::READ_SIZE;
use crate::names::Placeholder;

/// A store in its own directory.
struct Place {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(&directory.path().join("root"));
        store.create().unwrap();
        Place { store, _directory: directory }
    }

    /// Where the build of a recipe makes an output.
    fn built(&self, recipe: &str, output: &str) -> PathBuf {
        let slot = self.store.building(Slot::of(Hash::of(recipe.as_bytes())));
        platform::create_directories(&slot).unwrap();
        slot.join(temporary(recipe, output).as_str())
    }

    fn import(&self, recipe: &str, outputs: &[&str]) -> Result<Outputs> {
        self.import_using(recipe, outputs, &BTreeSet::new())
    }

    fn import_using(
        &self,
        recipe: &str,
        outputs: &[&str],
        using: &BTreeSet<ObjectName>,
    ) -> Result<Outputs> {
        let named = |output: &&str| (OutputName::parse(output).unwrap(), temporary(recipe, output));
        let build = Build {
            deriver: Hash::of(recipe.as_bytes()),
            name: &name(),
            version: None,
            outputs: &outputs.iter().map(named).collect(),
            dependencies: using,
            published: &|_, _| {},
            expected: None,
            sandbox: Level::Off,
        };
        import(&self.store, &build, || Ok(()))
    }

    /// Imports a build with one output.
    fn import_one(&self, recipe: &str) -> ObjectName {
        self.import(recipe, &["out"]).unwrap().into_iter().next().unwrap().1
    }

    fn path(&self, object: &ObjectName) -> String {
        self.store.object(object).to_str().unwrap().to_owned()
    }

    fn info(&self, object: &ObjectName) -> ObjectInfo {
        read_info(&self.store, object).unwrap().unwrap()
    }

    fn objects(&self) -> usize {
        fs::read_dir(self.store.objects()).unwrap().count()
    }

    fn is_sound(&self, object: &ObjectName) {
        assert_eq!(observe(&self.store, object), Ok(()));
        for directory in
            Slot::all().map(|slot| self.store.building(slot)).chain([self.store.staging()])
        {
            assert_eq!(fs::read_dir(directory).into_iter().flatten().count(), 0);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // As root they cannot be removed otherwise.
        platform::set_immutable(self.store.root(), false);
        let _ = platform::remove_tree(self.store.root());
    }
}

fn name() -> Name {
    Name::parse("demo").unwrap()
}

fn temporary(recipe: &str, output: &str) -> ObjectName {
    ObjectName::new(&name(), None, &OutputName::parse(output).unwrap(), Hash::of(recipe.as_bytes()))
}

fn output(name: &str) -> OutputName {
    OutputName::parse(name).unwrap()
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_tree_becomes_an_object_with_a_record() {
    let place = Place::new();
    let built = place.built("recipe", "out");
    write(&built.join("bin/tool"), "#!/bin/sh\n");
    write(&built.join("empty"), "");
    platform::set_mode(&built.join("bin/tool"), 0o4771).unwrap();
    platform::symlink(Path::new("bin/tool"), &built.join("link")).unwrap();
    let expected = tree::hash(&built, &crate::settings::Interrupt::default()).unwrap();
    let object = place.import_one("recipe");
    assert_eq!(object.short_hash(), &expected.nar.to_hex()[..object.short_hash().len()]);
    let info = place.info(&object);
    assert_eq!((info.content, info.nar, info.size), (expected.nar, expected.nar, 10));
    assert_eq!((info.deriver, info.relocatable), (Hash::of(b"recipe"), true));
    assert_eq!(info.references, []);
    place.is_sound(&object);
}

#[test]
fn a_single_file_and_a_link_are_objects_too() {
    let place = Place::new();
    write(&place.built("file", "out"), "text");
    let file = place.import_one("file");
    place.is_sound(&file);
    platform::symlink(Path::new("/nowhere"), &place.built("link", "out")).unwrap();
    let link = place.import_one("link");
    place.is_sound(&link);
}

#[test]
fn an_objects_own_name_is_rewritten_in_texts_links_and_names() {
    let place = Place::new();
    let mut objects = Vec::new();
    // Two recipes build under different names and become one object.
    for recipe in ["first", "second"] {
        let built = place.built(recipe, "out");
        let own = temporary(recipe, "out");
        write(&built.join("text"), format!("in {}/lib, called {own}", text(&built)));
        write(
            &built.join(format!("{own}.d")).join(own.as_str()),
            [b"\0", own.as_str().as_bytes(), b"\xff"].concat(),
        );
        platform::symlink(&built.join("text"), &built.join("link")).unwrap();
        objects.push(place.import_one(recipe));
    }
    let object = &objects[0];
    assert_eq!(*object, objects[1]);
    assert_eq!(place.objects(), 1);
    let path = place.store.object(object);
    assert_eq!(
        fs::read_to_string(path.join("link")).unwrap(),
        format!("in {}/lib, called {object}", text(&path))
    );
    let inner = fs::read(path.join(format!("{object}.d")).join(object.as_str())).unwrap();
    assert_eq!(inner, [b"\0", object.as_str().as_bytes(), b"\xff"].concat());
    let info = place.info(object);
    assert_ne!(info.content, info.nar);
    assert_eq!(info.references, std::slice::from_ref(object));
    assert!(!info.relocatable);
    place.is_sound(object);
}

#[test]
fn outputs_are_published_after_those_they_refer_to() {
    let place = Place::new();
    let paths = ["dev", "doc", "out"].map(|output| place.built("recipe", output));
    // The order of names is the reverse of what is needed.
    write(&paths[0].join("link"), format!("{} {}", text(&paths[1]), text(&paths[2])));
    write(&paths[1], text(&paths[2]));
    write(&paths[2].join("text"), "the end");
    let outputs = place.import("recipe", &["dev", "doc", "out"]).unwrap();
    let [dev, doc, out] = ["dev", "doc", "out"].map(|name| &outputs[&output(name)]);
    let link = fs::read_to_string(place.store.object(dev).join("link")).unwrap();
    assert_eq!(link, format!("{} {}", place.path(doc), place.path(out)));
    assert_eq!(fs::read_to_string(place.store.object(doc)).unwrap(), place.path(out));
    let mut both = vec![doc.clone(), out.clone()];
    both.sort();
    assert_eq!(place.info(dev).references, both);
    assert_eq!(place.info(out).references, []);
    for object in [dev, doc, out] {
        place.is_sound(object);
    }
}

#[test]
fn a_circle_of_outputs_names_two_files_and_publishes_nothing() {
    let place = Place::new();
    let paths = ["aside", "dev", "doc", "out"].map(|output| place.built("recipe", output));
    write(&paths[0].join("to-dev"), text(&paths[1]));
    write(&paths[1].join("deep/to-doc"), text(&paths[2]));
    write(&paths[2].join("to-out"), temporary("recipe", "out").as_str());
    platform::create_directory(&paths[3]).unwrap();
    platform::symlink(&paths[1], &paths[3].join("to-dev")).unwrap();
    let error = place.import("recipe", &["aside", "dev", "doc", "out"]).unwrap_err();
    let Error::Cycle { first, second, first_file, second_file } = error else { panic!("{error}") };
    let next = |output: &str| {
        ["dev", "doc", "out", "dev"].iter().skip_while(|o| **o != output).nth(1).copied()
    };
    assert_eq!(next(&first), Some(second.as_str()));
    assert!(first_file.ends_with(format!("to-{second}")), "{first_file:?}");
    assert!(second_file.ends_with(format!("to-{}", next(&second).unwrap())), "{second_file:?}");
    // By the paths that the build knows them by.
    let is_built = |file: &Path, output: &str| file.starts_with(place.built("recipe", output));
    assert!(
        is_built(&first_file, &first) && is_built(&second_file, &second),
        "{first_file:?} {second_file:?}"
    );
    assert_eq!(place.objects(), 0);
}

#[test]
fn what_cannot_be_published_publishes_nothing() {
    let place = Place::new();
    write(&place.built("missing", "out"), "fine");
    let error = place.import("missing", &["out", "zzz"]).unwrap_err();
    assert!(matches!(&error, Error::MissingOutput { output, .. } if output == "zzz"), "{error}");
    write(&place.built("placeholder", "out"), "fine");
    let placeholder = Placeholder::new(Hash::of(b"other"), &OutputName::main());
    write(&place.built("placeholder", "zzz").join("text"), format!("see {placeholder}/bin"));
    let error = place.import("placeholder", &["out", "zzz"]).unwrap_err();
    assert!(matches!(&error, Error::Placeholder { path } if path.ends_with("text")), "{error}");
    assert_eq!(place.objects(), 0);
}

#[cfg(unix)]
#[test]
fn sockets_are_refused() {
    let place = Place::new();
    let built = place.built("recipe", "out");
    fs::create_dir(&built).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(built.join("s")).unwrap();
    let error = place.import("recipe", &["out"]).unwrap_err();
    assert!(matches!(&error, Error::Unstorable { path, .. } if path.ends_with("s")), "{error}");
}

#[test]
fn references_are_the_dependencies_whose_names_occur() {
    let place = Place::new();
    let dependencies = ["a-123456789", "b-123456789", "b-1-123456789", "libb-123456789"];
    let dependencies: BTreeSet<_> =
        dependencies.iter().map(|name| ObjectName::parse(name).unwrap()).collect();
    let built = place.built("recipe", "out");
    // Neither a name that is part of a longer one, nor one that is no dependency, is a reference.
    write(&built.join("text"), "x-123456789 libb-123456789/lib, b-1-123456789");
    platform::symlink(Path::new("../a-123456789/bin"), &built.join("link")).unwrap();
    let object = place
        .import_using("recipe", &["out"], &dependencies)
        .unwrap()
        .into_iter()
        .next()
        .unwrap()
        .1;
    let references: Vec<_> =
        place.info(&object).references.iter().map(ToString::to_string).collect();
    assert_eq!(references, ["a-123456789", "b-1-123456789", "libb-123456789"]);
    assert!(place.info(&object).relocatable);
}

#[test]
fn a_name_that_other_content_has_is_counted_on() {
    let place = Place::new();
    let built = |recipe: &str| {
        write(&place.built(recipe, "out").join("text"), text(&place.built(recipe, "out")));
    };
    let mut names = BTreeSet::new();
    for number in 0..4 {
        let recipe = format!("recipe {number}");
        built(&recipe);
        let object = place.import_one(&recipe);
        assert!(names.insert(object.clone()), "{object} is used twice");
        place.is_sound(&object);
        assert_eq!(
            fs::read_to_string(place.store.object(&object).join("text")).unwrap(),
            place.path(&object)
        );
        // Once more, it is found again.
        built("again");
        assert_eq!(place.import_one("again"), object);
        // As if its nine characters stood for another content.
        let info = ObjectInfo { content: Hash::of(recipe.as_bytes()), ..place.info(&object) };
        write_info(&place.store, &object, &info).unwrap();
    }
    assert_eq!(place.objects(), 4);
    let (first, second) = (Hash::of(b"content"), numbered(Hash::of(b"content"), 1));
    assert_eq!(numbered(first, 0), first);
    assert_ne!(first, second);
    assert_ne!(second, numbered(first, 2));
}

#[test]
fn names_that_differ_in_case_only_are_noted() {
    let place = Place::new();
    let built = place.built("recipe", "out").join("inner");
    for name in ["Case", "case", "other"] {
        write(&built.join(name), name);
    }
    let object = place.import_one("recipe");
    assert_eq!(place.info(&object).case_collisions, ["inner/case".into()]);
}

#[test]
fn a_damaged_object_is_not_shared_but_replaced() {
    let place = Place::new();
    write(&place.built("first", "out"), "content");
    let object = place.import_one("first");
    let path = place.store.object(&object);
    platform::set_mode(&path, 0o644).unwrap();
    fs::write(&path, "CONTENT").unwrap();
    platform::set_mode(&path, 0o444).unwrap();
    write(&place.built("second", "out"), "content");
    assert_eq!(place.import_one("second"), object);
    place.is_sound(&object);
    let quarantined = fs::read_dir(place.store.quarantine()).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(quarantined.path()).unwrap(), "CONTENT");
}

#[test]
fn only_an_object_that_a_derivation_became_is_missed() {
    let place = Place::new();
    write(&place.built("recipe", "out"), "content");
    let object = place.import_one("recipe");
    let missing = |place: &Place| {
        verify::verify(&place.store, &BTreeSet::new(), &crate::settings::Interrupt::default())
            .unwrap()
            .damaged
    };
    let open = place.store.lock_publication().unwrap();
    fs::remove_file(place.store.object(&object)).unwrap();
    drop(open);
    // As after a build that was stopped between the record and the object.
    assert_eq!(missing(&place), []);
    let outputs = Outputs::from_iter([(OutputName::main(), object.clone())]);
    crate::store::write_outputs(&place.store, Hash::of(b"recipe"), &outputs).unwrap();
    assert_eq!(missing(&place).iter().map(|damage| &damage.object).collect::<Vec<_>>(), [&object]);
}

/// What a build may leave: a path, whether there is a file (of this size) or a link, and a mode.
fn any_entry() -> impl Strategy<Value = (Vec<&'static str>, Option<usize>, u32)> {
    let component =
        prop_oneof![Just("a"), Just("b"), Just("B"), Just("-c"), Just("a.b"), Just("ö\n")];
    let size = prop_oneof![
        Just(0),
        Just(7),
        Just(8),
        1usize..300,
        Just(READ_SIZE - 1),
        Just(READ_SIZE + 5)
    ];
    // The owner's own rights are there; the rest is anything.
    (prop::collection::vec(component, 1..4), prop::option::weighted(0.8, size), 0u32..0o10000)
        .prop_map(|(path, size, mode)| (path, size, mode | 0o600))
}

fn check_normal(path: &Path, expected_executable: &BTreeMap<PathBuf, bool>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let since = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_nanos(), 1_000_000_000, "{path:?}");
    match platform::kind_of(path).unwrap().unwrap() {
        FileKind::Directory => {
            assert_eq!(platform::mode_of(&metadata) & 0o7777, 0o555, "{path:?}");
            for (name, _) in platform::list_directory(path).unwrap() {
                check_normal(&path.join(name), expected_executable);
            }
        }
        FileKind::File => {
            let mode = if expected_executable[path] { 0o555 } else { 0o444 };
            assert_eq!(platform::mode_of(&metadata) & 0o7777, mode, "{path:?}");
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn import_makes_every_tree_normal_and_keeps_its_content(
        entries in prop::collection::vec(any_entry(), 0..12),
    ) {
        let place = Place::new();
        let built = place.built("recipe", "out");
        fs::create_dir(&built).unwrap();
        let mut files = Vec::new();
        for (components, size, mode) in &entries {
            let path = built.join(components.iter().collect::<PathBuf>());
            // Something else may stand there, be in the way, or lead elsewhere.
            let parent = path.parent().unwrap();
            let is_taken = platform::exists(&path) || fs::create_dir_all(parent).is_err();
            let real = built.canonicalize().unwrap().join(parent.strip_prefix(&built).unwrap());
            if is_taken || parent.canonicalize().unwrap() != real {
                continue;
            }
            match size {
                Some(size) => {
                    fs::write(&path, vec![b'x'; *size]).unwrap();
                    files.push((path, *mode));
                }
                None => platform::symlink(Path::new("a/../b"), &path).unwrap(),
            }
        }
        for (path, mode) in &files {
            platform::set_mode(path, *mode).unwrap();
        }
        let expected = tree::hash(&built, &crate::settings::Interrupt::default()).unwrap().nar;
        let object = place.import_one("recipe");
        let top = place.store.object(&object);
        let executable = files.iter().map(|(path, mode)| {
            (top.join(path.strip_prefix(&built).unwrap()), mode & 0o100 != 0)
        });
        check_normal(&top, &executable.collect());
        prop_assert_eq!(place.info(&object).nar, expected);
        prop_assert_eq!(place.info(&object).content, expected);
        place.is_sound(&object);
    }

    #[test]
    fn own_names_are_rewritten_wherever_they_are(
        gaps in prop::collection::vec(prop_oneof![0usize..40, READ_SIZE - 60..READ_SIZE + 5], 1..6),
        filler in any::<u8>(),
    ) {
        let place = Place::new();
        let text_for = |name: &str| -> Vec<u8> {
            gaps.iter()
                .flat_map(|gap| [vec![filler; *gap], name.as_bytes().to_vec()].concat())
                .collect()
        };
        let own = temporary("recipe", "out");
        let slot = Slot::of(Hash::of(b"recipe"));
        write(&place.built("recipe", "out"), text_for(&format!("{slot}/{own}")));
        let object = place.import_one("recipe");
        let found = fs::read(place.store.object(&object)).unwrap();
        let expected = text_for(&format!("obj/{object}"));
        prop_assert!(found == expected);
        place.is_sound(&object);
    }
}

#[test]
fn a_file_at_hand_becomes_the_object_that_a_build_of_it_does() {
    let place = Place::new();
    let root = place.store.root().to_str().unwrap().to_owned();
    for (number, (content, is_executable)) in
        [("text\n", false), ("", false), ("#!/bin/sh\n", true), (root.as_str(), false)]
            .into_iter()
            .enumerate()
    {
        let recipe = format!("recipe {number}");
        let built = Place::new();
        fs::write(built.built(&recipe, "out"), content).unwrap();
        platform::set_mode(&built.built(&recipe, "out"), if is_executable { 0o700 } else { 0o600 })
            .unwrap();
        let expected = built.import_one(&recipe);
        let name = name();
        let file = || {
            Some(File {
                deriver: Hash::of(recipe.as_bytes()),
                name: &name,
                content: content.as_bytes().to_vec(),
                is_executable,
                nar: tree::hash_of_file(content.as_bytes(), is_executable),
                relocatable: content != root,
                sandbox: Level::Off,
            })
        };
        // Twice, and one that cannot be made this way between them.
        let objects = import_files(&place.store, &[file(), None, file()]).unwrap();
        assert_eq!(objects, [Some(expected.clone()), None, Some(expected.clone())]);
        place.is_sound(&expected);
        let of_build = built.info(&expected);
        assert_eq!(place.info(&expected), ObjectInfo { relocatable: content != root, ..of_build });
        let metadata = |place: &Place| fs::symlink_metadata(place.path(&expected)).unwrap();
        assert_eq!(platform::mode_of(&metadata(&place)), platform::mode_of(&metadata(&built)));
        assert_eq!(metadata(&place).modified().unwrap(), metadata(&built).modified().unwrap());
    }
}

#[test]
fn what_has_the_name_of_a_file_at_hand_is_looked_at() {
    let place = Place::new();
    let name = name();
    let file = || {
        Some(File {
            deriver: Hash::of(b"recipe"),
            name: &name,
            content: b"text".to_vec(),
            is_executable: false,
            nar: tree::hash_of_file(b"text", false),
            relocatable: true,
            sandbox: Level::Off,
        })
    };
    let object = import_files(&place.store, &[file()]).unwrap()[0].clone().unwrap();
    let path = place.store.object(&object);
    platform::set_mode(&path, 0o600).unwrap();
    fs::write(&path, "torn").unwrap();
    assert!(observe(&place.store, &object).is_err());
    // The damaged one is set aside, and a whole one takes its place.
    assert_eq!(import_files(&place.store, &[file()]).unwrap(), [Some(object.clone())]);
    place.is_sound(&object);
    // What a killed build left at its temporary place is taken away.
    let open = place.store.lock_publication().unwrap();
    platform::remove_file(&path).unwrap();
    drop(open);
    let left = place.store.staging().join(format!("{}-out", Hash::of(b"recipe")));
    fs::write(&left, "left").unwrap();
    assert_eq!(import_files(&place.store, &[file()]).unwrap(), [Some(object.clone())]);
    place.is_sound(&object);
    fs::write(place.built("recipe", "out"), "text").unwrap();
    assert_eq!(place.import_one("recipe"), object);
    place.is_sound(&object);
}

#[test]
fn what_names_the_directory_of_its_build_alone_is_refused() {
    let slot = Slot::of(Hash::of(b"recipe"));
    let own = temporary("recipe", "out");
    for (text, is_refused) in [
        (format!("prefix=/x/store/{slot}\n"), true),
        (format!("store/{slot}"), true),
        (format!("/x/store/{slot}/"), true),
        (format!("/x/store/{slot}/other-123456789"), true),
        (format!("/x/store/{slot}:/x/store/{slot}/{own}"), true),
        (format!("/x/store/{slot}/{own}/bin"), false),
        (format!("/x/store/{slot}f and /x/store/{slot}-1 and /x/{slot}"), false),
    ] {
        for shape in ["file", "link"] {
            let place = Place::new();
            let built = place.built("recipe", "out");
            fs::create_dir(&built).unwrap();
            let file = built.join(shape);
            if shape == "file" {
                write(&file, ["x".repeat(READ_SIZE - 12).as_bytes(), text.as_bytes()].concat());
            } else {
                platform::symlink(Path::new(&text), &file).unwrap();
            }
            match place.import("recipe", &["out"]) {
                Ok(outputs) => {
                    assert!(!is_refused, "{shape} {text}");
                    place.is_sound(outputs.values().next().unwrap());
                }
                Err(Error::Building { path, slot: named }) => {
                    assert!(is_refused, "{shape} {text}");
                    assert_eq!((path, named), (file, slot));
                    assert_eq!(place.objects(), 0);
                    assert_eq!(fs::read_dir(place.store.staging()).unwrap().count(), 0);
                }
                Err(error) => panic!("{shape} {text}: {error}"),
            }
        }
    }
}

#[test]
fn a_large_object_is_synced_file_by_file() {
    use crate::platform::fault::{Operation, record};
    let place = Place::new();
    let built = place.built("recipe", "out");
    fs::create_dir_all(built.join("inner")).unwrap();
    fs::write(built.join("inner/large"), vec![7; 17 << 20]).unwrap();
    fs::write(built.join("small"), "small").unwrap();
    let object = place.import_one("recipe");
    record(true);
    protect(&place.store, [&object]).unwrap();
    let synced = record(false);
    let at = |below: &str| place.store.object(&object).join(below);
    for expected in [
        Operation::SyncFile(at("inner/large")),
        Operation::SyncFile(at("small")),
        Operation::SyncDirectory(at("inner")),
        Operation::SyncDirectory(place.store.object(&object)),
        Operation::SyncDirectory(place.store.objects().to_owned()),
        Operation::SyncFile(place.store.info(&object)),
    ] {
        assert!(synced.contains(&expected), "{expected:?} in {synced:?}");
    }
}
