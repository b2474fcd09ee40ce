//! Values of a config as templates see them.

use std::collections::BTreeMap;

use minijinja::Value as Shown;

use super::text;
use crate::failure::Explain;
use crate::names::{OutputName, Placeholder};
use crate::value::Value;

/// A value that a template cannot take, with the path of its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableValue {
    /// The values are not a table with names.
    #[error("the values of a template must be a table with string keys")]
    NoMap,
    /// A `source()`, which is not a text.
    #[error("`{0}` is a source(), which a template cannot show")]
    Source(String),
}

impl Explain for UnusableValue {
    fn hint(&self) -> Option<String> {
        match self {
            UnusableValue::NoMap => Some("values = { NAME = ... }".to_owned()),
            UnusableValue::Source(_) => {
                Some("copy it in a derivation, and give the path that it makes".to_owned())
            }
        }
    }
}

/// Returns values as templates see them. A derivation is the path of its first output.
///
/// # Errors
/// When a text cannot contain a value.
pub fn convert(values: &Value) -> Result<Shown, UnusableValue> {
    match values {
        Value::Map(_) => one(values, "values"),
        Value::Nil => Ok(Shown::from(BTreeMap::<String, Shown>::new())),
        Value::List(list) if list.is_empty() => Ok(Shown::from(BTreeMap::<String, Shown>::new())),
        _ => Err(UnusableValue::NoMap),
    }
}

fn one(value: &Value, place: &str) -> Result<Shown, UnusableValue> {
    Ok(match value {
        Value::Nil => Shown::from(()),
        Value::Bool(value) => Shown::from(*value),
        Value::Int(value) => Shown::from(*value),
        Value::Float(value) => Shown::from(*value),
        Value::Bytes(bytes) => Shown::from(text::decode(bytes).into_owned()),
        Value::List(list) => {
            let items =
                (1..).zip(list).map(|(index, item)| one(item, &format!("{place}[{index}]")));
            Shown::from(items.collect::<Result<Vec<_>, _>>()?)
        }
        Value::Map(map) => {
            let entries = map.iter().map(|(key, item)| {
                let key = text::decode(key).into_owned();
                let shown = one(item, &format!("{place}.{key}"))?;
                Ok((key, shown))
            });
            Shown::from(entries.collect::<Result<BTreeMap<_, _>, _>>()?)
        }
        Value::Derivation(hash) => {
            Shown::from(Placeholder::new(*hash, &OutputName::main()).to_string())
        }
        // The other kinds occur only among what functions capture.
        _ => return Err(UnusableValue::Source(text::show(place))),
    })
}
