//! Where cached trees came from: `HASH.from` beside the tree `HASH` has a line for each address and
//! revision that gave it. So a lock that names another revision than the tree has is found out here
//! too, and not only on machines that have to fetch it.

use std::path::Path;

use crate::hash::Hash;
use crate::platform;

/// More than this are too many lines to be right.
const LARGEST: u64 = 1 << 20;

/// Where a tree came from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A commit of a repository, with or without its submodules.
    Commit {
        /// The address of the repository.
        repository: &'a str,
        /// The full commit.
        rev: &'a str,
        /// Whether its submodules belong to it.
        submodules: bool,
    },
    /// An archive.
    Archive {
        /// Its address.
        url: &'a str,
        /// How many leading components of names are left out, where that is said.
        strip: Option<usize>,
    },
}

impl Origin<'_> {
    /// Returns its line. An address may hold something private.
    fn line(self) -> String {
        let what = match self {
            Origin::Commit { repository, rev, submodules } => {
                format!("git {submodules} {rev} {repository}")
            }
            Origin::Archive { url, strip } => format!("archive {strip:?} {url}"),
        };
        Hash::of(what.as_bytes()).to_hex()
    }
}

/// Returns whether a tree came from there; nothing where that is unknown, since a version that did
/// not note it fetched the tree, or there is no tree.
pub fn is_from(tree: &Path, origin: Origin<'_>) -> Option<bool> {
    let line = origin.line();
    match platform::read_regular(&tree.with_extension("from"), LARGEST) {
        Ok(Some(text)) => Some(text.split(|byte| *byte == b'\n').any(|one| one == line.as_bytes())),
        Ok(None) => Some(false),
        Err(error) => (!error.is_not_found()).then_some(false),
    }
}

/// Returns whether a tree came from there, as far as is known.
pub fn may_be_from(tree: &Path, origin: Origin<'_>) -> bool {
    is_from(tree, origin).unwrap_or(true)
}

/// Notes where a tree came from. The caller has the turn of the tree.
///
/// # Errors
/// When it cannot be written.
pub fn note(tree: &Path, origin: Origin<'_>) -> platform::Result<()> {
    let line = origin.line();
    let file = tree.with_extension("from");
    let known = platform::read_regular(&file, LARGEST).ok().flatten().unwrap_or_default();
    if known.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()) {
        return Ok(());
    }
    platform::write_file_atomically(&file, &[&known, line.as_bytes(), b"\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_only_from_where_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("0".repeat(64));
        let commit = |repository, rev, submodules| Origin::Commit { repository, rev, submodules };
        let archive = |strip| Origin::Archive { url: "https://host/one", strip };
        let (one, other) = ("https://host/one", "https://host/other");
        let wanted = commit(one, "1", false);
        assert!(may_be_from(&tree, wanted), "of an older version");
        assert_eq!(is_from(&tree, wanted), None);
        note(&tree, wanted).unwrap();
        note(&tree, commit(other, "2", false)).unwrap();
        note(&tree, wanted).unwrap();
        for known in [wanted, commit(other, "2", false)] {
            assert!(may_be_from(&tree, known));
        }
        for unknown in [
            commit(one, "2", false),
            commit(other, "1", false),
            commit(one, "1", true),
            commit("https://host/one.git", "1", false),
            archive(None),
        ] {
            assert!(!may_be_from(&tree, unknown));
        }
        note(&tree, archive(Some(1))).unwrap();
        assert!(may_be_from(&tree, archive(Some(1))));
        assert!(!may_be_from(&tree, archive(None)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
