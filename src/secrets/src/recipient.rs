//! Recipients, who can decrypt: age keys and public SSH keys.

use std::fmt;

use crate::age_format::seal;
use crate::problem::{Problem, Result};
use crate::ssh_key::parse_public;

/// A recipient: data can be encrypted for it.
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
    /// When it is neither of these. Those of plugins are refused by name.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong =
            |what: &dyn fmt::Display| Problem::new(format!("`{text}` is not a recipient: {what}"));
        let key = if text.starts_with("age1") && text.matches('1').count() > 1 {
            return Err(Problem::new(format!(
                "`{text}` is a recipient of a plugin of age, which is not supported"
            )));
        } else if text.starts_with("age1") {
            Key::X25519(text.parse().map_err(|_| wrong(&"it has a wrong character"))?)
        } else if text.starts_with("ssh-") {
            let key = parse_public(text).map_err(|problem| wrong(&problem.message))?;
            Key::Ssh(Box::new(key))
        } else if text.starts_with("AGE-SECRET-KEY-") {
            return Err(Problem::new("an identity was given where a recipient is wanted")
                .with_hint(
                    "give its public key, which begins with `age1`: `age-keygen -y FILE` prints it",
                ));
        } else {
            return Err(wrong(&"it begins with neither `age1` nor `ssh-`"));
        };
        Ok(Self { text: text.to_owned(), key })
    }

    /// Encrypts something to this recipient, as an armored age file.
    pub(crate) fn encrypt_armored(&self, content: &[u8]) -> Result<String> {
        let bytes = encrypt(content, std::slice::from_ref(self), true)?;
        String::from_utf8(bytes).map_err(|_| Problem::new("armor is not text"))
    }

    fn key(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::X25519(key) => key,
            Key::Ssh(key) => &**key,
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

/// Encrypts bytes for one or more recipients, as bytes or with armor.
pub(crate) fn encrypt(
    content: &[u8],
    recipients: &[Recipient],
    with_armor: bool,
) -> Result<Vec<u8>> {
    seal(content, recipients.iter().map(Recipient::key), with_armor)
}
