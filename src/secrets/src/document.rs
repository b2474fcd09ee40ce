//! Documents of SOPS: what is in clear, what they hold when they are decrypted, and how they are
//! changed.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::change::{change, missing};
use crate::cipher::DataKey;
use crate::edit::Edits;
use crate::format::Format;
use crate::identity::Identities;
use crate::key_path::{KeyPath, Step};
use crate::metadata::Metadata;
use crate::options::{KEY, Options};
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::recipient::{Recipient, same_key};
use crate::seal::{Filled, Mac, Work, decrypt, encrypted_text, fingerprint};
use crate::tree::{Item, Node, ValueKind, What, clear_type, slots};
use crate::value::{Type, Value};
use crate::{ini, yaml};

/// An encrypted document whose keys, types and recipients are known.
#[derive(Debug)]
pub struct Document {
    format: Format,
    text: String,
    roots: Vec<Node>,
    metadata: Metadata,
}

/// A value of a document that is not decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where it is.
    pub path: KeyPath,
    /// Its type, which is in clear.
    pub kind: Type,
}

impl Document {
    /// Reads an encrypted document without decrypting anything.
    ///
    /// # Errors
    /// When it is malformed, not encrypted, or encrypted in a way that is not supported.
    pub fn parse(format: Format, content: &[u8]) -> Result<Self> {
        let text =
            std::str::from_utf8(content).map_err(|_| Problem::new("it is not UTF-8 text"))?;
        let parsed = format.parse(text)?;
        let Some(content) = parsed.metadata else {
            return Err(Problem::new(
                "it has no `sops` part: it is not encrypted, or its end is missing",
            )
            .with_hint(
                "encrypt it with `sops encrypt --in-place FILE`, or take it from a backup",
            ));
        };
        let metadata = Metadata::read(content)?;
        Ok(Self { format, text: text.to_owned(), roots: parsed.roots, metadata })
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its recipients, as written in the document.
    pub fn recipients(&self) -> Vec<&str> {
        self.metadata.recipients()
    }

    /// The kinds of keys besides age: `pgp` and those of clouds.
    pub fn other_kinds(&self) -> Vec<&'static str> {
        self.metadata.other_kinds()
    }

    /// What it holds, with the types of encrypted values in the place of values:
    /// `{ "db": { "port": "int" } }`. Values in clear are no exception.
    pub fn outline(&self) -> Plain {
        let all: Vec<Plain> =
            self.data_roots().map(|root| outline(root, self.format.skipped())).collect();
        single(all)
    }

    /// All values in the order of the document.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        collect(&self.outline(), &mut Vec::new(), &mut leaves);
        leaves
    }

    /// A digest of the encrypted text at a path: as long as it is the same, so is what it decrypts
    /// to. Another one says nothing, since each encryption gives another text.
    ///
    /// # Errors
    /// When there is nothing at the path, naming what is there instead.
    pub fn sealed(&self, path: &KeyPath) -> Result<[u8; 32]> {
        let path = self.format.adapt(path);
        let mut steps = path.steps().iter();
        let mut gone = Vec::new();
        let root = match (self.roots.as_slice(), steps.as_slice().first()) {
            ([root], _) => Some(root),
            (roots, Some(Step::Index(index))) => {
                gone.extend(steps.next().cloned());
                roots.get(*index)
            }
            _ => None,
        };
        let mut at = root.ok_or_else(|| Problem::new(format!("it has no `{path}`")))?;
        for step in steps {
            let next = match (step, &at.kind) {
                (Step::Key(key), ValueKind::Map(_)) => at.get(key),
                (Step::Index(index), ValueKind::List(_)) => at.entries().nth(*index),
                _ => None,
            };
            let next = next.ok_or_else(|| missing(&gone, step, &at.to_plain()))?;
            at = &next.node;
            gone.push(step.clone());
        }
        Ok(Sha256::digest(&self.text[at.span.clone()]).into())
    }

    fn data_roots(&self) -> impl Iterator<Item = &Node> {
        self.roots.iter()
    }

    /// Decrypts it, and checks that nothing was altered.
    ///
    /// # Errors
    /// When no identity fits, or something was altered.
    pub fn open(self, identities: &Identities) -> Result<Opened> {
        let key = self.metadata.data_key(identities)?;
        Opened::new(self, key)
    }
}

/// A document whose data key is known, and all its values.
pub struct Opened {
    document: Document,
    key: DataKey,
    /// The same trees with decrypted values, and the places in the encrypted text.
    plain: Vec<Node>,
    /// What each encrypted text is, by its path.
    known: HashMap<(String, String), Filled>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "<a decrypted document of {} values>", self.known.len())
    }
}

impl Opened {
    fn new(document: Document, key: DataKey) -> Result<Self> {
        let expected = document.metadata.mac(&key)?;
        let cipher = key.cipher();
        let mut mac = Mac::new(&document.metadata.options);
        let mut known = HashMap::new();
        let mut plain = document.roots.clone();
        for (root, copy) in document.roots.iter().zip(&mut plain) {
            let mut filled = Vec::new();
            for slot in slots(root, &document.metadata.options, document.format.skipped()) {
                let one = decrypt(&cipher, &slot, &document.text)?;
                if let Filled::Value(value) = &one {
                    mac.add(value, slot.encrypted);
                }
                if let (true, Some(text)) = (slot.encrypted, encrypted_text(&slot)) {
                    known.insert((slot.path.clone(), text.to_owned()), one.clone());
                }
                filled.push(one);
            }
            fill(copy, document.format.skipped(), &mut filled.into_iter());
        }
        if mac.finish() != expected {
            return Err(Problem::new(
                "its MAC does not match: values were altered, moved, added or removed",
            )
            .with_hint("take it from version control or a backup"));
        }
        Ok(Self { document, key, plain, known })
    }

    /// Makes a document of what a plain file holds.
    ///
    /// # Errors
    /// When the content is not a document of the format, or there is no recipient.
    pub fn encrypt(
        format: Format,
        content: &[u8],
        recipients: &[Recipient],
        options: Options,
    ) -> Result<Self> {
        if recipients.is_empty() {
            return Err(Problem::new("there is no recipient to encrypt it to"));
        }
        let key = DataKey::generate()?;
        let mut metadata = Metadata::new(options);
        metadata.seal(&key, recipients)?;
        let empty = HashMap::new();
        let work = Work { format, key: &key, known: &empty, reuse: &empty, renew: false };
        let text =
            work.seal(&plain_text(format, content)?, binary_content(format, content), metadata)?;
        Self::new(Document::parse(format, text.as_bytes())?, key)
    }

    /// A document without values.
    ///
    /// # Errors
    /// When there is no recipient.
    pub fn empty(format: Format, recipients: &[Recipient], options: Options) -> Result<Self> {
        let content = if format == Format::Binary { "" } else { format.empty() };
        Self::encrypt(format, content.as_bytes(), recipients, options)
    }

    /// The encrypted text, to be written.
    pub fn text(&self) -> &str {
        &self.document.text
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Everything that it holds.
    pub fn to_plain(&self) -> Plain {
        let skipped = self.document.format.skipped();
        single(self.plain.iter().map(|root| without(root.to_plain(), skipped)).collect())
    }

    /// The value at a path.
    ///
    /// # Errors
    /// When there is none, naming what is there instead.
    pub fn get(&self, path: &KeyPath) -> Result<Plain> {
        let path = self.document.format.adapt(path);
        let mut at = self.to_plain();
        let mut gone = Vec::new();
        for step in path.steps() {
            at = match (step, &at) {
                (Step::Key(key), Plain::Map(_)) => at.get(key).cloned(),
                (Step::Index(index), Plain::List(items)) => items.get(*index).cloned(),
                _ => None,
            }
            .ok_or_else(|| missing(&gone, step, &at))?;
            gone.push(step.clone());
        }
        Ok(at)
    }

    /// The content of the file that was encrypted: without metadata, in its format, with all
    /// comments.
    pub fn content(&self) -> Result<Zeroizing<Vec<u8>>> {
        let format = self.document.format;
        if format == Format::Binary {
            let value = self.plain.first().and_then(|root| root.get("data"));
            return match value.map(|entry| &entry.node.kind) {
                Some(ValueKind::Leaf(value)) => Ok(value.to_content()),
                _ => Err(Problem::new(
                    "a binary document has its content under `data`, and this one has none",
                )),
            };
        }
        let mut edits = Edits::new();
        for (root, plain) in self.document.roots.iter().zip(&self.plain) {
            let old = slots(root, &self.document.metadata.options, format.skipped());
            let new = slots(plain, &self.document.metadata.options, format.skipped());
            let mut moved = Vec::new();
            if format == Format::Yaml {
                yaml::hoist(&self.document.text, root, &mut edits, &mut moved);
                yaml::empty(&self.document.text, root, plain, 0, &mut edits);
            }
            for (old, new) in old.iter().zip(&new) {
                if !old.encrypted || encrypted_text(old).is_none() {
                    continue;
                }
                match (old.what, new.what) {
                    (What::Value(node, _), What::Value(_, value)) => {
                        edits.replace(
                            node.span.clone(),
                            format.render(&self.document.text, value, node)?,
                        );
                    }
                    (What::Comment(comment), What::Comment(plain)) => {
                        let (mut range, text) = format.render_comment(comment, &plain.text);
                        if let Some(other) = moved.iter().find(|one| one.element == range.start) {
                            range.start = other.start;
                        }
                        edits.replace(range, text);
                    }
                    _ => {}
                }
            }
        }
        let text = Zeroizing::new(edits.apply(&self.document.text));
        let text = Zeroizing::new(format.with_metadata(&text, None)?);
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// Puts a value at a path, in place of the existing value or as a new one. Missing lists and
    /// maps on the way are created. The rest of the text does not change.
    ///
    /// # Errors
    /// When the path does not fit what is there, or the format cannot hold the value.
    pub fn set(&mut self, path: &KeyPath, value: &Plain) -> Result<()> {
        let format = self.document.format;
        let path = format.adapt(path);
        let (steps, root) = self.start(&path)?;
        let mut edits = Edits::new();
        change(format, &self.document.text, root, steps, value, &mut edits)?;
        let text = Zeroizing::new(edits.apply(&self.document.text));
        self.reseal(&text, None, self.document.metadata.clone())
    }

    /// The steps within a document, and which one of several.
    fn start<'p>(&self, path: &'p KeyPath) -> Result<(&'p [Step], &Node)> {
        let steps = path.steps();
        let roots = &self.document.roots;
        let (steps, root) = match (steps, roots.len()) {
            ([Step::Index(index), rest @ ..], count) if count > 1 => (rest, roots.get(*index)),
            (_, count) if count > 1 => {
                return Err(Problem::new(format!("the file has {count} documents"))
                    .with_hint(format!("name one of them: `[0].{path}`")));
            }
            _ => (steps, roots.first()),
        };
        let root = root.ok_or_else(|| Problem::new("there is no such document in the file"))?;
        if steps.first() == Some(&Step::Key(KEY.to_owned()))
            && self.document.format.skipped().is_some()
        {
            return Err(Problem::new("`sops` is reserved for the metadata of SOPS"));
        }
        if steps.is_empty() {
            return Err(Problem::new("the path names a whole document"));
        }
        Ok((steps, root))
    }

    /// Takes over what an editor made of [`Opened::content`]. What was not changed keeps its
    /// encrypted text.
    ///
    /// # Errors
    /// When the content is not a document of the format.
    pub fn replace(&mut self, content: &[u8]) -> Result<()> {
        let format = self.document.format;
        let text = Zeroizing::new(plain_text(format, content)?);
        let binary = binary_content(format, content);
        let empty = HashMap::new();
        let reuse = self.by_value();
        let work = Work { format, key: &self.key, known: &empty, reuse: &reuse, renew: false };
        let text = work.seal(&text, binary, self.document.metadata.clone())?;
        self.take(&text)
    }

    /// Encrypts everything with a new data key to these recipients, who replace those that were
    /// there.
    ///
    /// # Errors
    /// When the data key is also encrypted to keys of other kinds, which would lose access.
    pub fn rotate(&mut self, recipients: &[Recipient]) -> Result<()> {
        let others = self.document.other_kinds();
        if !others.is_empty() {
            return Err(Problem::new(format!(
                "its data key is also encrypted to {}, which is not supported here: \
                 these keys would lose access",
                others.join(", ")
            ))
            .with_hint("rotate it with `sops rotate --in-place FILE`"));
        }
        if recipients.is_empty() {
            return Err(Problem::new("there is no recipient to encrypt it to"));
        }
        let key = DataKey::generate()?;
        let mut metadata = self.document.metadata.clone();
        metadata.seal(&key, recipients)?;
        let empty = HashMap::new();
        let work = Work {
            format: self.document.format,
            key: &key,
            known: &self.known,
            reuse: &empty,
            renew: true,
        };
        let text = work.seal(&self.document.text, None, metadata)?;
        self.key = key;
        self.take(&text)
    }

    /// Lets one more recipient decrypt it. Returns whether there was a change.
    pub fn add_recipient(&mut self, recipient: &Recipient) -> Result<bool> {
        if self.document.recipients().iter().any(|known| same_key(known, &recipient.to_string())) {
            return Ok(false);
        }
        let mut metadata = self.document.metadata.clone();
        metadata.add(&self.key, recipient)?;
        let text = self.document.text.clone();
        self.reseal(&text, None, metadata)?;
        Ok(true)
    }

    /// Takes a recipient away and encrypts everything with a new data key, since the old one is
    /// known to him.
    ///
    /// # Errors
    /// When it is not a recipient, or the last one.
    pub fn remove_recipient(&mut self, recipient: &str) -> Result<()> {
        let known = self.document.recipients();
        let left: Vec<&str> =
            known.iter().copied().filter(|known| !same_key(known, recipient)).collect();
        if left.len() == known.len() {
            let list: Vec<String> = known.iter().map(|known| format!("\n  {known}")).collect();
            return Err(Problem::new(format!(
                "`{recipient}` is not a recipient of it. It is encrypted to{}",
                list.concat()
            )));
        }
        if left.is_empty() {
            return Err(Problem::new(
                "it is the last recipient: without it the document could not be decrypted",
            )
            .with_hint("add another one first"));
        }
        let left = left.into_iter().map(Recipient::parse).collect::<Result<Vec<_>>>()?;
        self.rotate(&left)
    }

    fn reseal(&mut self, text: &str, binary: Option<Value>, metadata: Metadata) -> Result<()> {
        let empty = HashMap::new();
        let work = Work {
            format: self.document.format,
            key: &self.key,
            known: &self.known,
            reuse: &empty,
            renew: false,
        };
        let text = work.seal(text, binary, metadata)?;
        self.take(&text)
    }

    /// Reads the result again: a bug here is found before it reaches the file.
    fn take(&mut self, text: &str) -> Result<()> {
        let document = Document::parse(self.document.format, text.as_bytes())?;
        *self = Self::new(document, self.key.clone())?;
        Ok(())
    }

    /// The encrypted texts by path and what they mean.
    fn by_value(&self) -> HashMap<(String, String), Filled> {
        let mut map = HashMap::new();
        for ((path, encrypted), filled) in &self.known {
            map.insert(
                (path.clone(), fingerprint(filled)),
                Filled::Value(Value::Str(encrypted.clone())),
            );
        }
        map
    }
}

/// Puts decrypted values into a tree, in the order of its slots.
fn fill(node: &mut Node, skip: Option<&str>, filled: &mut dyn Iterator<Item = Filled>) {
    let (ValueKind::Map(items) | ValueKind::List(items)) = &mut node.kind else { return };
    for item in items {
        match item {
            Item::Comment(comment) => {
                if let Some(Filled::Comment(text)) = filled.next() {
                    comment.text = text.to_string();
                }
            }
            Item::Entry(entry) => {
                if skip.is_some() && entry.key.as_deref() == skip {
                    continue;
                }
                if let ValueKind::Leaf(value) = &mut entry.node.kind {
                    if let Some(Filled::Value(new)) = filled.next() {
                        *value = new;
                    }
                } else {
                    fill(&mut entry.node, None, filled);
                }
            }
        }
    }
}

/// Several documents are a list.
fn single(mut all: Vec<Plain>) -> Plain {
    if all.len() == 1 { all.remove(0) } else { Plain::List(all) }
}

fn without(plain: Plain, key: Option<&str>) -> Plain {
    match (plain, key) {
        (Plain::Map(entries), Some(key)) => {
            Plain::Map(entries.into_iter().filter(|(name, _)| name != key).collect())
        }
        (plain, _) => plain,
    }
}

fn outline(node: &Node, skip: Option<&str>) -> Plain {
    match &node.kind {
        ValueKind::Leaf(value) => Plain::text(clear_type(value).name()),
        ValueKind::List(_) => {
            Plain::List(node.entries().map(|entry| outline(&entry.node, None)).collect())
        }
        ValueKind::Map(_) => Plain::Map(
            node.entries()
                .filter(|entry| skip.is_none() || entry.key.as_deref() != skip)
                .map(|entry| (entry.key.clone().unwrap_or_default(), outline(&entry.node, None)))
                .collect(),
        ),
    }
}

fn collect(outline: &Plain, at: &mut Vec<Step>, leaves: &mut Vec<Leaf>) {
    match outline {
        Plain::Value(Value::Str(name)) => {
            let kind = Type::from_name(name).unwrap_or(Type::Str);
            leaves.push(Leaf { path: KeyPath::new(at.clone()), kind });
        }
        Plain::Value(_) => {}
        Plain::List(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(Step::Index(index));
                collect(item, at, leaves);
                at.pop();
            }
        }
        Plain::Map(entries) => {
            for (key, value) in entries {
                at.push(Step::Key(key.clone()));
                collect(value, at, leaves);
                at.pop();
            }
        }
    }
}

/// The text of a document in clear.
fn plain_text(format: Format, content: &[u8]) -> Result<String> {
    if format == Format::Binary {
        return Ok(format.empty().to_owned());
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(Problem::new(format!(
            "it is not UTF-8 text, so it cannot be a {} document",
            format.name()
        )));
    };
    if format.parse_plain(text)?.metadata.is_some() {
        return Err(Problem::new(
            "it has a `sops` part: it is encrypted already, or uses a name that SOPS keeps",
        ));
    }
    match format {
        Format::Yaml => yaml::expand(text),
        Format::Ini => Ok(ini::comments_before(text)),
        _ => Ok(text.to_owned()),
    }
}

fn binary_content(format: Format, content: &[u8]) -> Option<Value> {
    (format == Format::Binary).then(|| match std::str::from_utf8(content) {
        Ok(text) => Value::Str(text.to_owned()),
        Err(_) => Value::Bytes(content.to_vec()),
    })
}

impl Format {
    /// A path as this format has it: in dotenv everything is one key, in INI all behind the
    /// section.
    fn adapt(self, path: &KeyPath) -> KeyPath {
        let whole = path.to_string();
        match self {
            Self::Dotenv => KeyPath::new(vec![Step::Key(match path.steps() {
                [Step::Key(key)] => key.clone(),
                _ => whole,
            })]),
            Self::Ini => match path.steps() {
                [Step::Key(section), rest @ ..] if rest.len() > 1 => {
                    let key = KeyPath::new(rest.to_vec()).to_string();
                    KeyPath::new(vec![Step::Key(section.clone()), Step::Key(key)])
                }
                _ => path.clone(),
            },
            Self::Binary if path.steps().is_empty() => {
                KeyPath::new(vec![Step::Key("data".to_owned())])
            }
            _ => path.clone(),
        }
    }

    /// Reads a text in clear, which may have aliases.
    fn parse_plain(self, text: &str) -> Result<crate::format::Parsed> {
        if self == Self::Yaml { self.parse(&yaml::expand(text)?) } else { self.parse(text) }
    }
}
