//! Decrypted data without places in a text.

use zeroize::Zeroizing;

use crate::json_text;
use crate::value::Value;

/// A value, a list or a map in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub enum Plain {
    /// A value.
    Value(Value),
    /// A list, without its comments.
    List(Vec<Plain>),
    /// A map in the order of the document. A JSON document may have a key twice.
    Map(Vec<(String, Plain)>),
}

impl Plain {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Value(Value::Str(text.into()))
    }

    /// The last entry of a map with that key.
    pub fn get(&self, key: &str) -> Option<&Plain> {
        match self {
            Self::Map(entries) => {
                entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text of a map's entry.
    pub(crate) fn get_text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Self::Value(Value::Str(text) | Value::Time(text))) => Some(text),
            _ => None,
        }
    }

    /// Puts an entry into a map, in the place of the one with that key or at the end.
    pub(crate) fn put(&mut self, key: &str, value: Plain) {
        if let Self::Map(entries) = self {
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key.to_owned(), value)),
            }
        }
    }

    /// As JSON on one line, in the order of the document. Bytes that are not text are written as
    /// base64.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::new());
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Value(value) => json_text::write_value(value, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    json_text::write_text(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}
