//! The format of age, version 1: <https://age-encryption.org/v1>. A header says which identities
//! can decrypt the key of the file. The content follows in chunks of 64 KiB, and each chunk proves
//! its place.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use crate::derive::{hkdf, hmac, is_equal, random};
use crate::problem::{Problem, Result};

/// The first line.
const VERSION: &str = "age-encryption.org/v1";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// How many letters of base64 a line has, here and in armor.
const COLUMNS: usize = 64;
/// The largest header, in bytes.
const MAX_HEADER: usize = 1 << 20;

/// The key of one file.
pub(crate) type FileKey = Zeroizing<[u8; 16]>;

/// One way to the key of a file.
pub(crate) struct Stanza {
    /// The kind and what belongs to it.
    pub words: Vec<String>,
    /// The encrypted key.
    pub body: Vec<u8>,
}

/// A file whose header was read.
pub(crate) struct Parsed<'a> {
    pub stanzas: Vec<Stanza>,
    /// The header up to and with `---`.
    header: &'a [u8],
    mac: [u8; 32],
    payload: &'a [u8],
}

fn malformed(what: &str) -> Problem {
    Problem::new(format!("it is a malformed age file: {what}"))
}

/// The bytes of a file, without its armor if it has one.
pub(crate) fn unarmored(content: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>> {
    let trimmed = content.trim_ascii_start();
    if !trimmed.starts_with(BEGIN.as_bytes()) {
        return Ok(content.into());
    }
    let text = std::str::from_utf8(trimmed).map_err(|_| malformed("its armor is not text"))?;
    let mut lines =
        text.trim_end_matches(['\n', '\r']).lines().map(|line| line.trim_end_matches('\r'));
    let mut letters = String::with_capacity(text.len());
    if lines.next() != Some(BEGIN) || lines.next_back() != Some(END) {
        return Err(malformed("its armor has no end"));
    }
    let mut is_last = false;
    for line in lines {
        if is_last || line.is_empty() || line.len() > COLUMNS {
            return Err(malformed("a line of its armor is of the wrong length"));
        }
        is_last = line.len() < COLUMNS;
        letters.push_str(line);
    }
    BASE64
        .decode(letters.as_bytes())
        .map(Into::into)
        .map_err(|_| malformed("its armor is not base64"))
}

/// The same bytes with armor.
pub(crate) fn armored(bytes: &[u8]) -> String {
    let letters = BASE64.encode(bytes);
    let mut out = format!("{BEGIN}\n");
    for line in letters.as_bytes().chunks(COLUMNS) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(END);
    out.push('\n');
    out
}

/// Reads the header of a file without armor.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>> {
    let mut reader = Lines { bytes, at: 0 };
    if reader.next()? != VERSION {
        return Err(malformed("its first line does not name version 1 of the format"));
    }
    let mut stanzas = Vec::new();
    loop {
        let start = reader.at;
        let line = reader.next()?;
        if let Some(mac) = line.strip_prefix("--- ") {
            let mac = BASE64_NOPAD.decode(mac.as_bytes()).ok().and_then(|mac| mac.try_into().ok());
            let mac = mac.ok_or_else(|| malformed("its MAC is invalid"))?;
            if stanzas.is_empty() {
                return Err(malformed("it has no recipients"));
            }
            return Ok(Parsed {
                stanzas,
                header: &bytes[..start + 3],
                mac,
                payload: &bytes[reader.at..],
            });
        }
        let words =
            line.strip_prefix("-> ").ok_or_else(|| malformed("its header has an invalid line"))?;
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let is_word =
            |word: &String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if !words.iter().all(is_word) {
            return Err(malformed("a stanza has an empty word"));
        }
        let mut body = Vec::new();
        loop {
            let line = reader.next()?;
            if line.len() > COLUMNS {
                return Err(malformed("a line of a stanza is too long"));
            }
            let part = BASE64_NOPAD
                .decode(line.as_bytes())
                .map_err(|_| malformed("a stanza is not base64"))?;
            body.extend_from_slice(&part);
            if line.len() < COLUMNS {
                break;
            }
        }
        stanzas.push(Stanza { words, body });
    }
}

/// The lines of a header.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..self.bytes.len().min(MAX_HEADER)];
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| malformed("its header has no end"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| malformed("its header is not text"))
    }
}

impl Parsed<'_> {
    /// Decrypts the content.
    ///
    /// # Errors
    /// When the header or the content was altered, or cut off.
    pub fn open(&self, key: &FileKey) -> Result<Zeroizing<Vec<u8>>> {
        let mac = hmac(&*hkdf(&**key, b"", "header"), &[self.header]);
        if !is_equal(&*mac, &self.mac) {
            return Err(malformed("its header was altered"));
        }
        let (nonce, mut rest) =
            self.payload.split_at_checked(16).ok_or_else(|| malformed("it is cut off"))?;
        let cipher = ChaCha20Poly1305::new((&*hkdf(&**key, nonce, "payload")).into());
        let mut content = Zeroizing::new(Vec::with_capacity(rest.len()));
        for counter in 0.. {
            let is_last = rest.len() <= CHUNK + TAG;
            let (chunk, next) = rest.split_at(rest.len().min(CHUNK + TAG));
            let Some((data, tag)) = chunk.split_last_chunk::<TAG>() else {
                return Err(malformed("it is cut off"));
            };
            if data.is_empty() && counter > 0 {
                return Err(malformed("its last chunk is empty"));
            }
            let start = content.len();
            content.extend_from_slice(data);
            let nonce = chunk_nonce(counter, is_last);
            cipher
                .decrypt_inout_detached(
                    &nonce,
                    b"",
                    content[start..].as_mut().into(),
                    &(*tag).into(),
                )
                .map_err(|_| malformed("its content was altered or cut off"))?;
            if is_last {
                break;
            }
            rest = next;
        }
        Ok(content)
    }
}

/// The number of a chunk, and whether it is the last one.
fn chunk_nonce(counter: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce.into()
}

/// Makes a file of a content and the stanzas that `wrap` makes of its key.
pub(crate) fn seal(
    content: &[u8],
    wrap: impl Fn(&FileKey) -> Result<Vec<Stanza>>,
) -> Result<Vec<u8>> {
    let mut key: FileKey = Zeroizing::new([0; 16]);
    random(&mut *key)?;
    let mut header = format!("{VERSION}\n");
    for stanza in wrap(&key)? {
        header.push_str(&format!("-> {}\n", stanza.words.join(" ")));
        let letters = BASE64_NOPAD.encode(&stanza.body);
        for line in letters.as_bytes().chunks(COLUMNS) {
            header.push_str(&String::from_utf8_lossy(line));
            header.push('\n');
        }
        // The last line is a short one, be it empty.
        if letters.len().is_multiple_of(COLUMNS) {
            header.push('\n');
        }
    }
    header.push_str("---");
    let mac = hmac(&*hkdf(&*key, b"", "header"), &[header.as_bytes()]);
    header.push_str(&format!(" {}\n", BASE64_NOPAD.encode(&*mac)));
    let mut out = header.into_bytes();
    let mut nonce = [0; 16];
    random(&mut nonce)?;
    out.extend_from_slice(&nonce);
    let cipher = ChaCha20Poly1305::new((&*hkdf(&*key, &nonce, "payload")).into());
    let count = content.len().div_ceil(CHUNK).max(1);
    for index in 0..count {
        let chunk = &content[index * CHUNK..content.len().min((index + 1) * CHUNK)];
        let start = out.len();
        out.extend_from_slice(chunk);
        let nonce = chunk_nonce(index as u64, index + 1 == count);
        let tag = cipher
            .encrypt_inout_detached(&nonce, b"", out[start..].as_mut().into())
            .map_err(|_| Problem::new("the content is too large to encrypt"))?;
        out.extend_from_slice(&tag);
    }
    Ok(out)
}

/// Encrypts the key of a file with a key that is used once.
pub(crate) fn wrap_key(wrapping: &[u8; 32], key: &FileKey) -> Result<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(wrapping.into());
    let mut body = key.to_vec();
    let tag = cipher
        .encrypt_inout_detached(&Nonce::default(), b"", body.as_mut_slice().into())
        .map_err(|_| Problem::new("a key cannot be encrypted"))?;
    body.extend_from_slice(&tag);
    Ok(body)
}

/// Decrypts the key of a file. None when it is another key that it is encrypted with.
pub(crate) fn unwrap_key(wrapping: &[u8; 32], body: &[u8]) -> Option<FileKey> {
    let (data, tag) = body.split_last_chunk::<TAG>()?;
    let mut key: FileKey = Zeroizing::new(data.try_into().ok()?);
    let cipher = ChaCha20Poly1305::new(wrapping.into());
    let opened = cipher.decrypt_inout_detached(
        &Nonce::default(),
        b"",
        key.as_mut_slice().into(),
        &(*tag).into(),
    );
    opened.is_ok().then_some(key)
}
