//! The chunks of a body, as servers write them, in the form that RFC 9112 asks for (section 7.1).
//!
//! curl reads lines that end in a newline alone, and extensions of any length. The HTTP library
//! reads neither. Bodies that begin as it wants them are left to it.

/// The longest line between chunks, in bytes; curl has no limit for extensions.
const LONGEST_LINE: usize = 16 * 1024;
/// The longest line that the library reads.
const LONGEST_KNOWN: usize = 20;

/// What becomes of the bytes of a body.
#[derive(Debug, Default)]
pub enum Chunks {
    /// They pass: there are no chunks, or only well-formed ones.
    #[default]
    Passed,
    /// Its first line has not arrived whole.
    Unknown,
    /// They are rewritten.
    Rewritten(Rewriter),
}

impl Chunks {
    /// Takes the bytes of a body that have arrived, and returns what stands for them; nothing where
    /// they stay as they are. While the first line is incomplete, they come again with the next
    /// ones.
    pub fn rewrite(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if matches!(self, Chunks::Unknown) {
            let end = memchr::memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            *self = match end {
                None if line.len() < LONGEST_LINE => return None,
                Some(_) if is_odd(line) => Chunks::Rewritten(Rewriter::default()),
                _ => Chunks::Passed,
            };
        }
        match self {
            Chunks::Rewritten(rewriter) => Some(rewriter.take(bytes)),
            _ => None,
        }
    }
}

/// Returns whether the library would not read the line of a chunk, which is one.
fn is_odd(line: &[u8]) -> bool {
    size_of(line).is_some() && (!line.ends_with(b"\r") || line.len() > LONGEST_KNOWN)
}

/// Reads the line before a chunk.
fn size_of(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let is_number = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    u64::from_str_radix(text, 16).ok()
}

/// Writes chunks anew.
#[derive(Debug, Default)]
pub struct Rewriter {
    next: Next,
    /// The beginning of a line.
    line: Vec<u8>,
}

/// What comes next in a body.
#[derive(Debug, Default)]
enum Next {
    /// The line before a chunk.
    #[default]
    Size,
    /// This number of bytes of a chunk.
    Data(u64),
    /// The end of the line behind a chunk.
    End,
    /// Headers behind the last chunk, which nothing here uses.
    Trailer,
    /// Anything else: it passes, and the library says what is wrong with it.
    Rest,
}

impl Rewriter {
    fn take(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut written = Vec::with_capacity(bytes.len() + 16);
        while !bytes.is_empty() {
            if let Next::Data(left) = &mut self.next {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                written.extend_from_slice(&bytes[..length]);
                bytes = &bytes[length..];
                *left -= length as u64;
                if *left == 0 {
                    self.next = Next::End;
                }
            } else if let Next::Rest = self.next {
                written.extend_from_slice(bytes);
                return written;
            } else {
                let end = memchr::memchr(b'\n', bytes).map(|end| end + 1);
                let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                bytes = rest;
                self.line.extend_from_slice(line);
                if end.is_some() || self.line.len() > LONGEST_LINE {
                    self.end_line(&mut written);
                }
            }
        }
        written
    }

    /// Reads a line that has arrived.
    fn end_line(&mut self, written: &mut Vec<u8>) {
        let whole = std::mem::take(&mut self.line);
        let line = whole.trim_ascii_end();
        match (&self.next, size_of(line)) {
            (Next::Size, Some(size)) => {
                written.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                self.next = if size == 0 { Next::Trailer } else { Next::Data(size) };
            }
            (Next::End, _) if line.is_empty() => {
                written.extend_from_slice(b"\r\n");
                self.next = Next::Size;
            }
            (Next::Trailer, _) if line.is_empty() => {
                written.extend_from_slice(b"\r\n");
                self.next = Next::Rest;
            }
            (Next::Trailer, _) if whole.ends_with(b"\n") => {}
            _ => {
                written.extend_from_slice(&whole);
                self.next = Next::Rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrites a body that arrives in parts, as the reader of answers does.
    fn rewrite<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut chunks, mut waiting, mut all) = (Chunks::Unknown, Vec::new(), Vec::new());
        for part in parts {
            waiting.extend_from_slice(part);
            match chunks.rewrite(&waiting) {
                Some(written) => all.extend(written),
                None if matches!(chunks, Chunks::Unknown) => continue,
                None => all.extend_from_slice(&waiting),
            }
            waiting.clear();
        }
        all.extend(waiting);
        all
    }

    #[test]
    fn chunks_that_curl_reads_become_well_formed_however_they_arrive() {
        let good = b"5\r\nhello\r\n6\r\n\nworld\r\n0\r\n\r\n";
        let long = "x".repeat(900);
        for text in [
            "5\nhello\n6\n\nworld\n0\n\n".to_owned(),
            "5\nhello\r\n6\r\n\nworld\n0\r\n\n".to_owned(),
            "5;a=b\nhello\n006 \n\nworld\n0\nX-A: b\nX-C: d\n\n".to_owned(),
            format!("5;{long}\r\nhello\r\n6;{long}\r\n\nworld\r\n0;{long}\r\n\r\n"),
        ] {
            let text = text.as_bytes();
            assert_eq!(rewrite([text]), good);
            for length in 1..9 {
                let shown = text.escape_ascii().to_string();
                assert_eq!(rewrite(text.chunks(length)), good, "{shown} {length}");
            }
        }
    }

    #[test]
    fn all_else_passes() {
        for text in [
            &b"5\r\nhello\r\n0\r\n\r\n"[..],
            b"xyz\nhello",
            b"-5\nhello\n",
            b"\nhello",
            b"ffffffffffffffffff\nhello\n",
            b"5",
            b"",
        ] {
            assert_eq!(rewrite([text]), text);
            assert_eq!(rewrite(text.chunks(2)), text);
        }
        // What is wrong later is left to the library.
        assert_eq!(rewrite([&b"2\nabc\n"[..]]), b"2\r\nabc\n");
        assert_eq!(rewrite([&b"2\nab\nx\nrest"[..]]), b"2\r\nab\r\nx\nrest");
        let endless = vec![b'1'; 2 * LONGEST_LINE];
        assert_eq!(rewrite(endless.chunks(1000)), endless);
    }
}
