//! The NAR format, written to a [`Sink`]: what `nix-hash --type sha256` hashes.
//!
//! Source of the format: E. Dolstra, "The Purely Functional Software Deployment Model", figure 5.2.
//! A string is its length as 64 bits little-endian, its bytes, and zeros up to a multiple of eight.
//! Knows nothing of the file system: [`crate::store`] walks trees and calls this.

use crate::hash::Sink;

const MAGIC: &[u8] = b"nix-archive-1";

/// Writes the parts of an archive in the order that the format asks for.
pub struct Writer<'a, S: Sink> {
    sink: &'a mut S,
}

impl<'a, S: Sink> Writer<'a, S> {
    /// Begins an archive.
    pub fn new(sink: &'a mut S) -> Writer<'a, S> {
        let mut writer = Writer { sink };
        writer.string(MAGIC);
        writer
    }

    /// Writes a symbolic link.
    pub fn symlink(&mut self, target: &[u8]) {
        for part in [b"(".as_slice(), b"type", b"symlink", b"target", target, b")"] {
            self.string(part);
        }
    }

    /// Begins a regular file of `length` bytes; [`Writer::content`] and [`Writer::end_file`] follow.
    pub fn begin_file(&mut self, executable: bool, length: u64) {
        for part in [b"(".as_slice(), b"type", b"regular"] {
            self.string(part);
        }
        if executable {
            self.string(b"executable");
            self.string(b"");
        }
        self.string(b"contents");
        self.sink.put(&length.to_le_bytes());
    }

    /// Writes the next bytes of a file.
    pub fn content(&mut self, bytes: &[u8]) {
        self.sink.put(bytes);
    }

    /// Ends a file of `length` bytes.
    pub fn end_file(&mut self, length: u64) {
        self.pad(length);
        self.string(b")");
    }

    /// Begins a directory; its entries follow in the order of their names' bytes.
    pub fn begin_directory(&mut self) {
        for part in [b"(".as_slice(), b"type", b"directory"] {
            self.string(part);
        }
    }

    /// Begins an entry of a directory; the node and [`Writer::end_entry`] follow.
    pub fn begin_entry(&mut self, name: &[u8]) {
        for part in [b"entry".as_slice(), b"(", b"name", name, b"node"] {
            self.string(part);
        }
    }

    /// Ends an entry of a directory.
    pub fn end_entry(&mut self) {
        self.string(b")");
    }

    /// Ends a directory.
    pub fn end_directory(&mut self) {
        self.string(b")");
    }

    fn string(&mut self, bytes: &[u8]) {
        self.sink.put(&(bytes.len() as u64).to_le_bytes());
        self.sink.put(bytes);
        self.pad(bytes.len() as u64);
    }

    fn pad(&mut self, length: u64) {
        let rest = (length % 8) as usize;
        if rest > 0 {
            self.sink.put(&[0; 8][rest..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Hash, Hasher};

    #[test]
    fn a_file_is_hashed_as_nix_does() {
        // nix-hash --type sha256 of a file with the content "hello\n"
        let mut hasher = Hasher::default();
        let mut writer = Writer::new(&mut hasher);
        writer.begin_file(false, 6);
        writer.content(b"hello\n");
        writer.end_file(6);
        let expected = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13";
        assert_eq!(hasher.finish(), Hash::parse(expected).unwrap());
    }
}
