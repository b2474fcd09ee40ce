//! What words mean, and how values are written: as go-yaml v3 does both, which SOPS is built on.

use data_encoding::BASE64;

use crate::problem::{Problem, Result};
use crate::timestamp;
use crate::value::{Type, Value};

/// The value of a scalar. `tag` is the name of a tag of YAML, or empty for another one.
pub(super) fn resolve(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value> {
    match tag {
        None if !is_plain => Ok(Value::Str(text.to_owned())),
        None => plain(text, true),
        Some("str" | "") => Ok(Value::Str(text.to_owned())),
        Some("binary") => {
            let compact: String = text.split_whitespace().collect();
            let bytes = BASE64
                .decode(compact.as_bytes())
                .map_err(|_| Problem::new("`!!binary` is not base64"))?;
            Ok(String::from_utf8(bytes)
                .map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Str))
        }
        Some(tag) => {
            let value = plain(text, tag == "timestamp")?;
            let value = match (tag, &value) {
                ("float", Value::Int(number)) => Value::Float(*number as f64),
                _ => value,
            };
            let wanted = match tag {
                "int" => Type::Int,
                "float" => Type::Float,
                "bool" => Type::Bool,
                "null" => Type::Null,
                "timestamp" => Type::Time,
                _ => return Ok(Value::Str(text.to_owned())),
            };
            if value.type_of() == wanted {
                Ok(value)
            } else {
                Err(Problem::new(format!("a value with the tag `!!{tag}` is not of that type")))
            }
        }
    }
}

fn plain(text: &str, may_be_time: bool) -> Result<Value> {
    let Some(first) = text.bytes().next() else { return Ok(Value::Null) };
    match text {
        "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Ok(Value::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Ok(Value::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if first == b'.' {
        return Ok(float(text).map_or_else(|| Value::Str(text.to_owned()), Value::Float));
    }
    if first.is_ascii_digit() || matches!(first, b'+' | b'-') {
        if may_be_time && let Some(time) = timestamp::parse(text) {
            return Ok(Value::Time(time));
        }
        let compact = text.replace('_', "");
        match integer(&compact) {
            Integer::Fits(number) => return Ok(Value::Int(number)),
            Integer::TooLarge => {
                return Err(Problem::new("a whole number is too large for SOPS")
                    .with_hint("write it in quotes"));
            }
            Integer::None => {}
        }
        if is_float(&compact)
            && let Some(number) = float(&compact)
        {
            return Ok(Value::Float(number));
        }
    }
    Ok(Value::Str(text.to_owned()))
}

enum Integer {
    Fits(i64),
    TooLarge,
    None,
}

/// `12`, `0x1F`, `0o17`, `017` and `0b1` with a sign.
fn integer(text: &str) -> Integer {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return Integer::None;
    }
    let Ok(number) = u128::from_str_radix(digits, radix) else { return Integer::None };
    match i128::try_from(number).map(|number| if negative { -number } else { number }) {
        Ok(number) => match i64::try_from(number) {
            Ok(number) => Integer::Fits(number),
            Err(_) if !negative && u64::try_from(number).is_ok() => Integer::TooLarge,
            Err(_) => Integer::None,
        },
        Err(_) => Integer::None,
    }
}

fn is_float(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

fn float(text: &str) -> Option<f64> {
    // Rust takes words such as `.inf` or `.infinity` too.
    if !is_float(text) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The column of the lines of a block below keys or dashes at `column`.
pub(super) fn next_column(column: usize) -> usize {
    4 * ((column + 4) / 4)
}

/// How a value is written: between brackets, or below keys or dashes at a column, the lines of a
/// text indented by `indent` blanks.
pub(super) fn render_at(value: &Value, flow: bool, column: usize, indent: usize) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float_text(*number),
        Value::Time(text) => text.clone(),
        Value::Bytes(bytes) => format!("!!binary {}", BASE64.encode(bytes)),
        Value::Str(text) => text_at(text, flow, column, indent),
    }
}

/// A key as it is written.
pub(super) fn key_text(key: &str, flow: bool) -> String {
    // A block scalar cannot be a key.
    if key.contains('\n') { double_quoted(key) } else { text_at(key, flow, 0, 0) }
}

fn text_at(text: &str, flow: bool, column: usize, indent: usize) -> String {
    let shape = Shape::of(text);
    if text.contains('\n') {
        return if flow || !shape.block_allowed {
            double_quoted(text)
        } else {
            literal(text, column, indent)
        };
    }
    let means_text =
        matches!(plain(text, true), Ok(Value::Str(_))) && !is_old_bool(text) && !is_base_60(text);
    if !means_text || text == "<<" {
        return double_quoted(text);
    }
    if if flow { shape.flow_plain_allowed } else { shape.block_plain_allowed } {
        return text.to_owned();
    }
    if shape.single_quoted_allowed {
        return format!("'{}'", text.replace('\'', "''"));
    }
    double_quoted(text)
}

/// What YAML 1.1 took for a truth value.
fn is_old_bool(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off"];
    WORDS.contains(&text) || text == "Off" || text == "OFF"
}

/// What YAML 1.1 took for a number: `1:30`.
fn is_base_60(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = rest.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let starts = first.starts_with(|letter: char| letter.is_ascii_digit())
        && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let fits = |part: &str| {
        let bytes = part.as_bytes();
        match bytes {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        }
    };
    starts
        && !rest.is_empty()
        && rest.iter().enumerate().all(|(index, part)| {
            let part = if index + 1 == rest.len() {
                part.split('.').next().unwrap_or_default()
            } else {
                part
            };
            fits(part)
        })
}

/// In which ways a text can be written.
struct Shape {
    flow_plain_allowed: bool,
    block_plain_allowed: bool,
    single_quoted_allowed: bool,
    block_allowed: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let (mut block, mut flow) = (text.starts_with("---") || text.starts_with("..."), false);
        flow |= block;
        let (mut special, mut tab, mut breaks, mut break_space, mut space_break) =
            (false, false, false, false, false);
        for (index, &letter) in letters.iter().enumerate() {
            let before = index.checked_sub(1).map(|at| letters[at]);
            let after = letters.get(index + 1).copied();
            let blank_after = after.is_none_or(|after| is_blank(after) || is_break(after));
            match letter {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if index == 0 =>
                {
                    flow = true;
                    block = true;
                }
                '?' | ':' => {
                    flow = true;
                    block |= blank_after && (index == 0 || letter == ':');
                }
                '-' if index == 0 && blank_after => {
                    flow = true;
                    block = true;
                }
                ',' | '[' | ']' | '{' | '}' => flow = true,
                '#' if before.is_some_and(|before| is_blank(before) || is_break(before)) => {
                    flow = true;
                    block = true;
                }
                _ => {}
            }
            if !is_printable(letter) {
                if letter == '\t' {
                    tab = true;
                } else {
                    special = true;
                }
            }
            breaks |= is_break(letter);
            break_space |= letter == ' ' && before.is_some_and(is_break);
            space_break |= is_break(letter) && before == Some(' ');
        }
        let edge = |letter: Option<&char>| {
            letter.is_some_and(|letter| *letter == ' ' || is_break(*letter))
        };
        let edges = edge(letters.first()) || edge(letters.last());
        let plain = !edges && !break_space && !space_break && !tab && !special && !breaks;
        Self {
            flow_plain_allowed: plain && !flow,
            block_plain_allowed: plain && !block,
            single_quoted_allowed: !break_space && !space_break && !tab && !special,
            block_allowed: letters.last() != Some(&' ') && !space_break && !special,
        }
    }
}

fn is_blank(letter: char) -> bool {
    letter == ' ' || letter == '\t'
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Letters beyond the first plane are escaped, as go-yaml does.
fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && letter != '\u{feff}'
}

fn literal(text: &str, column: usize, indent: usize) -> String {
    let mut out = "|".to_owned();
    if text.starts_with([' ', '\n']) {
        // Counted from the keys, not from the edge.
        out.push_str(&(indent - column).to_string());
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}

fn double_quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for letter in text.chars() {
        let code = u32::from(letter);
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            _ if is_printable(letter) => out.push(letter),
            _ if code <= 0xFF => out.push_str(&format!("\\x{code:02X}")),
            _ if code <= 0xFFFF => out.push_str(&format!("\\u{code:04X}")),
            _ => out.push_str(&format!("\\U{code:08X}")),
        }
    }
    out.push('"');
    out
}

/// A number as `strconv.FormatFloat(f, 'g', -1, 64)` of Go writes it.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::{plain, render_at, resolve};
    use crate::value::Value;

    #[test]
    fn words_mean_what_go_yaml_makes_of_them() {
        for (text, expected) in [
            ("0x1F", Value::Int(31)),
            ("017", Value::Int(15)),
            ("0o17", Value::Int(15)),
            ("0b101", Value::Int(5)),
            ("-1_000", Value::Int(-1000)),
            ("08", Value::Float(8.0)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("yes", Value::Str("yes".to_owned())),
            ("1:30", Value::Str("1:30".to_owned())),
            ("0x", Value::Str("0x".to_owned())),
            ("~", Value::Null),
            ("2024-1-2", Value::Time("2024-01-02T00:00:00Z".to_owned())),
            ("18446744073709551616", Value::Float(18_446_744_073_709_551_616.0)),
            ("inf", Value::Str("inf".to_owned())),
            (".infinity", Value::Str(".infinity".to_owned())),
        ] {
            assert!(plain(text, true).expect("it is a value") == expected, "{text}");
        }
        assert!(plain("18446744073709551615", true).is_err());
        assert!(resolve("x", true, Some("int")).is_err());
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let texts = [
            "",
            "a",
            "null",
            "12",
            "1.5",
            "yes",
            "~",
            "- a",
            "a: b",
            "a:b",
            "#x",
            "a #b",
            "a#b",
            " lead",
            "trail ",
            "'",
            "\"",
            "\\",
            "a\nb",
            "a\nb\n",
            "\n",
            "\n\n",
            "  x\ny",
            "a\n\n",
            "\ttab",
            "a\tb",
            "[x]",
            "{",
            "&a",
            "*a",
            "!t",
            "|",
            "%",
            "@",
            "`",
            "---",
            "...",
            "?",
            "? a",
            ":",
            "ж",
            "🎉",
            "\u{7f}",
            "\u{1}",
            "a\r\nb",
            "\u{2028}",
            "\u{feff}",
            "<<",
            "2024-01-01",
            "1:30",
            "a,b",
            "x \ny",
            "0x1f",
            "=",
        ];
        for text in texts {
            for (flow, column, indent, before, after) in [
                (false, 0, 4, "k: ", "\n"),
                (true, 0, 0, "k: [", "]\n"),
                (false, 2, 4, "m:\n  k: ", "\n"),
                (false, 5, 8, "m:\n     k: ", "\n"),
                (false, 0, 2, "k:\n- ", "\n"),
                (false, 4, 6, "k:\n    - ", "\n"),
                (false, 6, 8, "k:\n    - - ", "\n"),
            ] {
                let written = render_at(&Value::Str(text.to_owned()), flow, column, indent);
                let document = format!("{before}{written}{after}z: 1\n");
                let roots = super::super::read(&document)
                    .unwrap_or_else(|error| panic!("{text:?}: {document:?}: {error}"));
                let json = roots[0].to_plain().to_json();
                let mut expected = String::new();
                crate::json_text::write_text(text, &mut expected);
                assert!(
                    json.contains(&expected),
                    "{text:?} became {document:?}, which is {}",
                    *json
                );
            }
        }
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (number, text) in [
            (1.5, "1.5"),
            (1e6, "1e+06"),
            (100_000.0, "100000"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (-2.0, "-2"),
        ] {
            assert_eq!(render_at(&Value::Float(number), false, 0, 4), text);
        }
    }
}
