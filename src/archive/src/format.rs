//! Detects the format of a file by its first bytes.

use crate::compression::Compression;
use crate::problem::{Problem, Result};
use crate::stream::Stream;
use crate::tar;

/// How many of the first bytes are looked at: a header of tar.
pub const START: usize = tar::BLOCK;

/// What can be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// tar, compressed or not.
    Tar(Compression),
    /// zip, which compresses entries one by one.
    Zip,
}

const GZIP: &[u8] = b"\x1f\x8b";
const XZ: &[u8] = b"\xfd7zXZ\0";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Other things that people meet; the first that fits names it.
const OTHERS: [(&[u8], &str); 17] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"PK\x07\x08", "a part of a split zip archive"),
    (b"\x1f\x9d", "a file compressed with compress (.Z)"),
    (b"LZIP", "a file compressed with lzip"),
    (b"\x04\x22\x4d\x18", "a file compressed with lz4"),
    (b"\x5d\0\0", "a file compressed with lzma, the format before xz"),
    (b"!<arch>\n", "an ar archive, such as a Debian package or a static library"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"07070", "a cpio archive"),
    (b"hsqs", "a squashfs image"),
    (b"MSCF", "a Windows cabinet"),
    (b"\x7fELF", "an ELF program or library"),
    (b"MZ", "a Windows program"),
    (b"#!", "a script"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a pointer of Git LFS, whose content was not fetched"),
];

/// Returns what begins with these bytes.
///
/// # Errors
/// When it is something else, with what it looks like.
pub fn recognise(start: &[u8]) -> Result<Format> {
    if ZIP.iter().any(|magic| start.starts_with(magic)) {
        return Ok(Format::Zip);
    }
    let compression = if start.starts_with(GZIP) {
        Compression::Gzip
    } else if start.starts_with(XZ) {
        Compression::Xz
    } else if start.starts_with(ZSTD) || is_skippable_frame(start) {
        Compression::Zstd
    } else if start.starts_with(b"BZh")
        && start.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
    {
        Compression::Bzip2
    } else if tar::is_header(start) {
        Compression::None
    } else {
        return Err(Problem::Unknown { found: describe(start) });
    };
    Ok(Format::Tar(compression))
}

/// Checks that what is compressed begins as an archive does.
///
/// # Errors
/// When it is a single file, and when it cannot be read.
pub fn check_content(stream: &mut Stream<'_>) -> Result<()> {
    let compression = stream.compression;
    let start = stream.fill()?;
    let start = &start[..start.len().min(START)];
    if compression == Compression::None || start.is_empty() || tar::is_start(start) {
        return Ok(());
    }
    Err(Problem::SingleFile { compression: compression.name(), found: describe(start) })
}

/// A frame of zstd that decoders skip, RFC 8878, 3.1.2.
fn is_skippable_frame(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Returns what something looks like that cannot be unpacked.
pub fn describe(start: &[u8]) -> String {
    if start.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*name).to_owned();
    }
    if ZIP.iter().any(|magic| start.starts_with(magic)) {
        return "a zip archive".to_owned();
    }
    if [GZIP, XZ, ZSTD, b"BZh"].iter().any(|magic| start.starts_with(magic)) {
        return "data that is compressed again".to_owned();
    }
    if start.get(257..262) == Some(b"ustar") {
        return "a tar archive whose first header is damaged".to_owned();
    }
    let text = start
        .iter()
        .map(u8::to_ascii_lowercase)
        .skip_while(u8::is_ascii_whitespace)
        .collect::<Vec<_>>();
    if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") {
        return "a web page, HTML".to_owned();
    }
    if start.iter().all(|byte| *byte == 0) {
        return "nothing but zeros".to_owned();
    }
    if let Some(line) = first_line(start) {
        return format!("a text that begins with {line:?}");
    }
    let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("of an unknown format, beginning with the bytes {}", bytes.join(" "))
}

/// Returns the beginning of the first line of a text, whose last character may be cut.
fn first_line(start: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.is_empty()
        || text.chars().any(|character| character.is_control() && !character.is_whitespace())
    {
        return None;
    }
    Some(text.lines().next().unwrap_or_default().chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_unpacked_is_named() {
        let found = |bytes: &[u8]| recognise(bytes).unwrap_err().to_string();
        assert!(found(b"").contains("an empty file"));
        assert!(found(b"\n <!DOCTYPE html><html>").contains("a web page"));
        assert!(found(b"7z\xbc\xaf\x27\x1c rest").contains("7z"));
        assert!(found(b"garbage\nmore").contains("a text that begins with \"garbage\""));
        assert!(found(b"\x01\x02\xff\xfe").contains("01 02 ff fe"));
        assert!(found(b"gr\xc3").contains("a text"));
        assert!(found(&[0; 512]).contains("zeros"));
        assert!(found(b"x").contains("tar, tar.gz, tar.xz, tar.zst, tar.bz2 and zip"));
    }

    #[test]
    fn magic_numbers_are_enough() {
        assert_eq!(recognise(b"PK\x03\x04").unwrap(), Format::Zip);
        assert_eq!(recognise(b"\x50\x2a\x4d\x18\0\0\0\0").unwrap(), Format::Tar(Compression::Zstd));
        assert_eq!(recognise(b"BZh9").unwrap(), Format::Tar(Compression::Bzip2));
    }
}
