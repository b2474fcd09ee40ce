//! Writes data as YAML blocks and puts them into a text.

use std::ops::Range;

use super::read;
use super::scalar::{key_text, next_column, render_at};
use crate::edit::Edits;
use crate::options::KEY;
use crate::plain::Plain;
use crate::problem::Result;
use crate::tree::{Comment, Item, Node, ValueKind};

/// Writes a value behind a key at `column` or behind a dash there, with the separator: a space, or
/// the end of the line. The lines of a text are indented by `indent`.
fn write_value(plain: &Plain, column: usize, indent: usize, out: &mut String) {
    match plain {
        Plain::Value(value) => {
            out.push(' ');
            out.push_str(&render_at(value, false, column, indent));
        }
        Plain::List(items) if items.is_empty() => out.push_str(" []"),
        Plain::Map(entries) if entries.is_empty() => out.push_str(" {}"),
        Plain::List(_) | Plain::Map(_) => {
            let inner = next_column(column);
            out.push('\n');
            out.push_str(&" ".repeat(inner));
            write_block(plain, inner, out);
        }
    }
}

/// Writes a map or list whose first line begins at the end of `out`, without the end of the last
/// line.
fn write_block(plain: &Plain, column: usize, out: &mut String) {
    let indent = " ".repeat(column);
    match plain {
        Plain::Map(entries) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                    out.push_str(&indent);
                }
                out.push_str(&key_text(key, false));
                out.push(':');
                write_value(value, column, next_column(column), out);
            }
        }
        Plain::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                    out.push_str(&indent);
                }
                out.push('-');
                write_item(item, column, out);
            }
        }
        Plain::Value(value) => out.push_str(&render_at(value, false, column, next_column(column))),
    }
}

/// Writes an element behind its dash. A map or list begins on the same line.
fn write_item(item: &Plain, column: usize, out: &mut String) {
    match item {
        Plain::List(items) if !items.is_empty() => {
            out.push(' ');
            write_block(item, column + 2, out);
        }
        Plain::Map(entries) if !entries.is_empty() => {
            out.push(' ');
            write_block(item, column + 2, out);
        }
        _ => write_value(item, column, column + 2, out),
    }
}

/// Writes data between brackets on one line.
pub(super) fn write_flow(plain: &Plain, out: &mut String) {
    match plain {
        Plain::Value(value) => out.push_str(&render_at(value, true, 0, 0)),
        Plain::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_flow(item, out);
            }
            out.push(']');
        }
        Plain::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&key_text(key, true));
                out.push_str(": ");
                write_flow(value, out);
            }
            out.push('}');
        }
    }
}

/// Adds an entry at the end of a map or list, before the metadata.
pub(crate) fn append(edits: &mut Edits, text: &str, node: &Node, key: Option<&str>, value: &Plain) {
    let last = node.entries().rfind(|entry| entry.key.as_deref() != Some(KEY));
    if node.flow {
        let mut out = String::new();
        if last.is_some() {
            out.push_str(", ");
        }
        if let Some(key) = key {
            out.push_str(&key_text(key, true));
            out.push_str(": ");
        }
        write_flow(value, &mut out);
        match last {
            Some(last) => edits.insert(last.node.span.end, out),
            None => edits.insert(node.span.start + 1, out),
        }
        return;
    }
    // A list of comments that SOPS made elements of is a list without entries.
    let elements = node.items().iter().rev().find_map(|item| match item {
        Item::Comment(comment) => comment.element.as_ref(),
        Item::Entry(_) => None,
    });
    let has_column = elements.is_some() || node.entries().next().is_some();
    let column = if has_column { node.column } else { 0 };
    let mut out = " ".repeat(column);
    match key {
        Some(key) => {
            out.push_str(&key_text(key, false));
            out.push(':');
            write_value(value, column, next_column(column), &mut out);
        }
        None => {
            out.push('-');
            write_item(value, column, &mut out);
        }
    }
    out.push('\n');
    let at = match (last, elements, node.get(KEY)) {
        (Some(last), _, _) => end_of_line(text, last.node.span.end.max(last.start)),
        (None, Some(element), _) => end_of_line(text, element.end),
        (None, None, Some(metadata)) => metadata.start,
        (None, None, None) => text.len(),
    };
    if at > 0 && !text[..at].ends_with('\n') {
        out.insert(0, '\n');
    }
    edits.insert(at, out);
}

fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The text with other metadata in each of its documents, at the end of those that had none.
pub(crate) fn with_metadata(text: &str, content: Option<&Plain>) -> Result<String> {
    let roots = read(text)?;
    let mut edits = Edits::new();
    for root in &roots {
        match (root.get(KEY), content) {
            (Some(entry), Some(content)) => {
                let mut out = format!("{KEY}:");
                if root.flow {
                    out.push(' ');
                    write_flow(content, &mut out);
                } else {
                    write_value(content, root.column, next_column(root.column), &mut out);
                }
                edits.replace(entry.start..entry.node.span.end, out);
            }
            (None, Some(content)) => append_to_document(&mut edits, text, root, content),
            (Some(entry), None) => {
                let end = end_of_line(text, entry.node.span.end);
                let range = if root.flow { flow_range(root) } else { entry.start..end };
                edits.replace(range, String::new());
            }
            (None, None) => {}
        }
    }
    Ok(edits.apply(text))
}

/// The range that takes an entry of a flow map away with its comma.
fn flow_range(root: &Node) -> Range<usize> {
    let Some(entry) = root.get(KEY) else { return root.span.end..root.span.end };
    let previous = root.entries().take_while(|other| other.start < entry.start).last();
    let next = root.entries().find(|other| other.start > entry.start);
    match (previous, next) {
        (Some(previous), _) => previous.node.span.end..entry.node.span.end,
        (None, Some(next)) => entry.start..next.start,
        (None, None) => entry.start..entry.node.span.end,
    }
}

/// Metadata go behind the last entry of a document and the comments that belong to it.
fn append_to_document(edits: &mut Edits, text: &str, root: &Node, content: &Plain) {
    if root.flow && root.span.len() > 1 {
        return append(edits, text, root, Some(KEY), content);
    }
    let mut end = root.span.end;
    end = end.max(last_comment(root));
    let at = end_of_line(text, end);
    let mut out = String::new();
    if at > 0 && !text[..at].ends_with('\n') {
        out.push('\n');
    }
    let column = if root.entries().next().is_some() { root.column } else { 0 };
    out.push_str(&" ".repeat(column));
    out.push_str(KEY);
    out.push(':');
    write_value(content, column, next_column(column), &mut out);
    out.push('\n');
    edits.insert(at, out);
}

fn last_comment(node: &Node) -> usize {
    let mut end = 0;
    for item in node.items() {
        end = end.max(match item {
            Item::Comment(comment) => comment.span.end,
            Item::Entry(entry) => last_comment(&entry.node),
        });
    }
    end
}

/// The changes that take the comments out of lists and maps that hold nothing else, as SOPS prints
/// such lists: `[]`, and the comments below it.
pub(crate) fn empty(text: &str, node: &Node, plain: &Node, column: usize, edits: &mut Edits) {
    for (entry, plain) in node.entries().zip(plain.entries()) {
        empty(text, &entry.node, &plain.node, node.column, edits);
    }
    let comments: Vec<(&Comment, &str)> = (node.items().iter().zip(plain.items()))
        .filter_map(|(item, plain)| match (item, plain) {
            (Item::Comment(comment), Item::Comment(plain)) => Some((comment, plain.text.as_str())),
            _ => None,
        })
        .collect();
    let are_elements = comments.iter().all(|(comment, _)| comment.element.is_some());
    let has_lines = node.flow && text[node.span.clone()].contains('\n');
    let (range, brackets) = match &node.kind {
        _ if comments.is_empty() || comments.len() < node.items().len() => return,
        ValueKind::List(_) if are_elements && !node.flow => {
            (text[..node.span.start].trim_end().len()..node.span.end, " []")
        }
        ValueKind::List(_) if has_lines => (node.span.clone(), "[]"),
        ValueKind::Map(_) if has_lines => (node.span.clone(), "{}"),
        _ => return,
    };
    let mut out = brackets.to_owned();
    for (_, comment) in comments {
        out.push_str(&format!("\n{:column$}#{comment}", ""));
    }
    edits.replace(range, out);
}

/// The changes that take comments out of the lists of lists which begin with them: `- - COMMENT`
/// becomes a comment before both dashes, as SOPS prints it. What was the first element behind the
/// comments gets the dashes.
pub(crate) fn hoist(text: &str, node: &Node, edits: &mut Edits, moved: &mut Vec<Moved>) {
    for entry in node.entries() {
        hoist(text, &entry.node, edits, moved);
    }
    let (ValueKind::List(items), false) = (&node.kind, node.flow) else { return };
    let leading = items.iter().take_while(|item| matches!(item, Item::Comment(_))).count();
    let Some(Item::Entry(first)) = items.get(leading) else { return };
    let elements: Vec<&Range<usize>> = items[..leading]
        .iter()
        .filter_map(|item| match item {
            Item::Comment(comment) => comment.element.as_ref(),
            Item::Entry(_) => None,
        })
        .collect();
    let Some(opening) = elements.first().filter(|_| elements.len() == leading) else { return };
    let line = text[..opening.start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line..opening.start];
    let dashes = before.trim_start_matches(' ');
    if dashes.is_empty() || !dashes.bytes().all(|byte| byte == b' ' || byte == b'-') {
        return;
    }
    let outer = before.len() - dashes.len();
    for element in elements {
        let line = text[..element.start].rfind('\n').map_or(0, |newline| newline + 1);
        moved.push(Moved { element: element.start, start: line + outer });
    }
    let line = text[..first.start].rfind('\n').map_or(0, |newline| newline + 1);
    edits.replace(line + outer..first.start, dashes.to_owned());
}

/// A comment that moves to the left: where its element begins, and where the comment goes.
pub(crate) struct Moved {
    pub element: usize,
    pub start: usize,
}

/// The change that gives a comment another text. What was an element of a list becomes a comment
/// again.
pub(crate) fn render_comment(comment: &Comment, text: &str) -> (Range<usize>, String) {
    match &comment.element {
        Some(element) => (element.clone(), format!("#{text}")),
        None => (comment.span.clone(), text.to_owned()),
    }
}
