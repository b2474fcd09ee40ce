//! Expands aliases: SOPS encrypts each place separately, so two places cannot share a value.

use std::collections::HashMap;

use saphyr_parser::Event;

use super::read::{events, words};
use super::scalar::{key_text, resolve};
use super::write::write_flow;
use crate::edit::Edits;
use crate::plain::Plain;
use crate::problem::{Problem, Result, line_of};
use crate::tree::MAX_DEPTH;
use crate::value::Value;

/// How many values may come out of aliases: a few lines can stand for billions.
const MAX_VALUES: usize = 100_000;

/// The text without anchors, each alias replaced by what it stands for. A text without aliases
/// stays as it is, except for the anchors.
pub(crate) fn expand(text: &str) -> Result<String> {
    if !text.contains(['&', '*']) {
        return Ok(text.to_owned());
    }
    let placed = events(text)?;
    let mut edits = Edits::new();
    let mut anchors: HashMap<usize, Plain> = HashMap::new();
    // Collections that are open, with the anchor of each and a key that waits for its value.
    let mut open: Vec<(usize, Plain, Option<String>)> = Vec::new();
    let (mut end, mut count) = (0, 0);
    for event in &placed {
        let gap_start = end.min(event.range.start);
        let (anchor, value) = match &event.event {
            Event::Scalar(content, style, anchor, tag) => {
                let is_plain = *style == saphyr_parser::ScalarStyle::Plain;
                let tag = tag.as_deref().map(super::read::short_tag);
                let value = if tag == Some("merge") {
                    Value::Str(content.to_string())
                } else {
                    resolve(content, is_plain, tag).map_err(|problem| {
                        Problem::at(line_of(text, event.range.start), problem.message)
                    })?
                };
                (*anchor, Some(Plain::Value(value)))
            }
            Event::Alias(id) => {
                let value = anchors.get(id).cloned().ok_or_else(|| {
                    Problem::at(
                        line_of(text, event.range.start),
                        "an alias is inside its own anchor",
                    )
                })?;
                count += size_of(&value);
                if count > MAX_VALUES {
                    return Err(Problem::at(
                        line_of(text, event.range.start),
                        "its aliases expand to too many values",
                    ));
                }
                let mut out = String::new();
                write_flow(&value, &mut out);
                edits.replace(event.range.clone(), out);
                (0, Some(value))
            }
            Event::MappingStart(anchor, _) => {
                open.push((*anchor, Plain::Map(Vec::new()), None));
                (*anchor, None)
            }
            Event::SequenceStart(anchor, _) => {
                open.push((*anchor, Plain::List(Vec::new()), None));
                (*anchor, None)
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some((anchor, value, _)) => {
                    if anchor > 0 {
                        anchors.insert(anchor, value.clone());
                    }
                    (0, Some(value))
                }
                None => (0, None),
            },
            _ => (0, None),
        };
        if open.len() > MAX_DEPTH {
            return Err(Problem::at(line_of(text, event.range.start), "it is nested too deeply"));
        }
        if anchor > 0 {
            remove_anchor(text, gap_start, event.range.end, &mut edits);
            if let Some(value) = &value {
                anchors.insert(anchor, value.clone());
            }
        }
        end = end.max(event.range.end);
        if let Some(value) = value {
            add(&mut open, value);
        }
    }
    Ok(edits.apply(text))
}

/// Puts a value into the collection that is open.
fn add(open: &mut [(usize, Plain, Option<String>)], value: Plain) {
    match open.last_mut() {
        Some((_, Plain::List(items), _)) => items.push(value),
        Some((_, Plain::Map(entries), key)) => match key.take() {
            Some(key) => entries.push((key, value)),
            None => {
                *key = Some(match &value {
                    Plain::Value(Value::Str(text)) => text.clone(),
                    Plain::Value(other) => {
                        String::from_utf8_lossy(&other.to_content()).into_owned()
                    }
                    _ => key_text("", true),
                });
            }
        },
        _ => {}
    }
}

fn size_of(plain: &Plain) -> usize {
    match plain {
        Plain::Value(_) => 1,
        Plain::List(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        Plain::Map(entries) => 1 + entries.iter().map(|(_, value)| size_of(value)).sum::<usize>(),
    }
}

/// Takes away the first `&name` between two places with the blank behind it.
fn remove_anchor(text: &str, start: usize, end: usize, edits: &mut Edits) {
    let part = &text[start..end];
    if let Some(word) = words(part).find(|word| part[word.clone()].starts_with('&')) {
        let after = &part[word.end..];
        let blanks = after.len() - after.trim_start_matches(' ').len();
        edits.replace(start + word.start..start + word.end + blanks, String::new());
    }
}
