//! The language of `version_constraint` and `version_filter`: the part of expr
//! (<https://expr-lang.org/docs/language-definition>) that registries use.
//!
//! - values: texts in `"`, `'` or backquotes, numbers, `true`, `false`, lists in `[]`
//! - names: `Version` (the whole tag), `SemVer` (without the prefix), `GOOS`, `GOARCH`
//! - `and`, `&&`, `or`, `||`, `not`, `!`, `==`, `!=`, `<`, `<=`, `>`, `>=` and parentheses
//! - `in`, `not in`, `startsWith`, `endsWith`, `contains`, `matches`
//! - `semver("RANGE")` of `SemVer`, `semverWithVersion("RANGE", text)`, `trimPrefix(text, prefix)`,
//!   `trimSuffix`, `hasPrefix`, `hasSuffix`, `lower`, `upper`, `len`
//!
//! A version of 40 hexadecimal digits is a commit and in no range. An expression that cannot be
//! evaluated is an error, which callers treat as false.

use regex_lite::Regex;

use crate::platform::Platform;
use crate::version::{Range, Version};

/// How deep expressions may be nested.
const MAX_DEPTH: usize = 50;

/// An expression that cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(String);

type Result<T> = std::result::Result<T, ExpressionError>;

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(ExpressionError(text.into()))
}

/// What an expression is evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The whole tag.
    pub version: &'a str,
    /// The tag without the prefix of the package.
    pub semver: &'a str,
    /// The platform, where there is one.
    pub platform: Option<Platform>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<Value>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 17] =
    ["&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", ",", "!", "<", ">", "?", ":", "."];

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '"' | '\'' | '`') {
            let (value, after) = quoted(rest, first)?;
            tokens.push(Token::Text(value));
            rest = after;
        } else if first.is_ascii_digit() {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            let Ok(number) = number.parse() else {
                return fail(format!("`{number}` is too large a number"));
            };
            tokens.push(Token::Number(number));
            rest = after;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest.strip_prefix(sign).unwrap_or("");
        } else {
            return fail(format!("`{first}` is not an operator of the language"));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Reads a text in quotes; answers it, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        if letter == quote {
            return Ok((value, text.get(place + letter.len_utf8()..).unwrap_or("")));
        }
        if letter != '\\' || quote == '`' {
            value.push(letter);
            continue;
        }
        match letters.next() {
            Some((_, 'n')) => value.push('\n'),
            Some((_, 't')) => value.push('\t'),
            Some((_, 'r')) => value.push('\r'),
            Some((_, other)) => value.push(other),
            None => break,
        }
    }
    fail("a quote is not closed")
}

#[derive(Clone, Debug)]
enum Node {
    Value(Value),
    Name(String),
    List(Vec<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(&'static str, Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
    InRange(Range),
    Call(String, Vec<Node>),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expression(Node);

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is not one, or uses what this library does not know.
    pub fn parse(text: &str) -> Result<Expression> {
        let mut parser = Parser { tokens: tokens(text)?, place: 0 };
        let node = parser.either(0)?;
        match parser.peek() {
            None => Ok(Expression(node)),
            Some(token) => fail(format!("unexpected {}", token.describe())),
        }
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// When what comes out is neither true nor false, or something in it cannot be evaluated.
    pub fn is_true(&self, scope: &Scope<'_>) -> Result<bool> {
        truth(&self.0, scope)
    }
}

/// Reads and evaluates an expression.
///
/// # Errors
/// As [`Expression::parse`] and [`Expression::holds`].
pub fn is_true(text: &str, scope: &Scope<'_>) -> Result<bool> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Expression::parse(other)?.is_true(scope),
    }
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Token::Text(text) => format!("{text:?}"),
            Token::Number(number) => format!("`{number}`"),
            Token::Word(word) => format!("`{word}`"),
            Token::Sign(sign) => format!("`{sign}`"),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_it = match self.peek() {
            Some(Token::Sign(sign)) => *sign == text,
            Some(Token::Word(word)) => word == text,
            _ => false,
        };
        self.place += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        if self.takes(text) { Ok(()) } else { fail(format!("`{text}` is missing")) }
    }

    fn either(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return fail("it is nested too deeply");
        }
        let mut left = self.both(depth)?;
        while self.takes("||") || self.takes("or") {
            left = Node::Or(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Node> {
        let mut left = self.negated(depth)?;
        while self.takes("&&") || self.takes("and") {
            left = Node::And(Box::new(left), Box::new(self.negated(depth)?));
        }
        Ok(left)
    }

    // `not` binds weaker than comparisons, `!` as `not`: what follows it is nearly always in
    // parentheses, and what is not is meant this way.
    fn negated(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return fail("it is nested too deeply");
        }
        if self.takes("!") || self.takes("not") {
            return Ok(Node::Not(Box::new(self.negated(depth + 1)?)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Node> {
        const COMPARED: [&str; 11] = [
            "==",
            "!=",
            "<=",
            ">=",
            "<",
            ">",
            "in",
            "startsWith",
            "endsWith",
            "contains",
            "matches",
        ];
        let left = self.operand(depth)?;
        let is_negated = self.takes("not");
        let Some(operator) = COMPARED.into_iter().find(|operator| self.takes(operator)) else {
            return if is_negated { fail("`not` has no operand") } else { Ok(left) };
        };
        let right = self.operand(depth)?;
        let node = match (operator, right) {
            ("matches", Node::Value(Value::Text(pattern))) => {
                let regex = Regex::new(&pattern).map_err(|error| {
                    ExpressionError(format!("the pattern {pattern:?}: {error}"))
                })?;
                Node::Matches(Box::new(left), regex)
            }
            ("matches", _) => return fail("`matches` needs a text"),
            (operator, right) => Node::Compare(operator, Box::new(left), Box::new(right)),
        };
        Ok(if is_negated { Node::Not(Box::new(node)) } else { node })
    }

    fn operand(&mut self, depth: usize) -> Result<Node> {
        let Some(token) = self.tokens.get(self.place).cloned() else {
            return fail("it ends too early");
        };
        self.place += 1;
        match token {
            Token::Text(text) => Ok(Node::Value(Value::Text(text))),
            Token::Number(number) => Ok(Node::Value(Value::Number(number))),
            Token::Sign("(") => {
                let inner = self.either(depth + 1)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Node::List(self.list("]", depth)?)),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Node::Value(Value::Bool(true))),
                "false" => Ok(Node::Value(Value::Bool(false))),
                _ if self.takes("(") => {
                    let arguments = self.list(")", depth)?;
                    call(word, arguments)
                }
                _ => Ok(Node::Name(word)),
            },
            other => fail(format!("unexpected {}", other.describe())),
        }
    }

    fn list(&mut self, end: &str, depth: usize) -> Result<Vec<Node>> {
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.either(depth + 1)?);
            if !self.takes(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }
}

fn call(name: String, arguments: Vec<Node>) -> Result<Node> {
    match (name.as_str(), arguments.as_slice()) {
        ("semver", [Node::Value(Value::Text(range))]) => match Range::parse(range) {
            Some(range) => Ok(Node::InRange(range)),
            None => fail(format!("{range:?} is not a range of versions")),
        },
        ("semver" | "lower" | "upper" | "len", [_])
        | ("semverWithVersion" | "trimPrefix" | "trimSuffix", [_, _])
        | ("hasPrefix" | "hasSuffix", [_, _]) => Ok(Node::Call(name, arguments)),
        _ => fail(format!("there is no function `{name}` of {} arguments", arguments.len())),
    }
}

fn truth(node: &Node, scope: &Scope<'_>) -> Result<bool> {
    match evaluate(node, scope)? {
        Value::Bool(value) => Ok(value),
        _ => fail("it is neither true nor false"),
    }
}

fn text(node: &Node, scope: &Scope<'_>) -> Result<String> {
    match evaluate(node, scope)? {
        Value::Text(value) => Ok(value),
        _ => fail("a text is expected"),
    }
}

/// Returns whether a version is a commit.
fn is_commit(version: &str) -> bool {
    version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn in_range(range: &Range, version: &str) -> Result<bool> {
    if is_commit(version) {
        return Ok(false);
    }
    match Version::parse(version) {
        Some(version) => Ok(range.has(&version)),
        None => fail(format!("`{version}` is not a version that can be compared")),
    }
}

fn evaluate(node: &Node, scope: &Scope<'_>) -> Result<Value> {
    let bool = |value| Ok(Value::Bool(value));
    match node {
        Node::Value(value) => Ok(value.clone()),
        Node::Name(name) => match (name.as_str(), scope.platform) {
            ("Version", _) => Ok(Value::Text(scope.version.to_owned())),
            ("SemVer", _) => Ok(Value::Text(scope.semver.to_owned())),
            ("GOOS", Some(platform)) => Ok(Value::Text(platform.os.to_owned())),
            ("GOARCH", Some(platform)) => Ok(Value::Text(platform.arch.to_owned())),
            _ => fail(format!("the name `{name}` is not known")),
        },
        Node::List(items) => {
            let items = items.iter().map(|item| evaluate(item, scope));
            items.collect::<Result<Vec<_>>>().map(Value::List)
        }
        Node::Not(inner) => bool(!truth(inner, scope)?),
        Node::And(left, right) => bool(truth(left, scope)? && truth(right, scope)?),
        Node::Or(left, right) => bool(truth(left, scope)? || truth(right, scope)?),
        Node::Matches(left, regex) => bool(regex.is_match(&text(left, scope)?)),
        Node::InRange(range) => bool(in_range(range, scope.semver)?),
        Node::Compare(operator, left, right) => {
            compare(operator, &evaluate(left, scope)?, &evaluate(right, scope)?)
        }
        Node::Call(name, arguments) => {
            let argument = |index: usize| match arguments.get(index) {
                Some(node) => text(node, scope),
                None => fail("an argument is missing"),
            };
            let given = argument(0)?;
            match name.as_str() {
                "semver" | "semverWithVersion" => {
                    let Some(range) = Range::parse(&given) else {
                        return fail(format!("{given:?} is not a range of versions"));
                    };
                    let version =
                        if name == "semver" { scope.semver.to_owned() } else { argument(1)? };
                    bool(in_range(&range, &version)?)
                }
                "lower" => Ok(Value::Text(given.to_lowercase())),
                "upper" => Ok(Value::Text(given.to_uppercase())),
                "len" => Ok(Value::Number(i64::try_from(given.len()).unwrap_or(i64::MAX))),
                "hasPrefix" => bool(given.starts_with(&argument(1)?)),
                "hasSuffix" => bool(given.ends_with(&argument(1)?)),
                "trimPrefix" => {
                    let prefix = argument(1)?;
                    Ok(Value::Text(given.strip_prefix(&prefix).unwrap_or(&given).to_owned()))
                }
                _ => {
                    let suffix = argument(1)?;
                    Ok(Value::Text(given.strip_suffix(&suffix).unwrap_or(&given).to_owned()))
                }
            }
        }
    }
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<Value> {
    let is_true = match (operator, left, right) {
        ("==", _, _) => left == right,
        ("!=", _, _) => left != right,
        ("in", _, Value::List(items)) => items.contains(left),
        ("startsWith", Value::Text(left), Value::Text(right)) => left.starts_with(right),
        ("endsWith", Value::Text(left), Value::Text(right)) => left.ends_with(right),
        ("contains", Value::Text(left), Value::Text(right)) => left.contains(right),
        (_, Value::Text(left), Value::Text(right)) => by_order(operator, left.cmp(right))?,
        (_, Value::Number(left), Value::Number(right)) => by_order(operator, left.cmp(right))?,
        _ => return fail(format!("`{operator}` does not compare these values")),
    };
    Ok(Value::Bool(is_true))
}

fn by_order(operator: &str, order: std::cmp::Ordering) -> Result<bool> {
    match operator {
        "<" => Ok(order.is_lt()),
        "<=" => Ok(order.is_le()),
        ">" => Ok(order.is_gt()),
        ">=" => Ok(order.is_ge()),
        _ => fail(format!("`{operator}` does not compare these values")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(text: &str, version: &str) -> Result<bool> {
        let semver = version.strip_prefix("cli-").unwrap_or(version);
        is_true(text, &Scope { version, semver, platform: Platform::parse("x86_64-linux") })
    }

    #[test]
    fn expressions_hold() {
        let all = [
            ("true", "x", true),
            ("false", "x", false),
            (r#"semver("<= 1.2")"#, "v1.2.0", true),
            (r#"semver(">= 1.2, < 2")"#, "2.0.0", false),
            (r#"Version == "1.0" || semver("> 5")"#, "6", true),
            (r#"Version == "1.0" or semver("> 5")"#, "1.0", true),
            (r#"Version in ["a", "b"]"#, "b", true),
            (r#"Version not in ["a", "b"]"#, "b", false),
            (r#"not (Version startsWith "gopls/") and semver(">= 1")"#, "v2", true),
            (r#"not Version startsWith "gopls/""#, "gopls/v1", false),
            (r#"!(Version contains "rc")"#, "v1-rc1", false),
            (r#"Version matches "^v\\d+\\.\\d+$""#, "v1.2", true),
            ("Version matches `^v\\d+$` && Version endsWith '2'", "v12", true),
            (r#"semverWithVersion("> 1", trimPrefix(Version, "cli-"))"#, "cli-1.1", true),
            (r#"semver("< 2") and SemVer == "1.1" and Version == "cli-1.1""#, "cli-1.1", true),
            (r#"GOOS == "linux" && GOARCH != "arm64""#, "1", true),
            (r#"len(Version) > 3"#, "1.22", true),
            (r#"semver(">= 0")"#, "0123456789abcdef0123456789abcdef01234567", false),
        ];
        for (text, version, expected) in all {
            assert_eq!(evaluated(text, version), Ok(expected), "{text} {version}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error() {
        let all = [
            "",
            "Version",
            "semver()",
            r#"semver("x")"#,
            "foo()",
            "Other == \"x\"",
            "(true",
            "true)",
            "true true",
            "\"open",
            "1 and true",
            "Version == ",
            "Version ~ 1",
            "[",
            "not",
            "Version not",
            "Version matches \"(\"",
            "Version in \"a\"",
            "1 < \"a\"",
            "a ? b : c",
            "99999999999999999999 == 1",
        ];
        for text in all {
            assert!(evaluated(text, "v1.0").is_err(), "{text}");
        }
        assert!(evaluated(r#"semver("> 1")"#, "nightly").is_err());
        assert!(evaluated(&"(".repeat(100_000), "1").is_err());
        assert!(evaluated(&"not ".repeat(100_000), "1").is_err());
    }
}
