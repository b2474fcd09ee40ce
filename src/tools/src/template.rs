//! The language of names and addresses in registries: the part of Go's templates
//! (<https://pkg.go.dev/text/template>), with functions of sprig, that registries use.
//!
//! - `{{.Name}}`, `{{.Vars.name}}`, `{{function argument ...}}`, `{{value | function ...}}`, where
//!   the value is the last argument; parentheses; texts in `"` or backquotes; numbers
//! - `{{if}}`, `{{else if}}`, `{{else}}`, `{{end}}`; `{{-` and `-}}` take white space away;
//!   `{{/* a comment */}}`
//! - `(semver .Version).Major`, `Minor`, `Patch`, `Prerelease`
//! - the functions of [`FUNCTIONS`]

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::version::Version;

/// How deep templates may be nested.
const MAX_DEPTH: usize = 50;

/// How many bytes a rendered text may have.
const MAX_LENGTH: usize = 65_536;

/// The functions that templates may call.
pub const FUNCTIONS: [&str; 30] = [
    "trimV",
    "trimPrefix",
    "trimSuffix",
    "trim",
    "trimAll",
    "replace",
    "title",
    "lower",
    "upper",
    "toLower",
    "toUpper",
    "contains",
    "hasPrefix",
    "hasSuffix",
    "semver",
    "splitList",
    "join",
    "index",
    "first",
    "last",
    "regexFind",
    "regexReplaceAll",
    "eq",
    "ne",
    "and",
    "or",
    "not",
    "default",
    "substr",
    "print",
];

/// A template that cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

type Result<T> = std::result::Result<T, TemplateError>;

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(TemplateError(text.into()))
}

/// What the names in a template mean: `Version` for `{{.Version}}`, `Vars.x` for `{{.Vars.x}}`.
pub type Names<'a> = BTreeMap<Cow<'a, str>, String>;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<Value>),
    Version(String),
}

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0,
            Value::Bool(value) => *value,
            Value::List(items) => !items.is_empty(),
            Value::Version(_) => true,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Value::Text(text) | Value::Version(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::List(items) => {
                format!("[{}]", items.iter().map(Value::to_text).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Show(Term),
    If(Vec<(Term, Vec<Node>)>, Vec<Node>),
}

#[derive(Clone, Debug)]
enum Term {
    Value(Value),
    Name(String),
    Field(Box<Term>, String),
    Call(String, Vec<Term>),
}

/// A template.
#[derive(Clone, Debug)]
pub struct Template(Vec<Node>);

/// Renders a template in one go.
///
/// # Errors
/// As [`Template::parse`] and [`Template::render`].
pub fn render(text: &str, names: &Names<'_>) -> Result<String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    Template::parse(text)?.render(names)
}

/// A piece of a template, unchanged.
enum Piece {
    Text(String),
    Action(String),
}

/// Cuts a template into texts and actions.
fn pieces(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut is_trimmed = false;
    loop {
        let trimmed = if is_trimmed { rest.trim_start() } else { rest };
        let Some((before, after)) = trimmed.split_once("{{") else {
            pieces.push(Piece::Text(trimmed.to_owned()));
            return Ok(pieces);
        };
        let Some(end) = find_end(after) else {
            return fail("`{{` is not closed");
        };
        let (inner, after) = after.split_at(end);
        rest = after.strip_prefix("}}").unwrap_or(after);
        let (inner, trims_before) = match inner.strip_prefix("- ") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (inner, trims_after) = match inner.strip_suffix(" -") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        is_trimmed = trims_after;
        let before = if trims_before { before.trim_end() } else { before };
        pieces.push(Piece::Text(before.to_owned()));
        let inner = inner.trim();
        if !(inner.starts_with("/*") && inner.ends_with("*/")) {
            pieces.push(Piece::Action(inner.to_owned()));
        }
    }
}

/// Finds the `}}` that closes an action, not one in quotes.
fn find_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut place, mut quote) = (0, None);
    while let Some(byte) = bytes.get(place) {
        match (quote, byte) {
            (Some(b'"'), b'\\') => place += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'`') => quote = Some(*byte),
            (None, b'}') if bytes.get(place + 1) == Some(&b'}') => return Some(place),
            (None, _) => {}
        }
        place += 1;
    }
    None
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is not one, or uses what this library does not know.
    pub fn parse(text: &str) -> Result<Template> {
        let pieces = pieces(text)?;
        let mut pieces = pieces.into_iter();
        let (nodes, end) = block(&mut pieces, 0)?;
        match end {
            None => Ok(Template(nodes)),
            Some(word) => fail(format!("`{word}` has no `if`")),
        }
    }

    /// Renders it.
    ///
    /// # Errors
    /// When a name is unknown, or a function cannot use its arguments.
    pub fn render(&self, names: &Names<'_>) -> Result<String> {
        let mut text = String::new();
        show(&self.0, names, &mut text)?;
        Ok(text)
    }
}

/// Reads nodes up to `else` or `end`, which are answered too.
fn block(
    pieces: &mut std::vec::IntoIter<Piece>,
    depth: usize,
) -> Result<(Vec<Node>, Option<String>)> {
    if depth > MAX_DEPTH {
        return fail("it is nested too deeply");
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                if !text.is_empty() {
                    nodes.push(Node::Text(text));
                }
                continue;
            }
            Piece::Action(action) => action,
        };
        let word = action.split_whitespace().next().unwrap_or("").to_owned();
        match word.as_str() {
            "else" | "end" => return Ok((nodes, Some(action))),
            "if" => {
                let mut branches = Vec::new();
                let mut condition = action.strip_prefix("if").unwrap_or("").to_owned();
                let otherwise = loop {
                    let (inner, end) = block(pieces, depth + 1)?;
                    branches.push((term(&condition)?, inner));
                    let end = end.unwrap_or_default();
                    match end.strip_prefix("else").map(str::trim) {
                        Some("") => {
                            let (inner, end) = block(pieces, depth + 1)?;
                            if end.as_deref() != Some("end") {
                                return fail("`if` has no `end`");
                            }
                            break inner;
                        }
                        Some(other) if other.starts_with("if ") => {
                            condition = other.strip_prefix("if").unwrap_or("").to_owned();
                        }
                        None if end == "end" => break Vec::new(),
                        _ => return fail("`if` has no `end`"),
                    }
                };
                nodes.push(Node::If(branches, otherwise));
            }
            "range" | "with" | "define" | "template" | "block" => {
                return fail(format!("`{word}` is not known here"));
            }
            _ => nodes.push(Node::Show(term(&action)?)),
        }
    }
    Ok((nodes, None))
}

fn show(nodes: &[Node], names: &Names<'_>, text: &mut String) -> Result<()> {
    for node in nodes {
        match node {
            Node::Text(literal) => text.push_str(literal),
            Node::Show(term) => text.push_str(&evaluate(term, names)?.to_text()),
            Node::If(branches, otherwise) => {
                let mut chosen = otherwise;
                for (condition, inner) in branches {
                    if evaluate(condition, names)?.is_true() {
                        chosen = inner;
                        break;
                    }
                }
                show(chosen, names, text)?;
            }
        }
        if text.len() > MAX_LENGTH {
            return fail("the result is too long");
        }
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    /// `.Version`, `.Vars.name`.
    Path(String),
    Word(String),
    Open,
    Close,
    Pipe,
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let after = rest.get(first.len_utf8()..).unwrap_or("");
        let (token, after) = match first {
            '(' => (Token::Open, after),
            ')' => (Token::Close, after),
            '|' => (Token::Pipe, after),
            '`' => match after.split_once('`') {
                Some((inner, after)) => (Token::Text(inner.to_owned()), after),
                None => return fail("a quote is not closed"),
            },
            '"' => {
                let (inner, after) = quoted(after)?;
                (Token::Text(inner), after)
            }
            '.' => {
                let end =
                    after.find(|letter| !is_word(letter) && letter != '.').unwrap_or(after.len());
                let (path, after) = after.split_at(end);
                (Token::Path(path.to_owned()), after)
            }
            _ if first.is_ascii_digit() || first == '-' => {
                let end = after
                    .find(|letter: char| !letter.is_ascii_digit())
                    .map_or(rest.len(), |end| end + 1);
                let (number, after) = rest.split_at(end);
                match number.parse() {
                    Ok(number) => (Token::Number(number), after),
                    Err(_) => return fail(format!("`{number}` is not a number")),
                }
            }
            _ if is_word(first) => {
                let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (Token::Word(word.to_owned()), after)
            }
            _ => return fail(format!("`{first}` is not known here")),
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// Reads a text up to its `"`; answers it, and what follows.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, text.get(place + 1..).unwrap_or(""))),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    fail("a quote is not closed")
}

/// Reads the content of an action: calls with `|` between them.
fn term(text: &str) -> Result<Term> {
    let tokens = tokens(text)?;
    let mut place = 0;
    let term = pipeline(&tokens, &mut place, 0)?;
    if place < tokens.len() { fail(format!("`{text}` has an extra `)`")) } else { Ok(term) }
}

fn pipeline(tokens: &[Token], place: &mut usize, depth: usize) -> Result<Term> {
    let mut result: Option<Term> = None;
    loop {
        let mut words = operands(tokens, place, depth)?;
        words.extend(result.take().map(Operand::Term));
        result = Some(command(words)?);
        match tokens.get(*place) {
            Some(Token::Pipe) => *place += 1,
            _ => break,
        }
        if !matches!(tokens.get(*place), Some(Token::Word(_))) {
            return fail("a function must follow `|`");
        }
    }
    result.map_or_else(|| fail("`{{` and `}}` are empty"), Ok)
}

enum Operand {
    Function(String),
    Term(Term),
}

fn operands(tokens: &[Token], place: &mut usize, depth: usize) -> Result<Vec<Operand>> {
    if depth > MAX_DEPTH {
        return fail("it is nested too deeply");
    }
    let mut all = Vec::new();
    while let Some(token) = tokens.get(*place) {
        let operand = match token {
            Token::Pipe | Token::Close => break,
            Token::Text(text) => Operand::Term(Term::Value(Value::Text(text.clone()))),
            Token::Number(number) => Operand::Term(Term::Value(Value::Number(*number))),
            Token::Path(path) => Operand::Term(Term::Name(path.clone())),
            Token::Word(word) => match word.as_str() {
                "true" | "false" => Operand::Term(Term::Value(Value::Bool(word == "true"))),
                _ => Operand::Function(word.clone()),
            },
            Token::Open => {
                *place += 1;
                let mut inner = pipeline(tokens, place, depth + 1)?;
                if tokens.get(*place) != Some(&Token::Close) {
                    return fail("`(` is not closed");
                }
                if let Some(Token::Path(field)) = tokens.get(*place + 1) {
                    *place += 1;
                    inner = Term::Field(Box::new(inner), field.clone());
                }
                Operand::Term(inner)
            }
        };
        *place += 1;
        all.push(operand);
    }
    Ok(all)
}

fn command(words: Vec<Operand>) -> Result<Term> {
    let mut words = words.into_iter();
    match words.next() {
        None => fail("a value is missing"),
        Some(Operand::Term(term)) => match words.next() {
            None => Ok(term),
            Some(_) => fail("there is no `|` between two values"),
        },
        Some(Operand::Function(name)) => {
            if !FUNCTIONS.contains(&name.as_str()) {
                return fail(format!("there is no function `{name}`"));
            }
            let arguments = words.map(|word| match word {
                Operand::Term(term) => Ok(term),
                Operand::Function(name) => Ok(Term::Call(name, Vec::new())),
            });
            Ok(Term::Call(name, arguments.collect::<Result<Vec<_>>>()?))
        }
    }
}

fn evaluate(term: &Term, names: &Names<'_>) -> Result<Value> {
    match term {
        Term::Value(value) => Ok(value.clone()),
        Term::Name(name) => match names.get(name.as_str()) {
            Some(value) => Ok(Value::Text(value.clone())),
            None => fail(format!("the name `.{name}` is not known")),
        },
        Term::Field(inner, field) => match evaluate(inner, names)? {
            Value::Version(text) => field_of(&text, field),
            _ => fail(format!("there is no `.{field}` of this value")),
        },
        Term::Call(name, arguments) => {
            let arguments = arguments.iter().map(|argument| evaluate(argument, names));
            call(name, &arguments.collect::<Result<Vec<_>>>()?)
        }
    }
}

fn field_of(text: &str, field: &str) -> Result<Value> {
    let Some(version) = Version::parse(text) else {
        return fail(format!("`{text}` is not a version"));
    };
    let number = |index: usize| {
        let number = version.segments.get(index).copied().unwrap_or(0);
        Ok(Value::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    };
    match field {
        "Major" => number(0),
        "Minor" => number(1),
        "Patch" => number(2),
        "Prerelease" => Ok(Value::Text(version.prerelease)),
        "Original" => Ok(Value::Text(text.to_owned())),
        _ => fail(format!("a version has no `.{field}`")),
    }
}

fn title(text: &str) -> String {
    let mut begins = true;
    let capitals = text.chars().map(|letter| {
        let letter = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = !(letter.is_alphanumeric() || letter == '_' || letter == '\'');
        letter
    });
    capitals.collect()
}

fn regex(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| TemplateError(format!("the pattern {pattern:?}: {error}")))
}

fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    let texts: Vec<String> = arguments.iter().map(Value::to_text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let text = |text: &str| Ok(Value::Text(text.to_owned()));
    match (name, texts.as_slice(), arguments) {
        ("trimV", [given], _) => text(given.strip_prefix('v').unwrap_or(given)),
        ("trimPrefix", [prefix, given], _) => text(given.strip_prefix(prefix).unwrap_or(given)),
        ("trimSuffix", [suffix, given], _) => text(given.strip_suffix(suffix).unwrap_or(given)),
        ("trim", [given], _) => text(given.trim()),
        ("trimAll", [letters, given], _) => {
            text(given.trim_matches(|letter| letters.contains(letter)))
        }
        ("replace", [old, new, given], _) => text(&given.replace(old, new)),
        ("title", [given], _) => text(&title(given)),
        ("lower" | "toLower", [given], _) => text(&given.to_lowercase()),
        ("upper" | "toUpper", [given], _) => text(&given.to_uppercase()),
        ("contains", [part, given], _) => Ok(Value::Bool(given.contains(part))),
        ("hasPrefix", [prefix, given], _) => Ok(Value::Bool(given.starts_with(prefix))),
        ("hasSuffix", [suffix, given], _) => Ok(Value::Bool(given.ends_with(suffix))),
        ("semver", [given], _) => Ok(Value::Version((*given).to_owned())),
        ("splitList", [separator, given], _) => Ok(Value::List(
            given.split(separator).map(|part| Value::Text(part.to_owned())).collect(),
        )),
        ("join", [separator, _], [_, Value::List(items)]) => {
            text(&items.iter().map(Value::to_text).collect::<Vec<_>>().join(separator))
        }
        ("index", _, [Value::List(items), Value::Number(place)]) => {
            let item = usize::try_from(*place).ok().and_then(|place| items.get(place));
            item.cloned().map_or_else(|| fail(format!("there is no part {place}")), Ok)
        }
        ("first", _, [Value::List(items)]) => {
            items.first().cloned().map_or_else(|| fail("the list is empty"), Ok)
        }
        ("last", _, [Value::List(items)]) => {
            items.last().cloned().map_or_else(|| fail("the list is empty"), Ok)
        }
        ("regexFind", [pattern, given], _) => {
            text(regex(pattern)?.find(given).map_or("", |found| found.as_str()))
        }
        ("regexReplaceAll", [pattern, given, by], _) => {
            text(&regex(pattern)?.replace_all(given, *by))
        }
        ("eq", _, [left, others @ ..]) if !others.is_empty() => {
            Ok(Value::Bool(others.contains(left)))
        }
        ("ne", _, [left, right]) => Ok(Value::Bool(left != right)),
        ("not", _, [value]) => Ok(Value::Bool(!value.is_true())),
        ("and", _, [.., last]) => {
            Ok(arguments.iter().find(|value| !value.is_true()).unwrap_or(last).clone())
        }
        ("or", _, [.., last]) => {
            Ok(arguments.iter().find(|value| value.is_true()).unwrap_or(last).clone())
        }
        ("default", _, [other, value]) => {
            Ok(if value.is_true() { value.clone() } else { other.clone() })
        }
        ("substr", [_, _, given], [Value::Number(start), Value::Number(end), _]) => {
            let start = usize::try_from(*start).unwrap_or(0);
            let end = usize::try_from(*end).unwrap_or(given.len()).min(given.len());
            text(given.get(start.min(end)..end).unwrap_or(""))
        }
        ("print", _, _) => text(&texts.concat()),
        _ => fail(format!("`{name}` cannot work with these {} arguments", arguments.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String> {
        let names = [
            ("Version", "v1.22.3-rc1"),
            ("OS", "linux"),
            ("GOOS", "linux"),
            ("Vars.channel", "stable"),
            ("Asset", "tool-{{x}}.tar.gz"),
            ("Empty", ""),
        ];
        render(
            text,
            &names.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect(),
        )
    }

    #[test]
    fn templates_are_rendered() {
        let all = [
            ("plain }} text", "plain }} text"),
            ("a-{{.Version}}-{{ .OS }}.zip", "a-v1.22.3-rc1-linux.zip"),
            ("{{trimV .Version}}", "1.22.3-rc1"),
            ("{{.Version|trimV}}", "1.22.3-rc1"),
            (r#"{{trimPrefix "v1." .Version | trimV}}"#, "22.3-rc1"),
            (r#"{{trimV .Version | replace "-rc" "." | trimSuffix ".1"}}"#, "1.22.3"),
            ("{{title .OS}}", "Linux"),
            ("{{(semver .Version).Major}}.{{(semver .Version).Minor}}", "1.22"),
            (r#"{{index (splitList "." (trimV .Version)) 1}}"#, "22"),
            (r#"{{.Version | regexFind "^[^-]+"}}"#, "v1.22.3"),
            (r#"{{if eq .GOOS "darwin"}}mac{{else}}other{{end}}"#, "other"),
            (r#"{{if eq .OS "x" "linux"}}a{{end}}b"#, "ab"),
            (r#"{{if .Empty}}a{{else if eq .OS "linux"}}b{{else}}c{{end}}"#, "b"),
            ("{{.Vars.channel}}", "stable"),
            ("{{.Asset}}", "tool-{{x}}.tar.gz"),
            ("a {{- .OS -}} b", "alinuxb"),
            ("a{{/* nothing */}}b", "ab"),
            ("{{`a}}b`}}{{\"c}}\\\"d\"}}", "a}}bc}}\"d"),
            (r#"{{default "x" .Empty}}{{substr 0 2 .Version}}"#, "xv1"),
            (r#"{{if and (hasPrefix "v" .Version) (not (contains "b" .OS))}}y{{end}}"#, "y"),
        ];
        for (text, expected) in all {
            assert_eq!(rendered(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let all = [
            "{{",
            "{{}}",
            "{{.Nope}}",
            "{{nope .OS}}",
            "{{if .OS}}",
            "{{end}}",
            "{{else}}",
            "{{if .OS}}a{{else}}b",
            "{{range .OS}}{{end}}",
            "{{.OS .OS}}",
            "{{(.OS}}",
            "{{.OS)}}",
            "{{\"a}}",
            "{{trimV}}",
            "{{index (splitList \".\" .OS) 7}}",
            "{{(semver .OS).Major}}",
            "{{(semver .Version).Nope}}",
            "{{.OS | }}",
            "{{regexFind \"(\" .OS}}",
            "{{$x := 1}}",
        ];
        for text in all {
            assert!(rendered(text).is_err(), "{text}");
        }
        assert!(rendered(&format!("{{{{{}", "(".repeat(100_000))).is_err());
        assert!(rendered(&format!("{{{{{}.OS}}}}", "(".repeat(100_000))).is_err());
        assert!(rendered(&"{{if .OS}}".repeat(100_000)).is_err());
    }

    #[test]
    fn no_text_is_a_panic() {
        let text = r#"a{{if eq .OS "é"}}{{- (semver .Version).Major | trimV -}}{{else}}`{{end}}"#;
        for place in (0..text.len()).filter(|place| text.is_char_boundary(*place)) {
            let _ = rendered(&text[..place]);
            for sign in ["{{", "}}", "\"", "(", "|", "-", "é"] {
                let _ = rendered(&format!("{}{sign}{}", &text[..place], &text[place..]));
            }
        }
    }
}
