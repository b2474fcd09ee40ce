//! The grammar of names: of derivations, versions, outputs, objects, snapshots and placeholders.
//! A text is checked once here and is a type after that.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use memchr::memmem;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::hash::Hash;

/// Characters of a hash that are part of a path.
pub const SHORT_HASH: usize = 9;

const MAX_NAME: usize = 120;
const MAX_VERSION: usize = 60;

/// A text that does not follow the grammar of names.
#[derive(Debug, thiserror::Error)]
#[error("the {what} {given:?} {problem}")]
pub struct NameError {
    what: &'static str,
    given: String,
    problem: String,
}

fn check(what: &'static str, text: &str, longest: usize) -> Result<(), NameError> {
    let fail = |problem: String| Err(NameError { what, given: text.to_owned(), problem });
    if text.is_empty() {
        return fail("is empty".into());
    }
    if text.len() > longest {
        return fail(format!("is longer than {longest} bytes"));
    }
    if text.starts_with(['.', '-']) {
        return fail("begins with a dot or a hyphen".into());
    }
    match text.chars().find(|&c| !(c.is_ascii_alphanumeric() || "+-._?=".contains(c))) {
        Some(other) => {
            fail(format!("contains {other:?}: only letters, digits and + - . _ ? = can be used"))
        }
        None => Ok(()),
    }
}

/// Parses a name as it comes, without keeping its text in between: snapshots have thousands.
struct NameVisitor<T>(fn(&str) -> Result<T, NameError>);

impl<T> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        self.0(text).map_err(E::custom)
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal, $longest:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(SmolStr);

        impl $type {
            /// Parses the name.
            ///
            /// # Errors
            /// When the text is empty, too long, or has a character that a path should not have.
            pub fn parse(text: &str) -> Result<$type, NameError> {
                check($what, text, $longest)?;
                Ok($type(text.into()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                deserializer.deserialize_str(NameVisitor($type::parse))
            }
        }
    };
}

name_type!(
    /// The name of a derivation, such as `ripgrep`.
    Name, "name", MAX_NAME
);
name_type!(
    /// The version of a derivation, such as `15.1.0`.
    Version, "version", MAX_VERSION
);
name_type!(
    /// The name of an output, such as `out` or `dev`.
    OutputName, "output name", 40
);
name_type!(
    /// The name of an object in the store: `<name>[-<version>][-<output>]-<9 hex>`.
    ObjectName, "object name", MAX_NAME + MAX_VERSION + 40 + SHORT_HASH + 3
);

impl OutputName {
    /// Returns the output that a derivation has when it names none.
    pub fn main() -> OutputName {
        OutputName(SmolStr::new_static("out"))
    }

    /// Returns whether this is the output called `out`.
    pub fn is_main(&self) -> bool {
        self.0 == "out"
    }
}

/// Returns whether a byte is a digit of a hash.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl ObjectName {
    /// Builds the name of an output's object; `out` does not appear in it.
    pub fn new(
        name: &Name,
        version: Option<&Version>,
        output: &OutputName,
        hash: Hash,
    ) -> ObjectName {
        let mut text = name.0.to_string();
        if let Some(version) = version {
            text.push('-');
            text.push_str(&version.0);
        }
        if !output.is_main() {
            text.push('-');
            text.push_str(&output.0);
        }
        text.push('-');
        text.push_str(&hash.to_hex()[..SHORT_HASH]);
        ObjectName(text.into())
    }

    /// Parses the name of a file in a directory of objects: it ends with a hyphen and nine digits
    /// of a hash.
    pub fn of_file(name: &str) -> Option<ObjectName> {
        let (_, digits) = name.rsplit_once('-')?;
        let is_object = digits.len() == SHORT_HASH && digits.bytes().all(is_digit);
        ObjectName::parse(name).ok().filter(|_| is_object)
    }

    /// The bytes of a hyphen and nine digits.
    pub const END: usize = 1 + SHORT_HASH;

    /// Returns whether bytes hold what every such name ends with.
    pub fn may_end_in(bytes: &[u8]) -> bool {
        memchr::memchr_iter(b'-', bytes).any(|start| {
            let digits = bytes.get(start + 1..start + Self::END);
            digits.is_some_and(|digits| digits.iter().all(|byte| is_digit(*byte)))
        })
    }

    /// Returns the nine characters of the hash.
    pub fn short_hash(&self) -> &str {
        &self.0[self.0.len().saturating_sub(SHORT_HASH)..]
    }
}

/// The number of a snapshot. Snapshot 0 is empty and precedes the first apply.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct SnapshotId(pub u64);

crate::hash::string_schema!(ObjectName, SnapshotId);

impl SnapshotId {
    /// Parses decimal digits without a leading zero.
    ///
    /// # Errors
    /// When the text is not such a number.
    pub fn parse(text: &str) -> Result<SnapshotId, NameError> {
        let id = text.parse().ok().map(SnapshotId).filter(|id| id.to_string() == text);
        id.ok_or_else(|| NameError {
            what: "snapshot id",
            given: text.to_owned(),
            problem: "is not a decimal number".into(),
        })
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = NameError;
    fn try_from(text: String) -> Result<SnapshotId, NameError> {
        SnapshotId::parse(&text)
    }
}

/// What stands for the path of an output while a config is evaluated.
///
/// It looks like an absolute path, has a fixed length and consists of `[a-z0-9/-]`, so that it
/// survives quoting, joining and searching inside longer strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placeholder([u8; PLACEHOLDER_DIGITS]);

impl std::hash::Hash for Placeholder {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // Sixteen of its digits are as good as all of them for finding it in a map.
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        state.write_u64(u64::from_le_bytes([i, j, k, l, m, n, o, p]));
    }
}

const PLACEHOLDER_DIGITS: usize = 40;

/// Made once: hardly any text is longer than the prefix, and many are looked at.
static FINDER: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(Placeholder::PREFIX));

impl Placeholder {
    /// What every placeholder begins with.
    pub const PREFIX: &str = "/syslua-placeholder/";

    /// The length of the text of every placeholder, in bytes.
    pub const LENGTH: usize = Self::PREFIX.len() + PLACEHOLDER_DIGITS;

    /// Returns the placeholder of an output of the derivation with this hash.
    pub fn new(derivation: Hash, output: &OutputName) -> Placeholder {
        let mut text = derivation.as_bytes().to_vec();
        text.extend_from_slice(output.0.as_bytes());
        let mut digits = [0; PLACEHOLDER_DIGITS];
        HEXLOWER.encode_mut(&Hash::of(&text).as_bytes()[..PLACEHOLDER_DIGITS / 2], &mut digits);
        Placeholder(digits)
    }

    /// Returns whether `bytes` hold what placeholders begin with.
    pub fn may_be_in(bytes: &[u8]) -> bool {
        FINDER.find(bytes).is_some()
    }

    /// Finds the first placeholder in `bytes`: its position and itself.
    pub fn find(bytes: &[u8]) -> Option<(usize, Placeholder)> {
        if bytes.len() < Self::LENGTH {
            return None;
        }
        FINDER.find_iter(bytes).find_map(|start| {
            let digits = bytes.get(start + Self::PREFIX.len()..start + Self::LENGTH)?;
            let all_hex = digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
            all_hex
                .then(|| (start, Placeholder(digits.try_into().unwrap_or([0; PLACEHOLDER_DIGITS]))))
        })
    }

    /// Splits `bytes` into literal parts and placeholders, in order; empty literals are left out.
    pub fn split(mut bytes: &[u8]) -> Vec<Segment<'_>> {
        let mut segments = Vec::new();
        while let Some((start, placeholder)) = Placeholder::find(bytes) {
            if start > 0 {
                segments.push(Segment::Literal(&bytes[..start]));
            }
            segments.push(Segment::Placeholder(placeholder));
            bytes = &bytes[start + Self::LENGTH..];
        }
        if !bytes.is_empty() {
            segments.push(Segment::Literal(bytes));
        }
        segments
    }

    /// Replaces every placeholder for which `path` answers; returns the first that it did not know.
    ///
    /// # Errors
    /// The placeholder that `path` does not know.
    pub fn resolve(
        bytes: &[u8],
        path: impl Fn(Placeholder) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Placeholder> {
        let mut rest = bytes;
        let mut resolved = Vec::new();
        while let Some((start, placeholder)) = Placeholder::find(rest) {
            let path = path(placeholder).ok_or(placeholder)?;
            resolved.reserve(path.len() + rest.len());
            resolved.extend_from_slice(&rest[..start]);
            resolved.extend_from_slice(&path);
            rest = &rest[start + Self::LENGTH..];
        }
        resolved.extend_from_slice(rest);
        Ok(resolved)
    }

    /// Returns its text.
    pub fn to_bytes(self) -> Vec<u8> {
        [Self::PREFIX.as_bytes(), &self.0].concat()
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Self::PREFIX)?;
        formatter.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// A part of a string that may hold placeholders.
#[derive(Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Bytes that stand for themselves.
    Literal(&'a [u8]),
    /// The path of an output that is not known yet.
    Placeholder(Placeholder),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["ripgrep", "gtk+", "a", "x86_64-linux.tool", "9base"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", ".git", "a/b", "a\nb", "a b", "ä", &"x".repeat(200)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn object_names_leave_out_the_main_output() {
        let hash = Hash::of(b"x");
        let (name, version) = (Name::parse("tool").unwrap(), Version::parse("1.2").unwrap());
        let main = ObjectName::new(&name, Some(&version), &OutputName::main(), hash);
        assert_eq!(main.as_str(), format!("tool-1.2-{}", &hash.to_hex()[..9]));
        assert_eq!(main.short_hash(), &hash.to_hex()[..9]);
        let dev = ObjectName::new(&name, None, &OutputName::parse("dev").unwrap(), hash);
        assert_eq!(dev.as_str(), format!("tool-dev-{}", &hash.to_hex()[..9]));
        assert_eq!(ObjectName::of_file(dev.as_str()), Some(dev));
        for other in [
            "tool",
            "tool-1.2",
            "-012345678",
            "tool-01234567",
            "tool-0123456789",
            "tool-01234567X",
            "a/b-012345678",
        ] {
            assert_eq!(ObjectName::of_file(other), None, "{other}");
        }
    }

    #[test]
    fn placeholders_are_found_inside_longer_strings() {
        let placeholder = Placeholder::new(Hash::of(b"x"), &OutputName::main());
        let text = format!("PATH={placeholder}/bin:{placeholder}");
        assert_eq!(placeholder.to_string().len(), Placeholder::LENGTH);
        let resolved = Placeholder::resolve(text.as_bytes(), |found| {
            (found == placeholder).then(|| b"/store/obj/x".to_vec())
        });
        assert_eq!(resolved.unwrap(), b"PATH=/store/obj/x/bin:/store/obj/x");
        assert_eq!(Placeholder::resolve(text.as_bytes(), |_| None), Err(placeholder));
        assert_eq!(Placeholder::find(b"/syslua-placeholder/short"), None);
    }

    #[test]
    fn snapshot_ids_are_decimal() {
        assert_eq!(SnapshotId::parse("12").unwrap(), SnapshotId(12));
        for bad in ["", "-1", "01", "1x", "+1", "99999999999999999999999"] {
            assert!(SnapshotId::parse(bad).is_err(), "{bad}");
        }
    }
}
