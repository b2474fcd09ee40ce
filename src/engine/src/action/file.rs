//! A real file at a target, with the content of a source.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Aspect, Drift, Observer};
use super::kind::{Kind, Properties, TargetKind};
use super::{Directories, Error, Observed};
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform::{self, FileKind, Result, Seen};
use crate::store::Store;
use crate::value::Text;

/// The default permission bits of a file, and of an executable one.
const PLAIN: u32 = 0o644;
const EXECUTABLE: u32 = 0o755;

/// The bits of these that a private file has.
const OWNER: u32 = 0o700;

/// A real file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file with the content.
    pub source: Text,
    /// The path of the file; `~/` is the user's home.
    pub target: Text,
    /// Permission bits in octal; by default 0644, or 0755 for a source that can be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner, a name or number; by default the applying user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group, a name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it is written once, and belongs to the user after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// Whether only the owner may read it, since that is so of the source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// The SHA-256 of the content that was written; absent until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Hash>,
    /// Whether the source could be run when the digest was made; older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
}

impl Kind for File {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.source, &self.target]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.source, &mut self.target]
    }
}

impl TargetKind for File {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "file"
    }

    fn in_words(&self) -> String {
        format!("a file with the content of {}", self.source.display())
    }

    fn content(&self) -> Vec<u8> {
        let target = Text::default();
        serde_json::to_vec(&File { target, digest: None, executable: None, ..self.clone() })
            .unwrap_or_default()
    }

    /// What belongs to the user since it was written is not written again, whatever its first
    /// content would be now. The same content from another object is the same file.
    fn state(&self) -> Vec<u8> {
        if self.mutable {
            return b"mutable".to_vec();
        }
        serde_json::to_vec(&(self.digest, &self.mode, &self.owner, &self.group, self.private))
            .unwrap_or_default()
    }

    fn after(&self, mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        let mode = match &self.mode {
            Some(mode) => parse_mode(mode)?,
            None if self.private => self.default_mode() & OWNER,
            None => self.default_mode(),
        };
        let (owner, group) = numbers(self.owner.as_ref(), self.group.as_ref())?;
        // Without content there is no digest yet: then this is a plan, and nothing is written.
        let digest = self.digest.unwrap_or_else(|| Hash::of(b""));
        Ok(After::File {
            source: self.source.clone(),
            digest,
            mode,
            owner,
            group,
            mark: Some(mark()),
        })
    }

    /// What belongs to the user since it was written may be anything.
    fn drift(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<Drift> {
        Ok(match found {
            Observed::Nothing => Drift::Missing,
            _ if self.mutable => Drift::None,
            Observed::Other(seen) if seen.kind == FileKind::File => {
                let mut aspects = self.rights(observer, seen);
                match self.has_digest(observer, place) {
                    // Its owner may not read it: what may be seen is compared.
                    Err(error) if error.is_denied() && aspects.is_empty() => {
                        if !has_length_of(seen, &self.source.to_path()) {
                            aspects.push(Aspect::Content);
                        }
                    }
                    has => {
                        if !has? {
                            aspects.insert(0, Aspect::Content);
                        }
                    }
                }
                if aspects.is_empty() { Drift::None } else { Drift::Changed(aspects) }
            }
            _ => Drift::Replaced,
        })
    }

    fn has_written(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<bool> {
        match self.digest {
            Some(digest) => is_at(observer.directories, place, found, digest),
            None => Ok(false),
        }
    }

    fn is_in_place(&self, observer: Observer<'_>, place: &Path) -> Result<bool> {
        let found = super::observe(observer.directories, place)?;
        Ok(match self.has_result_as_read(observer, place, &found)? {
            Some(holds) => holds,
            // It was written with a mode that lets its owner not read it.
            None => match self.drift(observer, place, &found) {
                Err(error) if error.is_denied() => false,
                drift => drift? == Drift::None,
            },
        })
    }

    fn has_result(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<bool> {
        Ok(self.has_result_as_read(observer, place, found)?.unwrap_or(false))
    }

    /// Those that are declared, and whether it can be run.
    fn rights(&self, observer: Observer<'_>, seen: &Seen) -> Vec<Aspect> {
        let has_mode = match &self.mode {
            Some(mode) => u32::from_str_radix(mode, 8) == Ok(seen.mode),
            None if self.private && seen.mode & !OWNER != 0 => false,
            // Whatever else the user did to the bits was not declared.
            None => self.can_run().is_none_or(|can_run| can_run == (seen.mode & 0o111 != 0)),
        };
        let mut aspects = if has_mode { Vec::new() } else { vec![Aspect::Mode] };
        aspects.extend(observer.accounts.differ(self.owner.as_ref(), self.group.as_ref(), seen));
        aspects
    }

    fn source(&self) -> Option<&Text> {
        Some(&self.source)
    }

    fn properties(&self) -> Properties<'_> {
        let (mode, owner, group) = (self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref());
        Properties { mode, owner, group, mutable: self.mutable }
    }

    fn is_given(&self) -> bool {
        self.mutable
    }

    fn digest(&self) -> Option<(&Text, Option<Hash>)> {
        Some((&self.source, self.digest))
    }

    fn is_executable(&self) -> Option<bool> {
        self.executable
    }

    fn set_digest(&mut self, digest: Hash, executable: bool) {
        self.digest = Some(digest);
        self.executable = Some(executable);
    }
}

impl File {
    /// Returns whether the source can be run. What is recorded counts: a program may have changed
    /// the mode of an object since.
    fn can_run(&self) -> Option<bool> {
        self.executable.or_else(|| is_executable(&self.source.to_path()))
    }

    fn default_mode(&self) -> u32 {
        if self.can_run() == Some(true) { EXECUTABLE } else { PLAIN }
    }

    /// Returns whether the file is the result of the action, or `None` if it may not be read.
    fn has_result_as_read(
        &self,
        observer: Observer<'_>,
        place: &Path,
        found: &Observed,
    ) -> Result<Option<bool>> {
        let Observed::Other(seen) = found else { return Ok(Some(false)) };
        if seen.kind != FileKind::File || self.mutable {
            return Ok(Some(seen.kind == FileKind::File));
        }
        // What is of another mode is not read.
        if !self.rights(observer, seen).is_empty() {
            return Ok(Some(false));
        }
        match self.has_digest(observer, place) {
            Err(error) if error.is_denied() => Ok(None),
            has => Ok(Some(has?)),
        }
    }

    /// Returns whether the file at a place has the content that was written.
    fn has_digest(&self, observer: Observer<'_>, place: &Path) -> Result<bool> {
        let Some(digest) = self.digest else { return Ok(false) };
        let (directory, name) = observer.directories.of(place)?;
        Ok(directory.hash(&name, observer.directories.interrupt())? == digest)
    }
}

/// Returns whether a file has as many bytes as another one.
fn has_length_of(seen: &Seen, source: &Path) -> bool {
    let length = platform::followed(source).ok().flatten().map(|data| data.len());
    length.is_some() && length == seen.identity.content.map(|(length, ..)| length)
}

/// Returns whether a file was found that was just written with the content of a source and this
/// mode. Where that lets its owner not read it, its length is compared.
///
/// # Errors
/// When it cannot be read.
pub fn is_written(
    directories: &Directories,
    place: &Path,
    found: &Observed,
    (source, digest, mode): (&Path, Hash, u32),
) -> Result<bool> {
    let Observed::Other(seen) = found else { return Ok(false) };
    if seen.kind != FileKind::File {
        return Ok(false);
    }
    let (directory, name) = directories.of(place)?;
    match directory.hash(&name, directories.interrupt()) {
        Err(error) if error.is_denied() => Ok(seen.mode == mode && has_length_of(seen, source)),
        hash => Ok(hash? == digest),
    }
}

/// Returns whether a file with this content was found.
///
/// # Errors
/// When it cannot be read.
pub fn is_at(
    directories: &Directories,
    place: &Path,
    found: &Observed,
    digest: Hash,
) -> Result<bool> {
    match found {
        Observed::Other(seen) if seen.kind == FileKind::File => {
            let (directory, name) = directories.of(place)?;
            directory.has_content(&name, digest, directories.interrupt())
        }
        _ => Ok(false),
    }
}

/// Returns the digest of a file that is to be installed. Links of an object are followed within the
/// store only: builds make them, and this reads with the rights of the applying user.
///
/// # Errors
/// When it is not a file, leads out of the store, or cannot be read.
pub fn digest_of(path: &Path, store: &Store) -> std::result::Result<Hash, Error> {
    if let Some(end) = end_outside(path, store) {
        return Err(Error::LeadsOut { path: path.to_owned(), end });
    }
    // A link in an object leads to the file that is meant.
    if !platform::is_file(path) {
        let found = match platform::kind_of(path) {
            Ok(None) => "nothing is there",
            Ok(Some(FileKind::Directory)) => "it is a directory",
            _ => "it is not a regular file",
        };
        return Err(Error::NoFile { path: path.to_owned(), found });
    }
    Ok(platform::digest_of(path, store.interrupt())?)
}

/// Returns where a path in an object ends, if that is outside of the store and of the store that
/// its object is borrowed from.
fn end_outside(path: &Path, store: &Store) -> Option<PathBuf> {
    let inside = path.strip_prefix(store.objects()).ok()?;
    if !platform::leads_somewhere(path) {
        return None;
    }
    let end = platform::canonical(path);
    let lender = || store.lender_of(&ObjectName::of_file(inside.iter().next()?.to_str()?)?);
    let is_inside = end.starts_with(platform::canonical(store.objects()))
        || lender().is_some_and(|objects| end.starts_with(platform::canonical(&objects)));
    (!is_inside).then_some(end)
}

/// Returns the permission bits that a text in octal stands for.
///
/// # Errors
/// When it stands for none.
pub fn parse_mode(mode: &str) -> std::result::Result<u32, Error> {
    let bits = u32::from_str_radix(mode, 8).ok().filter(|bits| *bits <= 0o7777);
    bits.ok_or_else(|| Error::Unusable { what: "mode", given: mode.to_owned() })
}

/// Returns the numbers of an owner and a group.
///
/// # Errors
/// When there is no such account, or only root can give something to it.
pub fn numbers(
    owner: Option<&String>,
    group: Option<&String>,
) -> std::result::Result<(Option<u32>, Option<u32>), Error> {
    let unusable = |what, given: &String| Error::Unusable { what, given: given.to_owned() };
    let owner = owner
        .map(|name| platform::user_named(name).ok_or_else(|| unusable("owner", name)))
        .transpose()?;
    let group = group
        .map(|name| platform::group_number(name).ok_or_else(|| unusable("group", name)))
        .transpose()?;
    match owner.filter(|owner| ![0, *owner].contains(&platform::user_number())) {
        Some(owner) => Err(Error::NotRoot { owner: owner.to_string() }),
        None => Ok((owner, group)),
    }
}

/// Returns whether a file can be run, if it is there.
pub fn is_executable(path: &Path) -> Option<bool> {
    let data = platform::followed(path).ok().flatten()?;
    Some(platform::mode_of(&data) & 0o111 != 0)
}
