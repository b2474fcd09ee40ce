//! Expands a tree that is declared as one action into one action for each file.

use std::path::Path;

use crate::action::{Action, Directory, File, Link, Target};
use crate::platform::{self, FileKind, Result};
use crate::value::Text;

/// Returns the actions for what is in the tree that an action is about, or nothing when it is about
/// no tree: links to the files of a tree that is declared as one, or copies of those of a directory
/// that is to be a real one.
///
/// # Errors
/// When the tree cannot be read.
pub fn expanded(action: &Action) -> Result<Option<Vec<Action>>> {
    let (source, target, kind) = match action.as_target() {
        Some(Target::Tree(tree)) => {
            (&tree.source, &tree.target, Kind::Links { through: tree.through.as_ref() })
        }
        Some(Target::File(file)) => (&file.source, &file.target, Kind::Copies(file)),
        _ => return Ok(None),
    };
    let top = source.to_path();
    // A link that leads to the tree counts as the tree.
    let top = platform::canonical(&top);
    if platform::kind_of(&top)? != Some(FileKind::Directory) {
        return Ok(None);
    }
    let mut actions = Vec::new();
    add(&top, &source.to_path(), &target.to_path(), kind, &mut actions)?;
    Ok(Some(actions))
}

/// What becomes of the files of a tree.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// Links to them, through a link of the root's.
    Links { through: Option<&'a Text> },
    /// Copies.
    Copies(&'a File),
}

fn add(
    directory: &Path,
    source: &Path,
    target: &Path,
    kind: Kind<'_>,
    actions: &mut Vec<Action>,
) -> Result<()> {
    let text = |path: &Path| Text(platform::bytes_of_path(path));
    let entries = platform::list_directory(directory)?;
    if let Kind::Copies(copy) = kind
        && (copy.private || entries.is_empty())
    {
        let (owner, group) = (copy.owner.clone(), copy.group.clone());
        let mode = copy.private.then(|| "700".to_owned());
        actions.push(
            Directory { target: text(target), mode, owner, group, ..Directory::default() }.into(),
        );
    }
    for (name, found) in entries {
        let (path, source, target) =
            (directory.join(&name), source.join(&name), target.join(&name));
        match (found, kind) {
            (FileKind::Directory, _) => add(&path, &source, &target, kind, actions)?,
            // A link in a tree stays one: what it leads to is beside it.
            (FileKind::Symlink, Kind::Copies(_)) => {
                actions.push(Link::new(text(&platform::read_link(&path)?), text(&target)).into());
            }
            (_, Kind::Copies(copy)) => {
                let (source, target) = (text(&source), text(&target));
                actions.push(File { source, target, ..copy.clone() }.into());
            }
            (_, Kind::Links { through }) => {
                actions.push(
                    Link { through: through.cloned(), ..Link::new(text(&source), text(&target)) }
                        .into(),
                );
            }
        }
    }
    Ok(())
}
