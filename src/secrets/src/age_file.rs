//! Files of age: one file, one secret.

use zeroize::Zeroizing;

use crate::age_format;
use crate::identity::Identities;
use crate::problem::{Problem, Result};
use crate::recipient::{self, Recipient};

/// How a file without armor begins.
const MAGIC: &[u8] = b"age-encryption.org/v1";

/// Whether bytes are the beginning of an age file.
pub fn is_age_file(content: &[u8]) -> bool {
    content.starts_with(MAGIC) || age_format::is_armored(content)
}

/// Checks the header of a file without decrypting it.
///
/// # Errors
/// When it is not an age file, or a passphrase protects it.
pub fn check(content: &[u8]) -> Result<()> {
    if !is_age_file(content) {
        return Err(Problem::new("it is not an age file"));
    }
    age_format::check(content)
}

/// Decrypts a file.
///
/// # Errors
/// When it is malformed or altered, or no identity fits.
pub fn decrypt(content: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>> {
    check(content)?;
    // An age file names its recipients only in a way that just their identities can tell.
    identities
        .decrypt(content, "")?
        .ok_or_else(|| identities.no_match(&["recipients that the file does not name"]))
}

/// Encrypts a file, as bytes or with armor.
///
/// # Errors
/// When there is no recipient.
pub fn encrypt(content: &[u8], recipients: &[Recipient], with_armor: bool) -> Result<Vec<u8>> {
    recipient::encrypt(content, recipients, with_armor)
}
