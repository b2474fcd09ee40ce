//! Age files as bytes: armor, header and content, with the crate `age`.
//!
//! The format: <https://age-encryption.org/v1>.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

/// The first line of a file with armor.
const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// How much white space may surround armor, in bytes; `age` allows as much.
const MAX_WHITE_SPACE: usize = 1024;
/// The largest header, in bytes: the crate reads a header again for each of its lines.
const MAX_HEADER: usize = 128 << 10;

fn malformed(what: &str) -> Problem {
    Problem::new(format!("it is a malformed age file: {what}"))
}

/// Whether a text begins with armor.
pub(crate) fn is_armored(content: &[u8]) -> bool {
    content.trim_ascii_start().starts_with(BEGIN)
}

/// The bytes of a file, without its armor if it has one.
fn unarmored(content: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>> {
    if !is_armored(content) {
        return Ok(content.into());
    }
    let trimmed = content.trim_ascii();
    if content.len() - trimmed.len() > MAX_WHITE_SPACE {
        return Err(malformed("there is too much white space around its armor"));
    }
    let mut bytes = Vec::with_capacity(trimmed.len());
    ArmoredReader::new(trimmed)
        .read_to_end(&mut bytes)
        .map_err(|error| malformed(&format!("its armor is damaged: {error}")))?;
    Ok(bytes.into())
}

/// What a failure of the crate means.
fn problem_of(error: &DecryptError) -> Problem {
    malformed(match error {
        DecryptError::InvalidMac => "its header was altered",
        DecryptError::UnknownFormat => "its first line does not name version 1 of the format",
        DecryptError::Io(_) => "it is cut off",
        DecryptError::DecryptionFailed => "the key in its header was altered",
        _ => "its header has an invalid line",
    })
}

/// Reads the header of a file and passes it on.
fn with_header<T>(
    content: &[u8],
    then: impl FnOnce(Decryptor<&[u8]>, usize) -> Result<T>,
) -> Result<T> {
    let bytes = unarmored(content)?;
    let start = &bytes[..bytes.len().min(MAX_HEADER)];
    if !start.windows(5).any(|part| part == b"\n--- ") {
        return Err(malformed("its header has no end"));
    }
    let decryptor = Decryptor::new_buffered(&*bytes).map_err(|error| problem_of(&error))?;
    if decryptor.is_scrypt() {
        return Err(Problem::new("it is protected with a passphrase, which is not supported")
            .with_hint("encrypt it to a recipient: `age -r age1... -o FILE`"));
    }
    then(decryptor, bytes.len())
}

/// Checks the header of a file without decrypting it.
///
/// # Errors
/// When it is malformed, or a passphrase protects the file.
pub(crate) fn check(content: &[u8]) -> Result<()> {
    with_header(content, |_, _| Ok(()))
}

/// Decrypts a file, armored or not. None when no identity fits.
///
/// # Errors
/// When it is malformed or was altered, or a passphrase protects it.
pub(crate) fn open<'a>(
    content: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    with_header(content, |decryptor, length| {
        let mut reader = match decryptor.decrypt(identities) {
            Ok(reader) => reader,
            Err(DecryptError::NoMatchingKeys) => return Ok(None),
            Err(error) => return Err(problem_of(&error)),
        };
        // The content is shorter than the file, so the buffer never moves and leaves no copy.
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        reader
            .read_to_end(&mut plain)
            .map_err(|_| malformed("its content was altered or cut off"))?;
        Ok(Some(plain))
    })
}

/// Encrypts a content, as bytes or with armor.
///
/// # Errors
/// When there is no recipient.
pub(crate) fn seal<'a>(
    content: &[u8],
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    with_armor: bool,
) -> Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| match error {
        age::EncryptError::MissingRecipients => {
            Problem::new("there is no recipient to encrypt it to")
        }
        other => Problem::new(format!("it cannot be encrypted: {other}")),
    })?;
    let format = if with_armor { Format::AsciiArmor } else { Format::Binary };
    let write = || -> std::io::Result<Vec<u8>> {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), format)?)?;
        writer.write_all(content)?;
        writer.finish()?.finish()
    };
    write().map_err(|error| Problem::new(format!("it cannot be encrypted: {error}")))
}
