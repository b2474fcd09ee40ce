//! Against the real programs: what sops 3.11.0 and age write is read here, and what is written here
//! is read there. Each test leaves out what is not installed.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    clippy::print_stderr,
    reason = "a test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use syslua_secrets::identity::{Identities, Places};
use syslua_secrets::recipient::Recipient;
use syslua_secrets::{Document, Format, KeyPath, Opened, Options, Plain, Value, age_file};

const RECIPIENT: &str = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn";

fn key_file() -> PathBuf {
    std::path::absolute("tests/vectors/key.txt").expect("there is a current directory")
}

fn identities() -> Identities {
    let mut identities = Identities::find(&Places {
        variable: &|_| None,
        home: None,
        settings: None,
        host_keys: None,
    });
    identities.add_file("the test", &key_file(), true);
    identities
}

fn recipient() -> Recipient {
    Recipient::parse(RECIPIENT).unwrap()
}

/// The real program, or none where it is not installed.
fn sops() -> Option<PathBuf> {
    let cache = std::env::var_os("SYSLUA_TOOLS").map(PathBuf::from);
    let places = [cache, Some(PathBuf::from("/var/cache/syslua-tools"))];
    places.into_iter().flatten().map(|place| place.join("bin/sops")).find(|file| file.exists())
}

fn run(
    program: &Path,
    arguments: &[&str],
    directory: &Path,
) -> std::result::Result<Vec<u8>, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("SOPS_AGE_KEY_FILE", key_file())
        .env("SOPS_DISABLE_VERSION_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn open(format: Format, text: &[u8]) -> syslua_secrets::Result<Opened> {
    Document::parse(format, text)?.open(&identities())
}

/// Documents of each format with what is difficult in them.
const DOCUMENTS: [(&str, &str); 12] = [
    (
        "a.yaml",
        "# head\n\na: 1 # line\nb:\n  # inner\n  c: x\n  d: |\n    two\n    lines\n  # end\n\
         e: [1, {f: g}]\n# last\n",
    ),
    ("b.yaml", "base: &b\n  k: v\n  n: 5\nuse: *b\nmerged:\n  <<: *b\n  o: 1\nlist: [*b, x]\n"),
    (
        "c.yaml",
        "empty: ''\nnull1: ~\nnull2:\nlist:\n- one\n- # c\n  two\n# between\n- - n\n  - m\n\
         - k: v\n  l: w\nmap: {}\nseq: []\n",
    ),
    ("d.yaml", "---\na: 1\n---\nb: 2\n# c\n"),
    (
        "e.yaml",
        "d: 2024-01-02\nt: 2024-01-02T03:04:05+02:00\nh: 0x1F\no: 017\nf: 1e10\ng: .5\ny: yes\n\
         b: true\ns: \"5\"\nbig: 9223372036854775807\n",
    ),
    (
        "f.yaml",
        "ключ: значение\nemoji: \"🎉 \\u263a\"\n\"quoted: key\": v\nplain_unencrypted: clear\n\
         sub_unencrypted: {a: 1}\n'it''s': \"a: b # c\"\n",
    ),
    (
        "g.yaml",
        "k: >\n  folded\n  text\n\n  more\nl: |+\n  keep\n\nm: |-\n  strip\nn: !!str 5\n\
         p: !!binary aGVsbG8=\n",
    ),
    (
        "h.json",
        concat!(
            "{\n  \"a\": 1,\n  \"b\": {\"c\": [1.5, true, null, \"x\", []]},\n",
            "  \"big\": 9007199254740993,\n  \"é\": \"\\ud83c\\udf89 <&>\",\n  \"e\": \"\"\n}\n",
        ),
    ),
    ("i.json", "{\"a\":\"1\",\"a\":\"2\",\"deep\":{\"x\":{}}}"),
    ("j.env", "# comment\nA=1\nB=two words\nC=\nD=line\\nbreak\nE=\"quoted\"\nF_unencrypted=x\n"),
    (
        "k.ini",
        "; head\n[one]\na = 1\n; before b\nb = two words\nempty =\n\n[two]\nc : d\nq = \" x \"\n",
    ),
    ("l.bin", "any\u{1}thing\n\n"),
];

#[test]
fn what_sops_encrypts_is_read_as_sops_reads_it() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, content) in DOCUMENTS {
        std::fs::write(directory.path().join(name), content).unwrap();
        let encrypted =
            run(&sops, &["encrypt", "--age", RECIPIENT, name], directory.path()).expect(name);
        std::fs::write(directory.path().join(name), &encrypted).unwrap();
        let expected = run(&sops, &["decrypt", name], directory.path()).expect(name);
        match open(Format::of(Path::new(name)), &encrypted).and_then(|opened| opened.content()) {
            Ok(content) if *content == expected => {}
            Ok(content) => wrong.push(format!(
                "{name}: expected\n{}\nfound\n{}",
                String::from_utf8_lossy(&expected),
                String::from_utf8_lossy(&content)
            )),
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What sops makes of a file in clear, after it went through its own encryption.
fn through_sops(sops: &Path, name: &str, content: &[u8], directory: &Path) -> Vec<u8> {
    let inner = directory.join("through");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join(name), content).unwrap();
    run(sops, &["encrypt", "--in-place", "--age", RECIPIENT, name], &inner).expect(name);
    run(sops, &["decrypt", name], &inner).expect(name)
}

#[test]
fn what_is_encrypted_here_is_what_sops_decrypts() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, content) in DOCUMENTS {
        let format = Format::of(Path::new(name));
        let opened =
            Opened::encrypt(format, content.as_bytes(), &[recipient()], Options::default())
                .expect(name);
        std::fs::write(directory.path().join(name), opened.text()).unwrap();
        let expected = through_sops(&sops, name, content.as_bytes(), directory.path());
        // Merge keys lose their tag here, which means nothing.
        let expected = String::from_utf8_lossy(&expected).replace("!!merge <<", "<<");
        match run(&sops, &["decrypt", name], directory.path()) {
            Ok(found) => {
                let found = String::from_utf8_lossy(&found).replace("!!merge <<", "<<");
                if found != expected {
                    wrong.push(format!(
                        "{name}: expected\n{expected}\nfound\n{found}\nof\n{}",
                        opened.text()
                    ));
                }
            }
            Err(problem) => wrong.push(format!("{name}: {problem}\n{}", opened.text())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_set_and_rotated_here_is_read_by_sops() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let directory = tempfile::tempdir().unwrap();
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, Plain)]);
    let cases: [Case<'_>; 4] = [
        (
            "a.yaml",
            "a: 1 # c\nb:\n  c: x\n\nlist:\n  - p\n",
            &[
                ("a", Plain::Value(Value::Int(7))),
                ("b.d", Plain::text("two\nlines")),
                ("b.e.f", Plain::text("deep")),
                ("list[1]", Plain::text("q")),
                ("new", Plain::Value(Value::Bool(true))),
                ("l2[0].k", Plain::text("v: w")),
            ],
        ),
        (
            "b.json",
            "{\n  \"a\": 1,\n  \"e\": {}\n}\n",
            &[
                ("a", Plain::Value(Value::Float(2.5))),
                ("e.f.g", Plain::text("x")),
                ("l[0]", Plain::text("y")),
            ],
        ),
        ("c.env", "A=1\n", &[("A", Plain::text("2")), ("B", Plain::text("x y\nz"))]),
        (
            "d.ini",
            "[s]\na = 1\n",
            &[("s.a", Plain::text("2")), ("s.b", Plain::text(" x ")), ("t.u", Plain::text("v;w"))],
        ),
    ];
    for (name, content, changes) in cases {
        let format = Format::of(Path::new(name));
        let file = directory.path().join(name);
        std::fs::write(&file, content).unwrap();
        run(&sops, &["encrypt", "--in-place", "--age", RECIPIENT, name], directory.path())
            .expect(name);
        let before = std::fs::read(&file).unwrap();
        let mut opened = open(format, &before).expect(name);
        for (path, value) in changes {
            let path = KeyPath::parse(path).unwrap();
            opened.set(&path, value).unwrap_or_else(|problem| panic!("{name}: {path}: {problem}"));
            assert!(opened.get(&path).unwrap() == *value, "{name}: {path}");
        }
        let content = opened.content().unwrap();
        for rotated in [false, true] {
            if rotated {
                opened.rotate(&[recipient()]).unwrap();
            }
            std::fs::write(&file, opened.text()).unwrap();
            let found = run(&sops, &["decrypt", name], directory.path())
                .unwrap_or_else(|problem| panic!("{name}: {problem}\n{}", opened.text()));
            let again = through_sops(&sops, name, &content, directory.path());
            assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&again), "{name}");
        }
    }
}

#[test]
fn files_of_age_go_both_ways() {
    let age = Path::new("/usr/bin/age");
    if !age.exists() {
        return eprintln!("left out: age is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("s.age");
    for content in [&b"secret"[..], b"", &[0, 255, 10].repeat(50_000)] {
        std::fs::write(directory.path().join("plain"), content).unwrap();
        for armor in [false, true] {
            let mut arguments = vec!["-r", RECIPIENT, "-o", "s.age"];
            arguments.extend(armor.then_some("-a"));
            arguments.push("plain");
            run(age, &arguments, directory.path()).unwrap();
            let encrypted = std::fs::read(&file).unwrap();
            assert!(*age_file::decrypt(&encrypted, &identities()).unwrap() == content);
        }
        for armor in [false, true] {
            std::fs::write(&file, age_file::encrypt(content, &[recipient()], armor).unwrap())
                .unwrap();
            let key = key_file().display().to_string();
            assert!(run(age, &["-d", "-i", &key, "s.age"], directory.path()).unwrap() == content);
        }
    }
}
