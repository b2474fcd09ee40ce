//! The canonical encoding of values: the bytes that derivation hashes are computed over.
//!
//! Every value is a tag and its content; whatever varies in length is preceded by its length as 64
//! bits little-endian. Equal encodings mean equal values, and nothing of the machine enters them.

use crate::hash::{Hash, Sink};
use crate::names::{Placeholder, Segment};
use crate::value::{Function, Value};

/// Raised when the meaning of a ctx call or of a shipped helper changes, so that a fix rebuilds.
pub const FORMAT: u64 = 1;

/// What references to other derivations stand for in an encoding.
pub trait References {
    /// Returns what a handle of the derivation `hash` is encoded as.
    fn derivation(&self, hash: Hash) -> Vec<u8>;
    /// Returns what a placeholder inside a string is encoded as.
    fn placeholder(&self, placeholder: Placeholder) -> Vec<u8>;
}

/// References stand for themselves: the encoding of the recipe.
pub struct Recipe;

impl References for Recipe {
    fn derivation(&self, hash: Hash) -> Vec<u8> {
        hash.as_bytes().to_vec()
    }

    fn placeholder(&self, placeholder: Placeholder) -> Vec<u8> {
        placeholder.to_bytes()
    }
}

/// Writes a number of 64 bits.
pub fn number(sink: &mut impl Sink, number: u64) {
    sink.put(&number.to_le_bytes());
}

/// Writes bytes with their length.
pub fn bytes(sink: &mut impl Sink, bytes: &[u8]) {
    number(sink, bytes.len() as u64);
    sink.put(bytes);
}

/// Writes a value.
pub fn value(sink: &mut impl Sink, references: &dyn References, given: &Value) {
    match given {
        Value::Nil => sink.put(b"n"),
        Value::Bool(false) => sink.put(b"0"),
        Value::Bool(true) => sink.put(b"1"),
        Value::Int(integer) => {
            sink.put(b"i");
            sink.put(&integer.to_le_bytes());
        }
        Value::Float(float) => {
            sink.put(b"f");
            sink.put(&float.to_bits().to_le_bytes());
        }
        Value::Bytes(bytes) => text(sink, references, bytes),
        Value::Joined(parts) => {
            sink.put(b"j");
            number(sink, parts.len() as u64);
            parts.iter().for_each(|part| value(sink, references, part));
        }
        Value::List(list) => {
            sink.put(b"l");
            number(sink, list.len() as u64);
            list.iter().for_each(|item| value(sink, references, item));
        }
        Value::Map(map) => {
            sink.put(b"m");
            number(sink, map.len() as u64);
            for (key, item) in map {
                text(sink, references, key);
                value(sink, references, item);
            }
        }
        Value::Derivation(hash) => {
            sink.put(b"d");
            bytes(sink, &references.derivation(*hash));
        }
        Value::Source(source) => {
            sink.put(b"c");
            sink.put(source.nar.as_bytes());
            bytes(sink, source.extension().as_bytes());
        }
        Value::Table(entries, metatable) => {
            sink.put(b"t");
            number(sink, entries.len() as u64);
            for (key, item) in entries {
                value(sink, references, key);
                value(sink, references, item);
            }
            match metatable {
                Some(metatable) => value(sink, references, metatable),
                None => sink.put(b"n"),
            }
        }
        Value::Function(given) => function(sink, references, given),
        Value::Known(name) => {
            sink.put(b"k");
            bytes(sink, name.as_bytes());
        }
        Value::Again(first) => {
            sink.put(b"a");
            number(sink, *first);
        }
    }
}

/// Writes a function: its text and its captures.
pub fn function(sink: &mut impl Sink, references: &dyn References, given: &Function) {
    sink.put(b"u");
    bytes(sink, &given.text);
    number(sink, given.captures.len() as u64);
    for (name, item) in &given.captures {
        bytes(sink, name);
        value(sink, references, item);
    }
}

/// Writes a string. One with placeholders is written in parts, so that a literal cannot pose as
/// one.
pub fn text(sink: &mut impl Sink, references: &dyn References, given: &[u8]) {
    if Placeholder::find(given).is_none() {
        sink.put(b"s");
        return bytes(sink, given);
    }
    let segments = Placeholder::split(given);
    sink.put(b"p");
    number(sink, segments.len() as u64);
    for segment in segments {
        match segment {
            Segment::Literal(literal) => {
                sink.put(b"s");
                bytes(sink, literal);
            }
            Segment::Placeholder(placeholder) => {
                sink.put(b"o");
                bytes(sink, &references.placeholder(placeholder));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Fields;

    fn encoded(given: &Value) -> Vec<u8> {
        let mut sink = Vec::new();
        value(&mut sink, &Recipe, given);
        sink
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9f64).prop_map(Value::Float),
            prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop::collection::vec(any::<u8>(), 0..3);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|map| Value::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn different_values_have_different_encodings(a in any_value(), b in any_value()) {
            prop_assert_eq!(a == b, encoded(&a) == encoded(&b));
        }
    }

    #[test]
    fn an_empty_list_is_no_empty_map() {
        assert_ne!(encoded(&Value::List(vec![])), encoded(&Value::Map(Fields::new())));
    }
}
