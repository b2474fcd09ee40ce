//! A secret at a target: a link to a private file of the root, or a real file. Its content is
//! decrypted at the switch, and is not in an object, a snapshot or the journal: these name the
//! encrypted document, and the hash of the content under a key that only the root has.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Aspect, Drift, Observer};
use super::file::{numbers, parse_mode};
use super::key::{KEY, Key};
use super::kind::{Kind, Properties, TargetKind};
use super::link::is_at;
use super::{Directories, Error, Observed, observe};
use crate::hash::Hash;
use crate::platform::{self, FileKind, Result, Seen};
use crate::value::Text;

/// Permission bits unless they are given.
pub const PRIVATE: u32 = 0o600;

/// How many digits of a digest the name of a private file has.
const DIGITS: usize = 32;

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its path; `~/` is the user's home.
    pub target: Text,
    /// What it consists of.
    pub content: Vec<Part>,
    /// Permission bits in octal; by default 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner, a name or number; by default the applying user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether the target is a real file, rather than a link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copy: bool,
    /// What the name of the private file ends with, for programs that go by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    /// HMAC-SHA-256 of the content under the key of the root; absent until it is decrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Hash>,
    /// The directory of the private files of whose secret it is. In snapshots only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Text>,
    /// The private file that the link leads to. In snapshots only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Text>,
}

/// A part of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// Text that is not secret.
    Plain {
        /// The text.
        text: Text,
    },
    /// A value of an encrypted document.
    Value(Reference),
    /// What a template makes of secrets.
    Template {
        /// The name of the template among the texts.
        template: String,
        /// The texts of it and of what it includes; those that do not exist have none.
        texts: BTreeMap<String, Option<Text>>,
        /// What the names in it stand for.
        values: Vec<Named>,
    },
    /// What a program prints, without newlines at the end.
    Command {
        /// The program and its arguments.
        command: Vec<Text>,
        /// HMAC-SHA-256 of what it printed, by which that is kept. In snapshots only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        printed: Option<Hash>,
    },
    /// The line by which a shell sets a variable.
    Variable {
        /// The shell.
        shell: String,
        /// The variable.
        variable: String,
        /// Its value.
        value: Vec<Part>,
    },
}

/// A value of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The names that lead to it: `db` and `password` for `{{ db.password }}`. A number is a place
    /// in a list, from 1.
    pub path: Vec<String>,
    /// What it consists of.
    pub value: Vec<Part>,
    /// A number, a truth value or an empty list of the config, which is not secret and takes the
    /// place of the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<serde_json::Value>,
}

impl Part {
    /// Returns the parts in it.
    fn inner(&self) -> Vec<&Part> {
        match self {
            Part::Plain { .. } | Part::Value(_) | Part::Command { .. } => Vec::new(),
            Part::Template { values, .. } => values.iter().flat_map(|named| &named.value).collect(),
            Part::Variable { value, .. } => value.iter().collect(),
        }
    }

    fn add_values<'a>(&'a self, found: &mut Vec<&'a Reference>) {
        if let Part::Value(value) = self {
            found.push(value);
        }
        self.inner().into_iter().for_each(|part| part.add_values(found));
    }

    fn add_documents_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Text>) {
        match self {
            Part::Plain { .. } | Part::Command { .. } => {}
            Part::Value(value) => found.push(&mut value.document),
            Part::Template { values, .. } => {
                let parts = values.iter_mut().flat_map(|named| &mut named.value);
                parts.for_each(|part| part.add_documents_mut(found));
            }
            Part::Variable { value, .. } => {
                value.iter_mut().for_each(|part| part.add_documents_mut(found));
            }
        }
    }

    /// Calls a function for each command in it, with what it printed.
    fn each_command_mut(&mut self, change: &mut dyn FnMut(&[Text], &mut Option<Hash>)) {
        match self {
            Part::Plain { .. } | Part::Value(_) => {}
            Part::Command { command, printed } => change(command, printed),
            Part::Template { values, .. } => {
                let parts = values.iter_mut().flat_map(|named| &mut named.value);
                parts.for_each(|part| part.each_command_mut(change));
            }
            Part::Variable { value, .. } => {
                value.iter_mut().for_each(|part| part.each_command_mut(change));
            }
        }
    }

    fn add_commands<'a>(&'a self, found: &mut Vec<(&'a [Text], Option<Hash>)>) {
        if let Part::Command { command, printed } = self {
            found.push((command, *printed));
        }
        self.inner().into_iter().for_each(|part| part.add_commands(found));
    }

    /// Returns what tells it from others, wherever documents are.
    fn sealed(&self) -> Vec<u8> {
        let own = match self {
            Part::Plain { text } => [b"t".as_slice(), text.0.as_slice()].concat(),
            Part::Value(value) => {
                [b"v".as_slice(), value.key.as_bytes(), b"\0", value.sealed.as_bytes()].concat()
            }
            Part::Template { template, texts, values } => {
                let paths: Vec<&Vec<String>> = values.iter().map(|named| &named.path).collect();
                let plain: Vec<&Option<serde_json::Value>> =
                    values.iter().map(|named| &named.plain).collect();
                serde_json::to_vec(&(template, texts, paths, plain)).unwrap_or_default()
            }
            Part::Command { command, .. } => {
                [b"c".to_vec(), serde_json::to_vec(command).unwrap_or_default()].concat()
            }
            Part::Variable { shell, variable, .. } => format!("{shell}\0{variable}").into_bytes(),
        };
        [own, sealed(self.inner().into_iter())].concat()
    }
}

/// Returns what tells parts from others.
fn sealed<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<u8> {
    let parts = parts.map(Part::sealed);
    parts.flat_map(|part| [&part.len().to_le_bytes()[..], &part].concat()).collect()
}

/// The place of a value in an encrypted document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The document, an object of the store.
    pub document: Text,
    /// The same as the user calls it, for messages.
    pub origin: Text,
    /// The way to the value: `db.users[0].name`; empty for the whole content of a file of age.
    pub key: String,
    /// The digest of the encrypted text: as long as it is the same, so is the value.
    pub sealed: Hash,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(formatter, "{}", self.origin.display()),
            key => write!(formatter, "{key} of {}", self.origin.display()),
        }
    }
}

impl Secret {
    /// Returns the values that it consists of.
    pub fn values(&self) -> impl Iterator<Item = &Reference> {
        let mut found = Vec::new();
        self.content.iter().for_each(|part| part.add_values(&mut found));
        found.into_iter()
    }

    /// Returns the commands that it consists of, and what they printed.
    pub fn commands(&self) -> Vec<(&[Text], Option<Hash>)> {
        let mut found = Vec::new();
        self.content.iter().for_each(|part| part.add_commands(&mut found));
        found
    }

    /// Calls a function for each of its commands, with what it printed.
    pub fn each_command_mut(&mut self, mut change: impl FnMut(&[Text], &mut Option<Hash>)) {
        self.content.iter_mut().for_each(|part| part.each_command_mut(&mut change));
    }

    /// Describes its parts, without any value.
    pub fn name(&self) -> String {
        let mut names: Vec<String> = self.values().map(ToString::to_string).collect();
        let program = |words: &[Text]| words.first().map(Text::display).unwrap_or_default();
        let commands = self.commands().into_iter();
        names.extend(commands.map(|(words, _)| format!("output of {}", program(words))));
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names.join(", ")
    }

    /// Returns what tells whether two have the same content, without decrypting: wherever the
    /// documents are.
    pub fn sealed(&self) -> Vec<u8> {
        sealed(self.content.iter())
    }

    /// Says where private files are: `directory` is that of whose secret it is. What is not
    /// decrypted yet has a name that no private file has.
    pub fn put_into(&mut self, directory: Text) {
        let name = match self.digest {
            Some(digest) => {
                let whole = Hash::of(&[digest.as_bytes(), self.target.0.as_slice()].concat());
                format!("{}{}", &whole.to_hex()[..DIGITS], self.suffix)
            }
            None => "unknown".to_owned(),
        };
        self.kept =
            (!self.copy).then(|| Text([directory.0.as_slice(), b"/", name.as_bytes()].concat()));
        self.directory = Some(directory);
    }

    /// Returns the key of the root, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn key(&self) -> Result<Option<Key>> {
        match self.directory.as_ref().map(Text::to_path).as_deref().and_then(Path::parent) {
            Some(directory) => Key::read(directory),
            None => Ok(None),
        }
    }

    /// Returns whether the private file that a link leads to is as it was written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_kept(&self, directories: &Directories) -> Result<bool> {
        let (Some(kept), Some(digest)) = (&self.kept, self.digest) else { return Ok(false) };
        let Some(key) = self.key()? else { return Ok(false) };
        let place = without_links(&kept.to_path());
        let found = observe(directories, &place)?;
        let is_private = |seen: &Seen| seen.kind == FileKind::File && seen.mode & 0o077 == 0;
        Ok(found.seen().is_some_and(is_private)
            && key.is_at(directories, &place, &found, digest)?)
    }

    fn mode_bits(&self) -> std::result::Result<u32, Error> {
        self.mode.as_ref().map_or(Ok(PRIVATE), |mode| parse_mode(mode))
    }
}

/// Returns a path whose directory has no link above it.
pub fn without_links(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => platform::canonical(parent).join(name),
        _ => path.to_owned(),
    }
}

impl Kind for Secret {
    fn texts(&self) -> Vec<&Text> {
        self.values().map(|value| &value.document).chain([&self.target]).collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        let mut found = Vec::new();
        self.content.iter_mut().for_each(|part| part.add_documents_mut(&mut found));
        found.push(&mut self.target);
        found
    }

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        let mut found = Vec::new();
        self.content.iter_mut().for_each(|part| part.add_documents_mut(&mut found));
        found.extend(self.directory.iter_mut().chain(&mut self.kept));
        found.push(&mut self.target);
        found
    }
}

impl TargetKind for Secret {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "secret"
    }

    fn in_words(&self) -> String {
        format!("the secret {}", self.name())
    }

    fn content(&self) -> Vec<u8> {
        let rest = serde_json::to_vec(&(&self.mode, &self.owner, self.copy)).unwrap_or_default();
        [self.sealed(), rest].concat()
    }

    fn state(&self) -> Vec<u8> {
        let content =
            self.digest.map_or_else(|| self.sealed(), |digest| digest.as_bytes().to_vec());
        let rest = serde_json::to_vec(&(&self.mode, &self.owner, self.copy)).unwrap_or_default();
        [content, rest].concat()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        if let Some(kept) = &self.kept {
            return Ok(After::Link { source: kept.clone() });
        }
        let (owner, group) = numbers(self.owner.as_ref(), None)?;
        Ok(After::Secret {
            // Before it is decrypted this is a plan, and nothing is written.
            digest: self.digest.unwrap_or_else(|| Hash::of(b"")),
            key: self.key_path(),
            mode: self.mode_bits()?,
            owner,
            group,
        })
    }

    fn drift(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<Drift> {
        let aspect = |aspect| Drift::Changed(vec![aspect]);
        if let Some(kept) = &self.kept {
            return Ok(match found {
                Observed::Nothing => Drift::Missing,
                Observed::Link(..) if !is_at(kept, found) => aspect(Aspect::Link),
                Observed::Link(..) if self.is_kept(observer.directories)? => Drift::None,
                Observed::Link(..) => aspect(Aspect::Content),
                Observed::Other(_) => Drift::Replaced,
            });
        }
        let Observed::Other(seen) = found else {
            return Ok(if *found == Observed::Nothing { Drift::Missing } else { Drift::Replaced });
        };
        if seen.kind != FileKind::File {
            return Ok(Drift::Replaced);
        }
        let mut aspects = self.rights(observer, seen);
        if !self.has_written(observer, place, found)? {
            aspects.insert(0, Aspect::Content);
        }
        Ok(if aspects.is_empty() { Drift::None } else { Drift::Changed(aspects) })
    }

    fn has_written(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<bool> {
        if let Some(kept) = &self.kept {
            return Ok(is_at(kept, found));
        }
        match (self.digest, self.key()?) {
            (Some(digest), Some(key)) => key.is_at(observer.directories, place, found, digest),
            _ => Ok(false),
        }
    }

    fn rights(&self, observer: Observer<'_>, seen: &Seen) -> Vec<Aspect> {
        if self.kept.is_some() {
            return Vec::new();
        }
        let has_mode = self.mode_bits().is_ok_and(|mode| mode == seen.mode);
        let mut aspects = if has_mode { Vec::new() } else { vec![Aspect::Mode] };
        aspects.extend(observer.accounts.differ(self.owner.as_ref(), None, seen));
        aspects
    }

    fn properties(&self) -> Properties<'_> {
        let (mode, owner) = (self.mode.as_ref(), self.owner.as_ref());
        Properties { mode, owner, ..Properties::default() }
    }

    fn detail(&self) -> Text {
        Text(format!("secret {}", self.name()).into_bytes())
    }

    fn leads_to(&self) -> Option<&Text> {
        self.kept.as_ref()
    }

    fn link_text(&self) -> Option<&Text> {
        self.kept.as_ref()
    }
}

impl Secret {
    /// Returns where the key of the root is.
    pub fn key_path(&self) -> Text {
        let directory = self.directory.as_ref().map(Text::to_path).unwrap_or_default();
        let above = directory.parent().unwrap_or(&directory);
        Text(platform::bytes_of_path(&above.join(KEY)))
    }
}
