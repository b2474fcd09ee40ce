//! Expands a tree that is declared as one action into one action for each file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::action::{Action, Directory, File, Link, Target};
use crate::platform::{self, FileKind};
use crate::tree_choice::{Error, IGNORE_FILE};
use crate::value::{Source, Text};

/// Returns the actions for what is in the tree that an action is about, or nothing when it is about
/// no tree: links to the files of a tree that is declared as one, or copies of those of a directory
/// that is to be a real one.
///
/// # Errors
/// When the tree cannot be read.
pub fn expanded(action: &Action) -> Result<Option<Vec<Action>>, Error> {
    let (source, target, kind) = match action.as_target() {
        Some(Target::Tree(tree)) => {
            (&tree.source, &tree.target, TreeAs::Links { through: tree.through.as_ref() })
        }
        Some(Target::File(file)) => (&file.source, &file.target, TreeAs::Copies(file)),
        _ => return Ok(None),
    };
    let top = source.to_path();
    // A link that leads to the tree counts as the tree.
    let top = platform::canonical(&top);
    if platform::kind_of(&top)? != Some(FileKind::Directory) {
        return Ok(None);
    }
    let mut left_out = BTreeSet::new();
    if let Some(Target::Tree(tree)) = action.as_target() {
        left_out = tree.choice.left_out(&top)?.paths;
        left_out.insert(PathBuf::from(IGNORE_FILE));
    }
    let mut expansion = Expansion {
        top: &top,
        source: &source.to_path(),
        target: &target.to_path(),
        kind,
        left_out: &left_out,
        actions: Vec::new(),
    };
    expansion.add(Path::new(""))?;
    Ok(Some(expansion.actions))
}

/// Returns the actions for what is in the user's own directory that is to be copied, before it is
/// built, each with the user's file that it is a copy of; or nothing when it is a file.
///
/// # Errors
/// When the directory cannot be read.
pub fn foreseen(action: &Action, source: &Source) -> Result<Vec<(Action, Option<PathBuf>)>, Error> {
    let Some(Target::File(file)) = action.as_target() else { return Ok(Vec::new()) };
    let top = platform::canonical(&source.path);
    if platform::kind_of(&top)? != Some(FileKind::Directory) {
        return Ok(Vec::new());
    }
    let object = file.source.to_path();
    let mut expansion = Expansion {
        top: &top,
        source: &object,
        target: &file.target.to_path(),
        kind: TreeAs::Copies(file),
        left_out: &source.excluded,
        actions: Vec::new(),
    };
    expansion.add(Path::new(""))?;
    let with_origin = |action: Action| {
        let below = match action.as_target() {
            Some(Target::File(file)) => {
                file.source.to_path().strip_prefix(&object).ok()?.to_owned()
            }
            _ => return None,
        };
        Some(top.join(below))
    };
    let actions = expansion.actions.into_iter().map(|action| (action.clone(), with_origin(action)));
    Ok(actions.collect())
}

/// What becomes of the files of a tree.
#[derive(Clone, Copy)]
enum TreeAs<'a> {
    /// Links to them, through a link of the root's.
    Links { through: Option<&'a Text> },
    /// Copies.
    Copies(&'a File),
}

/// The actions for what is in a tree.
struct Expansion<'a> {
    /// The tree, as it is read.
    top: &'a Path,
    /// The tree, as actions name it.
    source: &'a Path,
    target: &'a Path,
    kind: TreeAs<'a>,
    /// What is not taken, by the paths below the top.
    left_out: &'a BTreeSet<PathBuf>,
    actions: Vec<Action>,
}

impl Expansion<'_> {
    /// Adds what is in a directory, which is named by its path below the top.
    fn add(&mut self, inner: &Path) -> platform::Result<()> {
        let text = |path: &Path| Text(platform::bytes_of_path(path));
        let entries = platform::list_directory(&platform::join(self.top, inner))?;
        if let TreeAs::Copies(copy) = self.kind
            && (copy.private || entries.is_empty())
        {
            let target = text(&platform::join(self.target, inner));
            let (owner, group) = (copy.owner.clone(), copy.group.clone());
            let mode = copy.private.then(|| "700".to_owned());
            self.actions
                .push(Directory { target, mode, owner, group, ..Directory::default() }.into());
        }
        for (name, found) in entries {
            let inner = inner.join(&name);
            if self.left_out.contains(&inner) {
                continue;
            }
            let (source, target) = (text(&self.source.join(&inner)), self.target.join(&inner));
            let target = text(&target);
            let action = match (found, self.kind) {
                (FileKind::Directory, _) => {
                    self.add(&inner)?;
                    continue;
                }
                // A link in a tree stays one: what it leads to is beside it.
                (FileKind::Symlink, TreeAs::Copies(_)) => {
                    let to = platform::read_link(&self.top.join(&inner))?;
                    Link::new(text(&to), target).into()
                }
                (_, TreeAs::Copies(copy)) => File { source, target, ..copy.clone() }.into(),
                (_, TreeAs::Links { through }) => {
                    Link { through: through.cloned(), ..Link::new(source, target) }.into()
                }
            };
            self.actions.push(action);
        }
        Ok(())
    }
}
