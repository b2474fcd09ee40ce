//! The interface of a format's editor, and a text with the tree of its keys.
//!
//! It is over 600 lines, because all changes of a text, which keep its tree in step, are here.

use std::ops::Range;

use serde_json::Value;

use crate::node::{Entry, Map, Node, NodeKind, Shape};
use crate::paths::Paths;
use crate::problem::{Problem, Result};
use crate::record::{Before, Record, Removed};

/// Where a value is written.
#[derive(Clone, Debug)]
pub(crate) struct Insertion {
    /// What ends a line.
    pub newline: &'static str,
    /// What the line of its key begins with.
    pub indent: String,
    /// What a level more is indented by.
    pub unit: String,
    /// Whether a value may take several lines.
    pub is_open: bool,
    /// Whether it is between braces.
    pub is_braces: bool,
}

/// A table that begins with its own line.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// What is written before that line.
    pub lead: String,
    /// The line.
    pub text: String,
    /// What ends it.
    pub tail: String,
    /// How many keys of the path it makes.
    pub levels: usize,
}

/// Where the items of a list are, in the text of the list.
pub(crate) enum Items {
    /// Between brackets, with commas between them.
    Brackets(Vec<Range<usize>>),
    /// Behind dashes: where the lines of these begin.
    Dashes(Vec<usize>),
}

/// What an editor of a format knows.
pub(crate) trait Editor {
    /// Reads a text. Tables that none of the paths leads to may stay unread.
    ///
    /// # Errors
    /// When it is not of the format.
    fn parse(&self, text: &str, paths: &Paths) -> Result<Node>;

    /// Returns whether values can be read one by one: otherwise all is read again after an edit.
    fn has_parts(&self) -> bool {
        false
    }

    /// Reads one value of a text; the paths are those below it.
    fn parse_part(
        &self,
        _text: &str,
        _range: Range<usize>,
        _paths: Option<&Paths>,
    ) -> Option<Node> {
        None
    }

    /// Returns what a node says.
    fn value(&self, text: &str, node: &Node) -> Value;

    /// Returns a declared value as it reads once it is written.
    ///
    /// # Errors
    /// Why the format cannot say it.
    fn normal(&self, value: &Value) -> std::result::Result<Value, String> {
        Ok(value.clone())
    }

    /// Returns a key as it is written.
    ///
    /// # Errors
    /// Why the format cannot say it.
    fn key(&self, key: &str, is_braces: bool) -> std::result::Result<String, String>;

    /// Returns what is written between a key and its value where no other entry tells.
    fn separator(&self, text: &str, is_braces: bool) -> &'static str;

    /// Returns a value as it is written.
    ///
    /// # Errors
    /// Why the format cannot say it.
    fn render(&self, value: &Value, place: &Insertion) -> std::result::Result<String, String>;

    /// Returns the end of the comment that begins at a place; that of a line ends before its
    /// newline.
    fn comment(&self, text: &str, at: usize) -> Option<usize>;

    /// Returns a table without entries as it is written, where one may be.
    fn empty_table(&self, _is_braces: bool) -> Option<&'static str> {
        Some("{}")
    }

    /// Returns the line that makes the rest of a path below a table, if tables have such.
    fn header(&self, _text: &str, _above: &Map, _path: &[String], _depth: usize) -> Option<Header> {
        None
    }

    /// Returns where the items of a list are, if it is written in a form that can be changed in
    /// place.
    fn items(&self, _list: &str) -> Option<Items> {
        None
    }

    /// Returns whether a table is one text that another value can take the place of.
    fn is_replaceable(&self, _map: &Map) -> bool {
        true
    }
}

/// A text and the tree of its keys.
pub(crate) struct Document<'a> {
    pub editor: &'a dyn Editor,
    pub text: String,
    pub root: Node,
    pub newline: &'static str,
    /// The keys that are looked at.
    pub paths: Paths,
    unit: String,
}

impl<'a> Document<'a> {
    /// Reads a text. Only the given paths, and those above them, can be looked at.
    pub fn new(editor: &'a dyn Editor, text: String, paths: Paths) -> Result<Document<'a>> {
        let root = editor.parse(&text, &paths)?;
        let (newline, unit) = (newline_of(&text), unit_of(&text));
        Ok(Document { editor, text, root, newline, paths, unit })
    }

    /// Returns the value that a path leads to.
    pub fn value(&self, path: &[String]) -> Option<Value> {
        let node = self.root.get(path)?;
        Some(self.editor.value(&self.text, node))
    }

    pub fn map(&self, path: &[String]) -> Option<&Map> {
        self.root.get(path)?.map()
    }

    fn reparse(&mut self) -> Result<()> {
        self.root = self.editor.parse(&self.text, &self.paths)?;
        Ok(())
    }

    fn splice(&mut self, range: Range<usize>, new: &str) {
        let is_ordered = self.editor.has_parts();
        self.root.shift(range.start, range.len(), new.len(), is_ordered);
        self.text.replace_range(range, new);
    }

    /// Replaces the text of a value; returns the old text.
    pub fn replace(&mut self, path: &[String], new: &str) -> Result<String> {
        let Some(span) = self.root.get(path).map(|node| node.span.clone()) else {
            return Ok(String::new());
        };
        let old = self.text[span.clone()].to_owned();
        self.splice(span.clone(), new);
        let part = span.start..span.start + new.len();
        match self.editor.parse_part(&self.text, part, self.paths.at(path)) {
            Some(node) => {
                if let Some(place) = self.root.get_mut(path) {
                    *place = node;
                }
            }
            None => self.reparse()?,
        }
        Ok(old)
    }

    /// Returns where the value of an entry of a table is written.
    pub fn place(&self, path: &[String], lead: &str) -> Insertion {
        let is_braces = matches!(self.map(path).map(|map| &map.shape), Some(Shape::Braces(_)));
        let line = lead.rfind('\n').map(|newline| lead[newline + 1..].to_owned());
        let is_open = line.is_some();
        let indent = line.unwrap_or_default();
        Insertion { newline: self.newline, indent, unit: self.unit.clone(), is_open, is_braces }
    }

    /// Returns where the value of an entry that is there is written.
    pub fn place_of(&self, path: &[String]) -> Insertion {
        let Some((last, above)) = path.split_last() else { return self.place(path, "\n") };
        let start = self.map(above).and_then(|map| map.find(last)).map_or(0, |e| e.span.start);
        let line = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let indent = &self.text[line..start];
        let is_first = indent.trim().is_empty();
        let lead = if is_first { format!("\n{indent}") } else { String::new() };
        self.place(above, &lead)
    }

    /// Adds an entry to a table; `render` makes the text of its value.
    pub fn insert(
        &mut self,
        path: &[String],
        key: &str,
        record: &mut Record,
        render: &dyn Fn(&Insertion) -> Result<String>,
    ) -> Result<Before> {
        let Some(map) = self.map(path) else { return Ok(Before::Entries(Vec::new())) };
        match &map.shape {
            Shape::Lines(lines) => {
                let lines = lines.clone();
                let full = [path, std::slice::from_ref(&key.to_owned())].concat();
                let written =
                    self.editor.key(key, false).map_err(|why| Problem::value(&full, why))?;
                let place = self.place(path, &lines.lead);
                let separator = self.editor.separator(&self.text, false);
                let entry = format!(
                    "{}{}{written}{separator}{}",
                    lines.lead,
                    lines.prefix,
                    render(&place)?
                );
                self.splice(lines.at..lines.at, &(entry + &lines.tail));
                self.reparse()?;
                Ok(Before::Nothing { lead: lines.lead, tail: lines.tail })
            }
            Shape::Braces(span) => self.insert_in_braces(path, span.clone(), key, record, render),
            Shape::Implicit => Ok(Before::Entries(Vec::new())),
        }
    }

    fn insert_in_braces(
        &mut self,
        path: &[String],
        span: Range<usize>,
        key: &str,
        record: &mut Record,
        render: &dyn Fn(&Insertion) -> Result<String>,
    ) -> Result<Before> {
        let full = [path, std::slice::from_ref(&key.to_owned())].concat();
        let written = self.editor.key(key, true).map_err(|why| Problem::value(&full, why))?;
        let Some(map) = self.map(path) else { return Ok(Before::Entries(Vec::new())) };
        let Some(last) = map.entries.last() else {
            return self.insert_in_empty(path, span, &written, key, record, render);
        };
        let first = &map.entries[0];
        let is_open = self.text[span.start + 1..first.span.start].contains('\n');
        let end = last.end;
        let between = &self.text[last.span.end..last.value.span.start];
        let separator = if between.trim() == self.editor.separator(&self.text, true).trim() {
            between.to_owned()
        } else {
            self.editor.separator(&self.text, true).to_owned()
        };
        let mut lead = if is_open {
            format!("{}{}", self.newline, self.indent_at(last.span.start))
        } else if map.entries.len() > 1 {
            let before = &self.text[span.start + 1..last.span.start];
            before[before.trim_end_matches([' ', '\t']).len()..].to_owned()
        } else if [": ", " "].iter().any(|gap| self.text[last.span.end..].starts_with(gap)) {
            " ".to_owned()
        } else {
            String::new()
        };
        let next = self.skip(end);
        let has_comma = self.text[next..].starts_with(',');
        let after = if has_comma { next + 1 } else { end };
        let at = self.end_of_line_trivia(after);
        if at > after && !is_open {
            lead = format!("{}{}{}", self.newline, self.indent_at(span.start), self.unit);
        }
        let place = self.place(path, &lead);
        let value = render(&place)?;
        let (start, tail) = (at + lead.len(), if has_comma { "," } else { "" });
        self.splice(at..at, &format!("{lead}{written}{separator}{value}{tail}"));
        let comma = if has_comma { 0 } else { 1 };
        if comma == 1 {
            self.splice(end..end, ",");
        }
        self.added(path, key, start + comma, written.len(), separator.len(), value.len())?;
        Ok(Before::Nothing { lead, tail: tail.to_owned() })
    }

    fn insert_in_empty(
        &mut self,
        path: &[String],
        span: Range<usize>,
        written: &str,
        key: &str,
        record: &mut Record,
        render: &dyn Fn(&Insertion) -> Result<String>,
    ) -> Result<Before> {
        let (open, close) = (span.start + 1, span.end - 1);
        let inside = self.text[open..close].to_owned();
        let is_bare = inside.trim().is_empty();
        // Only where a table may take several lines.
        let is_multi = !is_bare
            || self.editor.has_parts()
                && (path.is_empty() || self.is_open(&path[..path.len() - 1]));
        let base = self.indent_at(span.start);
        let (kept, lead, end) = if is_multi {
            let lead = format!("{}{base}{}", self.newline, self.unit);
            (inside.trim_end(), lead, format!("{}{base}", self.newline))
        } else if self.editor.separator(&self.text, true).starts_with(' ') {
            ("", " ".to_owned(), " ".to_owned())
        } else {
            ("", String::new(), String::new())
        };
        let place = self.place(path, &lead);
        let (separator, value) = (self.editor.separator(&self.text, true), render(&place)?);
        let start = open + kept.len() + lead.len();
        let new = format!("{kept}{lead}{written}{separator}{value}{end}");
        self.splice(open..close, &new);
        record.table(path).inside.get_or_insert(inside);
        self.added(path, key, start, written.len(), separator.len(), value.len())?;
        Ok(Before::Nothing { lead, tail: String::new() })
    }

    /// Notes an entry that was written at the end of a table between braces.
    fn added(
        &mut self,
        path: &[String],
        key: &str,
        start: usize,
        written: usize,
        separator: usize,
        value: usize,
    ) -> Result<()> {
        let at = start + written + separator;
        let paths = self.paths.at(path).and_then(|paths| paths.below(key));
        let Some(node) = self.editor.parse_part(&self.text, at..at + value, paths) else {
            return self.reparse();
        };
        if let Some(Node { kind: NodeKind::Map(map), .. }) = self.root.get_mut(path) {
            let span = start..start + written;
            map.entries.push(Entry { key: key.to_owned(), span, end: at + value, value: node });
        }
        Ok(())
    }

    /// Makes a table below another one; returns the number of created keys of the path, and the
    /// text before.
    pub fn make_table(
        &mut self,
        path: &[String],
        depth: usize,
        record: &mut Record,
    ) -> Result<(usize, Before)> {
        let above = &path[..depth];
        let Some(map) = self.map(above) else { return Ok((0, Before::Entries(Vec::new()))) };
        if let Some(header) = self.editor.header(&self.text, map, path, depth) {
            let at = self.text.len();
            self.splice(at..at, &format!("{}{}{}", header.lead, header.text, header.tail));
            self.reparse()?;
            return Ok((header.levels, Before::Nothing { lead: header.lead, tail: header.tail }));
        }
        let is_braces = matches!(map.shape, Shape::Braces(_));
        let Some(empty) = self.editor.empty_table(is_braces) else {
            return Err(Problem::value(path, "the format has no tables at this level"));
        };
        let before = self.insert(above, &path[depth], record, &|_| Ok(empty.to_owned()))?;
        Ok((1, before))
    }

    /// Removes an entry from a table; `lead` and `tail` are the text written around it, if this
    /// crate wrote it.
    pub fn remove(
        &mut self,
        path: &[String],
        number: usize,
        around: Option<(&str, &str)>,
    ) -> Result<Removed> {
        let nothing = || Removed {
            text: String::new(),
            previous: None,
            between: String::new(),
            comma: None,
            line: None,
            braced: false,
        };
        let Some(map) = self.map(path) else { return Ok(nothing()) };
        let entry = map.entries[number].clone();
        let previous = number.checked_sub(1).map(|number| &map.entries[number]);
        let (lead, tail) = around.unwrap_or_default();
        let is_lines = around.is_none() && !matches!(map.shape, Shape::Braces(_));
        let is_ours = around.is_some() && self.text[..entry.span.start].ends_with(lead);
        let anchor = previous.map_or_else(
            || match &map.shape {
                Shape::Braces(span) => span.start + 1,
                Shape::Lines(lines) => lines.start,
                Shape::Implicit => entry.span.start,
            },
            |previous| previous.end,
        );
        let mut comma = None;
        let (start, end) = match &map.shape {
            Shape::Braces(_) => {
                let start = if is_ours {
                    entry.span.start - lead.len()
                } else if number == 0 && !self.text[anchor..entry.span.start].contains('\n') {
                    entry.span.start
                } else {
                    self.lead_start(entry.span.start).max(anchor)
                };
                let next = self.skip(entry.end);
                if self.text[next..].starts_with(',') {
                    // What follows on the line of the first one takes its place.
                    let rest = &self.text[next + 1..];
                    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    let moves_up = number == 0
                        && start == entry.span.start
                        && !rest[blanks..].starts_with(['\r', '\n', '/', '#']);
                    (start, next + 1 + if moves_up { blanks } else { 0 })
                } else {
                    let at = previous.map(|previous| self.skip(previous.end));
                    comma = at.filter(|at| self.text[*at..].starts_with(',') && *at < start);
                    (start, entry.end)
                }
            }
            _ if entry.span.is_empty() => return Ok(nothing()),
            _ if is_ours => {
                let start = entry.span.start - lead.len();
                let (before, rest) = (&self.text[..start], &self.text[entry.end..]);
                let after = rest.strip_prefix(tail).filter(|after| {
                    // Two lines stay two.
                    lead.is_empty()
                        || before.is_empty()
                        || before.ends_with('\n')
                        || after.is_empty()
                        || after.starts_with(['\r', '\n'])
                });
                (start, self.text.len() - after.unwrap_or(rest).len())
            }
            _ => self.whole_lines(&entry, path)?,
        };
        let start = self.after_comment(anchor, start, end).min(entry.span.start);
        let previous = previous.map(|entry| entry.key.clone()).map(|key| {
            let same = |entry: &&Entry| entry.key == key;
            let nth = map.entries[..number].iter().filter(same).count() - 1;
            (key, nth)
        });
        let anchor = anchor.min(start);
        let text = self.text[start..end].to_owned();
        let mut between = self.text[anchor..start].to_owned();
        if let Some(at) = comma {
            between.remove(at - anchor);
        }
        let is_partial = self.editor.has_parts();
        if let (true, Some(Node { kind: NodeKind::Map(map), .. })) =
            (is_partial, self.root.get_mut(path))
        {
            map.entries.remove(number);
        }
        self.splice(start..end, "");
        if let Some(at) = comma {
            self.splice(at..at + 1, "");
        }
        if !is_partial {
            self.reparse()?;
        }
        let line = is_lines.then(|| self.line_before(start));
        let comma = comma.map(|at| at - anchor);
        Ok(Removed { text, previous, between, comma, line, braced: false })
    }

    /// Returns where a removed text begins. What follows it on its line would become a part of a
    /// comment that ends before it: then the newline stays.
    fn after_comment(&self, anchor: usize, start: usize, end: usize) -> usize {
        let trivia = &self.text[anchor.min(start)..start];
        let line = trivia.rfind('\n').map_or(trivia, |newline| &trivia[newline + 1..]);
        let rest = self.text[end..].trim_start_matches([' ', '\t']);
        let has_comment = line.contains("//") || line.contains('#');
        if !has_comment || rest.is_empty() || rest.starts_with(['\r', '\n']) {
            return start;
        }
        let removed = &self.text[start..end];
        let newline = removed.find('\n').filter(|at| removed[..*at].trim().is_empty());
        newline.map_or(start, |newline| start + newline + 1)
    }

    /// Returns the lines of an entry; without a newline at the end, the one before them.
    fn whole_lines(&self, entry: &Entry, path: &[String]) -> Result<(usize, usize)> {
        let start = self.text[..entry.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        if !self.text[start..entry.span.start].trim().is_empty() {
            let full = [path, std::slice::from_ref(&entry.key)].concat();
            return Err(Problem::value(&full, "the key shares its line with something else"));
        }
        Ok(match self.text[entry.end..].find('\n') {
            Some(newline) => (start, entry.end + newline + 1),
            None => {
                let before = self.text[..start].strip_suffix('\n').unwrap_or(&self.text[..start]);
                (before.strip_suffix('\r').unwrap_or(before).len(), self.text.len())
            }
        })
    }

    /// Returns the line that ends at a place, with the newline that it may have, and how many equal
    /// lines come before it.
    fn line_before(&self, end: usize) -> (String, usize) {
        let bare = self.text[..end].strip_suffix('\n').unwrap_or(&self.text[..end]);
        let start = bare.rfind('\n').map_or(0, |newline| newline + 1);
        let line = &self.text[start..end];
        (line.to_owned(), self.places_of_line(line).iter().filter(|at| **at < start).count())
    }

    /// Returns where a line begins, wherever it is in the text.
    fn places_of_line(&self, line: &str) -> Vec<usize> {
        if line.is_empty() {
            // What is before the first line.
            return vec![0];
        }
        let is_at = |at: &usize| {
            let rest = self.text[*at..].strip_prefix(line);
            rest.is_some_and(|rest| {
                line.ends_with('\n') || rest.is_empty() || rest.starts_with(['\r', '\n'])
            })
        };
        let starts = self.text.match_indices('\n').map(|(newline, _)| newline + 1);
        std::iter::once(0).chain(starts).filter(is_at).collect()
    }

    /// Returns the value of an entry that was taken out, as text and as data.
    fn value_of_removed(
        &self,
        key: &str,
        removed: &Removed,
        is_braces: bool,
    ) -> Option<(String, Value)> {
        let text = removed.text.trim().trim_end_matches(',').trim_end();
        let wrapped =
            if is_braces { format!("{{{text}}}") } else { format!("{text}{}", self.newline) };
        let other = Document::new(self.editor, wrapped, self.paths.clone()).ok()?;
        // A key of TOML may have those of its tables before it.
        let mut node = &other.root;
        loop {
            let entry = node.map()?.entries.last()?;
            node = &entry.value;
            if entry.key == key {
                break;
            }
        }
        let value = self.editor.value(&other.text, node);
        Some((other.text[node.span.clone()].to_owned(), value))
    }

    /// Puts the lines of an entry back behind the line that was before them; returns whether that
    /// gives the entry.
    fn restore_behind_line(&mut self, path: &[String], removed: &Removed) -> Result<bool> {
        let Some((line, nth)) = &removed.line else { return Ok(false) };
        let Some(start) = self.places_of_line(line).get(*nth).copied() else { return Ok(false) };
        let before = self.text.clone();
        self.text.insert_str(start + line.len(), &removed.text);
        let is_back = self.reparse().is_ok() && self.root.get(path).is_some();
        if !is_back {
            self.text = before;
            self.reparse()?;
        }
        Ok(is_back)
    }

    /// Puts an entry back that was taken out, where its table is not there. Returns its value when
    /// its place is not there either.
    pub fn restore_alone(&mut self, path: &[String], removed: &Removed) -> Result<Option<Value>> {
        if self.restore_behind_line(path, removed)? {
            return Ok(None);
        }
        let key = path.last().map(String::as_str).unwrap_or_default();
        let is_braces = self.editor.has_parts();
        Ok(self.value_of_removed(key, removed, is_braces).map(|(_, value)| value))
    }

    /// Puts an entry back that was taken out.
    pub fn restore(
        &mut self,
        path: &[String],
        key: &str,
        removed: &Removed,
        record: &mut Record,
    ) -> Result<()> {
        let full = [path, std::slice::from_ref(&key.to_owned())].concat();
        if removed.previous.is_none() && self.restore_behind_line(&full, removed)? {
            return Ok(());
        }
        let Some(map) = self.map(path) else { return Ok(()) };
        let anchor = match &removed.previous {
            Some((key, nth)) => {
                let mut same = map.entries.iter().filter(|entry| entry.key == *key);
                same.nth(*nth).map(|entry| entry.end)
            }
            None => Some(match &map.shape {
                Shape::Braces(span) => span.start + 1,
                Shape::Lines(lines) => lines.start,
                Shape::Implicit => self.text.len(),
            }),
        };
        let before = self.text.clone();
        if let Some(at) = anchor.filter(|at| self.text[*at..].starts_with(&removed.between)) {
            let start = at + removed.between.len();
            self.text.insert_str(start, &removed.text);
            if let Some(comma) = removed.comma {
                self.text.insert(at + comma, ',');
            }
            let is_back =
                self.reparse().is_ok() && self.map(path).is_some_and(|map| map.find(key).is_some());
            if is_back {
                return Ok(());
            }
            self.text = before;
            self.reparse()?;
        }
        if self.restore_behind_line(&full, removed)? {
            return Ok(());
        }
        // Another program wrote there: only the value is restored.
        let is_braces = matches!(self.map(path).map(|map| &map.shape), Some(Shape::Braces(_)));
        if let Some((value, _)) = self.value_of_removed(key, removed, is_braces) {
            self.insert(path, key, record, &|_| Ok(value.clone()))?;
        }
        Ok(())
    }

    /// Restores the text between the braces of a table that was empty.
    pub fn set_inside(&mut self, path: &[String], inside: &str) -> Result<()> {
        if let Some(Shape::Braces(span)) = self.map(path).map(|map| map.shape.clone()) {
            self.text.replace_range(span.start + 1..span.end - 1, inside);
            self.reparse()?;
        }
        Ok(())
    }

    fn is_open(&self, path: &[String]) -> bool {
        match self.map(path).map(|map| &map.shape) {
            Some(Shape::Braces(span)) => self.text[span.clone()].contains('\n'),
            _ => true,
        }
    }

    /// Returns what the line of a place begins with.
    fn indent_at(&self, at: usize) -> String {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &self.text[start..at];
        line[..line.len() - line.trim_start_matches([' ', '\t']).len()].to_owned()
    }

    /// Returns where white space before a place begins, its newline included.
    fn lead_start(&self, at: usize) -> usize {
        let before = self.text[..at].trim_end_matches([' ', '\t']);
        let line = before.strip_suffix('\n').map(|rest| rest.strip_suffix('\r').unwrap_or(rest));
        line.unwrap_or(before).len()
    }

    fn skip(&self, at: usize) -> usize {
        skip(self.editor, &self.text, at)
    }

    fn end_of_line_trivia(&self, at: usize) -> usize {
        end_of_line_trivia(self.editor, &self.text, at)
    }

    /// Replaces the text of a value, if the new one says what is expected; returns the old text.
    pub fn replace_checked(
        &mut self,
        path: &[String],
        new: &str,
        is_right: &dyn Fn(&Value) -> bool,
    ) -> Result<Option<String>> {
        let before = self.text.clone();
        let replaced = self.replace(path, new);
        match replaced {
            Ok(old) if self.value(path).is_some_and(|value| is_right(&value)) => Ok(Some(old)),
            _ => {
                self.text = before;
                self.reparse()?;
                Ok(None)
            }
        }
    }
}

/// Passes white space and comments.
pub(crate) fn skip(editor: &dyn Editor, text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        match editor.comment(text, at) {
            Some(end) => at = end,
            None => return at,
        }
    }
}

/// Returns the end of the comments behind a place on its line.
pub(crate) fn end_of_line_trivia(editor: &dyn Editor, text: &str, at: usize) -> usize {
    let mut end = at;
    loop {
        let rest = &text[end..];
        let start = end + rest.len() - rest.trim_start_matches([' ', '\t']).len();
        match editor.comment(text, start) {
            Some(after) if !text[start..after].contains('\n') => end = after,
            _ => return end,
        }
    }
}

/// Returns what ends the first line of a text.
pub(crate) fn newline_of(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns what a level is indented by: the least that a line of the text is.
pub(crate) fn unit_of(text: &str) -> String {
    let indents = text.lines().take(1000).filter_map(|line| {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        (!indent.is_empty() && indent.len() < line.trim_end().len()).then_some(indent)
    });
    let least = indents.min_by_key(|indent| indent.len()).unwrap_or("  ");
    if least.starts_with('\t') { "\t".to_owned() } else { " ".repeat(least.len().min(8)) }
}
