//! Adds items to a list and takes items out of it in place: the others keep their text, and so do
//! comments.

use std::ops::Range;

use serde_json::Value;

use crate::editor::{Document, Editor, Insertion, Items, end_of_line_trivia, skip};

/// What becomes of a list.
pub(crate) struct Change<'a> {
    /// What it says.
    pub found: &'a [Value],
    /// Whether an item of it stays.
    pub stays: &'a dyn Fn(&Value) -> bool,
    /// What is added.
    pub new: &'a [Value],
    /// Whether that comes first.
    pub is_first: bool,
}

/// Returns the changed text of the list that a path leads to, or nothing where all of it has to be
/// written anew: then no item stays, or its form is another one. What the text says is for the
/// caller to check.
pub(crate) fn changed(
    document: &Document<'_>,
    path: &[String],
    change: &Change<'_>,
) -> Option<String> {
    let node = document.root.get(path)?;
    let text = document.text[node.span.clone()].to_owned();
    let place = document.place_of(path);
    if !change.found.iter().any(|item| (change.stays)(item)) {
        return None;
    }
    let editor = document.editor;
    match editor.items(&text)? {
        Items::Brackets(items) if items.len() == change.found.len() => {
            in_brackets(editor, text, &place, change)
        }
        Items::Dashes(starts) if starts.len() == change.found.len() => {
            with_dashes(editor, text, starts, &place, change)
        }
        _ => None,
    }
}

/// Returns where the items of a list in brackets are.
fn spans(editor: &dyn Editor, text: &str) -> Option<Vec<Range<usize>>> {
    match editor.items(text)? {
        Items::Brackets(spans) => Some(spans),
        Items::Dashes(_) => None,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Returns what the line of a place begins with, if that is blank.
fn indent_of(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n')? + 1;
    Some(&text[start..at]).filter(|indent| is_blank(indent))
}

fn in_brackets(
    editor: &dyn Editor,
    mut text: String,
    place: &Insertion,
    change: &Change<'_>,
) -> Option<String> {
    for (number, _) in
        change.found.iter().enumerate().rev().filter(|(_, item)| !(change.stays)(item))
    {
        take_out(editor, &mut text, number)?;
    }
    let items = spans(editor, &text)?;
    let (first, last) = (items.first()?.clone(), items.last()?.clone());
    if change.new.is_empty() {
        return Some(text);
    }
    let beside = if change.is_first { &first } else { &last };
    let indent = indent_of(&text, beside.start).map(str::to_owned);
    let separator = match &indent {
        Some(indent) => format!("{}{indent}", place.newline),
        // As between the first two.
        None => items
            .get(1)
            .and_then(|second| text[first.end..second.start].split_once(','))
            .filter(|(_, gap)| is_blank(gap) && !gap.contains('\n'))
            .map_or(" ".to_owned(), |(_, gap)| gap.to_owned()),
    };
    let place = Insertion {
        is_open: indent.is_some(),
        indent: indent.unwrap_or_default(),
        ..place.clone()
    };
    let rendered = change.new.iter().map(|item| editor.render(item, &place).ok());
    let rendered = rendered.collect::<Option<Vec<String>>>()?;
    if change.is_first {
        let new: String = rendered.iter().map(|item| format!("{item},{separator}")).collect();
        text.insert_str(first.start, &new);
        return Some(text);
    }
    let next = skip(editor, &text, last.end);
    let has_comma = text[next..].starts_with(',');
    let after = if has_comma { next + 1 } else { last.end };
    let at = if place.is_open { end_of_line_trivia(editor, &text, after) } else { after };
    let items: Vec<String> = rendered.iter().map(|item| format!("{separator}{item}")).collect();
    text.insert_str(at, &(items.join(",") + if has_comma { "," } else { "" }));
    if !has_comma {
        text.insert(last.end, ',');
    }
    Some(text)
}

/// Takes an item out of a list in brackets, with its comma.
fn take_out(editor: &dyn Editor, text: &mut String, number: usize) -> Option<()> {
    let items = spans(editor, text)?;
    let item = items.get(number)?.clone();
    // With the line that it is alone on.
    let start = match indent_of(text, item.start) {
        Some(indent) => {
            let line = &text[..item.start - indent.len() - 1];
            line.strip_suffix('\r').unwrap_or(line).len()
        }
        None => item.start,
    };
    let next = skip(editor, text, item.end);
    if text[next..].starts_with(',') {
        let rest = &text[next + 1..];
        // What follows takes its place.
        let gap = if start == item.start {
            rest.len() - rest.trim_start_matches([' ', '\t']).len()
        } else {
            0
        };
        text.replace_range(start..next + 1 + gap, "");
    } else if let Some(previous) = number.checked_sub(1).and_then(|number| items.get(number)) {
        let comma = skip(editor, text, previous.end);
        if !text[comma..].starts_with(',') {
            return None;
        }
        let start = if start == item.start && is_blank(&text[comma + 1..start]) {
            comma + 1
        } else {
            start
        };
        text.replace_range(start..item.end, "");
        text.replace_range(comma..=comma, "");
    } else {
        text.replace_range(start..item.end, "");
    }
    Some(())
}

/// Lists of YAML with one item a line or more; `starts` are the beginnings of the lines of their
/// items.
fn with_dashes(
    editor: &dyn Editor,
    mut text: String,
    mut starts: Vec<usize>,
    place: &Insertion,
    change: &Change<'_>,
) -> Option<String> {
    let first = *starts.first()?;
    let indent = text[first..].len() - text[first..].trim_start_matches(' ').len();
    let indent = " ".repeat(indent);
    for number in (0..starts.len()).rev().filter(|at| !(change.stays)(&change.found[*at])) {
        let start = starts.remove(number);
        let Some(next) = starts.get(number) else {
            let before = text[..start].strip_suffix('\n')?;
            text.truncate(before.strip_suffix('\r').unwrap_or(before).len());
            continue;
        };
        // Comments above the next item are its own.
        let (mut at, mut end) = (start, start);
        for line in text[start..*next].split_inclusive('\n') {
            at += line.len();
            if !is_blank(line) && !line.trim_start().starts_with('#') {
                end = at;
            }
        }
        text.replace_range(start..end, "");
        starts[number..].iter_mut().for_each(|place| *place -= end - start);
    }
    let flow = Insertion { is_braces: true, ..place.clone() };
    for (number, item) in change.new.iter().enumerate() {
        let list = editor.render(&Value::Array(vec![item.clone()]), &flow).ok()?;
        let item = list.trim().strip_prefix('[')?.strip_suffix(']')?;
        if change.is_first {
            let line = format!("{indent}- {item}{}", place.newline);
            let at = starts.get(number)?;
            text.insert_str(*at, &line);
            starts.insert(number + 1, at + line.len());
        } else {
            text.push_str(&format!("{}{indent}- {item}", place.newline));
        }
    }
    Some(text)
}
