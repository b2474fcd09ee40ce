//! JSON documents, with the places of everything. Numbers are floats and keys may come twice, as
//! SOPS has it.

use crate::edit::Edits;
use crate::json_text::{write_text, write_value};
use crate::options::KEY;
use crate::plain::Plain;
use crate::problem::{Problem, Result, line_of};
use crate::tree::{Entry, Item, MAX_DEPTH, Node, ValueKind};
use crate::value::Value;

/// Reads a document, which must be an object.
pub(crate) fn read(text: &str) -> Result<Node> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    if reader.peek() != Some(b'{') {
        return Err(Problem::new("a JSON document of SOPS must be an object"));
    }
    let root = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.error("there is text after the end of the document"));
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn error(&self, message: &str) -> Problem {
        Problem::at(line_of(self.text, self.at), message)
    }

    fn value(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => ValueKind::Map(self.members(b'}', depth)?),
            Some(b'[') => ValueKind::List(self.members(b']', depth)?),
            Some(b'"') => ValueKind::Leaf(Value::Str(self.string()?)),
            _ => ValueKind::Leaf(self.word()?),
        };
        Ok(Node { kind, span: start..self.at, flow: true, column: depth, indent: 0 })
    }

    fn members(&mut self, end: u8, depth: usize) -> Result<Vec<Item>> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(items);
        }
        loop {
            self.space();
            let start = self.at;
            let key = if end == b'}' {
                if self.peek() != Some(b'"') {
                    return Err(self.error("a key is missing"));
                }
                let key = self.string()?;
                self.space();
                if self.peek() != Some(b':') {
                    return Err(self.error("`:` is missing after a key"));
                }
                self.at += 1;
                self.space();
                Some(key)
            } else {
                None
            };
            let node = self.value(depth + 1)?;
            items.push(Item::Entry(Entry { key, start, node }));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return Err(self.error("`,` or the end of a list or object is missing")),
            }
        }
    }

    fn word(&mut self) -> Result<Value> {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
            .count();
        let word = &rest[..length];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if is_number(word) => match word.parse() {
                Ok(number) if f64::is_finite(number) => Value::Float(number),
                _ => return Err(self.error("a number is too large")),
            },
            _ => return Err(self.error("a value is missing or malformed")),
        };
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<String> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) =
                rest.find(|letter: char| letter == '"' || letter == '\\' || letter < ' ')
            else {
                return Err(self.error("a text is not closed"));
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                _ => return Err(self.error("a text contains a control character")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        out.push(match letter {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'u') => {
                let first = self.hex()?;
                let second =
                    (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u");
                if second {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        let code = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
                        out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                        return Ok(());
                    }
                    self.at = back;
                }
                char::from_u32(first).unwrap_or('\u{fffd}')
            }
            _ => return Err(self.error("a text contains an unknown escape")),
        });
        Ok(())
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| {
            Problem::at(line_of(self.text, self.at), "`\\u` is not followed by four digits")
        })
    }
}

/// Whether a word is a number by the grammar of JSON.
fn is_number(word: &str) -> bool {
    let rest = word.strip_prefix('-').unwrap_or(word).as_bytes();
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = digits(rest);
    if at == 0 || (at > 1 && rest[0] == b'0') {
        return false;
    }
    if rest.get(at) == Some(&b'.') {
        let count = digits(&rest[at + 1..]);
        if count == 0 {
            return false;
        }
        at += 1 + count;
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(rest.get(at), Some(b'+' | b'-')));
        let count = digits(&rest[at..]);
        if count == 0 {
            return false;
        }
        at += count;
    }
    at == rest.len()
}

/// Writes data over several lines, each level indented once more.
pub(crate) fn write_pretty(plain: &Plain, unit: &str, depth: usize, out: &mut String) {
    let (open, close, length) = match plain {
        Plain::Value(value) => return write_value(value, out),
        Plain::List(items) => ('[', ']', items.len()),
        Plain::Map(entries) => ('{', '}', entries.len()),
    };
    out.push(open);
    for index in 0..length {
        out.push_str(if index > 0 { ",\n" } else { "\n" });
        out.push_str(&unit.repeat(depth + 1));
        match plain {
            Plain::List(items) => write_pretty(&items[index], unit, depth + 1, out),
            Plain::Map(entries) => {
                write_text(&entries[index].0, out);
                out.push_str(": ");
                write_pretty(&entries[index].1, unit, depth + 1, out);
            }
            Plain::Value(_) => {}
        }
    }
    if length > 0 {
        out.push('\n');
        out.push_str(&unit.repeat(depth));
    }
    out.push(close);
}

/// What one level is indented by in a text: that of its first member, else a tab as SOPS writes.
fn unit_of(text: &str, root: &Node) -> String {
    let Some(first) = root.entries().next() else { return "\t".to_owned() };
    let before = &text[..first.start];
    let line = before.rfind('\n').map_or("", |newline| &before[newline + 1..]);
    if line.is_empty() || !line.bytes().all(|byte| byte == b' ' || byte == b'\t') {
        return "\t".to_owned();
    }
    line.to_owned()
}

/// The text with other metadata, at the end of the object when there were none.
pub(crate) fn with_metadata(text: &str, content: Option<&Plain>) -> Result<String> {
    let root = read(text)?;
    let unit = unit_of(text, &root);
    let mut edits = Edits::new();
    match (root.get(KEY), content) {
        (Some(entry), Some(content)) => {
            let mut out = String::new();
            write_pretty(content, &unit, 1, &mut out);
            edits.replace(entry.node.span.clone(), out);
        }
        (None, Some(content)) => append(&mut edits, text, &root, Some(KEY), content),
        (Some(_), None) if root.entries().count() == 1 => {
            edits.replace(root.span.clone(), "{}".to_owned());
        }
        (Some(entry), None) => {
            let previous = root.entries().take_while(|other| other.start < entry.start).last();
            let next = root.entries().find(|other| other.start > entry.start);
            let range = match (previous, next) {
                (Some(previous), _) => previous.node.span.end..entry.node.span.end,
                (None, Some(next)) => entry.start..next.start,
                (None, None) => entry.start..entry.node.span.end,
            };
            edits.replace(range, String::new());
        }
        (None, None) => {}
    }
    Ok(edits.apply(text))
}

/// Adds a member at the end of an object or list.
pub(crate) fn append(edits: &mut Edits, text: &str, node: &Node, key: Option<&str>, value: &Plain) {
    let root_unit = read(text).map_or_else(|_| "\t".to_owned(), |root| unit_of(text, &root));
    let depth = node.column + 1;
    let mut out = String::new();
    let last = node.entries().last();
    // On one line when what is there is on one.
    let one_line = last.is_some() && !text[node.span.clone()].contains('\n');
    let mut member = String::new();
    if let Some(key) = key {
        write_text(key, &mut member);
        member.push_str(": ");
    }
    if one_line {
        member.push_str(&value.to_json());
        out.push_str(", ");
        out.push_str(&member);
    } else {
        write_pretty(value, &root_unit, depth, &mut member);
        out.push_str(if last.is_some() { ",\n" } else { "\n" });
        out.push_str(&root_unit.repeat(depth));
        out.push_str(&member);
    }
    match last {
        Some(last) => edits.insert(last.node.span.end, out),
        None => {
            out.push('\n');
            out.push_str(&root_unit.repeat(depth - 1));
            edits.replace(node.span.start + 1..node.span.end - 1, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_number, read};
    use crate::json_text::write_text;

    #[test]
    fn numbers_follow_the_grammar() {
        for good in ["0", "-0", "12", "1.5", "1e9", "-1.25E-3"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", "01", "+1", "1.", ".5", "1e", "0x1", "NaN"] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn texts_come_back() {
        for text in ["", "a\"b\\", "\u{1}\n\t", "grün 🎉 <&>", "\u{2028}"] {
            let mut json = "{\"k\":".to_owned();
            write_text(text, &mut json);
            json.push('}');
            let crate::Plain::Map(entries) = read(&json).expect("it is read").to_plain() else {
                panic!("no map")
            };
            assert_eq!(entries[0].1, crate::Plain::text(text));
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":\"\u{1}\"}",
            "{} x",
            "{\"a\":tru}",
            "{\"a\":\"\\x\"}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&format!("{}{}", "{\"a\":".repeat(300), "}".repeat(300))).is_err());
    }
}
