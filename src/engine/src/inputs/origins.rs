//! Where cached trees came from: `HASH.from` beside the tree `HASH` has a line for each address and
//! revision that gave it. So a lock that names another revision than the tree has is found out here
//! too, and not only on machines that have to fetch it.

use std::path::Path;

use super::address::{InputAddress, Origin};
use crate::hash::Hash;
use crate::platform;

/// More than this are too many lines to be right.
const LARGEST: u64 = 1 << 20;

/// Returns the line of an address at a revision. `strip` is what the config says besides the
/// address.
pub fn line(address: &InputAddress, rev: Option<&str>, strip: Option<usize>) -> String {
    let what = match &address.origin {
        Origin::Git { repository, submodules, .. } => {
            format!("git {submodules} {} {repository}", rev.unwrap_or_default())
        }
        Origin::Archive { url, strip: own } => format!("archive {:?} {url}", strip.or(*own)),
        Origin::Path(path) => format!("path {path}"),
    };
    // An address may hold something private.
    Hash::of(what.as_bytes()).to_hex()
}

/// Returns whether a tree may have come from there. A version that did not note it fetched trees
/// without a file.
pub fn may_be_from(tree: &Path, line: &str) -> bool {
    match platform::read_regular(&tree.with_extension("from"), LARGEST) {
        Ok(Some(text)) => text.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()),
        Ok(None) => false,
        Err(error) => error.is_not_found(),
    }
}

/// Notes where a tree came from. The caller has the turn of the tree.
///
/// # Errors
/// When it cannot be written.
pub fn note(tree: &Path, line: &str) -> platform::Result<()> {
    let file = tree.with_extension("from");
    let known = platform::read_regular(&file, LARGEST).ok().flatten().unwrap_or_default();
    if known.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()) {
        return Ok(());
    }
    let temporary = tree.with_extension("new");
    platform::remove_tree(&temporary)?;
    platform::write_file(&temporary, &[&known, line.as_bytes(), b"\n"].concat())?;
    platform::rename(&temporary, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_only_from_where_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("0".repeat(64));
        let address = |text: &str| InputAddress::parse(text).unwrap();
        let (one, other) = ("git:https://host/one#main", "git:https://host/other");
        let wanted = line(&address(one), Some("1"), None);
        assert!(may_be_from(&tree, &wanted), "of an older version");
        note(&tree, &wanted).unwrap();
        note(&tree, &line(&address(other), Some("2"), None)).unwrap();
        note(&tree, &wanted).unwrap();
        // The directory and the reference do not matter: the tree is the same.
        for same in [one, "git:https://host/one?dir=x#v1", "git:https://host/one"] {
            assert!(may_be_from(&tree, &line(&address(same), Some("1"), None)), "{same}");
        }
        assert!(may_be_from(&tree, &line(&address(other), Some("2"), None)));
        for (url, rev) in [
            (one, "2"),
            (other, "1"),
            ("git:https://host/one?submodules=1", "1"),
            ("git:https://host/one.git", "1"),
        ] {
            assert!(!may_be_from(&tree, &line(&address(url), Some(rev), None)), "{url} {rev}");
        }
        let archive = "archive:https://host/one";
        note(&tree, &line(&address(archive), None, Some(1))).unwrap();
        assert!(may_be_from(&tree, &line(&address(&format!("{archive}?strip=1")), None, None)));
        assert!(!may_be_from(&tree, &line(&address(archive), None, None)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
