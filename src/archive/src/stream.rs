//! The content of a compressed file: decoded on its own thread, while this one writes files.

use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::budget::Budget;
use crate::compression::{self, Compression, TrailingData};
use crate::destination::ReadAt;
use crate::problem::{Problem, Result};

const PACKED_BUFFER: usize = 128 << 10;
const CHUNK: usize = 256 << 10;
/// The most chunks that can be ready: enough that neither side waits for short delays of the other.
const AHEAD: usize = 8;

/// The content, chunk by chunk.
pub struct Stream<'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    spare: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    has_ended: bool,
    /// Counts arriving bytes, and their unpacked size.
    pub budget: Budget,
    /// How it is compressed.
    pub compression: Compression,
    interrupt: &'a AtomicBool,
}

impl<'a> Stream<'a> {
    /// Decodes bytes while `consume` takes the result.
    ///
    /// # Errors
    /// Those of `consume`.
    pub fn run<T, S: ReadAt + ?Sized>(
        compression: Compression,
        source: &S,
        budget: Budget,
        interrupt: &'a AtomicBool,
        consume: impl FnOnce(&mut Stream<'a>) -> Result<T>,
    ) -> Result<T> {
        let (sender, chunks) = sync_channel(AHEAD);
        let (spare, used) = channel();
        let memory = budget.memory;
        let packed =
            BufReader::with_capacity(PACKED_BUFFER, Watched { source, offset: 0, interrupt });
        std::thread::scope(|scope| {
            let decode = move || {
                let result = compression
                    .decoder(packed, memory)
                    .and_then(|decoder| pump(decoder, &sender, &used));
                if let Err(error) = result {
                    // The receiver is gone when the consumer has failed.
                    let _ = sender.send(Err(error));
                }
            };
            let thread = std::thread::Builder::new()
                .name("syslua-decode".to_owned())
                .spawn_scoped(scope, decode);
            let thread = thread.map_err(Problem::Read)?;
            let (chunk, position, has_ended) = (Vec::new(), 0, false);
            let mut stream = Stream {
                chunks,
                spare,
                chunk,
                position,
                has_ended,
                budget,
                compression,
                interrupt,
            };
            let result = consume(&mut stream);
            // The other side ends when its receiver is gone. A panic there is an early end here.
            drop(stream);
            let _ = thread.join();
            result
        })
    }

    /// Returns bytes that were not consumed yet; none at the end.
    ///
    /// # Errors
    /// When the file is damaged, or unpacks to more than it may.
    pub fn fill(&mut self) -> Result<&[u8]> {
        while self.position == self.chunk.len() && !self.has_ended {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Problem::Interrupted);
            }
            let chunk = match self.chunks.recv() {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => return Err(self.problem(error)),
                Err(_) => return Err(Problem::Damaged("its decoder gave up".to_owned())),
            };
            self.budget.spend(chunk.len() as u64)?;
            self.has_ended = chunk.is_empty();
            let used = std::mem::replace(&mut self.chunk, chunk);
            let _ = self.spare.send(used);
            self.position = 0;
        }
        Ok(&self.chunk[self.position..])
    }

    /// Takes bytes that [`Stream::fill`] returned.
    pub fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.chunk.len());
    }

    /// Reads as many bytes as there is room for, fewer only at the end.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut known = 0;
        while known < buffer.len() {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len().min(buffer.len() - known);
            buffer[known..known + count].copy_from_slice(&bytes[..count]);
            known += count;
            self.consume(count);
        }
        Ok(known)
    }

    /// Hands exactly `count` bytes to `take`, piece by piece.
    ///
    /// # Errors
    /// As [`Stream::fill`]; when there are fewer; and those of `take`.
    pub fn hand(
        &mut self,
        mut count: u64,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while count > 0 {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                return Err(Problem::CutOff(format!(
                    "{count} bytes of its last entry are missing"
                )));
            }
            let piece = bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            take(&bytes[..piece])?;
            self.consume(piece);
            count -= piece as u64;
        }
        Ok(())
    }

    fn problem(&self, error: io::Error) -> Problem {
        let name = self.compression.name();
        if self.interrupt.load(Ordering::Relaxed) {
            Problem::Interrupted
        } else if error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TrailingData>)
        {
            Problem::Trailing(format!("it has data after the end of its {name} stream"))
        } else if error.raw_os_error().is_some() {
            Problem::Read(error)
        } else if compression::wants_memory(&error) {
            let what = format!("{name} needs a larger window in memory");
            Problem::Limit { what, limit: "memory", value: self.budget.memory }
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            Problem::CutOff(format!("its {name} data has no end"))
        } else {
            Problem::Damaged(format!("{name}: {error}"))
        }
    }
}

/// Sends all that a decoder gives; an empty chunk is the end.
fn pump(
    mut decoder: impl Read,
    chunks: &SyncSender<io::Result<Vec<u8>>>,
    used: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    loop {
        let mut chunk = used.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let mut known = 0;
        while known < CHUNK {
            match decoder.read(&mut chunk[known..]) {
                Ok(0) => break,
                Ok(read) => known += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        chunk.truncate(known);
        if chunks.send(Ok(chunk)).is_err() || known == 0 {
            return Ok(());
        }
    }
}

/// Bytes that cannot be read any more after a request to stop: some archives decode to nothing at
/// all for a long time.
struct Watched<'a, S: ?Sized> {
    source: &'a S,
    offset: u64,
    interrupt: &'a AtomicBool,
}

impl<S: ReadAt + ?Sized> Read for Watched<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        let read = self.source.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
