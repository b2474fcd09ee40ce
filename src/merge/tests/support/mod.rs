//! Makes documents as programs and people write them, and declarations that fit some of them.

use serde_json::{Value, json};
use syslua_merge::{Declaration, Format, Key, Want};

/// The formats that have keys.
pub const KEYED: [Format; 5] =
    [Format::Json, Format::Jsonc, Format::Toml, Format::Yaml, Format::Ini];

/// Numbers that look random and are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    pub fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const KEYS: [&str; 12] = [
    "editor.fontSize",
    "name",
    "theme",
    "files",
    "größe",
    "a",
    "b",
    "plugins",
    "x-y",
    "with space",
    "nested",
    "core",
];

const TEXTS: [&str; 8] =
    ["", "plain", "two words", "ünïcode ✓", "quote \" and \\", "# no comment", "/nix/x", "true"];

/// Returns a document of a format.
pub fn document(random: &mut Random, format: Format) -> String {
    let newline = if random.one_in(4) { "\r\n" } else { "\n" };
    let text = match format {
        Format::Json => braces(random, false),
        Format::Jsonc => braces(random, true),
        Format::Toml => toml(random),
        Format::Yaml => yaml(random),
        Format::Ini => ini(random),
        Format::Lines | Format::Block => lines(random),
    };
    let text = if random.one_in(5) { text.trim_end().to_owned() } else { text };
    let text = text.replace('\n', newline);
    if random.one_in(10) { format!("\u{feff}{text}") } else { text }
}

fn keys(random: &mut Random, most: usize) -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for _ in 0..random.below(most + 1) {
        let key = random.of(&KEYS);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn braces(random: &mut Random, is_lenient: bool) -> String {
    let unit = random.of(&["  ", "    ", "\t", ""]);
    let mut out = String::new();
    if is_lenient && random.one_in(4) {
        out.push_str("// settings of the program\n");
    }
    object(random, &mut out, is_lenient, unit, 0);
    if is_lenient && random.one_in(6) {
        out.push_str(" /* the end */");
    }
    out.push('\n');
    out
}

fn object(random: &mut Random, out: &mut String, is_lenient: bool, unit: &str, depth: usize) {
    let is_open = depth == 0 && !random.one_in(5) || random.one_in(2);
    let mut names = keys(random, 6);
    if random.one_in(8)
        && let Some(first) = names.first().copied()
    {
        names.push(first);
    }
    let colon = random.of(&[": ", ":", " : ", ":  "]);
    out.push('{');
    if is_lenient && random.one_in(8) {
        out.push_str(if random.one_in(2) { " /* in */" } else { " // in\n" });
    }
    let last = names.len();
    for (number, key) in names.into_iter().enumerate() {
        if is_open {
            out.push('\n');
            if random.one_in(8) {
                out.push('\n');
            }
            if is_lenient && random.one_in(5) {
                out.push_str(&format!("{}// about {key}\n", unit.repeat(depth + 1)));
            }
            out.push_str(&unit.repeat(depth + 1));
        } else if number > 0 && !random.one_in(3) {
            out.push(' ');
        }
        out.push_str(&quoted(key));
        out.push_str(colon);
        element(random, out, is_lenient, unit, depth + 1);
        if is_lenient && random.one_in(10) {
            out.push_str(" /* before */");
        }
        let is_last = number + 1 == last;
        if !is_last || is_lenient && random.one_in(3) {
            out.push(',');
        }
        if is_lenient && is_open && random.one_in(4) {
            out.push_str(" // after");
        }
    }
    if is_open {
        out.push('\n');
        out.push_str(&unit.repeat(depth));
    } else if random.one_in(3) {
        out.push(' ');
    }
    out.push('}');
}

fn element(random: &mut Random, out: &mut String, is_lenient: bool, unit: &str, depth: usize) {
    match random.below(if depth > 6 { 6 } else { 9 }) {
        0 => out.push_str("null"),
        1 => out.push_str("true"),
        2 => out.push_str(random.of(&[
            "0",
            "-1.5e-7",
            "1.0",
            "123456789012345678901234567890",
            "14",
        ])),
        3 | 4 => {
            let text = random.of(&TEXTS);
            out.push_str(&quoted(text));
        }
        5 => out.push_str(random.of(&["[]", "[1, 2,\t3]", "[ \"a\",\"b\" ]", "[{\"k\": [null]}]"])),
        _ => object(random, out, is_lenient, unit, depth),
    }
}

fn toml_key(key: &str) -> String {
    let is_bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { key.to_owned() } else { quoted(key) }
}

fn toml_value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth > 3 { 8 } else { 10 }) {
        0 => "true".to_owned(),
        1 => random.of(&["0", "1_000", "0xff", "-17", "+3"]).to_owned(),
        2 => random.of(&["1.5", "1e30", "inf", "nan", "-0.0"]).to_owned(),
        3 => random.of(&["1979-05-27T07:32:00Z", "1979-05-27", "07:32:00"]).to_owned(),
        4 | 5 => quoted(random.of(&TEXTS)),
        6 => "'literal \\ text'".to_owned(),
        7 => (random.of(&[
            "[]",
            "[1, 2]",
            "[\n  \"a\", # first\n  \"b\",\n]",
            "\"\"\"\nmany\nlines\"\"\"",
        ]))
        .to_owned(),
        _ => {
            let names = keys(random, 3);
            let gap = if random.one_in(2) { " " } else { "" };
            let entries: Vec<String> = names
                .iter()
                .map(|key| format!("{} = {}", toml_key(key), toml_value(random, depth + 1)))
                .collect();
            format!("{{{gap}{}{gap}}}", entries.join(", "))
                .replace('\n', " ")
                .replace("# first", "")
        }
    }
}

fn toml_entries(random: &mut Random, out: &mut String, names: &[&str], indent: &str) {
    for key in names {
        if random.one_in(5) {
            out.push_str(&format!("{indent}# about {key}\n"));
        }
        if random.one_in(8) {
            out.push('\n');
        }
        let equals = random.of(&[" = ", "=", "  =  "]);
        out.push_str(&format!("{indent}{}{equals}{}", toml_key(key), toml_value(random, 0)));
        if random.one_in(4) {
            out.push_str("  # after");
        }
        out.push('\n');
    }
}

fn toml(random: &mut Random) -> String {
    let mut out = String::new();
    if random.one_in(3) {
        out.push_str("# a file of settings\n\n");
    }
    let mut names = keys(random, 10);
    let tables = names.split_off(names.len() / 2);
    toml_entries(random, &mut out, &names, "");
    for name in tables {
        let name = toml_key(name);
        match random.below(6) {
            0 => out.push_str(&format!("\n[[{name}]]\nid = 1\n\n[[{name}]]\nid = 2\n")),
            1 => out.push_str(&format!("\n[{name}.inner]\n# in it\nz = 1\n")),
            2 if !out.contains("\n[") => {
                out.push_str(&format!("{name}.a = 1 # dotted\n{name}.b.c = 2\n"));
            }
            _ => {
                out.push_str(&format!("\n[ {name} ] # header\n"));
                let names = keys(random, 4);
                let indent = random.of(&["", "", "  ", "\t"]);
                toml_entries(random, &mut out, &names, indent);
                if random.one_in(3) {
                    out.push_str(&format!("[{name}.deep.er]\nk = 'v'\n"));
                }
            }
        }
    }
    if random.one_in(4) {
        out.push_str("\n# the end\n");
    }
    out
}

fn yaml(random: &mut Random) -> String {
    let mut out = String::new();
    if random.one_in(4) {
        out.push_str("# a file of settings\n");
    }
    if random.one_in(4) {
        out.push_str("---\n");
    }
    let has_anchor = random.one_in(3);
    if has_anchor {
        out.push_str("base: &base\n  one: 1 # one\n  two: &two \"2\"\n");
    }
    let step = random.of(&[2, 4]);
    yaml_map(random, &mut out, 0, step, has_anchor);
    if has_anchor {
        out.push_str("derived:\n  <<: *base\n  again: *two\n");
    }
    if random.one_in(4) {
        out.push_str("# the end\n");
    }
    out
}

fn yaml_key(key: &str) -> String {
    if key.contains(' ') || key.contains('.') { quoted(key) } else { key.to_owned() }
}

fn yaml_map(random: &mut Random, out: &mut String, indent: usize, step: usize, anchor: bool) {
    let names = keys(random, 6);
    let gap = " ".repeat(indent);
    let names = if names.is_empty() && indent > 0 { vec!["only"] } else { names };
    for key in names {
        if random.one_in(5) {
            out.push_str(&format!("{gap}# about {key}\n"));
        }
        out.push_str(&format!("{gap}{}:", yaml_key(key)));
        let comment = if random.one_in(4) { "  # after" } else { "" };
        match random.below(if indent > 12 { 9 } else { 12 }) {
            0 => out.push_str(&format!("{comment}\n")),
            1 => out.push_str(&format!(" {}{comment}\n", random.of(&["yes", "true", "~", "null"]))),
            2 => out.push_str(&format!(
                " {}{comment}\n",
                random.of(&["1", "0x1F", "1.50", "123456789012345678901234567890", ".inf"])
            )),
            3 => out.push_str(&format!(" {}{comment}\n", quoted(random.of(&TEXTS)))),
            4 => out.push_str(&format!(" plain text of words{comment}\n")),
            5 => out.push_str(&format!(" 'it''s'{comment}\n")),
            6 => out.push_str(&format!(
                " |{}\n{gap}{}first\n\n{gap}{}  second\n{}",
                random.of(&["", "-", "+"]),
                " ".repeat(step),
                " ".repeat(step),
                if random.one_in(2) { "\n" } else { "" }
            )),
            7 => out.push_str(&format!(" {{a: 1, \"b\": [x, y]}}{comment}\n")),
            8 if anchor => out.push_str(&format!(" *two{comment}\n")),
            8 => out.push_str(&format!(" !custom value{comment}\n")),
            9 => {
                let dash = random.of(&[0, step]);
                let dash = format!("{gap}{}", " ".repeat(dash));
                out.push_str(&format!(
                    "{comment}\n{dash}- one # first\n{dash}- k: v\n{dash}  l: w\n"
                ));
            }
            _ => {
                out.push_str(&format!("{comment}\n"));
                yaml_map(random, out, indent + step, step, anchor);
            }
        }
        if random.one_in(8) {
            out.push('\n');
        }
    }
}

fn ini(random: &mut Random) -> String {
    let mut out = String::new();
    let equals = random.of(&[" = ", "="]);
    let indent = random.of(&["", "\t", "  "]);
    if random.one_in(2) {
        out.push_str("; settings\n");
    }
    for _ in 0..random.below(3) {
        let key = random.of(&KEYS);
        out.push_str(&format!("{key}{equals}{}\n", random.of(&["1", "text", ""])));
    }
    for _ in 0..random.below(4) {
        let name = random.of(&["core", "nested", "remote \"origin\"", "a", "Desktop Entry"]);
        out.push_str(&format!("{}[{name}]\n", if random.one_in(2) { "\n" } else { "" }));
        for _ in 0..random.below(5) {
            if random.one_in(5) {
                out.push_str(&format!("{indent}# a comment\n"));
            }
            let key = random.of(&KEYS);
            match random.below(8) {
                0 => out.push_str(&format!("{indent}{key}\n")),
                1 => out.push_str(&format!("{indent}{key}{equals}one \\\n   two\n")),
                2 => out.push_str(&format!("{indent}{key}{equals}value ; why\n")),
                3 => out.push_str(&format!("{indent}{key}{equals}\"a # b\"\n")),
                _ => out.push_str(&format!(
                    "{indent}{key}{equals}{}\n",
                    random.of(&["1", "true", "some text", "#fff", "x=y", ""])
                )),
            }
        }
    }
    out
}

fn lines(random: &mut Random) -> String {
    let all =
        ["127.0.0.1\tlocalhost", "", "# comment", "export A=1", "  indented", "alias ll='ls'"];
    (0..random.below(8)).map(|_| format!("{}\n", random.of(&all))).collect()
}

/// Returns a value that a config may declare.
pub fn value(random: &mut Random, format: Format) -> Value {
    if format == Format::Ini {
        return match random.below(4) {
            0 => json!(true),
            1 => json!(random.below(100)),
            _ => json!(random.of(&["set", "two words", "#abc", "\"a ; b\"", ""])),
        };
    }
    match random.below(9) {
        0 if format != Format::Toml => json!(null),
        0 | 1 => json!(random.one_in(2)),
        2 => json!(random.below(100)),
        3 => json!(1.5),
        4 => json!(["a", "b"]),
        5 => json!([1, { "k": "v" }, []]),
        6 => json!({}),
        _ => json!(random.of(&TEXTS)),
    }
}

/// Returns a declaration. Of two keys, none is above the other.
pub fn declaration(random: &mut Random, format: Format, prefix: &str) -> Declaration {
    let mut keys: Vec<Key> = Vec::new();
    for _ in 0..1 + random.below(5) {
        let depth = match format {
            Format::Ini => 1 + random.below(2),
            _ => 1 + random.below(3),
        };
        let mut path: Vec<String> = (0..depth).map(|_| random.of(&KEYS).to_owned()).collect();
        if format == Format::Ini && depth == 2 {
            path[0] = random.of(&["core", "nested", "remote \"origin\"", "new"]).to_owned();
        }
        if let Some(last) = path.last_mut() {
            *last = format!("{prefix}{last}");
        }
        if keys.iter().any(|key| key.path.starts_with(&path) || path.starts_with(&key.path)) {
            continue;
        }
        let want = match random.below(8) {
            0 => Want::Absent,
            1 if format != Format::Ini => Want::Before(vec![json!("first")]),
            2 if format != Format::Ini => Want::After(vec![json!("a"), json!("last")]),
            _ => Want::Value(value(random, format)),
        };
        keys.push(Key { path, want });
    }
    Declaration { format, comment: "#".to_owned(), keys }
}

/// Returns a declaration of lines or of a block.
pub fn line_declaration(random: &mut Random, format: Format) -> Declaration {
    let all = ["export A=1", "export B=2", "10.0.0.1\thost", "# comment", "größe"];
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..1 + random.below(4) {
        let item = json!(random.of(&all));
        if !items.contains(&item) {
            items.push(item);
        }
    }
    let want = match random.below(3) {
        0 => Want::Before(items),
        1 => Want::After(items),
        _ => Want::Value(Value::Array(items)),
    };
    Declaration { format, comment: "#".to_owned(), keys: vec![Key { path: Vec::new(), want }] }
}

/// Returns the declaration of nothing.
pub fn nothing(format: Format) -> Declaration {
    Declaration { format, comment: "#".to_owned(), keys: Vec::new() }
}
