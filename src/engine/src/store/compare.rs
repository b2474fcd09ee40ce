//! Comparing a second build of an object with the first.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use super::self_references::Patterns;
use super::{Error, Result};
use crate::platform::{self, Descent, Directory, FileKind};

/// Returns the first path, relative to the two tops, at which a rebuilt tree differs from an
/// object, and how. `names` are replaced in what was rebuilt.
///
/// # Errors
/// When something cannot be read.
pub fn first_difference(
    rebuilt: &Path,
    object: &Path,
    names: &[(Vec<u8>, Option<Vec<u8>>)],
) -> Result<Option<(PathBuf, String)>> {
    let patterns = Patterns::new(names)
        .map_err(|error| Error::Damaged { path: rebuilt.to_owned(), problem: error.to_string() })?;
    let found = compare(rebuilt, object, &patterns)?;
    // The output itself, when it is a file.
    Ok(found.map(|(file, how)| {
        (if file.as_os_str().is_empty() { PathBuf::from(".") } else { file }, how)
    }))
}

/// Two directories on the way down, whose names are compared.
struct Frame {
    names: IntoIter<(Vec<u8>, Option<OsString>, Option<OsString>)>,
    name: OsString,
}

fn compare(rebuilt: &Path, object: &Path, names: &Patterns) -> Result<Option<(PathBuf, String)>> {
    let ((new, new_name), (old, old_name)) =
        (platform::locate(rebuilt)?, platform::locate(object)?);
    let (mut new, mut old) = (Descent::new(new), Descent::new(old));
    let top = (Vec::new(), Some(new_name.to_owned()), Some(old_name.to_owned()));
    let mut frames = vec![Frame { names: vec![top].into_iter(), name: OsString::new() }];
    while let Some(frame) = frames.last_mut() {
        let Some((shown, new_name, old_name)) = frame.names.next() else {
            frames.pop();
            if !frames.is_empty() {
                new.leave()?;
                old.leave()?;
            }
            continue;
        };
        let shown = platform::name_from_bytes(&shown).into_owned();
        let how = match (&new_name, &old_name) {
            (None, _) => Some("it is only in the first build".to_owned()),
            (_, None) => Some("it is only in the second build".to_owned()),
            (Some(new_name), Some(old_name)) => {
                let kind = |directory: &Directory, name| {
                    Ok::<_, Error>(directory.node(name)?.map(|node| node.kind))
                };
                let (kind, old_kind) =
                    (kind(new.directory(), new_name)?, kind(old.directory(), old_name)?);
                if kind == old_kind && kind == Some(FileKind::Directory) {
                    let (inner_new, inner_old) = (
                        new.directory().directory(new_name)?,
                        old.directory().directory(old_name)?,
                    );
                    let paired = pair(inner_new.list()?, inner_old.list()?, names);
                    new.enter(Arc::new(inner_new))?;
                    old.enter(Arc::new(inner_old))?;
                    frames.push(Frame { names: paired.into_iter(), name: shown });
                    continue;
                }
                match kind {
                    _ if kind != old_kind => Some("it is of another kind, or missing".to_owned()),
                    Some(FileKind::File) => {
                        files((new.directory(), new_name), (old.directory(), old_name), names)?
                    }
                    Some(FileKind::Symlink) => {
                        links((new.directory(), new_name), (old.directory(), old_name), names)?
                    }
                    _ => None,
                }
            }
        };
        if let Some(how) = how {
            let way = frames
                .iter()
                .map(|frame| &frame.name)
                .chain([&shown])
                .filter(|name| !name.is_empty());
            return Ok(Some((way.collect(), how)));
        }
    }
    Ok(None)
}

type Listed = Vec<(OsString, FileKind)>;

/// Pairs the names of two directories: those of the first build in their order, then those that
/// only the second has.
fn pair(
    new: Listed,
    old: Listed,
    names: &Patterns,
) -> Vec<(Vec<u8>, Option<OsString>, Option<OsString>)> {
    let bytes = |name: &OsString| platform::bytes_of_path(Path::new(name));
    let mut new: BTreeMap<Vec<u8>, OsString> =
        new.into_iter().map(|(name, _)| (names.apply(&bytes(&name), |_| {}), name)).collect();
    let mut paired = Vec::new();
    for (name, _) in old {
        let shown = bytes(&name);
        paired.push((shown.clone(), new.remove(&shown), Some(name)));
    }
    paired.extend(new.into_iter().map(|(shown, name)| (shown, Some(name), None)));
    paired
}

fn files(
    new: (&Directory, &OsStr),
    old: (&Directory, &OsStr),
    names: &Patterns,
) -> Result<Option<String>> {
    let ((_, new_node), (_, old_node)) = (new.0.open_node(new.1)?, old.0.open_node(old.1)?);
    if new_node.is_executable() != old_node.is_executable() {
        return Ok(Some("only one of the two is executable".to_owned()));
    }
    let (new, old) = (names.apply(&new.0.read_file(new.1)?, |_| {}), old.0.read_file(old.1)?);
    Ok(match new.iter().zip(&old).position(|(a, b)| a != b) {
        Some(place) => Some(format!("its bytes differ from position {place} on")),
        None if new.len() != old.len() => Some("one of the two is longer".to_owned()),
        None => None,
    })
}

fn links(
    new: (&Directory, &OsStr),
    old: (&Directory, &OsStr),
    names: &Patterns,
) -> Result<Option<String>> {
    let target = |(directory, name): (&Directory, &OsStr)| -> Result<Vec<u8>> {
        Ok(directory
            .read_link(name)?
            .map(|target| platform::bytes_of_path(&target))
            .unwrap_or_default())
    };
    let is_same = names.apply(&target(new)?, |_| {}) == target(old)?;
    Ok((!is_same).then(|| "it links elsewhere".to_owned()))
}
