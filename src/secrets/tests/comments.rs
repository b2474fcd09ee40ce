//! Comments of YAML in every place, through the real sops 3.11.0: it finds those that were
//! encrypted here, and here are found those that it encrypted. `SYSLUA_SWEEP=all` tries more.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    clippy::print_stderr,
    reason = "a test"
)]

mod support;

use support::{RECIPIENT, identities, is_whole, recipient, run, sops};
use syslua_secrets::{Document, Format, KeyPath, Opened, Options, Plain, Value};

/// Data above a comment.
const ABOVE: &[&str] = &[
    "c:\n  d: x\n",
    "c:\n  d:\n    e: x\n",
    "c:\n  - x\n",
    "c:\n  - d:\n      - x\n",
    "c:\n  - d: x\n    e:\n    - w\n",
    "c:\n- x\n",
    "c:\n- d: x\n",
    "c:\n  - - x\n    - - w\n",
    "c:\n  d: [1]\n",
    "c:\n  d: |\n    text\n",
    "c:\n  d: 'x' # behind\n",
];

/// Data below it.
const BELOW: &[&str] = &["", "z: 1\n", "  z: 1\n", "  - z\n", "- z\n", "    z: 1\n"];

fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    for above in ABOVE {
        for below in BELOW {
            for (before, after) in [("", ""), ("\n", ""), ("", "\n"), ("\n", "\n")] {
                for column in 0..8 {
                    let comment = format!("{:column$}# alone\n", "");
                    documents.push(format!("{above}{before}{comment}{after}{below}"));
                }
            }
        }
    }
    documents
}

/// The lines in another order and without indentation: sops places comments anew.
fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn comments_are_found_by_both() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let write = |content: &[u8]| std::fs::write(here.join("a.yaml"), content).unwrap();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    // A number that has no factor in common with the lengths of the loops.
    let step = if is_whole() { 7 } else { 151 };
    for text in documents().iter().step_by(step) {
        write(text.as_bytes());
        let Ok(theirs) = run(&sops, &["encrypt", "--age", RECIPIENT, "a.yaml"], here) else {
            continue;
        };
        let ours =
            Opened::encrypt(Format::Yaml, text.as_bytes(), &[recipient()], Options::default());
        let ours = match ours {
            Ok(ours) => ours,
            Err(problem) => {
                wrong.push(format!("refused here: {problem}\n{text}"));
                continue;
            }
        };
        tried += 1;
        write(&theirs);
        let expected = run(&sops, &["decrypt", "a.yaml"], here).unwrap();
        // sops does not find all that it encrypted: it writes them in another place. These stay
        // encrypted in its output.
        let expected = String::from_utf8_lossy(&expected).into_owned();
        let kept = expected.lines().filter(|line| !line.contains("#ENC["));
        let expected = [kept.collect::<Vec<_>>().join("\n").as_bytes(), b"\n# alone\n"].concat();
        write(ours.text().as_bytes());
        let found = run(&sops, &["decrypt", "a.yaml"], here);
        if found.as_ref().map(|found| lines(found)) != Ok(lines(&expected)) {
            let found = found.map(|found| String::from_utf8_lossy(&found).into_owned());
            wrong.push(format!("sops reads ours otherwise:\n{found:?}\nof\n{text}"));
        }
        let read = Document::parse(Format::Yaml, &theirs)
            .and_then(|document| document.open(&identities()))
            .and_then(|opened| opened.content());
        if read.as_ref().map(|found| lines(found)) != Ok(lines(&expected)) {
            let read = read.map(|found| String::from_utf8_lossy(&found).into_owned());
            wrong.push(format!("read otherwise here:\n{read:?}\nof\n{text}"));
        }
        // Here the text stays what it was.
        let content = ours.content().unwrap();
        if lines(&content) != lines(text.replace("'x'", "x").as_bytes()) {
            let content = String::from_utf8_lossy(&content);
            wrong.push(format!("it comes back as\n{content}\nof\n{text}"));
        }
    }
    assert!(tried > 5, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// A comment behind a value stays one, however the value is written and whatever it becomes.
#[test]
fn a_comment_behind_a_value_stays() {
    let written = [
        "x",
        "'x'",
        "\"x\"",
        "!!str x",
        "!!str 'x'",
        "!!int \"5\"",
        "5",
        "\"two\\nlines\\n\"",
        "'a''b'",
        "\"a\\\"b\"",
        "[x]",
        "[ x ]",
        "{ y: x }",
        "{ }",
        "{y: x}",
        "[]",
        "{}",
        "",
    ];
    let texts = ["plain", "two\nlines\n", " # none ", "'", "a, b", "", "{}"];
    for value in written {
        for (before, path) in [("a: ", "a"), ("a:\n  - ", "a[0]"), ("m:\n  a: ", "m.a")] {
            let text = format!("{before}{value} # kept\nz: 1\n");
            let encrypt = |text: &str| {
                Opened::encrypt(Format::Yaml, text.as_bytes(), &[recipient()], Options::default())
                    .unwrap_or_else(|problem| panic!("{text}: {problem}"))
            };
            let plain = |opened: &Opened| opened.to_plain();
            let opened = encrypt(&text);
            let content = opened.content().unwrap();
            let content = String::from_utf8_lossy(&content).into_owned();
            assert!(content.contains("# kept"), "{text} became {content}");
            assert_eq!(plain(&encrypt(&content)), plain(&opened), "{text} became {content}");
            for new in texts {
                let mut opened = encrypt(&text);
                let path = KeyPath::parse(path).unwrap();
                let new = Plain::Value(Value::Str(new.to_owned()));
                if opened.set(&path, &new).is_err() {
                    continue;
                }
                assert_eq!(opened.get(&path), Ok(new.clone()), "{text} set to {new:?}");
                let content = opened.content().unwrap();
                let content = String::from_utf8_lossy(&content).into_owned();
                assert!(content.contains("# kept"), "{text} set to {new:?}: {content}");
                assert_eq!(encrypt(&content).get(&path), Ok(new.clone()), "{text}: {content}");
            }
        }
    }
}

/// Blank lines behind a value do not become a part of it, nor those of a value a part of the text.
#[test]
fn blank_lines_stay_out_of_values() {
    for head in ["|", "|-", "|+", ">", ">-", ">+"] {
        for blanks in ["", "\n", "\n\n\n"] {
            for (before, path) in [("a: ", "a"), ("m:\n  - ", "m[0]")] {
                for after in ["", "z: 1\n", "# c\nz: 1\n"] {
                    let text = format!("{before}{head}\n    text\n      more\n{blanks}{after}");
                    let encrypt = |text: &str| {
                        Opened::encrypt(
                            Format::Yaml,
                            text.as_bytes(),
                            &[recipient()],
                            Options::default(),
                        )
                        .unwrap_or_else(|problem| panic!("{text}: {problem}"))
                    };
                    let path = KeyPath::parse(path).unwrap();
                    let mut opened = encrypt(&text);
                    let content = opened.content().unwrap();
                    let content = String::from_utf8_lossy(&content).into_owned();
                    assert_eq!(encrypt(&content).to_plain(), opened.to_plain(), "{text}{content}");
                    for new in ["x", "x\n", "x\n\n", "\n", "x\n\n\ny\n"] {
                        let new = Plain::Value(Value::Str(new.to_owned()));
                        opened.set(&path, &new).unwrap();
                        assert_eq!(opened.get(&path).as_ref(), Ok(&new), "{text}");
                        let content = opened.content().unwrap();
                        let content = String::from_utf8_lossy(&content).into_owned();
                        assert_eq!(encrypt(&content).get(&path), Ok(new), "{text}{content}");
                    }
                }
            }
        }
    }
}

/// What sops makes of lists and maps that hold comments only can be read, edited and added to.
#[test]
fn collections_of_comments_are_empty() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (text, path, content) in [
        ("q: [] # c\nz: 1\n", "q", "q: []\n# c\nz: 1\n"),
        ("m:\n  q: [] # c\nz: 1\n", "m.q", "m:\n    q: []\n    # c\nz: 1\n"),
        ("q: {} # c\nz: 1\n", "q", "q: {}\n# c\nz: 1\n"),
        ("m:\n  q: {} # c\n  z: 1\n", "m.q", "m:\n    q: {}\n    # c\n    z: 1\n"),
    ] {
        std::fs::write(here.join("a.yaml"), text).unwrap();
        let theirs = run(&sops, &["encrypt", "--age", RECIPIENT, "a.yaml"], here).unwrap();
        let mut opened =
            Document::parse(Format::Yaml, &theirs).unwrap().open(&identities()).unwrap();
        assert_eq!(String::from_utf8_lossy(&opened.content().unwrap()), content, "{text}");
        let path =
            KeyPath::parse(&format!("{path}{}", if text.contains('[') { "[0]" } else { ".k" }));
        let (path, value) = (path.unwrap(), Plain::Value(Value::Str("new".to_owned())));
        opened.set(&path, &value).unwrap();
        assert_eq!(opened.get(&path), Ok(value), "{text}");
        std::fs::write(here.join("a.yaml"), opened.text()).unwrap();
        let found = run(&sops, &["decrypt", "a.yaml"], here).unwrap();
        assert!(String::from_utf8_lossy(&found).contains("new"), "{text}");
    }
}

/// Comments of a file of several documents stay in theirs, and so do the metadata.
#[test]
fn documents_keep_their_comments() {
    let heads = ["", "# head\n", "# head\n---\n", "---\n# head\n"];
    let values = ["a: 1\n", "a: |\n  text\n", "a: |+\n  text\n\n", "a:\n  - x\n", "{ a: 1 }\n"];
    let between = ["---\n", "# end\n---\n", "---\n# begin\n", "# end\n\n---\n\n# begin\n"];
    for (head, value) in heads.iter().flat_map(|head| values.map(|value| (head, value))) {
        for between in between {
            let text = format!("{head}{value}{between}b: 2 # two\n# last\n");
            let opened =
                Opened::encrypt(Format::Yaml, text.as_bytes(), &[recipient()], Options::default())
                    .unwrap_or_else(|problem| panic!("{text}: {problem}"));
            let content = opened.content().unwrap();
            let content = String::from_utf8_lossy(&content).into_owned();
            let comments = |text: &str| {
                text.lines()
                    .filter_map(|line| line.split_once('#'))
                    .map(|(_, comment)| comment.to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(comments(&content), comments(&text), "{text} became {content}");
            let lines: Vec<&str> = opened.text().lines().collect();
            let macs: Vec<usize> = lines
                .split(|line| *line == "---")
                .map(|part| part.iter().filter(|line| line.contains("mac: ")).count())
                .filter(|count| *count > 0)
                .collect();
            assert_eq!(macs, [1, 1], "{text} became {}", opened.text());
        }
    }
}
