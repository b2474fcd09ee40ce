//! SHA-256 digests: computing, parsing and printing them. Knows nothing of what is hashed.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasherDefault;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Bytes that one read asks for while a file is hashed.
pub const READ_SIZE: usize = 128 * 1024;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Ord for Hash {
    fn cmp(&self, other: &Hash) -> Ordering {
        // Two digests nearly always differ in the first bytes, which are compared as one number.
        self.first().cmp(&other.first()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Hash) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::hash::Hash for Hash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // A part of a digest is as good as the whole for finding it in a map.
        state.write_u64(self.first());
    }
}

/// A map whose keys are digests, or digits of them: these are spread evenly as they are.
pub type DigestMap<K, V> = HashMap<K, V, BuildHasherDefault<DigestHasher>>;

/// A set of digests, or of digits of them.
pub type DigestSet<K> = HashSet<K, BuildHasherDefault<DigestHasher>>;

/// A map of paths, or of other keys that no stranger chooses: its hashes are quick, and do not
/// protect from chosen collisions.
pub type QuickMap<K, V> = DigestMap<K, V>;

/// A set of such keys.
pub type QuickSet<K> = DigestSet<K>;

/// Takes a number from a digest, or from the bytes of another key, for its place in a map.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigestHasher(u64);

impl std::hash::Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (parts, rest) = bytes.as_chunks::<8>();
        for part in parts {
            self.write_u64(u64::from_le_bytes(*part));
        }
        if !rest.is_empty() {
            let number = rest.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            self.write_u64(number);
        }
    }

    fn write_u64(&mut self, number: u64) {
        /// Odd and without a pattern: digits of the golden ratio. It spreads what differs in few
        /// bits, as digits do.
        const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0 ^ number) * FACTOR;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is not a SHA-256: expected 64 hexadecimal digits or `sha256-` and 44 characters of \
     base64"
)]
pub struct HashError {
    given: String,
}

impl Hash {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// Parses 64 hexadecimal digits, or the SRI form `sha256-BASE64`.
    ///
    /// The source of the second form is the W3C recommendation "Subresource Integrity", section
    /// 3.5.
    ///
    /// # Errors
    /// When the text has neither form.
    pub fn parse(text: &str) -> Result<Hash, HashError> {
        let decoded = match text.strip_prefix("sha256-") {
            Some(base64) => {
                BASE64.decode(base64.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok())
            }
            None if text.len() == 64 => {
                let mut bytes = [0; 32];
                HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes).ok().map(|_| bytes)
            }
            None => None,
        };
        decoded.map(Hash).ok_or_else(|| HashError { given: text.to_owned() })
    }

    /// Returns the 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// Returns the SRI form, `sha256-BASE64`.
    pub fn to_sri(self) -> String {
        format!("sha256-{}", BASE64.encode(&self.0))
    }

    /// Returns the digest that these bytes are.
    pub fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// Returns the first bytes, as a number that orders as they do.
    fn first(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// Describes types that are texts in JSON, for the schema of the reports.
macro_rules! string_schema {
    ($($type:ident),*) => {
        $(
            impl schemars::JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($type).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({ "type": "string" })
                }
            }
        )*
    };
}

pub(crate) use string_schema;

string_schema!(Hash);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut digits);
        serializer.serialize_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Hash;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the digits of a SHA-256")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash, E> {
                Hash::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Something that takes bytes in order: a digest, or a test's buffer.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Takes the next bytes of what a file holds.
    fn put_content(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }

    /// Takes what stands for the content of the file that has just ended, where that is known.
    fn put_stand_in(&mut self, _bytes: &[u8]) {}

    /// Returns whether further bytes are unnecessary.
    fn is_closed(&self) -> bool {
        false
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A digest under construction.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Returns the digest of everything that was put.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl Sink for Hasher {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_sri_name_the_same_digest() {
        let hash = Hash::of(b"abc");
        assert_eq!(
            hash.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Hash::parse(&hash.to_sri()).unwrap(), hash);
        assert_eq!(Hash::parse(&hash.to_hex().to_uppercase()).unwrap(), hash);
    }

    proptest::proptest! {
        #[test]
        fn hashes_are_in_the_order_of_their_bytes(
            one: [u8; 32], other: [u8; 32], shared in 0usize..=32,
        ) {
            let mut other = other;
            other[..shared].copy_from_slice(&one[..shared]);
            let order = Hash::from_bytes(one).cmp(&Hash::from_bytes(other));
            proptest::prop_assert_eq!(order, one.cmp(&other));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "abc", "sha256-", "sha256-AAAA", &"g".repeat(64), &"0".repeat(63)] {
            assert!(Hash::parse(text).is_err(), "{text}");
        }
    }
}
