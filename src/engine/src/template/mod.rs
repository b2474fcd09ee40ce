//! Templates in the syntax of Jinja2: a text and values make another text. It reads no file:
//! callers give the texts of all templates, and learn which ones are missing.
//!
//! Rendering is strict: an undefined name is an error. Nothing is escaped, and all bytes of a
//! template outside of its tags are preserved, including the last newline and bytes that are not
//! UTF-8.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, UndefinedBehavior};

mod filters;
mod text;
mod values;

pub use values::UnusableValue;

use crate::failure::Explain;
use crate::value::Value;

/// How many steps one rendering may take: far more than any template needs, and so few that an
/// endless loop ends within seconds.
const FUEL: u64 = 20_000_000;

/// The texts of templates by their names, which are paths with `/` between components. A template
/// that was looked for and does not exist is there without a text.
pub type Texts = BTreeMap<String, Option<Vec<u8>>>;

/// What rendering came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rendered {
    /// The bytes of the result.
    Done(Vec<u8>),
    /// The names of templates that are included, and about which the caller said nothing. Rendering
    /// has to start over with their texts.
    Missing(BTreeSet<String>),
}

/// Why a template cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The name of the template that the error is in.
    pub template: String,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Returns the name of an included template: as it is written, beside the template that includes
/// it.
fn join<'a>(name: &'a str, parent: &str) -> Cow<'a, str> {
    if name.starts_with('/') {
        return Cow::Borrowed(name);
    }
    let directory = parent.rfind('/').map_or("", |slash| &parent[..=slash]);
    let whole = format!("{directory}{name}");
    let root = if whole.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else if part != ".." || root.is_empty() {
            parts.push(part);
        }
    }
    Cow::Owned(format!("{root}{}", parts.join("/")))
}

/// Renders the template `name` with `values`, which has to be a map.
///
/// # Errors
/// When a template cannot be parsed or rendered, or a value has an unsupported type.
pub fn render(texts: &Texts, name: &str, values: &Value) -> Result<Rendered, TemplateError> {
    let values = values::convert(values).map_err(|error| TemplateError {
        template: name.to_owned(),
        line: None,
        message: error.to_string(),
        hint: error.hint(),
    })?;
    let unknown: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let sources: Vec<(&str, Cow<'_, str>)> = texts
        .iter()
        .filter_map(|(name, text)| Some((name.as_str(), text::decode(text.as_deref()?))))
        .collect();
    let mut environment = Environment::new();
    environment.set_debug(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // It refuses delimiters, and there are none here.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default();
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(|output, _, value| show(output, value));
    filters::register(&mut environment);
    let (asked, known) = (Arc::clone(&unknown), texts.keys().cloned().collect::<BTreeSet<_>>());
    environment.set_path_join_callback(move |name, parent| {
        let joined = join(name, parent);
        if !known.contains(joined.as_ref()) {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(joined.clone().into_owned());
        }
        joined
    });
    for (name, source) in &sources {
        environment.add_template(name, source).map_err(|error| {
            let empty = Environment::empty();
            explain(&empty, &error, name, &values)
        })?;
    }
    let rendered =
        environment.get_template(name).and_then(|template| template.render(values.clone()));
    let missing = std::mem::take(&mut *unknown.lock().unwrap_or_else(PoisonError::into_inner));
    if !missing.is_empty() {
        return Ok(Rendered::Missing(missing));
    }
    match rendered {
        Ok(text) => Ok(Rendered::Done(text::encode(&text))),
        Err(error) => Err(explain(&environment, &error, name, &values)),
    }
}

/// Writes a value as a config means it: booleans as Lua writes them, and nothing that has no text.
fn show(output: &mut Output<'_>, value: &minijinja::Value) -> Result<(), minijinja::Error> {
    let refuse =
        |message: &'static str| Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
    match value.kind() {
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::None => refuse("a null has no text: test for it with `is none`"),
        ValueKind::Map | ValueKind::Seq => {
            refuse("a table has no text: go through it with `for`, or write it with a filter")
        }
        ValueKind::Bool => {
            let text = if value.is_true() { "true" } else { "false" };
            output.write_str(text).map_err(minijinja::Error::from)
        }
        _ => write!(output, "{value}").map_err(minijinja::Error::from),
    }
}

/// Returns the names that a template uses on a line and that the values lack.
fn undefined_names(
    environment: &Environment<'_>,
    error: &minijinja::Error,
    values: &minijinja::Value,
) -> Vec<String> {
    let Some(template) = error.name().and_then(|name| environment.get_template(name).ok()) else {
        return Vec::new();
    };
    let line = error.line().and_then(|line| error.template_source()?.lines().nth(line - 1));
    let is_lacking = |name: &str| {
        let mut value = values.clone();
        !name.split('.').all(|part| {
            value = value.get_attr(part).unwrap_or(minijinja::Value::UNDEFINED);
            !value.is_undefined()
        })
    };
    let names = template.undeclared_variables(true).into_iter();
    let mut names: Vec<String> = names
        .filter(|name| line.is_some_and(|line| line.contains(name.as_str())) && is_lacking(name))
        .collect();
    names.sort();
    names
}

/// Returns the error of the engine for templates as one for people: about the innermost place.
fn explain(
    environment: &Environment<'_>,
    error: &minijinja::Error,
    name: &str,
    values: &minijinja::Value,
) -> TemplateError {
    let mut innermost = error;
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        if let Some(inner) = next.downcast_ref::<minijinja::Error>()
            && inner.line().is_some()
        {
            innermost = inner;
        }
        source = next.source();
    }
    let detail = innermost.detail().map(str::to_owned);
    let expression = innermost
        .range()
        .and_then(|range| innermost.template_source().and_then(|source| source.get(range)));
    let (message, hint) = match innermost.kind() {
        ErrorKind::UndefinedError => {
            let names = undefined_names(environment, innermost, values);
            explain_undefined(&names, expression, values)
        }
        ErrorKind::TemplateNotFound => (
            detail.map_or_else(
                || "an included template does not exist".to_owned(),
                |detail| format!("an included template is missing: {detail}"),
            ),
            Some("includes are looked for beside the template that names them".to_owned()),
        ),
        ErrorKind::OutOfFuel => (
            "the template does not end: it takes too many steps".to_owned(),
            Some("look for a loop in a loop, or a macro that calls itself".to_owned()),
        ),
        kind => {
            let message = match detail {
                Some(detail) if kind == ErrorKind::SyntaxError => format!("syntax error: {detail}"),
                Some(detail) => format!("{kind}: {detail}"),
                None => kind.to_string(),
            };
            (message, None)
        }
    };
    TemplateError {
        template: innermost.name().unwrap_or(name).to_owned(),
        line: innermost.line(),
        message: text::show(&message),
        hint: hint.map(|hint| text::show(&hint)),
    }
}

/// Returns the message about a name that has no value, and the closest name that has one.
fn explain_undefined(
    names: &[String],
    expression: Option<&str>,
    values: &minijinja::Value,
) -> (String, Option<String>) {
    let known: Vec<String> =
        values.try_iter().into_iter().flatten().map(|key| key.to_string()).collect();
    let expression = expression.map(str::trim).filter(|text| !text.contains('\n'));
    let message = match expression {
        _ if !names.is_empty() => {
            format!("`{}` is not defined in the values", names.join("` or `"))
        }
        Some(expression) => format!("`{expression}` is not defined in the values"),
        None => "a name in it is not defined in the values".to_owned(),
    };
    let hint = if known.is_empty() {
        "no values are given: values = { NAME = ... }".to_owned()
    } else {
        format!("the values are {}", known.join(", "))
    };
    (message, Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(given: &[(&str, &[u8])]) -> Texts {
        given.iter().map(|(name, text)| ((*name).to_owned(), Some(text.to_vec()))).collect()
    }

    fn map(given: &[(&str, Value)]) -> Value {
        Value::Map(
            given.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())).collect(),
        )
    }

    fn string(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    fn done(text: &[u8], values: &Value) -> Vec<u8> {
        match render(&texts(&[("t", text)]), "t", values) {
            Ok(Rendered::Done(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_outside_of_tags_come_out_as_they_are() {
        for text in [
            b"".as_slice(),
            b"\n",
            b"a\n\n",
            b"a\r\nb\r\n",
            b"no newline",
            b"\xef\xbb\xbfbom\n",
            b"\xff\xfe\x80 latin \xe9\n",
            "\u{10ff80}\u{10ffff}".as_bytes(),
            b"nul \0 tab \t\x1b",
            b"<&\"'>",
        ] {
            assert_eq!(done(text, &map(&[])), text);
        }
    }

    #[test]
    fn any_bytes_come_through_values() {
        let mut state = 7_u32;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let values = map(&[("x", Value::Bytes(bytes.clone()))]);
            assert_eq!(done(b"{{ x }}", &values), bytes);
        }
    }

    #[test]
    fn values_are_not_escaped_for_any_name() {
        for name in ["t.html", "t.json", "t.yaml", "t"] {
            let rendered =
                render(&texts(&[(name, b"{{ x }}")]), name, &map(&[("x", string("<&\">"))]));
            assert_eq!(rendered, Ok(Rendered::Done(b"<&\">".to_vec())));
        }
    }

    #[test]
    fn undefined_names_are_errors_with_template_and_line() {
        let values = map(&[("user", map(&[("name", string("ada"))]))]);
        for (text, line, expression) in [
            ("{{ nme }}", 1, "nme"),
            ("a\n{{ user.mail }}\n", 2, "user.mail"),
            ("a\n\n{% if nme %}x{% endif %}", 3, "nme"),
            ("{% for a in nme %}{% endfor %}", 1, "nme"),
            ("{{ nme | upper }}", 1, "nme"),
            ("{{ nme | sh }}", 1, "nme"),
            ("{% set a = 1 %}\n{{ a + user.mail | length }}", 2, "user.mail"),
        ] {
            let error = render(&texts(&[("t", text.as_bytes())]), "t", &values).unwrap_err();
            assert_eq!((error.template.as_str(), error.line), ("t", Some(line)), "{text}");
            assert!(error.message.contains(expression), "{text}: {}", error.message);
        }
    }

    #[test]
    fn includes_are_asked_for_and_found_beside_the_template() {
        let mut given = texts(&[("/c/a/t", b"{% include 'x/part' %}!")]);
        let missing = |rendered| match rendered {
            Ok(Rendered::Missing(names)) => names.into_iter().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(render(&given, "/c/a/t", &map(&[]))), ["/c/a/x/part"]);
        given.insert("/c/a/x/part".to_owned(), Some(b"<{% include '../../q' %}>\n".to_vec()));
        assert_eq!(missing(render(&given, "/c/a/t", &map(&[]))), ["/c/q"]);
        given.insert("/c/q".to_owned(), None);
        let error = render(&given, "/c/a/t", &map(&[])).unwrap_err();
        assert_eq!((error.template.as_str(), error.line), ("/c/a/x/part", Some(1)));
        given.insert("/c/q".to_owned(), Some(b"q\n".to_vec()));
        let rendered = render(&given, "/c/a/t", &map(&[]));
        assert_eq!(rendered, Ok(Rendered::Done(b"<q\n>\n!".to_vec())));
    }

    #[test]
    fn a_missing_include_can_be_ignored() {
        let mut given = texts(&[("t", b"{% include 'x' ignore missing %}done")]);
        given.insert("x".to_owned(), None);
        assert_eq!(render(&given, "t", &map(&[])), Ok(Rendered::Done(b"done".to_vec())));
    }

    #[test]
    fn endless_templates_are_errors() {
        let text = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        assert!(render(&texts(&[("t", text.as_bytes())]), "t", &map(&[])).is_err());
        let error = render(&texts(&[("t", b"{% include 't' %}")]), "t", &map(&[])).unwrap_err();
        assert_eq!(error.template, "t");
    }

    #[test]
    fn booleans_are_shown_as_in_lua_and_what_has_no_text_is_refused() {
        let list = Value::List(vec![Value::Int(1)]);
        let values = map(&[
            ("yes", Value::Bool(true)),
            ("null", Value::Nil),
            ("list", list),
            ("x", map(&[])),
        ]);
        assert_eq!(done(b"{{ yes }} {{ not yes }}", &values), b"true false");
        assert_eq!(done(b"{% if null is none %}null{% endif %}", &values), b"null");
        for text in ["{{ null }}", "{{ list }}", "{{ x }}"] {
            assert!(render(&texts(&[("t", text.as_bytes())]), "t", &values).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_quote() {
        let table = map(&[
            ("a b", Value::List(vec![Value::Int(1), string("x'y")])),
            ("ok", Value::Bool(true)),
        ]);
        let values = map(&[
            ("plain", string("~a/b.c")),
            ("word", string("it's $HOME\n")),
            ("list", Value::List(vec![string("a b"), string("c")])),
            ("table", table),
            ("path", string("/syslua-placeholder/0123/bin")),
            ("number", Value::Int(42)),
            ("bytes", Value::Bytes(b"\xff\n".to_vec())),
        ]);
        for (text, expected) in [
            ("{{ word | sh }}", "'it'\\''s $HOME\n'"),
            ("{{ plain | sh }}", "'~a/b.c'"),
            ("{{ number | sh }}", "42"),
            ("{{ list | sh }}", "'a b' c"),
            ("{{ path | sh }}", "'/syslua-placeholder/0123/bin'"),
            ("{{ word | json }}", "\"it's $HOME\\n\""),
            ("{{ table | json }}", "{\"a b\":[1,\"x'y\"],\"ok\":true}"),
            ("{{ table | toml }}", "{ \"a b\" = [1, \"x'y\"], ok = true }"),
            ("{{ number | toml }}", "42"),
            ("{{ table | lua }}", "{ [\"a b\"] = { 1, \"x'y\" }, ok = true }"),
            ("{{ bytes | lua }}", "\"\\255\\n\""),
            ("{{ word | lua }}", "\"it's $HOME\\n\""),
        ] {
            let rendered = String::from_utf8(done(text.as_bytes(), &values)).unwrap();
            assert_eq!(rendered, expected, "{text}");
        }
        for text in ["{{ table | sh }}", "{{ bytes | json }}", "{{ bytes | toml }}"] {
            assert!(render(&texts(&[("t", text.as_bytes())]), "t", &values).is_err(), "{text}");
        }
    }
}
