//! Reading files with a search for names: small ones whole, large ones beside what takes their bytes.
//! It does not know what the bytes are for, but for the archive that large ones go to.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use super::super::Result;
use super::super::rewrite::Patterns;
use crate::hash::Sink;
use crate::nar::Writer;
use crate::platform::{self, Directory, Node};
use crate::settings::Interrupt;

/// Files of at most so many bytes are read whole.
const SMALL: u64 = 256 * 1024;

/// Bytes of a large file that are read at once, and how many such pieces may wait.
const PIECE: usize = 256 * 1024;
const WAITING: usize = 4;

/// A small file after the search.
pub struct Small {
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its content, after replacements.
    pub bytes: Vec<u8>,
    /// The numbers of the patterns in it.
    pub found: Vec<usize>,
}

/// Reads a file and searches in it; `None` when it is large. A small one is copied to the name in another directory, if one
/// is given.
///
/// # Errors
/// When it cannot be read or written, or changes meanwhile.
pub fn read_small(
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
    copy: Option<(&Directory, &OsStr)>,
) -> Result<Option<Small>> {
    let (file, node) = directory.open_node(name)?;
    if node.size > SMALL {
        return Ok(None);
    }
    let path = || directory.path().join(name);
    let mut bytes = Vec::with_capacity(usize::try_from(node.size).unwrap_or_default() + 1);
    file.take(SMALL + 1).read_to_end(&mut bytes).map_err(|cause| platform::failed("read", &path())(cause))?;
    if bytes.len() as u64 != node.size {
        return Err(changed(&path()));
    }
    if let Some((to, name)) = copy {
        let mut copy = create(to, name, &node)?;
        copy.write_all(&bytes).map_err(|cause| platform::failed("copy to", &to.path().join(name))(cause))?;
    }
    let mut found = Vec::new();
    if !patterns.is_empty() {
        bytes = patterns.apply(&bytes, |number| found.push(number));
    }
    Ok(Some(Small { executable: node.is_executable(), bytes, found }))
}

/// Creates a copy of a file, in the place of a file or link that stands there.
fn create(to: &Directory, name: &OsStr, node: &Node) -> Result<File> {
    let file = match to.create_file(name, 0o600) {
        Err(error) if error.is_already_there() => {
            make_room(to, name)?;
            to.create_file(name, 0o600)?
        }
        created => created?,
    };
    // What comes from the store is read-only; a build may go on with its copy.
    platform::set_mode_of(&file, &to.path().join(name), node.mode & 0o777 | 0o200)?;
    Ok(file)
}

/// Removes a file or link that is replaced.
///
/// # Errors
/// When a directory stands there, or the system refuses.
pub fn make_room(to: &Directory, name: &OsStr) -> Result<()> {
    match to.remove(name) {
        Err(error) if error.is_not_found() => Ok(()),
        removed => Ok(removed?),
    }
}

/// Returns the error of something that is not any more what it was a moment ago.
pub fn changed(path: &Path) -> super::super::Error {
    platform::failed("read", path)(io::Error::other("it changed meanwhile")).into()
}

/// A large file that is open.
pub struct Large<'a> {
    /// The file.
    pub file: File,
    /// What it is.
    pub node: Node,
    /// Its path, for messages.
    pub path: PathBuf,
    /// The directory and the name that it is copied to.
    pub copy: Option<(&'a Directory, &'a OsStr)>,
}

/// Returns the error of a walk whose archive nobody wants any more.
pub fn nobody_reads(path: &Path) -> super::super::Error {
    platform::failed("read", path)(io::Error::other("nobody wants the rest")).into()
}

/// What the reading thread sends.
enum Piece {
    Bytes(Vec<u8>),
    Found(usize),
    Failed(io::Error),
}

/// Writes a large file to an archive, while another thread reads, copies and searches; returns its length.
///
/// # Errors
/// When it cannot be read or written, or changes meanwhile, or somebody asked to stop.
pub fn stream_large<S: Sink>(
    large: Large<'_>,
    patterns: &Patterns,
    archive: &mut Writer<'_, S>,
    report: &mut impl FnMut(usize),
    interrupt: &Interrupt,
) -> Result<u64> {
    let Large { file, node, path, copy } = large;
    let path = path.as_path();
    let copy = copy.map(|(to, name)| create(to, name, &node)).transpose()?;
    let length = node.size;
    archive.begin_file(node.is_executable(), length);
    let mut total = 0;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        scope.spawn(move || read_pieces(file, copy, patterns, &sender));
        // Leaving early drops the receiver, and with it the thread's reason to go on.
        for piece in receiver {
            interrupt.check().map_err(platform::failed("read", path))?;
            match piece {
                Piece::Bytes(bytes) => {
                    total += bytes.len() as u64;
                    archive.content(&bytes);
                    if archive.is_closed() {
                        return Err(nobody_reads(path));
                    }
                }
                Piece::Found(number) => report(number),
                Piece::Failed(error) => return Err(platform::failed("read", path)(error).into()),
            }
        }
        Ok::<(), super::super::Error>(())
    })?;
    if total != length {
        return Err(changed(path));
    }
    archive.end_file(length);
    Ok(length)
}

fn read_pieces(mut file: File, mut copy: Option<File>, patterns: &Patterns, sender: &SyncSender<Piece>) {
    let mut buffer = vec![0; PIECE];
    let mut stream = patterns.stream();
    loop {
        let mut bytes = Vec::with_capacity(PIECE);
        let mut found = Vec::new();
        let read = match file.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return drop(sender.send(Piece::Failed(error))),
        };
        if let Some(copy) = &mut copy
            && let Err(error) = copy.write_all(&buffer[..read])
        {
            return drop(sender.send(Piece::Failed(error)));
        }
        let mut keep = |part: &[u8]| bytes.extend_from_slice(part);
        if read == 0 {
            std::mem::replace(&mut stream, patterns.stream()).finish(&mut keep, &mut |number| found.push(number));
        } else {
            stream.push(&buffer[..read], &mut keep, &mut |number| found.push(number));
        }
        let mut pieces = found.into_iter().map(Piece::Found).chain([Piece::Bytes(bytes)]);
        if pieces.any(|piece| sender.send(piece).is_err()) || read == 0 {
            return;
        }
    }
}
