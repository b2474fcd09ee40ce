//! Trees that are declared as one, and what is in them: one action for each file.

use std::path::Path;

use crate::action::{Action, Directory, File, Link, Target};
use crate::platform::{self, FileKind, Result};
use crate::value::Text;

/// Returns the actions for what is in the tree that an action is about, or nothing when it is about no tree: links to the files of a
/// tree that is declared as one, or copies of those of a directory that is to be a real one.
///
/// # Errors
/// When the tree cannot be read.
pub fn expanded(action: &Action) -> Result<Option<Vec<Action>>> {
    let (source, target, copy) = match action.as_target() {
        Some(Target::Tree(tree)) => (&tree.source, &tree.target, None),
        Some(Target::File(file)) => (&file.source, &file.target, Some(file)),
        _ => return Ok(None),
    };
    let top = source.to_path();
    // A link that leads to the tree counts as the tree.
    let top = platform::canonical(&top);
    if platform::kind_of(&top)? != Some(FileKind::Directory) {
        return Ok(None);
    }
    let mut actions = Vec::new();
    add(&top, &source.to_path(), &target.to_path(), copy, &mut actions)?;
    Ok(Some(actions))
}

fn add(directory: &Path, source: &Path, target: &Path, copy: Option<&File>, actions: &mut Vec<Action>) -> Result<()> {
    let text = |path: &Path| Text(platform::bytes_of_path(path));
    let entries = platform::list_directory(directory)?;
    if let Some(copy) = copy.filter(|copy| copy.private || entries.is_empty()) {
        let (owner, group) = (copy.owner.clone(), copy.group.clone());
        let mode = copy.private.then(|| "700".to_owned());
        actions.push(Directory { target: text(target), mode, owner, group, ..Directory::default() }.into());
    }
    for (name, kind) in entries {
        let (path, source, target) = (directory.join(&name), source.join(&name), target.join(&name));
        match (kind, copy) {
            (FileKind::Directory, _) => add(&path, &source, &target, copy, actions)?,
            // A link in a tree stays one: what it leads to is beside it.
            (FileKind::Symlink, Some(_)) => {
                actions.push(Link::new(text(&platform::read_link(&path)?), text(&target)).into());
            }
            (_, Some(copy)) => {
                let (source, target) = (text(&source), text(&target));
                actions.push(File { source, target, ..copy.clone() }.into());
            }
            (_, None) => actions.push(Link::new(text(&source), text(&target)).into()),
        }
    }
    Ok(())
}
