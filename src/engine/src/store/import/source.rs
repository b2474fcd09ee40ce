//! Publication of local files and trees: each file is read once, and hashed, searched and put in its place on the way. Files
//! that another object has become names of its inode, and are not written.
//!
//! It uses paths below a source, which others may change meanwhile, and in staging, which they may not. That is sound, since what is
//! hashed is what was put in its place: it gets its name only if it is what the config declared, whatever a path led to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Publisher, Standing, numbered, standing};
use crate::hash::{Hash, Hasher};
use crate::names::{Name, ObjectName, OutputName, Placeholder};
use crate::nar::Writer;
use crate::platform::jail::Level;
use crate::platform::lock::LockError;
use crate::platform::{self, FileKind, Step, Walk};
use crate::settings::Interrupt;
use crate::store::info::{self, ObjectInfo};
use crate::store::memory::Entry;
use crate::store::rewrite::Patterns;
use crate::store::shared::SharedFiles;
use crate::store::tree::{self, content};
use crate::store::{Error, Result, Store};
use crate::value::{Source, Text};

/// How many files are read before they are hashed: with the size of a small file, the memory that takes.
const CHUNK: usize = 256;

/// A local file or tree that is to become an object. It refers to no object.
pub struct SourceTree<'a> {
    /// The derivation's hash.
    pub deriver: Hash,
    /// The derivation's name.
    pub name: &'a Name,
    /// The file or tree.
    pub source: &'a Source,
    /// How far a program would have been confined.
    pub sandbox: Level,
}

/// Publishes a local file or tree; returns the object that it became, and its record when it is new. The caller holds the
/// lock of the derivation.
///
/// # Errors
/// When it is not what was hashed any more, holds a placeholder, or the file system refuses.
pub fn import_source(store: &Store, tree: &SourceTree<'_>) -> Result<(ObjectName, Option<ObjectInfo>)> {
    let nar = tree.source.nar;
    // Nothing need be read for what is there already.
    if let Some(known) = known(store, tree)? {
        return Ok((known, None));
    }
    let staged = store.staging().join(format!("{}-{}", tree.deriver, OutputName::main()));
    if platform::exists(&staged) {
        // Whoever began to publish it was killed.
        platform::remove_tree(&staged)?;
    }
    let published = copy(store, tree.source, &staged).and_then(|copied| {
        let _lock = store.lock_publication()?;
        for counter in 0u64.. {
            let object = ObjectName::new(tree.name, None, &OutputName::main(), numbered(nar, counter));
            match standing(store, &object, nar)? {
                Standing::Other => continue,
                Standing::Same => {
                    platform::remove_tree(&staged)?;
                    return Ok((object, None));
                }
                Standing::Nothing => {}
            }
            let info = ObjectInfo {
                version: info::VERSION,
                name: tree.name.clone(),
                derivation_version: None,
                output: OutputName::main(),
                content: nar,
                nar,
                size: copied.size,
                deriver: tree.deriver,
                references: Vec::new(),
                relocatable: copied.relocatable,
                case_collisions: copied.case_collisions,
                borrowed: false,
                sandbox: tree.sandbox,
            };
            let name = staged.file_name().unwrap_or_default();
            let publisher = Publisher::new(store)?;
            publisher.put(name, &object, &info, None)?;
            let entries = copied.nars.iter().map(|(below, nar)| {
                let path = platform::bytes_of_path(&at(Path::new(object.as_str()), below));
                Entry::of(&publisher.objects, &path, *nar).map(|entry| (path, entry))
            });
            store.session().note_published(entries.collect::<Result<Vec<_>>>()?);
            return Ok((object, Some(info)));
        }
        Err(Error::SourceChanged { path: tree.source.path.clone() })
    });
    if published.is_err() {
        // The failure itself says more than a leftover, which the next build removes.
        let _ = platform::remove_tree(&staged);
    }
    published
}

/// Returns the object of a source when it is there, whole.
fn known(store: &Store, tree: &SourceTree<'_>) -> Result<Option<ObjectName>> {
    let object = ObjectName::new(tree.name, None, &OutputName::main(), tree.source.nar);
    if !platform::exists(&store.object(&object)) {
        return Ok(None);
    }
    let _lock = store.lock_publication()?;
    Ok(matches!(standing(store, &object, tree.source.nar)?, Standing::Same).then_some(object))
}

/// What was seen while a source was copied.
#[derive(Debug, Default)]
struct Copied {
    size: u64,
    relocatable: bool,
    case_collisions: Vec<Text>,
    /// The NAR hash of each file and link, by its path; of directories, zeros.
    nars: Vec<(PathBuf, Hash)>,
}

/// A part of a source, in the order of a NAR.
enum Node {
    /// A file at a path below the top.
    File(PathBuf),
    /// A link there.
    Link(PathBuf),
    /// A directory begins.
    Begin(PathBuf),
    /// It ends.
    End,
    /// An entry of a directory begins.
    Entry(Vec<u8>),
    /// It ends.
    EndEntry,
}

/// Lists a source in the order of a NAR.
fn list(source: &Source, nodes: &mut Vec<Node>, collisions: &mut Vec<Text>) -> Result<()> {
    let (directory, name) = platform::locate(&source.path)?;
    let mut walk = Walk::new(directory, name);
    // For each directory on the way down, its names where case does not count.
    let mut seen: Vec<HashSet<String>> = Vec::new();
    let mut is_empty = true;
    while let Some(step) = walk.step()? {
        match step {
            Step::Node { directory, name, kind } => {
                let is_top = std::mem::take(&mut is_empty);
                let below = if is_top { PathBuf::new() } else { walk.way(&name) };
                tree::check_way(&below)?;
                if source.excluded.contains(&below) {
                    if kind == FileKind::Directory {
                        walk.skip();
                    }
                    continue;
                }
                if let Some(seen) = seen.last_mut() {
                    let bytes = platform::bytes_of_path(Path::new(&name));
                    if !seen.insert(String::from_utf8_lossy(&bytes).to_lowercase()) {
                        collisions.push(Text(platform::bytes_of_path(&below)));
                    }
                    nodes.push(Node::Entry(bytes));
                }
                match kind {
                    FileKind::File => nodes.push(Node::File(below)),
                    FileKind::Symlink => nodes.push(Node::Link(below)),
                    FileKind::Directory => {
                        nodes.push(Node::Begin(below));
                        seen.push(HashSet::new());
                        continue;
                    }
                    FileKind::Special => {
                        let path = directory.path().join(&name);
                        return Err(Error::Unstorable { path, what: "a socket, a device or a named pipe" });
                    }
                }
                if !is_top {
                    nodes.push(Node::EndEntry);
                }
            }
            Step::Left { .. } => {
                nodes.push(Node::End);
                seen.pop();
                if !seen.is_empty() {
                    nodes.push(Node::EndEntry);
                }
            }
        }
    }
    if is_empty {
        return Err(platform::failed("read", &source.path)(std::io::ErrorKind::NotFound.into()).into());
    }
    Ok(())
}

/// Returns a path below a top. Joining nothing would add a slash.
fn at(top: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { top.to_owned() } else { top.join(below) }
}

/// What was put in its place, to be hashed.
enum Put {
    Small(content::Small, Hash),
    Large(PathBuf, Hash),
    Link(Vec<u8>, Hash),
    Nothing,
}

/// Copies a source to where nothing stands, with the modes and times of objects; the top directory stays writable.
fn copy(store: &Store, source: &Source, staged: &Path) -> Result<Copied> {
    let mut copied = Copied { relocatable: true, ..Copied::default() };
    let mut nodes = Vec::new();
    list(source, &mut nodes, &mut copied.case_collisions)?;
    let names = [(platform::bytes_of_path(store.root()), None), (Placeholder::PREFIX.as_bytes().to_vec(), None)];
    let patterns = Patterns::new(&names)
        .map_err(|error| Error::Damaged { path: source.path.clone(), problem: error.to_string() })?;
    let copying = Copying { source, staged, shared: SharedFiles::new(store), patterns, interrupt: store.interrupt() };
    let mut hasher = Hasher::default();
    let mut archive = Writer::new(&mut hasher);
    for chunk in nodes.chunks(CHUNK) {
        if store.interrupt().is_set() {
            return Err(LockError::Interrupted.into());
        }
        for node in chunk {
            if let Node::Begin(below) = node {
                let directory = at(staged, below);
                platform::create_directory(&directory)?;
                platform::make_plain(&directory, &platform::metadata_of(&directory)?.ok_or_else(|| gone(&directory))?)?;
            }
        }
        let put: Vec<Result<Put>> = chunk.par_iter().map(|node| copying.put(node)).collect();
        for (node, put) in chunk.iter().zip(put) {
            copying.hash(node, put?, &mut archive, &mut copied)?;
        }
    }
    if hasher.finish() != source.nar {
        return Err(Error::SourceChanged { path: source.path.clone() });
    }
    // What is inside a directory comes before it: to add names changes its time.
    for node in nodes.iter().rev() {
        if let Node::Begin(below) = node {
            let directory = at(staged, below);
            let is_top = below.as_os_str().is_empty();
            platform::set_mode(&directory, if is_top { 0o755 } else { 0o555 })?;
            platform::set_old_time(&directory)?;
        }
    }
    Ok(copied)
}

fn gone(path: &Path) -> Error {
    platform::failed("look at", path)(std::io::ErrorKind::NotFound.into()).into()
}

struct Copying<'a> {
    source: &'a Source,
    staged: &'a Path,
    shared: SharedFiles<'a>,
    patterns: Patterns,
    interrupt: &'a Interrupt,
}

/// Positions among the patterns.
const ROOT: usize = 0;
const PLACEHOLDER: usize = 1;

impl Copying<'_> {
    /// Puts a file or link in its place.
    fn put(&self, node: &Node) -> Result<Put> {
        match node {
            Node::File(below) => self.put_file(&at(&self.source.path, below), &at(self.staged, below)),
            Node::Link(below) => {
                let target = platform::read_link(&at(&self.source.path, below))?;
                let link = at(self.staged, below);
                platform::symlink(&target, &link)?;
                platform::set_old_time(&link)?;
                let nar = tree::hash(&link, self.interrupt)?.nar;
                Ok(Put::Link(platform::bytes_of_path(&target), nar))
            }
            _ => Ok(Put::Nothing),
        }
    }

    fn put_file(&self, from: &Path, to: &Path) -> Result<Put> {
        let (directory, name) = platform::locate(from)?;
        if let Some(small) = content::read_small(&directory, name, &self.patterns, None)? {
            let nar = tree::hash_of_file(&small.bytes, small.executable);
            self.shared.write(nar, &small.bytes, mode(small.executable), to)?;
            return Ok(Put::Small(small, nar));
        }
        platform::copy_file(from, to, self.interrupt)?;
        let metadata = platform::metadata_of(to)?.ok_or_else(|| gone(to))?;
        platform::make_plain(to, &metadata)?;
        platform::set_mode(to, mode(platform::is_executable(&metadata)))?;
        platform::set_old_time(to)?;
        let nar = tree::hash(to, self.interrupt)?.nar;
        self.shared.share(nar, to)?;
        Ok(Put::Large(to.to_owned(), nar))
    }

    /// Adds what was put in its place to the archive.
    fn hash(&self, node: &Node, put: Put, archive: &mut Writer<'_, Hasher>, copied: &mut Copied) -> Result<()> {
        match (node, &put) {
            (Node::File(below) | Node::Link(below), Put::Small(_, nar) | Put::Large(_, nar) | Put::Link(_, nar)) => {
                copied.nars.push((below.clone(), *nar));
            }
            (Node::Begin(below), _) => copied.nars.push((below.clone(), Hash::from_bytes([0; 32]))),
            _ => {}
        }
        match put {
            Put::Small(small, _) => {
                small.found.iter().try_for_each(|number| self.found(*number, node, &small.bytes, copied))?;
                let length = small.bytes.len() as u64;
                archive.begin_file(small.executable, length);
                archive.content(&small.bytes);
                archive.end_file(length);
                copied.size += length;
            }
            Put::Large(path, _) => {
                let mut found = Vec::new();
                let (directory, name) = platform::locate(&path)?;
                let (file, file_node) = directory.open_node(name)?;
                copied.size += content::stream_large(
                    content::Large { file, node: file_node, path: path.clone(), copy: None },
                    &self.patterns,
                    archive,
                    &mut |number| found.push(number),
                    self.interrupt,
                )?;
                for number in found {
                    let bytes = if number == PLACEHOLDER { platform::read_file(&path)? } else { Vec::new() };
                    self.found(number, node, &bytes, copied)?;
                }
            }
            Put::Link(target, _) => {
                let mut found = Vec::new();
                archive.symlink(&self.patterns.apply(&target, |number| found.push(number)));
                found.iter().try_for_each(|number| self.found(*number, node, &target, copied))?;
            }
            Put::Nothing => match node {
                Node::Begin(_) => archive.begin_directory(),
                Node::End => archive.end_directory(),
                Node::Entry(name) => archive.begin_entry(name),
                Node::EndEntry => archive.end_entry(),
                Node::File(_) | Node::Link(_) => {}
            },
        }
        Ok(())
    }

    /// Notes that a file or link holds the root, and refuses one that holds a placeholder.
    fn found(&self, number: usize, node: &Node, bytes: &[u8], copied: &mut Copied) -> Result<()> {
        let (Node::File(below) | Node::Link(below)) = node else { return Ok(()) };
        match number {
            ROOT => copied.relocatable = false,
            PLACEHOLDER if Placeholder::find(bytes).is_some() => {
                return Err(Error::Placeholder { path: at(&self.source.path, below) });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the permission bits of a file of an object.
fn mode(is_executable: bool) -> u32 {
    if is_executable { 0o555 } else { 0o444 }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;
    use crate::store::own::Own;
    use crate::store::verify::look;
    use crate::store::{read_info, sweep};

    struct Place {
        store: Store,
        directory: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::new(&directory.path().join("root"));
            store.create().unwrap();
            Place { store, directory }
        }

        fn import(&self, from: &Path) -> ObjectName {
            let source = Source {
                path: from.to_owned(),
                nar: tree::hash(from, &Interrupt::default()).unwrap().nar,
                excluded: BTreeSet::new(),
            };
            let name = Name::parse("tree").unwrap();
            let deriver = Hash::of(&platform::bytes_of_path(from));
            let given = SourceTree { deriver, name: &name, source: &source, sandbox: Level::Off };
            let (object, _) = import_source(&self.store, &given).unwrap();
            assert_eq!(look(&self.store, &object), Ok(()));
            let info = read_info(&self.store, &object).unwrap().unwrap();
            assert_eq!((info.nar, info.content), (source.nar, source.nar));
            assert_eq!(fs::read_dir(self.store.staging()).unwrap().count(), 0);
            object
        }

        fn inode(&self, object: &ObjectName, below: &str) -> u64 {
            fs::symlink_metadata(self.store.object(object).join(below)).unwrap().ino()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            platform::set_immutable(self.store.root(), false);
            let _ = platform::remove_tree(self.store.root());
        }
    }

    /// What stands at a path below the top of a tree.
    #[derive(Clone, Debug)]
    enum Leaf {
        File(Vec<u8>, bool),
        Link(String),
    }

    fn make(top: &Path, tree: &BTreeMap<String, Leaf>) {
        fs::create_dir_all(top).unwrap();
        for (below, leaf) in tree {
            let path = top.join(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match leaf {
                Leaf::File(content, executable) => {
                    fs::write(&path, content).unwrap();
                    platform::set_mode(&path, if *executable { 0o755 } else { 0o640 }).unwrap();
                }
                Leaf::Link(target) => platform::symlink(Path::new(target), &path).unwrap(),
            }
        }
    }

    fn any_tree() -> impl Strategy<Value = BTreeMap<String, Leaf>> {
        let name = prop_oneof!["[a-c]", "[a-c]/[a-b]", "[a-b]{2}/x y/\\.[a-c]"];
        // Few contents, so that many files are equal, and one that is read in pieces.
        let content = prop_oneof![
            4 => prop::collection::vec(0u8..3, 0..3),
            1 => (0u8..2).prop_map(|byte| vec![byte; 300 * 1024]),
        ];
        let leaf = prop_oneof![
            5 => (content, any::<bool>()).prop_map(|(content, executable)| Leaf::File(content, executable)),
            1 => "[a-c/.]{1,5}".prop_map(Leaf::Link),
        ];
        prop::collection::btree_map(name, leaf, 0..12).prop_map(|tree| {
            // What lies below a file or link cannot be made.
            let names: Vec<String> = tree.keys().cloned().collect();
            let is_free = |name: &String| !names.iter().any(|other| name.starts_with(&format!("{other}/")));
            tree.into_iter().filter(|(name, _)| is_free(name)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn trees_become_objects_and_equal_files_of_them_one_inode(first in any_tree(), second in any_tree()) {
            let place = Place::new();
            let mut inodes: BTreeMap<(Vec<u8>, bool), BTreeSet<u64>> = BTreeMap::new();
            for (number, tree) in [&first, &second].into_iter().enumerate() {
                let from = place.directory.path().join(number.to_string());
                make(&from, tree);
                let object = place.import(&from);
                for (below, leaf) in tree {
                    let path = place.store.object(&object).join(below);
                    match leaf {
                        Leaf::File(content, executable) => {
                            prop_assert_eq!(&fs::read(&path).unwrap(), content);
                            let data = fs::symlink_metadata(&path).unwrap();
                            prop_assert_eq!(data.mode() & 0o777, mode(*executable));
                            inodes.entry((content.clone(), *executable)).or_default().insert(data.ino());
                        }
                        Leaf::Link(target) => prop_assert_eq!(fs::read_link(&path).unwrap(), Path::new(target)),
                    }
                }
            }
            for ((content, executable), inodes) in inodes {
                prop_assert_eq!(inodes.len(), 1, "{} bytes, {}", content.len(), executable);
            }
        }
    }

    #[test]
    fn an_altered_file_is_shared_with_nothing_new() {
        let place = Place::new();
        let (one, two) = (place.directory.path().join("one"), place.directory.path().join("two"));
        for (top, text) in [(&one, "1"), (&two, "2")] {
            fs::create_dir(top).unwrap();
            fs::write(top.join("same"), "same").unwrap();
            fs::write(top.join("own"), text).unwrap();
        }
        let first = place.import(&one);
        let altered = place.store.object(&first).join("same");
        platform::set_immutable(&altered, false);
        platform::set_mode(&altered, 0o644).unwrap();
        fs::write(&altered, "evil").unwrap();
        platform::set_mode(&altered, 0o444).unwrap();
        platform::set_old_time(&altered).unwrap();
        let second = place.import(&two);
        assert_ne!(place.inode(&first, "same"), place.inode(&second, "same"));
        assert_eq!(fs::read(place.store.object(&second).join("same")).unwrap(), b"same");
        // The object that has it is made anew, of files that are whole.
        let again = place.import(&one);
        assert_eq!(place.inode(&again, "same"), place.inode(&second, "same"));
    }

    #[test]
    fn the_last_name_of_a_file_goes_with_its_last_object() {
        let place = Place::new();
        let from = place.directory.path().join("one");
        fs::create_dir(&from).unwrap();
        fs::write(from.join("file"), "text").unwrap();
        let object = place.import(&from);
        let shared = SharedFiles::new(&place.store);
        assert!(shared.unused().unwrap().is_empty());
        let garbage = sweep::Garbage { objects: vec![(object.clone(), 4)], ..sweep::Garbage::default() };
        let interrupt = Interrupt::default();
        let own = Own::open(&place.store).unwrap().unwrap();
        let _open = place.store.lock_publication().unwrap();
        sweep::retire(&place.store, &own, &garbage, &interrupt).unwrap();
        sweep::erase(&place.store, &own, &garbage, &interrupt).unwrap();
        assert_eq!(fs::read_dir(place.store.shared_files()).unwrap().count(), 0);
        assert!(!platform::exists(&place.store.object(&object)));
    }

    #[test]
    fn a_file_with_as_many_names_as_there_can_be_is_followed_by_another() {
        /// ext4 has 65,000, btrfs and xfs more than are worth trying.
        const MOST: usize = 65_000;
        let place = Place::new();
        let from = place.directory.path().join("one");
        fs::write(&from, "text").unwrap();
        let object = place.import(&from);
        let path = place.store.object(&object);
        let many = place.directory.path().join("many");
        fs::create_dir(&many).unwrap();
        let is_full = (0..MOST).any(|number| fs::hard_link(&path, many.join(number.to_string())).is_err());
        if is_full {
            let tree = place.directory.path().join("tree");
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("file"), "text").unwrap();
            let second = place.import(&tree);
            assert_ne!(place.inode(&second, "file"), fs::symlink_metadata(&path).unwrap().ino());
        }
    }
}
