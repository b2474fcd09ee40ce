//! Keys of SSH, ed25519 and RSA: public ones as a line, private ones as a file. The crate `age`
//! uses them; what it does not say, or takes on trust, is checked here.

use age::ssh::{Identity, ParseRecipientKeyError, Recipient, UnsupportedKey};
use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

/// The kinds of keys that can encrypt, by their names in SSH.
const KINDS: [&str; 2] = ["ssh-ed25519", "ssh-rsa"];
/// How private keys begin that are read.
const BEGINNINGS: [&str; 2] =
    ["-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"];

fn wrong_kind(kind: &str) -> Problem {
    Problem::new(format!("keys of the kind {kind} are not supported, only ssh-ed25519 and ssh-rsa"))
}

/// Whether a text has a private key that [`parse_private`] reads.
pub(crate) fn is_private(text: &str) -> bool {
    BEGINNINGS.iter().any(|begin| text.contains(begin))
}

/// Reads `ssh-ed25519 AAAA... comment` or the same of RSA.
///
/// # Errors
/// When it is something else, or a key of RSA is too short or too long.
pub(crate) fn parse_public(text: &str) -> Result<Recipient> {
    let mut words = text.split_whitespace();
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !KINDS.contains(&kind) {
        return Err(wrong_kind(kind));
    }
    let no_key = || Problem::new("it is not a public SSH key");
    let wire = BASE64
        .decode(data.as_bytes())
        .or_else(|_| BASE64_NOPAD.decode(data.as_bytes()))
        .map_err(|_| Problem::new("it is not base64"))?;
    let mut reader = Reader(&wire);
    if reader.text() != Some(kind.as_bytes()) {
        return Err(no_key());
    }
    // An ed25519 key is one text, a key of RSA two numbers. The crate ends the process if a number
    // is made of zeros only, and ignores what follows.
    let count = if kind == KINDS[0] { 1 } else { 2 };
    for _ in 0..count {
        reader.text().filter(|number| number.iter().any(|byte| *byte != 0)).ok_or_else(no_key)?;
    }
    if !reader.0.is_empty() {
        return Err(no_key());
    }
    format!("{kind} {data}").parse().map_err(|error| match error {
        ParseRecipientKeyError::RsaModulusTooSmall => {
            Problem::new("it has fewer than 2048 bits, which is too short")
        }
        ParseRecipientKeyError::RsaModulusTooLarge => {
            Problem::new("it has more than 4096 bits, which is not supported")
        }
        _ => no_key(),
    })
}

/// Reads a private key.
///
/// # Errors
/// When it is something else, is protected with a passphrase, or of another kind; the message says
/// which.
pub(crate) fn parse_private(text: &[u8]) -> Result<Identity> {
    const PASSPHRASE: &str = "it is protected with a passphrase, which is not supported";
    let no_key = || Problem::new("it is not a private OpenSSH key");
    let text = std::str::from_utf8(text).map_err(|_| no_key())?;
    if text.contains("-----BEGIN PRIVATE KEY-----") {
        return Err(Problem::new(
            "it is in the format PKCS#8; `ssh-keygen -p -N '' -f FILE` makes it one of OpenSSH",
        ));
    }
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err(Problem::new(PASSPHRASE));
    }
    let start = BEGINNINGS.iter().filter_map(|begin| text.find(begin)).min();
    let text = &text[start.ok_or_else(no_key)?..];
    if text.starts_with(BEGINNINGS[0]) && has_empty_number(text) {
        return Err(no_key());
    }
    match Identity::from_buffer(text.as_bytes(), None).map_err(|_| no_key())? {
        key @ Identity::Unencrypted(_) => Ok(key),
        Identity::Encrypted(_)
        | Identity::Unsupported(UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_)) => {
            Err(Problem::new(PASSPHRASE))
        }
        Identity::Unsupported(UnsupportedKey::Hardware(kind) | UnsupportedKey::Type(kind)) => {
            Err(wrong_kind(&kind))
        }
    }
}

/// Whether a private key of RSA has a number of zeros only, on which the crate ends the process.
fn has_empty_number(text: &str) -> bool {
    let body = text.lines().skip(1).take_while(|line| !line.starts_with("-----"));
    let letters: Zeroizing<String> = Zeroizing::new(body.map(str::trim_end).collect());
    let Ok(bytes) = BASE64.decode(letters.as_bytes()).map(Zeroizing::new) else { return false };
    let numbers = || -> Option<bool> {
        let mut reader = Reader(bytes.strip_prefix(b"openssh-key-v1\0")?);
        // The cipher, its derivation and the options of that, the count, the public key.
        if reader.text()? != b"none" {
            return None;
        }
        let _ = (reader.text()?, reader.text()?, reader.number()?);
        let has_zeros = |wire: &[u8]| {
            let mut reader = Reader(wire);
            let is_rsa = reader.text() == Some(KINDS[1].as_bytes());
            is_rsa
                && std::iter::from_fn(|| reader.text())
                    .take(6)
                    .any(|number| !number.is_empty() && number.iter().all(|byte| *byte == 0))
        };
        let public = has_zeros(reader.text()?);
        // Two equal numbers precede the key.
        Some(public || has_zeros(reader.text()?.get(8..)?))
    };
    numbers().unwrap_or(false)
}

/// Texts and numbers as SSH sends them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}
