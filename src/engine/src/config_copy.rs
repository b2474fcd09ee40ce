//! The copy of a config that a snapshot keeps: texts and sources by their content, and an index of
//! where each was.
//!
//! No name that a config chose is the name of a file here. The texts of the config are in the
//! snapshot's own directory; the contents of sources are shared by all snapshots.
//!
//! It is over 600 lines, because writing, reading and restoring a copy share one format.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::generations;
use crate::hash::{DigestMap, DigestSet, Hash, QuickMap};
use crate::lock;
use crate::manifest::Manifest;
use crate::names::SnapshotId;
use crate::platform::{self, Directory, FileKind};
use crate::seen_trees::{Listing, Part, SeenTrees};
use crate::settings::Interrupt;
use crate::store::gc::sweep::Dead;
use crate::store::own::{self, RootPlace};
use crate::store::{Error, Result, Store, tree};
use crate::value::{Source, Text};

/// The version of the index that is written.
const VERSION: u32 = 1;
const INDEX: &str = "index.json";
const PRIVATE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
/// What is larger is not read into memory.
const LARGE: u64 = 1 << 20;
/// What a copy holds, and where each part of it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Index {
    version: u32,
    /// The entry file.
    entry: Option<Text>,
    /// The Lua files that were loaded.
    texts: Vec<Copied>,
    /// The sources of derivations.
    sources: Vec<CopiedSource>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    /// The absolute path.
    path: Text,
    /// The SHA-256 of the text, which is the name of the copy.
    content: Hash,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CopiedSource {
    /// The absolute path.
    path: Text,
    /// The NAR hash of all of it.
    nar: Hash,
    /// What a filter left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    excluded: Vec<Text>,
    /// Everything in it, each directory before what it holds. The path of the top is empty.
    entries: Arc<Vec<Entry>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
struct Entry {
    path: Text,
    #[serde(flatten)]
    node: Node,
}

/// An entry as it is read: there are thousands, and to look for the kind first would mean to keep
/// all else until then.
#[derive(Deserialize)]
struct Fields {
    path: Text,
    kind: NodeType,
    content: Option<Hash>,
    #[serde(default)]
    executable: bool,
    #[serde(default)]
    facts: Vec<u64>,
    target: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NodeType {
    File,
    Link,
    Directory,
}

impl TryFrom<Fields> for Entry {
    type Error = &'static str;

    fn try_from(fields: Fields) -> std::result::Result<Entry, &'static str> {
        let Fields { path, kind, content, executable, facts, target } = fields;
        let node = match kind {
            NodeType::File => {
                Node::File { content: content.ok_or("a file without content")?, executable, facts }
            }
            NodeType::Link => Node::Link { target: target.ok_or("a link without a target")? },
            NodeType::Directory => Node::Directory,
        };
        Ok(Entry { path, node })
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Node {
    File {
        /// The NAR hash of this file alone, which is the name of the copy.
        content: Hash,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
        /// What the system said of the file, when that is a proof that it did not change since.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        facts: Vec<u64>,
    },
    Link {
        target: Text,
    },
    Directory,
}

/// A copy of a config, restored.
#[derive(Debug)]
pub struct Restored {
    /// The entry file.
    pub entry: PathBuf,
    /// Where texts and sources are now, by the paths that they had.
    pub places: BTreeMap<PathBuf, PathBuf>,
}

/// Returns the directory of a snapshot's copy.
fn directory(store: &Store, id: SnapshotId) -> PathBuf {
    store.snapshot(id).join("config")
}

/// Returns the directory of the contents of sources.
fn contents(store: &Store) -> PathBuf {
    store.metadata().join("sources")
}

/// Reads the index of a snapshot's copy. There is none where an older version made the copy, or the
/// index is damaged.
fn read(store: &Store, id: SnapshotId) -> Option<Index> {
    let text = platform::read_file(&directory(store, id).join(INDEX)).ok()?;
    serde_json::from_slice::<Index>(&text).ok().filter(|index| index.version == VERSION)
}

/// Returns the files and trees that the config of a snapshot read.
pub fn reads(store: &Store, id: SnapshotId) -> Vec<PathBuf> {
    let Some(index) = read(store, id) else { return Vec::new() };
    let texts = index.texts.iter().map(|text| &text.path);
    let sources = index.sources.iter().map(|source| &source.path);
    index.entry.iter().chain(texts).chain(sources).map(Text::to_path).collect()
}

/// Returns the texts of the locks in the copy of a snapshot; none where there is no copy.
///
/// # Errors
/// When the copy is damaged.
pub fn locks(store: &Store, id: SnapshotId) -> Result<Vec<Vec<u8>>> {
    let Some(index) = read(store, id) else {
        let path = directory(store, id).join(INDEX);
        let damaged = || Error::Damaged { path, problem: "its index cannot be read".to_owned() };
        return if has_damaged_index(store, id) { Err(damaged()) } else { Ok(Vec::new()) };
    };
    let is_lock = |copied: &&Copied| {
        copied.path.to_path().file_name().is_some_and(|name| name == lock::FILE_NAME)
    };
    let copies = index.texts.iter().filter(is_lock);
    copies
        .map(|copied| Ok(platform::read_file(&directory(store, id).join(copied.content.to_hex()))?))
        .collect()
}

/// What the copy of an earlier snapshot says of sources: they may be the same.
#[derive(Debug, Default)]
pub struct Before(Vec<CopiedSource>);

/// Returns what the copy of a snapshot says of sources, if a manifest has any.
pub fn before(store: &Store, manifest: &Manifest, parent: Option<SnapshotId>) -> Before {
    let parent = parent.filter(|_| !sources(manifest).is_empty());
    let index = parent.and_then(|parent| read(store, parent));
    Before(index.map_or_else(Vec::new, |index| index.sources))
}

/// Writes the copy of a manifest's config to `directory`.
///
/// A source that changed since it was hashed is left out: the objects that were made of it have
/// what counts.
///
/// # Errors
/// When the copy cannot be written.
pub fn write(
    store: &Store,
    directory: &Path,
    manifest: &Manifest,
    before: &Before,
    seen: &SeenTrees,
) -> Result<()> {
    platform::create_directory_as(directory, PRIVATE_DIRECTORY)?;
    let mut texts = Vec::with_capacity(manifest.files.len());
    let mut written = HashSet::new();
    for (path, text) in &manifest.files {
        let content = Hash::of(text);
        if written.insert(content) {
            platform::write_file_as(&directory.join(content.to_hex()), text, PRIVATE)?;
        }
        texts.push(Copied { path: path.clone(), content });
    }
    let entry = manifest.config_path.as_deref().map(|path| Text(platform::bytes_of_path(path)));
    let index = Index {
        version: VERSION,
        entry,
        texts,
        sources: write_sources(store, manifest, before, seen)?,
    };
    let text = serde_json::to_vec(&index).unwrap_or_default();
    Ok(platform::write_file_as(&directory.join(INDEX), &text, PRIVATE)?)
}

/// Returns the sources that the derivations of a manifest use, each once.
fn sources(manifest: &Manifest) -> Vec<&Source> {
    let mut all: Vec<&Source> = manifest
        .derivations
        .iter()
        .flat_map(|derivation| derivation.spec.recipe.sources())
        .collect();
    let mut seen = HashSet::new();
    all.retain(|source| seen.insert((source.nar, &source.path, &source.excluded)));
    all
}

fn write_sources(
    store: &Store,
    manifest: &Manifest,
    before: &Before,
    seen: &SeenTrees,
) -> Result<Vec<CopiedSource>> {
    let sources = sources(manifest);
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let contents = contents(store);
    platform::create_directories_as(&contents, PRIVATE_DIRECTORY)?;
    let mut writer = Writer::new(&contents, store.interrupt(), &before.0);
    let mut copied = Vec::with_capacity(sources.len());
    for source in sources {
        let excluded: Vec<Text> =
            source.excluded.iter().map(|path| Text(platform::bytes_of_path(path))).collect();
        let entries = match writer.by_nar.get(&source.nar) {
            Some(same) if same.excluded == excluded => Some(Arc::clone(&same.entries)),
            _ => match seen.listing_of(source.nar, store.root()) {
                Some(listing) => writer.copy_listed(source, &listing)?,
                None => writer.copy(source)?,
            }
            .map(Arc::new),
        };
        if let Some(entries) = entries {
            let path = Text(platform::bytes_of_path(&source.path));
            copied.push(CopiedSource { path, nar: source.nar, excluded, entries });
        }
    }
    Ok(copied)
}

/// Writes contents that are not there yet.
struct Writer<'a> {
    contents: &'a Path,
    interrupt: &'a Interrupt,
    /// The sources of the snapshot before, which are on the disk.
    by_nar: DigestMap<Hash, &'a CopiedSource>,
    /// Files of these by what the system says of them.
    by_facts: QuickMap<&'a [u64], (Hash, bool)>,
    /// Contents that are known to be whole.
    present: DigestSet<Hash>,
}

impl<'a> Writer<'a> {
    fn new(contents: &'a Path, interrupt: &'a Interrupt, before: &'a [CopiedSource]) -> Writer<'a> {
        let mut writer = Writer {
            contents,
            interrupt,
            by_nar: DigestMap::default(),
            by_facts: QuickMap::default(),
            present: DigestSet::default(),
        };
        let entries = before.iter().map(|source| source.entries.len()).sum();
        writer.by_facts.reserve(entries);
        writer.present.reserve(entries);
        for source in before {
            writer.by_nar.insert(source.nar, source);
            for entry in source.entries.iter() {
                if let Node::File { content, executable, facts } = &entry.node {
                    writer.present.insert(*content);
                    if !facts.is_empty() {
                        writer.by_facts.insert(facts, (*content, *executable));
                    }
                }
            }
        }
        writer
    }

    /// Copies a source; returns nothing if it differs from the hashed one.
    fn copy(&mut self, source: &Source) -> Result<Option<Vec<Entry>>> {
        let mut entries = Vec::new();
        let (above, name) = match platform::locate(&source.path) {
            Ok(located) => located,
            Err(_) => return Ok(None),
        };
        if self
            .node((&*above, name), Path::new(""), source, &mut entries)
            .is_err_and(|error| !is_of_copy(&error, self.contents))
        {
            return Ok(None);
        }
        // A single file was hashed on the way; of a tree each file was, and the whole is compared
        // where it is restored.
        let is_same = match entries.as_slice() {
            [Entry { node: Node::File { content, .. }, .. }] => *content == source.nar,
            _ => true,
        };
        Ok(is_same.then_some(entries))
    }

    /// The same of a tree that this process hashed: only contents that are not there yet are read.
    fn copy_listed(&mut self, source: &Source, listing: &Listing) -> Result<Option<Vec<Entry>>> {
        let mut entries = Vec::with_capacity(listing.parts.len());
        for part in &listing.parts {
            let (below, node) = match part {
                Part::End => continue,
                Part::Begin(below) => (below, Node::Directory),
                Part::Link(below, target) => {
                    (below, Node::Link { target: Text(platform::bytes_of_path(target)) })
                }
                Part::File { below, nar, executable, facts } => {
                    let (content, executable) = (*nar, *executable);
                    if !self.present.contains(&content) {
                        let Ok(bytes) = platform::read_file(&source.path.join(below)) else {
                            return Ok(None);
                        };
                        if tree::hash_of_file(&bytes, executable) != content {
                            return Ok(None);
                        }
                        self.put(content, &bytes, executable)?;
                    }
                    (below, Node::File { content, executable, facts: facts.clone() })
                }
            };
            entries.push(Entry { path: Text(platform::bytes_of_path(below)), node });
        }
        Ok(Some(entries))
    }

    fn node(
        &mut self,
        (directory, name): (&Directory, &OsStr),
        inner: &Path,
        source: &Source,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let facts = directory.facts_of(name)?;
        let node = match facts.kind {
            FileKind::File => self.file((directory, name), &facts)?,
            FileKind::Symlink => {
                let target = directory.read_link(name)?.unwrap_or_default();
                Node::Link { target: Text(platform::bytes_of_path(&target)) }
            }
            FileKind::Directory | FileKind::Special => Node::Directory,
        };
        entries.push(Entry { path: Text(platform::bytes_of_path(inner)), node });
        if facts.kind == FileKind::Directory {
            let directory = directory.directory(name)?;
            for (name, _) in directory.list()? {
                let inner = inner.join(&name);
                if !source.excluded.contains(&inner) {
                    self.node((&directory, name.as_os_str()), &inner, source, entries)?;
                }
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        (directory, name): (&Directory, &OsStr),
        facts: &platform::Facts,
    ) -> Result<Node> {
        if let Some((content, executable)) = self.by_facts.get(facts.numbers.as_slice()) {
            let facts = facts.numbers.to_vec();
            return Ok(Node::File { content: *content, executable: *executable, facts });
        }
        let path = &directory.path().join(name);
        let is_settled = facts.newest + tree::RACY < SystemTime::now();
        let metadata = platform::metadata_of(path)?;
        let executable = metadata.as_ref().is_some_and(platform::is_executable);
        let is_large = metadata.is_none_or(|metadata| metadata.len() > LARGE);
        let content =
            if is_large { self.large(path, executable)? } else { self.small(path, executable)? };
        let facts = if is_settled { facts.numbers.to_vec() } else { Vec::new() };
        Ok(Node::File { content, executable, facts })
    }

    fn small(&mut self, path: &Path, executable: bool) -> Result<Hash> {
        let bytes = platform::read_file(path)?;
        let content = tree::hash_of_file(&bytes, executable);
        self.put(content, &bytes, executable)?;
        Ok(content)
    }

    /// Writes a content, if it is missing.
    fn put(&mut self, content: Hash, bytes: &[u8], executable: bool) -> Result<()> {
        if self.is_missing(content)? {
            let place = self.contents.join(content.to_hex());
            platform::write_file_as(&place, bytes, mode(executable))?;
        }
        Ok(())
    }

    fn large(&mut self, path: &Path, executable: bool) -> Result<Hash> {
        // Under a temporary name until its hash is known: the file may change during the copy.
        let temporary = self.contents.join(".new");
        platform::remove_tree(&temporary)?;
        platform::copy_file(path, &temporary, self.interrupt)?;
        platform::set_mode(&temporary, mode(executable))?;
        let content = tree::hash(&temporary, self.interrupt)?.nar;
        if self.is_missing(content)? {
            platform::rename(&temporary, &self.contents.join(content.to_hex()))?;
        } else {
            platform::remove_file(&temporary)?;
        }
        Ok(content)
    }

    /// Returns whether a content has to be written. A content that no snapshot names may be
    /// incomplete, after a power failure.
    fn is_missing(&mut self, content: Hash) -> Result<bool> {
        if !self.present.insert(content) {
            return Ok(false);
        }
        let place = self.contents.join(content.to_hex());
        if !platform::exists(&place) {
            return Ok(true);
        }
        if tree::hash(&place, self.interrupt).is_ok_and(|digest| digest.nar == content) {
            return Ok(false);
        }
        platform::remove_tree(&place)?;
        Ok(true)
    }
}

/// Returns whether an error is about the copy, not about the source.
fn is_of_copy(error: &Error, contents: &Path) -> bool {
    matches!(error, Error::File(error) if error.path.starts_with(contents))
}

fn mode(executable: bool) -> u32 {
    if executable { 0o700 } else { PRIVATE }
}

/// Returns the contents of sources that no snapshot names but those that are `gone`. When an index
/// is there but cannot be read, there are none.
///
/// # Errors
/// When a directory cannot be listed.
pub fn unused(
    store: &Store,
    gone: &BTreeSet<SnapshotId>,
) -> std::result::Result<Vec<Dead>, generations::Error> {
    let contents = contents(store);
    let present = match platform::list_directory(&contents) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        present => present?,
    };
    let mut named = HashSet::new();
    for id in generations::all(store)?.into_iter().filter(|id| !gone.contains(id)) {
        match read(store, id) {
            Some(index) => named.extend(names_of(&index)),
            None if has_damaged_index(store, id) => return Ok(Vec::new()),
            None => {}
        }
    }
    let is_ours = |name: &str| own::is_ours(RootPlace::SourceContents, name.as_ref());
    let dead = present.into_iter().filter_map(|(name, _)| {
        let name = name.to_str().filter(|name| is_ours(name) && !named.contains(*name))?;
        let path = contents.join(name);
        let size = platform::metadata_of(&path).ok().flatten().map_or(0, |metadata| metadata.len());
        Some(Dead { path, size })
    });
    Ok(dead.collect())
}

fn names_of(index: &Index) -> impl Iterator<Item = String> {
    index.sources.iter().flat_map(|source| source.entries.iter()).filter_map(|entry| {
        match &entry.node {
            Node::File { content, .. } => Some(content.to_hex()),
            _ => None,
        }
    })
}

/// Returns whether the copy looks like one with an index: an older version kept files by their
/// names.
fn has_damaged_index(store: &Store, id: SnapshotId) -> bool {
    let entries = platform::list_directory(&directory(store, id)).unwrap_or_default();
    let is_hash =
        |name: &std::ffi::OsString| name.to_str().is_some_and(|name| Hash::parse(name).is_ok());
    entries.iter().any(|(name, _)| is_hash(name))
}

/// Restores the copy that a snapshot keeps of its config, below a directory of the store that the
/// caller removes. Returns nothing where there is none.
///
/// # Errors
/// When it cannot be written.
pub fn restore(
    store: &Store,
    id: SnapshotId,
    config_path: &Path,
    to: &Path,
) -> Result<Option<Restored>> {
    let own = directory(store, id);
    let Some(index) = read(store, id) else {
        // An older version kept the Lua files by their names.
        let entry = config_path
            .file_name()
            .map(|name| own.join(name))
            .filter(|entry| platform::exists(entry));
        return Ok(entry.map(|entry| Restored { entry, places: BTreeMap::new() }));
    };
    let Some(entry) = index.entry else { return Ok(None) };
    let mut places: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for text in &index.texts {
        places.insert(text.path.to_path(), own.join(text.content.to_hex()));
    }
    platform::remove_tree(to)?;
    platform::create_directories_as(to, PRIVATE_DIRECTORY)?;
    let contents = contents(store);
    // Filters leave out different parts of one tree.
    let mut trees: BTreeMap<PathBuf, BTreeMap<Vec<u8>, &Node>> = BTreeMap::new();
    for source in &index.sources {
        let entries = source.entries.iter().map(|entry| (entry.path.0.clone(), &entry.node));
        trees.entry(source.path.to_path()).or_default().extend(entries);
    }
    for (number, (path, entries)) in trees.into_iter().enumerate() {
        // Builds and hashes see the extension.
        let described =
            Source { path: path.clone(), nar: Hash::of(b""), excluded: BTreeSet::new() };
        let place = to.join(format!("{number}{}", described.extension()));
        // One whose contents are damaged is not there.
        if restore_source(store, &contents, &entries, &place).is_ok() {
            places.insert(path, place);
        }
    }
    Ok(Some(Restored { entry: entry.to_path(), places }))
}

/// Writes a source to a place, by its NAR hash, as the copy of any snapshot has it; returns whether
/// one has it whole.
///
/// # Errors
/// When what was written in part cannot be removed.
pub fn restore_by_hash(store: &Store, nar: Hash, place: &Path) -> Result<bool> {
    let contents = contents(store);
    for id in generations::all(store).unwrap_or_default().into_iter().rev() {
        let sources = read(store, id).map(|index| index.sources).unwrap_or_default();
        let Some(source) = sources.into_iter().find(|source| source.nar == nar) else { continue };
        let entries = source.entries.iter().map(|entry| (entry.path.0.clone(), &entry.node));
        if restore_source(store, &contents, &entries.collect(), place).is_ok() {
            return Ok(true);
        }
        platform::remove_tree(place)?;
    }
    Ok(false)
}

fn restore_source(
    store: &Store,
    contents: &Path,
    entries: &BTreeMap<Vec<u8>, &Node>,
    place: &Path,
) -> Result<()> {
    for (inner, node) in entries {
        let inner = platform::path_from_bytes(inner);
        // sys.lua wrote the index, but a damaged one must not write elsewhere.
        let is_plain = inner.components().all(|part| matches!(part, Component::Normal(_)));
        let path = platform::join(place, &inner);
        let damaged =
            |problem: &str| Error::Damaged { path: path.clone(), problem: problem.to_owned() };
        if !is_plain {
            return Err(damaged("it leads out of its directory"));
        }
        match node {
            Node::Directory => platform::create_directory(&path)?,
            Node::Link { target } => platform::symlink(&target.to_path(), &path)?,
            Node::File { content, executable, .. } => {
                platform::copy_file(&contents.join(content.to_hex()), &path, store.interrupt())?;
                platform::set_mode(&path, mode(*executable))?;
                if tree::hash(&path, store.interrupt())?.nar != *content {
                    return Err(damaged("its content differs from the copy"));
                }
            }
        }
    }
    Ok(())
}
