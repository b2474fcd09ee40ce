//! The head of an answer, as servers write it, in the form that RFC 9112 asks for.
//!
//! What curl reads is taken: names with blanks or bytes that no name may have, lines that continue
//! the one before, lines that are no header, thousands of headers, versions that are newer, lengths
//! with a plus, interim answers. The HTTP library refuses each of them.

use std::borrow::Cow;
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::chunks::Chunks;

/// How every answer of HTTP begins.
const BEGINNING: &[u8] = b"HTTP/";

/// The largest head, in bytes: curl's limit.
pub const LARGEST: usize = 300 * 1024;

/// Headers that are used here or decide where the body ends. All others are left out.
const USED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "retry-after",
    "transfer-encoding",
    "www-authenticate",
];

/// A head that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The same, well-formed.
    pub bytes: Vec<u8>,
    /// How many bytes it had.
    pub length: usize,
    /// Whether another head follows: this is an interim answer (RFC 9110, section 15.2).
    pub is_interim: bool,
    /// Whether the body comes in chunks.
    pub is_chunked: bool,
}

/// Reads the head at the start of `input`, or returns `None` while its end has not arrived.
pub fn read_head(input: &[u8]) -> Option<Head> {
    let length = find_end(input)?;
    let mut lines = unfold(&input[..length]).into_iter();
    let status = lines.next().map(Cow::into_owned).unwrap_or_default();
    let (version, rest) = split(&status, b' ');
    let is_interim = rest.starts_with(b"1") && !rest.starts_with(b"101");
    let mut bytes = known_version(version).to_vec();
    bytes.extend_from_slice(&status[version.len()..]);
    bytes.extend_from_slice(b"\r\n");
    let mut is_chunked = false;
    for line in lines {
        let (name, value) = split(&line, b':');
        let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
        if name.len() == line.len() || !USED.contains(&name.as_str()) {
            continue;
        }
        let value = value.trim_ascii();
        is_chunked |= name == "transfer-encoding"
            && value.to_ascii_lowercase().windows(7).any(|word| word == b"chunked");
        let value = match name.as_str() {
            "content-length" => value.strip_prefix(b"+").unwrap_or(value),
            _ => value,
        };
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        // The library takes a tab, and no other control character.
        bytes.extend(value.iter().map(|byte| match byte {
            b'\t' | 0x20..=0x7e | 0x80.. => *byte,
            _ => b' ',
        }));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    Some(Head { bytes, length, is_interim, is_chunked })
}

/// Returns how long a head is, with the empty line that ends it. A line may end in a newline alone.
fn find_end(input: &[u8]) -> Option<usize> {
    let mut begin = 0;
    loop {
        let end = begin + memchr::memchr(b'\n', &input[begin..])?;
        // An empty line before the status line is passed by.
        if begin > 0 && matches!(&input[begin..end], b"" | b"\r") {
            return Some(end + 1);
        }
        begin = end + 1;
    }
}

/// Returns the lines of a head, each with what continues it.
fn unfold(head: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut lines: Vec<Cow<'_, [u8]>> = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match lines.last_mut() {
            Some(last) if matches!(line.first(), Some(b' ' | b'\t')) => {
                let last = last.to_mut();
                last.push(b' ');
                last.extend_from_slice(line.trim_ascii());
            }
            _ if line.is_empty() => {}
            _ => lines.push(Cow::Borrowed(line)),
        }
    }
    lines
}

/// Splits at the first `separator`, which goes; all of it comes first where there is none.
fn split(line: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(separator, line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

/// A server that names a version after 1.1 still answers a request of 1.1 in its form.
fn known_version(version: &[u8]) -> &[u8] {
    match version.strip_prefix(b"HTTP/") {
        Some(b"1.0" | b"1.1") => version,
        Some(digits) if digits.first().is_some_and(u8::is_ascii_digit) => b"HTTP/1.1",
        _ => version,
    }
}

/// Has answers read by [`read_head`] before the library sees them, below all else.
#[derive(Debug)]
pub struct Answers;

impl<In: Transport> Connector<In> for Answers {
    type Out = Reader<In>;

    fn connect(
        &self,
        _details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Reader {
            inner,
            awaits_head: false,
            chunks: Chunks::Passed,
            waiting: Vec::new(),
        }))
    }
}

/// A connection whose answers are well-formed.
#[derive(Debug)]
pub struct Reader<T> {
    inner: T,
    /// Whether the head of an answer is still to come.
    awaits_head: bool,
    /// What becomes of its body.
    chunks: Chunks,
    /// What was rewritten and had no room yet.
    waiting: Vec<u8>,
}

impl<T: Transport> Reader<T> {
    /// Replaces the head that arrived by the well-formed one. Returns whether nothing more of it is
    /// to come.
    fn replace_head(&mut self) -> Result<bool, Error> {
        loop {
            let input = self.inner.buffers().input();
            // In the tunnel of a proxy the bytes of TLS pass here too.
            let known = input.len().min(BEGINNING.len());
            if input[..known] != BEGINNING[..known] && !input.starts_with(b"\r") {
                self.awaits_head = false;
                return Ok(true);
            }
            let Some(head) = read_head(input) else {
                return match input.len() {
                    length if length > LARGEST => Err(Error::LargeResponseHeader(length, LARGEST)),
                    _ => Ok(false),
                };
            };
            let body = input[head.length..].to_vec();
            let whole = head.length + body.len();
            self.inner.buffers().input_consume(whole);
            if head.is_interim {
                self.give(&body);
                continue;
            }
            self.awaits_head = false;
            self.chunks = if head.is_chunked { Chunks::Unknown } else { Chunks::Passed };
            let length = head.bytes.len();
            self.give(&head.bytes);
            if !self.waiting.is_empty() {
                return Err(Error::LargeResponseHeader(length, LARGEST));
            }
            let rewritten = self.chunks.rewrite(&body);
            self.give(&rewritten.unwrap_or(body));
            return Ok(true);
        }
    }

    /// Makes bytes the next input. What has no room waits.
    fn give(&mut self, bytes: &[u8]) {
        let buffers = self.inner.buffers();
        let room = buffers.input_append_buf();
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        buffers.input_appended(length);
        self.waiting.extend_from_slice(&bytes[length..]);
    }

    /// Makes what waits the next input; returns whether there was any.
    fn give_waiting(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        let is_any = !waiting.is_empty();
        self.give(&waiting);
        is_any
    }

    /// Rewrites what has arrived of the body behind the first `known` bytes of the input.
    fn replace_chunks(&mut self, known: usize) {
        let known = if matches!(self.chunks, Chunks::Unknown) { 0 } else { known };
        let input = self.inner.buffers().input();
        let Some(rewritten) = self.chunks.rewrite(&input[known..]) else { return };
        let begin = input[..known].to_vec();
        let whole = input.len();
        self.inner.buffers().input_consume(whole);
        self.give(&[begin, rewritten].concat());
    }
}

impl<T: Transport> Transport for Reader<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.awaits_head = true;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.give_waiting() {
            return Ok(true);
        }
        let begin = Instant::now();
        loop {
            let known = self.inner.buffers().input().len();
            let has_more = self.inner.await_input(timeout)?;
            if !self.awaits_head {
                self.replace_chunks(known);
                let is_nothing = matches!(self.chunks, Chunks::Rewritten(_))
                    && self.inner.buffers().input().len() <= known;
                if !has_more || !is_nothing {
                    return Ok(has_more);
                }
                // Only a part of a line arrived.
            } else if !has_more || self.replace_head()? {
                return Ok(has_more);
            }
            if begin.elapsed() > *timeout.after {
                return Err(Error::Timeout(timeout.reason));
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<u8> {
        let head = read_head(text).unwrap();
        assert_eq!(head.length, text.len());
        head.bytes
    }

    #[test]
    fn what_curl_reads_becomes_well_formed() {
        let good = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\nContent-Length: 6\n\n",
            b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/2 200 OK\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.2 200 OK\r\nContent-Length: +6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length :\t 6 \r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: one\r\n\ttwo\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 6\r\nX B: c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\xc3\xa9: \x01\r\nContent-Length: 6\r\n:\r\n\r\n",
        ] {
            let shown = text.escape_ascii().to_string();
            assert_eq!(read(text), good, "{shown}");
        }
        let many: Vec<u8> = (0..1000).flat_map(|n| format!("X-{n}: y\r\n").into_bytes()).collect();
        let many = [b"HTTP/1.1 200 OK\r\n", &many[..], b"Content-Length: 6\r\n\r\n"].concat();
        assert_eq!(read(&many), good);
    }

    #[test]
    fn what_is_not_http_stays_as_it_is() {
        assert_eq!(read(b"ICY 200 OK\r\n\r\n"), b"ICY 200 OK\r\n\r\n");
        assert_eq!(read(b"HTTP/1.1\r\n\r\n"), b"HTTP/1.1\r\n\r\n");
        assert_eq!(read(b"HTTP/x 200\r\n\r\n"), b"HTTP/x 200\r\n\r\n");
    }

    #[test]
    fn a_head_that_is_not_whole_is_waited_for() {
        let whole = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody";
        for end in 0..25 {
            assert_eq!(read_head(&whole[..end]), None, "{end}");
        }
        let interim = read_head(whole).unwrap();
        assert!(interim.is_interim && interim.length == 25);
        let last = read_head(&whole[25..]).unwrap();
        assert!(!last.is_interim && whole[25 + last.length..] == *b"body");
        assert!(!read_head(b"HTTP/1.1 101 Switching\r\n\r\n").unwrap().is_interim);
    }

    #[test]
    fn a_header_without_content_keeps_its_place() {
        let text = b"HTTP/1.1 302 Found\r\nLocation: a\x7f\x01b\r\nETag:\r\n\r\n";
        assert_eq!(read(text), b"HTTP/1.1 302 Found\r\nlocation: a  b\r\netag: \r\n\r\n");
    }
}
