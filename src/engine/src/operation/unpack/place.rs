//! An archive's file and the tree that it goes to, as `syslua_archive` asks for them.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use syslua_archive::problem::Result;
use syslua_archive::{Content, Creation, Destination, Problem, ReadAt};

use super::tree::Tree;
use crate::platform;

/// The file of an archive.
pub struct ArchiveFile(pub File);

impl ReadAt for ArchiveFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        platform::read_at(&self.0, buffer, offset)
    }
}

impl From<platform::Error> for Problem {
    fn from(error: platform::Error) -> Problem {
        Problem::Destination(Box::new(error))
    }
}

/// The directory that entries are written below.
pub struct Place(pub Tree);

impl Destination for Place {
    type Content = Output;

    fn directory(&mut self, name: &[&[u8]]) -> Result<()> {
        self.0.directory(name)
    }

    fn file(&mut self, name: &[&[u8]], mode: u32, creation: Creation) -> Result<Output> {
        if creation == Creation::Replace {
            self.0.remove(name)?;
        }
        let file = self.0.file(name, mode)?;
        Ok(Output { file, path: self.0.path(name), at: 0, length: 0 })
    }

    fn symlink(&mut self, name: &[&[u8]], target: &[u8]) -> Result<()> {
        self.0.symlink(name, target)
    }

    fn link(&mut self, name: &[&[u8]], original: &[&[u8]]) -> Result<u64> {
        let original = self.0.original(original)?;
        self.0.link(name, &original)?;
        Ok(original.size)
    }
}

/// A file under way.
pub struct Output {
    file: File,
    path: PathBuf,
    /// Where the next bytes go, and how long the file is until now.
    at: u64,
    length: u64,
}

impl Output {
    fn failed(&self, error: io::Error) -> Problem {
        platform::failed("write", &self.path)(error).into()
    }
}

impl Content for Output {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.at > self.length {
            self.file.seek(SeekFrom::Start(self.at)).map_err(|error| self.failed(error))?;
        }
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        self.length = self.at;
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        self.at += count;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if self.at > self.length {
            self.file.set_len(self.at).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}
