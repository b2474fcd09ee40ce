//! Locks that are written and read again, and texts that are none.

use serde_json::json;

use super::*;
use crate::hash::Hash;

fn git(url: &str) -> LockedInput {
    LockedInput {
        kind: InputKind::Git,
        url: url.to_owned(),
        reference: Some("main".to_owned()),
        rev: Some("ab".repeat(20)),
        strip: None,
        sha256: Some(Hash::of(b"tree")),
        last_modified: Some(1_700_000_000),
        others: BTreeMap::new(),
    }
}

fn pin(rev: Option<String>) -> Pin {
    Pin {
        rev,
        sha256: Hash::of(b"content"),
        last_modified: None,
        mirrors: Vec::new(),
        platforms: ["a".to_owned(), "b".to_owned()].into(),
        others: BTreeMap::new(),
    }
}

fn tool(path: &str) -> LockedTool {
    let linked = LockedFile::Linked { path: path.to_owned(), link: "t".to_owned(), hard: true };
    let release = LockedRelease {
        url: "https://host/tool.tar.gz".to_owned(),
        format: "tar.gz".to_owned(),
        sha256: Hash::of(b"archive"),
        checksum: None,
        files: BTreeMap::from([
            ("tool".to_owned(), LockedFile::Path(path.to_owned())),
            ("other".to_owned(), linked),
        ]),
        others: BTreeMap::new(),
    };
    LockedTool {
        package: "owner/tool".to_owned(),
        version: "v1.0".to_owned(),
        registry: None,
        vars: BTreeMap::new(),
        platforms: BTreeMap::from([("x86_64-linux".to_owned(), release)]),
        others: BTreeMap::new(),
    }
}

#[test]
fn a_tool_whose_programs_are_elsewhere_is_refused() {
    for path in ["../tool", "/bin/tool", "a/../../b", "a\\b", "a\nb"] {
        let mut lock = LockDocument::default();
        lock.tools.insert("tool@1".to_owned(), tool(path));
        let error = LockDocument::parse(&lock.to_text()).unwrap_err();
        assert!(matches!(error, LockFileError::Tool { .. }), "{path}: {error}");
    }
    let mut lock = LockDocument::default();
    lock.tools.insert("tool".to_owned(), tool("tool"));
    assert!(LockDocument::parse(&lock.to_text()).is_err());
}

fn path(url: &str) -> LockedInput {
    let kind = InputKind::Path;
    LockedInput { kind, reference: None, rev: None, sha256: None, last_modified: None, ..git(url) }
}

#[test]
fn a_lock_is_read_as_it_was_written_with_one_line_for_each_entry() {
    let mut lock = LockDocument::default();
    for key in ["b", "a", "a/b", "zsh-plugins"] {
        lock.inputs.insert(key.to_owned(), git(&format!("git:https://host/{key}\"#main")));
    }
    lock.inputs.insert("own".to_owned(), path("path:./own"));
    lock.fetches.insert("https://a".to_owned(), pin(None));
    lock.fetches.insert("https://a#main".to_owned(), pin(Some("ab".repeat(20))));
    lock.tools.insert("tool@1".to_owned(), tool("bin/tool"));
    lock.others.insert("later".to_owned(), json!({ "tool@1": { "version": "1.0" } }));
    let text = String::from_utf8(lock.to_text()).unwrap();
    assert_eq!(LockDocument::parse(text.as_bytes()).unwrap(), lock);
    assert_eq!(text.lines().filter(|line| line.starts_with("    \"")).count(), 9, "{text}");
    assert!(
        text.contains("    \"own\": { \"type\": \"path\", \"url\": \"path:./own\" }"),
        "{text}"
    );
    assert_eq!(
        LockDocument::parse(&LockDocument::default().to_text()).unwrap(),
        LockDocument::default()
    );
    // What this version does not know stays where it is, and the rest does not move.
    let newer = text.replacen("\"type\": \"path\"", "\"type\": \"path\", \"extra\": [1]", 1);
    let read = LockDocument::parse(newer.as_bytes()).unwrap();
    assert_eq!(read.inputs["own"].others["extra"], json!([1]));
    assert_eq!(LockDocument::parse(&read.to_text()).unwrap(), read);
}

#[test]
fn what_is_no_lock_is_refused() {
    let (rev, hash) = ("ab".repeat(20), Hash::of(b""));
    let entry = |key: &str, entry: &str| format!(r#"{{"version":1,"inputs":{{"{key}":{entry}}}}}"#);
    let refused = [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"version":"1"}"#.to_owned(),
        r#"{"version":1,"inputs":[]}"#.to_owned(),
        entry("a", "{}"),
        entry("a", r#"{"type":"svn","url":"x"}"#),
        entry("a", r#"{"type":"git","url":"x"}"#),
        entry("a", &format!(r#"{{"type":"git","url":"x","rev":"main","sha256":"{hash}"}}"#)),
        entry("a", &format!(r#"{{"type":"git","url":"x","rev":"{rev}"}}"#)),
        entry("a", r#"{"type":"archive","url":"x"}"#),
        entry("a/../b", r#"{"type":"path","url":"x"}"#),
        entry("-a", r#"{"type":"path","url":"x"}"#),
        r#"{"version":1,"fetches":[]}"#.to_owned(),
        r#"{"version":1,"fetches":{"https://a":{}}}"#.to_owned(),
        r#"{"version":1,"fetches":{"https://a":{"sha256":"x"}}}"#.to_owned(),
        format!(r#"{{"version":1,"fetches":{{"https://a#b":{{"sha256":"{hash}"}}}}}}"#),
        format!(r#"{{"version":1,"fetches":{{"":{{"sha256":"{hash}"}}}}}}"#),
        concat!(
            r#"{"version":1,"inputs":{"a":{"type":"path","url":"x"},"#,
            r#""a":{"type":"path","url":"y"}}}"#
        )
        .to_owned(),
        format!("{{\"version\":1,\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)),
    ];
    for text in refused {
        assert!(LockDocument::parse(text.as_bytes()).is_err(), "{text}");
    }
    let newer = LockDocument::parse(br#"{"version":2,"inputs":[]}"#).unwrap_err();
    assert!(matches!(newer, LockFileError::Newer(2)), "{newer}");
}

#[test]
fn an_unfinished_merge_is_told_by_its_line() {
    let text = "{\n  \"version\": 1,\n<<<<<<< HEAD\n  \"inputs\": {}\n=======\n>>>>>>> other\n}\n";
    assert!(matches!(
        LockDocument::parse(text.as_bytes()),
        Err(LockFileError::Conflict { line: 3 })
    ));
}

#[test]
fn a_lock_that_is_cut_or_changed_is_never_a_panic() {
    let mut lock = LockDocument::default();
    lock.inputs.insert("a".to_owned(), git("git:https://host/a#main"));
    let text = lock.to_text();
    for place in 0..text.len() {
        let _ = LockDocument::parse(&text[..place]);
        for byte in [0, b'"', b'{', b'9', 0xff] {
            let mut changed = text.clone();
            changed[place] = byte;
            let _ = LockDocument::parse(&changed);
        }
    }
}
