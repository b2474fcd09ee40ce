//! What is in a tree that `file{}` declares, and where the links in it lead.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::platform::{self, FileKind};
use syslua_engine::tree_choice::{Choice, IGNORE_FILE};

use crate::collection::Members;
use crate::derive::entries_below;
use crate::error::{Answer, Error};
use crate::state;

/// What is left out of a tree, by the paths below it.
pub type Excluded = BTreeSet<PathBuf>;

/// The local directories that are linked or copied as a whole.
#[derive(Default)]
pub struct Wholes {
    /// What is left out of each, by its place.
    left_out: HashMap<PathBuf, Rc<Excluded>>,
    /// The sockets, pipes and devices in them, each with the number of the declaration.
    passed: Vec<(usize, PathBuf)>,
}

impl Wholes {
    /// Returns what of a directory is not taken: what its list names, that list, repositories of
    /// git, sockets, pipes and devices. Nothing is in a file. `directory` is that of the config,
    /// and `ticket` the number of the declaration.
    ///
    /// # Errors
    /// When the list is wrong, or a directory cannot be read.
    pub fn left_out_of(
        &mut self,
        lua: &Lua,
        named: &Path,
        directory: &Path,
        ticket: usize,
    ) -> Answer<Rc<Excluded>> {
        if let Some(known) = self.left_out.get(named) {
            return Ok(Rc::clone(known));
        }
        let top = platform::canonical(&state::locate(lua, named.to_owned()));
        if !platform::is_directory(&top) {
            return Ok(Rc::default());
        }
        let left = Choice::default().left_out(&top)?;
        let shown = named.strip_prefix(directory).unwrap_or(named);
        self.passed.extend(left.special.iter().map(|below| (ticket, shown.join(below))));
        let mut paths = left.paths;
        if platform::exists(&top.join(IGNORE_FILE)) {
            paths.insert(PathBuf::from(IGNORE_FILE));
        }
        let paths = Rc::new(paths);
        self.left_out.insert(named.to_owned(), Rc::clone(&paths));
        Ok(paths)
    }

    /// Returns a table of a missing file and of what was passed by, or nothing without either.
    pub fn told(&self, lua: &Lua, missing: LuaValue) -> LuaResult<LuaValue> {
        if missing.is_nil() && self.passed.is_empty() {
            return Ok(LuaNil);
        }
        let passed = self.passed.iter().map(|(ticket, path)| {
            let one = lua.create_table()?;
            one.raw_set("ticket", *ticket)?;
            one.raw_set("path", lua.create_string(platform::bytes_of_path(path))?)?;
            Ok(one)
        });
        let table = lua.create_table()?;
        table.raw_set("passed", passed.collect::<LuaResult<Vec<_>>>()?)?;
        table.raw_set("missing", missing)?;
        Ok(LuaValue::Table(table))
    }
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

/// Returns whether others cannot read a file of a tree, or not reach it.
pub fn is_private_below(top: &Path, below: &Path) -> bool {
    let is_private = |path: &Path| platform::facts_of(path).is_ok_and(|facts| facts.is_private());
    let mut path = top.to_owned();
    is_private(&path)
        || below.components().any(|component| {
            path.push(component);
            is_private(&path)
        })
}

/// The failure of a private source in a root whose store all users can read.
pub fn is_readable_by_all(path: &Path) -> Error {
    let message = format!(
        "only its owner can read the source {}, and all users can read the store of root",
        path.display()
    );
    Error::new(FailureKind::Config, message).with_hint(
        "`mutable = true` links to the file itself; `public = true` declares that it is not \
         secret, like chmod o+r",
    )
}

fn leads_away(link: &Path, end: Option<&Path>) -> Error {
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
    Error::new(FailureKind::Config, message)
        .with_hint("move its target beside the config, or remove the link from the tree")
}

/// The failure of a link that leads to a tree with a link that leads back.
pub fn leads_back(link: &Path, end: &Path) -> Error {
    let message = format!(
        "the link {} leads to {}, from where a link leads back",
        link.display(),
        end.display()
    );
    Error::new(FailureKind::Config, message).with_hint("remove one of the two links")
}

fn special(path: &Path) -> Error {
    Error::new(FailureKind::Config, format!("{} is not a file, directory or link", path.display()))
        .with_hint("take it away, or leave it out with `exclude`")
}
