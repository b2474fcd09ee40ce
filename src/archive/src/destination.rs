//! Traits for the source and the destination of entries. Readers and writers of files implement
//! them.

use std::io;

use crate::problem::Result;

/// The bytes of an archive, read at places.
pub trait ReadAt: Sync {
    /// Reads bytes from an offset, as many as come at once; none at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest =
            usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// How a file comes to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The name is new.
    New,
    /// A regular file before it has the name, and is replaced; other names of that one keep its
    /// content.
    Replace,
}

/// A tree that entries are written to. Names are lists of components, without `.` and `..`; a name
/// without components is the tree itself. Directories above an entry may be missing.
pub trait Destination {
    /// Takes the content of a file.
    type Content: Content;

    /// Creates a directory, unless it is there.
    ///
    /// # Errors
    /// When it cannot be created.
    fn directory(&mut self, name: &[&[u8]]) -> Result<()>;

    /// Creates a file; `mode` is that of the archive.
    ///
    /// # Errors
    /// When it cannot be created.
    fn file(&mut self, name: &[&[u8]], mode: u32, creation: Creation) -> Result<Self::Content>;

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// When it cannot be created.
    fn symlink(&mut self, name: &[&[u8]], target: &[u8]) -> Result<()>;

    /// Gives an entry before it, a file or symbolic link, one more name; returns its size in bytes.
    ///
    /// # Errors
    /// When the name cannot be created.
    fn link(&mut self, name: &[&[u8]], original: &[&[u8]]) -> Result<u64>;
}

/// Takes the content of a file, from its first byte to its last.
pub trait Content {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// Leaves out bytes, which read as zeros.
    ///
    /// # Errors
    /// When that is impossible.
    fn skip(&mut self, count: u64) -> Result<()>;

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be ended.
    fn finish(self) -> Result<()>;
}
