//! What may have become of a file.

use std::env;

use serde_json::{Value as Json, json};

pub fn thorough() -> bool {
    env::var("SYSLUA_SWEEP").is_ok_and(|value| value == "all")
}

/// What a disk, an editor or a newer program may have made of a text.
pub fn damages(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let step = if thorough() { 1 } else { text.len() / 12 + 1 };
    // The last byte is a line feed, which nothing needs.
    let cuts = (0..text.len() - 1).step_by(step);
    let mut damages: Vec<(String, Vec<u8>)> =
        cuts.map(|length| (format!("cut at {length}"), text[..length].to_vec())).collect();
    let mut add = |what: &str, text: Vec<u8>| damages.push((what.to_owned(), text));
    add("zeroed", vec![0; text.len()]);
    add("half zeroed", [&text[..text.len() / 2], &vec![0; text.len() / 2]].concat());
    for nonsense in [
        "null",
        "[]",
        "{}",
        "0",
        "true",
        "\"text\"",
        "\n",
        "\u{feff}{}",
        "{\"version\":1}",
        "{\"version\":0}",
    ] {
        add(nonsense, nonsense.as_bytes().to_vec());
    }
    add("no UTF-8", b"{\"version\":1,\"\xff\":\"\xfe\"}\n".to_vec());
    for open in ["[", "{\"a\":", "{\"version\":1,\"a\":["] {
        add(&format!("deep {open}"), open.repeat(100_000).into_bytes());
    }
    let deep = format!(
        "{{\"version\":1,\"id\":2,\"activations\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    add("deep and whole", deep.into_bytes());
    for version in [
        "2",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.5",
        "1e400",
        "\"1\"",
        "[]",
        "null",
    ] {
        let changed = String::from_utf8_lossy(text).replacen(
            "\"version\":1",
            &format!("\"version\":{version}"),
            1,
        );
        let changed = changed.replacen("\"version\": 1", &format!("\"version\": {version}"), 1);
        if changed.as_bytes() != text {
            add(&format!("version {version}"), changed.into_bytes());
        }
    }
    damages
}

/// Every value in a document replaced by others.
pub fn mutations(text: &[u8]) -> Vec<Vec<u8>> {
    fn pointers(value: &Json, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        match value {
            Json::Object(map) => map.iter().for_each(|(key, inner)| {
                pointers(
                    inner,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    all,
                );
            }),
            Json::Array(list) => {
                list.iter()
                    .enumerate()
                    .for_each(|(place, inner)| pointers(inner, &format!("{at}/{place}"), all));
            }
            _ => {}
        }
    }
    let document: Json = serde_json::from_slice(text).unwrap();
    let mut all = Vec::new();
    pointers(&document, "", &mut all);
    let values = [
        Json::Null,
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("../../../x"),
        json!("a\0b"),
        json!("\u{202e}"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({"$bytes": "!"}),
        json!({"$bytes": "/w=="}),
    ];
    let mut mutated = Vec::new();
    for (place, pointer) in all.iter().enumerate() {
        for (number, value) in values.iter().enumerate() {
            if thorough() || (place + number) % 5 == 0 {
                let mut changed = document.clone();
                *changed.pointer_mut(pointer).unwrap() = value.clone();
                mutated.push(serde_json::to_vec(&changed).unwrap());
            }
        }
    }
    mutated
}
