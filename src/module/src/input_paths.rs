//! Paths of inputs in strings of configs: a string that has one counts by the content of the input.

use std::collections::BTreeSet;
use std::rc::Rc;

use memchr::memmem;
use mlua::prelude::*;
use syslua_engine::platform;
use syslua_engine::value::{Source, Value};

use crate::state::{self, InputTrees};

/// The digits of a hash, which a tree is called by.
const DIGITS: usize = 64;

/// Returns a string of a config with the trees of inputs that it names taken out of it, or `None`
/// if it names none.
pub fn join(trees: &InputTrees, text: &[u8]) -> Option<Value> {
    let parent = trees.keys().next()?.parent()?;
    let prefix = [platform::bytes_of_path(parent).as_slice(), b"/"].concat();
    if text.len() < prefix.len() + DIGITS {
        return None;
    }
    let (mut parts, mut copied) = (Vec::new(), 0);
    for start in memmem::find_iter(text, &prefix) {
        let end = start + prefix.len() + DIGITS;
        let Some(path) = text.get(start..end).map(platform::path_from_bytes) else { continue };
        let Some(nar) = trees.get(&path) else { continue };
        if start > copied {
            parts.push(Value::Bytes(text[copied..start].to_vec()));
        }
        parts.push(Value::Source(Box::new(Source { path, nar: *nar, excluded: BTreeSet::new() })));
        copied = end;
    }
    if parts.is_empty() {
        return None;
    }
    if copied < text.len() {
        parts.push(Value::Bytes(text[copied..].to_vec()));
    }
    Some(Value::Joined(parts))
}

/// Does the same for all strings of a value.
pub fn join_all(lua: &Lua, value: Value) -> Value {
    let trees = state::read(lua, |state| Rc::clone(&state.input_trees));
    if trees.is_empty() { value } else { join_inner(&trees, value) }
}

fn join_inner(trees: &InputTrees, value: Value) -> Value {
    match value {
        Value::Bytes(text) => join(trees, &text).unwrap_or(Value::Bytes(text)),
        Value::List(list) => {
            Value::List(list.into_iter().map(|item| join_inner(trees, item)).collect())
        }
        Value::Map(map) => {
            Value::Map(map.into_iter().map(|(key, item)| (key, join_inner(trees, item))).collect())
        }
        other => other,
    }
}
