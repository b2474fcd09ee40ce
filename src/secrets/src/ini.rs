//! INI documents: sections of keys. Values are text; the metadata are the section `sops`.
//!
//! The grammar is that of the library which SOPS uses, gopkg.in/ini.v1: `=` or `:` between key and
//! value, quotes of three kinds, `;` and `#` for comments, also in the middle of a word. The
//! comment before a key counts as one behind it. SOPS drops a comment behind the last key; here it
//! is one of the last section, so that it is encrypted and stays.

use std::collections::HashSet;
use std::ops::Range;

use crate::flat;
use crate::options::KEY;
use crate::plain::Plain;
use crate::problem::{Problem, Result, line_of};
use crate::tree::{Comment, Entry, Item, Node, ValueKind};
use crate::value::Value;

/// What the library calls the keys before the first section.
const DEFAULT: &str = "DEFAULT";
/// The text around values of several lines.
const TRIPLE: &str = "\"\"\"";

struct Section {
    name: String,
    start: usize,
    end: usize,
    items: Vec<Item>,
    keys: HashSet<String>,
}

/// Reads a document.
pub(crate) fn read(text: &str) -> Result<(Node, Option<Plain>)> {
    let mut sections = vec![Section::new(DEFAULT, 0)];
    let mut comment: Option<Comment> = None;
    let mut at = 0;
    while at < text.len() {
        let end = end_of_value(text, at);
        let next = (end + 1).min(text.len());
        let number = line_of(text, at);
        let line = &text[at..end];
        let trimmed = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        at = next;
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.starts_with([';', '#']) {
            let range = start..start + trimmed.len();
            comment = Some(add_comment(text, comment, range));
            continue;
        }
        let section = sections.len() - 1;
        if let Some(rest) = trimmed.strip_prefix('[') {
            let Some(close) = rest.rfind(']') else {
                return Err(Problem::at(number, "the `]` of a section is missing"));
            };
            let name = &rest[..close];
            if let Some(index) = sections.iter().position(|section| section.name == name)
                && !(index == 0 && sections[0].items.is_empty())
            {
                return Err(Problem::at(number, format!("the section `{name}` occurs twice")));
            }
            let mut opened = Section::new(name, start);
            // A comment before the metadata is the end of the data.
            let owner = if name == KEY { &mut sections[section] } else { &mut opened };
            owner.items.extend(comment.take().map(Item::Comment));
            sections.push(opened);
        } else {
            let (key, value, span) = pair(text, start, start + trimmed.len(), number)?;
            let section = &mut sections[section];
            if !section.keys.insert(key.clone()) {
                return Err(Problem::at(
                    number,
                    format!("the key `{key}` occurs twice in its section"),
                ));
            }
            let behind = span.end..start + trimmed.len();
            let node = Node {
                kind: ValueKind::Leaf(Value::Str(value)),
                span,
                flow: false,
                column: 0,
                indent: 0,
            };
            section.items.push(Item::Entry(Entry { key: Some(key), start, node }));
            section.items.extend(comment.take().map(Item::Comment));
            if text[behind.clone()].trim_start().starts_with([';', '#']) {
                section.items.push(Item::Comment(add_comment(text, None, behind)));
            }
        }
        if let Some(section) = sections.last_mut() {
            section.end = end;
        }
    }
    if let Some(section) = sections.last_mut() {
        section.items.extend(comment.take().map(Item::Comment));
    }
    if sections[0].items.is_empty() {
        sections.remove(0);
    }
    let metadata = sections.iter().find(|section| section.name == KEY).map(Section::pairs);
    let metadata = metadata.map(|pairs| flat::unflatten(&pairs)).transpose()?;
    let items = sections.into_iter().map(Section::into_item).collect();
    let span = 0..text.len();
    Ok((Node { kind: ValueKind::Map(items), span, flow: false, column: 0, indent: 0 }, metadata))
}

/// The end of a line, or of the last line of a value between `"""` that begins in it.
fn end_of_value(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let line = &text[at..end];
    let is_pair = !line.trim_start().starts_with([';', '#', '[']);
    let open = line.find(['=', ':']).map(|sign| at + sign + 1).filter(|_| is_pair);
    let Some(open) = open.filter(|open| text[*open..end].trim_start().starts_with(TRIPLE)) else {
        return end;
    };
    let content = end - text[open..end].trim_start().len() + TRIPLE.len();
    let Some(close) = text[content..].find(TRIPLE) else { return end };
    let close = content + close;
    close + text[close..].find('\n').unwrap_or(text.len() - close)
}

impl Section {
    fn new(name: &str, start: usize) -> Self {
        Self { name: name.to_owned(), start, end: start, items: Vec::new(), keys: HashSet::new() }
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for item in &self.items {
            if let Item::Entry(Entry { key: Some(key), node, .. }) = item
                && let ValueKind::Leaf(Value::Str(text)) = &node.kind
            {
                pairs.push((key.clone(), text.clone()));
            }
        }
        pairs
    }

    fn into_item(self) -> Item {
        let node = Node {
            kind: ValueKind::Map(self.items),
            span: self.start..self.end,
            flow: false,
            column: 0,
            indent: 0,
        };
        Item::Entry(Entry { key: Some(self.name), start: self.start, node })
    }
}

/// Comments of several lines are one, which begins behind the first mark.
fn add_comment(text: &str, before: Option<Comment>, line: Range<usize>) -> Comment {
    let content = text[line.clone()].trim_start();
    match before {
        Some(before) => {
            let span = before.span.start..line.end;
            Comment { text: format!("{}\n{content}", before.text), span, element: None }
        }
        None => {
            // More marks of the same kind count as one.
            let mark = content.chars().next().unwrap_or(';');
            let first = content.trim_start_matches([mark, ' ']);
            let start = line.end - first.len();
            Comment { text: first.to_owned(), span: start..line.end, element: None }
        }
    }
}

/// The text with each comment behind a value or a section before its line: SOPS makes one comment
/// of the two, and a value in quotes cannot have one behind it.
pub(crate) fn comments_before(text: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let end = end_of_value(text, at);
        let next = (end + 1).min(text.len());
        let line = &text[at..end];
        let trimmed = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        let behind = if trimmed.starts_with('[') {
            trimmed.rfind(']').map(|close| start + close + 1)
        } else if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            None
        } else {
            pair(text, start, start + trimmed.len(), 0).ok().map(|(_, _, span)| span.end)
        };
        let comment =
            behind.and_then(|behind| Some(behind..behind + text[behind..end].find([';', '#'])?));
        match comment {
            Some(gap) => {
                out.push_str(text[gap.end..end].trim_end());
                out.push('\n');
                out.push_str(text[at..gap.start].trim_end());
                out.push_str(&text[end..next]);
            }
            None => out.push_str(&text[at..next]),
        }
        at = next;
    }
    out
}

/// The key and the value of a line, and where the value is.
fn pair(
    text: &str,
    start: usize,
    end: usize,
    number: usize,
) -> Result<(String, String, Range<usize>)> {
    let line = &text[start..end];
    let missing =
        || Problem::at(number, "there is no `=` in it, so it is not a line of an INI document");
    let (key, rest) = match line.chars().next() {
        Some(quote @ ('"' | '`')) => {
            let close = line[1..].find(quote).ok_or_else(missing)?;
            let rest = line[close + 2..].trim_start();
            let rest = rest.strip_prefix(['=', ':']).ok_or_else(missing)?;
            (&line[1..=close], rest)
        }
        _ => {
            let at = line.find(['=', ':']).ok_or_else(missing)?;
            (line[..at].trim(), &line[at + 1..])
        }
    };
    if key.is_empty() {
        return Err(Problem::at(number, "a key is missing before `=`"));
    }
    let value = rest.trim();
    let from = end - rest.trim_start().len();
    let (content, length) = unquote(value, number)?;
    Ok((key.to_owned(), content, from..from + length))
}

/// A value without its quotes or the comment behind it, and how long its text is.
fn unquote(value: &str, number: usize) -> Result<(String, usize)> {
    if value.ends_with('\\') && !value.starts_with(['"', '`', '\'']) {
        return Err(Problem::at(
            number,
            "a value continues in the next line, which is not supported",
        )
        .with_hint("write it in one line, in quotes"));
    }
    if value.starts_with(TRIPLE) {
        let close = value[3..].find(TRIPLE);
        return match close {
            Some(close) => Ok((value[3..3 + close].to_owned(), close + 6)),
            None => Err(Problem::at(number, "a value in `\"\"\"` is not closed")),
        };
    }
    if let Some(rest) = value.strip_prefix('`') {
        return match rest.find('`') {
            Some(close) => Ok((rest[..close].to_owned(), close + 2)),
            None => Err(Problem::at(number, "a value in backticks is not closed in its line")),
        };
    }
    let plain = value.find(['#', ';']).map_or(value, |at| value[..at].trim_end());
    for quote in ['"', '\''] {
        if plain.len() >= 2 && plain.starts_with(quote) && plain.ends_with(quote) {
            let inner = &plain[1..plain.len() - 1];
            if !inner.contains(quote) {
                return Ok((inner.to_owned(), plain.len()));
            }
        }
    }
    Ok((plain.to_owned(), plain.len()))
}

/// Writes a value. All are text in this format.
pub(crate) fn render(value: &Value) -> Result<String> {
    let bytes = value.to_content();
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::new("an INI document holds text only"))?;
    let comes_back = |written: &str| {
        !written.starts_with("\"\"\"\"")
            && matches!(
                unquote(written, 0),
                Ok((content, length)) if content == text && length == written.len()
            )
    };
    if !text.contains(['`', '#', ';', '\n']) && text.trim() == text && comes_back(text) {
        return Ok(text.to_owned());
    }
    // In the order of the library: what has a mark of comments gets backticks.
    let quotes = if text.contains(['\n', '`']) {
        [TRIPLE; 3]
    } else if text.contains(['#', ';']) {
        ["`", "\"\"\"", "\""]
    } else {
        ["\"", "\"\"\"", "`"]
    };
    for quote in quotes {
        let written = format!("{quote}{text}{quote}");
        if comes_back(&written) {
            return Ok(written);
        }
    }
    Err(Problem::new("a value has quotes of all kinds, which an INI document cannot hold")
        .with_hint("use a YAML or JSON document"))
}

/// The change that gives a comment another text, with a mark before each of its lines.
pub(crate) fn render_comment(comment: &Comment, text: &str) -> (Range<usize>, String) {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let mark = line.chars().next().filter(|mark| matches!(mark, ';' | '#'));
        let rest = line.strip_prefix([';', '#']).unwrap_or(line);
        out.push_str(&format!("\n{} {}", mark.unwrap_or(';'), rest.trim()));
    }
    (comment.span.clone(), out)
}

/// The text with other metadata, in the section `sops`.
pub(crate) fn with_metadata(text: &str, content: Option<&Plain>) -> Result<String> {
    let (root, _) = read(text)?;
    let mut out = String::new();
    match root.get(KEY) {
        Some(entry) => {
            let end = text[entry.node.span.end..]
                .find('\n')
                .map_or(text.len(), |at| entry.node.span.end + at + 1);
            out.push_str(text[..entry.start].trim_end_matches('\n'));
            let rest = &text[end..];
            if !rest.trim().is_empty() {
                out.push_str("\n\n");
                out.push_str(rest.trim_start_matches('\n'));
            }
        }
        None => out.push_str(text.trim_end_matches('\n')),
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if let Some(content) = content {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("[{KEY}]\n"));
        let pairs = flat::flatten(content);
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, text) in pairs {
            out.push_str(&format!("{name:width$} = {text}\n"));
        }
    }
    Ok(out)
}

/// The text that adds a key to a section, or a section with it, and where it goes.
pub(crate) fn insertion(
    text: &str,
    section: &str,
    key: &str,
    value: &str,
) -> Result<(usize, String)> {
    let bad = |name: &str| {
        name.trim() != name
            || name.is_empty()
            || name.contains(['\n', '=', ':', '[', ']', '"', '`'])
    };
    if bad(section) || bad(key) || section == KEY || key.starts_with([';', '#']) {
        return Err(Problem::new(format!(
            "`{section}.{key}` is not a valid name in an INI document"
        )));
    }
    let (root, _) = read(text)?;
    if let Some(entry) = root.get(section) {
        let at = text[entry.node.span.end..]
            .find('\n')
            .map_or(text.len(), |at| entry.node.span.end + at + 1);
        let newline = if text[..at].ends_with('\n') { "" } else { "\n" };
        return Ok((at, format!("{newline}{key} = {value}\n")));
    }
    if section == DEFAULT {
        return Ok((0, format!("{key} = {value}\n")));
    }
    match root.get(KEY) {
        Some(metadata) => Ok((metadata.start, format!("[{section}]\n{key} = {value}\n\n"))),
        None => {
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let blank = if text.is_empty() { "" } else { "\n" };
            Ok((text.len(), format!("{newline}{blank}[{section}]\n{key} = {value}\n")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{read, render};
    use crate::value::Value;

    #[test]
    fn values_come_back() {
        for text in [
            "", "a", " a ", "a;b", "a # b", "a\nb\n", "'a'", "\"a\"", "`", "a=b", "a\\", "[x]",
            "\"\"", "ä 🎉",
        ] {
            let Ok(written) = render(&Value::Str(text.to_owned())) else {
                panic!("{text:?} cannot be written")
            };
            let document = format!("; c\n[s]\nk = {written}\nl : x\n");
            let (root, _) = read(&document).unwrap_or_else(|error| panic!("{document:?}: {error}"));
            let mut expected = String::new();
            crate::json_text::write_text(text, &mut expected);
            let json = root.to_plain().to_json();
            assert_eq!(
                *json,
                format!("{{\"s\":{{\"k\":{expected},\"l\":\"x\"}}}}"),
                "{document:?}"
            );
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        for bad in [
            "[a",
            "[a]\nx",
            "[a]\n= 1",
            "[a]\nk = 1\nk = 2",
            "[a]\n[b]\n[a]\n",
            "[a]\nk = `x",
            "[a]\nk = \"\"\"x",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
