//! What a document consists of, with the places of everything in its text.

use std::ops::Range;

use crate::cipher;
use crate::options::Options;
use crate::plain::Plain;
use crate::value::{Type, Value};

/// How deep a document may be nested.
pub(crate) const MAX_DEPTH: usize = 200;

/// A node of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub kind: ValueKind,
    /// Where its text is: of a value without tag and anchor, of a block from its first key to its
    /// last value.
    pub span: Range<usize>,
    /// In YAML: whether it is inside brackets or braces.
    pub flow: bool,
    /// The column of the keys or dashes of a block, and for a value the column of those that it
    /// belongs to.
    pub column: usize,
    /// In YAML: the column of the lines of a text over several lines in this place.
    pub indent: usize,
}

/// The kinds of nodes.
#[derive(Debug, Clone)]
pub(crate) enum ValueKind {
    Map(Vec<Item>),
    List(Vec<Item>),
    Leaf(Value),
}

/// What a map or list contains, in the order of the document.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Entry(Entry),
    Comment(Comment),
}

/// A value of a map, with a key, or of a list, without.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: Option<String>,
    /// Where it begins: the key, or the dash of a list of YAML.
    pub start: usize,
    pub node: Node,
}

/// A comment.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    /// The text behind the mark.
    pub text: String,
    /// Its position.
    pub span: Range<usize>,
    /// An element of a list that SOPS made of a comment: from its dash to its end.
    pub element: Option<Range<usize>>,
}

impl Node {
    pub fn items(&self) -> &[Item] {
        match &self.kind {
            ValueKind::Map(items) | ValueKind::List(items) => items,
            ValueKind::Leaf(_) => &[],
        }
    }

    /// The entries, without comments.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.items().iter().filter_map(|item| match item {
            Item::Entry(entry) => Some(entry),
            Item::Comment(_) => None,
        })
    }

    /// The last entry of a map with that key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().rev().find(|entry| entry.key.as_deref() == Some(key))
    }

    /// The same without places.
    pub fn to_plain(&self) -> Plain {
        match &self.kind {
            ValueKind::Leaf(value) => Plain::Value(value.clone()),
            ValueKind::List(_) => {
                Plain::List(self.entries().map(|entry| entry.node.to_plain()).collect())
            }
            ValueKind::Map(_) => Plain::Map(
                self.entries()
                    .map(|entry| (entry.key.clone().unwrap_or_default(), entry.node.to_plain()))
                    .collect(),
            ),
        }
    }
}

/// Something that is encrypted or may be: a value or a comment.
#[derive(Debug, Clone)]
pub(crate) struct Slot<'a> {
    pub what: What<'a>,
    /// The keys that lead to it, joined by `:` with one at the end: the additional data of its
    /// encryption.
    pub path: String,
    /// Whether the options of the document say that it is encrypted.
    pub encrypted: bool,
}

/// What a slot holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Value(&'a Node, &'a Value),
    /// A comment, and other paths under which an encrypted comment may be.
    Comment(&'a Comment),
}

/// Lists all values and comments of a document in the order in which SOPS walks it. `skip` is the
/// key of the metadata at the top.
pub(crate) fn slots<'a>(root: &'a Node, options: &Options, skip: Option<&str>) -> Vec<Slot<'a>> {
    let mut walk = Walk { options, keys: Vec::new(), comments: Vec::new(), slots: Vec::new() };
    walk.items(root, skip);
    walk.slots
}

struct Walk<'a, 'o> {
    options: &'o Options,
    keys: Vec<&'a str>,
    /// For each level the comments since the last value there.
    comments: Vec<Vec<&'a str>>,
    slots: Vec<Slot<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn items(&mut self, node: &'a Node, skip: Option<&str>) {
        self.comments.push(Vec::new());
        for item in node.items() {
            match item {
                Item::Comment(comment) => {
                    if let Some(level) = self.comments.last_mut() {
                        level.push(&comment.text);
                    }
                    self.add(What::Comment(comment), true);
                }
                Item::Entry(entry) => {
                    if skip.is_some() && entry.key.as_deref() == skip {
                        continue;
                    }
                    if let Some(key) = &entry.key {
                        self.keys.push(key);
                    }
                    match &entry.node.kind {
                        ValueKind::Leaf(value) => self.add(What::Value(&entry.node, value), false),
                        ValueKind::Map(_) | ValueKind::List(_) => self.items(&entry.node, None),
                    }
                    if entry.key.is_some() {
                        self.keys.pop();
                    }
                    if let Some(level) = self.comments.last_mut() {
                        level.clear();
                    }
                }
            }
        }
        self.comments.pop();
    }

    fn add(&mut self, what: What<'a>, is_comment: bool) {
        let mut path = self.keys.join(":");
        path.push(':');
        let encrypted = self.options.encrypts(&self.keys, &self.comments, is_comment);
        self.slots.push(Slot { what, path, encrypted });
    }
}

/// The type of a value that may be encrypted, which is in clear.
pub(crate) fn clear_type(value: &Value) -> Type {
    match value {
        Value::Str(text) => cipher::type_of(text).unwrap_or(Type::Str),
        other => other.type_of(),
    }
}
