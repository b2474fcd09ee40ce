//! Whatever the document and the declared keys: taking all back gives the very bytes that stood
//! there before, and what another program wrote stays as it wrote it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod support;

use serde_json::Value;
use support::{KEYED, Random, declaration, document, line_declaration, nothing};
use syslua_merge::{Declaration, Format, Key, Merged, Record, Want, differences, merge, read};

const DOCUMENTS: u64 = 600;

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or("(no file)".to_owned(), |bytes| format!("{:?}", String::from_utf8_lossy(bytes)))
}

/// Sets keys, and checks what follows from that.
fn set(bytes: Option<&[u8]>, declared: &Declaration, record: &Record) -> Option<Merged> {
    let merged = match merge(bytes, declared, record) {
        Ok(merged) => merged,
        Err(problem) => {
            assert!(
                !problem.to_string().contains("the change would"),
                "{problem}\nof {declared:?}"
            );
            return None;
        }
    };
    let after = merged.bytes.as_deref();
    let left = differences(after, declared).unwrap();
    assert!(left.is_empty(), "{left:?}\nof {declared:?}\nin {}", shown(after));
    // The record survives where it is kept.
    let text = serde_json::to_string(&merged.record).unwrap();
    let record: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(record, merged.record);
    let again = merge(after, declared, &record).expect("what was written can be read");
    assert_eq!(shown(again.bytes.as_deref()), shown(after), "once more changes nothing");
    assert_eq!(again.record, record, "of {declared:?}\nin {}", shown(after));
    assert!(again.changes.is_empty() && !again.is_drifted);
    Some(merged)
}

fn is_back(seed: u64, before: Option<&[u8]>, merged: &Merged, format: Format, what: &str) {
    let after = merge(merged.bytes.as_deref(), &nothing(format), &merged.record).unwrap();
    assert_eq!(
        shown(after.bytes.as_deref()),
        shown(before),
        "{what}: {format:?} {seed}, from {}\nrecord {:#?}",
        shown(merged.bytes.as_deref()),
        merged.record
    );
    assert_eq!(after.record, Record::default());
}

/// Runs a test on many documents of each format; some declarations do not fit their document.
fn each(test: impl Fn(u64, Format, &mut Random) -> bool) {
    for format in KEYED {
        let fitting = (0..DOCUMENTS)
            .filter(|seed| test(*seed, format, &mut Random::new(seed * 7 + format as u64)))
            .count();
        assert!(fitting * 10 > DOCUMENTS as usize * 5, "{format:?}: only {fitting} fit");
    }
}

#[test]
fn what_is_set_can_be_taken_back() {
    each(|seed, format, random| {
        let text = document(random, format);
        let declared = declaration(random, format, "");
        let Some(merged) = set(Some(text.as_bytes()), &declared, &Record::default()) else {
            return false;
        };
        is_back(seed, Some(text.as_bytes()), &merged, format, &format!("{declared:?}"));
        true
    });
}

/// Adds the paths of the keys of a value, tables included.
fn paths(value: &Value, above: &[String], all: &mut Vec<Vec<String>>) {
    let Value::Object(map) = value else { return };
    for (key, inner) in map {
        let path = [above, std::slice::from_ref(key)].concat();
        all.push(path.clone());
        paths(inner, &path, all);
    }
}

/// Keys of the document itself, with nothing else below their table, in any way to write a table.
#[test]
fn what_is_taken_away_comes_back() {
    for format in KEYED {
        let mut count = 0;
        for seed in 0..DOCUMENTS {
            let random = &mut Random::new(seed * 11 + format as u64);
            let text = document(random, format);
            let mut all = Vec::new();
            paths(&read(&text, format).unwrap(), &[], &mut all);
            let mut declared = nothing(format);
            for _ in 0..=random.below(3) {
                let Some(path) = all.get(random.below(all.len())).cloned() else { continue };
                let is_free = |key: &Key| {
                    !key.path.starts_with(&path) && !path.starts_with(key.path.as_slice())
                };
                if declared.keys.iter().all(is_free) {
                    declared.keys.push(Key { path, want: Want::Absent });
                }
            }
            // Letters of another encoding, which only the removed values may have.
            let mut bytes = text.into_bytes();
            if format == Format::Ini && random.one_in(2) {
                for byte in &mut bytes {
                    *byte = if *byte == b'p' { 0xe9 } else { *byte };
                }
            }
            if let Some(merged) = set(Some(&bytes), &declared, &Record::default()) {
                is_back(seed, Some(&bytes), &merged, format, &format!("{declared:?}"));
                count += usize::from(!merged.changes.is_empty());
            }
        }
        assert!(count > 100, "{format:?}: only {count} lose a key");
    }
}

#[test]
fn a_file_that_was_made_goes() {
    each(|seed, format, random| {
        let declared = declaration(random, format, "");
        let Some(merged) = set(None, &declared, &Record::default()) else { return false };
        is_back(seed, None, &merged, format, "made");
        for empty in ["", "\n"] {
            let merged = set(Some(empty.as_bytes()), &declared, &Record::default()).unwrap();
            is_back(seed, Some(empty.as_bytes()), &merged, format, "empty");
        }
        true
    });
}

#[test]
fn declarations_that_change_can_be_taken_back() {
    each(|seed, format, random| {
        let text = document(random, format);
        let (one, two) = (declaration(random, format, ""), declaration(random, format, ""));
        let mut state = Merged {
            bytes: Some(text.clone().into_bytes()),
            record: Record::default(),
            changes: Vec::new(),
            is_drifted: false,
        };
        for declared in [&one, &two, &one] {
            match set(state.bytes.as_deref(), declared, &state.record) {
                Some(next) => state = next,
                None => return false,
            }
        }
        is_back(seed, Some(text.as_bytes()), &state, format, &format!("{one:?}\n{two:?}"));
        true
    });
}

#[test]
fn what_another_program_writes_stays() {
    each(|seed, format, random| {
        let text = document(random, format);
        let declared = declaration(random, format, "");
        // The other program sets keys of its own.
        let mut foreign = declaration(random, format, "other-");
        foreign.keys.retain(|key| key.path.len() == 1 || format == Format::Ini);
        if format == Format::Ini {
            foreign.keys.retain(|key| declared.keys.iter().all(|own| own.path[0] != key.path[0]));
        }
        let Some(merged) = set(Some(text.as_bytes()), &declared, &Record::default()) else {
            return false;
        };
        let write = |bytes: Option<&[u8]>| {
            merge(bytes, &foreign, &Record::default()).ok().map(|merged| merged.bytes)
        };
        let (Some(alone), Some(both)) =
            (write(Some(text.as_bytes())), write(merged.bytes.as_deref()))
        else {
            return false;
        };
        // It is no drift, and applying changes nothing.
        assert!(
            differences(both.as_deref(), &declared).is_ok_and(|left| left.is_empty()),
            "{text:?} {declared:?} {foreign:?} {} {}",
            shown(merged.bytes.as_deref()),
            shown(both.as_deref())
        );
        let again = merge(both.as_deref(), &declared, &merged.record).unwrap_or_else(|problem| {
            panic!(
                "{problem} {format:?} {text:?} {declared:?} {foreign:?} {} {} {:#?}",
                shown(merged.bytes.as_deref()),
                shown(both.as_deref()),
                merged.record
            )
        });
        assert_eq!(shown(again.bytes.as_deref()), shown(both.as_deref()));
        assert!(!again.is_drifted);
        let after =
            merge(both.as_deref(), &nothing(format), &merged.record).unwrap_or_else(|problem| {
                panic!(
                    "{problem} {format:?} {text:?} {declared:?} {foreign:?} {} {} {:#?}",
                    shown(merged.bytes.as_deref()),
                    shown(both.as_deref()),
                    merged.record
                )
            });
        let strip = |bytes: Option<&[u8]>| {
            let text = String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let text = text.replace('\u{feff}', "");
            let text = ["[", "]", "{", "}", ":"]
                .iter()
                .fold(text, |text, mark| text.replace(mark, &format!(" {mark} ")));
            let mut words: Vec<String> =
                text.split([' ', '\t', '\r', '\n', ',']).map(str::to_owned).collect();
            words.retain(|word| !word.is_empty());
            words.sort();
            words
        };
        // Where the other program put its keys depends on what stood there: that may be ours.
        assert_eq!(
            strip(after.bytes.as_deref()),
            strip(alone.as_deref()),
            "{format:?} {seed}: {text:?}\n{declared:?}\n{foreign:?}\nours {}\nboth {}",
            shown(merged.bytes.as_deref()),
            shown(both.as_deref())
        );
        true
    });
}

#[test]
fn lines_and_blocks_can_be_taken_back() {
    for format in [Format::Lines, Format::Block] {
        for seed in 0..DOCUMENTS {
            let random = &mut Random::new(seed);
            let text = document(random, format);
            let (one, two) = (line_declaration(random, format), line_declaration(random, format));
            let before = Some(text.as_bytes());
            let first = set(before, &one, &Record::default()).unwrap();
            is_back(seed, before, &first, format, "first");
            let second = set(first.bytes.as_deref(), &two, &first.record).unwrap();
            is_back(seed, before, &second, format, &format!("{one:?}\n{two:?}"));
            let made = set(None, &one, &Record::default()).unwrap();
            is_back(seed, None, &made, format, "made");
        }
    }
}

#[test]
fn bytes_that_are_no_text_stay() {
    let before = b"[a]\nname = caf\xe9\nkey = 1\n";
    let mut declared = nothing(Format::Ini);
    declared.keys.push(syslua_merge::Key {
        path: vec!["a".to_owned(), "key".to_owned()],
        want: syslua_merge::Want::Value("größe".into()),
    });
    let merged = set(Some(before), &declared, &Record::default()).unwrap();
    assert_eq!(
        merged.bytes.as_deref(),
        Some("[a]\nname = caf\u{0}\nkey = größe\n".replace('\u{0}', "?").as_bytes())
            .map(|bytes| {
                let mut bytes = bytes.to_vec();
                let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
                bytes[at] = 0xe9;
                bytes
            })
            .as_deref()
    );
    is_back(0, Some(before), &merged, Format::Ini, "bytes");
    assert!(merge(Some(b"\xff\xfea\0"), &declared, &Record::default()).is_err());
    let mut json = declared.clone();
    json.format = Format::Json;
    assert!(merge(Some(b"{\"a\": \"\xe9\"}"), &json, &Record::default()).is_err());
}

#[test]
fn blanks_before_a_value_stay() {
    for (format, before, after) in [
        (Format::Yaml, "a:   old # why\n", "a:   1 # why\n"),
        (Format::Yaml, "x: {a:  old}\na:    [1, 2]\n", "x: {a:  old}\na:    1\n"),
        (Format::Toml, "a  =   'old'  # why\n", "a  =   1  # why\n"),
        (Format::Json, "{\"a\" :   \"old\"}", "{\"a\" :   1}"),
        (Format::Ini, "a =\told\n", "a =\t1\n"),
    ] {
        let mut declared = nothing(format);
        let value = if format == Format::Ini { "1".into() } else { 1.into() };
        let want = syslua_merge::Want::Value(value);
        declared.keys.push(syslua_merge::Key { path: vec!["a".to_owned()], want });
        let merged = set(Some(before.as_bytes()), &declared, &Record::default());
        assert!(merged.is_some(), "{before:?}");
        let merged = merged.unwrap();
        assert_eq!(shown(merged.bytes.as_deref()), format!("{after:?}"), "{before:?}");
        is_back(0, Some(before.as_bytes()), &merged, format, before);
    }
}

#[test]
fn a_large_file_takes_little_time() {
    let entry = |number: usize| {
        format!("  \"extension.{number}.setting\": {{ \"on\": true, \"list\": [1, 2, \"x\"] }}")
    };
    let entries: Vec<String> = (0..18_000).map(entry).collect();
    let text = format!("{{\n{}\n}}\n", entries.join(",\n"));
    assert!(text.len() > 1_000_000);
    let mut declared = nothing(Format::Json);
    for number in 0..5 {
        declared.keys.push(syslua_merge::Key {
            path: vec![format!("extension.{}.setting", number * 4000), "on".to_owned()],
            want: syslua_merge::Want::Value(false.into()),
        });
        declared.keys.push(syslua_merge::Key {
            path: vec!["new".to_owned(), format!("key{number}")],
            want: syslua_merge::Want::Value(number.into()),
        });
    }
    let before = std::time::Instant::now();
    let merged = merge(Some(text.as_bytes()), &declared, &Record::default()).unwrap();
    println!("1 MB of JSON, ten keys: {:?}", before.elapsed());
    // One pass over the text for each look at it, whatever the number of keys.
    assert!(before.elapsed().as_secs() < 5);
    is_back(0, Some(text.as_bytes()), &merged, Format::Json, "large");
}

#[test]
fn what_does_not_parse_names_its_place() {
    for (format, text, place) in [
        (Format::Json, "{\n  \"a\": 1,\n}", "2:9"),
        (Format::Jsonc, "{\n  \"ä\": }", "2:8"),
        (Format::Toml, "a = 1\nb = \n", "2:5"),
        (Format::Yaml, "a: 1\n b: [\n", "2:3"),
        (Format::Ini, "[a]\n  [b\n", "2:3"),
    ] {
        let error = merge(Some(text.as_bytes()), &nothing(format), &Record::default()).unwrap_err();
        assert!(error.to_string().starts_with(place), "{format:?}: {error}");
    }
}

/// The items of others keep their text and their comments, while ours join them and go again,
/// whether another program wrote meanwhile or not.
#[test]
fn lists_are_joined_in_place() {
    let list = |format, items: &[&str], is_first: bool| {
        let items = items.iter().map(|item| Value::from(*item)).collect();
        let want = if is_first { Want::Before(items) } else { Want::After(items) };
        let keys = vec![Key { path: vec!["l".to_owned()], want }];
        Declaration { format, comment: String::new(), keys }
    };
    let documents = [
        (Format::Json, "{\"l\": [\"a\",\"b\"]}"),
        (
            Format::Jsonc,
            "{\n  // all\n  \"l\": [\n    // one\n    \"a\", // A\n    \"b\" // B\n  ],\n}",
        ),
        (Format::Jsonc, "{\"l\": [ \"a\", /* B */ \"b\", ]}\n"),
        (
            Format::Jsonc,
            "{\r\n\t\"l\": [\r\n\t\t\"a\",\r\n\t\t\"b\", // B\r\n\t\t// end\r\n\t]\r\n}",
        ),
        (Format::Toml, "l = [\n  # one\n  'a', # A\n  \"b\", # B\n  # end\n]\n"),
        (Format::Toml, "l = ['a', 'b'] # all\n"),
        (Format::Toml, "l = [ # all\n  'a'\n  , 'b'\n]\n"),
        (Format::Yaml, "k: 1\nl:\n  # one\n  - a # A\n  # two\n  - 'b' # B\n# end\nz: 1\n"),
        (Format::Yaml, "l:\r\n- a\r\n- b\r\n"),
        (Format::Yaml, "l: # all\n    - |\n      a\n    - \"b\""),
    ];
    for (format, text) in documents {
        for is_first in [false, true] {
            let what = format!("{text}\n{is_first}");
            let declared = list(format, &["x", "y"], is_first);
            let merged = set(Some(text.as_bytes()), &declared, &Record::default()).expect(&what);
            let bytes = String::from_utf8(merged.bytes.clone().unwrap()).unwrap();
            for line in text.lines() {
                for comment in ["// ", "# ", "/* "] {
                    let Some(at) = line.find(comment) else { continue };
                    let comment = &line[at..];
                    let end = comment.find("*/").map_or(comment.trim_end().len(), |end| end + 2);
                    assert!(bytes.contains(&comment[..end]), "{what}:\n{bytes}");
                }
            }
            for word in ["'a'", "\"a\"", "'b'", "\"b\"", "- a"] {
                assert_eq!(text.contains(word), bytes.contains(word), "{what}:\n{bytes}");
            }
            is_back(0, Some(text.as_bytes()), &merged, format, &what);
            // Other items of ours take their place.
            let other = list(format, &["y", "z"], is_first);
            let again = set(merged.bytes.as_deref(), &other, &merged.record).expect(&what);
            is_back(0, Some(text.as_bytes()), &again, format, &what);
            // Another program adds an item in the middle.
            let now = String::from_utf8(again.bytes.clone().unwrap()).unwrap();
            let (old, new) = match format {
                Format::Yaml if now.contains("'b'") => ("'b'", "new\n  - 'b'"),
                Format::Yaml if now.contains("\"b\"") => ("\"b\"", "new\n    - \"b\""),
                Format::Yaml => ("b", "new\r\n- b"),
                _ if now.contains("'b'") => ("'b'", "'new', 'b'"),
                _ => ("\"b\"", "\"new\", \"b\""),
            };
            let edited = now.replacen(old, new, 1);
            let after = merge(Some(edited.as_bytes()), &nothing(format), &again.record).unwrap();
            let expected = text.replacen(old, new, 1);
            let after = shown(after.bytes.as_deref());
            let is_comment_moved = format == Format::Yaml && !is_first;
            if !is_comment_moved {
                assert_eq!(after, shown(Some(expected.as_bytes())), "{what}\nfrom {edited}");
            }
        }
    }
}
