//! Where a value is in a document: `db.users[0].name`.

use std::fmt;

use crate::problem::{Problem, Result};

/// One step of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The key of a map.
    Key(String),
    /// The place in a list, from 0.
    Index(usize),
}

/// The way to a value, from the top of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The way of these steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// Reads `db.users[0].name`. A key with a dot or a bracket is written in brackets and quotes:
    /// `["tls.crt"]`.
    ///
    /// # Errors
    /// When it is malformed or empty.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || {
            Problem::new(format!("`{text}` is not a key path"))
                .with_hint("write `db.users[0].name`; write a key with a dot as `[\"tls.crt\"]`")
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let (key, behind) = quoted_key(quoted).ok_or_else(malformed)?;
                steps.push(Step::Key(key));
                rest = behind;
            } else if let Some(bracket) = rest.strip_prefix('[') {
                let (index, behind) = bracket.split_once(']').ok_or_else(malformed)?;
                steps.push(Step::Index(index.parse().map_err(|_| malformed())?));
                rest = behind;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return Err(malformed());
                }
                steps.push(Step::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            if let Some(behind) = rest.strip_prefix('.') {
                if behind.is_empty() || behind.starts_with('[') {
                    return Err(malformed());
                }
                rest = behind;
            } else if !rest.is_empty() && !rest.starts_with('[') {
                return Err(malformed());
            }
        }
        if steps.is_empty() { Err(malformed()) } else { Ok(Self(steps)) }
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

fn quoted_key(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return text[at + 1..].strip_prefix(']').map(|rest| (key, rest)),
            '\\' => key.push(letters.next()?.1),
            _ => key.push(letter),
        }
    }
    None
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(at) => write!(formatter, "[{at}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"', '\\']) => {
                    write!(formatter, "[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\""))?;
                }
                Step::Key(key) if index == 0 => write!(formatter, "{key}")?,
                Step::Key(key) => write!(formatter, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyPath, Step};

    #[test]
    fn paths_come_back() {
        for text in [
            "a",
            "db.users[0].name",
            "[0].a",
            "a[1][2]",
            "[\"tls.crt\"]",
            "a[\"b]\\\"c\"].d",
            "a[\"\"]",
        ] {
            let path = KeyPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(path.to_string(), text);
        }
        let path = KeyPath::new(vec![Step::Key("x.y".to_owned()), Step::Index(3)]);
        assert_eq!(KeyPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in [
            "", ".", "a.", "a..b", ".a", "a[", "a[x]", "a[-1]", "a[0]b", "[\"a", "[\"a\"x", "a.[0]",
        ] {
            assert!(KeyPath::parse(text).is_err(), "{text}");
        }
    }
}
