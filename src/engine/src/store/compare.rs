//! Comparing a second build of an object with the first.

use std::fs;
use std::path::{Path, PathBuf};

use super::rewrite::Patterns;
use super::{Error, Result};
use crate::platform::{self, FileKind};

/// Returns the first path, relative to the two tops, at which a rebuilt tree differs from an object,
/// and how. `names` are replaced in what was rebuilt.
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
    let found = compare(rebuilt, object, &patterns, Path::new(""))?;
    // The output itself, when it is a file.
    Ok(found.map(|(file, how)| (if file.as_os_str().is_empty() { PathBuf::from(".") } else { file }, how)))
}

fn compare(rebuilt: &Path, object: &Path, names: &Patterns, at: &Path) -> Result<Option<(PathBuf, String)>> {
    let differs = |how: &str| Ok(Some((at.to_owned(), how.to_owned())));
    let (new, old) = (platform::kind_of(rebuilt)?, platform::kind_of(object)?);
    if new != old {
        return differs("it is of another kind, or missing");
    }
    match new {
        Some(FileKind::File) => {
            let executable =
                |path: &Path| fs::metadata(path).map(|data| platform::is_executable(&data)).unwrap_or_default();
            if executable(rebuilt) != executable(object) {
                return differs("only one of the two is executable");
            }
            let (new, old) = (platform::read_file(rebuilt)?, platform::read_file(object)?);
            let new = names.apply(&new, |_| {});
            match new.iter().zip(&old).position(|(a, b)| a != b) {
                Some(place) => differs(&format!("its bytes differ from position {place} on")),
                None if new.len() != old.len() => differs("one of the two is longer"),
                None => Ok(None),
            }
        }
        Some(FileKind::Symlink) => {
            let target = |path: &Path| platform::read_link(path).map(|target| platform::bytes_of_path(&target));
            if names.apply(&target(rebuilt)?, |_| {}) == target(object)? {
                Ok(None)
            } else {
                differs("it links elsewhere")
            }
        }
        Some(FileKind::Directory) => {
            let entries = |path: &Path| -> Result<Vec<Vec<u8>>> {
                let entries = platform::list_directory(path)?;
                Ok(entries.iter().map(|(name, _)| platform::bytes_of_path(Path::new(name))).collect())
            };
            let new: Vec<(Vec<u8>, Vec<u8>)> =
                entries(rebuilt)?.into_iter().map(|name| (names.apply(&name, |_| {}), name)).collect();
            let old = entries(object)?;
            for name in &old {
                let inner = at.join(platform::path_from_bytes(name));
                let Some((_, new_name)) = new.iter().find(|(renamed, _)| renamed == name) else {
                    return Ok(Some((inner, "it is only in the first build".to_owned())));
                };
                let paths =
                    (rebuilt.join(platform::path_from_bytes(new_name)), object.join(platform::path_from_bytes(name)));
                if let Some(found) = compare(&paths.0, &paths.1, names, &inner)? {
                    return Ok(Some(found));
                }
            }
            let added = new.iter().find(|(renamed, _)| !old.contains(renamed));
            Ok(added.map(|(name, _)| {
                (at.join(platform::path_from_bytes(name)), "it is only in the second build".to_owned())
            }))
        }
        _ => Ok(None),
    }
}
