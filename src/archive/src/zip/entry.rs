//! One entry: its local header, which must say what the directory says, and its content.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::Ordering;

use super::bytes::{Fields, Range};
use super::central::{EntryKind, Record};
use crate::compression::{self, Compression, zstd_decoder};
use crate::destination::{Content, Creation, Destination, ReadAt};
use crate::names::{self, Origin};
use crate::problem::{Problem, Result};
use crate::{Archive, tar};

const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_SIZE: usize = 30;
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const ZIP64: u16 = 0x0001;
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Flags that change what the bytes of an entry are: encrypted, descriptor, strongly so, masked.
const TELLING_FLAGS: u16 = 1 | HAS_DESCRIPTOR | 1 << 6 | 1 << 13;
const BUFFER: usize = 64 << 10;

/// Mode of a file where nothing is said.
const PLAIN_MODE: u32 = 0o644;

/// Reads entries, one after the other.
pub struct Reader<'a, S: ReadAt + ?Sized, D> {
    archive: &'a Archive<'a, S>,
    tree: D,
    memory: u64,
    buffer: Vec<u8>,
}

impl<'a, S: ReadAt + ?Sized, D: Destination> Reader<'a, S, D> {
    /// Makes it; decoders keep at most about `memory` bytes.
    pub fn new(archive: &'a Archive<'a, S>, tree: D, memory: u64) -> Reader<'a, S, D> {
        Reader { archive, tree, memory, buffer: vec![0; 4 * BUFFER] }
    }

    /// Unpacks an entry, to which every byte until `end` must belong; a replaced entry is only
    /// checked.
    ///
    /// # Errors
    /// When its parts contradict each other, or the file system refuses.
    pub fn extract(&mut self, record: &Record, end: u64, is_replaced: bool) -> Result<()> {
        let options = self.archive.options;
        let size =
            usize::try_from(end.saturating_sub(record.offset)).unwrap_or(BUFFER).clamp(1, BUFFER);
        let mut input =
            BufReader::with_capacity(size, Range::new(self.archive.source, record.offset, end));
        let header_size = check_local(&mut input, record)?;
        let after =
            record.offset.checked_add(header_size).and_then(|data| data.checked_add(record.packed));
        let Some(rest) = after.and_then(|after| end.checked_sub(after)) else {
            return Err(Problem::entry(
                &record.name,
                "shares its bytes with what comes after it, or is cut off",
            ));
        };
        let kind = record.check()?;
        let name = names::parse(&record.name, Origin::Zip, options.strip, &options.limits)?;
        match kind {
            _ if name.is_stripped || is_replaced => self.decode(&mut input, record, |_| Ok(()))?,
            EntryKind::Directory => {
                self.decode(&mut input, record, |_| Ok(()))?;
                self.tree.directory(&name.parts)?;
            }
            EntryKind::Symlink => {
                let mut target = Vec::new();
                self.decode(&mut input, record, |bytes| {
                    target.extend_from_slice(bytes);
                    // Too long is soon long enough.
                    tar::check_target(&record.name, &target)
                })?;
                tar::check_target(&record.name, &target)?;
                self.tree.symlink(&name.parts, &target)?;
            }
            EntryKind::File => {
                let mut output = self.tree.file(
                    &name.parts,
                    record.mode().unwrap_or(PLAIN_MODE),
                    Creation::New,
                )?;
                self.decode(&mut input, record, |bytes| output.put(bytes))?;
                output.finish()?;
            }
        }
        check_rest(&mut input, record, rest)
    }

    /// Decodes the content, and checks its size and checksum.
    fn decode(
        &mut self,
        input: &mut BufReader<Range<'_, S>>,
        record: &Record,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut packed = input.take(record.packed);
        let mut size = 0u64;
        let mut checksum = crc32fast::Hasher::new();
        {
            let failed = |error| self.problem(record, &error);
            let mut decoder: Box<dyn Read + '_> = match record.method {
                0 => Box::new(&mut packed),
                8 => Box::new(flate2::bufread::DeflateDecoder::new(&mut packed)),
                12 => Box::new(bzip2::bufread::BzDecoder::new(&mut packed)),
                93 => Box::new(zstd_decoder(&mut packed, self.memory).map_err(failed)?),
                _ => Compression::Xz.decoder(&mut packed, self.memory).map_err(failed)?,
            };
            loop {
                let read = match decoder.read(&mut self.buffer) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(self.problem(record, &error)),
                };
                if self.archive.interrupt.load(Ordering::Relaxed) {
                    return Err(Problem::Interrupted);
                }
                size += read as u64;
                if size > record.size {
                    let reason = format!("claims to have {} bytes, but has more", record.size);
                    return Err(Problem::entry(&record.name, reason));
                }
                checksum.update(&self.buffer[..read]);
                take(&self.buffer[..read])?;
            }
        }
        if size < record.size {
            let reason = format!("claims to have {} bytes, but has {size}", record.size);
            return Err(Problem::entry(&record.name, reason));
        }
        if checksum.finalize() != record.checksum {
            return Err(Problem::entry(
                &record.name,
                "is damaged: its content has another checksum",
            ));
        }
        if !packed.fill_buf().map_err(|error| self.problem(record, &error))?.is_empty() {
            return Err(Problem::entry(
                &record.name,
                "has trailing data after its compressed content",
            ));
        }
        Ok(())
    }

    fn problem(&self, record: &Record, error: &io::Error) -> Problem {
        if compression::wants_memory(error) {
            let what = "an entry needs a larger window in memory".to_owned();
            return Problem::Limit { what, limit: "memory", value: self.memory };
        }
        Problem::entry(&record.name, format!("is damaged: {error}"))
    }
}

/// Reads the local header, 4.3.7, and compares it with the directory's record; returns its size.
fn check_local(input: &mut impl Read, record: &Record) -> Result<u64> {
    let contradicts = |what: &str| {
        let reason = format!("has a local header that contradicts the central directory: {what}");
        Problem::entry(&record.name, reason)
    };
    let cut_off = |_| {
        Problem::entry(&record.name, "shares its bytes with what comes after it, or is cut off")
    };
    let mut fixed = [0; LOCAL_SIZE];
    input.read_exact(&mut fixed).map_err(cut_off)?;
    if !fixed.starts_with(LOCAL) {
        return Err(contradicts("there is none"));
    }
    let mut fields = Fields(&fixed[6..]);
    let mut read = || {
        let (flags, method, _time) = (fields.short()?, fields.short()?, fields.long()?);
        let (checksum, packed, size) = (fields.long()?, fields.long()?, fields.long()?);
        Some((flags, method, checksum, packed, size, fields.short()?, fields.short()?))
    };
    let (flags, method, checksum, packed, size, name_length, extra_length) =
        read().ok_or_else(|| contradicts("it is incomplete"))?;
    let mut name = vec![0; usize::from(name_length)];
    input.read_exact(&mut name).map_err(cut_off)?;
    let mut extra = vec![0; usize::from(extra_length)];
    input.read_exact(&mut extra).map_err(cut_off)?;
    if name != record.raw_name {
        return Err(contradicts(&format!("it has the name {}", crate::problem::show(&name))));
    }
    if method != record.method {
        return Err(contradicts("it has another method"));
    }
    if flags & TELLING_FLAGS != record.flags & TELLING_FLAGS {
        return Err(contradicts("it has other flags"));
    }
    let (mut packed, mut size) = (u64::from(packed), u64::from(size));
    let mut fields = Fields(&extra);
    while let Some((number, content)) = fields.extra() {
        if number == ZIP64 {
            let mut content = Fields(content);
            for number in [&mut size, &mut packed] {
                if *number == u64::from(u32::MAX) {
                    *number = content.huge().ok_or_else(|| contradicts("it lacks a size"))?;
                }
            }
        }
    }
    // With a descriptor they may come only after the content.
    let may_be_zero = flags & HAS_DESCRIPTOR != 0;
    let agrees = |local: u64, central: u64| local == central || (may_be_zero && local == 0);
    if !agrees(size, record.size) || !agrees(packed, record.packed) {
        return Err(contradicts(&format!("{size} bytes instead of {}", record.size)));
    }
    if !agrees(checksum.into(), record.checksum.into()) {
        return Err(contradicts("it has another checksum"));
    }
    Ok((LOCAL_SIZE + name.len() + extra.len()) as u64)
}

/// Checks the bytes between the content and the next entry: none, or a data descriptor, 4.3.9.
fn check_rest(input: &mut impl Read, record: &Record, rest: u64) -> Result<()> {
    let refuse = |reason: &str| Err(Problem::entry(&record.name, reason));
    if record.flags & HAS_DESCRIPTOR == 0 {
        return if rest == 0 {
            Ok(())
        } else {
            refuse("is followed by bytes that belong to no entry")
        };
    }
    let mut descriptor = [0; 24];
    let Some(descriptor) = usize::try_from(rest).ok().and_then(|rest| descriptor.get_mut(..rest))
    else {
        return refuse("is followed by bytes that belong to no entry");
    };
    if input.read_exact(descriptor).is_err() {
        return refuse("is cut off");
    }
    // The signature is optional, and so are the long sizes of zip64.
    let content = if matches!(rest, 16 | 24) {
        descriptor.strip_prefix(DESCRIPTOR)
    } else {
        Some(&*descriptor)
    };
    let mut fields = Fields(content.unwrap_or_default());
    let checksum = fields.long();
    let (packed, size) = match rest {
        12 | 16 => (fields.long().map(u64::from), fields.long().map(u64::from)),
        20 | 24 => (fields.huge(), fields.huge()),
        _ => return refuse("is followed by bytes that belong to no entry"),
    };
    if checksum != Some(record.checksum)
        || packed != Some(record.packed)
        || size != Some(record.size)
    {
        return refuse("has a data descriptor that contradicts the central directory");
    }
    Ok(())
}
