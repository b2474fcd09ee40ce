//! Makes nodes of the events of the parser.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::comments;
use super::scalar::{next_column, resolve};
use crate::cipher;
use crate::problem::{Problem, Result, line_of};
use crate::tree::{Comment, Entry, Item, MAX_DEPTH, Node, ValueKind};
use crate::value::{Type, Value};

/// Reads the documents of a text. Each must be a map or empty.
pub(crate) fn read(text: &str) -> Result<Vec<Node>> {
    let mut readable = Cow::Borrowed(text);
    loop {
        let malformed = match scan(&readable) {
            Ok(events) => {
                let mut reader = Reader::new(&readable, events);
                let mut roots = reader.stream()?;
                comments::place(text, &reader.covered, &reader.starts, &mut roots);
                return Ok(roots);
            }
            Err(malformed) => malformed,
        };
        match closed(&readable, malformed.line) {
            Some(text) => readable = Cow::Owned(text),
            None => return Err(malformed.problem),
        }
    }
}

/// The text with blanks in the place of the comments before a bracket that is less indented than it
/// must be, or none when the problem is another. That is how go-yaml writes a comment in an empty
/// map:
///
/// ```yaml
/// key: {
///     # comment
/// }
/// ```
fn closed(text: &str, line: usize) -> Option<String> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let content = |line: usize| -> Option<&str> {
        let start = *starts.get(line)?;
        Some(text[start..].lines().next().unwrap_or_default().trim())
    };
    // The parser names this line or the one before.
    let end = [line, line.checked_sub(1)?]
        .into_iter()
        .find(|line| content(*line).is_some_and(|text| text.starts_with(['}', ']'])))?;
    let is_comment = |line: &usize| content(*line).is_some_and(|text| text.starts_with('#'));
    let start = (0..end).rev().take_while(is_comment).last()?;
    start.checked_sub(1)?;
    let from = starts.get(start)? - 1;
    let to = starts.get(end)?;
    let blanks = " ".repeat(to - from);
    Some(format!("{}{blanks}{}", &text[..from], &text[*to..]))
}

/// An event with its place in bytes.
pub(super) struct Placed<'a> {
    pub event: Event<'a>,
    pub range: Range<usize>,
    pub column: usize,
}

/// What is not YAML, and in which line (from 1).
struct Malformed {
    line: usize,
    problem: Problem,
}

/// All events of a text.
///
/// # Errors
/// When it is not YAML.
pub(super) fn events(text: &str) -> Result<Vec<Placed<'_>>> {
    scan(text).map_err(|malformed| malformed.problem)
}

fn scan(text: &str) -> std::result::Result<Vec<Placed<'_>>, Malformed> {
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
            let line = error.marker().line();
            let problem = Problem::at(line, format!("it is not YAML: {}", error.info()));
            Malformed { line, problem }
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
    /// Where each document begins: its `---`, if it has one.
    starts: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, events: Vec<Placed<'a>>) -> Self {
        let events = events.into_iter().peekable();
        Self { text, events, end: 0, covered: Vec::new(), starts: Vec::new() }
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
            self.starts.push(placed.range.start);
            self.end = placed.range.end;
            let mut root = self.node(0, 0, 0)?;
            match root.kind {
                ValueKind::Map(_) => {}
                ValueKind::Leaf(Value::Null) => root.kind = ValueKind::Map(Vec::new()),
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
                kind: ValueKind::Map(Vec::new()),
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
                let span = if placed.range.is_empty() && content.is_empty() {
                    self.no_text()
                } else {
                    self.scalar_span(&placed, style)
                };
                let value =
                    resolve(content, style == ScalarStyle::Plain, tag.as_deref().map(short_tag))
                        .map_err(|problem| self.error(span.start, problem.message))?;
                self.end = span.end;
                self.covered.push(span.clone());
                Ok(Node { kind: ValueKind::Leaf(value), span, flow: false, column, indent })
            }
            Event::MappingStart(..) => self.map(&placed, depth),
            Event::SequenceStart(..) => self.list(&placed, depth),
            Event::Alias(_) => Err(self
                .error(placed.range.start, "an encrypted document contains an alias (`*name`)")
                .with_hint("write the value out: SOPS does the same when it encrypts a file")),
            _ => Err(self.error(placed.range.start, "a value is missing")),
        }
    }

    /// Where a value without text is: behind its `:` or `-`. The parser says that it is before.
    fn no_text(&self) -> Range<usize> {
        let gap = &self.text[self.end..];
        let colon = gap.trim_start();
        let length = if colon.starts_with(':') { gap.len() - colon.len() + 1 } else { 0 };
        self.end + length..self.end + length
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
        let mut start = self.bracket(opening, '{');
        let flow = start.is_some();
        let mut column = opening.column;
        let mut items = Vec::new();
        let mut keys = HashSet::new();
        if flow {
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
        Ok(Node { kind: ValueKind::Map(items), span, flow, column, indent: 0 })
    }

    /// The place of the bracket of a map or list, if it has one. Its event has the blanks and the
    /// comment behind it, too.
    fn bracket(&self, opening: &Placed<'_>, bracket: char) -> Option<usize> {
        let part = &self.text[opening.range.clone()];
        let word = words(part).last().filter(|word| part[word.clone()].ends_with(bracket))?;
        Some(opening.range.start + word.end - 1)
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
        let mut items = Vec::new();
        let mut start = self.bracket(opening, '[');
        let flow = start.is_some();
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
            if !flow {
                self.end = at + 1;
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
        Ok(Node { kind: ValueKind::List(items), span, flow, column, indent: 0 })
    }

    /// The dash of an element of a block list whose content begins at `content`.
    fn dash(&self, content: usize) -> usize {
        let before = self.text[..content].trim_end();
        // The head of a block scalar may end with one, too.
        if let Some(rest) = before.strip_suffix('-')
            && rest.len() >= self.end
            && !rest.ends_with(|letter: char| !letter.is_whitespace())
        {
            return rest.len();
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
        if let ValueKind::Leaf(Value::Str(text)) = &node.kind
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

/// The end of a text in quotes, without what is behind it. It begins behind its tag and anchor, and
/// is known to be closed.
fn quoted_end(text: &str, range: &Range<usize>) -> usize {
    let part = &text[range.clone()];
    let opening = words(part).find(|word| !part[word.clone()].starts_with(['!', '&']));
    let opening = opening.map_or(0, |word| word.start);
    let bytes = part.as_bytes();
    let Some(&quote @ (b'"' | b'\'')) = bytes.get(opening) else { return range.end };
    let mut at = opening + 1;
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
