//! Publication: what a build left becomes objects. Nothing else puts anything into `obj/`.
//!
//! An output was built at `bld/TEMPORARY`, a path as long as the final one. Its content hash, with
//! its own name zeroed, gives the final name; then its own names are rewritten, its modes and times
//! normalised, and one rename makes it appear, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::info::{self, ObjectInfo, read_info, write_info};
use super::record::Outputs;
use super::rewrite::Patterns;
use super::tree::{self, Digest};
use super::{Error, Result, Store};
use crate::encode;
use crate::hash::{Hash, Hasher, READ_SIZE, Sink};
use crate::names::{Name, ObjectName, OutputName, Placeholder, Version};
use crate::platform::lock::{Lock, Mode};
use crate::platform::{self, FileKind};
use crate::settings::Interrupt;

/// A finished build, before publication.
pub struct Build<'a> {
    /// The derivation's hash.
    pub deriver: Hash,
    /// The derivation's name.
    pub name: &'a Name,
    /// The derivation's version.
    pub version: Option<&'a Version>,
    /// The outputs and the names they were built under in `bld/`.
    pub outputs: &'a BTreeMap<OutputName, ObjectName>,
    /// The objects that the build could refer to.
    pub dependencies: &'a BTreeSet<ObjectName>,
}

/// Publishes all outputs of a build; returns the objects they became.
///
/// # Errors
/// When an output is missing or cannot be an object, or the file system refuses. What was not
/// published stays in `bld/` for the caller to remove.
pub fn import(store: &Store, build: &Build<'_>) -> Result<Outputs> {
    let mut digests = BTreeMap::new();
    for (output, temporary) in build.outputs {
        let path = store.building().join(temporary.as_str());
        if !platform::exists(&path) {
            return Err(Error::MissingOutput { output: output.to_string(), path });
        }
        digests.insert(output, tree::hash_replacing(&path, &patterns(store, build, output, &Outputs::new()))?);
    }
    // Before anything is published: a failed build leaves no object.
    for digest in digests.values() {
        refuse_placeholders(&digest.found[2 * build.outputs.len() + 1])?;
    }
    let mut finished = Outputs::new();
    for output in reference_order(build, &digests)? {
        let mut digest = digests.remove(output).ok_or_else(|| unknown_output(output))?;
        let siblings: Vec<_> = build.outputs.keys().filter(|other| *other != output).collect();
        if siblings.iter().any(|sibling| refers(&digest, build, sibling)) {
            // The names of its siblings are known by now and belong to its content.
            let path = store.building().join(build.outputs[output].as_str());
            digest = tree::hash_replacing(&path, &patterns(store, build, output, &finished))?;
        }
        let object = publish(store, build, output, &digest, &finished)?;
        finished.insert(output.clone(), object);
    }
    Ok(finished)
}

fn unknown_output(output: &OutputName) -> Error {
    Error::MissingOutput { output: output.to_string(), path: PathBuf::new() }
}

/// The patterns of one output: two for each output of the build (`bld/NAME` and `NAME`), in order,
/// then the root, the placeholder, and the dependencies.
pub(crate) fn patterns(
    store: &Store,
    build: &Build<'_>,
    output: &OutputName,
    finished: &Outputs,
) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut patterns = Vec::new();
    for (other, temporary) in build.outputs {
        let replacement = if other == output {
            Some(vec![0; temporary.as_str().len()])
        } else {
            finished.get(other).map(|object| object.as_str().as_bytes().to_vec())
        };
        add_own_name(&mut patterns, temporary, replacement);
    }
    let mut root = platform::bytes_of_path(store.root());
    root.push(b'/');
    patterns.push((root, None));
    patterns.push((Placeholder::PREFIX.as_bytes().to_vec(), None));
    patterns.extend(build.dependencies.iter().map(|object| (object.as_str().as_bytes().to_vec(), None)));
    patterns
}

fn add_own_name(patterns: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>, temporary: &ObjectName, replacement: Option<Vec<u8>>) {
    let with_directory = |directory: &[u8], name: &[u8]| [directory, name].concat();
    let name = temporary.as_str().as_bytes();
    let placed = replacement.as_ref().map(|replacement| with_directory(b"obj/", replacement));
    patterns.push((with_directory(b"bld/", name), placed));
    patterns.push((name.to_vec(), replacement));
}

/// Positions among [`patterns`].
fn own_patterns(build: &Build<'_>, output: &OutputName) -> [usize; 2] {
    let place = build.outputs.keys().position(|other| other == output).unwrap_or(0);
    [2 * place, 2 * place + 1]
}

fn paths_of<'d>(digest: &'d Digest, build: &Build<'_>, output: &OutputName) -> impl Iterator<Item = &'d PathBuf> {
    own_patterns(build, output).into_iter().flat_map(|number| &digest.found[number])
}

fn refers(digest: &Digest, build: &Build<'_>, output: &OutputName) -> bool {
    paths_of(digest, build, output).next().is_some()
}

/// Returns the outputs so that each comes after those it refers to.
fn reference_order<'a>(
    build: &'a Build<'_>,
    digests: &BTreeMap<&'a OutputName, Digest>,
) -> Result<Vec<&'a OutputName>> {
    let mut order: Vec<&OutputName> = Vec::new();
    let mut rest: Vec<&OutputName> = build.outputs.keys().collect();
    while !rest.is_empty() {
        let free = |output: &&&OutputName| {
            rest.iter().all(|other| other == *output || !refers(&digests[**output], build, other))
        };
        match rest.iter().find(free).copied() {
            Some(output) => {
                rest.retain(|other| *other != output);
                order.push(output);
            }
            None => return Err(cycle(build, digests, &rest)),
        }
    }
    Ok(order)
}

/// Describes one of the circles among outputs each of which refers to another of them.
fn cycle(build: &Build<'_>, digests: &BTreeMap<&OutputName, Digest>, rest: &[&OutputName]) -> Error {
    let next = |output: &OutputName| {
        rest.iter()
            .find(|other| **other != output && refers(&digests[output], build, other))
            .copied()
            .unwrap_or(rest[0])
    };
    // After as many steps as there are outputs we are on a circle.
    let first = rest.iter().fold(rest[0], |output, _| next(output));
    let second = next(first);
    let file =
        |from: &OutputName, to: &OutputName| paths_of(&digests[from], build, to).next().cloned().unwrap_or_default();
    Error::Cycle {
        first: first.to_string(),
        second: second.to_string(),
        first_file: file(first, second),
        second_file: file(second, next(second)),
    }
}

fn publish(
    store: &Store,
    build: &Build<'_>,
    output: &OutputName,
    digest: &Digest,
    finished: &Outputs,
) -> Result<ObjectName> {
    let fixed = 2 * build.outputs.len();
    let path = store.building().join(build.outputs[output].as_str());
    for counter in 0u64.. {
        let object = ObjectName::new(build.name, build.version, output, numbered(digest.nar, counter));
        let lock_path = store.building().join(format!("{object}.lock"));
        let lock = Lock::take(&lock_path, Mode::Exclusive, None, &Interrupt::default(), |_| {})?;
        if platform::exists(&store.object(&object)) {
            let known = read_info(store, &object)?;
            if known.is_some_and(|info| info.content == digest.nar) {
                platform::remove_tree(&path)?;
                lock.remove();
                return Ok(object);
            }
            lock.remove();
            continue;
        }
        let nar = rewrite_names(build, output, digest, finished, &object, &path)?;
        normalise(&path)?;
        let references = build.dependencies.iter().zip(&digest.found[fixed + 2..]);
        let siblings = finished.iter().filter(|(sibling, _)| refers(digest, build, sibling));
        let own = refers(digest, build, output).then(|| object.clone());
        let references: BTreeSet<ObjectName> = references
            .filter(|(_, found)| !found.is_empty())
            .map(|(name, _)| name.clone())
            .chain(siblings.map(|(_, object)| object.clone()))
            .chain(own)
            .collect();
        let info = ObjectInfo {
            version: info::VERSION,
            name: build.name.clone(),
            derivation_version: build.version.cloned(),
            output: output.clone(),
            content: digest.nar,
            nar: nar.unwrap_or(digest.nar),
            size: digest.size,
            deriver: build.deriver,
            references: references.into_iter().collect(),
            relocatable: digest.found[fixed].is_empty(),
            borrowed: false,
        };
        write_info(store, &object, &info)?;
        place(store, &path, &object)?;
        lock.remove();
        return Ok(object);
    }
    Err(unknown_output(output))
}

/// Moves what is normalised into its place, and takes the right to write from its top.
pub(super) fn place(store: &Store, path: &Path, object: &ObjectName) -> Result<()> {
    let place = store.object(object);
    platform::rename(path, &place)?;
    // Only now: a user cannot move a directory that is read-only.
    if platform::kind_of(&place)? == Some(FileKind::Directory) {
        platform::set_mode(&place, 0o555)?;
    }
    Ok(())
}

/// Makes published objects immutable, where the system permits it. All at once: setting the flag waits
/// until a file is on the disk, and one sync for all is faster than one for each.
///
/// # Errors
/// When the system reports a failed write.
pub fn protect<'a>(store: &Store, objects: impl IntoIterator<Item = &'a ObjectName>) -> Result<()> {
    if platform::may_set_immutable() {
        platform::sync_file_system(store.objects())?;
        for object in objects {
            platform::set_immutable(&store.object(object), true);
        }
    }
    Ok(())
}

/// Returns the hash that names the object: the content's, or with a counter where that is taken.
fn numbered(content: Hash, counter: u64) -> Hash {
    if counter == 0 {
        return content;
    }
    let mut hasher = Hasher::default();
    hasher.put(content.as_bytes());
    encode::number(&mut hasher, counter);
    hasher.finish()
}

fn refuse_placeholders(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let bytes = match platform::kind_of(path)? {
            Some(FileKind::Symlink) => platform::bytes_of_path(&platform::read_link(path)?),
            Some(FileKind::File) => platform::read_file(path)?,
            _ => continue,
        };
        if Placeholder::find(&bytes).is_some() {
            return Err(Error::Placeholder { path: path.clone() });
        }
    }
    Ok(())
}

/// Puts the final names where the temporary ones are; returns the NAR hash if anything changed.
fn rewrite_names(
    build: &Build<'_>,
    output: &OutputName,
    digest: &Digest,
    finished: &Outputs,
    object: &ObjectName,
    path: &Path,
) -> Result<Option<Hash>> {
    let mut patterns = Vec::new();
    let mut places: BTreeSet<&PathBuf> = BTreeSet::new();
    for (other, temporary) in build.outputs {
        let name = if other == output { Some(object) } else { finished.get(other) };
        add_own_name(&mut patterns, temporary, name.map(|name| name.as_str().as_bytes().to_vec()));
        places.extend(paths_of(digest, build, other));
    }
    if places.is_empty() {
        return Ok(None);
    }
    let patterns = Patterns::new(&patterns)
        .map_err(|error| Error::Damaged { path: path.to_owned(), problem: error.to_string() })?;
    // In reverse order what is inside a directory comes before it, so that renaming breaks no path.
    for place in places.into_iter().rev() {
        match platform::kind_of(place)? {
            Some(FileKind::File) => rewrite_file(place, &patterns)?,
            Some(FileKind::Symlink) => {
                let target = patterns.apply(&platform::bytes_of_path(&platform::read_link(place)?), |_| {});
                platform::replace_symlink(&platform::path_from_bytes(&target), place)?;
            }
            Some(FileKind::Directory) => {
                for (name, _) in platform::list_directory(place)? {
                    let bytes = platform::bytes_of_path(Path::new(&name));
                    let renamed = patterns.apply(&bytes, |_| {});
                    if renamed != bytes {
                        platform::rename(&place.join(&name), &place.join(platform::path_from_bytes(&renamed)))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Some(tree::hash(path)?.nar))
}

fn rewrite_file(path: &Path, patterns: &Patterns) -> Result<()> {
    let mut source = fs::File::open(path).map_err(platform::failed("read", path))?;
    let mode = platform::mode_of(&source.metadata().map_err(platform::failed("read", path))?);
    let temporary = path.with_file_name(format!(".syslua-rewrite-{}", std::process::id()));
    let mut target = platform::create_file(&temporary)?;
    let mut stream = patterns.stream();
    let mut buffer = vec![0; READ_SIZE];
    let mut failure = None;
    let mut write = |bytes: &[u8]| {
        if failure.is_none() {
            failure = std::io::Write::write_all(&mut target, bytes).err();
        }
    };
    loop {
        let read = source.read(&mut buffer).map_err(platform::failed("read", path))?;
        if read == 0 {
            break;
        }
        stream.push(&buffer[..read], &mut write, &mut |_| {});
    }
    stream.finish(&mut write, &mut |_| {});
    if let Some(error) = failure {
        return Err(platform::failed("write", &temporary)(error).into());
    }
    platform::set_mode(&temporary, mode)?;
    Ok(platform::rename(&temporary, path)?)
}

/// Gives everything the modes and times that objects have. The top directory stays writable until
/// it is in place.
pub(super) fn normalise(top: &Path) -> Result<()> {
    fn inner(path: &Path, is_top: bool) -> Result<()> {
        match platform::kind_of(path)? {
            Some(FileKind::Directory) => {
                for (name, _) in platform::list_directory(path)? {
                    inner(&path.join(name), false)?;
                }
                platform::set_mode(path, if is_top { 0o755 } else { 0o555 })?;
            }
            Some(FileKind::File) => {
                let metadata = fs::metadata(path).map_err(platform::failed("look at", path))?;
                if platform::link_count(&metadata) > 1 {
                    separate(path)?;
                }
                platform::set_mode(path, if platform::is_executable(&metadata) { 0o555 } else { 0o444 })?;
            }
            _ => {}
        }
        Ok(platform::set_old_time(path)?)
    }
    inner(top, true)
}

/// Gives a file that has other names, maybe outside of the build, an inode of its own.
fn separate(path: &Path) -> Result<()> {
    let temporary = path.with_file_name(format!(".syslua-separate-{}", std::process::id()));
    platform::copy_file(path, &temporary)?;
    Ok(platform::rename(&temporary, path)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::verify::look;
    use super::*;

    /// A store in a directory of its own.
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
            self.store.building().join(temporary(recipe, output).as_str())
        }

        fn import(&self, recipe: &str, outputs: &[&str]) -> Result<Outputs> {
            self.import_using(recipe, outputs, &BTreeSet::new())
        }

        fn import_using(&self, recipe: &str, outputs: &[&str], using: &BTreeSet<ObjectName>) -> Result<Outputs> {
            let named = |output: &&str| (OutputName::parse(output).unwrap(), temporary(recipe, output));
            let build = Build {
                deriver: Hash::of(recipe.as_bytes()),
                name: &name(),
                version: None,
                outputs: &outputs.iter().map(named).collect(),
                dependencies: using,
            };
            import(&self.store, &build)
        }

        /// Imports a build with one output.
        fn import_one(&self, recipe: &str) -> ObjectName {
            self.import(recipe, &["out"]).unwrap().into_values().next().unwrap()
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
            assert_eq!(look(&self.store, object), Ok(()));
            assert_eq!(fs::read_dir(self.store.building()).unwrap().count(), 0);
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
        let expected = tree::hash(&built).unwrap();
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
        assert_eq!(fs::read_to_string(path.join("link")).unwrap(), format!("in {}/lib, called {object}", text(&path)));
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
        let next = |output: &str| ["dev", "doc", "out", "dev"].iter().skip_while(|o| **o != output).nth(1).copied();
        assert_eq!(next(&first), Some(second.as_str()));
        assert!(first_file.ends_with(format!("to-{second}")), "{first_file:?}");
        assert!(second_file.ends_with(format!("to-{}", next(&second).unwrap())), "{second_file:?}");
        assert!(platform::exists(&first_file) && platform::exists(&second_file));
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
        let dependencies: BTreeSet<_> = dependencies.iter().map(|name| ObjectName::parse(name).unwrap()).collect();
        let built = place.built("recipe", "out");
        // Neither a name that is part of a longer one, nor one that is no dependency, is a reference.
        write(&built.join("text"), "x-123456789 libb-123456789/lib, b-1-123456789");
        platform::symlink(Path::new("../a-123456789/bin"), &built.join("link")).unwrap();
        let object = place.import_using("recipe", &["out"], &dependencies).unwrap().into_values().next().unwrap();
        let references: Vec<_> = place.info(&object).references.iter().map(ToString::to_string).collect();
        assert_eq!(references, ["a-123456789", "b-1-123456789", "libb-123456789"]);
        assert!(place.info(&object).relocatable);
    }

    #[test]
    fn a_name_that_other_content_has_is_counted_on() {
        let place = Place::new();
        let built = |recipe: &str| write(&place.built(recipe, "out").join("text"), text(&place.built(recipe, "out")));
        let mut names = BTreeSet::new();
        for number in 0..4 {
            let recipe = format!("recipe {number}");
            built(&recipe);
            let object = place.import_one(&recipe);
            assert!(names.insert(object.clone()), "{object} is used twice");
            place.is_sound(&object);
            assert_eq!(fs::read_to_string(place.store.object(&object).join("text")).unwrap(), place.path(&object));
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

    /// What a build may leave: a path, whether there is a file (of this size) or a link, and a mode.
    fn any_entry() -> impl Strategy<Value = (Vec<&'static str>, Option<usize>, u32)> {
        let component = prop_oneof![Just("a"), Just("b"), Just("B"), Just("-c"), Just("a.b"), Just("ö\n")];
        let size = prop_oneof![Just(0), Just(7), Just(8), 1usize..300, Just(READ_SIZE - 1), Just(READ_SIZE + 5)];
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
                // Something else may stand there, or be in the way.
                if platform::exists(&path) || fs::create_dir_all(path.parent().unwrap()).is_err() {
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
            let expected = tree::hash(&built).unwrap().nar;
            let object = place.import_one("recipe");
            let top = place.store.object(&object);
            let executable = files.iter().map(|(path, mode)| (top.join(path.strip_prefix(&built).unwrap()), mode & 0o100 != 0));
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
                gaps.iter().flat_map(|gap| [vec![filler; *gap], name.as_bytes().to_vec()].concat()).collect()
            };
            let own = temporary("recipe", "out");
            write(&place.built("recipe", "out"), text_for(&format!("bld/{own}")));
            let object = place.import_one("recipe");
            let found = fs::read(place.store.object(&object)).unwrap();
            let expected = text_for(&format!("obj/{object}"));
            prop_assert!(found == expected);
            place.is_sound(&object);
        }
    }
}
