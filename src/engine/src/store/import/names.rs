//! The names that outputs have while they are built: what is searched for in them, and the final
//! names in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Build;
use crate::hash::{Hash, READ_SIZE};
use crate::names::{ObjectName, OutputName, Placeholder};
use crate::platform::{self, Directory, FileKind};
use crate::store::publication::scratch;
use crate::store::self_references::Patterns;
use crate::store::tree::{self, Digest};
use crate::store::{Error, Outputs, Result, Slot, Store};

/// How many patterns an output of the build has: `store/bNN/NAME`, `bNN/NAME` and `NAME`.
const OWN_PATTERNS: usize = 3;

/// The patterns between those of the outputs and those of the dependencies.
#[derive(Clone, Copy)]
pub(super) enum Fixed {
    Root,
    Placeholder,
    Slot,
    End,
}

impl Fixed {
    /// Returns the position among [`patterns`].
    pub(super) fn place(self, build: &Build<'_>) -> usize {
        OWN_PATTERNS * build.outputs.len() + self as usize
    }
}

/// Returns the patterns of one output of a build whose outputs have no final names yet.
pub fn patterns_of(
    store: &Store,
    deriver: Hash,
    outputs: &BTreeMap<OutputName, ObjectName>,
    dependencies: &BTreeSet<ObjectName>,
    output: &OutputName,
) -> Vec<tree::Pattern> {
    patterns_with(store, Slot::of(deriver), outputs, dependencies, output, &Outputs::default())
}

pub(super) fn patterns(
    store: &Store,
    build: &Build<'_>,
    output: &OutputName,
    finished: &Outputs,
) -> Vec<tree::Pattern> {
    patterns_with(store, build.slot(), build.outputs, build.dependencies, output, finished)
}

/// The patterns of one output: those of each output of the build, in order, then what [`Fixed`]
/// lists, and the dependencies.
fn patterns_with(
    store: &Store,
    slot: Slot,
    outputs: &BTreeMap<OutputName, ObjectName>,
    dependencies: &BTreeSet<ObjectName>,
    output: &OutputName,
    finished: &Outputs,
) -> Vec<tree::Pattern> {
    let mut patterns = Vec::new();
    for (other, temporary) in outputs {
        let replacement = if other == output {
            Some(vec![0; temporary.as_str().len()])
        } else {
            finished.get(other).map(|object| object.as_str().as_bytes().to_vec())
        };
        add_own_name(&mut patterns, slot, temporary, replacement);
    }
    patterns.push((platform::bytes_of_path(store.root()), None));
    patterns.push((Placeholder::PREFIX.as_bytes().to_vec(), None));
    patterns.push((format!("store/{slot}").into_bytes(), None));
    patterns.extend(dependencies.iter().map(|object| (object.as_str().as_bytes().to_vec(), None)));
    patterns
}

/// Adds the names of an output during its build, and their replacements: with every possible
/// directory before the name, so that it is not mistaken for the directory alone.
pub(crate) fn add_own_name(
    patterns: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>,
    slot: Slot,
    temporary: &ObjectName,
    replacement: Option<Vec<u8>>,
) {
    let name = temporary.as_str().as_bytes();
    for above in ["store/", ""] {
        let directory = format!("{above}{slot}/");
        let placed = replacement.as_ref().map(|name| [above.as_bytes(), b"obj/", name].concat());
        patterns.push(([directory.as_bytes(), name].concat(), placed));
    }
    patterns.push((name.to_vec(), replacement));
}

/// Positions among [`patterns`].
fn own_patterns(build: &Build<'_>, output: &OutputName) -> std::ops::Range<usize> {
    let place = build.outputs.keys().position(|other| other == output).unwrap_or(0);
    OWN_PATTERNS * place..OWN_PATTERNS * (place + 1)
}

pub(super) fn paths_of<'d>(
    digest: &'d Digest,
    build: &Build<'_>,
    output: &OutputName,
) -> impl Iterator<Item = &'d PathBuf> {
    own_patterns(build, output).flat_map(|number| &digest.found[number])
}

pub(super) fn refers(digest: &Digest, build: &Build<'_>, output: &OutputName) -> bool {
    paths_of(digest, build, output).next().is_some()
}

pub(super) fn refuse_placeholders(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        if texts_of(path)?.iter().any(|text| Placeholder::find(text).is_some()) {
            return Err(Error::Placeholder { path: path.clone() });
        }
    }
    Ok(())
}

/// Refuses what names the slot without an output in it: it is gone when the build ends.
pub(super) fn refuse_building(build: &Build<'_>, paths: &[PathBuf]) -> Result<()> {
    let directory = format!("store/{}", build.slot()).into_bytes();
    let names_it = |text: &Vec<u8>| {
        memchr::memmem::find_iter(text, &directory).any(|start| {
            let rest = &text[start + directory.len()..];
            let is_output = |name: &ObjectName| {
                rest.get(1..).is_some_and(|rest| rest.starts_with(name.as_str().as_bytes()))
            };
            match rest.first() {
                Some(b'/') => !build.outputs.values().any(is_output),
                // A longer word, which happens to begin so.
                Some(next) => !(next.is_ascii_alphanumeric() || b"-_.".contains(next)),
                None => true,
            }
        })
    };
    for path in paths {
        if texts_of(path)?.iter().any(names_it) {
            return Err(Error::Building { path: path.clone(), slot: build.slot() });
        }
    }
    Ok(())
}

/// Returns the content of a file, the target of a link, the names in a directory.
fn texts_of(path: &Path) -> Result<Vec<Vec<u8>>> {
    let (directory, name) = reach(path)?;
    Ok(match directory.node(&name)?.map(|node| node.kind) {
        Some(FileKind::Symlink) => directory
            .read_link(&name)?
            .iter()
            .map(|target| platform::bytes_of_path(target))
            .collect(),
        Some(FileKind::File) => vec![directory.read_file(&name)?],
        Some(FileKind::Directory) => {
            let names = directory.directory(&name)?.list()?;
            names.iter().map(|(name, _)| platform::bytes_of_path(Path::new(name))).collect()
        }
        _ => Vec::new(),
    })
}

/// Opens the directory that holds a path, one component after the other: it may be longer than a
/// path that the system takes.
fn reach(path: &Path) -> Result<(Arc<Directory>, OsString)> {
    /// Well below what systems take.
    const SHORT: usize = 2000;
    if path.as_os_str().len() < SHORT {
        let (directory, name) = platform::locate(path)?;
        return Ok((directory, name.to_owned()));
    }
    let mut names = path.components();
    let mut directory = Directory::follow(
        names.as_path().ancestors().find(|above| above.as_os_str().len() < SHORT).unwrap_or(path),
    )?;
    let below = path.strip_prefix(directory.path()).unwrap_or(path).to_owned();
    names = below.components();
    let last = names.next_back().map(|name| name.as_os_str().to_owned()).unwrap_or_default();
    for name in names {
        directory = directory.directory(name.as_os_str())?;
    }
    Ok((Arc::new(directory), last))
}

/// Replaces the temporary names by the final ones; returns the result, if anything changed.
pub(super) fn rewrite_names(
    store: &Store,
    staging: &Arc<Directory>,
    build: &Build<'_>,
    output: &OutputName,
    digest: &Digest,
    finished: &Outputs,
    object: &ObjectName,
) -> Result<Option<Digest>> {
    let mut patterns = Vec::new();
    let mut places: BTreeSet<&PathBuf> = BTreeSet::new();
    for (other, temporary) in build.outputs {
        let name = if other == output { Some(object) } else { finished.get(other) };
        add_own_name(
            &mut patterns,
            build.slot(),
            temporary,
            name.map(|name| name.as_str().as_bytes().to_vec()),
        );
        places.extend(paths_of(digest, build, other));
    }
    if places.is_empty() {
        return Ok(None);
    }
    let path = build.staged(store, output);
    let patterns = Patterns::new(&patterns)
        .map_err(|error| Error::Damaged { path, problem: error.to_string() })?;
    // In reverse order what is inside a directory comes before it, so that renaming breaks no path.
    for place in places.into_iter().rev() {
        store.interrupt().check().map_err(platform::failed("read", place))?;
        let (directory, name) = reach(place)?;
        match directory.node(&name)?.map(|node| node.kind) {
            Some(FileKind::File) => rewrite_file(staging, &directory, &name, &patterns)?,
            Some(FileKind::Symlink) => {
                let target = directory.read_link(&name)?.unwrap_or_default();
                let target = patterns.apply(&platform::bytes_of_path(&target), |_| {});
                directory.remove(&name)?;
                directory.symlink(&platform::path_from_bytes(&target), &name)?;
            }
            Some(FileKind::Directory) => {
                let inner = directory.directory(&name)?;
                for (name, _) in inner.list()? {
                    let bytes = platform::bytes_of_path(Path::new(&name));
                    let renamed = patterns.apply(&bytes, |_| {});
                    if renamed != bytes {
                        inner.rename_new(&name, &inner, &platform::name_from_bytes(&renamed))?;
                    }
                }
            }
            _ => {}
        }
    }
    let name = build.staged_name(output);
    Ok(Some(tree::hash_in(staging, &name, &[], store.interrupt())?))
}

fn rewrite_file(
    staging: &Directory,
    directory: &Directory,
    name: &OsStr,
    patterns: &Patterns,
) -> Result<()> {
    let path = directory.path().join(name);
    let (mut source, node) = directory.open_node(name)?;
    let temporary = scratch(&node);
    let mut target = staging.create_file(&temporary, 0o600)?;
    let mut stream = patterns.stream();
    let mut buffer = vec![0; READ_SIZE];
    let mut failure = None;
    let mut write = |bytes: &[u8]| {
        if failure.is_none() {
            failure = std::io::Write::write_all(&mut target, bytes).err();
        }
    };
    loop {
        let read = source.read(&mut buffer).map_err(platform::failed("read", &path))?;
        if read == 0 {
            break;
        }
        stream.push(&buffer[..read], &mut write, &mut |_| {});
    }
    stream.finish(&mut write, &mut |_| {});
    if let Some(error) = failure {
        return Err(platform::failed("write", &path)(error).into());
    }
    platform::set_mode_of(&target, &path, node.mode & 0o777)?;
    Ok(staging.rename_over(&temporary, directory, name)?)
}
