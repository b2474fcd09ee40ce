//! Documents that the real sops 3.11.0 wrote: see `vectors/README.md`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "a test"
)]

use std::path::{Path, PathBuf};

use syslua_secrets::identity::{Identities, Places};
use syslua_secrets::{Document, Format, Opened, Options, Plain};

fn vectors() -> PathBuf {
    std::path::absolute("tests/vectors").expect("there is a current directory")
}

fn identities(file: &str) -> Identities {
    let file = vectors().join(file).display().to_string();
    Identities::find(&Places {
        variable: &|name| {
            let wanted = if file.contains("ssh") {
                "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
            } else {
                "SOPS_AGE_KEY_FILE"
            };
            (name == wanted).then(|| file.clone())
        },
        home: None,
        settings: None,
        host_keys: None,
    })
}

fn open(file: &Path, key: &str) -> syslua_secrets::Result<Opened> {
    let content = std::fs::read(file).expect("the vector is there");
    Document::parse(Format::of(file), &content)?.open(&identities(key))
}

fn files(directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(vectors().join(directory))
        .expect("it is there")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn key_of(file: &Path) -> &'static str {
    if file.file_name().is_some_and(|name| name == "ssh.yaml") { "ssh_ed25519" } else { "key.txt" }
}

#[test]
fn every_document_decrypts_to_exactly_what_sops_gives_back() {
    let mut wrong = Vec::new();
    for file in files("enc") {
        let opened = open(&file, key_of(&file))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let expected =
            std::fs::read(vectors().join("dec").join(file.file_name().unwrap())).unwrap();
        let content = opened.content().expect("it can be written");
        if *content != expected {
            wrong.push(format!("{}:\n{}", file.display(), difference(&expected, &content)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn difference(expected: &[u8], found: &[u8]) -> String {
    let (expected, found) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(found));
    let mut out = String::new();
    let (mut a, mut b) = (expected.lines(), found.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return out,
            (a, b) if a != b => out.push_str(&format!("- {a:?}\n+ {b:?}\n")),
            _ => {}
        }
    }
}

#[test]
fn every_yaml_document_has_the_values_that_sops_gives_as_json() {
    for file in
        files("enc").into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml"))
    {
        let opened = open(&file, key_of(&file)).expect("it opens");
        let json = std::fs::read(
            vectors().join("dec").join(format!("{}.json", file.file_name().unwrap().display())),
        );
        let expected = parse_json(&json.unwrap());
        assert_eq!(
            parse_json(opened.to_plain().to_json().as_bytes()).to_json(),
            expected.to_json(),
            "{}",
            file.display()
        );
    }
}

/// JSON is read by encrypting it, so that the test needs no other reader.
fn parse_json(json: &[u8]) -> Plain {
    let recipient = syslua_secrets::recipient::Recipient::parse(
        "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn",
    );
    Opened::encrypt(Format::Json, json, &[recipient.unwrap()], Options::default())
        .expect("it is JSON")
        .to_plain()
}

#[test]
fn every_damaged_document_is_refused_unless_sops_accepts_it_too() {
    for file in files("neg") {
        let result = open(&file, "key.txt");
        if file.to_string_lossy().contains("_ACCEPTED") {
            result.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        } else {
            assert!(result.is_err(), "{} was accepted", file.display());
        }
    }
}

#[test]
fn another_identity_is_refused_with_recipients_and_places() {
    let problem = open(&vectors().join("enc/basic.yaml"), "key-wrong.txt")
        .expect_err("the identity is another one");
    assert!(
        problem.message.contains("age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"),
        "{problem}"
    );
    assert!(problem.message.contains("SOPS_AGE_KEY_FILE: 1 identity"), "{problem}");
}

/// Each byte of a document is changed in turn: it is refused, or holds the same values as before.
#[test]
fn a_changed_byte_never_changes_a_value() {
    for name in ["regex.yaml", "app.env", "app.ini", "basic.json"] {
        let file = vectors().join("enc").join(name);
        let content = std::fs::read(&file).unwrap();
        let identities = identities("key.txt");
        let before =
            Document::parse(Format::of(&file), &content).unwrap().open(&identities).unwrap();
        let before = before.to_plain().to_json();
        // Not every byte: each try takes a key exchange.
        for at in (0..content.len()).step_by(37) {
            let mut changed = content.clone();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let Ok(document) = Document::parse(Format::of(&file), &changed) else { continue };
            let Ok(opened) = document.open(&identities) else { continue };
            let after = opened.to_plain().to_json();
            let values = |json: &str| {
                json.split('"').skip(3).step_by(4).map(str::to_owned).collect::<Vec<_>>()
            };
            assert!(
                values(&after) == values(&before) || after.len() == before.len(),
                "{name}: byte {at}"
            );
        }
    }
}
