//! The bytes of a closure, read and decompressed on a thread of their own.
//!
//! The thread is not waited for: reading from a pipe may block forever, and an interrupt must not
//! wait. It ends with the stream, or at its next piece when the reader is gone.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::{Error, Result};
use crate::settings::Interrupt;

/// Bytes that are read and decompressed at a time, and how many such pieces may wait.
const PIECE: usize = 256 * 1024;
const WAITING: usize = 8;

/// The interval between checks for an interrupt.
const TICK: Duration = Duration::from_millis(100);

/// The four bytes that a frame of zstd begins with: RFC 8878, section 3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An error of the file or pipe itself, on its way through the decompressor.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SourceError(io::Error);

/// The operation was cancelled.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Stopped;

/// Returns what an error of the stream means.
pub fn failed(error: io::Error) -> Error {
    if let Some(inner) = error.get_ref()
        && inner.is::<Stopped>()
    {
        return Error::Interrupted;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::Damaged("it ends too early".to_owned());
    }
    let text = error.to_string();
    match error.into_inner().and_then(|inner| inner.downcast::<SourceError>().ok()) {
        Some(source) => Error::Read(source.0),
        None => Error::Damaged(format!("it does not decompress: {text}")),
    }
}

/// Marks errors of the source.
struct Source<R>(R);

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(SourceError(error)),
        })
    }
}

/// What is left of a closure.
pub struct Decoded {
    receiver: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    place: usize,
    interrupt: Interrupt,
}

/// Begins to read a closure. `window` is the memory in bytes that its compression may ask for.
///
/// # Errors
/// When it cannot be read, or begins as no closure does.
pub fn open(source: Box<dyn Read + Send>, window: u64, interrupt: &Interrupt) -> Result<Decoded> {
    let (sender, receiver) = sync_channel(WAITING);
    std::thread::spawn(move || {
        if let Err(error) = decode(source, window, &sender) {
            // The receiver may be gone.
            let _ = sender.send(Err(error));
        }
    });
    let mut decoded =
        Decoded { receiver, piece: Vec::new(), place: 0, interrupt: interrupt.clone() };
    match decoded.fill_buf() {
        Ok([]) => Err(Error::NoClosure("it is empty".to_owned())),
        Ok([b'{', ..]) => Ok(decoded),
        Ok(_) => Err(Error::NoClosure("it does not begin as one".to_owned())),
        Err(error) => Err(failed(error)),
    }
}

fn decode(
    source: Box<dyn Read + Send>,
    window: u64,
    sender: &SyncSender<io::Result<Vec<u8>>>,
) -> io::Result<()> {
    let mut source = BufReader::with_capacity(PIECE, Source(source));
    // The file may be uncompressed too, for users who inspect it.
    let begin = source.fill_buf()?;
    if begin.starts_with(&ZSTD[..begin.len().min(ZSTD.len())]) && !begin.is_empty() {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
        decoder.window_log_max(window.max(1).ilog2())?;
        pass(decoder, sender)
    } else {
        pass(source, sender)
    }
}

/// Passes pieces on until the stream ends or the receiver is gone.
fn pass(mut reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        // The bytes before the failure may be the last piece that is needed to tell what this is.
        let is_last = read.as_ref().map_or(true, |read| *read == 0);
        if !piece.is_empty() && sender.send(Ok(piece)).is_err() {
            return Ok(());
        }
        read?;
        if is_last {
            return Ok(());
        }
    }
}

impl BufRead for Decoded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.place >= self.piece.len() {
            if self.interrupt.is_set() {
                return Err(io::Error::other(Stopped));
            }
            match self.receiver.recv_timeout(TICK) {
                Ok(piece) => {
                    self.piece = piece?;
                    self.place = 0;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(&[]),
            }
        }
        Ok(&self.piece[self.place..])
    }

    fn consume(&mut self, amount: usize) {
        self.place += amount;
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let most = available.len().min(buffer.len());
        buffer[..most].copy_from_slice(&available[..most]);
        self.consume(most);
        Ok(most)
    }
}
