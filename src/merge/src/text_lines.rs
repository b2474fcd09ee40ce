//! Sets lines and blocks, and removes them again.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::declaration::{Declaration, Format, Want};
use crate::editor::newline_of;
use crate::lines;
use crate::problem::{Problem, Result};
use crate::record::{Before, Kept, Record};

/// Returns the declared lines, and whether they come first.
fn declared(declaration: &Declaration) -> Result<(Vec<String>, bool)> {
    let mut all = Vec::new();
    let mut is_first = false;
    for key in &declaration.keys {
        let (items, first) = match &key.want {
            Want::Value(Value::Array(items)) => (items.as_slice(), false),
            Want::Before(items) => (items.as_slice(), true),
            Want::After(items) => (items.as_slice(), false),
            _ => return Err(Problem::value(&key.path, "expected a list of lines")),
        };
        is_first |= first;
        for item in items {
            let line = match item {
                Value::String(line) => line.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(Problem::value(&key.path, "a line is a text")),
            };
            if line.contains(['\n', '\r']) {
                return Err(Problem::value(&[line], "a line cannot contain a line break"));
            }
            if line.is_empty() && declaration.format == Format::Lines {
                return Err(Problem::value(&key.path, "an empty line cannot be told from others"));
            }
            if declaration.format == Format::Block && lines::is_mark(&line, &declaration.comment) {
                return Err(Problem::value(&[line], "a block cannot contain the lines around it"));
            }
            all.push(line);
        }
    }
    Ok((all, is_first))
}

/// A line or block by its name, what is found of it and what is declared.
pub(crate) type Difference = (String, Option<Value>, Option<Value>);

/// Returns what differs from the declaration: the lines that are missing, or the whole block.
pub(crate) fn differences(text: &str, declaration: &Declaration) -> Result<Vec<Difference>> {
    let (wanted, _) = declared(declaration)?;
    if declaration.format == Format::Lines {
        let all: HashSet<&str> = wanted.iter().map(String::as_str).collect();
        let found = lines::found(text, &all);
        let missing = wanted.iter().filter(|line| !found.contains(line.as_str())).cloned();
        return Ok(missing.map(|line| (line.clone(), None, Some(line.into()))).collect());
    }
    if declaration.keys.is_empty() {
        return Ok(Vec::new());
    }
    let found = lines::find_block(text, &declaration.comment).map(|(_, inside)| inside);
    Ok(if found.as_ref() == Some(&wanted) {
        Vec::new()
    } else {
        vec![("block".to_owned(), found.map(Value::from), Some(Value::from(wanted)))]
    })
}

/// Sets the declared lines and reverts those of the record that are no longer declared. Returns the
/// new record and whether a managed line had been changed in the meantime.
pub(crate) fn merge(
    text: &mut String,
    declaration: &Declaration,
    record: &Record,
) -> Result<(Record, bool)> {
    match declaration.format {
        Format::Lines => merge_lines(text, declaration, record),
        _ => merge_block(text, declaration, record),
    }
}

fn merge_lines(
    text: &mut String,
    declaration: &Declaration,
    record: &Record,
) -> Result<(Record, bool)> {
    let (wanted, is_first) = declared(declaration)?;
    let all: HashSet<&str> = wanted.iter().map(String::as_str).collect();
    for old in record.keys.iter().rev() {
        let line = old.path.first().map(String::as_str).unwrap_or_default();
        if all.contains(line) {
            continue;
        }
        if let (Before::Nothing { lead, tail }, Some(range)) =
            (&old.before, lines::find(text, line))
        {
            lines::remove(text, range, lead, tail);
        }
    }
    let mut is_drifted = false;
    let stays = |old: &&Kept| old.path.first().is_some_and(|line| all.contains(line.as_str()));
    let mut kept: Vec<Kept> = record.keys.iter().filter(stays).cloned().collect();
    let number = |(number, old): (usize, &Kept)| (old.path[0].clone(), number);
    let mut known: HashMap<String, usize> = kept.iter().enumerate().map(number).collect();
    let mut found: HashSet<String> =
        lines::found(text, &all).into_iter().map(str::to_owned).collect();
    // The first of those that come first is written last.
    let order: Vec<&String> =
        if is_first { wanted.iter().rev().collect() } else { wanted.iter().collect() };
    for line in order {
        let number = known.get(line).copied();
        let before = if found.insert(line.clone()) {
            let (lead, tail) = lines::add(text, line, is_first);
            is_drifted |= number.is_some();
            Before::Nothing { lead, tail }
        } else {
            Before::Value(line.clone())
        };
        match number {
            Some(number) => {
                let is_new = matches!(before, Before::Nothing { .. });
                if is_new && matches!(kept[number].before, Before::Nothing { .. }) {
                    kept[number].before = before;
                }
            }
            None => {
                known.insert(line.clone(), kept.len());
                kept.push(entry(line, before));
            }
        }
    }
    Ok((Record { keys: kept, tables: Vec::new(), ..record.clone() }, is_drifted))
}

fn entry(line: &str, before: Before) -> Kept {
    Kept { path: vec![line.to_owned()], set: Some(line.into()), before, joined: None }
}

fn merge_block(
    text: &mut String,
    declaration: &Declaration,
    record: &Record,
) -> Result<(Record, bool)> {
    let (wanted, is_first) = declared(declaration)?;
    let old = record.keys.first();
    // The mark of comments that the block was written with.
    let mark = old.and_then(|old| old.path.first()).unwrap_or(&declaration.comment).clone();
    let found = lines::find_block(text, &mark);
    if declaration.keys.is_empty() || old.is_some() && mark != declaration.comment {
        if let (Some((range, inside)), Some(old)) = (&found, old)
            && old.set == Some(Value::from(inside.clone()))
        {
            match &old.before {
                Before::Nothing { lead, tail } => lines::remove(text, range.clone(), lead, tail),
                Before::Value(earlier) => text.replace_range(range.clone(), earlier),
                Before::Entries(_) => {}
            }
        }
        let rest = Record { keys: Vec::new(), ..record.clone() };
        if declaration.keys.is_empty() {
            return Ok((rest, false));
        }
        return merge_block(text, declaration, &rest);
    }
    let newline = newline_of(text);
    let block = lines::block(&declaration.comment, &wanted, newline);
    let is_right = found.as_ref().is_some_and(|(_, inside)| *inside == wanted);
    let is_drifted = match (old, &found) {
        (Some(old), Some((_, inside))) => old.set != Some(Value::from(inside.clone())),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let before = match found {
        Some((range, _)) if is_right => Before::Value(text[range].to_owned()),
        Some((range, _)) => {
            let old = text[range.clone()].to_owned();
            text.replace_range(range, &block);
            Before::Value(old)
        }
        None => {
            let (lead, tail) = lines::add(text, &block, is_first);
            Before::Nothing { lead, tail }
        }
    };
    let before = match old {
        Some(old) if !matches!(before, Before::Nothing { .. }) => old.before.clone(),
        _ => before,
    };
    let kept = Kept {
        path: vec![declaration.comment.clone()],
        set: Some(Value::from(wanted)),
        before,
        joined: None,
    };
    Ok((Record { keys: vec![kept], tables: Vec::new(), ..record.clone() }, is_drifted))
}
