//! YAML documents: `saphyr-parser` says where values are, and changes are made in the text.
//!
//! What a plain word means is what the YAML library of SOPS makes of it (`scalar`), since the MAC
//! is made of that.

mod comments;
mod expand;
mod read;
mod scalar;
mod write;

pub(crate) use expand::expand;
pub(crate) use read::read;
pub(crate) use write::{append, empty, hoist, render_comment, with_metadata};

use crate::options::KEY;
use crate::tree::Node;
use crate::value::Value;

/// How a value is written in the place of a node of a text. It is on one line where a block would
/// take what follows for its own text: a comment in the same line, or blank lines when it ends in
/// such.
pub(crate) fn render(text: &str, value: &Value, place: &Node) -> String {
    let behind = &text[place.span.end..];
    let is_taken = |value: &str| {
        let mut lines = behind.split('\n').map(str::trim);
        let comment = lines.next().is_some_and(|rest| !rest.is_empty());
        let next = lines.next().unwrap_or_default();
        // Or behind the metadata, which go when it is decrypted.
        let blank = next.is_empty() || (next.starts_with(KEY) && behind.contains("\n\n"));
        let keeps = value == "\n" || value.ends_with("\n\n");
        value.contains('\n') && (comment || (keeps && blank))
    };
    let one_line = place.flow || matches!(value, Value::Str(value) if is_taken(value));
    scalar::render_at(value, one_line, place.column, place.indent)
}

/// Data between brackets on one line.
pub(crate) fn flow(plain: &crate::plain::Plain) -> String {
    let mut out = String::new();
    write::write_flow(plain, &mut out);
    out
}
