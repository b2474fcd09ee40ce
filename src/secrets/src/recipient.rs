//! Who can decrypt: age keys and public keys of SSH.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use age::armor::{ArmoredWriter, Format};

use crate::problem::{Problem, Result};

/// Someone to whom is encrypted.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    Ssh(Box<age::ssh::Recipient>),
}

impl Recipient {
    /// Reads `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...`.
    ///
    /// # Errors
    /// When it is none of these. Those of plugins are refused by name.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = |what: &dyn fmt::Display| Problem::new(format!("`{text}` is no recipient: {what}"));
        let key = if text.starts_with("age1") && text.matches('1').count() > 1 {
            return Err(Problem::new(format!("`{text}` is a recipient of a plugin of age, which is not supported")));
        } else if text.starts_with("age1") {
            Key::X25519(age::x25519::Recipient::from_str(text).map_err(|error| wrong(&error))?)
        } else if text.starts_with("ssh-") {
            let key = age::ssh::Recipient::from_str(text);
            Key::Ssh(Box::new(key.map_err(|error| wrong(&format_args!("{error:?}")))?))
        } else if text.starts_with("AGE-SECRET-KEY-") {
            return Err(Problem::new("an identity was given where a recipient is wanted")
                .with_hint("give its public key, which begins with `age1`: `age-keygen -y FILE` prints it"));
        } else {
            return Err(wrong(&"it begins with neither `age1` nor `ssh-`"));
        };
        Ok(Self { text: text.to_owned(), key })
    }

    /// Encrypts something to this recipient, as an armored age file.
    pub(crate) fn encrypt_armored(&self, content: &[u8]) -> Result<String> {
        let bytes = encrypt(content, &[self], Format::AsciiArmor)?;
        String::from_utf8(bytes).map_err(|_| Problem::new("age wrote armor that is no text"))
    }

    fn as_age(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::X25519(key) => key,
            Key::Ssh(key) => key.as_ref(),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        same_key(&self.text, &other.text)
    }
}

/// Whether two recipients are the same. The comment behind a key of SSH does not count.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    let key = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    key(one) == key(other)
}

/// Encrypts bytes to recipients, of which there must be one.
pub(crate) fn encrypt(content: &[u8], recipients: &[&Recipient], format: Format) -> Result<Vec<u8>> {
    let failed = |error: &dyn fmt::Display| Problem::new(format!("age cannot encrypt: {error}"));
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(|recipient| recipient.as_age()))
        .map_err(|error| failed(&error))?;
    let armored = ArmoredWriter::wrap_output(Vec::new(), format).map_err(|error| failed(&error))?;
    let mut writer = encryptor.wrap_output(armored).map_err(|error| failed(&error))?;
    writer.write_all(content).map_err(|error| failed(&error))?;
    writer.finish().and_then(ArmoredWriter::finish).map_err(|error| failed(&error))
}
