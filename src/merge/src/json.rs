//! JSON, and JSON with comments.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use serde_json::{Map as JsonMap, Value};

use crate::editor::{Editor, Insertion, Items};
use crate::json_scan;
use crate::node::{Entry, Map, Node, NodeKind, Shape};
use crate::paths::Paths;
use crate::problem::{Problem, Result};

/// How JSON is edited.
pub(crate) struct Json {
    /// Whether comments and commas at the end are allowed.
    pub is_lenient: bool,
}

impl Json {
    fn read<'t>(&self, text: &'t str) -> Result<Option<ast::Value<'t>>> {
        let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
        let options = ParseOptions {
            allow_comments: self.is_lenient,
            allow_trailing_commas: self.is_lenient,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let parsed = parse_to_ast(text, &collect, &options).map_err(|error| {
            let is_jsonc = !self.is_lenient && Json { is_lenient: true }.read(text).is_ok();
            let hint = if is_jsonc { ": this is JSONC, JSON with comments" } else { "" };
            Problem::at(text, error.range().start, format!("{}{hint}", error.kind()))
        })?;
        Ok(parsed.value)
    }
}

impl Editor for Json {
    fn parse(&self, text: &str, paths: &Paths) -> Result<Node> {
        if let Some(root) = json_scan::read(text, self.is_lenient, paths) {
            return Ok(root);
        }
        match self.read(text)? {
            Some(value @ ast::Value::Object(_)) => Ok(node(value, 0, Some(paths))),
            Some(other) => {
                let start = other.range().start;
                Err(Problem::at(text, start, "the file is not an object, so it cannot have keys"))
            }
            None => Ok(Node { span: 0..text.len(), kind: NodeKind::Leaf(None) }),
        }
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn parse_part(&self, text: &str, range: Range<usize>, paths: Option<&Paths>) -> Option<Node> {
        Some(node(self.read(&text[range.clone()]).ok()??, range.start, paths))
    }

    fn value(&self, text: &str, node: &Node) -> Value {
        match self.read(&text[node.span.clone()]) {
            Ok(Some(value)) => plain(&value),
            _ => Value::Null,
        }
    }

    fn key(&self, key: &str, _is_braces: bool) -> std::result::Result<String, String> {
        Ok(Value::String(key.to_owned()).to_string())
    }

    fn separator(&self, _text: &str, _is_braces: bool) -> &'static str {
        ": "
    }

    fn render(&self, value: &Value, place: &Insertion) -> std::result::Result<String, String> {
        let mut out = String::new();
        write(&mut out, value, place, &place.indent);
        Ok(out)
    }

    fn items(&self, list: &str) -> Option<Items> {
        let Some(ast::Value::Array(array)) = self.read(list).ok()? else { return None };
        let spans = array.elements.iter().map(|item| item.start()..item.end());
        Some(Items::Brackets(spans.collect()))
    }

    fn comment(&self, text: &str, at: usize) -> Option<usize> {
        let rest = &text[at..];
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            let end = if rest[..end].ends_with('\r') { end - 1 } else { end };
            Some(at + end)
        } else if rest.starts_with("/*") {
            Some(at + rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else {
            None
        }
    }
}

/// Makes nodes of what the parser read; `offset` is where its text begins. Without paths that lead
/// there, a table stays unread.
fn node(value: ast::Value<'_>, offset: usize, paths: Option<&Paths>) -> Node {
    let range = value.range();
    let span = range.start + offset..range.end + offset;
    let kind = match (value, paths) {
        (ast::Value::Object(_), None) => NodeKind::Unread,
        (ast::Value::Object(object), Some(paths)) => {
            let entries = object.properties.into_iter().map(|property| {
                let name = property.name.range();
                let key = property.name.into_string();
                Entry {
                    span: name.start + offset..name.end + offset,
                    end: property.range.end + offset,
                    value: node(property.value, offset, paths.below(&key)),
                    key,
                }
            });
            let entries = entries.collect();
            NodeKind::Map(Map { entries, shape: Shape::Braces(span.clone()), is_null: false })
        }
        _ => NodeKind::Leaf(None),
    };
    Node { span, kind }
}

fn plain(value: &ast::Value<'_>) -> Value {
    match value {
        ast::Value::StringLit(text) => Value::String(text.value.to_string()),
        ast::Value::NumberLit(number) => serde_json::from_str(number.value).unwrap_or(Value::Null),
        ast::Value::BooleanLit(value) => Value::Bool(value.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::Array(array.elements.iter().map(plain).collect()),
        ast::Value::Object(object) => {
            let entries = object.properties.iter();
            let entries =
                entries.map(|entry| (entry.name.as_str().to_owned(), plain(&entry.value)));
            Value::Object(entries.collect::<JsonMap<_, _>>())
        }
    }
}

fn write(out: &mut String, value: &Value, place: &Insertion, indent: &str) {
    let inner = format!("{indent}{}", place.unit);
    let line = |out: &mut String, indent: &str| {
        if place.is_open {
            out.push_str(place.newline);
            out.push_str(indent);
        }
    };
    let comma = if place.is_open { "," } else { ", " };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                out.push_str(if number > 0 { comma } else { "" });
                line(out, &inner);
                write(out, item, place, &inner);
            }
            line(out, indent);
            out.push(']');
        }
        Value::Object(entries) if !entries.is_empty() => {
            out.push('{');
            for (number, (key, item)) in entries.iter().enumerate() {
                out.push_str(if number > 0 { comma } else { "" });
                line(out, &inner);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write(out, item, place, &inner);
            }
            line(out, indent);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of reading find the same keys at the same places.
    #[test]
    fn reads_alike() {
        let texts = [
            "{}",
            " \n{ \"a\" : { } , \"b\":[1,{\"c\":\"]}\"}],\"a\":-1.5e+9 } \n",
            "{\"\\u00e9\\n\\\"\": \"\\\\\", \"é\": {\"\": null, \"x\": true}}",
            "{// one {\n\"a\": /* , */ 1, // two\n\
             /* é */ \"b\": [1, 2,], \"c\": {\"d\": 1,},\r\n}\r\n",
            "// only\n{\"a\": \"// no /* comment */\" /* x */,\n}",
            "{\"a\": {\"b\": {\"}\": \"{\\\"\"}, \"c\": {}}, \"c\": {\"d\": {\"e\": [{}]}}}",
        ];
        let path = |text: &str| text.split_terminator('.').map(str::to_owned).collect::<Vec<_>>();
        let choices = [vec![], vec![path("a")], vec![path("a.b"), path("c.d.e"), path("é")]];
        for (text, chosen) in texts.iter().flat_map(|text| choices.iter().map(move |c| (text, c))) {
            let paths = Paths::of(chosen.iter().map(Vec::as_slice));
            let json = Json { is_lenient: true };
            let slow = node(json.read(text).unwrap().unwrap(), 0, Some(&paths));
            let fast = json_scan::read(text, true, &paths).unwrap();
            assert_eq!(format!("{fast:?}"), format!("{slow:?}"), "{text}");
        }
        let paths = Paths::default();
        for text in
            ["{,}", "{\"a\":1,,}", "{\"a\" 1}", "{\"a\":[,]}", "[1]", "", "{\"a\":1} x", "{/* x"]
        {
            assert!(json_scan::read(text, true, &paths).is_none(), "{text}");
        }
        for text in ["{\"a\":1,}", "{/* x */}", "{// x\n}"] {
            assert!(json_scan::read(text, false, &paths).is_none(), "{text}");
        }
    }
}
