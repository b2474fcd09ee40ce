//! YAML as plain data. Registries are read as JSON values, so that what is not known of an entry
//! is simply left out.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// How many values a text may have, those of aliases counted each time.
const MAX_VALUES: usize = 200_000;

/// A text that is not supported YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct YamlError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// Reads the first document of a text. Plain `true`, `false` and `null` are special values; all
/// else, numbers too, is the unchanged text: `1.10` is not a number.
///
/// # Errors
/// When it is not YAML, is nested deeper than 64 levels, or has more than 200,000 values.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: Vec::new(), count: 0 };
    loop {
        let (event, line) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
            other => return reader.value(other, line, 0),
        }
    }
}

struct Reader<'a, I: Iterator<Item = Result<(Event<'a>, Span), saphyr_parser::ScanError>>> {
    parser: I,
    /// What anchors stand for, with the count of values in each.
    anchors: Vec<(usize, Value, usize)>,
    count: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), saphyr_parser::ScanError>>> Reader<'a, I> {
    fn next(&mut self) -> Result<(Event<'a>, usize), YamlError> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => {
                let what = format!("it is not YAML: {}", error.info());
                Err(YamlError { line: error.marker().line(), what })
            }
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn value(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Value, YamlError> {
        let fail = |what: &str| YamlError { line, what: what.to_owned() };
        self.count += 1;
        if depth > MAX_DEPTH || self.count > MAX_VALUES {
            return Err(fail("it is too large"));
        }
        let before = self.count;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match (style, text.as_ref()) {
                    (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Bool(true),
                    (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Bool(false),
                    (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
                    (_, text) => Value::String(text.to_owned()),
                };
                (value, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.value(event, line, depth + 1)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let known = self.anchors.iter().find(|known| known.0 == anchor);
                let Some((_, value, count)) = known else {
                    return Err(fail("the alias is inside its own anchor"));
                };
                let (value, count) = (value.clone(), *count);
                self.count += count;
                return Ok(value);
            }
            _ => return Err(fail("a value is missing")),
        };
        if anchor != 0 {
            self.anchors.retain(|known| known.0 != anchor);
            self.anchors.push((anchor, value.clone(), self.count - before + 1));
        }
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut map = Map::new();
        loop {
            let (event, line) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(map)),
                event => self.value(event, line, depth + 1)?,
            };
            let key = match key {
                Value::String(key) => key,
                Value::Bool(key) => key.to_string(),
                _ => return Err(YamlError { line, what: "a key is not a text".to_owned() }),
            };
            let (event, line) = self.next()?;
            let value = self.value(event, line, depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                let what = format!("`{key}` occurs twice");
                return Err(YamlError { line, what });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_kept_as_they_stand() {
        let text =
            "a: 1.10\nb: \"true\"\nc: true\nd: ~\ne:\n  - x # note\n  - 'y'\nf: [1, {g: no}]\n";
        let expected =
            json!({"a":"1.10","b":"true","c":true,"d":null,"e":["x","y"],"f":["1",{"g":"no"}]});
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("a: &x [1]\nb: *x\n").unwrap(), json!({"a":["1"],"b":["1"]}));
    }

    #[test]
    fn bad_texts_are_errors_with_a_line() {
        let many = "a: &x [1,2,3,4,5,6,7,8,9,10]\nb: &y [*x,*x,*x,*x,*x,*x,*x,*x,*x,*x]\n\
                    c: &z [*y,*y,*y,*y,*y,*y,*y,*y,*y,*y]\nd: &v [*z,*z,*z,*z,*z,*z,*z,*z,*z,*z]\n\
                    e: &w [*v,*v,*v,*v,*v,*v,*v,*v,*v,*v]\nf: [*w,*w,*w,*w,*w,*w,*w,*w,*w,*w]\n";
        let deep = "[".repeat(500);
        for text in
            ["a: [", "a: 1\na: 2\n", "a: &x [*x]\n", "? [a]\n: b\n", "a: *no\n", many, &deep]
        {
            let error = parse(text).unwrap_err();
            assert!(!error.what.is_empty(), "{text} {error}");
        }
        assert_eq!(parse("a: 1\na: 2\n").unwrap_err().line, 2);
    }

    #[test]
    fn no_text_is_a_panic() {
        let text = "a: &x 1\nb:\n  - {c: *x}\n  - |\n    text\n";
        for place in 0..text.len() {
            let _ = parse(&text[..place]);
            for byte in ["\0", "\"", "{", "*", "&", "-", ":"] {
                let _ = parse(&format!("{}{byte}{}", &text[..place], &text[place + 1..]));
            }
        }
    }
}
