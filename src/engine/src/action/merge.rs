//! Keys in a file that a program owns too: the declaration. `merging.rs` changes the file.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;
use syslua_merge::{Declaration, Format, differences};

use super::change::After;
use super::declared_keys::{DeclaredKey, declaration};
use super::drift::{Aspect, Drift, Observer};
use super::kind::{Kind, TargetKind};
use super::{Directories, Error, Observed, observe};
use crate::platform::{FileKind, Result};
use crate::value::Text;

/// Keys in a file that a program owns too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The path of the file; `~/` is the user's home.
    pub target: Text,
    /// How it is written.
    pub format: Format,
    /// What a comment begins with; by default `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The declared keys. They may be given as a text of JSON.
    #[serde(deserialize_with = "keys")]
    pub keys: Vec<DeclaredKey>,
}

fn keys<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<DeclaredKey>, D::Error> {
    use serde::de::Error;
    match Json::deserialize(deserializer)? {
        Json::String(text) => serde_json::from_str(&text).map_err(D::Error::custom),
        other => serde_json::from_value(other).map_err(D::Error::custom),
    }
}

impl Merge {
    /// Returns the keys whose value differs from the declaration, or why the file cannot be read.
    pub fn changed(&self, observer: Observer<'_>, place: &Path) -> String {
        let Ok(bytes) = read(observer.directories, place) else { return String::new() };
        match differences(bytes.as_deref(), &self.declaration()) {
            Ok(changes) => {
                let keys: Vec<String> = changes.into_iter().map(|change| change.key).collect();
                keys.join(", ")
            }
            Err(problem) => problem.to_string(),
        }
    }

    /// Returns the declaration of the document.
    pub fn declaration(&self) -> Declaration {
        declaration(self.format, self.comment.as_deref(), &self.keys)
    }
}

impl Kind for Merge {
    fn texts(&self) -> Vec<&Text> {
        let mut texts = vec![&self.target];
        self.keys.iter().flat_map(DeclaredKey::values).for_each(|value| value.texts(&mut texts));
        texts
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        let mut texts = vec![&mut self.target];
        for key in &mut self.keys {
            let before = key.before.iter_mut().flatten();
            let lists = before.chain(key.after.iter_mut().flatten());
            key.value.iter_mut().chain(lists).for_each(|value| value.texts_mut(&mut texts));
        }
        texts
    }

    /// A value that begins with `~/` is the program's to understand.
    fn starts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.target]
    }
}

impl TargetKind for Merge {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "file"
    }

    fn in_words(&self) -> String {
        let names: Vec<String> =
            self.keys.iter().map(|key| syslua_merge::shown(&key.path)).collect();
        match self.format {
            Format::Lines | Format::Block => "lines in a file of a program".to_owned(),
            _ => format!("keys in a file of a program: {}", names.join(", ")),
        }
    }

    fn content(&self) -> Vec<u8> {
        serde_json::to_vec(&(self.format, &self.comment, &self.keys)).unwrap_or_default()
    }

    fn state(&self) -> Vec<u8> {
        self.content()
    }

    /// The result depends on the existing file: see `merging::edit`.
    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        Ok(After::Nothing)
    }

    /// Only the declared keys count.
    fn drift(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<Drift> {
        let bytes = match found {
            Observed::Nothing => None,
            Observed::Other(seen) if seen.kind == FileKind::File => {
                let (directory, name) = observer.directories.of(place)?;
                Some(directory.read_file(&name)?)
            }
            _ => return Ok(Drift::Replaced),
        };
        Ok(match differences(bytes.as_deref(), &self.declaration()) {
            Ok(changes) if changes.is_empty() => Drift::None,
            _ if bytes.is_none() => Drift::Missing,
            _ => Drift::Changed(vec![Aspect::Keys]),
        })
    }

    /// The file as a whole belongs to its program.
    fn has_written(&self, _look: Observer<'_>, _place: &Path, _found: &Observed) -> Result<bool> {
        Ok(false)
    }

    fn merge(&self) -> Option<&Merge> {
        Some(self)
    }
}

/// Returns the bytes of the file at a place, or `None` if it does not exist.
///
/// # Errors
/// When it is not a file, or cannot be read.
pub fn read(directories: &Directories, place: &Path) -> Result<Option<Vec<u8>>> {
    match observe(directories, place)? {
        Observed::Nothing => Ok(None),
        _ => {
            let (directory, name) = directories.of(place)?;
            directory.read_file(&name).map(Some)
        }
    }
}
