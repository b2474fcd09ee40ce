//! Publication of local files and trees: each file is read once, and hashed, searched and put in
//! its place on the way. Files that another object has become names of its inode, and are not
//! written.
//!
//! Others may change a source during the copy, but not the staging directory; both are walked by
//! descriptors. The copy itself is hashed: it gets its name only if it is what the config declared.
//!
//! It has over 600 lines, because its tests change a source at each step of the copy and are beside
//! it.

mod listed;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use self::listed::FromListing;
use crate::hash::{Hash, Hasher, Sink};
use crate::names::{Name, ObjectName, OutputName, Placeholder};
use crate::nar::Writer;
use crate::platform::jail::Level;
use crate::platform::lock::LockError;
use crate::platform::{self, Descent, Directory, FileKind, Unwritten};
use crate::settings::Interrupt;
use crate::store::info::{self, ObjectInfo};
use crate::store::memory::Entry;
use crate::store::publication::{Existing, Publisher, numbered, standing};
use crate::store::self_references::Patterns;
use crate::store::shared::SharedFiles;
use crate::store::tree::content::{self, HashOf};
use crate::store::tree::source_walk::{SourceNode, SourceStep, SourceWalk};
use crate::store::tree::{self, Likeness, SeenTrees};
use crate::store::{Error, Result, Store};
use crate::value::{Source, Text};

/// How many files are read before they are hashed: with the size of a small file, the memory that
/// takes.
const CHUNK: usize = 256;

/// In how many directories they may be: each is open twice.
const DIRECTORIES: usize = 64;

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

/// Publishes a local file or tree; returns the object that it became, and its record when it is
/// new. The caller holds the lock of the derivation.
///
/// # Errors
/// When it is not what was hashed any more, holds a placeholder, or the file system refuses.
pub fn import_source(
    store: &Store,
    tree: &SourceTree<'_>,
    seen: &SeenTrees,
) -> Result<(ObjectName, Option<ObjectInfo>)> {
    let nar = tree.source.nar;
    // Nothing need be read for what is there already.
    if let Some(known) = known(store, tree)? {
        return Ok((known, None));
    }
    let staging = Arc::new(Directory::at(&store.staging())?);
    let staged = OsString::from(format!("{}-{}", tree.deriver, OutputName::main()));
    // Left by a process that was killed while it published it.
    platform::remove_in(&staging, &staged)?;
    let published = copy(store, tree.source, (&staging, &staged), seen).and_then(|copied| {
        let _lock = store.lock_publication()?;
        for counter in 0u64.. {
            let object =
                ObjectName::new(tree.name, None, &OutputName::main(), numbered(nar, counter));
            match standing(store, &object, nar)? {
                Existing::Other => continue,
                Existing::Same => {
                    platform::remove_in(&staging, &staged)?;
                    return Ok((object, None));
                }
                Existing::Nothing => {}
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
            let publisher = Publisher::from(store, Arc::clone(&staging))?;
            publisher.put(&staged, &object, &info, None)?;
            let entries = copied.entries.iter().map(|(below, entry)| {
                let path =
                    platform::bytes_of_path(&platform::join(Path::new(object.as_str()), below));
                let is_top = below.as_os_str().is_empty();
                // To be moved to its place changes what a top looks like, and nothing else.
                let entry = match entry {
                    CopiedNode::Entry(entry) if !is_top => entry.clone(),
                    CopiedNode::Entry(Entry { nar, .. }) | CopiedNode::Nar(nar) => {
                        Entry::of(&publisher.objects, &path, *nar)?
                    }
                };
                Ok((path, entry))
            });
            store.session().note_published(entries.collect::<Result<Vec<_>>>()?);
            if let Some(paths) = copied.unprotected {
                store.session().note_unprotected(&object, paths);
            }
            return Ok((object, Some(info)));
        }
        Err(Error::SourceChanged { path: tree.source.path.clone() })
    });
    if published.is_err() {
        // The failure itself says more than a leftover, which the next build removes.
        let _ = platform::remove_in(&staging, &staged);
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
    Ok(matches!(standing(store, &object, tree.source.nar)?, Existing::Same).then_some(object))
}

/// Facts recorded while a source was copied.
#[derive(Debug, Default)]
struct Copied {
    size: u64,
    relocatable: bool,
    case_collisions: Vec<Text>,
    /// What is known of each file, link and directory, by its path.
    entries: Vec<(PathBuf, CopiedNode)>,
    /// The files and directories that are not immutable, each directory after what is in it, where
    /// that is known.
    unprotected: Option<Vec<PathBuf>>,
}

/// What is known of something in its place.
#[derive(Debug)]
enum CopiedNode {
    /// What it looks like.
    Entry(Entry),
    /// Its NAR hash; of a directory, zeros. What it looks like changes yet.
    Nar(Hash),
}

/// A file or link to copy: its place, its destination, and its path below the top.
struct Leaf {
    from: Arc<Directory>,
    name: OsString,
    to: Arc<Directory>,
    new: OsString,
    below: PathBuf,
}

/// A part of a source, in the order of a NAR.
enum Node {
    File(Leaf),
    Link(Leaf),
    /// A directory begins, at a path below the top.
    Begin(PathBuf),
    /// One ends: where its copy is, and its name there.
    End(Arc<Directory>, OsString),
    /// An entry of a directory begins.
    Entry(Vec<u8>),
    /// It ends.
    EndEntry,
}

/// The files in its place, to be hashed.
enum Put {
    Small(content::Small, Entry),
    Large(Large),
    Link(Vec<u8>, Hash),
    Nothing,
}

/// A large file in its place.
struct Large {
    executable: bool,
    length: u64,
    found: Vec<usize>,
    nar: Hash,
    look: Option<Unwritten>,
}

/// Copies a source to a free place, with the modes and times of objects; the top directory stays
/// writable.
fn copy(
    store: &Store,
    source: &Source,
    staged: (&Arc<Directory>, &OsStr),
    seen: &SeenTrees,
) -> Result<Copied> {
    if let Some(listing) = seen.listing_of(source.nar, store.root()) {
        let shared = SharedFiles::new(store);
        return FromListing { source, shared, interrupt: store.interrupt() }.tree(&listing, staged);
    }
    let names = [
        (platform::bytes_of_path(store.root()), None),
        (Placeholder::PREFIX.as_bytes().to_vec(), None),
    ];
    let patterns = Patterns::new(&names).map_err(|error| Error::Damaged {
        path: source.path.clone(),
        problem: error.to_string(),
    })?;
    let copying = |knows_looks| Copying {
        source,
        shared: SharedFiles::new(store),
        patterns: &patterns,
        interrupt: store.interrupt(),
        knows_looks,
    };
    if seen.knows(source.nar) {
        // Then the tree as a whole need not be hashed.
        let mut likeness = Likeness::default();
        let copied = copying(true).tree(staged, &mut Writer::new(&mut likeness))?;
        if seen.nar_of(likeness.finish()) == Some(source.nar) {
            return Ok(copied);
        }
        platform::remove_in(staged.0, staged.1)?;
    }
    let mut hasher = Hasher::default();
    let copied = copying(false).tree(staged, &mut Writer::new(&mut hasher))?;
    if hasher.finish() == source.nar { Ok(copied) } else { Err(changed(source)) }
}

fn changed(source: &Source) -> Error {
    Error::SourceChanged { path: source.path.clone() }
}

struct Copying<'a> {
    source: &'a Source,
    shared: SharedFiles<'a>,
    patterns: &'a Patterns,
    interrupt: &'a Interrupt,
    /// Whether what large files look like stands for what is in them.
    knows_looks: bool,
}

/// Positions among the patterns.
const ROOT: usize = 0;
const PLACEHOLDER: usize = 1;

impl Copying<'_> {
    /// Copies the tree, and hands its archive over.
    fn tree<S: Sink>(
        &self,
        (staging, staged): (&Arc<Directory>, &OsStr),
        archive: &mut Writer<'_, S>,
    ) -> Result<Copied> {
        let mut copied = Copied { relocatable: true, ..Copied::default() };
        let mut walk = SourceWalk::new(&self.source.path, &self.source.excluded)?;
        let mut copies = Descent::new(Arc::clone(staging));
        let mut is_empty = true;
        let mut batch = Batch::default();
        while let Some(step) = walk.step()? {
            match step {
                SourceStep::Node(node) => {
                    let SourceNode { directory: from, name, below, kind, is_top, collides } = node;
                    is_empty = false;
                    if collides {
                        copied.case_collisions.push(Text(platform::bytes_of_path(&below)));
                    }
                    if !is_top {
                        let name = platform::bytes_of_path(Path::new(&name));
                        batch.nodes.push(Node::Entry(name));
                    }
                    let new = if is_top { staged.to_owned() } else { name.clone() };
                    let to = Arc::clone(copies.directory());
                    if kind == FileKind::Directory {
                        to.make_with_rights(&new, Some(0o700))?;
                        copies.enter(Arc::new(to.directory(&new)?))?;
                        batch.nodes.push(Node::Begin(below));
                        batch.directories += 1;
                        continue;
                    }
                    let leaf = Leaf { from, name, to, new, below };
                    let is_link = kind == FileKind::Symlink;
                    batch.nodes.push(if is_link { Node::Link(leaf) } else { Node::File(leaf) });
                    if !is_top {
                        batch.nodes.push(Node::EndEntry);
                    }
                }
                SourceStep::End { name, is_top } => {
                    copies.leave()?;
                    let name = if is_top { staged.to_owned() } else { name };
                    batch.nodes.push(Node::End(Arc::clone(copies.directory()), name));
                    if !is_top {
                        batch.nodes.push(Node::EndEntry);
                    }
                }
            }
            if batch.nodes.len() >= CHUNK || batch.directories >= DIRECTORIES {
                self.finish(&std::mem::take(&mut batch), staging, archive, &mut copied)?;
            }
        }
        self.finish(&batch, staging, archive, &mut copied)?;
        if is_empty {
            return Err(platform::failed("read", &self.source.path)(
                std::io::ErrorKind::NotFound.into(),
            )
            .into());
        }
        Ok(copied)
    }

    /// Puts the files and links of a batch in their places, hashes them, and ends directories.
    fn finish<S: Sink>(
        &self,
        batch: &Batch,
        staging: &Arc<Directory>,
        archive: &mut Writer<'_, S>,
        copied: &mut Copied,
    ) -> Result<()> {
        if self.interrupt.is_set() {
            return Err(LockError::Interrupted.into());
        }
        let put: Vec<Result<Put>> = batch.nodes.par_iter().map(|node| self.put(node)).collect();
        for (node, put) in batch.nodes.iter().zip(put) {
            self.hash(node, put?, archive, copied)?;
            if let Node::End(directory, name) = node {
                // What is inside comes before it: to add names changes its time.
                let is_top = Arc::ptr_eq(directory, staging);
                directory.normalise(name, |_| if is_top { 0o755 } else { 0o555 })?;
            }
        }
        Ok(())
    }

    /// Puts a file or link in its place.
    fn put(&self, node: &Node) -> Result<Put> {
        match node {
            Node::File(leaf) => self.put_file(leaf),
            Node::Link(leaf) => {
                let target = leaf.from.read_link(&leaf.name)?;
                let target =
                    target.ok_or_else(|| content::changed(&leaf.from.path().join(&leaf.name)))?;
                leaf.to.symlink(&target, &leaf.new)?;
                leaf.to.normalise(&leaf.new, |_| 0)?;
                let nar = tree::hash_in(&leaf.to, &leaf.new, &[], self.interrupt)?.nar;
                Ok(Put::Link(platform::bytes_of_path(&target), nar))
            }
            _ => Ok(Put::Nothing),
        }
    }

    fn put_file(&self, leaf: &Leaf) -> Result<Put> {
        let Leaf { from, name, to, new, .. } = leaf;
        let hash = if self.knows_looks { HashOf::Content } else { HashOf::Nothing };
        if let Some(small) = content::read_small(from, name, self.patterns, None, hash)? {
            let nar = tree::hash_of_file(&small.bytes, small.executable);
            let facts = self.shared.write(nar, &small.bytes, mode(small.executable), to, new)?;
            return Ok(Put::Small(small, Entry::from_facts(&facts, nar)));
        }
        let mut hasher = Hasher::default();
        let mut archive = Writer::new(&mut hasher);
        let large = content::copy_large(
            from,
            name,
            self.patterns,
            (to, new),
            Some(&mut archive),
            !self.knows_looks,
            self.interrupt,
        )?;
        let nar = hasher.finish();
        to.normalise(new, |_| mode(large.executable))?;
        self.shared.share(nar, to, new)?;
        let found = large.found.into_iter().collect();
        Ok(Put::Large(Large {
            executable: large.executable,
            length: large.length,
            found,
            nar,
            look: large.look,
        }))
    }

    /// Adds the files in its place to the archive.
    fn hash<S: Sink>(
        &self,
        node: &Node,
        put: Put,
        archive: &mut Writer<'_, S>,
        copied: &mut Copied,
    ) -> Result<()> {
        match (node, &put) {
            (Node::File(leaf), Put::Small(_, entry)) => {
                copied.entries.push((leaf.below.clone(), CopiedNode::Entry(entry.clone())));
            }
            (
                Node::File(leaf) | Node::Link(leaf),
                Put::Large(Large { nar, .. }) | Put::Link(_, nar),
            ) => {
                copied.entries.push((leaf.below.clone(), CopiedNode::Nar(*nar)));
            }
            (Node::Begin(below), _) => {
                copied.entries.push((below.clone(), CopiedNode::Nar(Hash::from_bytes([0; 32]))));
            }
            _ => {}
        }
        match put {
            Put::Small(small, _) => {
                small
                    .found
                    .iter()
                    .try_for_each(|number| self.found(*number, node, &small.bytes, copied))?;
                let length = small.bytes.len() as u64;
                archive.begin_file(small.executable, length);
                archive.content(&small.bytes);
                archive.end_file(length);
                if let Some(hash) = small.hash {
                    archive.stand_in(hash.as_bytes());
                }
                copied.size += length;
            }
            Put::Large(large) => {
                let Node::File(Leaf { to, new, .. }) = node else { return Ok(()) };
                for number in large.found {
                    let bytes = if number == PLACEHOLDER { to.read_file(new)? } else { Vec::new() };
                    self.found(number, node, &bytes, copied)?;
                }
                if self.knows_looks {
                    archive.begin_file(large.executable, large.length);
                    archive.end_file(large.length);
                    match large.look {
                        Some(look) => archive.stand_in(&look.bytes()),
                        // It is alike to nothing.
                        None => archive.stand_in(large.nar.as_bytes()),
                    }
                } else {
                    let (file, node) = to.open_node(new)?;
                    let path = to.path().join(new);
                    let copy = content::Large { file, node, path, copy: None, traces: None };
                    let none = Patterns::new(&[]).map_err(|error| Error::Damaged {
                        path: self.source.path.clone(),
                        problem: error.to_string(),
                    })?;
                    content::stream_large(copy, &none, archive, &mut |_| {}, self.interrupt)?;
                }
                copied.size += large.length;
            }
            Put::Link(target, _) => {
                let mut found = Vec::new();
                archive.symlink(&self.patterns.apply(&target, |number| found.push(number)));
                found.iter().try_for_each(|number| self.found(*number, node, &target, copied))?;
            }
            Put::Nothing => match node {
                Node::Begin(_) => archive.begin_directory(),
                Node::End(..) => archive.end_directory(),
                Node::Entry(name) => archive.begin_entry(name),
                Node::EndEntry => archive.end_entry(),
                Node::File(_) | Node::Link(_) => {}
            },
        }
        Ok(())
    }

    /// Records that a file or link contains the path of the root, and refuses one with a
    /// placeholder.
    fn found(&self, number: usize, node: &Node, bytes: &[u8], copied: &mut Copied) -> Result<()> {
        let (Node::File(leaf) | Node::Link(leaf)) = node else { return Ok(()) };
        match number {
            ROOT => copied.relocatable = false,
            PLACEHOLDER if Placeholder::find(bytes).is_some() => {
                return Err(Error::Placeholder {
                    path: platform::join(&self.source.path, &leaf.below),
                });
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is put in its place and hashed at once.
#[derive(Default)]
struct Batch {
    nodes: Vec<Node>,
    /// How many directories begin in it.
    directories: usize,
}

/// Returns the permission bits of a file of an object.
fn mode(is_executable: bool) -> u32 {
    if is_executable { 0o555 } else { 0o444 }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashSet};
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;
    use crate::store::own::Own;
    use crate::store::verify::observe;
    use crate::store::{gc::sweep, read_info, shared};

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
            self.import_seen(from, &SeenTrees::default())
        }

        fn import_seen(&self, from: &Path, seen: &SeenTrees) -> ObjectName {
            let nar = tree::hash_to_copy(from, &BTreeSet::new(), None, seen, &Interrupt::default())
                .unwrap();
            let source = Source { path: from.to_owned(), nar, excluded: BTreeSet::new() };
            let name = Name::parse("tree").unwrap();
            let deriver = Hash::of(&platform::bytes_of_path(from));
            let given = SourceTree { deriver, name: &name, source: &source, sandbox: Level::Off };
            let (object, _) = import_source(&self.store, &given, seen).unwrap();
            assert_eq!(observe(&self.store, &object), Ok(()));
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
            5 => (content, any::<bool>())
                .prop_map(|(content, executable)| Leaf::File(content, executable)),
            1 => "[a-c/.]{1,5}".prop_map(Leaf::Link),
        ];
        prop::collection::btree_map(name, leaf, 0..12).prop_map(|tree| {
            // What lies below a file or link cannot be made.
            let names: Vec<String> = tree.keys().cloned().collect();
            let is_free =
                |name: &String| !names.iter().any(|other| name.starts_with(&format!("{other}/")));
            tree.into_iter().filter(|(name, _)| is_free(name)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn trees_become_objects_and_equal_files_of_them_one_inode(
            first in any_tree(), second in any_tree(),
        ) {
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
                            let key = (content.clone(), *executable);
                            inodes.entry(key).or_default().insert(data.ino());
                        }
                        Leaf::Link(target) => {
                            prop_assert_eq!(fs::read_link(&path).unwrap(), Path::new(target));
                        }
                    }
                }
            }
            for ((content, executable), inodes) in inodes {
                prop_assert_eq!(inodes.len(), 1, "{} bytes, {}", content.len(), executable);
            }
        }
    }

    /// Imports a tree that was listed when it was hashed; returns its object and record.
    fn import_listed(place: &Place, from: &Path) -> Result<(ObjectName, ObjectInfo)> {
        let (seen, interrupt) = (SeenTrees::default(), Interrupt::default());
        let root = place.store.root();
        let nar = tree::hash_listed(from, &BTreeSet::new(), root, &seen, &interrupt)?;
        import_hashed(place, from, nar, &seen)
    }

    fn import_hashed(
        place: &Place,
        from: &Path,
        nar: Hash,
        seen: &SeenTrees,
    ) -> Result<(ObjectName, ObjectInfo)> {
        let source = Source { path: from.to_owned(), nar, excluded: BTreeSet::new() };
        let name = Name::parse("tree").unwrap();
        let deriver = Hash::of(&platform::bytes_of_path(from));
        let given = SourceTree { deriver, name: &name, source: &source, sandbox: Level::Off };
        let (object, _) = import_source(&place.store, &given, seen)?;
        assert_eq!(fs::read_dir(place.store.staging()).unwrap().count(), 0);
        Ok((object.clone(), read_info(&place.store, &object).unwrap().unwrap()))
    }

    /// Writes down what the files of objects look like, as an apply does at its end.
    fn record(place: &Place, objects: &[&ObjectName]) {
        use crate::store::{examined, memory::ObjectMemory};
        let memory = ObjectMemory::default();
        let sources = objects.iter().map(|object| object.as_str().as_bytes());
        examined::record(&place.store, &memory, &HashSet::new(), sources).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_listed_tree_becomes_the_object_that_it_becomes_when_it_is_read_again(
            first in any_tree(), second in any_tree(),
        ) {
            let (plain, listed) = (Place::new(), Place::new());
            let mut objects = Vec::new();
            for (number, tree) in [&first, &second].into_iter().enumerate() {
                let from = plain.directory.path().join(number.to_string());
                make(&from, tree);
                // Names that differ in case only.
                if number == 1 {
                    fs::write(from.join("Upper"), "1").unwrap();
                    fs::write(from.join("upper"), "2").unwrap();
                }
                let expected = plain.import(&from);
                let expected_info = read_info(&plain.store, &expected).unwrap().unwrap();
                let (object, info) = import_listed(&listed, &from).unwrap();
                prop_assert_eq!(&object, &expected);
                prop_assert_eq!(info, expected_info);
                prop_assert_eq!(observe(&listed.store, &object), Ok(()));
                objects.push(object);
                record(&listed, &objects.iter().collect::<Vec<_>>());
            }
            let mut inodes: BTreeMap<(Vec<u8>, bool), BTreeSet<u64>> = BTreeMap::new();
            for (object, tree) in objects.iter().zip([&first, &second]) {
                for (below, leaf) in tree {
                    if let Leaf::File(content, executable) = leaf {
                        let key = (content.clone(), *executable);
                        inodes.entry(key).or_default().insert(listed.inode(object, below));
                    }
                }
            }
            for ((content, executable), inodes) in inodes {
                prop_assert_eq!(inodes.len(), 1, "{} bytes, {}", content.len(), executable);
            }
        }
    }

    #[test]
    fn a_listed_tree_with_the_place_of_the_store_in_it_is_not_relocatable() {
        let place = Place::new();
        let from = place.directory.path().join("tree");
        fs::create_dir(&from).unwrap();
        fs::write(from.join("plain"), "text").unwrap();
        assert!(import_listed(&place, &from).unwrap().1.relocatable);
        fs::write(from.join("root"), platform::bytes_of_path(place.store.root())).unwrap();
        assert!(!import_listed(&place, &from).unwrap().1.relocatable);
        // What a placeholder is in is read, and refused.
        fs::write(from.join("root"), format!("{}{}", Placeholder::PREFIX, "a".repeat(40))).unwrap();
        assert!(matches!(import_listed(&place, &from), Err(Error::Placeholder { .. })));
    }

    /// A tree of a file that the store has and a new one, and its hash when it was listed.
    fn listed_with_a_new_file(place: &Place, seen: &SeenTrees) -> (PathBuf, Hash) {
        let from = place.directory.path().join("tree");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/known"), "known").unwrap();
        let (first, _) = import_listed(place, &from).unwrap();
        record(place, &[&first]);
        fs::write(from.join("inner/new"), "new").unwrap();
        let root = place.store.root();
        let nar = tree::hash_listed(&from, &BTreeSet::new(), root, seen, &Interrupt::default());
        (from, nar.unwrap())
    }

    #[test]
    fn a_new_file_that_changed_since_it_was_listed_is_refused() {
        let (place, seen) = (Place::new(), SeenTrees::default());
        let (from, nar) = listed_with_a_new_file(&place, &seen);
        fs::write(from.join("inner/new"), "NEW").unwrap();
        let changed = import_hashed(&place, &from, nar, &seen);
        assert!(matches!(changed, Err(Error::SourceChanged { .. })), "{changed:?}");
        // A link in the place of a directory is not followed.
        fs::write(from.join("inner/new"), "new").unwrap();
        fs::rename(from.join("inner"), from.join("moved")).unwrap();
        platform::symlink(Path::new("moved"), &from.join("inner")).unwrap();
        assert!(import_hashed(&place, &from, nar, &seen).is_err());
    }

    #[test]
    fn what_the_store_has_of_a_listed_tree_is_not_read_again() {
        let (place, seen) = (Place::new(), SeenTrees::default());
        let (from, nar) = listed_with_a_new_file(&place, &seen);
        fs::write(from.join("inner/known"), "other").unwrap();
        let (object, _) = import_hashed(&place, &from, nar, &seen).unwrap();
        assert_eq!(observe(&place.store, &object), Ok(()));
        let known = place.store.object(&object).join("inner/known");
        assert_eq!(fs::read(known).unwrap(), b"known");
    }

    #[test]
    fn a_file_that_was_altered_is_no_part_of_a_listed_tree() {
        let place = Place::new();
        let from = place.directory.path().join("tree");
        fs::create_dir(&from).unwrap();
        fs::write(from.join("file"), "text").unwrap();
        let (first, _) = import_listed(&place, &from).unwrap();
        record(&place, &[&first]);
        let altered = place.store.object(&first).join("file");
        platform::set_immutable(&altered, false);
        platform::set_mode(&altered, 0o644).unwrap();
        fs::write(&altered, "evil").unwrap();
        platform::set_mode(&altered, 0o444).unwrap();
        platform::set_old_time(&altered).unwrap();
        fs::write(from.join("second"), "second").unwrap();
        let (object, _) = import_listed(&place, &from).unwrap();
        assert_eq!(observe(&place.store, &object), Ok(()));
        assert_ne!(place.inode(&object, "file"), place.inode(&first, "file"));
    }

    #[test]
    fn a_tree_that_was_hashed_is_imported_without_another_hash_unless_it_changed() {
        let place = Place::new();
        let from = place.directory.path().join("tree");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/large"), vec![7; 900 * 1024]).unwrap();
        fs::write(from.join("small"), "small").unwrap();
        platform::symlink(Path::new("small"), &from.join("link")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150));
        let seen = SeenTrees::default();
        let object = place.import_seen(&from, &seen);
        assert_eq!(
            fs::read(place.store.object(&object).join("inner/large")).unwrap(),
            vec![7; 900 * 1024]
        );
        // Now with a change after the hash.
        fs::write(from.join("small"), "other").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150));
        let nar = tree::hash_to_copy(&from, &BTreeSet::new(), None, &seen, &Interrupt::default())
            .unwrap();
        fs::write(from.join("inner/large"), vec![8; 900 * 1024]).unwrap();
        let source = Source { path: from.clone(), nar, excluded: BTreeSet::new() };
        let name = Name::parse("tree").unwrap();
        let given = SourceTree {
            deriver: Hash::of(b"new"),
            name: &name,
            source: &source,
            sandbox: Level::Off,
        };
        assert!(matches!(
            import_source(&place.store, &given, &seen),
            Err(Error::SourceChanged { .. })
        ));
        assert_eq!(fs::read_dir(place.store.staging()).unwrap().count(), 0);
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
        let files = Directory::at(&place.store.shared_files()).unwrap();
        assert!(shared::unused(&files).unwrap().is_empty());
        let garbage =
            sweep::Garbage { objects: vec![(object.clone(), 4)], ..sweep::Garbage::default() };
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
        let is_full =
            (0..MOST).any(|number| fs::hard_link(&path, many.join(number.to_string())).is_err());
        if is_full {
            let tree = place.directory.path().join("tree");
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("file"), "text").unwrap();
            let second = place.import(&tree);
            assert_ne!(place.inode(&second, "file"), fs::symlink_metadata(&path).unwrap().ino());
        }
    }
}
