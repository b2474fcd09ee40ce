//! Makes nodes of the events of the parser.

use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::comments;
use super::scalar::{next_column, resolve};
use crate::cipher;
use crate::problem::{Problem, Result, line_of};
use crate::tree::{Comment, Entry, Item, Kind, MAX_DEPTH, Node};
use crate::value::{Type, Value};

/// Reads the documents of a text. Each must be a map or empty.
pub(crate) fn read(text: &str) -> Result<Vec<Node>> {
    let mut reader = Reader::new(text)?;
    let roots = reader.stream()?;
    let covered = std::mem::take(&mut reader.covered);
    let mut roots = roots;
    comments::place(text, &covered, &mut roots);
    Ok(roots)
}

/// An event with its place in bytes.
pub(super) struct Placed<'a> {
    pub event: Event<'a>,
    pub range: Range<usize>,
    pub column: usize,
}

/// All events of a text.
///
/// # Errors
/// When it is not YAML.
pub(super) fn events(text: &str) -> Result<Vec<Placed<'_>>> {
    // The parser counts letters.
    let bytes: Option<Vec<usize>> = (!text.is_ascii())
        .then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect());
    let place = |index: usize| match &bytes {
        Some(bytes) => bytes.get(index).copied().unwrap_or(text.len()),
        None => index.min(text.len()),
    };
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span): (Event<'_>, Span) = event.map_err(|error| {
            Problem::at(error.marker().line(), format!("it is not YAML: {}", error.info()))
        })?;
        events.push(Placed {
            event,
            range: place(span.start.index())..place(span.end.index()),
            column: span.start.col(),
        });
    }
    Ok(events)
}

struct Reader<'a> {
    text: &'a str,
    events: std::iter::Peekable<std::vec::IntoIter<Placed<'a>>>,
    /// Where the last token ended.
    end: usize,
    /// What values occupy: a `#` there begins no comment.
    covered: Vec<Range<usize>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Self> {
        Ok(Self { text, events: events(text)?.into_iter().peekable(), end: 0, covered: Vec::new() })
    }

    fn error(&self, at: usize, message: impl std::fmt::Display) -> Problem {
        Problem::at(line_of(self.text, at), message)
    }

    fn stream(&mut self) -> Result<Vec<Node>> {
        let mut roots = Vec::new();
        while let Some(placed) = self.events.next() {
            if !matches!(placed.event, Event::DocumentStart(_)) {
                continue;
            }
            let start = placed.range.end;
            self.end = start;
            let mut root = self.node(0, 0, 0)?;
            match root.kind {
                Kind::Map(_) => {}
                Kind::Leaf(Value::Null) => root.kind = Kind::Map(Vec::new()),
                _ => {
                    return Err(
                        self.error(root.span.start, "a YAML document of SOPS must be a map")
                    );
                }
            }
            roots.push(root);
        }
        if roots.is_empty() {
            roots.push(Node {
                kind: Kind::Map(Vec::new()),
                span: text_end(self.text),
                flow: false,
                column: 0,
                indent: 0,
            });
        }
        Ok(roots)
    }

    fn node(&mut self, column: usize, indent: usize, depth: usize) -> Result<Node> {
        let Some(placed) = self.events.next() else {
            return Err(self.error(self.end, "it ends unexpectedly"));
        };
        if depth > MAX_DEPTH {
            return Err(self.error(placed.range.start, "it is nested too deeply"));
        }
        match placed.event {
            Event::Scalar(ref content, style, _, ref tag) => {
                let span = self.scalar_span(&placed, style);
                let value =
                    resolve(content, style == ScalarStyle::Plain, tag.as_deref().map(short_tag))
                        .map_err(|problem| self.error(span.start, problem.message))?;
                self.end = span.end;
                self.covered.push(span.clone());
                Ok(Node { kind: Kind::Leaf(value), span, flow: false, column, indent })
            }
            Event::MappingStart(..) => self.map(&placed, depth),
            Event::SequenceStart(..) => self.list(&placed, depth),
            Event::Alias(_) => Err(self
                .error(placed.range.start, "an encrypted document contains an alias (`*name`)")
                .with_hint("write the value out: SOPS does the same when it encrypts a file")),
            _ => Err(self.error(placed.range.start, "a value is missing")),
        }
    }

    /// Where the text of a scalar is. A block scalar begins with its `|`, which the parser leaves
    /// out; behind one in quotes the parser takes the comment of the line along.
    fn scalar_span(&self, placed: &Placed<'_>, style: ScalarStyle) -> Range<usize> {
        let range = placed.range.clone();
        if let ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted = style {
            return range.start..quoted_end(self.text, &range);
        }
        if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return range;
        }
        let gap = &self.text[self.end.min(range.start)..range.start];
        let header = words(gap).find(|word| gap[word.clone()].starts_with(['|', '>']));
        let start = header.map_or(range.start, |word| self.end + word.start);
        let end = start + self.text[start..range.end].trim_end().len();
        start..end
    }

    fn map(&mut self, opening: &Placed<'_>, depth: usize) -> Result<Node> {
        let flow = self.text[opening.range.clone()].ends_with('{');
        let mut column = opening.column;
        let mut start = None;
        let mut items = Vec::new();
        let mut keys = HashSet::new();
        if flow {
            start = Some(opening.range.end - 1);
            self.end = opening.range.end;
        }
        loop {
            let Some(next) = self.events.peek() else {
                return Err(self.error(self.end, "a map has no end"));
            };
            if matches!(next.event, Event::MappingEnd) {
                break;
            }
            let (at, key_column) = (next.range.start, next.column);
            let key = self.key()?;
            if start.is_none() {
                start = Some(at);
                column = key_column;
            }
            if !keys.insert(key.clone()) {
                return Err(self.error(at, format!("the key `{key}` occurs twice")));
            }
            let mut node = self.node(column, next_column(column), depth + 1)?;
            if flow {
                set_flow(&mut node);
            }
            items.push(Item::Entry(Entry { key: Some(key), start: at, node }));
        }
        let end = self.close(flow);
        let start = start.unwrap_or(opening.range.start);
        let span = start..end.max(start);
        Ok(Node { kind: Kind::Map(items), span, flow, column, indent: 0 })
    }

    fn key(&mut self) -> Result<String> {
        let Some(placed) = self.events.next() else {
            return Err(self.error(self.end, "a key is missing"));
        };
        let Event::Scalar(ref content, style, _, ref tag) = placed.event else {
            return Err(self.error(placed.range.start, "a key must be a text"));
        };
        let range = placed.range.clone();
        self.covered.push(range.clone());
        self.end = range.end;
        let tag = tag.as_deref().map(short_tag);
        if tag == Some("merge") || (tag.is_none() && style == ScalarStyle::Plain && content == "<<")
        {
            return Ok("<<".to_owned());
        }
        match resolve(content, style == ScalarStyle::Plain, tag) {
            Ok(Value::Str(ref key)) => Ok(key.clone()),
            _ => Err(self
                .error(
                    range.start,
                    format!("the key `{content}` is not a text, which SOPS requires"),
                )
                .with_hint(format!("write it in quotes: \"{content}\""))),
        }
    }

    fn list(&mut self, opening: &Placed<'_>, depth: usize) -> Result<Node> {
        let flow = self.text[opening.range.clone()].ends_with('[');
        let mut items = Vec::new();
        let mut start = flow.then_some(opening.range.end.saturating_sub(1));
        let mut column = opening.column;
        if flow {
            self.end = opening.range.end;
        }
        loop {
            let Some(next) = self.events.peek() else {
                return Err(self.error(self.end, "a list is not closed"));
            };
            if matches!(next.event, Event::SequenceEnd) {
                break;
            }
            let content = next.range.start;
            let at = if flow { content } else { self.dash(content) };
            if start.is_none() {
                start = Some(at);
                column = self.column_of(at);
            }
            let mut node = self.node(column, column + 2, depth + 1)?;
            if flow {
                set_flow(&mut node);
            }
            items.push(self.item(at, node));
        }
        let end = self.close(flow);
        let start = start.unwrap_or(opening.range.start);
        let span = start..end.max(start);
        Ok(Node { kind: Kind::List(items), span, flow, column, indent: 0 })
    }

    /// The dash of an element of a block list whose content begins at `content`.
    fn dash(&self, content: usize) -> usize {
        let before = self.text[..content].trim_end();
        if before.ends_with('-') && before.len() > self.end {
            return before.len() - 1;
        }
        let gap = &self.text[self.end.min(content)..content];
        words(gap)
            .find(|word| &gap[word.clone()] == "-")
            .map_or(content, |word| self.end + word.start)
    }

    fn column_of(&self, at: usize) -> usize {
        let line = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[line..at].chars().count()
    }

    /// An element, which may be a comment that SOPS made an element of.
    fn item(&self, at: usize, node: Node) -> Item {
        if let Kind::Leaf(Value::Str(text)) = &node.kind
            && cipher::type_of(text) == Some(Type::Comment)
        {
            let (text, span) = (text.clone(), node.span.clone());
            return Item::Comment(Comment { text, element: Some(at..span.end), span });
        }
        Item::Entry(Entry { key: None, start: at, node })
    }

    /// Passes the end of a collection and returns where it is.
    fn close(&mut self, flow: bool) -> usize {
        if let Some(placed) = self.events.next()
            && flow
        {
            self.end = placed.range.end;
        }
        self.end
    }
}

/// Where the quote that ends a text in quotes stands. The text is known to be closed.
fn quoted_end(text: &str, range: &Range<usize>) -> usize {
    let bytes = &text.as_bytes()[range.clone()];
    let Some(&quote @ (b'"' | b'\'')) = bytes.first() else { return range.end };
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        if (quote == b'"' && byte == b'\\')
            || (quote == b'\'' && byte == quote && next == Some(quote))
        {
            at += 2;
        } else if byte == quote {
            return range.start + at + 1;
        } else {
            at += 1;
        }
    }
    range.end
}

/// Everything between brackets is written between brackets.
fn set_flow(node: &mut Node) {
    node.flow = true;
}

fn text_end(text: &str) -> Range<usize> {
    text.len()..text.len()
}

/// `!!str` as `str`. A tag that is not of YAML is empty.
pub(super) fn short_tag(tag: &Tag) -> &str {
    if tag.is_yaml_core_schema() { &tag.suffix } else { "" }
}

/// The words between white space outside of comments.
pub(super) fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let start = at + rest.len() - rest.trim_start().len();
            if start == text.len() {
                return None;
            }
            if text[start..].starts_with('#') {
                at = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
                continue;
            }
            let length = text[start..].find(char::is_whitespace).unwrap_or(text.len() - start);
            at = start + length;
            return Some(start..at);
        }
    })
}
