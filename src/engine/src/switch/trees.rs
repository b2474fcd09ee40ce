//! Trees that a build makes: which files are in them is known once they are built.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::desired::Entry;
use super::step::{Mark, Step};
use super::{Error, Targets};
use crate::activation::Activation;
use crate::names::Placeholder;
use crate::platform::{self, FileKind};

/// Returns declarations with links to their files in the place of trees that are built. `path` tells where an output is.
///
/// # Errors
/// When a tree is no directory with files in it.
pub fn opened<'a>(
    declared: &'a [Activation],
    path: &impl Fn(Placeholder) -> Option<Vec<u8>>,
) -> Result<Cow<'a, [Activation]>, Error> {
    if !declared.iter().any(is_tree) {
        return Ok(Cow::Borrowed(declared));
    }
    let mut opened = Vec::with_capacity(declared.len());
    for activation in declared {
        let resolved = activation.action.resolve(path).ok().filter(|_| is_tree(activation));
        let Some(link) = resolved.as_ref().and_then(|action| action.as_target()?.opens()) else {
            opened.push(activation.clone());
            continue;
        };
        let files = files_below(&link.source.to_path())?;
        if files.is_empty() {
            return Err(Error::NoTree { path: link.source.to_path(), positions: activation.positions.clone() });
        }
        opened.extend(files.iter().map(|inner| activation.with_action(link.below(inner).into())));
    }
    Ok(Cow::Owned(opened))
}

fn is_tree(activation: &Activation) -> bool {
    activation.action.as_target().is_some_and(|target| target.opens().is_some())
}

/// Returns the files and links below a directory by their paths there, in the order of their bytes.
fn files_below(top: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(inner) = pending.pop() {
        let directory = top.join(&inner);
        if platform::kind_of(&directory)? != Some(FileKind::Directory) {
            continue;
        }
        for (name, kind) in platform::list_directory(&directory)? {
            match kind {
                FileKind::Directory => pending.push(inner.join(name)),
                _ => files.push(platform::bytes_of_path(&inner.join(name))),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the places of trees that are not built, and what is declared of them.
///
/// # Errors
/// When a place cannot be told.
pub fn unbuilt<'a>(targets: &Targets<'_>, entries: &'a [Entry]) -> Result<Vec<(PathBuf, &'a Entry)>, Error> {
    let trees = entries.iter().filter(|entry| is_tree(&entry.activation));
    let place = |entry: &'a Entry| {
        let target = entry.activation.action.target().cloned().unwrap_or_default();
        Ok((targets.place(&target, &entry.activation.positions)?, entry))
    };
    trees.map(place).collect()
}

/// Returns a step for each tree that is not built; `is_present` tells whether something below a place is in force.
pub fn steps(unbuilt: &[(PathBuf, &Entry)], is_present: impl Fn(&Path) -> bool) -> Vec<Step> {
    let step = |(place, entry): &(PathBuf, &Entry)| {
        Step::at(if is_present(place) { Mark::Change } else { Mark::Add }, entry, place)
    };
    unbuilt.iter().map(step).collect()
}
