//! Single values and their types.

use zeroize::{Zeroize, Zeroizing};

use crate::problem::{Problem, Result};

/// A value that is neither a map nor a list. It is wiped when it is dropped.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing. SOPS leaves it in clear.
    Null,
    /// Text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// Any other number, and every number of a JSON document.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A point in time, as RFC 3339 writes it.
    Time(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
}

impl Drop for Value {
    fn drop(&mut self) {
        match self {
            Self::Null => {}
            Self::Str(text) | Self::Time(text) => text.zeroize(),
            Self::Int(number) => number.zeroize(),
            Self::Float(number) => number.zeroize(),
            Self::Bool(truth) => truth.zeroize(),
            Self::Bytes(bytes) => bytes.zeroize(),
        }
    }
}

/// Shows the type only: a value never gets into a message by accident.
impl std::fmt::Debug for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "<secret {}>", self.type_of().name())
    }
}

/// The type of a value, as documents leave it in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Nothing.
    Null,
    /// Text.
    Str,
    /// A whole number.
    Int,
    /// Any other number.
    Float,
    /// A truth value.
    Bool,
    /// A point in time.
    Time,
    /// Bytes that are not text.
    Bytes,
    /// A comment.
    Comment,
}

const TYPES: [(Type, &str); 8] = [
    (Type::Null, "null"),
    (Type::Str, "str"),
    (Type::Int, "int"),
    (Type::Float, "float"),
    (Type::Bool, "bool"),
    (Type::Time, "time"),
    (Type::Bytes, "bytes"),
    (Type::Comment, "comment"),
];

impl Type {
    /// The name that documents use.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl Value {
    /// The type of this value.
    pub fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Str(_) => Type::Str,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Bool(_) => Type::Bool,
            Self::Time(_) => Type::Time,
            Self::Bytes(_) => Type::Bytes,
        }
    }

    /// The bytes that SOPS encrypts and computes its MAC over. Those of `true` are `True`.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Null => Vec::new(),
            Self::Str(text) | Self::Time(text) => text.clone().into_bytes(),
            Self::Int(number) => number.to_string().into_bytes(),
            Self::Float(number) => format_float(*number).into_bytes(),
            Self::Bool(true) => b"True".to_vec(),
            Self::Bool(false) => b"False".to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        })
    }

    /// Reads decrypted bytes as a value of a type.
    ///
    /// # Errors
    /// When they are none.
    pub(crate) fn from_bytes(kind: Type, bytes: &[u8]) -> Result<Self> {
        if kind == Type::Bytes {
            return Ok(Self::Bytes(bytes.to_vec()));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) if kind == Type::Str => return Ok(Self::Bytes(bytes.to_vec())),
            Err(_) => {
                return Err(Problem::new(format!("a value of type {} is not text", kind.name())));
            }
        };
        Self::from_text(kind, text).ok_or_else(|| {
            Problem::new(format!("a decrypted value is not of its type, {}", kind.name()))
        })
    }

    /// Reads a text as a value of a type: `5432` as an int. `None` when it is not of that type.
    pub fn from_text(kind: Type, text: &str) -> Option<Self> {
        match kind {
            Type::Str => Some(Self::Str(text.to_owned())),
            Type::Int => text.parse().ok().map(Self::Int),
            Type::Float => parse_float(text).map(Self::Float),
            Type::Bool => match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Self::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Self::Bool(false)),
                _ => None,
            },
            Type::Time => crate::timestamp::parse(text).map(Self::Time),
            Type::Null => matches!(text, "" | "null" | "~").then_some(Self::Null),
            Type::Bytes => Some(Self::Bytes(text.as_bytes().to_vec())),
            Type::Comment => None,
        }
    }

    /// The value as a file gets it: text as it is, numbers as they are written, `true` and `false`.
    pub fn to_content(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Bool(truth) => Zeroizing::new(truth.to_string().into_bytes()),
            Self::Null => Zeroizing::new(Vec::new()),
            other => other.to_bytes(),
        }
    }
}

/// A number as `strconv.FormatFloat(f, 'f', -1, 64)` of Go writes it, which the MAC is made of.
pub(crate) fn format_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{number}")
    }
}

fn parse_float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let finite = number.is_finite() || text.to_ascii_lowercase().contains(['n', 'i']);
    finite.then_some(number)
}
