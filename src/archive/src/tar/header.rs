//! One header block.

use super::BLOCK;
use super::number::number;
use super::sparse::OldMap;

/// The largest size that eleven octal digits hold: 8 GiB less a byte.
pub const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// A file.
    File,
    /// A file with holes, as GNU tar wrote them first.
    Sparse,
    /// A directory.
    Directory,
    /// GNU tar: a directory of an incremental backup, followed by the names in it.
    Listed,
    /// A hard link.
    Link,
    /// A symbolic link.
    Symlink,
    /// Records that belong to the next entry.
    Extended,
    /// Records that belong to all that follow.
    Global,
    /// GNU tar: the name of the next entry.
    LongName,
    /// GNU tar: what the next entry links to.
    LongLink,
    /// GNU tar: the label of a volume.
    Label,
    /// What cannot be in an object, in words.
    Special(&'static str),
    /// None of these.
    Unknown(u8),
}

/// A header.
#[derive(Clone, Debug)]
pub struct Header {
    /// What the entry is.
    pub kind: EntryType,
    /// Its name, with the prefix of ustar.
    pub name: Vec<u8>,
    /// What it links to.
    pub link: Vec<u8>,
    /// Permission bits, setuid, setgid and sticky.
    pub mode: u32,
    /// Bytes that follow, without padding.
    pub size: u64,
    /// The beginning of the map of a sparse file.
    pub sparse: Option<OldMap>,
}

impl Header {
    /// Reads a block; errors are read after "header number N ".
    pub fn parse(block: &[u8; BLOCK]) -> Result<Header, String> {
        let checksum =
            number(&block[148..156]).map_err(|problem| format!("has a checksum that {problem}"))?;
        if !is_sum(block, checksum) {
            return Err("has a wrong checksum".to_owned());
        }
        let is_posix = &block[257..263] == b"ustar\0";
        let is_gnu = &block[257..263] == b"ustar ";
        let mut name = until_nul(&block[..100]).to_vec();
        let prefix = until_nul(&block[345..500]);
        if is_posix && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let mode =
            number(&block[100..108]).map_err(|problem| format!("has a mode that {problem}"))?;
        let size =
            number(&block[124..136]).map_err(|problem| format!("has a size that {problem}"))?;
        let kind = kind_of(block[156]);
        let sparse = match kind {
            EntryType::Sparse if is_gnu => Some(OldMap::parse(block)?),
            EntryType::Sparse => {
                return Err(
                    "has the kind of a sparse file of GNU tar, but not its format".to_owned()
                );
            }
            _ => None,
        };
        let link = until_nul(&block[157..257]).to_vec();
        // Some programs put the kind of file there too.
        let mode = u32::try_from(mode & 0o7777).unwrap_or(0);
        Ok(Header { kind, name, link, mode, size, sparse })
    }
}

fn kind_of(letter: u8) -> EntryType {
    match letter {
        // `7` is a file that should be stored contiguously.
        b'0' | 0 | b'7' => EntryType::File,
        b'1' => EntryType::Link,
        b'2' => EntryType::Symlink,
        b'3' => EntryType::Special("a character device"),
        b'4' => EntryType::Special("a block device"),
        b'5' => EntryType::Directory,
        b'6' => EntryType::Special("a named pipe (FIFO)"),
        // Solaris wrote `X` before there was a standard.
        b'x' | b'X' => EntryType::Extended,
        b'g' => EntryType::Global,
        b'L' => EntryType::LongName,
        b'K' => EntryType::LongLink,
        b'S' => EntryType::Sparse,
        b'V' => EntryType::Label,
        b'D' => EntryType::Listed,
        b'M' => EntryType::Special("the rest of a file from another volume"),
        other => EntryType::Unknown(other),
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The sum of all bytes, with blanks in the place of the sum; some old programs added signed ones.
fn is_sum(block: &[u8; BLOCK], expected: u64) -> bool {
    let bytes = || {
        block
            .iter()
            .enumerate()
            .map(|(index, byte)| if (148..156).contains(&index) { b' ' } else { *byte })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    i64::try_from(expected).is_ok_and(|expected| expected == unsigned || expected == signed)
}
