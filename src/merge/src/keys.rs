//! Sets declared keys in a document, and reverts keys whose declaration was removed.

use serde_json::Value;

use crate::declaration::{Key, Want, shown};
use crate::editor::Document;
use crate::lists::{self, Change};
use crate::node::{FLAG, NodeKind, Shape};
use crate::problem::{Problem, Result};
use crate::record::{Before, Kept, Record};

/// Returns whether two values are equal for readers: whole numbers are, in any notation, and the
/// order of keys does not matter.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

fn has(items: &[Value], item: &Value) -> bool {
    items.iter().any(|other| is_same(item, other))
}

/// Returns whether a key is as it is declared.
pub(crate) fn is_satisfied(found: Option<&Value>, want: &Want) -> bool {
    match (want, found) {
        (Want::Absent, found) => found.is_none(),
        (_, None) => false,
        // A table without keys is any table.
        (Want::Value(Value::Object(map)), Some(found)) if map.is_empty() => found.is_object(),
        (Want::Value(value), Some(found)) => is_same(value, found),
        (Want::Before(items) | Want::After(items), Some(Value::Array(found))) => {
            items.iter().all(|item| has(found, item))
        }
        (Want::Before(_) | Want::After(_), Some(_)) => false,
    }
}

/// Returns a declared key as it reads once it is written.
///
/// # Errors
/// When the format cannot say it.
pub(crate) fn normal(document: &Document<'_>, key: &Key) -> Result<Key> {
    let one =
        |value: &Value| document.editor.normal(value).map_err(|why| Problem::value(&key.path, why));
    let all = |items: &[Value]| items.iter().map(one).collect::<Result<Vec<_>>>();
    let want = match &key.want {
        Want::Value(value) => Want::Value(one(value)?),
        Want::Absent => Want::Absent,
        Want::Before(items) => Want::Before(all(items)?),
        Want::After(items) => Want::After(all(items)?),
    };
    Ok(Key { path: key.path.clone(), want })
}

/// Sets a key, or takes it away; `earlier` is what is known of it from before.
pub(crate) fn set(
    document: &mut Document<'_>,
    key: &Key,
    earlier: Option<Kept>,
    record: &mut Record,
) -> Result<Kept> {
    let path = &key.path;
    let found = document.value(path);
    if key.want == Want::Absent {
        return take_away(document, path, earlier);
    }
    let Some((value, joined)) = wanted(found.as_ref(), key, earlier.as_ref())? else {
        // It is as it should be.
        let span = document.root.get(path).map(|node| node.span.clone()).unwrap_or_default();
        let text = document.text[span].to_owned();
        let kept = earlier.unwrap_or(Kept {
            path: path.clone(),
            set: None,
            before: Before::Value(text),
            joined: None,
        });
        return Ok(Kept { set: found, ..kept });
    };
    let before = match document.root.get(path) {
        Some(node) => {
            let is_whole = match &node.kind {
                NodeKind::Leaf(_) | NodeKind::Unread => true,
                NodeKind::Map(map) => map.is_null || document.editor.is_replaceable(map),
                NodeKind::Scattered(..) => false,
            };
            if !is_whole {
                let message = match &node.kind {
                    NodeKind::Scattered(_, FLAG) => format!("it is {FLAG} in the file"),
                    NodeKind::Scattered(_, what) => {
                        format!("it is {what} in the file: declare its keys instead")
                    }
                    _ => "it is a table in the file: declare its keys instead".to_owned(),
                };
                return Err(Problem::value(path, message));
            }
            let span = node.span.clone();
            let known = earlier.as_ref().and_then(|kept| kept.joined.as_deref());
            match join(document, key, found.as_ref(), known.unwrap_or_default(), &value)? {
                Some(old) => Before::Value(old),
                None => {
                    let old = &document.text[span];
                    let place = document.place_of(path);
                    let text = with_gap_of(old, render(document, path, &value, &place)?);
                    Before::Value(document.replace(path, &text)?)
                }
            }
        }
        None => insert(document, path, &value, record)?,
    };
    let before = match earlier {
        // An earlier value stays; the text around it may be new.
        Some(Kept { before: Before::Nothing { .. }, .. })
            if matches!(before, Before::Nothing { .. }) =>
        {
            before
        }
        Some(earlier) => earlier.before,
        None => before,
    };
    Ok(Kept { path: path.clone(), set: Some(value), before, joined })
}

/// Returns the value to write, and which of its items are managed; `None` when the existing value
/// is right.
fn wanted(
    found: Option<&Value>,
    key: &Key,
    earlier: Option<&Kept>,
) -> Result<Option<(Value, Option<Vec<Value>>)>> {
    let known = earlier.and_then(|kept| kept.joined.as_deref()).unwrap_or_default();
    if let Some((items, is_first)) = key.want.items() {
        let mut others = match found {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(others)) => others.clone(),
            Some(_) => return Err(Problem::value(&key.path, "it is not a list in the file")),
        };
        let goes = |item: &Value| has(known, item) && !has(items, item);
        if found.is_some() && is_satisfied(found, &key.want) && !others.iter().any(goes) {
            return Ok(None);
        }
        // An entry that existed before is not managed, though it is declared.
        let is_ours = |item: &&Value| has(known, item) || !has(&others, item);
        let ours: Vec<Value> = items.iter().filter(is_ours).cloned().collect();
        others.retain(|item| !has(known, item) && !has(items, item));
        let whole = if is_first { [items, &others].concat() } else { [&others, items].concat() };
        return Ok(Some((Value::Array(whole), Some(ours))));
    }
    let Want::Value(value) = &key.want else { return Ok(None) };
    if is_satisfied(found, &key.want) { Ok(None) } else { Ok(Some((value.clone(), None))) }
}

/// Adds the items of a key to the list that is there, in place; returns the old text. Nothing where
/// the whole list has to be written.
fn join(
    document: &mut Document<'_>,
    key: &Key,
    found: Option<&Value>,
    known: &[Value],
    whole: &Value,
) -> Result<Option<String>> {
    let (Some((new, is_first)), Some(Value::Array(found))) = (key.want.items(), found) else {
        return Ok(None);
    };
    let stays = |item: &Value| !has(known, item) && !has(new, item);
    change_list(document, &key.path, &Change { found, stays: &stays, new, is_first }, whole)
}

/// Changes a list in place, if that gives what is expected; returns the old text.
fn change_list(
    document: &mut Document<'_>,
    path: &[String],
    change: &Change<'_>,
    whole: &Value,
) -> Result<Option<String>> {
    match lists::changed(document, path, change) {
        Some(text) => document.replace_checked(path, &text, &|value| is_same(value, whole)),
        None => Ok(None),
    }
}

/// Returns a written value with the blanks before it that the old one has, where both are on the
/// line of their key.
fn with_gap_of(old: &str, new: String) -> String {
    let bare = old.trim_start_matches(' ');
    let gap = &old[..old.len() - bare.len()];
    match new.strip_prefix(' ') {
        Some(value)
            if !gap.is_empty() && !bare.is_empty() && !bare.starts_with(['\t', '\r', '\n']) =>
        {
            format!("{gap}{value}")
        }
        _ => new,
    }
}

fn render(
    document: &Document<'_>,
    path: &[String],
    value: &Value,
    place: &crate::editor::Insertion,
) -> Result<String> {
    document.editor.render(value, place).map_err(|why| Problem::value(path, why))
}

/// Adds a key, and the tables above it that are not there.
fn insert(
    document: &mut Document<'_>,
    path: &[String],
    value: &Value,
    record: &mut Record,
) -> Result<Before> {
    let above = path.len().saturating_sub(1);
    let mut depth = 0;
    loop {
        let is_implicit =
            document.map(&path[..depth]).is_some_and(|map| matches!(map.shape, Shape::Implicit));
        if depth == above && !is_implicit {
            break;
        }
        let next = if depth < above { document.root.get(&path[..=depth]) } else { None };
        match next.map(|node| &node.kind) {
            Some(NodeKind::Map(_)) => depth += 1,
            Some(NodeKind::Leaf(_)) => {
                let next = &path[..=depth];
                let place = document.place_of(next);
                let Some(empty) = document.editor.empty_table(place.is_braces) else {
                    return Err(Problem::value(next, "it is a value in the file, not a section"));
                };
                let old = document.replace(next, empty)?;
                record.table(next).before.get_or_insert(Before::Value(old));
                depth += 1;
            }
            Some(NodeKind::Unread) => {
                return Err(Problem::value(path, "the key cannot be added to this file"));
            }
            Some(NodeKind::Scattered(_, what)) => {
                let message = format!("{} is {what} in the file", shown(&path[..=depth]));
                return Err(Problem::value(path, message));
            }
            None => {
                let (levels, before) = document.make_table(path, depth, record)?;
                if document
                    .map(&path[..depth + levels])
                    .is_none_or(|map| levels == 0 && matches!(map.shape, Shape::Implicit))
                {
                    return Err(Problem::value(path, "the key cannot be added to this file"));
                }
                record.table(&path[..depth + levels]).before = Some(before);
                depth += levels;
            }
        }
    }
    let Some((last, above)) = path.split_last() else {
        return Err(Problem::value(path, "a key without a name"));
    };
    let editor = document.editor;
    document.insert(above, last, record, &|place| {
        editor.render(value, place).map_err(|why| Problem::value(path, why))
    })
}

/// Takes all entries of a key away.
fn take_away(document: &mut Document<'_>, path: &[String], earlier: Option<Kept>) -> Result<Kept> {
    let mut removed = match earlier {
        Some(Kept { before: Before::Entries(removed), .. }) => removed,
        _ => Vec::new(),
    };
    if let Some((last, above)) = path.split_last() {
        while let Some(number) = document.map(above).and_then(|map| map.position(last)) {
            let node = document.map(above).map(|map| &map.entries[number].value.kind);
            let is_whole = match node {
                Some(NodeKind::Map(map)) => map.is_null || document.editor.is_replaceable(map),
                Some(NodeKind::Scattered(_, what)) => ["an alias", FLAG].contains(what),
                _ => true,
            };
            if !is_whole {
                let message = "it is a table in the file: remove its keys instead";
                return Err(Problem::value(path, message));
            }
            let mut entry = document.remove(above, number, None)?;
            entry.braced = keep_table(document, above)?;
            removed.push(entry);
        }
    }
    Ok(Kept { path: path.to_vec(), set: None, before: Before::Entries(removed), joined: None })
}

/// A table that is not managed stays when its last entry is removed. Returns whether it needs
/// braces for that.
fn keep_table(document: &mut Document<'_>, path: &[String]) -> Result<bool> {
    if path.is_empty() || document.map(path).is_none_or(|map| !map.is_null) {
        return Ok(false);
    }
    document.replace(path, " {}")?;
    Ok(true)
}

/// Reverts a key: if it is unchanged, it gets its earlier value; otherwise it stays. Returns
/// whether it was managed.
pub(crate) fn revert(
    document: &mut Document<'_>,
    kept: &Kept,
    record: &mut Record,
    others: &mut [Kept],
) -> Result<bool> {
    let found = document.value(&kept.path);
    let is_ours = match (&kept.set, &found) {
        (Some(set), Some(found)) => is_same(set, found),
        (None, None) => true,
        _ => false,
    };
    if is_ours {
        if let Before::Nothing { lead, tail } = &kept.before {
            let tail = inherit(document, &kept.path, lead, tail, others);
            remove(document, &kept.path, lead, &tail)?;
        } else {
            put_back(document, kept, record)?;
        }
    } else if let (Some(Value::Array(found)), Some(ours)) = (found, &kept.joined) {
        take_items(document, kept, &found, ours)?;
    }
    tables(document, &kept.path, record)?;
    Ok(is_ours)
}

/// Removes managed items from a list that others changed too.
fn take_items(
    document: &mut Document<'_>,
    kept: &Kept,
    found: &[Value],
    ours: &[Value],
) -> Result<()> {
    let rest: Vec<Value> = found.iter().filter(|item| !has(ours, item)).cloned().collect();
    if rest.len() == found.len() {
        return Ok(());
    }
    if rest.is_empty()
        && let Before::Nothing { lead, tail } = &kept.before
    {
        return remove(document, &kept.path, lead, tail);
    }
    let stays = |item: &Value| !has(ours, item);
    let change = Change { found, stays: &stays, new: &[], is_first: false };
    let rest = Value::Array(rest);
    if change_list(document, &kept.path, &change, &rest)?.is_none() {
        let place = document.place_of(&kept.path);
        let text = render(document, &kept.path, &rest, &place)?;
        document.replace(&kept.path, &text)?;
    }
    Ok(())
}

fn remove(document: &mut Document<'_>, path: &[String], lead: &str, tail: &str) -> Result<()> {
    let Some((last, above)) = path.split_last() else { return Ok(()) };
    if let Some(number) = document.map(above).and_then(|map| map.position(last)) {
        document.remove(above, number, Some((lead, tail)))?;
    }
    Ok(())
}

/// Text after the first line of a table is also after the last one of those that followed: the next
/// one takes it over. Returns the text after a removed key.
fn inherit(
    document: &Document<'_>,
    path: &[String],
    lead: &str,
    tail: &str,
    others: &mut [Kept],
) -> String {
    let mut heir = || {
        let (last, above) = path.split_last()?;
        let map = document.map(above)?;
        let number = map.position(last)?;
        let rest = &document.text[map.entries[number].end..];
        let next = &map.entries.get(number + 1)?.key;
        let heir = others.iter_mut().find(|other| {
            other.path.split_last().is_some_and(|(key, parents)| key == next && parents == above)
        })?;
        match &heir.before {
            Before::Nothing { lead: own, tail: none }
                if none.is_empty() && !own.is_empty() && rest.starts_with(own.as_str()) =>
            {
                let gap = own.clone();
                heir.before = Before::Nothing { lead: String::new(), tail: tail.to_owned() };
                Some(gap)
            }
            _ => None,
        }
    };
    if !lead.is_empty() || tail.is_empty() {
        return tail.to_owned();
    }
    heir().unwrap_or_else(|| tail.to_owned())
}

fn put_back(document: &mut Document<'_>, kept: &Kept, record: &mut Record) -> Result<()> {
    match &kept.before {
        Before::Value(text) => {
            document.replace(&kept.path, text)?;
        }
        Before::Nothing { .. } => {}
        Before::Entries(entries) => {
            let Some((last, above)) = kept.path.split_last() else { return Ok(()) };
            // A key that was set after it had been removed is reverted first.
            if kept.set.is_some() {
                remove(document, &kept.path, "", "")?;
            }
            for entry in entries.iter().rev() {
                let is_braced = document.map(above).is_some_and(|map| {
                    map.entries.is_empty() && matches!(map.shape, Shape::Braces(_))
                });
                // The braces of a table that had lost its last entry.
                if is_braced && entry.braced {
                    let is_added = document
                        .root
                        .get(above)
                        .is_some_and(|node| document.text[node.span.clone()] == *" {}");
                    let empty = document.editor.empty_table(false);
                    if let (true, Some("")) = (is_added, empty) {
                        document.replace(above, "")?;
                    }
                }
                if document.map(above).is_some() {
                    document.restore(above, last, entry, record)?;
                } else if let Some(value) = document.restore_alone(&kept.path, entry)? {
                    // Its table went with it, or another program took that away.
                    insert(document, &kept.path, &value, record)?;
                }
            }
        }
    }
    Ok(())
}

/// Reverts the tables above a key that are now empty.
fn tables(document: &mut Document<'_>, path: &[String], record: &mut Record) -> Result<()> {
    for depth in (0..path.len()).rev() {
        let above = &path[..depth];
        let Some(number) = record.tables.iter().position(|table| table.path == above) else {
            continue;
        };
        match document.map(above) {
            None => drop(record.tables.remove(number)),
            Some(map) if map.entries.is_empty() => {
                let table = record.tables.remove(number);
                if let Some(inside) = &table.inside {
                    document.set_inside(above, inside)?;
                }
                match &table.before {
                    Some(Before::Value(text)) => drop(document.replace(above, text)?),
                    Some(Before::Nothing { lead, tail }) => {
                        remove(document, above, lead, tail)?;
                    }
                    _ => {}
                }
            }
            Some(map) => {
                // A table of TOML that only has tables below it needs no line of its own.
                let only_below = map.entries.iter().all(|entry| match &entry.value.kind {
                    NodeKind::Map(map) => {
                        matches!(map.shape, Shape::Lines(_) | Shape::Implicit) && !map.is_null
                    }
                    _ => false,
                });
                let is_header = matches!(&map.shape, Shape::Lines(lines) if lines.start > 0)
                    && !document.editor.is_replaceable(map);
                let table = &record.tables[number];
                if let (true, true, Some(Before::Nothing { lead, tail })) =
                    (only_below, is_header, table.before.clone())
                {
                    remove(document, above, &lead, &tail)?;
                    record.tables.remove(number);
                }
            }
        }
    }
    Ok(())
}
