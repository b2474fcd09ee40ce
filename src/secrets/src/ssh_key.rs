//! Keys of SSH: ed25519, public as one line and private in the format of OpenSSH.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

/// The name of the kind of keys that is read.
const ED25519: &str = "ssh-ed25519";

/// A public key.
#[derive(Clone)]
pub(crate) struct PublicKey {
    /// The key as SSH sends it, which names it.
    pub wire: Vec<u8>,
    /// The point of Edwards' curve.
    pub point: [u8; 32],
}

/// A private key.
pub(crate) struct PrivateKey {
    /// What the secret is made of.
    pub seed: Zeroizing<[u8; 32]>,
    /// The public key.
    pub public: PublicKey,
}

/// Reads `ssh-ed25519 AAAA... comment`.
///
/// # Errors
/// When it is something else. RSA is refused by name.
pub(crate) fn parse_public(text: &str) -> Result<PublicKey> {
    let mut words = text.split_whitespace();
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if kind != ED25519 {
        return Err(Problem::new(format!(
            "keys of the kind {kind} are not supported, only {ED25519}"
        )));
    }
    let wire = BASE64.decode(data.as_bytes()).map_err(|_| Problem::new("it is not base64"))?;
    read_public(&wire).ok_or_else(|| Problem::new("it is not a public SSH key"))
}

fn read_public(wire: &[u8]) -> Option<PublicKey> {
    let mut reader = Reader(wire);
    if reader.text()? != ED25519.as_bytes() {
        return None;
    }
    let point = reader.text()?.try_into().ok()?;
    reader.0.is_empty().then(|| PublicKey { wire: wire.to_vec(), point })
}

/// Reads a private key.
///
/// # Errors
/// When it is something else, is protected with a passphrase, or of another kind; the message says
/// which.
pub(crate) fn parse_private(text: &[u8]) -> Result<PrivateKey> {
    const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
    const END: &str = "-----END OPENSSH PRIVATE KEY-----";
    let no_key = || Problem::new("it is not a private OpenSSH key");
    let text = std::str::from_utf8(text).map_err(|_| no_key())?;
    if text.contains("-----BEGIN RSA PRIVATE KEY-----") {
        return Err(Problem::new("keys of RSA are not supported, only ed25519"));
    }
    let (_, rest) = text.split_once(BEGIN).ok_or_else(no_key)?;
    let (body, _) = rest.split_once(END).ok_or_else(no_key)?;
    let compact: Zeroizing<Vec<u8>> =
        Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let bytes = Zeroizing::new(BASE64.decode(&compact).map_err(|_| no_key())?);
    let mut reader = Reader(bytes.strip_prefix(b"openssh-key-v1\0").ok_or_else(no_key)?);
    let cipher = reader.text().ok_or_else(no_key)?;
    let _kdf = reader.text().ok_or_else(no_key)?;
    let _options = reader.text().ok_or_else(no_key)?;
    if cipher != b"none" {
        return Err(Problem::new("it is protected with a passphrase, which is not supported"));
    }
    if reader.number() != Some(1) {
        return Err(no_key());
    }
    let _public = reader.text().ok_or_else(no_key)?;
    let mut reader = Reader(reader.text().ok_or_else(no_key)?);
    let (one, other) = (reader.number(), reader.number());
    if one.is_none() || one != other {
        return Err(no_key());
    }
    let kind = reader.text().ok_or_else(no_key)?;
    if kind != ED25519.as_bytes() {
        let kind = String::from_utf8_lossy(kind).into_owned();
        return Err(Problem::new(format!(
            "keys of the kind {kind} are not supported, only {ED25519}"
        )));
    }
    let point: [u8; 32] = reader.text().and_then(|text| text.try_into().ok()).ok_or_else(no_key)?;
    let secret =
        reader.text().filter(|text| text.len() == 64 && text[32..] == point).ok_or_else(no_key)?;
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(&secret[..32]);
    let wire = [&11_u32.to_be_bytes(), ED25519.as_bytes(), &32_u32.to_be_bytes(), &point].concat();
    Ok(PrivateKey { seed, public: PublicKey { wire, point } })
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
