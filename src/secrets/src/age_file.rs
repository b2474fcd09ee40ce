//! Files of age: one file, one secret.

use zeroize::Zeroizing;

use crate::age_format::{armored, parse, unarmored};
use crate::identity::Identities;
use crate::problem::{Problem, Result};
use crate::recipient::{self, Recipient};

/// The first line of a file that is not armored.
const MAGIC: &[u8] = b"age-encryption.org/v1";
/// The first line of an age file.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Whether bytes are the beginning of an age file.
pub fn is_age_file(content: &[u8]) -> bool {
    content.starts_with(MAGIC) || content.trim_ascii_start().starts_with(ARMOR)
}

/// Checks the header of a file without decrypting it.
///
/// # Errors
/// When it is not an age file, or a passphrase protects it.
pub fn check(content: &[u8]) -> Result<()> {
    if !is_age_file(content) {
        return Err(Problem::new("it is not an age file"));
    }
    let bytes = unarmored(content)?;
    let parsed = parse(&bytes)?;
    if parsed.stanzas.iter().any(|stanza| stanza.words[0] == "scrypt") {
        return Err(Problem::new("it is protected with a passphrase, which is not supported")
            .with_hint("encrypt it to a recipient: `age -r age1... -o FILE`"));
    }
    Ok(())
}

/// Decrypts a file.
///
/// # Errors
/// When it is malformed or altered, or no identity fits.
pub fn decrypt(content: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>> {
    check(content)?;
    // An age file names its recipients only in a way that just their identities can tell.
    identities
        .decrypt(content)?
        .ok_or_else(|| identities.no_match(&["recipients that the file does not name"]))
}

/// Encrypts a file, as bytes or with armor.
///
/// # Errors
/// When there is no recipient.
pub fn encrypt(content: &[u8], recipients: &[Recipient], with_armor: bool) -> Result<Vec<u8>> {
    let bytes = recipient::encrypt(content, recipients)?;
    Ok(if with_armor { armored(&bytes).into_bytes() } else { bytes })
}
