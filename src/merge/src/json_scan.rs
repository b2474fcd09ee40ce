//! Finds the keys of a JSON document, fast: files of programs can be large, and few of their keys
//! are declared.
//!
//! `serde_json` checks the syntax without keeping anything. After that, a scan may trust the text.
//! It gives up wherever the text is not JSON: then `json.rs` reads it and names the problem.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::node::{Entry, Map, Node, NodeKind, Shape};
use crate::paths::Paths;

/// Tables in tables beyond this are left to the parser, which has a limit too.
const DEPTH: usize = 128;

/// Returns the tree of a text whose value is an object. With `is_lenient`, it may have comments and
/// commas at the end of lists. Tables that none of the paths leads to stay unread. Returns `None`
/// when it is something else.
pub(crate) fn read(text: &str, is_lenient: bool, paths: &Paths) -> Option<Node> {
    let bare = if is_lenient { without_comments(text)? } else { Cow::Borrowed(text.as_bytes()) };
    serde_json::from_slice::<IgnoredAny>(&bare).ok()?;
    let scan = Scan { bytes: &bare, text };
    let at = scan.after_blanks(0);
    if bare.get(at) != Some(&b'{') {
        return None;
    }
    scan.value(at, 0, Some(paths))
}

/// Returns the bytes of a text with blanks in place of comments, and of commas at the end of lists:
/// everything else stays in its place.
fn without_comments(text: &str) -> Option<Cow<'_, [u8]>> {
    let bytes = text.as_bytes();
    let mut bare: Cow<'_, [u8]> = Cow::Borrowed(bytes);
    // The last two bytes that are neither blanks nor in comments: a comma and what it follows.
    let (mut last, mut before) = (0, 0_u8);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'/' => {
                let rest = &text[at..];
                let end = if rest.starts_with("//") {
                    at + rest.find('\n').unwrap_or(rest.len())
                } else if let Some(comment) = rest.strip_prefix("/*") {
                    at + 2 + comment.find("*/")? + 2
                } else {
                    return None;
                };
                bare.to_mut()[at..end].fill(b' ');
                at = end;
            }
            _ => {
                let is_end = matches!(byte, b'}' | b']');
                if is_end && bytes.get(last) == Some(&b',') && !b"[{,:\0".contains(&before) {
                    bare.to_mut()[last] = b' ';
                }
                before = bytes.get(last).copied().filter(|_| at > 0).unwrap_or_default();
                last = at;
                at = if byte == b'"' { string_end(bytes, at)? } else { at + 1 };
            }
        }
    }
    Some(bare)
}

/// Returns the end of the string that begins at a place.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// A text whose syntax was checked.
struct Scan<'a> {
    bytes: &'a [u8],
    text: &'a str,
}

impl Scan<'_> {
    fn after_blanks(&self, mut at: usize) -> usize {
        while matches!(self.bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        at
    }

    /// Reads the value at a place. Without paths that lead there, a table stays unread.
    fn value(&self, start: usize, depth: usize, paths: Option<&Paths>) -> Option<Node> {
        let leaf = |end: usize| Some(Node { span: start..end, kind: NodeKind::Leaf(None) });
        match (self.bytes.get(start)?, paths) {
            (b'{', Some(paths)) => self.object(start, depth, paths),
            (b'{', None) => {
                Some(Node { span: start..self.bracket_end(start)?, kind: NodeKind::Unread })
            }
            (b'[', _) => leaf(self.bracket_end(start)?),
            (b'"', _) => leaf(string_end(self.bytes, start)?),
            _ => {
                let is_end = |byte: &u8| b",]} \t\r\n".contains(byte);
                let rest = self.bytes.get(start..)?;
                leaf(start + rest.iter().position(is_end).unwrap_or(rest.len()))
            }
        }
    }

    /// Returns the end of the list or table that begins at a place.
    fn bracket_end(&self, start: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match self.bytes.get(at)? {
                b'"' => {
                    at = string_end(self.bytes, at)?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }

    fn object(&self, start: usize, depth: usize, paths: &Paths) -> Option<Node> {
        if depth == DEPTH {
            return None;
        }
        let mut entries = Vec::new();
        let mut at = self.after_blanks(start + 1);
        while *self.bytes.get(at)? != b'}' {
            let end = string_end(self.bytes, at)?;
            let key = self.key(at..end)?;
            // The colon.
            let at_value = self.after_blanks(self.after_blanks(end) + 1);
            let value = self.value(at_value, depth + 1, paths.below(&key))?;
            let after = value.span.end;
            entries.push(Entry { key, span: at..end, end: after, value });
            at = self.after_blanks(after);
            if *self.bytes.get(at)? == b',' {
                at = self.after_blanks(at + 1);
            }
        }
        let span = start..at + 1;
        let shape = Shape::Braces(span.clone());
        Some(Node { span, kind: NodeKind::Map(Map { entries, shape, is_null: false }) })
    }

    fn key(&self, range: Range<usize>) -> Option<String> {
        let quoted = self.text.get(range)?;
        if quoted.contains('\\') {
            return serde_json::from_str(quoted).ok();
        }
        Some(quoted.get(1..quoted.len() - 1)?.to_owned())
    }
}
