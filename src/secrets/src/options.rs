//! Which values of a document are encrypted, and what its MAC counts.

use regex_lite::Regex;

use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::value::Value;

/// The key of the metadata at the top of a document.
pub(crate) const KEY: &str = "sops";
/// The suffix of keys in clear when a document says nothing else.
const DEFAULT_SUFFIX: &str = "_unencrypted";

/// The six options; a document may have one of them.
const RULES: [&str; 6] = [
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];

/// Which values of a document are encrypted, and what its MAC counts.
#[derive(Debug, Clone)]
pub struct Options {
    rule: Rule,
    mac_only_encrypted: bool,
}

#[derive(Debug, Clone)]
enum Rule {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
    UnencryptedComment(Regex),
    EncryptedComment(Regex),
}

impl Default for Options {
    fn default() -> Self {
        Self { rule: Rule::UnencryptedSuffix(DEFAULT_SUFFIX.to_owned()), mac_only_encrypted: false }
    }
}

impl Options {
    /// Reads them from the metadata of a document, or from a creation rule, which has the same
    /// names.
    ///
    /// # Errors
    /// When more than one is given, or an expression is invalid.
    pub(crate) fn read(from: &Plain) -> Result<Self> {
        let given: Vec<(&str, &str)> = RULES
            .iter()
            .filter_map(|name| {
                from.get_text(name).filter(|text| !text.is_empty()).map(|text| (*name, text))
            })
            .collect();
        if given.len() > 1 {
            return Err(Problem::new(format!(
                "`{}` and `{}` exclude each other",
                given[0].0, given[1].0
            )));
        }
        let mac_only_encrypted = match from.get("mac_only_encrypted") {
            Some(Plain::Value(Value::Bool(only))) => *only,
            Some(Plain::Value(Value::Str(text))) => text == "true",
            _ => false,
        };
        let Some((name, text)) = given.first().copied() else {
            return Ok(Self { mac_only_encrypted, ..Self::default() });
        };
        let regex = || {
            Regex::new(text).map_err(|error| {
                Problem::new(format!("`{name}` is not a regular expression: {error}"))
            })
        };
        let rule = match name {
            "unencrypted_suffix" => Rule::UnencryptedSuffix(text.to_owned()),
            "encrypted_suffix" => Rule::EncryptedSuffix(text.to_owned()),
            "unencrypted_regex" => Rule::UnencryptedRegex(regex()?),
            "encrypted_regex" => Rule::EncryptedRegex(regex()?),
            "unencrypted_comment_regex" => Rule::UnencryptedComment(regex()?),
            _ => Rule::EncryptedComment(regex()?),
        };
        Ok(Self { rule, mac_only_encrypted })
    }

    /// Whether values under these keys and comments are encrypted.
    pub(crate) fn encrypts(&self, keys: &[&str], comments: &[Vec<&str>], is_comment: bool) -> bool {
        let said = |regex: &Regex| comments.iter().flatten().any(|comment| regex.is_match(comment));
        match &self.rule {
            Rule::UnencryptedSuffix(suffix) => !keys.iter().any(|key| key.ends_with(suffix)),
            Rule::EncryptedSuffix(suffix) => keys.iter().any(|key| key.ends_with(suffix)),
            Rule::UnencryptedRegex(regex) => !keys.iter().any(|key| regex.is_match(key)),
            Rule::EncryptedRegex(regex) => keys.iter().any(|key| regex.is_match(key)),
            Rule::UnencryptedComment(regex) => !said(regex),
            // The comment that asks for encryption is not encrypted itself.
            Rule::EncryptedComment(regex) => {
                let last = comments.len().saturating_sub(1);
                comments.iter().enumerate().any(|(level, texts)| {
                    let own = usize::from(is_comment && level == last);
                    texts
                        .iter()
                        .take(texts.len().saturating_sub(own))
                        .any(|text| regex.is_match(text))
                })
            }
        }
    }

    /// Whether the MAC counts encrypted values only.
    pub(crate) fn mac_only_encrypted(&self) -> bool {
        self.mac_only_encrypted
    }

    /// Writes them into the metadata of a document.
    pub(crate) fn write(&self, into: &mut Plain) {
        let (name, text) = match &self.rule {
            Rule::UnencryptedSuffix(suffix) => (RULES[0], suffix.as_str()),
            Rule::EncryptedSuffix(suffix) => (RULES[1], suffix.as_str()),
            Rule::UnencryptedRegex(regex) => (RULES[2], regex.as_str()),
            Rule::EncryptedRegex(regex) => (RULES[3], regex.as_str()),
            Rule::UnencryptedComment(regex) => (RULES[4], regex.as_str()),
            Rule::EncryptedComment(regex) => (RULES[5], regex.as_str()),
        };
        into.put(name, Plain::text(text));
        if self.mac_only_encrypted {
            into.put("mac_only_encrypted", Plain::Value(Value::Bool(true)));
        }
    }
}
