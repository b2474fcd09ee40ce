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

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Numbers, RECIPIENT, identities, key_file, recipient, run, sops};
use syslua_secrets::identity::{Identities, Places};
use syslua_secrets::recipient::Recipient;
use syslua_secrets::{Document, Format, KeyPath, Opened, Options, Plain, Value, age_file};

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

/// Makes a key of SSH; returns the public line.
fn ssh_keygen(directory: &Path, name: &str, arguments: &[&str]) -> String {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "a comment", "-f", name])
        .args(arguments)
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
    let public = std::fs::read_to_string(directory.join(format!("{name}.pub"))).unwrap();
    public.trim_end().to_owned()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok()
}

/// Identities of one key of SSH.
fn ssh_identities(file: &Path) -> Identities {
    let file = file.display().to_string();
    Identities::find(&Places {
        variable: &|name| (name == "SOPS_AGE_SSH_PRIVATE_KEY_FILE").then(|| file.clone()),
        home: None,
        settings: None,
        host_keys: None,
    })
}

#[test]
fn keys_of_ssh_work_with_age_and_sops_in_both_directions() {
    if !is_there("ssh-keygen") || !is_there("age") {
        return eprintln!("left out: ssh-keygen or age is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let kinds: [(&str, &[&str]); 4] = [
        ("ed25519", &["-t", "ed25519"]),
        ("rsa2048", &["-t", "rsa", "-b", "2048"]),
        ("rsa4096", &["-t", "rsa", "-b", "4096"]),
        // The format of old.
        ("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
    ];
    for (name, arguments) in kinds {
        let public = ssh_keygen(here, name, arguments);
        let own = Recipient::parse(&public).expect(name);
        let identities = ssh_identities(&here.join(name));
        std::fs::write(here.join("plain"), b"secret").unwrap();
        run(Path::new("age"), &["-r", &public, "-o", "s.age", "plain"], here).unwrap();
        let encrypted = std::fs::read(here.join("s.age")).unwrap();
        assert_eq!(&**age_file::decrypt(&encrypted, &identities).expect(name), b"secret");

        let several = [own.clone(), recipient()];
        std::fs::write(here.join("o.age"), age_file::encrypt(b"ours", &several, true).unwrap())
            .unwrap();
        assert_eq!(run(Path::new("age"), &["-d", "-i", name, "o.age"], here).unwrap(), b"ours");

        let Some(sops) = sops() else { continue };
        std::fs::write(here.join("s.yaml"), "a: one\nb: [1, 2]\n").unwrap();
        let theirs = run(&sops, &["encrypt", "--age", &public, "s.yaml"], here).expect(name);
        let opened = Document::parse(Format::Yaml, &theirs).unwrap().open(&identities).expect(name);
        assert_eq!(&**opened.content().unwrap(), b"a: one\nb:\n    - 1\n    - 2\n", "{name}");
        assert_eq!(opened.document().recipients(), [public.as_str()]);

        let ours = Opened::encrypt(Format::Yaml, b"a: two\n", &[own], Options::default());
        std::fs::write(here.join("o.yaml"), ours.unwrap().text()).unwrap();
        let output = Command::new(&sops)
            .args(["decrypt", "o.yaml"])
            .current_dir(here)
            .env("HOME", here)
            .env("SOPS_DISABLE_VERSION_CHECK", "1")
            .env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", here.join(name))
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"a: two\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn keys_of_ssh_that_cannot_be_used_are_named() {
    if !is_there("ssh-keygen") {
        return eprintln!("left out: ssh-keygen is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let refused: [(&str, &[&str], &str); 6] = [
        ("short", &["-t", "rsa", "-b", "1024"], "fewer than 2048 bits"),
        ("long", &["-t", "rsa", "-b", "4104"], "more than 4096 bits"),
        ("ecdsa", &["-t", "ecdsa"], "neither `age1` nor `ssh-`"),
        ("locked", &["-t", "rsa", "-b", "2048", "-N", "a passphrase"], ""),
        ("locked25519", &["-t", "ed25519", "-N", "a passphrase"], ""),
        ("lockedpem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "a passphrase"], ""),
    ];
    for (name, arguments, part) in refused {
        let public = ssh_keygen(here, name, arguments);
        match Recipient::parse(&public) {
            Ok(recipient) => {
                assert!(part.is_empty(), "{name}: accepted");
                // It encrypts, and the error of the identity says why it does not decrypt.
                let file = age_file::encrypt(b"x", &[recipient], false).unwrap();
                let error = age_file::decrypt(&file, &ssh_identities(&here.join(name)));
                let message = error.unwrap_err().message;
                assert!(message.contains("protected with a passphrase"), "{name}: {message}");
            }
            Err(problem) => {
                assert!(
                    !part.is_empty() && problem.message.contains(part),
                    "{name}: {}",
                    problem.message
                );
            }
        }
    }
    // PKCS#8 is told how it is made one of OpenSSH.
    ssh_keygen(here, "pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]);
    let tried = ssh_identities(&here.join("pkcs8"));
    assert!(tried.tried()[0].1.contains("ssh-keygen -p"), "{:?}", tried.tried());
}

/// Damaged keys are refused, and never end the process.
#[test]
fn damaged_keys_are_refused() {
    if !is_there("ssh-keygen") {
        return eprintln!("left out: ssh-keygen is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut numbers = Numbers::new(21);
    for (name, arguments) in [("a", ["-t", "ed25519"]), ("b", ["-t", "rsa"])] {
        let public = ssh_keygen(here, name, &arguments);
        let private = std::fs::read_to_string(here.join(name)).unwrap();
        let (kind, data) = public.split_once(' ').unwrap();
        let data = data.split(' ').next().unwrap();
        let wire = data_encoding::BASE64.decode(data.as_bytes()).unwrap();
        let mut lines: Vec<&str> = private.lines().collect();
        let (first, last) = (lines.remove(0), lines.pop().unwrap());
        let inner = data_encoding::BASE64.decode(lines.concat().as_bytes()).unwrap();
        for round in 0..400 {
            let mut damage = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let at = numbers.below(bytes.len());
                let end = (at + 1 + numbers.below(300)).min(bytes.len());
                match numbers.below(4) {
                    0 => bytes[at..end].fill(0),
                    1 => bytes[at] ^= 1 << numbers.below(8),
                    2 => bytes.truncate(at),
                    _ => bytes[at..end].fill(0xff),
                }
                data_encoding::BASE64.encode(&bytes)
            };
            if let Ok(recipient) = Recipient::parse(&format!("{kind} {}", damage(&wire))) {
                let _ = age_file::encrypt(b"x", &[recipient], false);
            }
            let body = damage(&inner);
            let body: Vec<&str> =
                body.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let text = format!("{first}\n{}\n{last}\n", body.join("\n"));
            let mut identities = Identities::default();
            identities.add_text("the test", &text);
            assert_eq!(identities.tried().len(), 1, "round {round}");
        }
    }
    let zeros = |kind: &str, numbers: &[&[u8]]| {
        let mut wire = Vec::new();
        for part in [&[kind.as_bytes()], numbers].concat() {
            wire.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
            wire.extend_from_slice(part);
        }
        format!("{kind} {}", data_encoding::BASE64.encode(&wire))
    };
    for text in [
        zeros("ssh-rsa", &[&[0], &[0]]),
        zeros("ssh-rsa", &[&[1, 0, 1], &[0, 0]]),
        zeros("ssh-rsa", &[&[], &[]]),
        zeros("ssh-rsa", &[&[3], &[0xff; 256]]),
        zeros("ssh-ed25519", &[&[0; 32]]),
        zeros("ssh-ed25519", &[&[1; 32], &[1]]),
    ] {
        assert!(Recipient::parse(&text).is_err(), "{text}");
    }
}
