//! Finds the comments of a text and the map or list to which each belongs, as the YAML library of
//! SOPS does.

use std::ops::Range;

use crate::tree::{Comment, Item, Kind, Node};

/// A comment with what is known of its line.
struct Found {
    comment: Comment,
    column: usize,
    /// Whether it is alone on its line.
    alone: bool,
}

/// Puts all comments into the trees.
pub(super) fn place(text: &str, covered: &[Range<usize>], roots: &mut [Node]) {
    for found in find(text, covered) {
        let at = found.comment.span.start;
        // The document that begins last before it, else the first.
        let index = roots.iter().rposition(|root| root.span.start < at).unwrap_or(0);
        if let Some(root) = roots.get_mut(index) {
            insert(root, found);
        }
    }
}

fn find(text: &str, covered: &[Range<usize>]) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut next) = (0, 0);
    while at < bytes.len() {
        if let Some(range) = covered.get(next)
            && range.start <= at
        {
            at = at.max(range.end);
            next += 1;
            continue;
        }
        let begins =
            bytes[at] == b'#' && (at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\n' | b'\r'));
        if !begins {
            at += 1;
            continue;
        }
        let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let end = at + text[at..end].trim_end_matches('\r').len();
        let comment =
            Comment { text: text[at + 1..end].to_owned(), span: at + 1..end, element: None };
        let alone = text[line..at].bytes().all(|byte| byte == b' ' || byte == b'\t');
        found.push(Found { comment, column: at - line, alone });
        at = end;
    }
    found
}

fn insert(node: &mut Node, found: Found) {
    let at = found.comment.span.start;
    let (is_flow, column) = (node.flow, node.column);
    let (Kind::Map(items) | Kind::List(items)) = &mut node.kind else { return };
    let index = items.iter().position(|item| start_of(item) > at).unwrap_or(items.len());
    let previous = items[..index].iter().rposition(|item| matches!(item, Item::Entry(_)));
    if let Some(previous) = previous
        && let Item::Entry(entry) = &mut items[previous]
    {
        let collection = !matches!(entry.node.kind, Kind::Leaf(_));
        let in_line = !found.alone;
        let descend = if !collection || is_flow {
            collection && entry.node.span.contains(&at)
        } else if in_line && entry.node.flow {
            true
        } else if in_line && at < entry.node.span.start {
            false
        } else {
            // Behind all that it holds, a comment belongs to it when it is indented more than what
            // follows.
            at < entry.node.span.end || in_line || found.column > column
        };
        if descend {
            if in_line && entry.node.flow && at >= entry.node.span.end {
                if let Kind::Map(inner) | Kind::List(inner) = &mut entry.node.kind {
                    inner.insert(0, Item::Comment(found.comment));
                }
                return;
            }
            return insert(&mut entry.node, found);
        }
        if in_line {
            // A comment behind a value counts as one before it.
            items.insert(previous, Item::Comment(found.comment));
            return;
        }
    }
    items.insert(index, Item::Comment(found.comment));
}

fn start_of(item: &Item) -> usize {
    match item {
        Item::Entry(entry) => entry.start,
        Item::Comment(comment) => {
            comment.element.as_ref().map_or(comment.span.start, |element| element.start)
        }
    }
}
