//! YAML 1.2, one document. A value's text begins behind the colon of its key, or behind its anchor.

use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map as JsonMap, Number, Value};

use crate::editor::{Editor, Insertion, Items, newline_of, unit_of};
use crate::node::{Entry, Lines, Map, Node, NodeKind, Shape, float};
use crate::paths::Paths;
use crate::problem::{Problem, Result};

/// How deep a document may be nested.
const MAX_DEPTH: usize = 500;

/// How YAML is edited.
pub(crate) struct Yaml;

impl Editor for Yaml {
    fn parse(&self, text: &str, _paths: &Paths) -> Result<Node> {
        Reader::new(text)?.document()
    }

    fn value(&self, _text: &str, node: &Node) -> Value {
        value_of(node)
    }

    fn key(&self, key: &str, _is_braces: bool) -> std::result::Result<String, String> {
        Ok(scalar(key))
    }

    fn separator(&self, _text: &str, _is_braces: bool) -> &'static str {
        ":"
    }

    fn render(&self, value: &Value, place: &Insertion) -> std::result::Result<String, String> {
        let mut out = String::new();
        match value {
            Value::Array(items) if !items.is_empty() && !place.is_braces => {
                for item in items {
                    out.push_str(place.newline);
                    out.push_str(&place.indent);
                    out.push_str(&place.unit);
                    out.push_str("- ");
                    flow(&mut out, item);
                }
            }
            _ => {
                out.push(' ');
                flow(&mut out, value);
            }
        }
        Ok(out)
    }

    fn items(&self, list: &str) -> Option<Items> {
        let mut starts = Vec::new();
        let mut indent = None;
        let mut at = list.find('\n')? + 1;
        for line in list[at..].split_inclusive('\n') {
            let bare = line.trim_start_matches(' ');
            let width = line.len() - bare.len();
            let is_item = bare
                .strip_prefix('-')
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
            if is_item && *indent.get_or_insert(width) == width {
                starts.push(at);
            }
            at += line.len();
        }
        Some(Items::Dashes(starts))
    }

    fn comment(&self, text: &str, at: usize) -> Option<usize> {
        let is_apart = at == 0 || text[..at].ends_with([' ', '\t', '\n', '\r']);
        is_apart.then(|| crate::toml::hash_comment(text, at)).flatten()
    }

    fn empty_table(&self, is_braces: bool) -> Option<&'static str> {
        Some(if is_braces { " {}" } else { "" })
    }
}

/// Reads a document as data.
///
/// # Errors
/// When it is not YAML.
pub(crate) fn read(text: &str) -> Result<Value> {
    Reader::new(text)?.any()
}

/// An event with its place in bytes.
struct Placed<'a> {
    event: Event<'a>,
    range: Range<usize>,
}

struct Reader<'a> {
    text: &'a str,
    events: Peekable<IntoIter<Placed<'a>>>,
    /// Where the last value ended.
    end: usize,
    /// Whether that was a text that keeps the empty lines after it.
    keeps: bool,
    anchors: HashMap<usize, Value>,
    newline: &'static str,
    unit: String,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Reader<'a>> {
        // The parser counts letters.
        let bytes: Option<Vec<usize>> = (!text.is_ascii())
            .then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect());
        let place = |index: usize| match &bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(text.len()),
            None => index.min(text.len()),
        };
        let mut events = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                Problem::at(text, place(error.marker().index()), error.info().to_owned())
            })?;
            let range = place(span.start.index())..place(span.end.index());
            events.push(Placed { event, range });
        }
        Ok(Reader {
            text,
            events: events.into_iter().peekable(),
            end: 0,
            keeps: false,
            anchors: HashMap::new(),
            newline: newline_of(text),
            unit: unit_of(text),
        })
    }

    fn error(&self, at: usize, message: &str) -> Problem {
        Problem::at(self.text, at, message)
    }

    /// Reads the one value of a text, whatever it is.
    fn any(&mut self) -> Result<Value> {
        let mut found = None;
        while let Some(placed) = self.events.next() {
            if !matches!(placed.event, Event::DocumentStart(_)) {
                continue;
            }
            if found.is_some() {
                return Err(self.error(placed.range.start, "there are several documents"));
            }
            self.end = placed.range.start;
            found = Some(value_of(&self.node(placed.range.start, "", 0, false)?));
        }
        Ok(found.unwrap_or_default())
    }

    fn document(&mut self) -> Result<Node> {
        let mut root = None;
        while let Some(placed) = self.events.next() {
            if !matches!(placed.event, Event::DocumentStart(_)) {
                continue;
            }
            if root.is_some() {
                let start = placed.range.start;
                return Err(self.error(start, "a file with several documents cannot be merged"));
            }
            let marker = self.text[..placed.range.end]
                .rfind("---")
                .filter(|at| *at + 3 >= placed.range.start && self.text[*at..].starts_with("---"));
            let start = marker.map_or(0, |at| at + 3);
            self.end = start;
            let node = self.node(start, "", 0, false)?;
            root = Some(match node {
                Node { kind: NodeKind::Map(map), .. } if map.is_null => self.nothing(),
                Node { kind: NodeKind::Map(_), .. } => node,
                other => {
                    let at = other.span.end - self.text[other.span].trim_start().len();
                    return Err(self.error(at, "the file is not a map, so it cannot have keys"));
                }
            });
        }
        Ok(root.unwrap_or_else(|| self.nothing()))
    }

    /// A document without a value gets its keys at its end.
    fn nothing(&self) -> Node {
        let length = self.text.len();
        let is_ended = length == 0 || self.text.ends_with('\n');
        let lead = if is_ended { "" } else { self.newline }.to_owned();
        let lines = Lines { at: length, lead, tail: self.newline.to_owned(), ..Lines::default() };
        let map = Map { entries: Vec::new(), shape: Shape::Lines(lines), is_null: true };
        Node { span: length..length, kind: NodeKind::Map(map) }
    }

    /// Reads a value. `from` is where its text begins, `indent` what the line of its key begins
    /// with.
    fn node(&mut self, from: usize, indent: &str, depth: usize, is_flow: bool) -> Result<Node> {
        let Some(placed) = self.events.next() else {
            return Err(self.error(self.end, "it ends unexpectedly"));
        };
        if depth > MAX_DEPTH {
            return Err(self.error(placed.range.start, "it is nested too deeply"));
        }
        self.keeps = false;
        let start = self.after_anchor(from, placed.range.start.max(from));
        match placed.event {
            Event::Alias(id) => {
                self.end = placed.range.end;
                let value = self.anchors.get(&id).cloned().unwrap_or_default();
                let is_table = value.is_object();
                let kind = if is_table {
                    NodeKind::Scattered(value, "an alias")
                } else {
                    NodeKind::Leaf(Some(value))
                };
                Ok(Node { span: from..self.end, kind })
            }
            Event::Scalar(content, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                if is_plain && content.is_empty() && tag.is_none() {
                    return Ok(self.null(start, indent, anchor, is_flow));
                }
                let end = self.scalar_end(from, &placed.range, style);
                self.end = end;
                let value = match &tag {
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => {
                        Value::String(content.into_owned())
                    }
                    Some(tag) => tagged(&tag.to_string(), Value::String(content.into_owned())),
                    None if is_plain => plain(&content),
                    None => Value::String(content.into_owned()),
                };
                self.anchors.insert(anchor, value.clone());
                Ok(Node { span: start..end, kind: NodeKind::Leaf(Some(value)) })
            }
            Event::MappingStart(anchor, tag) => {
                let node = self.map(start, &placed.range, depth)?;
                if anchor > 0 {
                    self.anchors.insert(anchor, value_of(&node));
                }
                match tag {
                    Some(tag) if !tag.is_yaml_core_schema() => {
                        let value = tagged(&tag.to_string(), value_of(&node));
                        Ok(Node { kind: NodeKind::Leaf(Some(value)), ..node })
                    }
                    _ => Ok(node),
                }
            }
            Event::SequenceStart(anchor, _) => {
                let node = self.list(start, &placed.range, depth)?;
                if anchor > 0 {
                    self.anchors.insert(anchor, value_of(&node));
                }
                Ok(node)
            }
            _ => Err(self.error(placed.range.start, "a value is missing")),
        }
    }

    /// A key without a value can get one, or keys below it.
    fn null(&mut self, start: usize, indent: &str, anchor: usize, is_flow: bool) -> Node {
        self.end = start;
        if anchor > 0 {
            self.anchors.insert(anchor, Value::Null);
        }
        if is_flow {
            return Node { span: start..start, kind: NodeKind::Leaf(Some(Value::Null)) };
        }
        let lead = format!("{}{indent}{}", self.newline, self.unit);
        let lines = Lines { start, at: self.line_end(start), lead, ..Lines::default() };
        let map = Map { entries: Vec::new(), shape: Shape::Lines(lines), is_null: true };
        Node { span: start..start, kind: NodeKind::Map(map) }
    }

    /// An anchor stays where it is when the value changes.
    fn after_anchor(&self, from: usize, until: usize) -> usize {
        let gap = &self.text[from..until];
        let trimmed = gap.trim_start();
        let at = from + gap.len() - trimmed.len();
        if !trimmed.starts_with('&') {
            return from;
        }
        at + trimmed.find(char::is_whitespace).unwrap_or(trimmed.len())
    }

    fn scalar_end(&mut self, from: usize, range: &Range<usize>, style: ScalarStyle) -> usize {
        match style {
            ScalarStyle::DoubleQuoted => return self.quoted_end(from.max(range.start), '"'),
            ScalarStyle::SingleQuoted => return self.quoted_end(from.max(range.start), '\''),
            ScalarStyle::Plain => return range.end,
            _ => {}
        }
        let end =
            from.max(range.start) + self.text[from.max(range.start)..range.end].trim_end().len();
        let header = self.text[from..].lines().next().unwrap_or_default();
        self.keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
        // An empty one ends with its header.
        end.max(from + header.trim_end().len())
    }

    /// The end of a quoted text: the end that the parser reports may be behind a comment.
    fn quoted_end(&self, start: usize, quote: char) -> usize {
        let Some(open) = self.text[start..].find(quote).map(|at| start + at + 1) else {
            return start;
        };
        let mut letters = self.text[open..].char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter == '\\' && quote == '"' {
                letters.next();
            } else if letter == quote {
                let is_doubled =
                    quote == '\'' && letters.next_if(|(_, next)| *next == quote).is_some();
                if !is_doubled {
                    return open + at + 1;
                }
            }
        }
        self.text.len()
    }

    fn line_end(&self, at: usize) -> usize {
        let line = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        if self.text[at..line].ends_with('\r') { line - 1 } else { line }
    }

    fn map(&mut self, start: usize, opening: &Range<usize>, depth: usize) -> Result<Node> {
        let is_flow = self.text[opening.clone()].ends_with('{');
        let open = opening.end.saturating_sub(1);
        if is_flow {
            self.end = opening.end;
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut indent = String::new();
        loop {
            let Some(next) = self.events.peek() else {
                return Err(self.error(self.end, "a map has no end"));
            };
            if matches!(next.event, Event::MappingEnd) {
                break;
            }
            let at = next.range.start;
            let Some(Placed { event, range }) = self.events.next() else { break };
            let key = match event {
                Event::Scalar(content, ..) => content.into_owned(),
                Event::Alias(id) => {
                    let value = self.anchors.get(&id).cloned().unwrap_or_default();
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                }
                _ => return Err(self.error(at, "a key that is a list or a map")),
            };
            if entries.is_empty() {
                let line = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let width = self.text[line..at].chars().count();
                indent = " ".repeat(width);
            }
            // In a set there are keys only.
            let rest = &self.text[range.end..];
            let colon = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let from =
                if rest[colon..].starts_with(':') { range.end + colon + 1 } else { range.end };
            self.end = from;
            let value = self.node(from, &indent, depth + 1, is_flow)?;
            let end = value_end(&value).max(self.end);
            entries.push(Entry { key, span: range, end, value });
        }
        let closing = self.events.next();
        let keeps = self.keeps;
        if is_flow {
            self.end = closing.map_or(self.end, |closing| self.after_bracket(&closing.range, '}'));
            self.keeps = false;
            let shape = Shape::Braces(open..self.end);
            let map = Map { entries, shape, is_null: false };
            return Ok(Node { span: start..self.end, kind: NodeKind::Map(map) });
        }
        let first = entries.first().map_or(start, |entry| entry.span.start);
        let lines = if keeps {
            let tail = format!("{}{indent}", self.newline);
            Lines { start, at: first, lead: String::new(), tail, ..Lines::default() }
        } else {
            let lead = format!("{}{indent}", self.newline);
            Lines { start, at: self.line_end(self.end), lead, ..Lines::default() }
        };
        let map = Map { entries, shape: Shape::Lines(lines), is_null: false };
        Ok(Node { span: start..self.end, kind: NodeKind::Map(map) })
    }

    /// Returns the end of a bracket: the parser looks at what comes after it before it tells of it.
    fn after_bracket(&self, range: &Range<usize>, bracket: char) -> usize {
        let mut at = self.end;
        loop {
            let rest = &self.text[at..];
            at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']).len();
            match crate::toml::hash_comment(self.text, at) {
                Some(end) => at = end,
                None if self.text[at..].starts_with(bracket) => return at + 1,
                None => return range.end,
            }
        }
    }

    fn list(&mut self, start: usize, opening: &Range<usize>, depth: usize) -> Result<Node> {
        let is_flow = self.text[opening.clone()].ends_with('[');
        if is_flow {
            self.end = opening.end;
        }
        let mut items = Vec::new();
        loop {
            let Some(next) = self.events.peek() else {
                return Err(self.error(self.end, "a list is not closed"));
            };
            if matches!(next.event, Event::SequenceEnd) {
                break;
            }
            let content = next.range.start;
            let from = if is_flow {
                content
            } else {
                let gap = &self.text[self.end.min(content)..content];
                let dash = gap.find('-').map_or(content, |dash| self.end.min(content) + dash + 1);
                self.end = self.end.max(dash);
                dash
            };
            let node = self.node(from, "", depth + 1, is_flow)?;
            items.push(value_of(&node));
        }
        let closing = self.events.next();
        if is_flow {
            self.end = closing.map_or(self.end, |closing| self.after_bracket(&closing.range, ']'));
            self.keeps = false;
        }
        Ok(Node { span: start..self.end, kind: NodeKind::Leaf(Some(Value::Array(items))) })
    }
}

fn value_end(node: &Node) -> usize {
    node.span.end
}

fn tagged(tag: &str, value: Value) -> Value {
    Value::Object(JsonMap::from_iter([(format!("${tag}"), value)]))
}

fn value_of(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Leaf(value) => value.clone().unwrap_or_default(),
        NodeKind::Scattered(value, _) => value.clone(),
        NodeKind::Unread => Value::Null,
        NodeKind::Map(map) if map.is_null => Value::Null,
        NodeKind::Map(map) => {
            let entries = map.entries.iter();
            let entries = entries.map(|entry| (entry.key.clone(), value_of(&entry.value)));
            Value::Object(entries.collect::<JsonMap<_, _>>())
        }
    }
}

/// What a word means, by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return float(f64::NAN),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    if !is_number {
        return Value::String(text.to_owned());
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(Ok(number)) =
            digits.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, radix))
        {
            return Value::from(number);
        }
    }
    if let Ok(number) = text.trim_start_matches('+').parse::<i64>() {
        return Value::from(number);
    }
    let is_float = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    match text.parse::<f64>().ok().filter(|_| is_float).and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

/// Words that some reader takes for something else than a text.
const WORDS: [&str; 12] =
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "none"];

/// Writes a text plainly where every reader takes it for one, and in quotes otherwise.
fn scalar(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.bytes().all(is_word)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A string of JSON in which all that YAML does not print is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for letter in Value::String(text.to_owned()).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}

fn flow(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&scalar(text)),
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                out.push_str(if number > 0 { ", " } else { "" });
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (number, (key, item)) in entries.iter().enumerate() {
                out.push_str(if number > 0 { ", " } else { "" });
                out.push_str(&scalar(key));
                out.push_str(": ");
                flow(out, item);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}
