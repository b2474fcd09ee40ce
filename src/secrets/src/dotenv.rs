//! Dotenv documents: lines of `NAME=value`, comments, and metadata as lines whose names begin with
//! `sops_`.

use crate::flat;
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::tree::{Comment, Entry, Item, Node, ValueKind};
use crate::value::Value;

const PREFIX: &str = "sops_";

/// Reads a document. `\n` in a value is the end of a line; nothing else is special, quotes neither.
pub(crate) fn read(text: &str) -> Result<(Node, Option<Plain>)> {
    let (mut items, mut pairs) = (Vec::new(), Vec::new());
    let mut start = 0;
    for (number, line) in text.split('\n').enumerate() {
        let end = start + line.len();
        if let Some(comment) = line.strip_prefix('#') {
            items.push(Item::Comment(Comment {
                text: comment.to_owned(),
                span: start + 1..end,
                element: None,
            }));
        } else if !line.is_empty() {
            let Some((key, value)) = line.split_once('=') else {
                return Err(Problem::at(
                    number + 1,
                    "there is no `=` in it, so it is not a line of a dotenv document",
                ));
            };
            if let Some(name) = key.strip_prefix(PREFIX) {
                pairs.push((name.to_owned(), value.to_owned()));
            } else {
                let node = Node {
                    kind: ValueKind::Leaf(Value::Str(value.replace("\\n", "\n"))),
                    span: start + key.len() + 1..end,
                    flow: false,
                    column: 0,
                    indent: 0,
                };
                items.push(Item::Entry(Entry { key: Some(key.to_owned()), start, node }));
            }
        }
        start = end + 1;
    }
    let span = 0..text.len();
    let root = Node { kind: ValueKind::Map(items), span, flow: false, column: 0, indent: 0 };
    let metadata = if pairs.is_empty() { None } else { Some(flat::unflatten(&pairs)?) };
    Ok((root, metadata))
}

/// Writes a value. All are text in this format.
pub(crate) fn render(value: &Value) -> Result<String> {
    let bytes = value.to_content();
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::new("a dotenv document holds text only"))?;
    Ok(text.replace('\n', "\\n"))
}

/// The text with other metadata, which are at its end.
pub(crate) fn with_metadata(text: &str, content: Option<&Plain>) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n').filter(|line| !line.starts_with(PREFIX)) {
        out.push_str(line);
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if let Some(content) = content {
        let mut pairs = flat::flatten(content);
        pairs.sort();
        for (name, text) in pairs {
            out.push_str(&format!("{PREFIX}{name}={text}\n"));
        }
    }
    out
}

/// The line that adds a key, and where it goes: before the metadata.
pub(crate) fn insertion(text: &str, key: &str, value: &str) -> Result<(usize, String)> {
    if key.is_empty()
        || key.starts_with('#')
        || key.starts_with(PREFIX)
        || key.contains(['=', '\n'])
    {
        return Err(Problem::new(format!("`{key}` is not a valid name in a dotenv document")));
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(PREFIX) {
            return Ok((at, format!("{key}={value}\n")));
        }
        at += line.len();
    }
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok((at, format!("{newline}{key}={value}\n")))
}
