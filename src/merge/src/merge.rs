//! Turns bytes of a document and a declaration into new bytes, and a record of the earlier state.

use serde_json::Value;

use crate::declaration::{Declaration, Format, Key, Want, shown};
use crate::editor::{Document, Editor, newline_of};
use crate::ini::Ini;
use crate::json::Json;
use crate::keys::{is_satisfied, normal, revert, set};
use crate::node::{FLOAT, NodeKind};
use crate::paths::Paths;
use crate::problem::{Problem, Result};
use crate::record::Record;
use crate::text_lines;
use crate::toml::Toml;
use crate::yaml::Yaml;

const BOM: &str = "\u{feff}";

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its new bytes; nothing, when there is to be no file.
    pub bytes: Option<Vec<u8>>,
    /// The record of the earlier state, for the next time.
    pub record: Record,
    /// What changed, key by key.
    pub changes: Vec<Change>,
    /// Whether a managed key had been changed in the meantime.
    pub is_drifted: bool,
}

/// A key that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, as people write it; a line itself, for lines.
    pub key: String,
    /// Its value before, as JSON; nothing, when it was not there.
    pub old: Option<Value>,
    /// Its value after that.
    pub new: Option<Value>,
}

fn editor_of(format: Format) -> Option<Box<dyn Editor>> {
    Some(match format {
        Format::Json => Box::new(Json { is_lenient: false }),
        Format::Jsonc => Box::new(Json { is_lenient: true }),
        Format::Toml => Box::new(Toml),
        Format::Yaml => Box::new(Yaml),
        Format::Ini => Box::new(Ini),
        Format::Lines | Format::Block => return None,
    })
}

/// A text, its encoding, and its prefix.
struct Decoded {
    text: String,
    has_bom: bool,
    /// Whether a byte is a letter: formats of lines take any.
    is_raw: bool,
}

/// Reads the bytes of a document. What was read as letters once stays so: what it had lost may not
/// be UTF-8.
fn decode(bytes: &[u8], format: Format, was_raw: bool) -> Result<Decoded> {
    let letters = || bytes.iter().map(|byte| char::from(*byte)).collect();
    match std::str::from_utf8(bytes) {
        Ok(_) if was_raw => Ok(Decoded { text: letters(), has_bom: false, is_raw: true }),
        Ok(text) => {
            let bare = text.strip_prefix(BOM);
            let text = bare.unwrap_or(text).to_owned();
            Ok(Decoded { text, has_bom: bare.is_some(), is_raw: false })
        }
        Err(error) => {
            let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let takes_any = matches!(format, Format::Ini | Format::Lines | Format::Block);
            if is_wide || !takes_any {
                return Err(Problem::Encoding { offset: error.valid_up_to() });
            }
            Ok(Decoded { text: letters(), has_bom: false, is_raw: true })
        }
    }
}

/// Returns a text with each of its bytes as a letter.
fn raw(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// Returns a value with all its texts, keys too, changed.
fn map_texts(value: Value, change: fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| map_texts(item, change)).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, item)| (change(&key), map_texts(item, change))).collect()
        }
        other => other,
    }
}

impl Decoded {
    /// Returns a record whose texts are as those of the document are.
    fn recorded(&self, record: &Record) -> Record {
        if !self.is_raw || record.raw {
            return record.clone();
        }
        // The names of its fields are ASCII, and stay.
        let data = serde_json::to_value(record).unwrap_or_default();
        let changed = serde_json::from_value(map_texts(data, raw));
        Record { raw: true, ..changed.unwrap_or_else(|_| record.clone()) }
    }

    /// Returns changes as people read them.
    fn shown(&self, format: Format, changes: Vec<Change>) -> Vec<Change> {
        if !self.is_raw {
            // JSON has nothing that stands for something else.
            if matches!(format, Format::Json | Format::Jsonc) {
                return changes;
            }
            let change = |change: Change| Change {
                old: change.old.map(readable),
                new: change.new.map(readable),
                ..change
            };
            return changes.into_iter().map(change).collect();
        }
        fn letters(text: &str) -> String {
            let bytes: Option<Vec<u8>> =
                text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
            bytes.map_or_else(
                || text.to_owned(),
                |bytes| String::from_utf8_lossy(&bytes).into_owned(),
            )
        }
        let value = |value: Option<Value>| value.map(|value| map_texts(value, letters));
        let change = |change: Change| Change {
            key: letters(&change.key),
            old: value(change.old),
            new: value(change.new),
        };
        changes.into_iter().map(change).collect()
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        if self.is_raw {
            let byte = |letter: char| u8::try_from(u32::from(letter)).unwrap_or(b'?');
            return text.chars().map(byte).collect();
        }
        [if self.has_bom { BOM } else { "" }, text].concat().into_bytes()
    }

    /// Returns a declaration whose texts are encoded as the document is.
    fn encoded(&self, declaration: &Declaration) -> Declaration {
        if !self.is_raw {
            return declaration.clone();
        }
        let value = |value: &Value| match value {
            Value::String(text) => Value::String(raw(text)),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.clone(), |text| raw(text).into()))
                    .collect(),
            ),
            other => other.clone(),
        };
        let key = |key: &Key| Key {
            path: key.path.iter().map(|part| raw(part)).collect(),
            want: match &key.want {
                Want::Value(inner) => Want::Value(value(inner)),
                Want::Absent => Want::Absent,
                Want::Before(items) => Want::Before(items.iter().map(value).collect()),
                Want::After(items) => Want::After(items.iter().map(value).collect()),
            },
        };
        Declaration {
            format: declaration.format,
            comment: raw(&declaration.comment),
            keys: declaration.keys.iter().map(key).collect(),
        }
    }
}

/// Returns the declared keys whose value in the file differs. `bytes` is `None` when the file does
/// not exist.
///
/// # Errors
/// When the document cannot be read, or its format has no place for a declared value.
pub fn differences(bytes: Option<&[u8]>, declaration: &Declaration) -> Result<Vec<Change>> {
    let decoded = decode(bytes.unwrap_or_default(), declaration.format, false)?;
    let declaration = decoded.encoded(declaration);
    let Some(editor) = editor_of(declaration.format) else {
        let found = text_lines::differences(&decoded.text, &declaration)?;
        let changes = found.into_iter().map(|(key, old, new)| Change { key, old, new });
        return Ok(decoded.shown(declaration.format, changes.collect()));
    };
    let paths = Paths::of(declaration.keys.iter().map(|key| key.path.as_slice()));
    let document = Document::new(&*editor, decoded.text.clone(), paths)?;
    let mut changes = Vec::new();
    for key in &declaration.keys {
        let key = normal(&document, key)?;
        let found = document.value(&key.path);
        if !is_satisfied(found.as_ref(), &key.want) {
            changes.push(Change { key: shown(&key.path), old: found, new: new_of(&key) });
        }
    }
    Ok(decoded.shown(declaration.format, changes))
}

fn new_of(key: &Key) -> Option<Value> {
    match &key.want {
        Want::Value(value) => Some(value.clone()),
        Want::Absent => None,
        Want::Before(items) | Want::After(items) => Some(Value::Array(items.clone())),
    }
}

/// Reads a whole document as data. In YAML, merge keys (`<<`) are followed, and tags without a
/// meaning are left out. In INI, a key that occurs several times is a list, and a key without a
/// value is true. Times of TOML are texts. For infinities, see [`special_float`].
///
/// # Errors
/// When it is not of its format.
pub fn read(text: &str, format: Format) -> Result<Value> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let none = Paths::default();
    match format {
        Format::Json | Format::Jsonc => {
            let editor = Json { is_lenient: format == Format::Jsonc };
            editor.parse(text, &none).map(|node| editor.value(text, &node))
        }
        Format::Toml => Toml.parse(text, &none).map(|node| plain(Toml.value(text, &node))),
        Format::Yaml => crate::yaml::read(text).map(plain),
        Format::Ini => Ini.parse(text, &none).map(|node| crate::ini::read(&node)),
        Format::Lines | Format::Block => {
            Ok(Value::Array(text.lines().map(|line| Value::String(line.to_owned())).collect()))
        }
    }
}

/// Returns whether a table stands for its only value, and tells what that is.
fn is_marked(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 1
        && map
            .keys()
            .all(|key| key == "$datetime" || key.starts_with("$!") || key.starts_with("$tag:"))
}

/// Returns a value as people write it, as far as JSON can tell it.
fn readable(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(readable).collect(),
        Value::Object(map) if is_marked(&map) || map.len() == 1 && map.contains_key(FLOAT) => {
            map.into_iter().next().map(|(_, value)| readable(value)).unwrap_or_default()
        }
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, item)| (key, readable(item))).collect())
        }
        other => other,
    }
}

/// Returns the number that a value of [`read`] stands for when it is a table of one key: an
/// infinity, or not a number.
pub fn special_float(map: &serde_json::Map<String, Value>) -> Option<f64> {
    let text = map.get(FLOAT).filter(|_| map.len() == 1)?.as_str()?;
    ["inf", "-inf", "nan"].contains(&text).then(|| text.parse().ok()).flatten()
}

/// Returns values without what only tells them from others while they are edited.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(map) => {
            if is_marked(&map) {
                return plain(map.into_iter().next().map(|(_, value)| value).unwrap_or_default());
            }
            let mut plain_map: serde_json::Map<String, Value> = serde_json::Map::new();
            let mut merged = Vec::new();
            for (key, value) in map {
                match (key.as_str(), plain(value)) {
                    ("<<", Value::Object(base)) => merged.push(base),
                    ("<<", Value::Array(bases)) if bases.iter().all(Value::is_object) => {
                        merged.extend(bases.into_iter().filter_map(|base| match base {
                            Value::Object(base) => Some(base),
                            _ => None,
                        }));
                    }
                    (_, value) => drop(plain_map.insert(key, value)),
                }
            }
            for (key, value) in merged.into_iter().flatten() {
                plain_map.entry(key).or_insert(value);
            }
            Value::Object(plain_map)
        }
        other => other,
    }
}

/// Sets the declared keys of a document and reverts those of the record that are no longer
/// declared. `bytes` is nothing if there is no file.
///
/// # Errors
/// When the document cannot be read, or has no place for a declared value.
pub fn merge(bytes: Option<&[u8]>, declaration: &Declaration, record: &Record) -> Result<Merged> {
    let decoded = decode(bytes.unwrap_or_default(), declaration.format, record.raw)?;
    let declaration = decoded.encoded(declaration);
    let mut record = decoded.recorded(record);
    let is_new = bytes.is_none();
    // A removed one is made again.
    record.made |= is_new;
    let (text, mut record, changes, is_drifted) = match editor_of(declaration.format) {
        None => merge_lines(&decoded.text, &declaration, &record)?,
        Some(editor) => merge_keys(&*editor, &decoded.text, &declaration, record)?,
    };
    let changes = decoded.shown(declaration.format, changes);
    let is_gone = (record.made || is_new) && record.keys.is_empty() && text.trim().is_empty();
    let is_still_nothing = is_new && text.is_empty();
    if is_gone || is_still_nothing {
        if record.keys.is_empty() {
            record = Record::default();
        }
        return Ok(Merged { bytes: None, record, changes, is_drifted });
    }
    if record.keys.is_empty() {
        record = Record::default();
    }
    Ok(Merged { bytes: Some(decoded.encode(&text)), record, changes, is_drifted })
}

type Parts = (String, Record, Vec<Change>, bool);

fn merge_lines(old: &str, declaration: &Declaration, record: &Record) -> Result<Parts> {
    let mut changes: Vec<Change> = text_lines::differences(old, declaration)?
        .into_iter()
        .map(|(key, old, new)| Change { key, old, new })
        .collect();
    let mut text = old.to_owned();
    let (new, is_drifted) = text_lines::merge(&mut text, declaration, record)?;
    let count = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
    for kept in record.keys.iter().filter(|kept| new.key(&kept.path).is_none()) {
        let (key, is_gone) = match declaration.format {
            // A line that was there before stays.
            Format::Lines => {
                let line = kept.path.first().cloned().unwrap_or_default();
                let is_gone = count(old, &line) > count(&text, &line);
                (line, is_gone)
            }
            _ => ("block".to_owned(), text != old && changes.is_empty()),
        };
        if is_gone {
            changes.push(Change { key, old: kept.set.clone(), new: None });
        }
    }
    Ok((text, new, changes, is_drifted))
}

fn merge_keys(
    editor: &dyn Editor,
    old: &str,
    declaration: &Declaration,
    mut record: Record,
) -> Result<Parts> {
    let declared = declaration.keys.iter().map(|key| &key.path);
    let recorded = record.keys.iter().map(|kept| &kept.path);
    let tables = record.tables.iter().map(|table| &table.path);
    let paths = Paths::of(declared.chain(recorded).chain(tables).map(Vec::as_slice));
    let mut document = Document::new(editor, old.to_owned(), paths.clone())?;
    let keys: Vec<Key> =
        declaration.keys.iter().map(|key| normal(&document, key)).collect::<Result<_>>()?;
    let is_needed = keys.iter().any(|key| key.want != Want::Absent);
    if let (NodeKind::Leaf(_), true) = (&document.root.kind, is_needed) {
        // JSON without a value.
        record.root.get_or_insert_with(|| old.to_owned());
        let gap = if old.is_empty() || old.ends_with('\n') { "" } else { newline_of(old) };
        let text = format!("{old}{gap}{{}}{}", newline_of(old));
        document = Document::new(editor, text, paths)?;
    }
    let mut changes = Vec::new();
    let mut is_drifted = false;
    let mut known: Vec<Option<crate::record::Kept>> = Vec::new();
    let mut earlier = std::mem::take(&mut record.keys);
    // Keys that are no longer declared are reverted first, the last one before all others.
    let mut stays = Vec::new();
    while let Some(kept) = earlier.pop() {
        let key = keys.iter().find(|key| key.path == kept.path);
        let found = document.value(&kept.path);
        // Whether it is to be there may have changed: then it begins anew.
        let is_other = key.is_some_and(|key| (key.want == Want::Absent) != kept.set.is_none());
        if key.is_none() || is_other {
            let number = earlier.len();
            let mut others: Vec<_> = earlier.drain(..).chain(stays.drain(..)).collect();
            let is_ours = revert(&mut document, &kept, &mut record, &mut others)?;
            stays = others.split_off(number);
            earlier = others;
            is_drifted |= !is_ours && key.is_some();
            if key.is_none() {
                let new = document.value(&kept.path);
                if new != found {
                    changes.push(Change { key: shown(&kept.path), old: found, new });
                }
            }
            continue;
        }
        is_drifted |= key.is_some_and(|key| {
            let is_set = match (&kept.set, &found) {
                (Some(set), Some(found)) => crate::keys::is_same(set, found),
                (set, found) => set.is_none() && found.is_none(),
            };
            !is_set && !is_satisfied(found.as_ref(), &key.want)
        });
        stays.push(kept);
    }
    stays.reverse();
    for key in &keys {
        let found = document.value(&key.path);
        let number = stays.iter().position(|kept| kept.path == key.path);
        let earlier = number.map(|number| stays[number].clone());
        let is_right = is_satisfied(found.as_ref(), &key.want);
        let kept = set(&mut document, key, earlier, &mut record)?;
        if !is_right {
            let new = kept.set.clone();
            changes.push(Change { key: shown(&key.path), old: found, new });
        }
        match number {
            Some(number) => stays[number] = kept,
            None => known.push(Some(kept)),
        }
    }
    stays.extend(known.into_iter().flatten());
    record.keys = stays;
    let is_empty = document.map(&[]).is_some_and(|map| map.entries.is_empty());
    if let (true, true, Some(root)) = (record.keys.is_empty(), is_empty, &record.root)
        && document.text.strip_prefix(root.as_str()).is_some_and(|rest| rest.trim() == "{}")
    {
        return Ok((root.clone(), record, changes, is_drifted));
    }
    check(&document, old, &keys)?;
    Ok((document.text, record, changes, is_drifted))
}

/// What a change must not do.
const HIDES: &str = "the change would hide other keys of this file";

/// Reads what is about to be written. Formats without parts were read after the last change, and a
/// text that stays was read before.
fn check(document: &Document<'_>, old: &str, keys: &[Key]) -> Result<()> {
    let again = if document.editor.has_parts() && document.text != old {
        let again = document.editor.parse(&document.text, &document.paths).map_err(|problem| {
            let key = keys.first().map(|key| shown(&key.path)).unwrap_or_default();
            let message = format!("the change would make the file invalid: {problem}");
            Problem::Value { key, message }
        })?;
        // Nothing else moved, and nothing became a part of a comment.
        if !again.is_same_place(&document.root) {
            return Err(Problem::value(
                keys.first().map(|key| key.path.as_slice()).unwrap_or_default(),
                HIDES,
            ));
        }
        Some(again)
    } else {
        None
    };
    let root = again.as_ref().unwrap_or(&document.root);
    for key in keys {
        let found = root.get(&key.path).map(|node| document.editor.value(&document.text, node));
        if !is_satisfied(found.as_ref(), &key.want) {
            return Err(Problem::value(&key.path, "the key cannot be added to this file"));
        }
    }
    Ok(())
}
