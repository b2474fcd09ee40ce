//! Finds the comments of a text and the map or list to which each belongs, as the YAML library of
//! SOPS does.

use std::ops::Range;

use crate::tree::{Comment, Item, Node, ValueKind};

/// A comment with what is known of its line.
struct Found {
    comment: Comment,
    column: usize,
    /// Whether it is alone on its line.
    alone: bool,
}

/// Puts all comments into the trees. `starts` says where the documents begin.
pub(super) fn place(text: &str, covered: &[Range<usize>], starts: &[usize], roots: &mut [Node]) {
    let mut found = find(text, covered).into_iter().peekable();
    while let Some(first) = found.next() {
        let at = first.comment.span.start;
        let index = starts.iter().rposition(|start| *start < at).unwrap_or(0);
        let Some(root) = roots.get_mut(index) else { continue };
        if !first.alone || root.flow || is_in_flow(root, at) {
            insert(root, first);
            continue;
        }
        let mut gap = vec![first];
        while let Some(next) = found.next_if(|next| {
            let end = gap.last().map_or(0, |last| last.comment.span.end);
            next.alone && text[end..next.comment.span.start - 1].trim().is_empty()
        }) {
            gap.push(next);
        }
        place_gap(text, root, gap);
    }
}

/// Whether a place is between brackets or braces.
fn is_in_flow(node: &Node, at: usize) -> bool {
    match node.entries().take_while(|entry| entry.start < at).last() {
        Some(entry) if entry.node.flow => entry.node.span.contains(&at),
        Some(entry) => is_in_flow(&entry.node, at),
        None => false,
    }
}

/// What a comment between two lines of data belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    /// The innermost of the blocks that the lines above are in.
    Above,
    /// The block of the lines above whose column is that.
    Column(usize),
    /// The block of what follows.
    Below,
}

/// Places the comments between two lines of data, or behind the last one.
fn place_gap(text: &str, root: &mut Node, gap: Vec<Found>) {
    let (Some(first), Some(last)) = (gap.first(), gap.last()) else { return };
    let start = first.comment.span.start;
    let blocks = blocks_above(root, start);
    let inner = blocks.last().map_or(0, |block| block.column);
    let owners = owners(text, &gap, inner, last.comment.span.end);
    let below = blocks.iter().rposition(|block| block.goes_on).unwrap_or_default();
    // Between a key and its first value nothing is above.
    let above =
        if blocks.last().is_some_and(|block| block.is_new) { below } else { blocks.len() - 1 };
    for (found, owner) in gap.into_iter().zip(owners) {
        let depth = match owner {
            Owner::Above => above,
            Owner::Below => below,
            Owner::Column(column) => {
                match blocks.iter().rposition(|block| block.column == column) {
                    // Behind the end of a list it belongs to what has the list.
                    Some(depth) if blocks[depth].is_list && !blocks[depth].goes_on => {
                        depth.saturating_sub(1).max(below)
                    }
                    Some(depth) => depth.max(below),
                    None => below,
                }
            }
        };
        add(root, depth, found.comment);
    }
}

/// A block that is open at a place.
struct Block {
    column: usize,
    is_list: bool,
    /// Whether it has an entry behind the place.
    goes_on: bool,
    /// Whether it has none before.
    is_new: bool,
}

/// The blocks that are open at a place, from the outermost on.
fn blocks_above(root: &Node, at: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut node = root;
    loop {
        let above = node.entries().take_while(|entry| entry.start < at).last();
        blocks.push(Block {
            column: node.column,
            is_list: matches!(node.kind, ValueKind::List(_)),
            goes_on: node.entries().any(|entry| entry.start > at),
            is_new: above.is_none(),
        });
        match above {
            Some(entry) if !entry.node.flow && !matches!(entry.node.kind, ValueKind::Leaf(_)) => {
                node = &entry.node;
            }
            _ => return blocks,
        }
    }
}

/// The column of the next data of the document, and whether there are any. The metadata follow the
/// last ones, in the next line.
fn column_of_next(text: &str, end: usize) -> (usize, bool) {
    let found = text[end..].find(|letter: char| !letter.is_whitespace());
    let Some(at) = found.map(|found| end + found) else { return (0, false) };
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let ends = at == line && (text[at..].starts_with("---") || text[at..].starts_with("..."));
    (at - line, !ends)
}

/// What each comment of a gap belongs to, as the scanner of go-yaml decides it (`scan_comments`):
/// `inner` is the column of the innermost block above, `end` where the last comment ends.
fn owners(text: &str, gap: &[Found], inner: usize, end: usize) -> Vec<Owner> {
    let mut owners = vec![Owner::Below; gap.len()];
    let blank_before = |at: usize| {
        let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        text[..line].lines().next_back().is_none_or(|before| before.trim().is_empty())
    };
    let mut all_above = gap.first().is_none_or(|first| !blank_before(first.comment.span.start));
    let touches = all_above;
    // The comments since the last that was given away.
    let mut open = 0;
    let mut give = |open: &mut usize, end: usize, owner: Owner| {
        // Only the first ones belong to what is above.
        let owner = if *open == 0 { owner } else { Owner::Below };
        owners[*open..end].fill(owner);
        *open = end;
    };
    let at_blank = |open: usize| {
        let column = gap.get(open).map(|found| found.column)?;
        if column < inner {
            Some(Owner::Column(column))
        } else {
            (open == 0 && touches).then_some(Owner::Above)
        }
    };
    for (index, found) in gap.iter().enumerate() {
        if index > 0 && blank_before(found.comment.span.start) {
            if let Some(owner) = at_blank(open).filter(|_| all_above && open < index) {
                give(&mut open, index, owner);
            }
            all_above = false;
        }
        if open < index && found.column < inner && found.column != gap[open].column {
            give(&mut open, index, Owner::Above);
        }
    }
    let (next, has_next) = column_of_next(text, end);
    let is_blank = text[end..].split('\n').nth(1).is_some_and(|line| line.trim().is_empty());
    if has_next
        && is_blank
        && all_above
        && let Some(owner) = at_blank(open)
    {
        give(&mut open, gap.len(), owner);
    }
    if let Some(first) = gap.get(open)
        && next < inner
        && next != first.column
    {
        give(&mut open, gap.len(), Owner::Above);
    }
    owners
}

/// Puts a comment into a block that is open at its place.
fn add(root: &mut Node, depth: usize, comment: Comment) {
    let at = comment.span.start;
    let mut node = root;
    for _ in 0..depth {
        let (ValueKind::Map(items) | ValueKind::List(items)) = &mut node.kind else { return };
        let above = items.iter_mut().rev().find_map(|item| match item {
            Item::Entry(entry) if entry.start < at => Some(entry),
            _ => None,
        });
        let Some(entry) = above else { return };
        node = &mut entry.node;
    }
    let (ValueKind::Map(items) | ValueKind::List(items)) = &mut node.kind else { return };
    let index = items.iter().position(|item| start_of(item) > at).unwrap_or(items.len());
    items.insert(index, Item::Comment(comment));
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

/// Places a comment that is behind something in its line, or between brackets or braces.
fn insert(node: &mut Node, found: Found) {
    let at = found.comment.span.start;
    let is_flow = node.flow;
    let (ValueKind::Map(items) | ValueKind::List(items)) = &mut node.kind else { return };
    let index = items.iter().position(|item| start_of(item) > at).unwrap_or(items.len());
    let previous = items[..index].iter().rposition(|item| matches!(item, Item::Entry(_)));
    if let Some(previous) = previous
        && let Item::Entry(entry) = &mut items[previous]
    {
        let collection = !matches!(entry.node.kind, ValueKind::Leaf(_));
        let in_line = !found.alone;
        let descend = if !collection || is_flow {
            collection && entry.node.span.contains(&at)
        } else if in_line && entry.node.flow {
            true
        } else {
            !in_line || at >= entry.node.span.start
        };
        if descend {
            if in_line && entry.node.flow && at >= entry.node.span.end {
                if let ValueKind::Map(inner) | ValueKind::List(inner) = &mut entry.node.kind {
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
