//! Archives as entries: tar, compressed or not, and zip.
//!
//! What an archive is, its first bytes tell, never its name. Nothing in it is skipped silently: an
//! entry that would leave the destination, go through a link or over another entry, or that says
//! two different things of itself, is refused. This crate knows no files: bytes come through
//! [`ReadAt`], and entries go to a [`Destination`].
//!
//! Each floor uses only the floors above it in this list, and within a floor a room uses only rooms
//! listed before it:
//!
//! - **F0** [`limits`], [`problem`], [`destination`], [`budget`]: what is refused, where entries go
//! - **F1** [`names`], [`seen_names`], [`compression`], [`stream`]: what entries are called, how
//!   bytes come
//! - **F2** [`tar`], [`zip`], [`format`]: the formats, and which one it is
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests make files as they like"
    )
)]

pub mod budget;
pub mod destination;
pub mod limits;
pub mod problem;

pub mod compression;
pub mod names;
pub mod seen_names;
pub mod stream;

pub mod format;
pub mod tar;
pub mod zip;

use std::sync::atomic::AtomicBool;

pub use destination::{Content, Creation, Destination, ReadAt};
pub use limits::Limits;
pub use problem::Problem;

use crate::budget::Budget;
use crate::compression::Compression;
use crate::format::Format;
use crate::stream::Stream;

/// How an archive is unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How many leading components of each name to leave out; `.` counts as one, as for `tar`.
    pub strip: usize,
    /// Keep names that differ in case only, which some file systems cannot tell apart.
    pub allow_case_collisions: bool,
    /// Take files that are setuid or setgid, without that bit.
    pub allow_setuid: bool,
    /// It is a single compressed file, which gets this name.
    pub single: Option<String>,
    /// How large it may be.
    pub limits: Limits,
}

/// An archive, and how to unpack it.
pub struct Archive<'a, S: ReadAt + ?Sized> {
    /// Its bytes.
    pub source: &'a S,
    /// How many there are.
    pub length: u64,
    /// How it is unpacked.
    pub options: &'a Options,
    /// The number of threads that may unpack entries in parallel, besides the decompressing thread.
    pub threads: usize,
    /// Set from outside to stop.
    pub interrupt: &'a AtomicBool,
}

impl<S: ReadAt + ?Sized> Archive<'_, S> {
    /// Writes all entries. `open` opens the destination; each thread has one of its own, of the
    /// same tree. It is called when the format is known.
    ///
    /// # Errors
    /// When something in the archive is refused, and errors of the destination. Files written until
    /// then stay.
    pub fn unpack<D: Destination>(
        &self,
        open: &(dyn Fn() -> problem::Result<D> + Sync),
    ) -> problem::Result<()> {
        let mut budget = Budget::new(&self.options.limits, self.length);
        let mut start = [0; format::START];
        let mut known = 0;
        while known < start.len() {
            match self.source.read_at(&mut start[known..], known as u64) {
                Ok(0) => break,
                Ok(read) => known += read,
                Err(error) => return Err(Problem::Read(error)),
            }
        }
        let compression = match format::recognise(&start[..known]) {
            Ok(Format::Tar(compression)) => compression,
            Ok(Format::Zip) => return zip::extract(self, open, &mut budget),
            // A script or program that unpacks it may precede it.
            Err(Problem::Unknown { .. }) if zip::has_end(self.source, self.length) => {
                return zip::extract(self, open, &mut budget);
            }
            Err(Problem::Unknown { .. }) if tar::is_empty(&start[..known], self.length) => {
                Compression::None
            }
            Err(problem) => return Err(problem),
        };
        Stream::run(compression, self.source, budget, self.interrupt, |stream| {
            if let Some(name) = &self.options.single {
                return write_single(stream, name, &mut open()?);
            }
            format::check_content(stream)?;
            tar::extract(self.options, open, stream)
        })
    }
}

/// Writes what is compressed as one file.
fn write_single<D: Destination>(
    stream: &mut Stream<'_>,
    name: &str,
    destination: &mut D,
) -> problem::Result<()> {
    let name = names::parse(name.as_bytes(), names::Origin::Tar, 0, &Limits::default())?;
    let mut file = destination.file(&name.parts, 0o755, Creation::New)?;
    loop {
        let bytes = stream.fill()?;
        if bytes.is_empty() {
            return file.finish();
        }
        let count = bytes.len();
        file.put(bytes)?;
        stream.consume(count);
    }
}
