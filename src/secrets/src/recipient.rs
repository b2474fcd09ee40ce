//! Recipients, who can decrypt: age keys and public SSH keys.

use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::age_format::{FileKey, Stanza, armored, seal, wrap_key};
use crate::bech32;
use crate::derive::{hkdf, random, x25519, x25519_public};
use crate::problem::{Problem, Result};
use crate::ssh_key::{PublicKey, parse_public};

/// What keys of X25519 are bound to.
pub(crate) const X25519: &str = "age-encryption.org/v1/X25519";
/// What keys of SSH are bound to.
pub(crate) const SSH_ED25519: &str = "age-encryption.org/v1/ssh-ed25519";

/// A recipient: data can be encrypted for it.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519([u8; 32]),
    Ssh(Box<PublicKey>, [u8; 32]),
}

impl Recipient {
    /// Reads `age1...` or `ssh-ed25519 ...`.
    ///
    /// # Errors
    /// When it is neither of these. Those of plugins and RSA are refused by name.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong =
            |what: &dyn fmt::Display| Problem::new(format!("`{text}` is not a recipient: {what}"));
        let key = if text.starts_with("age1") && text.matches('1').count() > 1 {
            return Err(Problem::new(format!(
                "`{text}` is a recipient of a plugin of age, which is not supported"
            )));
        } else if text.starts_with("age1") {
            let bytes = bech32::decode("age", text).and_then(|bytes| bytes.try_into().ok());
            Key::X25519(bytes.ok_or_else(|| wrong(&"it has a wrong character"))?)
        } else if text.starts_with("ssh-") {
            let key = parse_public(text).map_err(|problem| wrong(&problem.message))?;
            let point = CompressedEdwardsY(key.point)
                .decompress()
                .ok_or_else(|| wrong(&"it is not a point of the curve"))?;
            Key::Ssh(Box::new(key), point.to_montgomery().to_bytes())
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
        Ok(armored(&encrypt(content, std::slice::from_ref(self))?))
    }

    fn wrap(&self, key: &FileKey) -> Result<Stanza> {
        let mut scalar = Zeroizing::new([0; 32]);
        random(&mut *scalar)?;
        let share = x25519_public(&scalar);
        let words = |kind: &str, tag: Option<String>| {
            let share = BASE64_NOPAD.encode(&share);
            [Some(kind.to_owned()), tag, Some(share)].into_iter().flatten().collect()
        };
        match &self.key {
            Key::X25519(point) => {
                let wrapping = hkdf(&*x25519(&scalar, point)?, &[share, *point].concat(), X25519);
                Ok(Stanza { words: words("X25519", None), body: wrap_key(&wrapping, key)? })
            }
            Key::Ssh(public, point) => {
                let shared = x25519(&tweak(public), &*x25519(&scalar, point)?)?;
                let wrapping = hkdf(&*shared, &[share, *point].concat(), SSH_ED25519);
                Ok(Stanza {
                    words: words("ssh-ed25519", Some(tag_of(public))),
                    body: wrap_key(&wrapping, key)?,
                })
            }
        }
    }
}

/// What names a key of SSH in a stanza.
pub(crate) fn tag_of(key: &PublicKey) -> String {
    BASE64_NOPAD.encode(&Sha256::digest(&key.wire)[..4])
}

/// What binds the shared secret to a key of SSH.
pub(crate) fn tweak(key: &PublicKey) -> Zeroizing<[u8; 32]> {
    hkdf(b"", &key.wire, SSH_ED25519)
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

/// Encrypts bytes for recipients; at least one is required.
pub(crate) fn encrypt(content: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>> {
    if recipients.is_empty() {
        return Err(Problem::new("there is no recipient to encrypt it to"));
    }
    seal(content, |key| recipients.iter().map(|recipient| recipient.wrap(key)).collect())
}
