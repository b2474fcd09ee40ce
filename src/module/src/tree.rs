//! What is in a tree that `file{}` declares, and where the links in it lead.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use mlua::prelude::*;
use syslua_engine::failure::Failure;
use syslua_engine::platform::{self, FileKind};
use syslua_engine::tree_choice;

use crate::derive::{config_failure, entries_below};
use crate::error::Answer;
use crate::state;

/// What is in a tree, by its paths below it.
#[derive(Debug, Default)]
pub struct Members {
    /// The files and links, in the order of their bytes.
    pub below: Vec<Vec<u8>>,
    /// The directories in which there is nothing.
    pub empty: Vec<PathBuf>,
    /// Where those links end that lead to another place in the config's directory.
    pub followed: BTreeMap<Vec<u8>, PathBuf>,
}

/// Returns what is in a tree, except for what is left out, or `None` if there is no directory. A
/// link that is named as a tree is followed.
///
/// # Errors
/// When a link leads elsewhere, or a path is not a file, directory or link.
pub fn members(
    lua: &Lua,
    named: &Path,
    directory: &Path,
    excluded: &BTreeSet<PathBuf>,
) -> Answer<Option<Members>> {
    let place = state::locate(lua, named.to_owned());
    if !platform::is_directory(&place) {
        return Ok(None);
    }
    let is_copy = place != named;
    let top = &platform::canonical(&place);
    let directory = &platform::canonical(&state::locate(lua, directory.to_owned()));
    let mut members = Members { below: Vec::new(), empty: Vec::new(), followed: BTreeMap::new() };
    let mut full = HashSet::new();
    for (inner, kind) in entries_below(top, excluded)? {
        if let Some(above) = inner.parent() {
            full.insert(above.to_owned());
        }
        match kind {
            FileKind::Directory => {
                members.empty.push(inner);
                continue;
            }
            FileKind::Special => return Err(special(&top.join(inner))),
            FileKind::File => {}
            FileKind::Symlink => {
                let link = top.join(&inner);
                match platform::end_of(&link) {
                    // A link that leads nowhere, but not out of the tree, stays one too.
                    _ if stays_within(top, &link) => {}
                    // It was judged when the copy was made.
                    _ if is_copy => {
                        if let Some(end) = end_in_copy(lua, &named.join(&inner), &link) {
                            members.followed.insert(platform::bytes_of_path(&inner), end);
                        }
                    }
                    // A copy of the tree has an absolute link to it as it is.
                    Ok(end)
                        if end.starts_with(top)
                            && platform::read_link(&link).is_ok_and(|to| to.is_absolute()) => {}
                    Ok(end) if end.starts_with(top) || end.starts_with(directory) => {
                        members.followed.insert(platform::bytes_of_path(&inner), end);
                    }
                    end => return Err(leads_away(&link, end.ok().as_deref())),
                }
            }
        }
        members.below.push(platform::bytes_of_path(&inner));
    }
    members.below.sort();
    members.empty.retain(|directory| !full.contains(directory));
    members.empty.sort();
    Ok(Some(members))
}

/// Returns where a link led when a copy was made of the config, if the copy has what was there.
fn end_in_copy(lua: &Lua, named: &Path, link: &Path) -> Option<PathBuf> {
    let target = platform::read_link(link).ok()?;
    let mut end = PathBuf::new();
    for part in named.parent()?.join(target).components() {
        match part {
            Component::ParentDir => drop(end.pop()),
            part => end.push(part),
        }
    }
    let place = state::locate(lua, end.clone());
    (place != end && platform::exists(&place)).then_some(end)
}

/// Returns whether the way that a link in a tree leads is within it from its beginning to its end:
/// then it leads to the same in a copy of the tree. `top` and the directories above the link are no
/// links.
fn stays_within(top: &Path, link: &Path) -> bool {
    /// As many links as the system itself follows in one path (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let mut place = link.parent().unwrap_or(top).to_owned();
    let mut names: Vec<OsString> = link.file_name().map(OsStr::to_owned).into_iter().collect();
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == ".." {
            if place == top {
                return false;
            }
            place.pop();
            continue;
        }
        place.push(&name);
        let Ok(target) = platform::read_link(&place) else { continue };
        links += 1;
        if target.is_absolute() || links > MOST_LINKS {
            // A cyclic link is not followed.
            return target.is_relative();
        }
        place.pop();
        let parts = target.components().filter(|part| *part != Component::CurDir);
        names.extend(parts.rev().map(|part| part.as_os_str().to_owned()));
    }
    true
}

fn leads_away(link: &Path, end: Option<&Path>) -> Failure {
    let target = platform::read_link(link).unwrap_or_default();
    let message = match end {
        Some(end) => format!(
            "the link {} leads to {}, out of the config's directory",
            link.display(),
            end.display()
        ),
        None => {
            format!(
                "the link {} leads to {}, which does not exist",
                link.display(),
                target.display()
            )
        }
    };
    Failure::new("config", message)
        .with_hint("move its target beside the config, or remove the link from the tree")
}

/// The failure of a link that leads to a tree with a link that leads back.
pub fn leads_back(link: &Path, end: &Path) -> Failure {
    let message = format!(
        "the link {} leads to {}, from where a link leads back",
        link.display(),
        end.display()
    );
    Failure::new("config", message).with_hint("remove one of the two links")
}

fn special(path: &Path) -> Failure {
    Failure::new("config", format!("{} is not a file, directory or link", path.display()))
        .with_hint("take it away, or leave it out with `exclude`")
}

/// The failure of a pattern, or of a tree that cannot be read.
pub fn choice_failure(error: &tree_choice::Error) -> Failure {
    let failure = config_failure(error);
    if let tree_choice::Error::Platform(error) = error {
        return Failure { hint: platform::remedy(&error.cause).map(str::to_owned), ..failure };
    }
    if !matches!(error, tree_choice::Error::Pattern { .. }) {
        return failure;
    }
    failure
        .with_hint("patterns are those of .gitignore, such as \"*.bak\", \"/cache/\" and \"!keep\"")
}
