//! Documents as trees of keys with the places of everything in their text.

use std::ops::Range;

use serde_json::Value;

/// A value of a document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What another value takes the place of.
    pub span: Range<usize>,
    /// Its kind.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Anything without keys: lists too. The value is absent where the text tells it.
    Leaf(Option<Value>),
    /// A table that no path leads to. Its text tells its keys.
    Unread,
    /// A table whose keys can be changed one by one.
    Map(Map),
    /// A value whose text is not in one place, with its name.
    Scattered(Value, &'static str),
}

/// The name of a key of INI without a value.
pub(crate) const FLAG: &str = "a key without a value";

/// The only key of a table that stands for a float that JSON does not have.
pub(crate) const FLOAT: &str = "$float";

/// Returns a float as data: an infinity, and what is not a number, as a table of one key.
pub(crate) fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(
        || {
            let text = number.to_string().to_lowercase();
            Value::Object(serde_json::Map::from_iter([(FLOAT.to_owned(), text.into())]))
        },
        Value::Number,
    )
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// Its keys, in the order of the document.
    pub entries: Vec<Entry>,
    /// How it is written.
    pub shape: Shape,
    /// Whether it is written as nothing at all, which reads as null.
    pub is_null: bool,
}

/// How a table is written.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Between braces, with commas between its entries.
    Braces(Range<usize>),
    /// One entry a line or more.
    Lines(Lines),
    /// Nowhere: only tables below it are.
    Implicit,
}

/// Where a table with one entry a line gets another one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Where the table begins.
    pub start: usize,
    /// Where it is written.
    pub at: usize,
    /// What is written before its key.
    pub lead: String,
    /// What is written after its value.
    pub tail: String,
    /// What the key begins with: `a.b.` in TOML.
    pub prefix: String,
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub key: String,
    /// Where its text is.
    pub span: Range<usize>,
    /// Where the entry ends.
    pub end: usize,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// Returns the table, if it is one.
    pub fn map(&self) -> Option<&Map> {
        if let NodeKind::Map(map) = &self.kind { Some(map) } else { None }
    }

    /// Returns it as data. What only its text tells is null.
    pub fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Leaf(value) => value.clone().unwrap_or_default(),
            NodeKind::Scattered(value, _) => value.clone(),
            NodeKind::Unread => Value::Null,
            NodeKind::Map(map) => {
                let entries = map.entries.iter();
                let entries = entries.map(|entry| (entry.key.clone(), entry.value.value()));
                Value::Object(entries.collect())
            }
        }
    }

    /// Returns whether two trees have the same keys at the same places.
    pub fn is_same_place(&self, other: &Node) -> bool {
        let inner = match (self.map(), other.map()) {
            (Some(one), Some(other)) => {
                one.entries.len() == other.entries.len()
                    && one.entries.iter().zip(&other.entries).all(|(one, other)| {
                        one.key == other.key
                            && one.span == other.span
                            && one.end == other.end
                            && one.value.is_same_place(&other.value)
                    })
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        inner && self.span == other.span
    }

    /// Returns what a path leads to: of several entries with one key, the last one counts.
    pub fn get(&self, path: &[String]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        self.map()?.find(first)?.value.get(rest)
    }

    /// Returns the same, to be changed.
    pub fn get_mut(&mut self, path: &[String]) -> Option<&mut Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let NodeKind::Map(map) = &mut self.kind else { return None };
        let number = map.position(first)?;
        map.entries.get_mut(number)?.value.get_mut(rest)
    }

    /// Moves everything behind a place of `old` bytes that got `new` ones. With `is_ordered`, what
    /// a table has is in the table's text, in the order of its entries: those before are skipped.
    pub fn shift(&mut self, at: usize, old: usize, new: usize, is_ordered: bool) {
        let start = |place: &mut usize| {
            if *place >= at + old {
                *place = *place - old + new;
            }
        };
        let end = |place: &mut usize| {
            if *place > at && *place >= at + old {
                *place = *place - old + new;
            }
        };
        self.each(&start, &end, is_ordered.then_some(at));
    }

    fn each(
        &mut self,
        start: &impl Fn(&mut usize),
        end: &impl Fn(&mut usize),
        after: Option<usize>,
    ) {
        start(&mut self.span.start);
        end(&mut self.span.end);
        if let NodeKind::Map(map) = &mut self.kind {
            if let Shape::Braces(span) = &mut map.shape {
                start(&mut span.start);
                end(&mut span.end);
            }
            let first = after.map_or(0, |at| map.entries.partition_point(|entry| entry.end < at));
            for entry in &mut map.entries[first..] {
                start(&mut entry.span.start);
                end(&mut entry.span.end);
                end(&mut entry.end);
                entry.value.each(start, end, after);
            }
        }
    }
}

impl Map {
    /// Returns the last entry with a key.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// Returns the number of the last entry with a key.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().rposition(|entry| entry.key == key)
    }
}
