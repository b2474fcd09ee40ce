//! TOML 1.1: finds the keys of a document and edits them.

use serde_json::{Map as JsonMap, Value};
use toml_edit::{Item, Table};

use crate::editor::{Editor, Header, Insertion, Items, newline_of};
use crate::node::{Entry, Lines, Map, Node, NodeKind, Shape, float};
use crate::paths::Paths;
use crate::problem::{Problem, Result};

/// Beyond this a list is written with one item a line.
const WIDTH: usize = 80;

/// How TOML is edited.
pub(crate) struct Toml;

impl Editor for Toml {
    fn parse(&self, text: &str, _paths: &Paths) -> Result<Node> {
        let document = toml_edit::Document::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            Problem::at(text, start, error.message().to_owned())
        })?;
        let mut root = table(text, document.as_table());
        if let NodeKind::Map(map) = &mut root.kind {
            map.shape = Shape::Lines(match last_of(map) {
                Some(end) => after_line(text, 0, end),
                None => {
                    let newline = newline_of(text);
                    let gap = if text.starts_with('[') { newline } else { "" };
                    Lines { tail: format!("{newline}{gap}"), ..Lines::default() }
                }
            });
        }
        Ok(root)
    }

    fn value(&self, _text: &str, node: &Node) -> Value {
        node.value()
    }

    fn normal(&self, value: &Value) -> std::result::Result<Value, String> {
        match value {
            Value::Null => Err("TOML has no null; lib.absent removes a key".to_owned()),
            Value::Array(items) => items.iter().try_for_each(|item| self.normal(item).map(drop)),
            Value::Object(map) => map.values().try_for_each(|item| self.normal(item).map(drop)),
            _ => Ok(()),
        }
        .map(|()| value.clone())
    }

    fn key(&self, key: &str, _is_braces: bool) -> std::result::Result<String, String> {
        Ok(key_text(key))
    }

    fn separator(&self, _text: &str, _is_braces: bool) -> &'static str {
        " = "
    }

    fn render(&self, value: &Value, place: &Insertion) -> std::result::Result<String, String> {
        let line = inline(value);
        match value {
            Value::Array(items) if line.len() > WIDTH && !place.is_braces => {
                let mut out = String::from("[");
                for item in items {
                    out.push_str(place.newline);
                    out.push_str(&place.indent);
                    out.push_str(&place.unit);
                    out.push_str(&inline(item));
                    out.push(',');
                }
                out.push_str(place.newline);
                out.push_str(&place.indent);
                out.push(']');
                Ok(out)
            }
            _ => Ok(line),
        }
    }

    fn items(&self, list: &str) -> Option<Items> {
        const KEY: &str = "x = ";
        let document = toml_edit::Document::parse(format!("{KEY}{list}")).ok()?;
        let items = document.as_table().get("x")?.as_array()?.iter();
        let span = |item: &toml_edit::Value| {
            let span = item.span()?;
            Some(span.start.checked_sub(KEY.len())?..span.end - KEY.len())
        };
        items.map(span).collect::<Option<Vec<_>>>().map(Items::Brackets)
    }

    fn comment(&self, text: &str, at: usize) -> Option<usize> {
        hash_comment(text, at)
    }

    /// Headers are written at the end. What is defined by dotted keys or in one line gets none.
    fn header(&self, text: &str, above: &Map, path: &[String], depth: usize) -> Option<Header> {
        match &above.shape {
            Shape::Braces(_) => return None,
            Shape::Lines(lines) if !lines.prefix.is_empty() => return None,
            _ => {}
        }
        let newline = newline_of(text);
        let names: Vec<String> = path[..path.len() - 1].iter().map(|key| key_text(key)).collect();
        let is_ended = text.is_empty() || text.ends_with('\n');
        let gap =
            if text.trim().is_empty() || text.ends_with(&newline.repeat(2)) { "" } else { newline };
        Some(Header {
            lead: format!("{}{gap}", if is_ended { "" } else { newline }),
            text: format!("[{}]", names.join(".")),
            tail: newline.to_owned(),
            levels: path.len() - 1 - depth,
        })
    }

    fn is_replaceable(&self, map: &Map) -> bool {
        matches!(map.shape, Shape::Braces(_))
    }
}

/// Returns the end of the comment of a line that begins at a place with `#`.
pub(crate) fn hash_comment(text: &str, at: usize) -> Option<usize> {
    let rest = text[at..].strip_prefix('#')?;
    let end = rest.find('\n').unwrap_or(rest.len());
    Some(at + 1 + rest[..end].strip_suffix('\r').unwrap_or(&rest[..end]).len())
}

/// Returns the place for another entry of a table after an entry that ends at a place.
fn after_line(text: &str, start: usize, end: usize) -> Lines {
    let line = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
    let at = if text[end..line].ends_with('\r') { line - 1 } else { line };
    let first = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = &text[first..];
    let indent = &indent[..indent.len() - indent.trim_start_matches([' ', '\t']).len()];
    let lead = format!("{}{indent}", newline_of(text));
    Lines { start, at, lead, ..Lines::default() }
}

/// Returns the end of the last entry in a table itself.
fn last_of(map: &Map) -> Option<usize> {
    let ends = map.entries.iter().filter_map(|entry| match &entry.value.kind {
        NodeKind::Map(Map { shape: Shape::Lines(lines), entries, .. })
            if !lines.prefix.is_empty() =>
        {
            entries.iter().map(|entry| entry.end).max()
        }
        NodeKind::Map(Map { shape: Shape::Lines(_) | Shape::Implicit, .. })
        | NodeKind::Scattered(..) => None,
        _ => Some(entry.end),
    });
    ends.max()
}

/// Returns where the line of a place has its first letter.
fn line_start(text: &str, at: usize) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start + text[start..at].len() - text[start..at].trim_start().len()
}

/// Makes a node of a table.
fn table(text: &str, table: &Table) -> Node {
    let mut entries = Vec::new();
    for (key, item) in table.iter() {
        let Some((name, _)) = table.get_key_value(key) else { continue };
        let place = name.span().unwrap_or_default();
        let (span, value) = match item {
            Item::Value(value) => {
                let node = value_node(text, value);
                (line_start(text, place.start)..place.end, node)
            }
            Item::Table(inner) => {
                let node = self::table(text, inner);
                let span = if inner.is_dotted() { 0..0 } else { inner.span().unwrap_or_default() };
                let span = if inner.is_implicit() { 0..0 } else { span };
                (span, node)
            }
            Item::ArrayOfTables(array) => {
                let items = array.iter().map(|item| self::table(text, item).value());
                let value = Value::Array(items.collect());
                (0..0, Node { span: 0..0, kind: NodeKind::Scattered(value, "an array of tables") })
            }
            Item::None => continue,
        };
        let end = if span.is_empty() || item.is_table() { span.end } else { value.span.end };
        entries.push(Entry { key: key.to_owned(), span, end, value });
    }
    // As written in the text.
    entries.sort_by_key(|entry| (entry.span.is_empty(), entry.span.start));
    let mut map = Map { entries, shape: Shape::Implicit, is_null: false };
    let header = table.span().unwrap_or_default();
    if table.is_dotted() {
        let last = map.entries.iter().filter(|entry| entry.end > 0).max_by_key(|entry| entry.end);
        let nested = || last_of(&map);
        if let Some(end) = last.map(|entry| entry.end).max(nested()) {
            let first = map.entries.iter().find(|entry| !entry.span.is_empty());
            let prefix = first.map_or_else(|| above_nested(&map), |entry| prefix(text, entry));
            let lines = after_line(text, line_start(text, end), end);
            map.shape = if prefix.is_empty() {
                Shape::Implicit
            } else {
                Shape::Lines(Lines { prefix, ..lines })
            };
        }
    } else if !table.is_implicit() && !header.is_empty() {
        let end = last_of(&map).unwrap_or(header.end);
        map.shape = Shape::Lines(after_line(text, header.end, end));
    }
    Node { span: 0..0, kind: NodeKind::Map(map) }
}

/// Returns the text before the last key of a dotted one.
fn prefix(text: &str, entry: &Entry) -> String {
    let whole = &text[entry.span.clone()];
    let last = ["\"", "'"].iter().find_map(|quote| {
        let rest = whole.strip_suffix(*quote)?;
        rest.rfind(*quote)
    });
    let last = last.or_else(|| whole.rfind('.').map(|dot| dot + 1)).unwrap_or(0);
    whole[..last].trim_end().to_owned()
}

/// Returns the same of a table that holds only tables of dotted keys.
fn above_nested(map: &Map) -> String {
    let nested = map.entries.iter().find_map(|entry| match &entry.value.kind {
        NodeKind::Map(Map { shape: Shape::Lines(lines), .. }) => Some(lines.prefix.as_str()),
        _ => None,
    });
    let whole = nested.unwrap_or_default().trim_end_matches('.');
    whole.rfind('.').map_or(String::new(), |dot| whole[..=dot].to_owned())
}

fn value_node(text: &str, value: &toml_edit::Value) -> Node {
    let span = value.span().unwrap_or_default();
    let kind = match value.as_inline_table() {
        Some(inline) if !inline.is_dotted() => NodeKind::Map(Map {
            entries: inline_entries(text, inline),
            shape: Shape::Braces(span.clone()),
            is_null: false,
        }),
        _ => NodeKind::Leaf(Some(plain(value))),
    };
    Node { span, kind }
}

fn inline_entries(text: &str, inline: &toml_edit::InlineTable) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (key, value) in inline.iter() {
        let place = inline.get_key_value(key).and_then(|(name, _)| name.span()).unwrap_or_default();
        let is_dotted = value.as_inline_table().is_some_and(toml_edit::InlineTable::is_dotted);
        let node = if is_dotted {
            Node { span: 0..0, kind: NodeKind::Scattered(plain(value), "made of dotted keys") }
        } else {
            value_node(text, value)
        };
        let end = if is_dotted { last_end(value) } else { node.span.end };
        entries.push(Entry { key: key.to_owned(), span: place, end, value: node });
    }
    entries
}

/// Returns where the last value of a table of dotted keys ends.
fn last_end(value: &toml_edit::Value) -> usize {
    match value.as_inline_table() {
        Some(inline) if inline.is_dotted() => {
            inline.iter().map(|(_, value)| last_end(value)).max().unwrap_or_default()
        }
        _ => value.span().unwrap_or_default().end,
    }
}

fn plain(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => float(*number.value()),
        toml_edit::Value::Boolean(value) => Value::Bool(*value.value()),
        toml_edit::Value::Datetime(time) => {
            let time = Value::String(time.value().to_string());
            Value::Object(JsonMap::from_iter([("$datetime".to_owned(), time)]))
        }
        toml_edit::Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        toml_edit::Value::InlineTable(inline) => {
            let entries = inline.iter().map(|(key, value)| (key.to_owned(), plain(value)));
            Value::Object(entries.collect::<JsonMap<_, _>>())
        }
    }
}

fn key_text(key: &str) -> String {
    let is_bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// A basic string escapes what a string of JSON does, and DEL.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string().replace('\u{7f}', "\\u007F")
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{} = {}", key_text(key), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
