//! The central directory: where it is, and its records.

use std::io::{self, BufReader, Read};

use super::bytes::{Fields, Range, read_from};
use crate::destination::ReadAt;
use crate::problem::{Problem, Result};

const END: &[u8] = b"PK\x05\x06";
const END_SIZE: u64 = 22;
const LARGEST_COMMENT: u64 = 0xffff;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_SIZE: u64 = 20;
const END_64: &[u8] = b"PK\x06\x06";
const END_64_SIZE: u64 = 56;
const RECORD: &[u8] = b"PK\x01\x02";
const RECORD_SIZE: usize = 46;

/// Extra fields.
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

/// Where the central directory is.
#[derive(Debug)]
pub struct Central {
    /// Where it begins.
    pub start: u64,
    end: u64,
    entries: u64,
    /// Bytes before the archive that its offsets do not count, such as a script that unpacks it.
    shift: u64,
}

fn damaged(problem: &str) -> Problem {
    Problem::Damaged(problem.to_owned())
}

impl Central {
    /// Finds it from the end of a file, 4.3.16.
    ///
    /// # Errors
    /// When the file does not end in exactly one end record.
    pub fn find<S: ReadAt + ?Sized>(file: &S, length: u64) -> Result<Central> {
        let tail_start = length.saturating_sub(END_SIZE + LARGEST_COMMENT);
        let mut tail = vec![0; usize::try_from(length - tail_start).unwrap_or(0)];
        read_from(file, &mut tail, tail_start)?;
        let mut places = memchr::memmem::find_iter(&tail, END).filter(|place| {
            let comment = tail
                .get(place + 20..place + 22)
                .map(|size| usize::from(u16::from_le_bytes([size[0], size[1]])));
            comment.is_some_and(|comment| place + 22 + comment == tail.len())
        });
        let Some(place) = places.next() else {
            return Err(match memchr::memmem::rfind(&tail, END) {
                // What follows is not the comment that it announces.
                Some(place) if place + 22 <= tail.len() => trailing_or_cut(&tail[place..]),
                _ => Problem::CutOff("its central directory is missing".to_owned()),
            });
        };
        if places.next().is_some() {
            return Err(damaged("it has two ends, one in the comment of the other"));
        }
        let end = tail_start + place as u64;
        let mut fields = Fields(&tail[place + 4..]);
        let read = || {
            let (disk, first_disk) = (fields.short()?, fields.short()?);
            let (on_disk, entries) = (fields.short()?, fields.short()?);
            Some((disk, first_disk, on_disk, entries, fields.long()?, fields.long()?))
        };
        let (disk, first_disk, on_disk, entries, size, start) =
            { read }().ok_or_else(|| damaged("its end is"))?;
        let has_more =
            entries == u16::MAX || size == u32::MAX || start == u32::MAX || on_disk == u16::MAX;
        let directory_end = u64::from(start) + u64::from(size);
        if (has_more || directory_end != end)
            && let Some(central) = Central::read_64(file, end)?
        {
            return Ok(central);
        }
        if disk != 0 || first_disk != 0 || on_disk != entries {
            return Err(damaged("it is a part of a split archive"));
        }
        Central { start: start.into(), end: directory_end, entries: entries.into(), shift: 0 }
            .at(end)
    }

    /// Reads the end record of zip64, 4.3.14, whose locator precedes the other.
    fn read_64<S: ReadAt + ?Sized>(file: &S, end: u64) -> Result<Option<Central>> {
        let Some(locator_start) = end.checked_sub(LOCATOR_SIZE) else { return Ok(None) };
        let mut locator = [0; LOCATOR_SIZE as usize];
        read_from(file, &mut locator, locator_start)?;
        if !locator.starts_with(LOCATOR) {
            return Ok(None);
        }
        let mut fields = Fields(&locator[4..]);
        let (disk, place, disks) = (fields.long(), fields.huge(), fields.long());
        let place = place.unwrap_or(0);
        if disk != Some(0) || disks != Some(1) {
            return Err(damaged("it is a part of a split archive"));
        }
        if place.checked_add(END_64_SIZE).is_none_or(|end| end > locator_start) {
            return Err(damaged("its zip64 end is not where it should be"));
        }
        let mut record = [0; END_64_SIZE as usize];
        read_from(file, &mut record, place)?;
        let mut at = place;
        if !record.starts_with(END_64) {
            // Its place counts from the beginning of the archive too.
            at = locator_start - END_64_SIZE;
            read_from(file, &mut record, at)?;
        }
        let mut fields = Fields(&record[4..]);
        let mut read = || {
            let size = fields.huge()?;
            let (_versions, disk, first_disk) = (fields.long()?, fields.long()?, fields.long()?);
            Some((
                size,
                disk,
                first_disk,
                fields.huge()?,
                fields.huge()?,
                fields.huge()?,
                fields.huge()?,
            ))
        };
        let Some((size, 0, 0, on_disk, entries, length, start)) = read() else {
            return Err(damaged("its zip64 end belongs to a split archive"));
        };
        // The size leaves out the first twelve bytes.
        if !record.starts_with(END_64)
            || at.checked_add(12).and_then(|at| at.checked_add(size)) != Some(locator_start)
        {
            return Err(damaged("its zip64 end is not where it should be"));
        }
        let directory_end =
            start.checked_add(length).ok_or_else(|| damaged("its central directory has no end"))?;
        if on_disk != entries {
            return Err(damaged("it is a part of a split archive"));
        }
        Central { start, end: directory_end, entries, shift: 0 }.at(at).map(Some)
    }

    /// Checks that the directory ends where its end record begins, and finds the data before the
    /// archive.
    fn at(mut self, end: u64) -> Result<Central> {
        let shift = end.checked_sub(self.end);
        self.shift =
            shift.ok_or_else(|| damaged("its central directory is not where its end says"))?;
        self.start += self.shift;
        self.end = end;
        if self
            .entries
            .checked_mul(RECORD_SIZE as u64)
            .is_none_or(|size| size > self.end - self.start)
        {
            return Err(damaged("its central directory is smaller than its entries"));
        }
        Ok(self)
    }

    /// Returns its records, from the first.
    pub fn records<'a, S: ReadAt + ?Sized>(&self, file: &'a S) -> Records<'a, S> {
        let range = Range::new(file, self.start, self.end);
        Records {
            input: BufReader::with_capacity(64 << 10, range),
            rest: self.entries,
            at: self.start,
            end: self.end,
            shift: self.shift,
        }
    }
}

fn trailing_or_cut(end: &[u8]) -> Problem {
    let announced = END_SIZE as usize + usize::from(u16::from_le_bytes([end[20], end[21]]));
    if end.len() > announced {
        Problem::Trailing(format!("{} bytes follow its end", end.len() - announced))
    } else {
        Problem::CutOff(format!("{} bytes of its comment are missing", announced - end.len()))
    }
}

/// The records of a central directory, one by one.
pub struct Records<'a, S: ?Sized> {
    input: BufReader<Range<'a, S>>,
    rest: u64,
    at: u64,
    end: u64,
    shift: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link, whose content is where it leads.
    Symlink,
}

/// One record, 4.3.12.
#[derive(Clone, Debug)]
pub struct Record {
    /// The name, decoded.
    pub name: Vec<u8>,
    /// The name as it is stored.
    pub raw_name: Vec<u8>,
    /// 4.4.4.
    pub flags: u16,
    /// How it is compressed, 4.4.5.
    pub method: u16,
    /// CRC-32 of the content.
    pub checksum: u32,
    /// Bytes in the archive.
    pub packed: u64,
    /// Bytes of the content.
    pub size: u64,
    /// Where its local header is.
    pub offset: u64,
    made_by: u16,
    attributes: u32,
}

impl<S: ReadAt + ?Sized> Records<'_, S> {
    /// Reads the next one.
    ///
    /// # Errors
    /// When it makes no sense, or the directory does not end after the last.
    pub fn next(&mut self) -> Result<Option<Record>> {
        if self.rest == 0 {
            return if self.at == self.end {
                Ok(None)
            } else {
                Err(damaged("its central directory has more records than its end says"))
            };
        }
        self.rest -= 1;
        let mut fixed = [0; RECORD_SIZE];
        self.read(&mut fixed)?;
        if !fixed.starts_with(RECORD) {
            return Err(damaged("its central directory has data that is not a record"));
        }
        let lengths =
            [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]])));
        let mut name = vec![0; lengths[0]];
        self.read(&mut name)?;
        let mut extra = vec![0; lengths[1] + lengths[2]];
        self.read(&mut extra)?;
        self.at += (RECORD_SIZE + name.len() + extra.len()) as u64;
        extra.truncate(lengths[1]);
        let mut record = parse(&fixed, name, &extra)?;
        let offset = record.offset.checked_add(self.shift);
        record.offset = offset.ok_or_else(|| damaged("a record of its central directory is"))?;
        Ok(Some(record))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("its central directory ends within a record"),
            _ => Problem::Read(error),
        })
    }
}

fn parse(fixed: &[u8; RECORD_SIZE], raw_name: Vec<u8>, extra: &[u8]) -> Result<Record> {
    let mut fields = Fields(&fixed[4..]);
    let broken = || damaged("a record of its central directory is");
    let (made_by, _needed) = (fields.short().ok_or_else(broken)?, fields.short());
    let (flags, method) = (fields.short().ok_or_else(broken)?, fields.short().ok_or_else(broken)?);
    let _time = fields.long();
    let checksum = fields.long().ok_or_else(broken)?;
    let (packed, size) = (fields.long().ok_or_else(broken)?, fields.long().ok_or_else(broken)?);
    let _lengths = fields.take(6);
    let (disk, _internal) = (fields.short(), fields.short());
    let (attributes, offset) =
        (fields.long().ok_or_else(broken)?, fields.long().ok_or_else(broken)?);
    if disk != Some(0) && disk != Some(u16::MAX) {
        return Err(damaged("it is a part of a split archive"));
    }
    let mut record = Record {
        name: Vec::new(),
        raw_name,
        flags,
        method,
        checksum,
        packed: packed.into(),
        size: size.into(),
        offset: offset.into(),
        made_by,
        attributes,
    };
    let mut unicode = None;
    let mut fields = Fields(extra);
    while let Some((number, content)) = fields.extra() {
        match number {
            ZIP64 => record.take_zip64(content)?,
            UNICODE_PATH => unicode = unicode_path(content, &record.raw_name),
            _ => {}
        }
    }
    record.name = record.decode_name(unicode);
    Ok(record)
}

/// Info-ZIP's field for names in UTF-8, 4.6.9: it counts while the checksum is that of the other
/// name.
fn unicode_path(content: &[u8], raw_name: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Fields(content);
    let (version, checksum) = (fields.take(1)?, fields.long()?);
    (version == [1] && checksum == crc32fast::hash(raw_name)).then(|| fields.0.to_vec())
}

impl Record {
    /// Takes the long numbers, 4.5.3: those whose short field is full, in a fixed order.
    fn take_zip64(&mut self, content: &[u8]) -> Result<()> {
        let mut fields = Fields(content);
        for number in [&mut self.size, &mut self.packed, &mut self.offset] {
            if *number == u64::from(u32::MAX) {
                *number = fields
                    .huge()
                    .ok_or_else(|| damaged("a record of its central directory lacks a size"))?;
            }
        }
        Ok(())
    }

    /// Returns the name as the machine where it was made has it: in UTF-8 when a flag says so, and
    /// else from Unix as it is, or from MS-DOS in its alphabet.
    fn decode_name(&self, unicode: Option<Vec<u8>>) -> Vec<u8> {
        let mut name = self.decode_characters(unicode);
        // Programs for MS-DOS and Windows wrote names as they are there, against 4.4.17; unzip
        // takes them so too.
        if self.made_by >> 8 == 0 && !name.contains(&b'/') {
            name.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        name
    }

    fn decode_characters(&self, unicode: Option<Vec<u8>>) -> Vec<u8> {
        const UTF_8: u16 = 1 << 11;
        if self.flags & UTF_8 != 0 || self.is_from_unix() || self.raw_name.is_ascii() {
            return self.raw_name.clone();
        }
        if let Some(unicode) = unicode {
            return unicode;
        }
        if std::str::from_utf8(&self.raw_name).is_ok() {
            return self.raw_name.clone();
        }
        self.raw_name.iter().map(|byte| dos_character(*byte)).collect::<String>().into_bytes()
    }

    fn is_from_unix(&self) -> bool {
        // Unix, and macOS: 4.4.2.
        matches!(self.made_by >> 8, 3 | 19)
    }

    /// Returns whether it is compressed by zstd or xz, whose decoders keep much in memory.
    pub fn has_window(&self) -> bool {
        matches!(self.method, 93 | 95)
    }

    /// Returns the mode of a file that was made on Unix.
    pub fn mode(&self) -> Option<u32> {
        Some(self.attributes >> 16).filter(|mode| self.is_from_unix() && *mode != 0)
    }

    /// Checks what does not need the content; returns the kind of the entry.
    ///
    /// # Errors
    /// When it is encrypted, compressed in an unknown way, or neither file, directory nor link.
    pub fn check(&self) -> Result<EntryKind> {
        const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
        const DOS_DIRECTORY: u32 = 0x10;
        let refuse = |reason: String| Err(Problem::entry(&self.name, reason));
        if self.flags & ENCRYPTED != 0 {
            return refuse("is encrypted".to_owned());
        }
        if self.method == 0 && self.packed != self.size {
            return refuse(format!(
                "is stored as it is, but has two sizes, {} and {} bytes",
                self.packed, self.size
            ));
        }
        if !matches!(self.method, 0 | 8 | 12 | 93 | 95) {
            let known = "stored, deflate, bzip2, zstd and xz are known";
            return refuse(format!("is compressed with {}; {known}", method_name(self.method)));
        }
        let is_directory = match self.mode().map_or(0, |mode| mode & 0o170_000) {
            0o040_000 => true,
            0o120_000 if self.name.ends_with(b"/") => {
                return refuse("is a symbolic link, but ends in a slash".to_owned());
            }
            0o120_000 => return Ok(EntryKind::Symlink),
            0o010_000 => return refuse("is a named pipe (FIFO)".to_owned()),
            0o020_000 => return refuse("is a character device".to_owned()),
            0o060_000 => return refuse("is a block device".to_owned()),
            0o140_000 => return refuse("is a socket".to_owned()),
            0 | 0o100_000 => {
                self.name.ends_with(b"/")
                    || (self.made_by >> 8 == 0 && self.attributes & DOS_DIRECTORY != 0)
            }
            _ => return refuse("is of an unknown kind".to_owned()),
        };
        match (is_directory, self.size) {
            (false, _) => Ok(EntryKind::File),
            (true, 0) => Ok(EntryKind::Directory),
            (true, size) => refuse(format!("is not a file, but has {size} bytes of content")),
        }
    }
}

/// The names of methods that other programs know, 4.4.5.
fn method_name(method: u16) -> String {
    let name = match method {
        1 => "shrink",
        2..=5 => "reduce",
        6 => "implode",
        9 => "deflate64",
        14 => "lzma",
        96 => "jpeg",
        97 => "wavpack",
        98 => "ppmd",
        99 => "AES encryption",
        _ => return format!("the unknown method {method}"),
    };
    name.to_owned()
}

/// Code page 437, the alphabet of zip where nothing else is said, appendix D.
fn dos_character(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»\
                         ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
                         αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    if byte < 0x80 {
        char::from(byte)
    } else {
        UPPER.chars().nth(usize::from(byte - 0x80)).unwrap_or('?')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_dos_is_complete() {
        assert_eq!(dos_character(b'a'), 'a');
        assert_eq!(dos_character(0x81), 'ü');
        assert_eq!(dos_character(0xe1), 'ß');
        assert_eq!(dos_character(0xff), '\u{a0}');
        assert_eq!(
            (0x80..=0xff).map(dos_character).filter(|character| *character == '?').count(),
            0
        );
    }
}
