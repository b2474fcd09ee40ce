//! Random documents go through the real sops 3.11.0 and back: what it writes is read here as it
//! reads it, and what is encrypted, set and rotated here is what it decrypts. `SYSLUA_SWEEP=all`
//! tries hundreds.
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

use support::{Numbers, RECIPIENT, identities, is_whole, recipient, run, sops};
use syslua_secrets::{Document, Format, KeyPath, Opened, Options, Plain, Step, Value};

/// Words of YAML as they stand there: each type, each way to write it, and what looks like another.
const WORDS: &[&str] = &[
    "0",
    "1",
    "-7",
    "+5",
    "017",
    "0o17",
    "0x1F",
    "0b101",
    "1_000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "123456789012345678901234567890",
    "1.5",
    "-0.0",
    ".5",
    "5.",
    "1e3",
    "1E+10",
    "1e-400",
    "12345678.123456789",
    "0.1",
    "1e21",
    "100000000000000000000.0",
    ".inf",
    "-.inf",
    ".nan",
    "true",
    "false",
    "True",
    "FALSE",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "~",
    "null",
    "Null",
    "NULL",
    "",
    "2024-01-02",
    "2024-1-2",
    "2024-01-02T03:04:05Z",
    "2024-01-02 03:04:05.678 +02:00",
    "2024-13-45",
    "12:30:45",
    "1:2",
    "plain",
    "two words",
    "with 'single' and \"double\"",
    "ends with colon:x",
    "a#b",
    "http://x.example/?a=b&c",
    "ключ",
    "日本",
    "🎉",
    "é",
    "=",
    "<<",
    "!!str 5",
    "!!int \"5\"",
    "!!float 5",
    "!!binary aGVsbG8=",
    "!custom v",
    "''",
    "\"\"",
    "' '",
    "'it''s'",
    "'true'",
    "\"5\"",
    "'null'",
    "\"tab\\there\"",
    "\"nl\\nhere\\n\"",
    "\"\\u263a\"",
    "\"\\U0001F389\"",
    "\"\\x41\\e\"",
    "\"a\\\\b\"",
    "'- x'",
    "'# no comment'",
    "'a: b'",
    "\"cr\\r\\n\"",
    "'  leading and trailing  '",
    "\"nel\\N end\"",
    "\"ls\\L end\"",
    "\"bom \\uFEFF\"",
    "'@at'",
    "'`tick'",
    "'%percent'",
    "'&amp'",
    "'*star'",
    "'!bang'",
    "'|pipe'",
    "'>gt'",
    "'[a]'",
    "'{a}'",
    "'ENC[x]'",
    "'a long text that is wider than eighty columns, so that an emitter may want to fold it'",
    "a-long-word-without-any-space-that-is-wider-than-eighty-columns-and-cannot-be-folded",
];

/// Keys of YAML as they stand there.
const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "key",
    "with space",
    "'quoted'",
    "\"double\"",
    "\"esc\\taped\"",
    "'it''s'",
    "ключ",
    "🎉",
    "1",
    "1.5",
    "true",
    "null",
    "~",
    "2024-01-02",
    "plain_unencrypted",
    "x-y.z",
    "'a: b'",
    "'#no'",
    "''",
    "A",
    "'- x'",
    "yes",
    "a/b",
    "a[0]",
    "sops_not",
];

/// Texts of several lines, by their heads.
const BLOCKS: &[&str] = &["|", "|-", "|+", ">", ">-", ">+", "|2", "|1-"];

/// None is empty: sops makes an element of an empty comment in a list.
const COMMENTS: &[&str] = &["# c", "#!", "#no space", "# ключ 🎉", "#  two  spaces  ", "# a: b"];

/// Makes documents.
struct Maker<'a> {
    numbers: &'a mut Numbers,
    text: String,
    anchors: Vec<(String, bool)>,
}

impl Maker<'_> {
    fn chance(&mut self, one_in: usize) -> bool {
        self.numbers.below(one_in) == 0
    }

    fn comment(&mut self, indent: usize) {
        if self.chance(7) {
            let comment = *self.numbers.one_of(COMMENTS);
            self.text.push_str(&format!("{:indent$}{comment}\n", ""));
        }
        if self.chance(15) {
            self.text.push('\n');
        }
    }

    fn end_of_line(&mut self) {
        if self.chance(9) {
            let comment = *self.numbers.one_of(COMMENTS);
            self.text.push_str(&format!(" {comment}"));
        }
        self.text.push('\n');
    }

    fn anchor(&mut self, is_map: bool) {
        if self.chance(9) {
            let name = format!("n{}", self.anchors.len());
            self.text.push_str(&format!(" &{name}"));
            self.anchors.push((name, is_map));
        }
    }

    fn flow(&mut self, depth: usize) -> String {
        let word = |numbers: &mut Numbers| {
            let word = numbers.one_of(WORDS).to_owned();
            let is_plain = word.chars().all(|letter| letter.is_alphanumeric() || letter == '.');
            if word.is_empty() || (!is_plain && !word.starts_with(['\'', '"'])) {
                "x".to_owned()
            } else {
                word.to_owned()
            }
        };
        match self.numbers.below(4) {
            0 if depth > 0 => {
                let parts: Vec<String> =
                    (0..self.numbers.below(4)).map(|_| self.flow(depth - 1)).collect();
                format!("[{}]", parts.join(", "))
            }
            1 if depth > 0 => {
                let parts: Vec<String> = (0..self.numbers.below(3))
                    .map(|index| format!("k{index}: {}", self.flow(depth - 1)))
                    .collect();
                format!("{{{}}}", parts.join(", "))
            }
            _ => word(self.numbers),
        }
    }

    /// What stands behind `key:` or `-`, with its line end.
    fn value(&mut self, indent: usize, depth: usize) {
        match self.numbers.below(14) {
            0 | 1 if depth > 0 => {
                self.anchor(true);
                self.end_of_line();
                self.map(indent + 2, depth - 1);
            }
            2 | 3 if depth > 0 => {
                self.anchor(false);
                self.end_of_line();
                // go-yaml takes lists at the place of their key, too.
                let inner = if self.chance(3) { indent } else { indent + 2 };
                self.list(inner.max(usize::from(indent > 0)), depth - 1);
            }
            4 => {
                let block = *self.numbers.one_of(BLOCKS);
                self.text.push_str(&format!(" {block}\n"));
                let given = block.trim_start_matches(['|', '>']).trim_end_matches(['-', '+']);
                let inner = indent + given.parse::<usize>().unwrap_or(2);
                for index in 0..1 + self.numbers.below(4) {
                    let line =
                        *self.numbers.one_of(&["one", "  more", "", "tab\there", "# none", "x: y"]);
                    let line = if index == 0 { line.trim_start() } else { line };
                    let line = if line.is_empty() && index == 0 { "first" } else { line };
                    self.text.push_str(&if line.is_empty() {
                        "\n".to_owned()
                    } else {
                        format!("{:inner$}{line}\n", "")
                    });
                }
            }
            5 => {
                let flow = self.flow(2);
                self.text.push_str(&format!(" {flow}"));
                // sops puts a comment behind an empty map into the map, and loses it when it
                // decrypts. Here it stays.
                if flow == "{}" {
                    self.text.push('\n');
                } else {
                    self.end_of_line();
                }
            }
            6 if !self.anchors.is_empty() => {
                let (name, _) = self.numbers.one_of(&self.anchors).clone();
                self.text.push_str(&format!(" *{name}"));
                self.end_of_line();
            }
            _ => {
                self.anchor(false);
                let word = *self.numbers.one_of(WORDS);
                if !word.is_empty() {
                    self.text.push_str(&format!(" {word}"));
                }
                self.end_of_line();
            }
        }
    }

    fn map(&mut self, indent: usize, depth: usize) {
        let mut used = Vec::new();
        for _ in 0..1 + self.numbers.below(4) {
            self.comment(indent);
            let maps: Vec<String> = self
                .anchors
                .iter()
                .filter(|(_, is_map)| *is_map)
                .map(|(name, _)| name.clone())
                .collect();
            if self.chance(8) && !maps.is_empty() && !used.contains(&"<<") {
                used.push("<<");
                let name = self.numbers.one_of(&maps).clone();
                let merged = if self.chance(3) { format!("[*{name}]") } else { format!("*{name}") };
                self.text.push_str(&format!("{:indent$}<<: {merged}\n", ""));
                continue;
            }
            let key = *self.numbers.one_of(KEYS);
            // Most keys come once: sops refuses the others.
            if used.contains(&key) && !self.chance(20) {
                continue;
            }
            used.push(key);
            self.text.push_str(&format!("{:indent$}{key}:", ""));
            self.value(indent, depth);
        }
        if used.is_empty() {
            self.text.push_str(&format!("{:indent$}only: 1\n", ""));
        }
        self.comment(indent);
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for _ in 0..1 + self.numbers.below(3) {
            self.comment(indent);
            self.text.push_str(&format!("{:indent$}-", ""));
            if depth > 0 && self.chance(5) {
                self.text.push_str(" k:");
                self.value(indent + 2, depth - 1);
                if self.chance(2) {
                    self.text.push_str(&format!("{:1$}l: x\n", "", indent + 2));
                }
            } else {
                self.value(indent, depth);
            }
        }
    }

    fn yaml(mut self) -> String {
        let count = if self.chance(12) { 2 } else { 1 };
        for index in 0..count {
            if index > 0 || self.chance(6) {
                self.text.push_str("---\n");
            }
            self.anchors.clear();
            self.map(0, 3);
        }
        self.text
    }

    fn json(&mut self, depth: usize, inner: usize) -> String {
        const SCALARS: &[&str] = &[
            "0",
            "-1",
            "1.0",
            "1.5",
            "-0",
            "1e3",
            "1E400",
            "9007199254740993",
            "9223372036854775807",
            "18446744073709551616",
            "0.1",
            "true",
            "false",
            "null",
            "\"\"",
            "\"x\"",
            "\"\\n\\t\\\\ \\/\"",
            "\"\\ud83c\\udf89\"",
            "\"<&>\"",
            "\"\\u0000\"",
            "\"\\u2028\"",
            "\"ключ\"",
            "\"ENC[x]\"",
            "\"5\"",
        ];
        const NAMES: &[&str] =
            &["a", "b", "a_unencrypted", "", "with space", "ключ", "\\u00e9", "x.y", "a[0]", "5"];
        match self.numbers.below(4) {
            0 if depth > 0 || inner == 0 => {
                let parts: Vec<String> = (0..self.numbers.below(4))
                    .map(|_| {
                        let name = *self.numbers.one_of(NAMES);
                        format!("\"{name}\": {}", self.json(depth.saturating_sub(1), inner + 1))
                    })
                    .collect();
                format!("{{{}}}", parts.join(", "))
            }
            1 if depth > 0 && inner > 0 => {
                let parts: Vec<String> =
                    (0..self.numbers.below(4)).map(|_| self.json(depth - 1, inner + 1)).collect();
                format!("[{}]", parts.join(",\n"))
            }
            _ if inner == 0 => self.json(depth, 0),
            _ => (*self.numbers.one_of(SCALARS)).to_owned(),
        }
    }

    fn lines(&mut self, sections: bool) -> String {
        const VALUES: &[&str] = &[
            "1",
            "two words",
            "",
            "\"quoted\"",
            "'single'",
            "a=b",
            "x # y",
            "x;y",
            "line\\nbreak",
            " lead",
            "trail ",
            "ключ",
            "🎉",
            "$HOME",
            "`id`",
            "a:b",
        ];
        let mut text = String::new();
        let mut used = Vec::new();
        for index in 0..2 + self.numbers.below(6) {
            match self.numbers.below(7) {
                0 => text.push_str(if sections { "; c\n" } else { "# c\n" }),
                1 if sections => text.push_str(&format!("[s{index}]\n")),
                2 => text.push('\n'),
                _ => {
                    let name =
                        *self.numbers.one_of(&["A", "B_1", "c", "D_unencrypted", "E.x", "f-g"]);
                    if used.contains(&(name, 0)) {
                        continue;
                    }
                    used.push((name, 0));
                    let space = if sections { " " } else { "" };
                    let value = *self.numbers.one_of(VALUES);
                    text.push_str(&format!("{name}{space}={space}{value}\n"));
                }
            }
        }
        text
    }
}

/// The paths of all values of a document.
fn paths(plain: &Plain, before: &[Step], found: &mut Vec<Vec<Step>>) {
    match plain {
        Plain::Value(_) => found.push(before.to_vec()),
        Plain::List(items) => {
            for (index, item) in items.iter().enumerate() {
                paths(item, &[before, &[Step::Index(index)]].concat(), found);
            }
        }
        Plain::Map(entries) => {
            for (key, value) in entries {
                paths(value, &[before, &[Step::Key(key.clone())]].concat(), found);
            }
        }
    }
}

/// Without what means nothing: merge keys lose their tag here, and the text `<<` has quotes.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace("!!merge <<", "<<").replace("\"<<\"", "<<")
}

/// Whether two texts have the same lines and the same comments. Where a comment follows an anchor,
/// sops places it before or after the key, by what comes next. With `drops`, one may lack comments.
fn are_alike(one: &[u8], other: &[u8], drops: bool) -> bool {
    let parts = |text: &[u8]| {
        // The number -0.0 is printed as -0, which is read as 0.
        let text = format!("{}\n", shown(text)).replace(" -0\n", " 0\n");
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        let lines: Vec<String> =
            text.lines().filter(|line| !is_comment(line)).map(str::to_owned).collect();
        let mut comments: Vec<String> =
            text.lines().filter(is_comment).map(|line| line.trim().to_owned()).collect();
        comments.sort();
        (lines, comments)
    };
    let (one, other) = (parts(one), parts(other));
    let has_all = |of: &[String]| drops && of.iter().all(|comment| other.1.contains(comment));
    one.0 == other.0 && (one.1 == other.1 || has_all(&one.1))
}

/// Whether a document has a list that begins with a comment, and behind it a map with a comment in
/// its first line. When sops prints such a list in clear, it leaves the first comment out. It never
/// gets there with its own documents: it encrypts that comment as an element of the list.
fn has_list_whose_comment_sops_drops(text: &str) -> bool {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_end().ends_with(':') && lines.next_if(is_comment).is_some() {
            while lines.next_if(is_comment).is_some() {}
            if lines
                .peek()
                .is_some_and(|next| next.trim_start().starts_with("- ") && next.contains(" #"))
            {
                return true;
            }
        }
    }
    false
}

#[test]
fn random_documents_go_both_ways() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let count = if is_whole() { 600 } else { 20 };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut numbers = Numbers::new(21);
    let (mut wrong, mut stricter, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    let (mut both, mut refused) = (0, 0);
    let encrypt = ["encrypt", "--age", RECIPIENT];
    for round in 0..count {
        let name = ["a.yaml", "a.yaml", "a.yaml", "b.json", "c.env", "d.ini"][round % 6];
        let mut maker = Maker { numbers: &mut numbers, text: String::new(), anchors: Vec::new() };
        let text = match round % 6 {
            0..3 => maker.yaml(),
            3 => maker.json(3, 0),
            4 => maker.lines(false),
            _ => maker.lines(true),
        };
        let format = Format::of(Path::new(name));
        let write = |content: &[u8]| std::fs::write(here.join(name), content).unwrap();
        let decrypt = |content: &[u8]| {
            write(content);
            run(&sops, &["decrypt", name], here)
        };
        let through = |content: &[u8]| {
            write(content);
            run(&sops, &[&encrypt[..], &[name]].concat(), here)
        };
        let ours = Opened::encrypt(format, text.as_bytes(), &[recipient()], Options::default());
        let theirs = through(text.as_bytes());
        let mut complain =
            |what: String| wrong.push(format!("== round {round}, {name}: {what}\nof\n{text}"));
        let Ok(theirs) = theirs else {
            refused += 1;
            if ours.is_ok() {
                complain(format!("sops refuses it: {}", theirs.unwrap_err()));
            }
            continue;
        };
        let Ok(expected) = decrypt(&theirs) else {
            // sops cannot read what it wrote.
            refused += 1;
            continue;
        };
        match Document::parse(format, &theirs).and_then(|document| document.open(&identities())) {
            Err(problem) => complain(format!("what sops wrote is not read: {problem}")),
            Ok(opened) => match opened.content() {
                Ok(found) if shown(&found) == shown(&expected) => {}
                Ok(found) => complain(format!(
                    "read otherwise: expected\n{}\nfound\n{}",
                    shown(&expected),
                    shown(&found)
                )),
                Err(problem) => complain(format!("no content: {problem}")),
            },
        }
        let mut opened = match ours {
            Ok(opened) => opened,
            Err(problem) => {
                stricter.push(format!("== round {round}, {name}: {problem}\nof\n{text}"));
                continue;
            }
        };
        both += 1;
        let drops = format == Format::Yaml && has_list_whose_comment_sops_drops(&text);
        match decrypt(opened.text().as_bytes()) {
            Err(problem) => {
                complain(format!("sops does not read ours: {problem}\n{}", opened.text()));
            }
            Ok(found) if are_alike(&found, &expected, drops) => {}
            Ok(found) => complain(format!(
                "sops reads ours otherwise: expected\n{}\nfound\n{}",
                shown(&expected),
                shown(&found)
            )),
        }
        // One value becomes another.
        let mut found = Vec::new();
        paths(&opened.to_plain(), &[], &mut found);
        if found.is_empty() {
            continue;
        }
        let path = KeyPath::new(numbers.one_of(&found).clone());
        let value = match numbers.below(4) {
            0 if format == Format::Yaml || format == Format::Json => Value::Int(-42),
            1 => Value::Str("two\nlines # x".to_owned()),
            2 => Value::Str(" 'quoted' \"both\" ключ ".to_owned()),
            _ => Value::Str("5".to_owned()),
        };
        let value = Plain::Value(value);
        if opened.set(&path, &value).is_err() {
            continue;
        }
        if numbers.below(3) == 0 {
            opened.rotate(&[recipient()]).unwrap();
        }
        let mut complain = |what: String| {
            wrong.push(format!("== round {round}, {name}, {path} set: {what}\nof\n{text}"));
        };
        let content = opened.content().unwrap();
        let again = match through(&content) {
            Err(problem) => Err(problem),
            Ok(text) => match decrypt(&text) {
                // sops cannot read what it wrote, as above.
                Err(problem) => {
                    // It writes texts of INI with blanks around in a way that it reads otherwise.
                    if format != Format::Ini {
                        complain(format!("what sops makes of it is unreadable: {problem}"));
                    }
                    unreadable.push(format!(
                        "== round {round}, {name}: {problem}\nof\n{}",
                        shown(&content)
                    ));
                    continue;
                }
                found => found,
            },
        };
        match (decrypt(opened.text().as_bytes()), again) {
            (Ok(found), Ok(again)) if are_alike(&found, &again, drops) => {}
            (Ok(found), Ok(again)) => {
                complain(format!("{}\nis not\n{}", shown(&found), shown(&again)));
            }
            (found, again) => complain(format!("{:?}, {:?}", found.err(), again.err())),
        }
    }
    eprintln!(
        "{both} by both, {refused} refused by sops, {} refused here only, {} that sops writes and \
         cannot read",
        stricter.len(),
        unreadable.len()
    );
    if std::env::var_os("SYSLUA_SHOW").is_some() {
        eprintln!("{}\n{}", stricter.join("\n"), unreadable.join("\n"));
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(both > count / 3, "{both} of {count}");
}
