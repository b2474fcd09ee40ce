//! tar, as ustar, pax, GNU tar and the tar of version 7 write it.
//!
//! The blocks are read here and not by a library: what one header says and another contradicts must
//! be refused, and libraries choose. Formats: POSIX.1-2001 pax, "ustar Interchange Format" and "pax
//! Header Block"; the GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".

mod header;
mod number;
mod pax;
mod sparse;

use self::header::{EntryType, Header};
use self::pax::Records;
use self::sparse::Segment;
use crate::Options;
use crate::compression::Compression;
use crate::destination::{Content, Destination};
use crate::names::{self, Name, Origin};
use crate::problem::{Problem, Result, show};
use crate::seen_names::{NameKind, Registry};
use crate::stream::Stream;

/// The size of a block, in which everything comes.
pub const BLOCK: usize = 512;

/// The largest extended header: those that tar programs write are a few hundred bytes.
const LONGEST_RECORDS: u64 = 1 << 20;

/// Returns whether a file begins with a header.
pub fn is_header(start: &[u8]) -> bool {
    start.try_into().is_ok_and(|block| Header::parse(block).is_ok())
}

/// Unpacks the result of a stream.
///
/// # Errors
/// When something in it is refused, and those of the destination.
pub fn extract<D: Destination>(
    options: &Options,
    open: &(dyn Fn() -> Result<D> + Sync),
    stream: &mut Stream<'_>,
) -> Result<()> {
    let registry = Registry::new(options.limits.entries, options.allow_case_collisions);
    let mut reader =
        Reader { options, stream, tree: open()?, registry, next: Extension::default(), count: 0 };
    reader.read()
}

/// Returns whether bytes are, or are meant to be, the beginning of an archive, though perhaps a
/// damaged or empty one.
pub fn is_start(start: &[u8]) -> bool {
    is_header(start) || is_end(start) || start.get(257..262) == Some(b"ustar")
}

/// Returns whether a file of this length, which is not compressed, is an archive without entries:
/// an end marker, in one record at most. More zeros than that are more likely a damaged file.
pub fn is_empty(start: &[u8], length: u64) -> bool {
    const LONGEST_RECORD: u64 = 20 * BLOCK as u64;
    is_end(start) && length <= LONGEST_RECORD && length.is_multiple_of(BLOCK as u64)
}

fn is_end(block: &[u8]) -> bool {
    block.len() == BLOCK && block.iter().all(|byte| *byte == 0)
}

/// What the headers before an entry say of it.
#[derive(Default)]
struct Extension {
    records: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Extension {
    fn is_empty(&self) -> bool {
        self.records.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

/// One entry, as its headers say together.
struct Entry {
    name: Vec<u8>,
    link: Vec<u8>,
    /// Bytes in the archive.
    size: u64,
    records: Records,
    header: Header,
}

struct Reader<'a, 's, D> {
    options: &'a Options,
    stream: &'a mut Stream<'s>,
    tree: D,
    registry: Registry,
    next: Extension,
    count: u64,
}

impl<D: Destination> Reader<'_, '_, D> {
    fn read(&mut self) -> Result<()> {
        let mut block = [0; BLOCK];
        loop {
            let known = self.stream.read(&mut block)?;
            if known < BLOCK {
                // Whether all is there, the end of a compressed stream tells too.
                if known == 0 && self.stream.compression != Compression::None {
                    break;
                }
                let what = if known == 0 {
                    "its end marker is missing"
                } else {
                    "it ends within a header"
                };
                return Err(Problem::CutOff(what.to_owned()));
            }
            if is_end(&block) {
                break;
            }
            let header = Header::parse(&block).map_err(|problem| {
                Problem::Damaged(format!("header number {} {problem}", self.count + 1))
            })?;
            self.count += 1;
            self.take(header)?;
        }
        if !self.next.is_empty() {
            return Err(Problem::Damaged(
                "its last extended header belongs to no entry".to_owned(),
            ));
        }
        self.read_padding()?;
        // An archive without entries is one, and an empty directory is what it holds.
        if self.registry.is_empty() && self.count > 0 && self.options.strip > 0 {
            return Err(Problem::Stripped(self.options.strip));
        }
        Ok(())
    }

    /// Reads on behind the first block of the end marker: by then everything was checked by
    /// whatever checksum the compression has.
    fn read_padding(&mut self) -> Result<()> {
        let mut length = 0;
        loop {
            let bytes = self.stream.fill()?;
            if bytes.is_empty() && length % BLOCK == 0 {
                return Ok(());
            } else if bytes.is_empty() {
                return Err(Problem::CutOff("it ends within its end marker".to_owned()));
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Err(Problem::Trailing("something follows its end marker".to_owned()));
            }
            let count = bytes.len();
            length = (length + count) % BLOCK;
            self.stream.consume(count);
        }
    }

    fn take(&mut self, header: Header) -> Result<()> {
        match header.kind {
            EntryType::Extended => {
                let records = self.read_records(&header)?;
                if self.next.records.replace(records).is_some() {
                    return Err(Problem::Damaged(
                        "two extended headers belong to one entry".to_owned(),
                    ));
                }
                Ok(())
            }
            EntryType::Global => self.read_records(&header)?.refuse_in_global_header(),
            EntryType::LongName => {
                // The last one counts, as in GNU tar.
                self.next.long_name = Some(self.read_long(&header)?);
                Ok(())
            }
            EntryType::LongLink => {
                self.next.long_link = Some(self.read_long(&header)?);
                Ok(())
            }
            // The label of a volume is not an entry.
            EntryType::Label => self.skip(header.size),
            _ => {
                let extension = std::mem::take(&mut self.next);
                self.extract(&combine(header, extension)?)
            }
        }
    }

    fn read_records(&mut self, header: &Header) -> Result<Records> {
        let content = self.read_whole(header.size, LONGEST_RECORDS)?;
        Records::parse(&content)
            .map_err(|problem| Problem::Damaged(format!("an extended header {problem}")))
    }

    /// Reads a long name of GNU tar, which a NUL ends.
    fn read_long(&mut self, header: &Header) -> Result<Vec<u8>> {
        let limit = self.options.limits.path;
        if header.size > limit.saturating_add(1) {
            let what = format!("it has a name of {} bytes", header.size);
            return Err(Problem::Limit { what, limit: "path", value: limit });
        }
        let mut name = self.read_whole(header.size, LONGEST_RECORDS)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn read_whole(&mut self, size: u64, limit: u64) -> Result<Vec<u8>> {
        if size > limit {
            return Err(Problem::Damaged(format!(
                "an extended header claims to be {size} bytes long"
            )));
        }
        let mut content = Vec::new();
        self.stream.hand(size, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        self.skip_padding(size)?;
        Ok(content)
    }

    fn skip(&mut self, size: u64) -> Result<()> {
        self.stream.hand(size, |_| Ok(()))?;
        self.skip_padding(size)
    }

    fn skip_padding(&mut self, size: u64) -> Result<()> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.stream.hand(padding, |_| Ok(()))
    }

    fn extract(&mut self, entry: &Entry) -> Result<()> {
        let options = self.options;
        let name = names::parse(&entry.name, Origin::Tar, options.strip, &options.limits)?;
        let is_directory = matches!(entry.header.kind, EntryType::Directory | EntryType::Listed)
            || (name.has_slash && entry.header.kind == EntryType::File);
        match entry.header.kind {
            EntryType::Special(what) => {
                return Err(Problem::entry(&entry.name, format!("is {what}")));
            }
            EntryType::Unknown(letter) => {
                let letter = char::from(letter).escape_default();
                return Err(Problem::entry(
                    &entry.name,
                    format!("is of the unknown kind '{letter}'"),
                ));
            }
            EntryType::Listed => self.skip(entry.size)?,
            EntryType::Directory | EntryType::Link | EntryType::Symlink if entry.size > 0 => {
                return Err(Problem::entry(
                    &entry.name,
                    format!("is not a file, but has {} bytes of content", entry.size),
                ));
            }
            _ if is_directory && entry.size > 0 => {
                return Err(Problem::entry(&entry.name, "is a file with the name of a directory"));
            }
            EntryType::File if !is_directory => {
                refuse_setuid(&entry.name, entry.header.mode, options.allow_setuid)?;
            }
            _ => {}
        }
        if is_directory {
            if !name.is_stripped {
                self.registry.add(&name.parts, NameKind::Directory)?;
                self.tree.directory(&name.parts)?;
            }
            return Ok(());
        }
        match entry.header.kind {
            EntryType::Symlink => self.symlink(entry, &name),
            EntryType::Link => self.link(entry, &name),
            _ => self.file(entry, &name),
        }
    }

    fn symlink(&mut self, entry: &Entry, name: &Name<'_>) -> Result<()> {
        check_target(&entry.name, &entry.link)?;
        if name.is_stripped {
            return Ok(());
        }
        self.registry.add(&name.parts, NameKind::Symlink)?;
        self.tree.symlink(&name.parts, &entry.link)
    }

    /// A hard link is one more name of an entry before it, whose name counts from the top of the
    /// archive.
    fn link(&mut self, entry: &Entry, name: &Name<'_>) -> Result<()> {
        let options = self.options;
        let refuse = |reason: String| Problem::entry(&entry.name, reason);
        let shown = show(&entry.link);
        let target = names::parse(&entry.link, Origin::Tar, options.strip, &options.limits)
            .map_err(|problem| {
                refuse(format!("is a hard link that leads out of the archive ({problem})"))
            })?;
        if name.is_stripped {
            return Ok(());
        }
        if target.is_stripped {
            return Err(refuse(format!(
                "is a hard link to {shown}, which strip = {} leaves out",
                options.strip
            )));
        }
        match self.registry.get(&target.parts) {
            Some(NameKind::Directory) => {
                return Err(refuse(format!("is a hard link to the directory {shown}")));
            }
            None => {
                return Err(refuse(format!(
                    "is a hard link to {shown}, which is not an earlier entry"
                )));
            }
            // A link to itself says nothing.
            Some(_) if target.parts == name.parts => return Ok(()),
            Some(_) => {}
        }
        self.registry.add(&name.parts, NameKind::Link)?;
        let size = self.tree.link(&name.parts, &target.parts)?;
        // In an object every name has content of its own.
        self.stream.budget.spend(size)
    }

    fn file(&mut self, entry: &Entry, name: &Name<'_>) -> Result<()> {
        let segments = self.read_segments(entry)?;
        let stored = segments.as_ref().map_or(entry.size, |segments| segments.stored);
        if name.is_stripped {
            return self.skip(stored);
        }
        let creation = self.registry.add(&name.parts, NameKind::File)?;
        let mut file = self.tree.file(&name.parts, entry.header.mode, creation)?;
        match &segments {
            None => copy(self.stream, stored, &mut file)?,
            Some(segments) => {
                self.stream.budget.spend(segments.size.saturating_sub(stored))?;
                write_sparse(self.stream, segments, &mut file)?;
            }
        }
        file.finish()?;
        self.skip_padding(stored)
    }

    /// Returns the place of a sparse file's content; `None` for other files.
    fn read_segments(&mut self, entry: &Entry) -> Result<Option<sparse::Segments>> {
        let damaged = |problem: String| {
            Problem::entry(&entry.name, format!("is a sparse file whose map {problem}"))
        };
        if entry.header.kind == EntryType::Sparse {
            let mut map =
                entry.header.sparse.clone().ok_or_else(|| damaged("is missing".to_owned()))?;
            let mut block = [0; BLOCK];
            while map.goes_on {
                if self.stream.read(&mut block)? < BLOCK {
                    return Err(Problem::CutOff(
                        "it ends within the map of a sparse file".to_owned(),
                    ));
                }
                map.add_block(&block).map_err(damaged)?;
            }
            return sparse::Segments::new(map.segments, map.size, entry.size)
                .map_err(damaged)
                .map(Some);
        }
        let Some(form) = sparse::Form::of(&entry.records).map_err(damaged)? else {
            return Ok(None);
        };
        let (segments, map_size) = match form.segments {
            Some(segments) => (segments, 0),
            None => self.read_map(entry)?,
        };
        let stored = entry
            .size
            .checked_sub(map_size)
            .ok_or_else(|| damaged("is longer than the entry".to_owned()))?;
        sparse::Segments::new(segments, form.size, stored).map_err(damaged).map(Some)
    }

    /// Reads the map of the format 1.0, which is the beginning of the content, in whole blocks.
    fn read_map(&mut self, entry: &Entry) -> Result<(Vec<Segment>, u64)> {
        let damaged = |problem: String| {
            Problem::entry(&entry.name, format!("is a sparse file whose map {problem}"))
        };
        let mut map = sparse::DecimalMap::default();
        let mut read = 0;
        let mut block = [0; BLOCK];
        loop {
            if read + BLOCK as u64 > entry.size.next_multiple_of(BLOCK as u64) {
                return Err(damaged("is longer than the entry".to_owned()));
            }
            if self.stream.read(&mut block)? < BLOCK {
                return Err(Problem::CutOff("it ends within the map of a sparse file".to_owned()));
            }
            read += BLOCK as u64;
            if let Some(segments) = map.add(&block).map_err(damaged)? {
                return Ok((segments, read));
            }
        }
    }
}

/// Refuses files that would run with the rights of their owner, which an object never has.
pub fn refuse_setuid(name: &[u8], mode: u32, is_allowed: bool) -> Result<()> {
    if mode & 0o6000 == 0 || is_allowed {
        return Ok(());
    }
    let reason = if mode & 0o4000 != 0 { "is setuid" } else { "is setgid" };
    Err(Problem::NotAllowed {
        name: name.to_owned(),
        reason: format!("{reason}, which no file in the store can be"),
        allow: "setuid",
        effect: "it is unpacked without that bit",
    })
}

/// Checks what a symbolic link leads to: any text, since nothing follows it here.
pub fn check_target(name: &[u8], target: &[u8]) -> Result<()> {
    const LONGEST: usize = 4095;
    if target.is_empty() {
        return Err(Problem::entry(name, "is a symbolic link to nothing"));
    }
    if target.contains(&0) {
        return Err(Problem::entry(name, "is a symbolic link whose target has a NUL byte"));
    }
    if target.len() > LONGEST {
        return Err(Problem::entry(
            name,
            "is a symbolic link whose target is longer than 4095 bytes",
        ));
    }
    Ok(())
}

/// Puts together what all headers say of an entry.
fn combine(header: Header, extension: Extension) -> Result<Entry> {
    let records = extension.records.unwrap_or_default();
    let choose = |long: Option<Vec<u8>>, key: &[u8], short: &[u8]| {
        records.get(key).map(<[u8]>::to_vec).or(long).unwrap_or_else(|| short.to_vec())
    };
    let mut name = choose(extension.long_name, b"path", &header.name);
    // Of a sparse file `path` is a made-up name.
    if let Some(real) = records.get(b"GNU.sparse.name") {
        name = real.to_vec();
    }
    let link = choose(extension.long_link, b"linkpath", &header.link);
    // What has no content may have a size in its header, such as that of the file a link leads to:
    // POSIX.1-1988, and all who read archives since then.
    let header_size = match header.kind {
        EntryType::Directory | EntryType::Link | EntryType::Symlink => 0,
        _ => header.size,
    };
    let size = match records.number(b"size").map_err(|problem| Problem::entry(&name, problem))? {
        None => header_size,
        Some(size) if size == header.size || size > header::LARGEST_OCTAL => size,
        Some(size) => {
            let both =
                format!("{} bytes in its header, {size} in its extended header", header.size);
            return Err(Problem::entry(&name, format!("has two sizes: {both}")));
        }
    };
    Ok(Entry { name, link, size, records, header })
}

fn copy(stream: &mut Stream<'_>, size: u64, file: &mut impl Content) -> Result<()> {
    stream.hand(size, |bytes| file.put(bytes))
}

fn write_sparse(
    stream: &mut Stream<'_>,
    segments: &sparse::Segments,
    file: &mut impl Content,
) -> Result<()> {
    let mut at = 0;
    for segment in &segments.all {
        file.skip(segment.offset - at)?;
        copy(stream, segment.length, file)?;
        at = segment.offset + segment.length;
    }
    file.skip(segments.size - at)
}
