//! INI: sections in brackets, keys and values, as git, systemd, desktops and Python write them.

use serde_json::{Map as JsonMap, Value};

use crate::editor::{Editor, Header, Insertion, newline_of};
use crate::node::{Entry, FLAG, Lines, Map, Node, NodeKind, Shape};
use crate::paths::Paths;
use crate::problem::{Problem, Result};

/// How INI is edited.
pub(crate) struct Ini;

impl Editor for Ini {
    fn parse(&self, text: &str, _paths: &Paths) -> Result<Node> {
        let mut top = Section::new(0, 0);
        let mut sections: Vec<(String, std::ops::Range<usize>, Section)> = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1);
            let line = text[at..end].trim_end();
            let start = at + line.len() - line.trim_start().len();
            at = end;
            let line = line.trim_start();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                let Some(close) = line.rfind(']') else {
                    return Err(Problem::at(text, start, "the `]` of a section is missing"));
                };
                let header = start..start + close + 1;
                let name = line[1..close].to_owned();
                sections.push((name, header.clone(), Section::new(header.end, header.end)));
                continue;
            }
            let entry = entry(text, start, start + line.len(), &mut at);
            sections.last_mut().map_or(&mut top, |(_, _, section)| section).add(entry);
        }
        let newline = newline_of(text);
        let indent = sections.iter().find_map(|(_, _, section)| section.indent(text));
        let mut root = Map {
            shape: Shape::Lines(match top.entries.last() {
                Some(last) => top.lines(text, last.end, newline, None),
                None => {
                    let gap = if text.starts_with('[') { newline } else { "" };
                    Lines { tail: format!("{newline}{gap}"), ..Lines::default() }
                }
            }),
            entries: top.entries,
            is_null: false,
        };
        for (key, span, section) in sections {
            let last = section.entries.last().map_or(section.header, |entry| entry.end);
            let lines = section.lines(text, last, newline, indent.as_deref());
            let map = Map { entries: section.entries, shape: Shape::Lines(lines), is_null: false };
            let end = span.end;
            let value = Node { span: 0..0, kind: NodeKind::Map(map) };
            root.entries.push(Entry { key, span, end, value });
        }
        Ok(Node { span: 0..text.len(), kind: NodeKind::Map(root) })
    }

    fn value(&self, _text: &str, node: &Node) -> Value {
        node.value()
    }

    fn normal(&self, value: &Value) -> std::result::Result<Value, String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Object(map) if map.is_empty() => return Ok(value.clone()),
            _ => return Err("an INI key holds one text, number or boolean".to_owned()),
        };
        if text.contains(['\n', '\r']) || text.trim() != text {
            return Err("an INI value is one line without spaces around it".to_owned());
        }
        if comment_in(&text).is_some() || text.ends_with('\\') {
            return Err("the value would be read differently: put it in quotes".to_owned());
        }
        Ok(Value::String(text))
    }

    fn key(&self, key: &str, _is_braces: bool) -> std::result::Result<String, String> {
        let is_plain = !key.is_empty()
            && key.trim() == key
            && !key.contains(['=', '\n', '\r', ':'])
            && !key.starts_with(['#', ';', '[']);
        if is_plain { Ok(key.to_owned()) } else { Err("INI cannot express this key".to_owned()) }
    }

    fn separator(&self, text: &str, _is_braces: bool) -> &'static str {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';', '[']));
        let mut places = lines.filter_map(|line| {
            let at = line.find('=')?;
            let is_wide = line[..at].ends_with([' ', '\t']);
            Some(if is_wide { " = " } else { "=" })
        });
        places.next().unwrap_or(" = ")
    }

    fn render(&self, value: &Value, _place: &Insertion) -> std::result::Result<String, String> {
        match self.normal(value)? {
            Value::String(text) => Ok(text),
            _ => Err("an INI key holds one text, number or boolean".to_owned()),
        }
    }

    fn comment(&self, text: &str, at: usize) -> Option<usize> {
        crate::toml::hash_comment(text, at)
    }

    fn empty_table(&self, _is_braces: bool) -> Option<&'static str> {
        None
    }

    fn header(&self, text: &str, _above: &Map, path: &[String], depth: usize) -> Option<Header> {
        let name = path.first().filter(|name| depth == 0 && !name.contains(['\n', '\r']))?;
        if path.len() != 2 {
            return None;
        }
        let newline = newline_of(text);
        let is_ended = text.is_empty() || text.ends_with('\n');
        let gap =
            if text.trim().is_empty() || text.ends_with(&newline.repeat(2)) { "" } else { newline };
        Some(Header {
            lead: format!("{}{gap}", if is_ended { "" } else { newline }),
            text: format!("[{name}]"),
            tail: newline.to_owned(),
            levels: 1,
        })
    }

    fn is_replaceable(&self, _map: &Map) -> bool {
        false
    }
}

/// The lines of a section, or those before the first one.
struct Section {
    start: usize,
    header: usize,
    entries: Vec<Entry>,
}

impl Section {
    fn new(start: usize, header: usize) -> Section {
        Section { start, header, entries: Vec::new() }
    }

    fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    fn indent(&self, text: &str) -> Option<String> {
        let start = self.entries.last()?.span.start;
        let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        Some(text[line..start].to_owned())
    }

    fn lines(&self, text: &str, end: usize, newline: &str, indent: Option<&str>) -> Lines {
        let line = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
        let at = if text[end..line].ends_with('\r') { line - 1 } else { line };
        let own = self.indent(text);
        let indent = own.as_deref().or(indent).unwrap_or_default();
        Lines { start: self.start, at, lead: format!("{newline}{indent}"), ..Lines::default() }
    }
}

/// Reads a key and its value; a backslash at the end of a line continues it.
fn entry(text: &str, start: usize, mut end: usize, next: &mut usize) -> Entry {
    let line = &text[start..end];
    let Some(separator) = line.find('=').or_else(|| line.find(':')) else {
        let name = &line[..comment_in(line).unwrap_or(line.len())];
        let end = start + name.trim_end().len();
        let kind = NodeKind::Scattered(Value::Bool(true), FLAG);
        let value = Node { span: end..end, kind };
        return Entry { key: name.trim_end().to_owned(), span: start..end, end, value };
    };
    let key = line[..separator].trim_end();
    let rest = start + separator + 1;
    let mut from = rest + text[rest..end].len() - text[rest..end].trim_start().len();
    from = from.min(end);
    while text[from..end].ends_with('\\') && *next < text.len() {
        let line = text[*next..].find('\n').map_or(text.len(), |newline| *next + newline + 1);
        end = *next + text[*next..line].trim_end().len();
        *next = line;
    }
    if from == end {
        // Blanks belong to an empty value.
        let line = text[rest..].find('\n').map_or(text.len(), |newline| rest + newline);
        from = rest + text[rest..line].trim_end_matches('\r').len();
        end = from;
    }
    let value = &text[from..end];
    let length = comment_in(value).map_or(value.len(), |at| value[..at].trim_end().len());
    let span = from..from + length;
    let value = Value::String(text[span.clone()].to_owned());
    Entry {
        key: key.to_owned(),
        span: start..start + key.len(),
        end: span.end,
        value: Node { span, kind: NodeKind::Leaf(Some(value)) },
    }
}

/// Returns where a comment begins in a value: a mark after a blank, outside of quotes.
fn comment_in(value: &str) -> Option<usize> {
    let (mut is_quoted, mut is_blank, mut is_escaped) = (false, false, false);
    for (at, letter) in value.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '#' | ';' if is_blank && !is_quoted => return Some(at),
            _ => {}
        }
        is_blank = letter == ' ' || letter == '\t';
    }
    None
}

/// Returns a document as data: a key that is there several times is a list, and so are the values
/// of equal keys in sections of one name.
pub(crate) fn read(root: &Node) -> Value {
    let mut all = JsonMap::new();
    for entry in root.map().map(|map| map.entries.as_slice()).unwrap_or_default() {
        match entry.value.map() {
            Some(section) => {
                let known =
                    all.entry(entry.key.clone()).or_insert_with(|| Value::Object(JsonMap::new()));
                if let Value::Object(known) = known {
                    section.entries.iter().for_each(|entry| add(known, entry));
                }
            }
            None => add(&mut all, entry),
        }
    }
    Value::Object(all)
}

fn add(map: &mut JsonMap<String, Value>, entry: &Entry) {
    let value = entry.value.value();
    match map.get_mut(&entry.key) {
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => drop(map.insert(entry.key.clone(), value)),
    }
}
