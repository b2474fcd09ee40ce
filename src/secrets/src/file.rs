//! Documents in files: opened, changed and written so that a kill leaves the old or the new one.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::document::{Document, Opened};
use crate::format::Format;
use crate::identity::Identities;
use crate::key_path::KeyPath;
use crate::options::Options;
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::recipient::Recipient;
use crate::value::{Type, Value};
use crate::{age_file, atomic, rules};

/// The largest document that is read, in bytes.
const MAX_SIZE: u64 = 256 << 20;
/// The rights of a new document: it is encrypted.
const MODE: u32 = 0o644;

/// Reads a file. None when there is none.
///
/// # Errors
/// When it cannot be read, or is larger than 256 MiB.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match syslua_reading::read(path, MAX_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        content => content.map(Some).map_err(|error| Problem::unread(path, &error)),
    }
}

/// A document of a file.
pub struct Stored {
    path: PathBuf,
    before: Option<Vec<u8>>,
    /// The document, to be changed.
    pub opened: Opened,
}

impl Stored {
    /// Opens the document of a file.
    ///
    /// # Errors
    /// When there is none, it is malformed, was altered, or no identity fits.
    pub fn open(path: &Path, identities: &Identities) -> Result<Self> {
        let Some(content) = read(path)? else { return Err(none(path)) };
        let opened =
            parse(path, &content)?.open(identities).map_err(|problem| problem.in_file(path))?;
        Ok(Self { path: path.to_owned(), before: Some(content), opened })
    }

    /// Opens it, or makes a new one without values by the creation rule for the path, or for the
    /// recipients given.
    ///
    /// # Errors
    /// Also when there is neither a rule nor a recipient.
    pub fn open_or_make(
        path: &Path,
        identities: &Identities,
        recipients: &[Recipient],
        config: Option<&Path>,
    ) -> Result<Self> {
        if read(path)?.is_some() {
            return Self::open(path, identities);
        }
        let (recipients, options) = who(path, recipients, config)?;
        let opened = Opened::empty(Format::of(path), &recipients, options)
            .map_err(|problem| problem.in_file(path))?;
        Ok(Self { path: path.to_owned(), before: None, opened })
    }

    /// Whether the file was there.
    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Writes the document. Returns whether anything changed.
    ///
    /// # Errors
    /// When the file has changed since, or cannot be written. Then the old one is unchanged.
    pub fn save(&self) -> Result<bool> {
        let text = self.opened.text().as_bytes();
        if self.before.as_deref() == Some(text) {
            return Ok(false);
        }
        if read(&self.path)? != self.before {
            return Err(Problem::new(format!(
                "another program changed {}: nothing was written",
                self.path.display()
            ))
            .with_hint("try again"));
        }
        atomic::write(&self.path, text, MODE).map_err(|error| {
            Problem::new(format!("cannot write {}: {error}", self.path.display()))
        })?;
        Ok(true)
    }

    /// Reads a text as the value of a key: of the given type, or else of the type of the existing
    /// value, or else text.
    ///
    /// # Errors
    /// When the text is not a value of that type.
    pub fn value_for(&self, path: &KeyPath, text: &str, kind: Option<Type>) -> Result<Plain> {
        let there = match self.opened.get(path) {
            Ok(Plain::Value(value)) if value.type_of() != Type::Null => Some(value.type_of()),
            _ => None,
        };
        let wanted = kind.or(there).unwrap_or(Type::Str);
        Value::from_text(wanted, text).map(Plain::Value).ok_or_else(|| {
            let name = wanted.name();
            let problem = Problem::new(if kind.is_some() {
                format!("the value for `{path}` is not of type {name}")
            } else {
                format!("`{path}` is of type {name}, and the new value is not")
            });
            problem.with_hint("give it another type with `--type str`")
        })
    }
}

/// A document of a file that is not decrypted.
///
/// # Errors
/// When there is none, or it is malformed.
pub fn document(path: &Path) -> Result<Document> {
    let Some(content) = read(path)? else { return Err(none(path)) };
    parse(path, &content)
}

/// What a file holds: the content of an age file or of a binary document, or everything in a
/// document.
///
/// # Errors
/// As [`Stored::open`].
pub fn content(path: &Path, identities: &Identities) -> Result<Zeroizing<Vec<u8>>> {
    let Some(content) = read(path)? else { return Err(none(path)) };
    if age_file::is_age_file(&content) {
        return age_file::decrypt(&content, identities).map_err(|problem| problem.in_file(path));
    }
    Stored::open(path, identities)?.opened.content().map_err(|problem| problem.in_file(path))
}

/// The recipients of a new document: those given, or else those of the creation rule, which
/// [`rules::find`] finds.
///
/// # Errors
/// When there are neither.
pub fn who(
    path: &Path,
    given: &[Recipient],
    config: Option<&Path>,
) -> Result<(Vec<Recipient>, Options)> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let rule = rules::get_rule(&absolute, config)?;
    let options = rule.as_ref().map(|rule| rule.options.clone()).unwrap_or_default();
    let recipients = if given.is_empty() {
        rule.map(|rule| rule.recipients).unwrap_or_default()
    } else {
        given.to_vec()
    };
    if recipients.is_empty() {
        return Err(Problem::new(format!("no recipients are given for {}", path.display()))
            .with_hint(
                "write a `.sops.yaml` beside it: `creation_rules: [{ age: age1... }]`, \
                 or set SOPS_AGE_RECIPIENTS; `secrets keygen` makes an identity",
            ));
    }
    Ok((recipients, options))
}

fn parse(path: &Path, content: &[u8]) -> Result<Document> {
    if age_file::is_age_file(content) {
        return Err(Problem::new(format!("{} is an age file, which has no keys", path.display())));
    }
    Document::parse(Format::of(path), content).map_err(|problem| problem.in_file(path))
}

fn none(path: &Path) -> Problem {
    Problem::new(format!("there is no {}", path.display()))
        .with_hint("`secrets set KEY` creates it; `--file` names another file")
}
