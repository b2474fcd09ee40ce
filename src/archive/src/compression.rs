//! Decoders of compressed streams: all members and frames that follow one another, and nothing
//! else.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// How a tar archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// What xz needs besides its window.
const XZ_OVERHEAD: u64 = 2 << 20;

impl Compression {
    /// Returns its name, which is also that of its program.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "nothing",
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
        }
    }

    /// Returns what decodes a stream, keeping at most about `memory` bytes of it.
    ///
    /// # Errors
    /// When the decoder cannot be made.
    pub fn decoder<'a>(
        self,
        packed: impl BufRead + 'a,
        memory: u64,
    ) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(packed),
            Compression::Gzip => Box::new(Members::<GzDecoder<_>>::new(packed)),
            Compression::Bzip2 => Box::new(Members::<bzip2::bufread::BzDecoder<_>>::new(packed)),
            Compression::Xz => {
                let stream =
                    Stream::new_stream_decoder(memory.saturating_add(XZ_OVERHEAD), CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Compression::Zstd => Box::new(zstd_decoder(packed, memory)?),
        })
    }
}

/// Returns a decoder of all frames of zstd.
///
/// # Errors
/// When it cannot be made.
pub fn zstd_decoder<'a, R: BufRead>(
    packed: R,
    memory: u64,
) -> io::Result<zstd::stream::read::Decoder<'a, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    // The library's own bounds; it wants a power of two.
    decoder.window_log_max(memory.max(1).ilog2().clamp(10, 31))?;
    Ok(decoder)
}

/// Returns whether a decoder failed because the stream asks for a larger window than it may keep.
pub fn wants_memory(error: &io::Error) -> bool {
    let text = error.to_string();
    // The words of liblzma's and libzstd's error codes.
    text.contains("memory limit") || text.contains("too much memory")
}

/// The decoder of one member of a file that may have several.
trait Member<R>: Read {
    /// What each begins with.
    const MAGIC: &'static [u8];
    fn begin(packed: R) -> Self;
    fn end(self) -> R;
}

impl<R: BufRead> Member<R> for GzDecoder<R> {
    const MAGIC: &'static [u8] = b"\x1f\x8b";
    fn begin(packed: R) -> Self {
        GzDecoder::new(packed)
    }
    fn end(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member<R> for bzip2::bufread::BzDecoder<R> {
    const MAGIC: &'static [u8] = b"BZ";
    fn begin(packed: R) -> Self {
        bzip2::bufread::BzDecoder::new(packed)
    }
    fn end(self) -> R {
        self.into_inner()
    }
}

/// All members, one after the other.
struct Members<D>(Option<D>);

impl<D> Members<D> {
    fn new<R>(packed: R) -> Members<D>
    where
        D: Member<R>,
    {
        Members(Some(D::begin(packed)))
    }
}

/// Marks the error of data after the last member.
#[derive(Debug, thiserror::Error)]
#[error("other data follows the compressed data")]
pub struct TrailingData;

impl<R: BufRead> Read for Members<GzDecoder<R>> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_member(&mut self.0, buffer)
    }
}

impl<R: BufRead> Read for Members<bzip2::bufread::BzDecoder<R>> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_member(&mut self.0, buffer)
    }
}

/// Reads zeros to the end.
fn skip_zeros(packed: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = packed.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(io::Error::other(TrailingData));
        }
        let count = bytes.len();
        packed.consume(count);
    }
}

fn read_member<R: BufRead, D: Member<R>>(
    current: &mut Option<D>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    while let Some(decoder) = current {
        let read = decoder.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let Some(mut packed) = current.take().map(D::end) else { break };
        let next = packed.fill_buf()?;
        let known = next.len().min(D::MAGIC.len());
        if next.is_empty() {
            break;
        }
        if next[0] == 0 {
            // Tapes and fixed blocks are filled with zeros, which gzip and bzip2 ignore.
            return skip_zeros(&mut packed).map(|()| 0);
        }
        if next[..known] != D::MAGIC[..known] {
            return Err(io::Error::other(TrailingData));
        }
        *current = Some(D::begin(packed));
    }
    Ok(0)
}
