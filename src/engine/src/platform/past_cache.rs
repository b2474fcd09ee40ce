//! Writing a large file past the page cache: its bytes go from the buffer to the disk.
//!
//! Through the cache, the kernel takes memory for each page, copies into it, and writes it later,
//! while a sync waits. What is published has to be on the disk before it is recorded, so nothing is
//! won by that. `open(2)` describes `O_DIRECT`; a file system that lacks it refuses it, and then
//! everything goes through the cache.

use std::fs::File;
use std::io::{self, Write};

/// The alignment that every disk takes: addresses, offsets and lengths are multiples of it.
pub(super) const ALIGNMENT: usize = 4096;

/// A buffer that begins at an aligned address.
pub struct Pages {
    bytes: Vec<u8>,
    first: usize,
    length: usize,
}

impl Pages {
    /// Makes one of this length in bytes.
    pub fn new(length: usize) -> Pages {
        let bytes = vec![0; length + ALIGNMENT];
        // It may be impossible to tell; then writes are refused, and go through the cache.
        let first = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Pages { bytes, first, length }
    }

    /// Returns the buffer.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.first..self.first + self.length]
    }
}

/// A new file that is written from its beginning to its end.
pub struct PastCache {
    file: File,
    is_direct: bool,
}

impl PastCache {
    /// Takes an empty file. Writes pass the cache if `wanted`, and where the system can.
    pub fn new(file: File, wanted: bool) -> PastCache {
        let is_direct = wanted && set_direct(&file, true).is_ok();
        PastCache { file, is_direct }
    }

    /// Appends bytes. All but the last call pass a multiple of the alignment.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.is_direct && !rest.is_empty() {
            let aligned = rest.len() - rest.len() % ALIGNMENT;
            if aligned == 0 {
                self.use_cache()?;
                break;
            }
            match self.file.write(&rest[..aligned]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The disk wants another alignment, or the last write ended in the middle of a
                // block.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.use_cache()?,
                Err(error) => return Err(error),
            }
        }
        self.file.write_all(rest)
    }

    fn use_cache(&mut self) -> io::Result<()> {
        self.is_direct = false;
        set_direct(&self.file, false)
    }
}

pub(super) use system::set_direct;

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    pub(in crate::platform) fn set_direct(file: &File, is_direct: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(file)?;
        flags.set(OFlags::DIRECT, is_direct);
        Ok(fcntl_setfl(file, flags)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;
    use std::io;

    pub(in crate::platform) fn set_direct(_file: &File, is_direct: bool) -> io::Result<()> {
        if is_direct { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_has_the_bytes_that_were_written_whatever_their_number() {
        const PIECE: usize = 4 * ALIGNMENT;
        let directory = tempfile::tempdir().unwrap();
        for wanted in [true, false] {
            for length in [0, 1, 4095, 4096, 4097, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 777] {
                let content: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
                let path = directory.path().join(length.to_string());
                let mut file = PastCache::new(File::create(&path).unwrap(), wanted);
                let mut pages = Pages::new(PIECE);
                for part in content.chunks(PIECE) {
                    pages.bytes()[..part.len()].copy_from_slice(part);
                    file.write_all(&pages.bytes()[..part.len()]).unwrap();
                }
                assert_eq!(fs::read(&path).unwrap(), content, "{length} {wanted}");
            }
        }
    }

    #[test]
    fn bytes_at_any_address_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..3 * ALIGNMENT + 5).map(|number| (number % 251) as u8).collect();
        let mut file = PastCache::new(File::create(&path).unwrap(), true);
        for part in content.chunks(ALIGNMENT + 3) {
            file.write_all(part).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}
