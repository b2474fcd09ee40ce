//! Reading files with a search for names: small ones whole, large ones beside what takes their
//! bytes. It does not know what the bytes are for, except for the archive of large ones.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::{Duration, SystemTime};

use super::super::Result;
use super::super::self_references::Patterns;
use super::super::traces::Traces;
use crate::hash::{Hash, Sink};
use crate::nar::Writer;
use crate::platform::{self, Directory, Node, Pages, PastCache, Unwritten};
use crate::seen_trees::SeenTrees;
use crate::settings::Interrupt;

/// Files of at most this number of bytes are read completely.
pub const SMALL: u64 = 256 * 1024;

/// A file that changed later than this before it was read may have changed again in the same
/// moment.
pub const RACY: Duration = Duration::from_secs(2);

/// Bytes of a large file that are read at once, and how many such pieces may wait.
const PIECE: usize = 256 * 1024;
const WAITING: usize = 4;

/// Files of at least this number of bytes are copied past the page cache, if nothing reads the copy
/// soon, in pieces of this number of bytes.
const PAST_CACHE: u64 = 4 << 20;
const COPIED_PIECE: usize = 4 << 20;

/// A small file after the search.
pub struct Small {
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its content, after replacements.
    pub bytes: Vec<u8>,
    /// The numbers of the patterns in it.
    pub found: Vec<usize>,
    /// The hash that was asked for, of the file as it was read.
    pub hash: Option<Hash>,
    /// With the hash of its archive: what the system said of the file before it was read, when that
    /// is a proof that it did not change since.
    pub facts: Vec<u64>,
}

/// What is hashed of a small file, besides the archive of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// Nothing.
    Nothing,
    /// Its content.
    Content,
    /// The archive of the file alone.
    Archive,
}

/// Reads a file and searches in it; `None` when it is large. A small one is copied to the name in
/// another directory, if one is given, and hashed separately, if requested.
///
/// # Errors
/// When it cannot be read or written, or changes during the copy.
pub fn read_small(
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
    copy: Option<(&Directory, &OsStr)>,
    hash: HashOf,
) -> Result<Option<Small>> {
    let (file, node, facts) = directory.open_known(name)?;
    if node.size > SMALL {
        return Ok(None);
    }
    let is_settled = || facts.newest + RACY < SystemTime::now();
    let facts =
        if hash == HashOf::Archive && is_settled() { facts.numbers.to_vec() } else { Vec::new() };
    let path = || directory.path().join(name);
    let bytes = read_known(file, usize::try_from(node.size).unwrap_or_default())
        .map_err(|cause| platform::failed("read", &path())(cause))?;
    let Some(mut bytes) = bytes else { return Err(changed(&path())) };
    if let Some((to, name)) = copy {
        let mut copy = create(to, name, &node)?;
        copy.write_all(&bytes)
            .map_err(|cause| platform::failed("copy to", &to.path().join(name))(cause))?;
    }
    let hash = match hash {
        HashOf::Nothing => None,
        HashOf::Content => Some(Hash::of(&bytes)),
        HashOf::Archive => Some(super::hash_of_file(&bytes, node.is_executable())),
    };
    let mut found = Vec::new();
    if !patterns.is_empty() {
        bytes = patterns.apply(&bytes, |number| found.push(number));
    }
    Ok(Some(Small { executable: node.is_executable(), bytes, found, hash, facts }))
}

/// The result for a file.
pub enum Read {
    /// It was read, and copied if that was asked for.
    Small(Small),
    /// It was copied.
    Copied(CopiedLarge),
    /// Nothing, since it is large.
    Large,
}

/// A large file that was copied.
pub struct CopiedLarge {
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub length: u64,
    /// The numbers of the patterns in it, each once.
    pub found: BTreeSet<usize>,
    /// What it looked like all the time, or `None` if that changed, or the copy is on another file
    /// system.
    pub look: Option<Unwritten>,
}

/// Copies a large file without reading it, if it looks as it did when it was hashed and searched,
/// and the system can; otherwise there may be a part of a copy.
///
/// # Errors
/// When it cannot be opened, or the copy cannot be written, or on an interrupt.
pub fn copy_nameless(
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
    (to, new_name): (&Directory, &OsStr),
    seen: &SeenTrees,
    interrupt: &Interrupt,
) -> Result<Option<CopiedLarge>> {
    let (file, node) = directory.open_node(name)?;
    let Some(before) = Unwritten::observe(&file) else { return Ok(None) };
    let root = seen.nameless_for(before.digest());
    if !root.is_some_and(|root| Traces::new(&root).cover(patterns)) {
        return Ok(None);
    }
    let mut copy = create(to, new_name, &node)?;
    if !before.is_beside(&copy) {
        return Ok(None);
    }
    let copied = platform::copy_unread(&file, &mut copy, node.size, || interrupt.check());
    if !copied.map_err(|cause| platform::failed("copy to", &to.path().join(new_name))(cause))? {
        return Ok(None);
    }
    let (executable, length) = (node.is_executable(), node.size);
    let look = Unwritten::observe(&file).filter(|look| *look == before);
    Ok(Some(CopiedLarge { executable, length, found: BTreeSet::new(), look }))
}

/// Copies a large file to a name in another directory and searches in it; it is hashed as an
/// archive of its own, if one is given. `is_read_soon` says whether the copy is.
///
/// # Errors
/// As [`stream_large`].
pub fn copy_large<S: Sink>(
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
    (to, new_name): (&Directory, &OsStr),
    mut archive: Option<&mut Writer<'_, S>>,
    is_read_soon: bool,
    interrupt: &Interrupt,
) -> Result<CopiedLarge> {
    let (mut file, node) = directory.open_node(name)?;
    let path = directory.path().join(name);
    let before = Unwritten::observe(&file);
    let copy = create(to, new_name, &node)?;
    // On file systems that are known.
    let is_beside = before.is_some_and(|before| before.is_beside(&copy));
    let mut copy = PastCache::new(copy, is_beside && !is_read_soon && node.size >= PAST_CACHE);
    let mut pages = Pages::new(COPIED_PIECE);
    let buffer = pages.bytes();
    let (mut length, mut found) = (0, BTreeSet::new());
    let mut stream = patterns.stream();
    if let Some(archive) = &mut archive {
        archive.begin_file(node.is_executable(), node.size);
    }
    loop {
        interrupt.check().map_err(platform::failed("read", &path))?;
        let read = match read_whole(&mut file, buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Err(platform::failed("read", &path)(error).into()),
        };
        let written = copy.write_all(&buffer[..read]);
        written.map_err(|cause| platform::failed("copy to", &to.path().join(new_name))(cause))?;
        length += read as u64;
        if let Some(archive) = &mut archive {
            archive.content(&buffer[..read]);
        }
        stream.push(&buffer[..read], &mut |_| {}, &mut |number| {
            found.insert(number);
        });
    }
    stream.finish(&mut |_| {}, &mut |number| {
        found.insert(number);
    });
    if length != node.size {
        return Err(changed(&path));
    }
    if let Some(archive) = archive {
        archive.end_file(length);
    }
    let look = before.filter(|before| is_beside && Unwritten::observe(&file) == Some(*before));
    Ok(CopiedLarge { executable: node.is_executable(), length, found, look })
}

/// Reads a file of a known size, or returns `None` when it has another one. A read that returns
/// less than it was asked for has come to the end, so that most files take one.
fn read_known(mut file: File, size: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; size + 1];
    let first = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    let length =
        if first < size { first + read_whole(&mut file, &mut bytes[first..])? } else { first };
    bytes.truncate(length);
    Ok((length == size).then_some(bytes))
}

/// Reads until a buffer is full or the file ends; returns how many bytes that were.
fn read_whole(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Creates a copy of a file, replacing an existing file or link.
fn create(to: &Directory, name: &OsStr, node: &Node) -> Result<File> {
    let file = match to.create_file(name, 0o600) {
        Err(error) if error.is_already_there() => {
            make_room(to, name)?;
            to.create_file(name, 0o600)?
        }
        created => created?,
    };
    // Files of the store are read-only; a build may use its copy further.
    platform::set_mode_of(&file, &to.path().join(name), node.mode & 0o777 | 0o200)?;
    Ok(file)
}

/// Removes a file or link that is replaced.
///
/// # Errors
/// When a directory exists there, or the system refuses.
pub fn make_room(to: &Directory, name: &OsStr) -> Result<()> {
    match to.remove(name) {
        Err(error) if error.is_not_found() => Ok(()),
        removed => Ok(removed?),
    }
}

/// Returns the error of something that is not any more what it was a moment ago.
pub fn changed(path: &Path) -> super::super::Error {
    platform::failed("read", path)(io::Error::other("it changed during the operation")).into()
}

/// A large file that is open.
pub struct Large<'a> {
    /// The file.
    pub file: File,
    /// Its kind.
    pub node: Node,
    /// Its path, for messages.
    pub path: PathBuf,
    /// The directory and the name that it is copied to.
    pub copy: Option<(&'a Directory, &'a OsStr)>,
    /// What is searched for beside the patterns.
    pub traces: Option<&'a Traces>,
}

/// What is known of a large file once it is in an archive.
pub struct Streamed {
    /// Its bytes.
    pub length: u64,
    /// Whether it has a trace of the store in it; `true` where none was searched for.
    pub has_trace: bool,
}

/// Returns the error of a walk whose archive is no longer needed.
pub fn nobody_reads(path: &Path) -> super::super::Error {
    platform::failed("read", path)(io::Error::other("the reader is gone")).into()
}

/// What the reading thread sends.
enum Piece {
    /// The first bytes of a buffer.
    Bytes(Vec<u8>, usize),
    Found(usize),
    Failed(io::Error),
}

/// Writes a large file to an archive, while another thread reads, copies and searches.
///
/// # Errors
/// When it cannot be read or written, or changes during the copy, or on an interrupt.
pub fn stream_large<S: Sink>(
    large: Large<'_>,
    patterns: &Patterns,
    archive: &mut Writer<'_, S>,
    report: &mut impl FnMut(usize),
    interrupt: &Interrupt,
) -> Result<Streamed> {
    let Large { file, node, path, copy, traces } = large;
    let path = path.as_path();
    let copy = copy.map(|(to, name)| create(to, name, &node)).transpose()?;
    let length = node.size;
    archive.begin_file(node.is_executable(), length);
    let mut total = 0;
    let has_trace = std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        // Buffers that are used again need no new memory.
        let (give_back, returned) = channel();
        let search = Searched { patterns, traces };
        let reader = scope.spawn(move || read_pieces(file, copy, search, &sender, &returned));
        // An early return drops the receiver, which stops the thread.
        for piece in receiver {
            interrupt.check().map_err(platform::failed("read", path))?;
            match piece {
                Piece::Bytes(bytes, length) => {
                    total += length as u64;
                    archive.content(&bytes[..length]);
                    if archive.is_closed() {
                        return Err(nobody_reads(path));
                    }
                    // The reader may have finished.
                    let _ = give_back.send(bytes);
                }
                Piece::Found(number) => report(number),
                Piece::Failed(error) => return Err(platform::failed("read", path)(error).into()),
            }
        }
        let has_trace = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<bool, super::super::Error>(has_trace)
    })?;
    if total != length {
        return Err(changed(path));
    }
    archive.end_file(length);
    Ok(Streamed { length, has_trace })
}

/// What is searched for in a large file.
#[derive(Clone, Copy)]
struct Searched<'a> {
    patterns: &'a Patterns,
    traces: Option<&'a Traces>,
}

/// Reads, copies and searches until the file ends, or nothing takes the pieces any more; returns
/// whether there may be a trace of the store in it.
fn read_pieces(
    mut file: File,
    mut copy: Option<File>,
    Searched { patterns, traces }: Searched<'_>,
    sender: &SyncSender<Piece>,
    returned: &Receiver<Vec<u8>>,
) -> bool {
    let mut traces = traces.map(Traces::stream);
    let mut searched = vec![0; if patterns.is_empty() { 0 } else { PIECE }];
    let mut stream = patterns.stream();
    loop {
        let mut bytes: Vec<u8> = returned.try_recv().unwrap_or_default();
        // Without a search, what is read is what is sent.
        if patterns.is_empty() {
            bytes.resize(PIECE, 0);
        } else {
            bytes.clear();
        }
        let buffer = if patterns.is_empty() { &mut bytes } else { &mut searched };
        let read = match file.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = sender.send(Piece::Failed(error));
                return true;
            }
        };
        if let Some(copy) = &mut copy
            && let Err(error) = copy.write_all(&buffer[..read])
        {
            let _ = sender.send(Piece::Failed(error));
            return true;
        }
        if let Some(traces) = &mut traces {
            traces.push(&buffer[..read]);
        }
        let (mut found, mut length) = (Vec::new(), read);
        if !patterns.is_empty() {
            let mut keep = |part: &[u8]| bytes.extend_from_slice(part);
            if read == 0 {
                let last = std::mem::replace(&mut stream, patterns.stream());
                last.finish(&mut keep, &mut |number| found.push(number));
            } else {
                stream.push(&searched[..read], &mut keep, &mut |number| found.push(number));
            }
            length = bytes.len();
        }
        let mut pieces = found.into_iter().map(Piece::Found).chain([Piece::Bytes(bytes, length)]);
        if pieces.any(|piece| sender.send(piece).is_err()) {
            return true;
        }
        if read == 0 {
            return traces.is_none_or(|traces| traces.is_found());
        }
    }
}
