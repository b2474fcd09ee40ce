//! Reading at places of a file, and numbers in little-endian order.

use std::io::{self, Read};

use crate::destination::ReadAt;
use crate::problem::{Problem, Result};

/// Fills a buffer from a place.
///
/// # Errors
/// When there are fewer bytes.
pub fn read_from<S: ReadAt + ?Sized>(source: &S, buffer: &mut [u8], offset: u64) -> Result<()> {
    let end = offset.saturating_add(buffer.len() as u64);
    Range { source, offset, end }.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::CutOff("it ends within a record".to_owned()),
        _ => Problem::Read(error),
    })
}

/// A part of the archive.
pub struct Range<'a, S: ?Sized> {
    source: &'a S,
    offset: u64,
    end: u64,
}

impl<'a, S: ReadAt + ?Sized> Range<'a, S> {
    /// Makes it.
    pub fn new(source: &'a S, offset: u64, end: u64) -> Range<'a, S> {
        Range { source, offset, end }
    }
}

impl<S: ReadAt + ?Sized> Read for Range<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let room = rest.min(buffer.len());
        let read =
            if room == 0 { 0 } else { self.source.read_at(&mut buffer[..room], self.offset)? };
        self.offset += read as u64;
        Ok(read)
    }
}

/// Takes numbers off the front of a record.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// Takes bytes; `None` when there are fewer.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes 16 bits.
    pub fn short(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
    }

    /// Takes 32 bits.
    pub fn long(&mut self) -> Option<u32> {
        self.take(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
    }

    /// Takes 64 bits.
    pub fn huge(&mut self) -> Option<u64> {
        self.take(8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
    }

    /// Takes an extra field, 4.5.1: its number and content.
    pub fn extra(&mut self) -> Option<(u16, &'a [u8])> {
        let (number, length) = (self.short()?, self.short()?);
        Some((number, self.take(usize::from(length))?))
    }
}
