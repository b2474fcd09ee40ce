//! Single lines that occur once, and blocks of lines between two markers.

use std::collections::HashSet;

use crate::editor::newline_of;

/// What the line before a block says after the mark of a comment, and the one after it.
const BEGIN: &str = ">>> syslua >>>";
const END: &str = "<<< syslua <<<";

/// Returns the lines of a text with their places, without what ends them.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        (start, line.strip_suffix('\r').unwrap_or(line))
    })
}

/// Returns which of some lines a text has.
pub(crate) fn found<'t>(text: &'t str, wanted: &HashSet<&str>) -> HashSet<&'t str> {
    lines(text).map(|(_, line)| line).filter(|line| wanted.contains(line)).collect()
}

/// Adds text at the front or the end, in lines of its own; returns the text written before and
/// after it.
pub(crate) fn add(text: &mut String, new: &str, is_first: bool) -> (String, String) {
    let newline = newline_of(text);
    if is_first {
        text.insert_str(0, &format!("{new}{newline}"));
        return (String::new(), newline.to_owned());
    }
    if text.is_empty() || text.ends_with('\n') {
        text.push_str(&format!("{new}{newline}"));
        return (String::new(), newline.to_owned());
    }
    text.push_str(&format!("{newline}{new}"));
    (newline.to_owned(), String::new())
}

/// Removes text in lines of its own, with the text written around it.
pub(crate) fn remove(text: &mut String, range: std::ops::Range<usize>, lead: &str, tail: &str) {
    let (mut start, mut end) = (range.start, range.end);
    let rest = text[end..].find('\n').filter(|at| text[end..end + at].trim().is_empty());
    if !lead.is_empty() && text[..start].ends_with(lead) {
        start -= lead.len();
    } else if !tail.is_empty() && text[end..].starts_with(tail) {
        end += tail.len();
    } else if let Some(rest) = rest {
        end += rest + 1;
    }
    text.replace_range(start..end, "");
}

/// Returns where a line is: of several, the last one.
pub(crate) fn find(text: &str, wanted: &str) -> Option<std::ops::Range<usize>> {
    let found = lines(text).filter(|(_, line)| *line == wanted).last();
    found.map(|(start, line)| start..start + line.len())
}

/// Returns whether a line is read as the one before a block, or the one after it.
pub(crate) fn is_mark(line: &str, comment: &str) -> bool {
    [BEGIN, END].iter().any(|words| line.trim() == format!("{comment} {words}"))
}

/// Returns a block as it is written.
pub(crate) fn block(comment: &str, items: &[String], newline: &str) -> String {
    let mut out = format!("{comment} {BEGIN}{newline}");
    for item in items {
        out.push_str(item);
        out.push_str(newline);
    }
    out.push_str(&format!("{comment} {END}"));
    out
}

/// Returns where a block is, its marked lines included, and the lines in it.
pub(crate) fn find_block(
    text: &str,
    comment: &str,
) -> Option<(std::ops::Range<usize>, Vec<String>)> {
    let begin = format!("{comment} {BEGIN}");
    let end = format!("{comment} {END}");
    let mut start = None;
    let mut inside = Vec::new();
    for (at, line) in lines(text) {
        if line.trim() == begin {
            start = Some(at);
            inside.clear();
        } else if let Some(start) = start {
            if line.trim() == end {
                return Some((start..at + line.len(), inside));
            }
            inside.push(line.to_owned());
        }
    }
    None
}
