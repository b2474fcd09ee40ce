//! The files in a root that sys.lua may remove: by the forms of names that it gives, in directories
//! that are reached without a link.
//!
//! Files with other names were created by others, and stay; so do the targets of links.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Result, Store, shared};
use crate::hash::Hash;
use crate::names::{ObjectName, OutputName, SnapshotId};
use crate::platform::{self, Directory, FileKind, Step, Walk};

/// How an object is called that has lost its name: in the same directory, since a read-only one
/// cannot be moved.
pub const GONE: &str = ".gone-";

/// A directory of a root whose names have forms of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootPlace {
    /// `store/obj`.
    Objects,
    /// `store/info`.
    Info,
    /// `store/drv`.
    Derivations,
    /// `store/drv-out`.
    Outputs,
    /// `store/log`.
    Logs,
    /// `store/files`: shared files by content.
    SharedFiles,
    /// `store/ways`: links to trees.
    Ways,
    /// `store/metadata/sources`: contents of sources of configs.
    SourceContents,
    /// `store/locks`.
    Locks,
    /// `store/bld`, where older versions built.
    OldBuilding,
    /// `store/tmp`.
    Work,
    /// `store/staging`.
    Staging,
    /// `store/quarantine`.
    Quarantine,
    /// `store/metadata/snapshots`.
    Snapshots,
    /// `cache/downloads`.
    Downloads,
    /// `cache/git`.
    GitTrees,
    /// `cache/inputs`.
    InputTrees,
}

/// Returns whether a name has a form that sys.lua gives in a place.
pub fn is_ours(place: RootPlace, name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let is_object = |name: &str| ObjectName::of_file(name).is_some();
    let is_snapshot = |name: &str| SnapshotId::parse(name).is_ok();
    let is_numbered = |rest: Option<&str>| rest.is_some_and(|rest| rest.parse::<u64>().is_ok());
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    if is_temporary(name) {
        return true;
    }
    match place {
        RootPlace::Objects => is_object(name.strip_prefix(GONE).unwrap_or(name)),
        RootPlace::Info => name.strip_suffix(".json").is_some_and(is_object),
        RootPlace::Derivations => is_hash(stem) && matches!(ending, "drv" | "lock"),
        RootPlace::Outputs | RootPlace::Logs | RootPlace::SharedFiles => is_hash(name),
        // A short name, and digits of a hash, as an object has.
        RootPlace::Ways => is_object(name),
        RootPlace::SourceContents => is_hash(name) || name == ".new",
        // Beside the lock of a slot are that of the jail of its build, and what its processes are
        // known by.
        RootPlace::Locks => {
            (is_slot(stem) && matches!(ending, "" | "mark" | "jail")) || name == "closure"
        }
        RootPlace::OldBuilding => is_object(name) || matches!(name, "closure" | "closure.lock"),
        // Before there were slots, builds had directories by their whole hash.
        RootPlace::Work => {
            is_hash(name)
                || (name.len() == 2 && is_hexadecimal(name))
                || name.strip_prefix("config-").is_some_and(|rest| {
                    rest.split_once('-')
                        .is_some_and(|(id, process)| is_snapshot(id) && is_numbered(Some(process)))
                })
        }
        RootPlace::Staging => {
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let is_scratch = |rest: &str| {
                rest.split_once('-').is_some_and(|(pid, file)| is_number(pid) && is_number(file))
            };
            name == "closure"
                || name.strip_suffix(".copy").is_some_and(is_object)
                // The new version of a file.
                || name.strip_prefix("scratch-").is_some_and(is_scratch)
                // An output, or notes of what publishes.
                || name
                    .split_once('-')
                    .is_some_and(|(hash, rest)| is_hash(hash) && OutputName::parse(rest).is_ok())
        }
        RootPlace::Quarantine => name.rsplit_once('.').is_some_and(|(what, number)| {
            (is_object(what) || what == "journal") && is_numbered(Some(number))
        }),
        RootPlace::Snapshots => {
            let inner = name.strip_prefix('.');
            let inner = inner
                .and_then(|name| name.strip_suffix(".gone").or_else(|| name.strip_suffix(".new")));
            is_snapshot(inner.unwrap_or(name))
        }
        RootPlace::Downloads => {
            is_hash(stem) && matches!(ending, "" | "part" | "part.json" | "lock")
        }
        // Beside each tree, where it came from.
        RootPlace::GitTrees | RootPlace::InputTrees => {
            is_hash(stem) && matches!(ending, "" | "new" | "lock" | "from")
        }
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_hash(text: &str) -> bool {
    Hash::parse(text).is_ok_and(|hash| hash.to_hex() == text)
}

fn is_slot(text: &str) -> bool {
    text.strip_prefix('b').is_some_and(|digits| digits.len() == 2 && is_hexadecimal(digits))
}

/// Returns whether a name is a temporary one of an atomic write, as `platform` makes them.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix(".syslua-").and_then(|name| name.strip_suffix(".tmp"));
    inner.and_then(|name| name.split_once('-')).is_some_and(|(process, number)| {
        process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok()
    })
}

/// The directories of a root, each reached from the root without a link.
pub struct Own {
    top: Arc<Directory>,
    path: PathBuf,
    open: Mutex<HashMap<PathBuf, Option<Arc<Directory>>>>,
}

impl Own {
    /// Opens a root, or returns `None` if it does not exist. The root itself may be reached through
    /// links.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(store: &Store) -> Result<Option<Own>> {
        match Directory::follow(store.root()) {
            Ok(top) => Ok(Some(Own {
                top: Arc::new(top),
                path: store.root().to_owned(),
                open: Mutex::new(HashMap::new()),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns a directory by its path below the root, or `None` if it does not exist or a link
    /// leads there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn directory(&self, path: &Path) -> Result<Option<Arc<Directory>>> {
        let Ok(inner) = path.strip_prefix(&self.path) else { return Ok(None) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = PathBuf::new();
        let mut directory = Arc::clone(&self.top);
        for component in inner.components() {
            let Component::Normal(name) = component else { return Ok(None) };
            at.push(name);
            let known = match open.get(&at) {
                Some(known) => known.clone(),
                None => {
                    let is_directory =
                        directory.node(name)?.is_some_and(|node| node.kind == FileKind::Directory);
                    let found = if is_directory {
                        Some(Arc::new(directory.directory(name)?))
                    } else {
                        None
                    };
                    open.insert(at.clone(), found.clone());
                    found
                }
            };
            let Some(next) = known else { return Ok(None) };
            directory = next;
        }
        Ok(Some(directory))
    }

    /// Returns the names in a directory below the root, in the order of their bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>> {
        match self.directory(path)? {
            Some(directory) => Ok(directory.list()?),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the names of sys.lua in a place.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list_ours(&self, place: RootPlace, path: &Path) -> Result<Vec<OsString>> {
        Ok(self
            .list(path)?
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| is_ours(place, name))
            .collect())
    }

    /// Removes a path below the root with its contents, immutable or not; a missing path is not an
    /// error. Other names of its files stay unchanged.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let Some((directory, name)) = self.locate(path)? else { return Ok(()) };
        lift(&directory, name)?;
        shared::take_names(&directory, name)?;
        Ok(platform::remove_in(&directory, name)?)
    }

    /// Returns the file at a path below the root, if any.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn kind(&self, path: &Path) -> Result<Option<FileKind>> {
        let Some((directory, name)) = self.locate(path)? else { return Ok(None) };
        Ok(directory.node(name)?.map(|node| node.kind))
    }

    /// Returns the bytes of the files at a path below the root, as far as it can be looked at.
    pub fn size_of(&self, path: &Path) -> u64 {
        let Ok(Some((directory, name))) = self.locate(path) else { return 0 };
        let mut walk = Walk::new(directory, name);
        let mut size = 0u64;
        while let Ok(Some(step)) = walk.step() {
            if let Step::Node { directory, name, kind: FileKind::File } = step {
                let node = directory.node(&name).ok().flatten();
                size = size.saturating_add(node.map_or(0, |node| node.size));
            }
        }
        size
    }

    /// Gives an object another name in the same directory. It is mutable after that, except for
    /// files that have other names.
    ///
    /// # Errors
    /// When something has that name, or the system refuses.
    pub fn retire(&self, path: &Path, name: &OsStr) -> Result<()> {
        let Some((directory, old)) = self.locate(path)? else { return self.rename(path, name) };
        lift(&directory, old)?;
        // A single file that has other names stays immutable under these.
        let file = directory.lift_immutable(old);
        let renamed = directory.rename_over(old, &directory, name);
        file.iter().for_each(platform::set_file_immutable);
        Ok(renamed?)
    }

    /// Renames a path below the root within its directory.
    ///
    /// # Errors
    /// When something has that name, or the system refuses.
    pub fn rename(&self, path: &Path, name: &OsStr) -> Result<()> {
        match self.locate(path)? {
            Some((directory, old)) => Ok(directory.rename_over(old, &directory, name)?),
            None => {
                Err(platform::failed("rename", path)(std::io::ErrorKind::NotFound.into()).into())
            }
        }
    }

    /// Removes a directory below the root if it holds nothing; returns whether it did.
    ///
    /// # Errors
    /// When the system refuses for another reason.
    pub fn remove_if_empty(&self, path: &Path) -> Result<bool> {
        let is_empty = self
            .directory(path)?
            .is_some_and(|directory| directory.list().is_ok_and(|list| list.is_empty()));
        if !is_empty {
            return Ok(false);
        }
        let Some((directory, name)) = self.locate(path)? else { return Ok(false) };
        directory.remove_directory(name)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(true)
    }

    /// Returns the directory that something below the root is in, and its name there, or `None` if
    /// a link leads there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn locate<'a>(&self, path: &'a Path) -> Result<Option<(Arc<Directory>, &'a OsStr)>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        Ok(self.directory(parent)?.map(|directory| (directory, name)))
    }
}

/// Makes a tree mutable, except for files with other names, which belong to objects that stay.
/// Behind a link is what belongs to another store.
fn lift(directory: &Arc<Directory>, name: &OsStr) -> Result<()> {
    if directory.node(name)?.is_some_and(|node| node.kind != FileKind::Symlink) {
        platform::lift_immutable_tree(directory, name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_of_ours_are_known_and_others_are_not() {
        let ours = [
            (RootPlace::Objects, vec!["a-012345678".to_owned(), ".gone-a-012345678".into()]),
            (RootPlace::Info, vec!["a-012345678.json".into(), ".syslua-12-3.tmp".into()]),
            (RootPlace::Ways, vec!["nvim-012345678".into()]),
            (RootPlace::Derivations, vec![format!("{HASH}.drv")]),
            (RootPlace::Outputs, vec![HASH.into(), ".syslua-12-3.tmp".into()]),
            (RootPlace::Logs, vec![HASH.into()]),
            (
                RootPlace::Locks,
                vec!["b0f".into(), "b0f.mark".into(), "b0f.jail".into(), "closure".into()],
            ),
            (
                RootPlace::OldBuilding,
                vec!["a-012345678".into(), "closure".into(), "closure.lock".into()],
            ),
            (RootPlace::Work, vec![HASH.into(), "0f".into(), "config-12-345".into()]),
            (
                RootPlace::Staging,
                vec![
                    format!("{HASH}-out"),
                    format!("{HASH}-lifted"),
                    format!("{HASH}-lifted.lock"),
                    "closure".into(),
                    "a-012345678.copy".into(),
                    "scratch-12-345".into(),
                ],
            ),
            (RootPlace::Quarantine, vec!["a-012345678.0".into(), "journal.12".into()]),
            (RootPlace::Snapshots, vec!["0".into(), ".12.gone".into(), ".12.new".into()]),
            (
                RootPlace::Downloads,
                vec![
                    HASH.into(),
                    format!("{HASH}.part"),
                    format!("{HASH}.part.json"),
                    format!("{HASH}.lock"),
                ],
            ),
            (RootPlace::GitTrees, vec![HASH.into(), format!("{HASH}.new"), format!("{HASH}.lock")]),
            (
                RootPlace::InputTrees,
                vec![
                    HASH.into(),
                    format!("{HASH}.new"),
                    format!("{HASH}.lock"),
                    format!("{HASH}.from"),
                ],
            ),
        ];
        for (place, names) in &ours {
            for name in names {
                assert!(is_ours(*place, name.as_ref()), "{place:?} {name}");
                for other in [
                    format!("{name}~"),
                    format!("my {name}"),
                    format!("{name}.orig"),
                    format!("{name}\n"),
                ] {
                    // An output may be called so.
                    if *place == RootPlace::Staging
                        && other.starts_with(HASH)
                        && other.ends_with(['g', '~'])
                    {
                        continue;
                    }
                    assert!(!is_ours(*place, other.as_ref()), "{place:?} {other:?}");
                }
            }
            for name in [
                "film.iso",
                "project",
                "notes.txt",
                ".git",
                "a",
                "",
                ".gone-",
                ".syslua-x.tmp",
                "b",
                "0x",
            ] {
                assert!(!is_ours(*place, name.as_ref()), "{place:?} {name}");
            }
            assert!(!is_ours(*place, HASH.to_uppercase().as_ref()), "{place:?}");
        }
    }
}
