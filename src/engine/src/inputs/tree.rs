//! Writes a commit into a tree and collects notices about it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use syslua_fetch::git::Destination;

use crate::operation::fetch_git::Tree;
use crate::platform;

/// What a file of git LFS has in the repository itself begins with (git-lfs, docs/spec.md).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The most paths that a notice names.
const MOST_NAMED: usize = 3;

/// A tree under way.
pub struct InputTree<'a> {
    tree: Tree<'a>,
    with_submodules: bool,
    has_submodules: bool,
    pointers: Vec<String>,
    /// Paths by their names in lower case.
    folded: HashMap<String, String>,
    collisions: BTreeMap<String, String>,
}

impl InputTree<'_> {
    /// Makes it, in a directory that is there and empty.
    pub fn new(top: &Path, with_submodules: bool) -> InputTree<'_> {
        InputTree {
            tree: Tree { top },
            with_submodules,
            has_submodules: false,
            pointers: Vec::new(),
            folded: HashMap::new(),
            collisions: BTreeMap::new(),
        }
    }

    fn note(&mut self, path: &[u8]) {
        let shown = String::from_utf8_lossy(path).into_owned();
        if let Some(other) = self.folded.insert(shown.to_lowercase(), shown.clone()) {
            self.collisions.insert(other, shown);
        }
    }

    /// Returns what the user should know of the tree.
    pub fn notices(self) -> Vec<String> {
        let mut notices = Vec::new();
        if !self.pointers.is_empty() {
            notices.push(format!(
                "{} of git LFS {} as {}, without the content: {}",
                if self.pointers.len() == 1 { "a file" } else { "files" },
                if self.pointers.len() == 1 { "is there" } else { "are there" },
                if self.pointers.len() == 1 { "a pointer" } else { "pointers" },
                name_some(&self.pointers),
            ));
        }
        let pairs: Vec<String> =
            self.collisions.iter().map(|(one, other)| format!("{one} and {other}")).collect();
        if !pairs.is_empty() {
            notices.push(format!(
                "names differ by case only, which macOS and Windows cannot tell apart: {}",
                name_some(&pairs)
            ));
        }
        if self.has_submodules && !self.with_submodules {
            notices.push(
                "its submodules are empty directories: ?submodules=1 fetches them".to_owned(),
            );
        }
        notices
    }
}

fn name_some(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let named = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

impl Destination for InputTree<'_> {
    type Error = platform::Error;

    fn directory(&mut self, path: &[u8]) -> platform::Result<()> {
        self.note(path);
        self.tree.directory(path)
    }

    fn file(&mut self, path: &[u8], content: &[u8], is_executable: bool) -> platform::Result<()> {
        self.note(path);
        if content.starts_with(LFS_POINTER) {
            self.pointers.push(String::from_utf8_lossy(path).into_owned());
        }
        self.has_submodules |= path == b".gitmodules";
        self.tree.file(path, content, is_executable)
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> platform::Result<()> {
        self.note(path);
        self.tree.symlink(path, target)
    }
}
