//! Closures that come whole and closures that were made to do harm.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::import::{Build, import as publish};
use super::super::info::read_info;
use super::super::{Slot, Store, verify};
use super::*;
use crate::hash::Hash;
use crate::names::{Name, OutputName};
use crate::nar::Writer;
use crate::platform::jail::Level;
use crate::settings::{Interrupt, UnpackLimits};

const HERE: &str = "x86_64-linux";

struct Place {
    store: Store,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::new(&directory.path().join("root"));
        Place { store, directory }
    }

    /// Publishes an object; `fill` is told the path that it is built at.
    fn build(
        &self,
        name: &str,
        dependencies: &[&ObjectName],
        fill: impl FnOnce(&Path),
    ) -> ObjectName {
        self.store.create().unwrap();
        let (name, main) = (Name::parse(name).unwrap(), OutputName::main());
        let recipe = Hash::of(name.as_str().as_bytes());
        let temporary = ObjectName::new(&name, None, &main, recipe);
        let slot = self.store.building(Slot::of(recipe));
        platform::create_directories(&slot).unwrap();
        fill(&slot.join(temporary.as_str()));
        let build = Build {
            deriver: recipe,
            name: &name,
            version: None,
            outputs: &BTreeMap::from([(main, temporary)]),
            dependencies: &dependencies.iter().map(|object| (*object).clone()).collect(),
            published: &|_, _| {},
            expected: None,
            sandbox: Level::Off,
        };
        publish(&self.store, &build, || Ok(())).unwrap().into_iter().next().unwrap().1
    }

    fn export(&self, roots: &[&ObjectName]) -> Result<Vec<u8>> {
        let roots: Vec<ObjectName> = roots.iter().map(|root| (*root).clone()).collect();
        let mut bytes = Vec::new();
        let closure = collect(&self.store, None, &roots, HERE)?;
        export(&self.store, None, closure, &mut bytes, 2, &Interrupt::default())?;
        Ok(bytes)
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported> {
        self.import_within(bytes, &UnpackLimits::default())
    }

    fn import_within(&self, bytes: &[u8], unpack: &UnpackLimits) -> Result<Imported> {
        let limits =
            Limits { unpack, platform: HERE, lock_timeout: None, interrupt: &Interrupt::default() };
        import(&self.store, Box::new(std::io::Cursor::new(bytes.to_vec())), &limits, &mut |_, _| {})
    }

    /// Imports what must be refused; returns the message. Nothing is left behind.
    fn refuse(&self, bytes: &[u8]) -> String {
        let error = self.import(bytes).unwrap_err();
        self.is_empty();
        error.to_string()
    }

    fn is_empty(&self) {
        for directory in ["obj", "info", "pkg", "metadata/gc-roots"] {
            let path = self.store.root().join("store").join(directory);
            assert_eq!(fs::read_dir(path).map_or(0, Iterator::count), 0, "{directory}");
        }
        assert!(!self.store.staging().join("closure").exists());
        let beside: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(beside.iter().all(|name| name == "root"), "{beside:?}");
    }

    fn info(&self, object: &ObjectName) -> ObjectInfo {
        read_info(&self.store, object).unwrap().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // As root they cannot be removed otherwise.
        platform::set_immutable(self.store.root(), false);
        let _ = platform::remove_tree(self.store.root());
    }
}

fn write(path: PathBuf, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A library, a program that refers to it and to itself, and a text that refers to both: the last
/// one.
fn greeting(place: &Place) -> [ObjectName; 3] {
    let library = place.build("library", &[], |path| {
        write(path.join("lib/code.so"), vec![7; 300_000]);
        platform::symlink(Path::new("code.so"), &path.join("lib/code.so.1")).unwrap();
        fs::create_dir(path.join("empty")).unwrap();
    });
    let program = place.build("program", &[&library], |path| {
        let own = path.file_name().unwrap().to_str().unwrap();
        write(path.join("bin/run"), format!("../../{library}/lib and ../../{own}/share"));
        platform::set_mode(&path.join("bin/run"), 0o755).unwrap();
        // Names whose order changes with the object's own.
        write(path.join(format!("share/{own}.conf")), "");
        write(path.join("share/program-0"), "");
        write(path.join("share/program-zzz"), "");
        platform::symlink(&Path::new("../..").join(own), &path.join("share/self")).unwrap();
    });
    let text = place.build("text", &[&library, &program], |path| {
        write(path.to_owned(), format!("../{program}/bin/run, ../{library}"));
    });
    [library, program, text]
}

fn decompressed(bytes: &[u8]) -> Vec<u8> {
    zstd::decode_all(bytes).unwrap()
}

#[test]
fn a_closure_gives_the_same_objects_elsewhere() {
    let (here, there) = (Place::new(), Place::new());
    let objects = greeting(&here);
    let [library, program, text] = &objects;
    let bytes = here.export(&[text]).unwrap();
    for bytes in [&bytes, &decompressed(&bytes)] {
        let imported = there.import(bytes).unwrap();
        let all = imported.new.iter().map(|(object, _)| object).chain(&imported.present);
        assert_eq!(all.collect::<Vec<_>>(), [library, program, text]);
        assert_eq!(imported.roots, std::slice::from_ref(text));
        for object in &objects {
            assert_eq!(verify::observe(&there.store, object), Ok(()));
            assert_eq!(there.info(object), here.info(object));
        }
        assert_eq!(fs::read_link(there.store.import_root(text)).unwrap(), there.store.object(text));
        assert_eq!(
            fs::read_dir(there.store.root().join("store/metadata/gc-roots")).unwrap().count(),
            1
        );
    }
    assert!(there.info(program).references.contains(program));
    // It is there already now.
    assert_eq!(there.import(&bytes).unwrap().present.len(), 3);
    // What was imported can go on.
    assert_eq!(decompressed(&there.export(&[text]).unwrap()), decompressed(&bytes));
}

#[test]
fn only_what_is_missing_or_damaged_is_written() {
    let (here, there) = (Place::new(), Place::new());
    let [library, program, text] = greeting(&here);
    let bytes = here.export(&[&text]).unwrap();
    there.import(&here.export(&[&program]).unwrap()).unwrap();
    let damaged = there.store.object(&library).join("lib/code.so");
    platform::set_immutable(&there.store.object(&library), false);
    platform::set_mode(&damaged, 0o644).unwrap();
    fs::write(&damaged, "other").unwrap();
    // What an import that was killed left.
    write(there.store.staging().join("closure/text-123456789/x"), "half");
    let imported = there.import(&bytes).unwrap();
    assert_eq!(imported.present, [program]);
    assert_eq!(
        imported.new.iter().map(|(object, _)| object).collect::<Vec<_>>(),
        [&library, &text]
    );
    assert_eq!(verify::observe(&there.store, &library), Ok(()));
    assert!(there.store.quarantine().join(format!("{library}.0")).exists());
}

#[test]
fn what_names_its_place_is_refused_with_the_file_that_does() {
    let place = Place::new();
    let root = place.store.root().display().to_string();
    let fixed =
        place.build("fixed", &[], |path| write(path.join("etc/conf"), format!("at {root}/x")));
    let user = place.build("user", &[&fixed], |path| write(path.to_owned(), format!("../{fixed}")));
    let message = place.export(&[&user]).unwrap_err().to_string();
    let expected = format!(
        "{fixed} cannot be moved: etc/conf in it names the root {root}, and {user} refers to it"
    );
    assert_eq!(message, expected);
    // Somewhere else's absolute path, as of an object that is borrowed from the system's store.
    let library = place.build("library", &[], |path| write(path.to_owned(), "code"));
    let other = place.build("other", &[&library], |path| {
        platform::symlink(&Path::new("/syslua/store/obj").join(library.as_str()), path).unwrap();
    });
    let message = place.export(&[&other]).unwrap_err().to_string();
    assert_eq!(message, format!("{other} cannot be moved: it names an absolute path of {library}"));
    // The system's store is named whatever is there; a word like its root is no place.
    let system = Store::new(Path::new("/syslua"));
    for (text, is_fixed) in [
        ("see ~/.config/syslua and /syslua", false),
        ("exec /syslua/store/obj/tool-123456789", true),
    ] {
        let object = place.build("text", &[], |path| write(path.to_owned(), text));
        let closure = collect(&place.store, Some(&system), &[object], HERE).unwrap();
        let exported =
            export(&place.store, Some(&system), closure, Vec::new(), 1, &Interrupt::default());
        let refused =
            exported.is_err_and(|error| error.to_string().ends_with("it names the root /syslua"));
        assert_eq!(refused, is_fixed, "{text}");
    }
}

#[test]
fn a_damaged_or_missing_object_is_not_exported() {
    let place = Place::new();
    let [library, _, text] = greeting(&place);
    let path = place.store.object(&library);
    platform::set_immutable(&path, false);
    let code = path.join("lib/code.so");
    platform::set_mode(&code, 0o644).unwrap();
    fs::write(&code, "other").unwrap();
    let error = place.export(&[&text]).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("{library} is damaged: its content hashes to")),
        "{error}"
    );
    let open = place.store.lock_publication().unwrap();
    platform::remove_tree(&path).unwrap();
    drop(open);
    let error = place.export(&[&text]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("the object {library} is missing, and ")), "{error}");
}

#[test]
fn a_closure_that_is_cut_anywhere_is_refused() {
    let (here, there) = (Place::new(), Place::new());
    let low = here.build("low", &[], |path| write(path.join("file"), "text\n"));
    let high = here.build("high", &[&low], |path| write(path.to_owned(), format!("../{low}")));
    let bytes = here.export(&[&high]).unwrap();
    let raw = decompressed(&bytes);
    for whole in [&bytes, &raw] {
        for length in 0..whole.len() {
            let message = there.refuse(&whole[..length]);
            assert!(
                message.contains("it ends") || message.contains("it is empty"),
                "{length}: {message}"
            );
        }
        let mut longer = whole.clone();
        longer.push(0);
        there.refuse(&longer);
        longer.pop();
        longer.extend_from_slice(whole);
        assert!(there.refuse(&longer).contains("something follows its last object"));
    }
    there.import(&raw).unwrap();
}

#[test]
fn a_closure_with_one_other_bit_is_refused_or_changes_no_object() {
    let here = Place::new();
    let low = here.build("low", &[], |path| write(path.join("file"), "text\n"));
    let high = here.build("high", &[&low], |path| write(path.to_owned(), format!("../{low}")));
    let raw = decompressed(&here.export(&[&high]).unwrap());
    let mut accepted = 0;
    let there = Place::new();
    for place in 0..raw.len() {
        let mut changed = raw.clone();
        changed[place] ^= 1 << (place % 8);
        match there.import(&changed) {
            Err(_) => {}
            Ok(_) => {
                // Only what nothing can prove: the deriver, the sandbox, the platform, the order of
                // fields.
                accepted += 1;
                for object in [&low, &high] {
                    assert_eq!(verify::observe(&there.store, object), Ok(()), "{place}");
                    let (expected, found) = (here.info(object), there.info(object));
                    assert_eq!(
                        (found.content, found.nar, found.references),
                        (expected.content, expected.nar, expected.references)
                    );
                }
                platform::set_immutable(there.store.root(), false);
                platform::remove_tree(there.store.root()).unwrap();
            }
        }
    }
    assert!(accepted < raw.len() / 2, "{accepted} of {}", raw.len());
}

/// The closure of one object whose header says the truth unless `change` changes it.
fn closure_of(archive: &[u8], size: u64, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let hash = Hash::of(archive);
    let name = Name::parse("evil").unwrap();
    let object = ObjectName::new(&name, None, &OutputName::main(), hash);
    let mut header = serde_json::json!({
        "format": FORMAT, "version": 1, "platform": HERE, "roots": [object], "objects": [{
            "object": object, "version": 1, "name": "evil", "output": "out", "content": hash,
            "nar": hash, "size": size, "deriver": hash, "references": [], "relocatable": true,
        }],
    });
    change(&mut header);
    let mut bytes = serde_json::to_vec(&header).unwrap();
    bytes.push(b'\n');
    bytes.extend_from_slice(archive);
    bytes
}

fn archive(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes));
    bytes
}

fn file(writer: &mut Writer<'_, Vec<u8>>, content: &[u8]) {
    writer.begin_file(false, content.len() as u64);
    writer.content(content);
    writer.end_file(content.len() as u64);
}

fn directory_of(names: &[&[u8]]) -> Vec<u8> {
    archive(|writer| {
        writer.begin_directory();
        for name in names {
            writer.begin_entry(name);
            file(writer, b"evil");
            writer.end_entry();
        }
        writer.end_directory();
    })
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let place = Place::new();
    for name in [b"../evil".as_slice(), b"..", b".", b"", b"/tmp/evil", b"a/b", b"nul\0"] {
        let message = place.refuse(&closure_of(&directory_of(&[name]), 4, |_| {}));
        assert!(message.contains("which is not a valid file name"), "{message}");
    }
    let twice = closure_of(&directory_of(&[b"a", b"a"]), 8, |_| {});
    assert!(place.refuse(&twice).contains("the entry `a` occurs twice"));
    // A link, and then an entry through it.
    let through = archive(|writer| {
        writer.begin_directory();
        writer.begin_entry(b"way");
        writer.symlink(b"../../../../..");
        writer.end_entry();
        writer.begin_entry(b"way");
        writer.begin_directory();
        writer.begin_entry(b"evil");
        file(writer, b"evil");
        writer.end_entry();
        writer.end_directory();
        writer.end_entry();
        writer.end_directory();
    });
    assert!(
        place.refuse(&closure_of(&through, 4, |_| {})).contains("the entry `way` occurs twice")
    );
}

#[test]
fn what_a_header_says_must_be_so() {
    let place = Place::new();
    let good = archive(|writer| file(writer, b"good"));
    let entry = |header: &mut serde_json::Value, field: &str, value: serde_json::Value| {
        header["objects"][0][field] = value;
    };
    let other = Hash::of(b"other").to_hex();
    for (what, expected) in [
        (
            closure_of(&good, 4, |header| header["version"] = 2.into()),
            "version 2, which only a newer",
        ),
        (closure_of(&good, 4, |header| header["version"] = u64::MAX.into()), "which only a newer"),
        (closure_of(&good, 4, |header| header["version"] = "1".into()), "another JSON"),
        (closure_of(&good, 4, |header| header["format"] = "nar".into()), "its format is `nar`"),
        (closure_of(&good, 4, |header| header["roots"] = serde_json::json!([])), "has no roots"),
        (
            closure_of(&good, 4, |header| header["roots"] = serde_json::json!(["other-123456789"])),
            "is not in it",
        ),
        (
            closure_of(&good, 4, |header| header["roots"] = serde_json::json!(["../x"])),
            "cannot be used",
        ),
        (
            closure_of(&good, 4, |header| header["objects"] = serde_json::json!([])),
            "has no objects",
        ),
        (
            closure_of(&good, 4, |header| header["objects"] = serde_json::json!({})),
            "cannot be used",
        ),
        (closure_of(&good, 3, |_| {}), "more than the 3 bytes"),
        (closure_of(&good, 5, |_| {}), "have 4 bytes, and should have 5"),
        (closure_of(&good, 4, |header| entry(header, "size", (-1).into())), "cannot be used"),
        (closure_of(&good, 4, |header| entry(header, "size", 1e300.into())), "cannot be used"),
        (closure_of(&good, u64::MAX, |_| {}), "the limit `bytes` is"),
        (
            closure_of(&good, 4, |header| entry(header, "nar", other.clone().into())),
            "the content hashes to",
        ),
        (
            closure_of(&good, 4, |header| entry(header, "content", other.clone().into())),
            "the name does not follow",
        ),
        (closure_of(&good, 4, |header| entry(header, "name", "../evil".into())), "cannot be used"),
        (closure_of(&good, 4, |header| entry(header, "object", "/etc".into())), "cannot be used"),
        (
            closure_of(&good, 4, |header| entry(header, "version", 2.into())),
            "the unknown version 2",
        ),
        (
            closure_of(&good, 4, |header| {
                entry(header, "references", serde_json::json!(["low-123456789"]));
            }),
            "does not come before it",
        ),
        (
            closure_of(&good, 4, |header| {
                let own = header["objects"][0]["object"].clone();
                entry(header, "references", serde_json::json!([own]));
            }),
            "no file names",
        ),
        (
            closure_of(&good, 4, |header| {
                let first = header["objects"][0].clone();
                header["objects"] = serde_json::json!([first, first]);
            }),
            "occurs twice",
        ),
    ] {
        let message = place.refuse(&what);
        assert!(message.contains(expected), "{message}\n{expected}");
    }
    place.import(&closure_of(&good, 4, |_| {})).unwrap();
}

#[test]
fn what_is_no_closure_is_said_to_be_none() {
    let place = Place::new();
    let deep = format!("{{\"format\":{}", "[".repeat(100_000));
    let deep = [deep.as_bytes(), b"\n"].concat();
    for bytes in [
        b"".as_slice(),
        b"\n",
        b"hello\n",
        b"{\n",
        b"{}\n",
        b"[]\n",
        b"\0\0\0\0",
        b"nix-archive-1",
        b"{\"format\":\"\xff\"}\n",
        &deep,
        &zstd::encode_all(b"hello\n".as_slice(), 3).unwrap(),
        &zstd::encode_all(deep.as_slice(), 3).unwrap(),
    ] {
        let error = place.import(bytes).unwrap_err();
        assert!(matches!(error, Error::NoClosure(_)), "{error}");
        assert!(!place.store.root().exists());
    }
    for bytes in [b"{\"format\":\"syslua-closure\"".as_slice(), &[0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]]
    {
        assert!(matches!(place.import(bytes), Err(Error::Damaged(_))));
    }
}

/// Gives its first bytes, then zeros without an end.
struct Endless(std::io::Cursor<Vec<u8>>);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => {
                buffer.fill(0);
                Ok(buffer.len())
            }
            read => Ok(read),
        }
    }
}

#[test]
fn bombs_are_stopped_before_they_burst() {
    let place = Place::new();
    let mut endless = archive(|writer| writer.begin_file(false, 1 << 40));
    endless.extend_from_slice(&[0; 64]);
    // It is larger than it says, whatever comes.
    let lie = closure_of(&endless, 1000, |_| {});
    let limits = UnpackLimits::default();
    let limits = Limits {
        unpack: &limits,
        platform: HERE,
        lock_timeout: None,
        interrupt: &Interrupt::default(),
    };
    let error =
        import(&place.store, Box::new(Endless(std::io::Cursor::new(lie))), &limits, &mut |_, _| {})
            .unwrap_err();
    assert!(error.to_string().contains("more than the 1000 bytes"), "{error}");
    // It says how large it is, and that is more than there is room for.
    let large = closure_of(&endless, 60 << 30, |_| {});
    let free = platform::free_space(place.directory.path()).unwrap();
    if free < 60 << 30 {
        assert!(place.refuse(&large).contains("bytes left"));
    }
    // A first line without an end.
    let begin = std::io::Cursor::new(b"{\"format\":\"".to_vec());
    let error =
        import(&place.store, Box::new(Endless(begin)), &limits, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("its first line does not end"), "{error}");
    place.is_empty();
    // Many entries, deep directories, long names.
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let many = directory_of(&names.iter().map(String::as_bytes).collect::<Vec<_>>());
    let few = UnpackLimits { entries: 99, ..UnpackLimits::default() };
    let error = place.import_within(&closure_of(&many, 400, |_| {}), &few).unwrap_err();
    assert!(error.to_string().contains("the limit `entries` is 99"), "{error}");
    let deep = archive(|writer| {
        for _ in 0..100_000 {
            writer.begin_directory();
            writer.begin_entry(b"d");
        }
    });
    assert!(place.refuse(&closure_of(&deep, 0, |_| {})).contains("more than 128 directories"));
    let short = UnpackLimits { path: 2, ..UnpackLimits::default() };
    let error = place.import_within(&closure_of(&many, 400, |_| {}), &short).unwrap_err();
    assert!(error.to_string().contains("the limit `path` is 2"), "{error}");
    place.is_empty();
    // Compression that asks for more memory than is allowed.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder
        .write_all(&closure_of(&archive(|writer| file(writer, &[1; 1000])), 1000, |_| {}))
        .unwrap();
    assert!(place.refuse(&encoder.finish().unwrap()).contains("does not decompress"));
}

#[test]
fn other_content_of_the_same_name_stays() {
    let (here, there) = (Place::new(), Place::new());
    let object = here.build("same", &[], |path| write(path.to_owned(), "content"));
    let bytes = here.export(&[&object]).unwrap();
    there.import(&bytes).unwrap();
    let mut info = there.info(&object);
    info.content = Hash::of(b"other");
    super::super::info::write_info(&there.store, &object, &info).unwrap();
    assert!(matches!(there.import(&bytes), Err(Error::Taken(taken)) if taken == object));
}

#[test]
fn what_names_this_root_is_recorded_as_such() {
    let place = Place::new();
    let text = format!("{}/store", place.store.root().display());
    let archive = archive(|writer| file(writer, text.as_bytes()));
    let imported = place.import(&closure_of(&archive, text.len() as u64, |_| {})).unwrap();
    assert!(!place.info(&imported.roots[0]).relocatable);
}

#[test]
fn whoever_asks_to_stop_is_heard() {
    let place = Place::new();
    let [_, _, text] = greeting(&place);
    let interrupt = Interrupt::default();
    interrupt.0.store(true, std::sync::atomic::Ordering::Relaxed);
    let closure = collect(&place.store, None, std::slice::from_ref(&text), HERE).unwrap();
    let error = export(&place.store, None, closure, Vec::new(), 1, &interrupt).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Interrupted);
    let (there, limits) = (Place::new(), UnpackLimits::default());
    let limits =
        Limits { unpack: &limits, platform: HERE, lock_timeout: None, interrupt: &interrupt };
    let bytes = place.export(&[&text]).unwrap();
    let error =
        import(&there.store, Box::new(std::io::Cursor::new(bytes)), &limits, &mut |_, _| {})
            .unwrap_err();
    assert_eq!(error.kind(), FailureKind::Interrupted);
    there.is_empty();
}
