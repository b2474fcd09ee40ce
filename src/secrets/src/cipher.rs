//! Single encrypted values: AES-256-GCM with an initialization vector of 32 bytes.
//!
//! `ENC[AES256_GCM,data:...,iv:...,tag:...,type:str]`; the additional data are the keys that lead
//! to the value.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, aes::Aes256};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::derive::random;
use crate::problem::{Problem, Result};
use crate::value::{Type, Value};

const PREFIX: &str = "ENC[AES256_GCM,data:";
const IV_SIZE: usize = 32;
const TAG_SIZE: usize = 16;

/// The key of the values of one document, wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

/// A decrypted value or comment.
pub(crate) enum Decrypted {
    Value(Value),
    Comment(Zeroizing<String>),
}

/// The parts of an encrypted value.
struct Parts<'a> {
    data: Vec<u8>,
    iv: Vec<u8>,
    tag: Vec<u8>,
    kind: &'a str,
}

impl DataKey {
    /// A fresh random key.
    pub fn generate() -> Result<Self> {
        let mut key = Self(Zeroizing::new([0; 32]));
        random(&mut *key.0)?;
        Ok(key)
    }

    /// The key of these bytes, which must be 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key =
            bytes.try_into().map_err(|_| Problem::new("the data key does not have 32 bytes"))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The bytes, to encrypt them to recipients.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A cipher for any number of values.
    pub fn cipher(&self) -> Cipher {
        Cipher(AesGcm::new((&*self.0).into()))
    }
}

/// A cipher whose key is expanded.
pub(crate) struct Cipher(AesGcm<Aes256, U32>);

/// Whether a text looks like an encrypted value.
pub(crate) fn is_encrypted(text: &str) -> bool {
    text.starts_with(PREFIX) && text.ends_with(']')
}

/// The type that an encrypted value has in clear.
pub(crate) fn type_of(text: &str) -> Option<Type> {
    if !is_encrypted(text) {
        return None;
    }
    let (_, kind) = text.strip_suffix(']')?.rsplit_once(",type:")?;
    Type::from_name(kind)
}

impl Cipher {
    /// Decrypts a value. `path` is the additional data.
    ///
    /// # Errors
    /// When it is not in the format, was altered, or belongs to another place or key.
    pub fn decrypt(&self, text: &str, path: &str) -> Result<Decrypted> {
        if text.is_empty() {
            return Ok(Decrypted::Value(Value::Str(String::new())));
        }
        let parts = parse(text)?;
        let kind = Type::from_name(parts.kind)
            .filter(|kind| !matches!(kind, Type::Null | Type::Bytes))
            .ok_or_else(|| {
                Problem::new(format!("an encrypted value has the unknown type `{}`", parts.kind))
            })?;
        let iv: [u8; IV_SIZE] = parts
            .iv
            .try_into()
            .map_err(|_| Problem::new("an encrypted value has an IV that is not of 32 bytes"))?;
        let tag: [u8; TAG_SIZE] = parts
            .tag
            .try_into()
            .map_err(|_| Problem::new("an encrypted value has a tag that is not of 16 bytes"))?;
        let mut data = Zeroizing::new(parts.data);
        self.0
            .decrypt_inout_detached(
                &iv.into(),
                path.as_bytes(),
                data.as_mut_slice().into(),
                &tag.into(),
            )
            .map_err(|_| {
                Problem::new(
                    "it was altered, moved from another place, or encrypted with another data key",
                )
            })?;
        if kind == Type::Comment {
            let text = String::from_utf8(data.to_vec())
                .map_err(|_| Problem::new("a comment is not text"))?;
            return Ok(Decrypted::Comment(Zeroizing::new(text)));
        }
        Value::from_bytes(kind, &data).map(Decrypted::Value)
    }

    /// Encrypts a value. An empty text and null stay what they are: SOPS leaves them in clear.
    pub fn encrypt(&self, value: &Value, path: &str) -> Result<String> {
        let kind = match value {
            Value::Null => return Ok(String::new()),
            Value::Str(text) if text.is_empty() => return Ok(String::new()),
            // As SOPS does: bytes are strings of the binary format, which may hold anything.
            Value::Bytes(_) => Type::Str,
            other => other.type_of(),
        };
        self.seal(value.to_bytes(), kind, path)
    }

    /// Encrypts the text of a comment, without its mark.
    pub fn encrypt_comment(&self, text: &str, path: &str) -> Result<String> {
        if text.is_empty() {
            return Ok(String::new());
        }
        self.seal(Zeroizing::new(text.as_bytes().to_vec()), Type::Comment, path)
    }

    fn seal(&self, mut data: Zeroizing<Vec<u8>>, kind: Type, path: &str) -> Result<String> {
        let mut iv = [0_u8; IV_SIZE];
        random(&mut iv)?;
        let tag = self
            .0
            .encrypt_inout_detached(&iv.into(), path.as_bytes(), data.as_mut_slice().into())
            .map_err(|_| Problem::new("a value is too large to encrypt"))?;
        Ok(format!(
            "{PREFIX}{},iv:{},tag:{},type:{}]",
            BASE64.encode(&data),
            BASE64.encode(&iv),
            BASE64.encode(&tag),
            kind.name()
        ))
    }
}

fn parse(text: &str) -> Result<Parts<'_>> {
    let malformed = || Problem::new("it is not an encrypted value of SOPS (`ENC[AES256_GCM,...]`)");
    let inner =
        text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(']')).ok_or_else(malformed)?;
    let (data, rest) = inner.split_once(",iv:").ok_or_else(malformed)?;
    let (iv, rest) = rest.split_once(",tag:").ok_or_else(malformed)?;
    let (tag, kind) = rest.split_once(",type:").ok_or_else(malformed)?;
    let decode = |part: &str| BASE64.decode(part.as_bytes()).map_err(|_| malformed());
    if data.is_empty() {
        return Err(malformed());
    }
    Ok(Parts { data: decode(data)?, iv: decode(iv)?, tag: decode(tag)?, kind })
}
