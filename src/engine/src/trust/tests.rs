//! Tests of trust, with real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.top().join("lib")).unwrap();
        place.write("syslua.lua", "return 1");
        place.write("lib/a.lua", "return 2");
        for name in ["", "lib"] {
            place.set_mode(name, 0o755);
        }
        place
    }

    fn top(&self) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join("project")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.top().join(name), text).unwrap();
        self.set_mode(name, 0o644);
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.top().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn open(&self) -> Project {
        Project::open(&Store::new(&self.0.path().join("root")), &self.top()).unwrap()
    }

    fn trust(&self) -> Hash {
        let mut project = self.open();
        for name in ["syslua.lua", "lib/a.lua"] {
            let path = self.top().join(name);
            let hash = project.observe(&path).unwrap().hash;
            project.accept(&path, hash);
        }
        project.save().unwrap();
        self.open().check().unwrap().1
    }

    fn doubt(&self) -> Doubt {
        self.open().check().unwrap_err().1
    }
}

#[test]
fn only_what_was_trusted_is_and_nothing_else() {
    let place = Place::new();
    assert!(matches!(place.doubt(), Doubt::New(_)));
    let hash = place.trust();
    assert_eq!(place.trust(), hash);
    let records = place.0.path().join("root/trust");
    assert_eq!(fs::metadata(&records).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(place.open().read(&place.top().join("lib/a.lua")).is_ok());
    place.write("lib/b.lua", "");
    assert!(matches!(place.open().read(&place.top().join("lib/b.lua")), Err(Doubt::Unknown(_))));
    place.write("lib/a.lua", "return 3");
    assert!(matches!(place.doubt(), Doubt::Changed(_)));
    assert!(matches!(place.open().read(&place.top().join("lib/a.lua")), Err(Doubt::Changed(_))));
    fs::remove_file(place.top().join("lib/a.lua")).unwrap();
    assert!(matches!(place.doubt(), Doubt::Changed(_)));
}

#[test]
fn a_lock_that_comes_is_a_change_unless_we_wrote_it() {
    let place = Place::new();
    place.trust();
    place.write("syslua.lock", "{}");
    assert!(matches!(place.doubt(), Doubt::Unknown(_)));
    let lock = place.top().join(LOCK);
    assert!(!place.open().follow(&lock, Some(Hash::of(b"other")), Hash::of(b"{}")).unwrap());
    assert!(place.open().follow(&lock, None, Hash::of(b"{}")).unwrap());
    assert!(place.open().check().is_ok());
    place.write("syslua.lock", "{ }");
    assert!(matches!(place.doubt(), Doubt::Changed(_)));
}

#[test]
fn what_others_can_write_is_never_trusted() {
    let place = Place::new();
    place.trust();
    for name in ["", "lib", "syslua.lua", "lib/a.lua"] {
        let before = fs::metadata(place.top().join(name)).unwrap().permissions().mode();
        for bits in [0o020, 0o002] {
            place.set_mode(name, before | bits);
            assert!(matches!(place.doubt(), Doubt::Writable { .. }), "{name} {bits:o}");
        }
        place.set_mode(name, before);
    }
    assert!(place.open().check().is_ok());
}

#[test]
fn links_and_other_kinds_are_never_trusted() {
    let place = Place::new();
    place.trust();
    let entry = place.top().join(ENTRY);
    fs::rename(&entry, place.top().join("real.lua")).unwrap();
    std::os::unix::fs::symlink("real.lua", &entry).unwrap();
    assert!(matches!(place.doubt(), Doubt::Link(_)));
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert!(matches!(place.doubt(), Doubt::Kind(_)));
    fs::remove_dir(&entry).unwrap();
    fs::rename(place.top().join("real.lua"), &entry).unwrap();
    fs::rename(place.top().join("lib"), place.top().join("real")).unwrap();
    std::os::unix::fs::symlink("real", place.top().join("lib")).unwrap();
    assert!(matches!(place.doubt(), Doubt::Link(_)));
}

#[test]
fn a_record_that_others_could_have_written_does_not_count() {
    let place = Place::new();
    place.trust();
    let records = place.0.path().join("root/trust");
    fs::set_permissions(&records, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(place.open().check().is_err());
    fs::set_permissions(&records, fs::Permissions::from_mode(0o700)).unwrap();
    let record = place.open().place().to_owned();
    let text = fs::read_to_string(&record).unwrap();
    for damaged in [
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("project", "elsewhere"),
        String::new(),
    ] {
        fs::write(&record, damaged).unwrap();
        assert!(matches!(place.doubt(), Doubt::Record { .. }));
    }
}

#[test]
fn directories_around_are_found_outermost_first() {
    let place = Place::new();
    let inner = place.top().join("inner");
    fs::create_dir_all(inner.join("deep")).unwrap();
    fs::write(inner.join(ENTRY), "").unwrap();
    assert_eq!(around(&inner.join("deep")), [place.top(), inner]);
    assert_eq!(around(&place.top().join("lib")), [place.top()]);
}
