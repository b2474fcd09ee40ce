//! Reading files with a search for names: small ones whole, large ones beside what takes their bytes.
//! It does not know what the bytes are for, but for the archive that large ones go to.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::super::Result;
use super::super::rewrite::Patterns;
use crate::hash::Sink;
use crate::nar::Writer;
use crate::platform;
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

/// Reads a file and searches in it; `None` when it is large.
///
/// # Errors
/// When it cannot be read, or changes meanwhile.
pub fn read_small(path: &Path, patterns: &Patterns) -> Result<Option<Small>> {
    let failed = || platform::failed("read", path);
    let file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    if metadata.len() > SMALL {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    file.take(SMALL + 1).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() as u64 != metadata.len() {
        return Err(changed(path));
    }
    let mut found = Vec::new();
    if !patterns.is_empty() {
        bytes = patterns.apply(&bytes, |number| found.push(number));
    }
    Ok(Some(Small { executable: platform::is_executable(&metadata), bytes, found }))
}

fn changed(path: &Path) -> super::super::Error {
    platform::failed("read", path)(io::Error::other("it changed meanwhile")).into()
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

/// Writes a large file to an archive, while another thread reads and searches; returns its length.
///
/// # Errors
/// When it cannot be read, or changes meanwhile, or somebody asked to stop.
pub fn stream_large<S: Sink>(
    path: &Path,
    patterns: &Patterns,
    archive: &mut Writer<'_, S>,
    report: &mut impl FnMut(usize),
    interrupt: &Interrupt,
) -> Result<u64> {
    let file = File::open(path).map_err(platform::failed("read", path))?;
    let metadata = file.metadata().map_err(platform::failed("read", path))?;
    let length = metadata.len();
    archive.begin_file(platform::is_executable(&metadata), length);
    let mut total = 0;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        scope.spawn(move || read_pieces(file, patterns, &sender));
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

fn read_pieces(mut file: File, patterns: &Patterns, sender: &SyncSender<Piece>) {
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
