//! Trust: which directories may have their own `syslua.lua` evaluated. Knows no Lua, and asks
//! nothing.
//!
//! A directory is trusted by its real path and by the SHA-256 of every file that evaluation ran or
//! read. What is hashed is what is returned, so a file that is replaced between the check and its
//! use is found out. A file counts only when no other user owns it or can write to it, or to a
//! directory between it and the top of the project. Links are not followed.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::failure::{Explain, Failure, FailureKind};
use crate::hash::Hash;
use crate::platform::{self, Directory, FileKind, Node};
use crate::store::Store;
use crate::value::Text;

/// The file that makes a directory a project.
pub const ENTRY: &str = "syslua.lua";

/// The file that pins what the entry file leaves open.
pub const LOCK: &str = "syslua.lock";

/// The version of the record.
const VERSION: u32 = 1;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Permission bits that let the group or others write.
const WRITABLE: u32 = 0o022;

/// The user whose files all users must trust.
const SYSTEM: u32 = 0;

/// Why a file or a project is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The directory has no record.
    #[error("{} is not trusted: none of its files was run", .0.display())]
    New(PathBuf),
    /// A file has another content, or is gone.
    #[error("{} has changed since it was trusted: none of it was run", .0.display())]
    Changed(PathBuf),
    /// Evaluation wants a file that the record lacks.
    #[error("{} is not among the files that were trusted: it was not run", .0.display())]
    Unknown(PathBuf),
    /// Another user owns a file or directory.
    #[error("{} belongs to {owner}: files of other users are never trusted", path.display())]
    Owned {
        /// The file or directory.
        path: PathBuf,
        /// The owner's name.
        owner: String,
    },
    /// Other users can write to a file or directory.
    #[error("other users can write to {} (mode {mode:o}): it is never trusted", path.display())]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A link is there.
    #[error("{} is a symbolic link: only regular files are trusted", .0.display())]
    Link(PathBuf),
    /// Something other than a file is there.
    #[error("{} is not a regular file: it is never trusted", .0.display())]
    Kind(PathBuf),
    /// The file is too large.
    #[error("{} has more than {} MiB: it is never trusted", .0.display(), LARGEST >> 20)]
    Large(PathBuf),
    /// It is missing.
    #[error("cannot read {}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// The record was made by a newer version, or is damaged.
    #[error("the record of trust {} cannot be read: {why}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] platform::Error),
}

impl Doubt {
    /// Returns whether the user can trust it by saying so.
    pub fn can_be_settled(&self) -> bool {
        matches!(self, Doubt::New(_) | Doubt::Changed(_) | Doubt::Unknown(_) | Doubt::Record { .. })
    }
}

impl Explain for Doubt {
    fn kind(&self) -> FailureKind {
        FailureKind::Untrusted
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            _ if self.can_be_settled() => "`sys shell --trust` lists the files and asks",
            Doubt::Writable { path, .. } => {
                return Some(format!("`chmod go-w {}`", path.display()));
            }
            Doubt::Owned { path, .. } => {
                return Some(format!(
                    "if you know what is in it: `chown` {} to you, or copy it",
                    path.display()
                ));
            }
            Doubt::Kind(_) | Doubt::Large(_) => "put a regular file of text there",
            Doubt::Link(_) => "put the file itself there",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl From<Doubt> for Failure {
    fn from(doubt: Doubt) -> Failure {
        Failure::of(FailureKind::Untrusted, &doubt)
    }
}

type Result<T> = std::result::Result<T, Doubt>;

/// A file or source that was trusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Trusted {
    /// Relative to the project, or absolute outside of it.
    path: Text,
    sha256: Hash,
}

/// The trusted files of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    path: Text,
    files: Vec<Trusted>,
    /// What `source()` gave, where it reaches more than confined builds.
    #[serde(default)]
    sources: Vec<Trusted>,
}

impl Record {
    fn digest(&self) -> Hash {
        Hash::of(&serde_json::to_vec(&(VERSION, &self.files, &self.sources)).unwrap_or_default())
    }
}

/// A file as it was read.
#[derive(Debug)]
pub struct Look {
    /// Its content.
    pub text: Vec<u8>,
    /// The hash of the content.
    pub hash: Hash,
    /// Whether the record has the same hash, or `None` if the record lacks the file.
    pub is_trusted: Option<bool>,
}

/// A directory that has an entry file.
#[derive(Debug)]
pub struct Project {
    directory: PathBuf,
    place: PathBuf,
    record: Option<Record>,
    problem: Option<Doubt>,
}

impl Project {
    /// Opens the record of a directory, which may not have one.
    ///
    /// # Errors
    /// When the directory is missing.
    pub fn open(store: &Store, directory: &Path) -> Result<Project> {
        let directory = platform::end_of(directory)
            .map_err(platform::failed("open the directory", directory))?;
        let place = store.trust().join(format!("{}.json", id_of(&directory)));
        let (record, problem) = match read_record(&place, &directory) {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        Ok(Project { directory, place, record, problem })
    }

    /// Returns its real path.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns what tells it from other projects, as a part of file names and variables.
    pub fn id(&self) -> String {
        id_of(&self.directory)
    }

    /// Returns its name, for people: that of the directory, without what a prompt would trip over.
    pub fn name(&self) -> String {
        let name = self.directory.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        let name: String =
            name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
        let name = name.trim_start_matches(['.', '-']);
        if name.is_empty() { "project".to_owned() } else { name.to_owned() }
    }

    /// Returns the file of its record.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Returns the files that were trusted.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.record.iter().flat_map(|record| &record.files);
        files.map(|file| self.directory.join(platform::path_from_bytes(&file.path.0))).collect()
    }

    /// Compares every file that was trusted with what is there. Returns what tells this content
    /// from others.
    ///
    /// # Errors
    /// When there is no record, or a file is not as it was.
    pub fn check(mut self) -> std::result::Result<(Project, Hash), (Project, Doubt)> {
        match self.compare() {
            Ok(hash) => Ok((self, hash)),
            Err(doubt) => Err((self, doubt)),
        }
    }

    fn compare(&mut self) -> Result<Hash> {
        // Files that cannot be trusted are reported before those that the user may trust.
        self.observe(&self.directory.join(ENTRY))?;
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        let Some(record) = &self.record else { return Err(Doubt::New(self.directory.clone())) };
        for file in &record.files {
            let path = self.directory.join(platform::path_from_bytes(&file.path.0));
            match self.observe(&path) {
                Ok(look) if look.hash == file.sha256 => {}
                Ok(_) | Err(Doubt::Missing(_)) => return Err(Doubt::Changed(path)),
                Err(doubt) => return Err(doubt),
            }
        }
        for needed in [ENTRY, LOCK] {
            let path = self.directory.join(needed);
            let is_there = needed == ENTRY || platform::exists(&path);
            if is_there && !record.files.iter().any(|file| file.path.0 == needed.as_bytes()) {
                return Err(Doubt::Unknown(path));
            }
        }
        Ok(record.digest())
    }

    /// Returns what tells the content that was trusted from others; nothing without an entry file
    /// or a record.
    pub fn recorded(&self) -> Option<Hash> {
        platform::exists(&self.directory.join(ENTRY)).then_some(self.record.as_ref()?.digest())
    }

    /// Returns a file that is trusted as it is there.
    ///
    /// # Errors
    /// When it is missing, or is not trusted.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let look = self.observe(path)?;
        match look.is_trusted {
            Some(true) => Ok(look.text),
            Some(false) => Err(Doubt::Changed(path.to_owned())),
            None => Err(Doubt::Unknown(path.to_owned())),
        }
    }

    /// Returns a file that may be trusted, whether it is or not.
    ///
    /// # Errors
    /// When it is missing, or can never be trusted.
    pub fn observe(&self, path: &Path) -> Result<Look> {
        let text = read_safely(&self.directory, &platform::normalize(path))?;
        let hash = Hash::of(&text);
        let key = self.key(path);
        let known =
            self.record.iter().flat_map(|record| &record.files).find(|file| file.path == key);
        Ok(Look { text, hash, is_trusted: known.map(|known| known.sha256 == hash) })
    }

    /// Returns whether a source is trusted, or `None` if the record lacks it.
    pub fn trusts_source(&self, path: &Path, hash: Hash) -> Option<bool> {
        let key = self.key(path);
        let known =
            self.record.iter().flat_map(|record| &record.sources).find(|source| source.path == key);
        known.map(|known| known.sha256 == hash)
    }

    /// Trusts a file with a content.
    pub fn accept(&mut self, path: &Path, hash: Hash) {
        let key = self.key(path);
        put(&mut self.record().files, key, hash);
    }

    /// Trusts a source with a content.
    pub fn accept_source(&mut self, path: &Path, hash: Hash) {
        let key = self.key(path);
        put(&mut self.record().sources, key, hash);
    }

    /// Forgets the files that are there no more.
    pub fn drop_missing(&mut self) {
        let directory = self.directory.clone();
        let is_there = |file: &Trusted| {
            platform::exists(&directory.join(platform::path_from_bytes(&file.path.0)))
        };
        self.record().files.retain(is_there);
    }

    /// Follows what sys.lua itself wrote into a file of the project: when the project was trusted
    /// with what the file had before, it is with what it has now. Returns whether it is. `before`
    /// is `None` when there was no file.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn follow(&mut self, path: &Path, before: Option<Hash>, after: Hash) -> Result<bool> {
        let key = self.key(path);
        let Some(record) = &mut self.record else { return Ok(false) };
        let known = record.files.iter().find(|file| file.path == key).map(|file| file.sha256);
        if known != before {
            return Ok(false);
        }
        put(&mut record.files, key, after);
        self.save()?;
        Ok(true)
    }

    /// Writes the record, which only its owner can read.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn save(&self) -> Result<()> {
        let Some(record) = &self.record else { return Ok(()) };
        if let Some(above) = self.place.parent() {
            platform::create_directories_as(above, 0o700)?;
        }
        let text = serde_json::to_vec_pretty(record).unwrap_or_default();
        Ok(platform::write_private_file_atomically(
            &self.place,
            &[text.as_slice(), b"\n"].concat(),
        )?)
    }

    fn record(&mut self) -> &mut Record {
        let path = Text(platform::bytes_of_path(&self.directory));
        self.problem = None;
        self.record.get_or_insert_with(|| Record {
            version: VERSION,
            path,
            files: Vec::new(),
            sources: Vec::new(),
        })
    }

    /// Returns how the record names a file.
    fn key(&self, path: &Path) -> Text {
        let path = platform::normalize(path);
        Text(platform::bytes_of_path(path.strip_prefix(&self.directory).unwrap_or(&path)))
    }
}

/// Returns what tells a directory from others.
pub fn id_of(directory: &Path) -> String {
    Hash::of(&platform::bytes_of_path(directory)).to_hex()[..32].to_owned()
}

/// Returns the directories with an entry file at and above a directory, outermost first, by their
/// real paths.
pub fn around(directory: &Path) -> Vec<PathBuf> {
    let real = platform::canonical(directory);
    let mut found: Vec<PathBuf> = real
        .ancestors()
        .filter(|above| platform::exists(&above.join(ENTRY)))
        .map(Path::to_owned)
        .collect();
    found.reverse();
    found
}

fn put(list: &mut Vec<Trusted>, path: Text, sha256: Hash) {
    list.retain(|file| file.path != path);
    list.push(Trusted { path, sha256 });
    list.sort();
}

/// Reads a record, which only counts if no other user could have written it.
fn read_record(place: &Path, directory: &Path) -> Result<Option<Record>> {
    let wrong = |why: &str| Doubt::Record { path: place.to_owned(), why: why.to_owned() };
    let Some(above) = place.parent() else { return Ok(None) };
    let Some(text) =
        read_below(above, place.file_name().map(Path::new).unwrap_or_else(|| Path::new("")))?
    else {
        return Ok(None);
    };
    let record: Record =
        serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
    if record.version != VERSION {
        return Err(wrong(&format!(
            "it has the version {}, and this sys.lua knows {VERSION}",
            record.version
        )));
    }
    if record.path.0 != platform::bytes_of_path(directory) {
        return Err(wrong("it is of another directory"));
    }
    Ok(Some(record))
}

/// Reads a file of a project: below its directory, each directory on the way is looked at;
/// elsewhere, that of the file.
fn read_safely(directory: &Path, path: &Path) -> Result<Vec<u8>> {
    let found = match path.strip_prefix(directory) {
        Ok(inner) => read_below(directory, inner)?,
        Err(_) => match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) => read_below(&platform::canonical(above), Path::new(name))?,
            _ => None,
        },
    };
    found.ok_or_else(|| Doubt::Missing(path.to_owned()))
}

/// Reads a file below a directory, or returns `None` if it does not exist.
fn read_below(top: &Path, inner: &Path) -> Result<Option<Vec<u8>>> {
    let mut directory = match Directory::at(top) {
        Ok(directory) => Arc::new(directory),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    check_itself(&directory, top)?;
    let mut path = top.to_owned();
    let mut names = inner.components().peekable();
    while let Some(component) = names.next() {
        let Component::Normal(name) = component else { return Ok(None) };
        path.push(name);
        let Some(node) = directory.node(name)? else { return Ok(None) };
        let is_last = names.peek().is_none();
        match node.kind {
            FileKind::Symlink => return Err(Doubt::Link(path)),
            FileKind::Directory if !is_last => {
                directory = Arc::new(directory.directory(name)?);
                check_itself(&directory, &path)?;
            }
            FileKind::File if is_last => return read_file(&directory, name, path).map(Some),
            _ if is_last => return Err(Doubt::Kind(path)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn read_file(directory: &Directory, name: &OsStr, path: PathBuf) -> Result<Vec<u8>> {
    let (file, node) = directory.open_node(name)?;
    check_node(&node, &path)?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(platform::failed("read", &path))?;
    if text.len() as u64 > LARGEST {
        return Err(Doubt::Large(path));
    }
    Ok(text)
}

fn check_itself(directory: &Directory, path: &Path) -> Result<()> {
    match directory.node(OsStr::new("."))? {
        Some(node) => check_node(&node, path),
        None => Err(Doubt::Missing(path.to_owned())),
    }
}

fn check_node(node: &Node, path: &Path) -> Result<()> {
    let Some(own) = platform::own_number() else { return Ok(()) };
    if node.owner != own && node.owner != SYSTEM {
        return Err(Doubt::Owned { path: path.to_owned(), owner: platform::user_name(node.owner) });
    }
    if node.mode & WRITABLE != 0 {
        return Err(Doubt::Writable { path: path.to_owned(), mode: node.mode & 0o7777 });
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
