//! What most `file{}` of a block say: a path, and a content or a source, both texts. Configs have
//! thousands, so these are collected straight from the tables that they are given as, and what is
//! in trees from the disk; all others are collected by `lua/syslua/helpers/file.lua`, which also
//! decides which of several for one place count.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ffi::c_int;
use std::path::PathBuf;
use std::rc::Rc;
use std::slice;

use memchr::memmem;
use mlua::prelude::*;
use mlua::{BString, ffi, lua_State};
use syslua_engine::names::Placeholder;
use syslua_engine::platform;
use syslua_engine::tree_choice::{Choice, IGNORE_FILE};

use crate::error::{Answer, register as register_function, register_plain};
use crate::file::at;
use crate::given::choice;
use crate::state::{self, State};
use crate::tree::{Members, members};

/// A file that is a path and a content or a source.
#[derive(Debug, Default)]
pub struct PlainFile {
    /// Where it is to be, as it is written.
    pub target: Vec<u8>,
    /// The content, or where the source is.
    pub text: Vec<u8>,
    /// Whether the text is the content.
    pub is_content: bool,
    /// Stands for the lines that declared it, and its place in the order of declaration.
    pub ticket: usize,
}

/// A tree whose files are declared one by one.
#[derive(Debug)]
struct Tree {
    /// Where it is to be, in the one way to write it.
    place: Vec<u8>,
    /// What is left of it.
    members: Members,
    /// What is not taken of it.
    left_out: Rc<BTreeSet<PathBuf>>,
}

/// The files of a block.
#[derive(Debug, Default)]
pub struct Collection {
    /// The home that `~` stands for, with a slash at its end: as it is given, which is where
    /// sources are, and in the one way to write it, by which places are compared.
    homes: [Vec<u8>; 2],
    files: Vec<PlainFile>,
    trees: Vec<Tree>,
}

/// What has a place that others have too, taken out of a collection.
#[derive(Debug)]
enum Contested {
    File(PlainFile),
    /// A file of a tree.
    Member {
        /// The number of the tree, counted from 1.
        tree: usize,
        /// The path below it.
        below: Vec<u8>,
        /// Where a link ends that leads out of the tree.
        followed: Option<PathBuf>,
    },
}

impl Contested {
    /// Returns it as `helpers/file.lua` makes them. `home` has a slash at its end.
    fn into_table(self, lua: &Lua, home: &[u8]) -> LuaResult<LuaTable> {
        let table = lua.create_table_with_capacity(0, 6)?;
        match self {
            Contested::File(file) => {
                let place = match file.target.strip_prefix(b"~/") {
                    Some(rest) => [home, rest].concat(),
                    None => file.target.clone(),
                };
                table.raw_set("path", lua.create_string(&file.target)?)?;
                table.raw_set("place", lua.create_string(place)?)?;
                table.raw_set(
                    if file.is_content { "content" } else { "source" },
                    lua.create_string(&file.text)?,
                )?;
                table.raw_set("ticket", file.ticket)?;
            }
            Contested::Member { tree, below, followed } => {
                table.raw_set("tree", tree)?;
                table.raw_set("below", lua.create_string(below)?)?;
                let followed = followed
                    .map(|end| lua.create_string(platform::bytes_of_path(&end)))
                    .transpose()?;
                table.raw_set("followed", followed)?;
            }
        }
        Ok(table)
    }
}

impl Collection {
    /// Returns the files, and forgets them.
    pub fn take(&mut self) -> Vec<PlainFile> {
        std::mem::take(&mut self.files)
    }

    /// Returns what is left of the tree of a number, counted from 1, and forgets it.
    pub fn take_members(&mut self, number: usize) -> Option<Members> {
        self.trees.get_mut(number.checked_sub(1)?).map(|tree| std::mem::take(&mut tree.members))
    }

    /// Returns what is not taken of the tree of a number, counted from 1.
    pub fn left_out(&self, number: usize) -> Rc<BTreeSet<PathBuf>> {
        let tree = number.checked_sub(1).and_then(|number| self.trees.get(number));
        tree.map(|tree| Rc::clone(&tree.left_out)).unwrap_or_default()
    }

    /// Returns where a source is: absolute, or relative to the config's directory.
    pub fn source_path(&self, file: &PlainFile) -> Vec<u8> {
        match file.text.strip_prefix(b"~/") {
            Some(rest) => [self.homes[0].as_slice(), rest].concat(),
            None => file.text.clone(),
        }
    }

    /// Returns what is equal for two ways to write one place.
    fn key<'a>(&self, target: Cow<'a, [u8]>) -> (bool, Cow<'a, [u8]>) {
        let home = self.homes[1].as_slice();
        let start = [b"~/".as_slice(), home]
            .into_iter()
            .find(|start| target.starts_with(start))
            .map(<[u8]>::len);
        match (start, target) {
            (Some(start), Cow::Borrowed(target)) => (true, Cow::Borrowed(&target[start..])),
            (Some(start), Cow::Owned(target)) => (true, Cow::Owned(target[start..].to_vec())),
            (None, target) => (false, target),
        }
    }

    /// Returns what is equal for places of files of trees, of all trees in a row.
    fn keys_of_members(&self) -> impl Iterator<Item = (bool, Cow<'_, [u8]>)> {
        let members = |tree: &Tree| {
            tree.members.below.iter().map(|below| join(&tree.place, below)).collect::<Vec<_>>()
        };
        self.trees.iter().flat_map(members).map(|place| self.key(Cow::Owned(place)))
    }

    /// Takes out what has a place that others have too, or, with `takes_all`, everything.
    fn take_contested(&mut self, others: &[Vec<u8>], takes_all: bool) -> Vec<Contested> {
        // The files of one tree are all at different places.
        if !takes_all && others.is_empty() && self.files.is_empty() && self.trees.len() <= 1 {
            return Vec::new();
        }
        let (of_files, of_members) = {
            let files =
                || self.files.iter().map(|file| self.key(Cow::Borrowed(file.target.as_slice())));
            let mut seen: HashMap<(bool, Cow<'_, [u8]>), usize> =
                HashMap::with_capacity(self.files.len() + others.len());
            let others = others.iter().map(|place| self.key(Cow::Borrowed(place.as_slice())));
            let mut count = 0;
            for place in others.chain(files()).chain(self.keys_of_members()) {
                count += 1;
                *seen.entry(place).or_default() += 1;
            }
            // Nearly always all are alone.
            if seen.len() == count && !takes_all {
                return Vec::new();
            }
            let is_contested = |key: (bool, Cow<'_, [u8]>)| {
                takes_all || seen.get(&key).is_some_and(|count| *count > 1)
            };
            let of_files: Vec<bool> = files().map(is_contested).collect();
            (of_files, self.keys_of_members().map(is_contested).collect::<Vec<bool>>())
        };
        let mut of_files = of_files.into_iter();
        let (taken, left) = self.take().into_iter().partition(|_| of_files.next() == Some(true));
        self.files = left;
        let mut taken: Vec<Contested> = taken.into_iter().map(Contested::File).collect();
        let mut of_members = of_members.into_iter();
        for (number, Tree { members: Members { below, followed, .. }, .. }) in
            self.trees.iter_mut().enumerate()
        {
            let (gone, left) =
                std::mem::take(below).into_iter().partition(|_| of_members.next() == Some(true));
            *below = left;
            let member = |below: Vec<u8>| {
                let followed = followed.get(&below).cloned();
                Contested::Member { tree: number + 1, below, followed }
            };
            taken.extend(gone.into_iter().map(member));
        }
        taken
    }
}

/// Returns a path below a place.
pub fn join(place: &[u8], below: &[u8]) -> Vec<u8> {
    if place.ends_with(b"/") { [place, below].concat() } else { [place, b"/", below].concat() }
}

/// Returns whether a target is absolute or below `~`, and has nothing that can be left out:
/// `path.is_plain`.
pub fn is_plain_target(target: &[u8]) -> bool {
    let rest = target.strip_prefix(b"~").unwrap_or(target);
    let Some(inner) = rest.strip_prefix(b"/") else { return false };
    !target.contains(&0)
        && inner
            .split(|byte| *byte == b'/')
            .all(|component| !matches!(component, b"" | b"." | b".."))
}

/// Returns whether a source is a place on this machine that is written in a usual way.
fn is_plain_source(source: &[u8]) -> bool {
    let is_usual = match source {
        [] => false,
        [b'~', b'/', first, ..] => *first != b'/',
        [b'~', ..] => false,
        _ => true,
    };
    is_usual && memmem::find(source, Placeholder::PREFIX.as_bytes()).is_none()
}

/// Reads the table at the top of the stack; nothing unless it is a path and a content or a source,
/// and takes no closer look.
///
/// # Safety
/// The state is that of the Lua thread that runs, with a table at index 1 and room for two values.
unsafe fn read(state: *mut lua_State) -> Option<PlainFile> {
    // SAFETY: only texts are asked for as such, which changes nothing; they live as long as the
    // table.
    unsafe fn text<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
        unsafe {
            if ffi::lua_type(state, index) != ffi::LUA_TSTRING {
                return None;
            }
            let mut length = 0;
            let start = ffi::lua_tolstring(state, index, &raw mut length);
            Some(slice::from_raw_parts(start.cast(), length))
        }
    }
    let (mut target, mut source, mut content) = (None, None, None);
    // SAFETY: the key that each step begins from is the one of the step before.
    unsafe {
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, 1) != 0 {
            let (key, value) = (text(state, -2)?, text(state, -1)?);
            match key {
                b"path" => target = Some(value),
                b"source" => source = Some(value),
                b"content" => content = Some(value),
                _ => return None,
            }
            ffi::lua_pop(state, 1);
        }
    }
    let target = target.filter(|target| is_plain_target(target))?;
    let (text, is_content) = match (source, content) {
        (Some(source), None) if is_plain_source(source) => (source, false),
        (None, Some(content)) => (content, true),
        _ => return None,
    };
    Some(PlainFile { target: target.to_vec(), text: text.to_vec(), is_content, ticket: 0 })
}

/// Collects a declaration of the caller; returns whether it did: whether the declaration is a path
/// and a content or a source.
fn collect(lua: &Lua, (number, given): (usize, LuaValue)) -> Answer<bool> {
    let LuaValue::Table(given) = given else { return Ok(false) };
    let collected = state::change(lua, |state| -> LuaResult<bool> {
        let State { evaluations, position_rules: Some(rules), frames, .. } = state else {
            return Ok(false);
        };
        let Some(evaluation) = evaluations.last_mut() else { return Ok(false) };
        let (mut found, base) = (None, evaluation.bases.last());
        // SAFETY: the table is the only value there is.
        unsafe {
            lua.exec_raw::<()>(given, |state| {
                if let Some(file) = read(state) {
                    found = Some((file, frames.chain(state, rules, base)));
                }
                ffi::lua_settop(state, 0);
            })?;
        }
        let Some((mut file, positions)) = found else { return Ok(false) };
        file.ticket = evaluation.add_ticket(positions);
        let Some(collection) = evaluation.collections.get_mut(number) else { return Ok(false) };
        collection.files.push(file);
        Ok(true)
    });
    Ok(collected.unwrap_or(Ok(false))?)
}

/// Takes what has a place that others have too, or all, out of a collection: the files first, then
/// those of trees.
fn take_contested(
    lua: &Lua,
    (number, others, takes_all): (usize, Option<Vec<LuaString>>, Option<bool>),
) -> Answer<Vec<LuaTable>> {
    let others: Vec<Vec<u8>> =
        others.into_iter().flatten().map(|place| place.as_bytes().to_vec()).collect();
    let taken = state::change(lua, |state| {
        let collection = state.evaluations.last_mut()?.collections.get_mut(number)?;
        Some((
            collection.take_contested(&others, takes_all == Some(true)),
            collection.homes[1].clone(),
        ))
    });
    let (taken, home) = taken.flatten().unwrap_or_default();
    Ok(taken
        .into_iter()
        .map(|contested| contested.into_table(lua, &home))
        .collect::<LuaResult<_>>()?)
}

/// A tree, as the Lua side asks for it.
struct AskedTree {
    /// The number of the collection.
    collection: usize,
    /// Where it is.
    source: PathBuf,
    /// Where its files are to be, in the one way to write that.
    place: Vec<u8>,
    /// The config's directory.
    directory: PathBuf,
    /// What of it is taken.
    choice: Choice,
    /// Stands for the lines that declared it.
    ticket: usize,
    /// Whether the Lua side declares its files itself.
    gives_members: bool,
}

impl AskedTree {
    fn read(given: &LuaTable) -> LuaResult<AskedTree> {
        let bytes = |key: &str| given.raw_get::<BString>(key).map(Vec::from);
        Ok(AskedTree {
            collection: given.raw_get("collection")?,
            source: platform::path_from_bytes(&bytes("source")?),
            place: bytes("place")?,
            directory: platform::path_from_bytes(&bytes("directory")?),
            choice: choice(given)?.unwrap_or_default(),
            ticket: given.raw_get("ticket")?,
            gives_members: given.raw_get::<Option<bool>>("gives_members")? == Some(true),
        })
    }
}

/// Collects what is in a tree. Returns the number of the tree, a list of what is passed by in it
/// since it is not a file, and those of its files that the Lua side declares itself, in the form of
/// [`take_contested`]. Nothing where no directory is, or where no file of it is taken.
///
/// # Errors
/// When a pattern is wrong, a link leads out of the config's directory, or something cannot be
/// read.
fn collect_tree(lua: &Lua, given: &LuaTable) -> Answer<Option<LuaTable>> {
    let asked = AskedTree::read(given)?;
    let ticket = asked.ticket;
    add_tree(lua, asked).map_err(at(lua, ticket))
}

/// Returns whether a tree declares a file of this path below it, if the file is there.
fn tree_takes(given: &LuaTable) -> Answer<bool> {
    let read = || {
        let path = |key: &str| given.raw_get::<BString>(key);
        LuaResult::Ok((path("source")?, path("below")?, choice(given)?))
    };
    let (source, below, choice) = read()?;
    let [top, below] = [source, below].map(|path| platform::path_from_bytes(&path));
    let takes = choice.unwrap_or_default().takes(&platform::canonical(&top), &below);
    Ok(takes?)
}

fn add_tree(lua: &Lua, asked: AskedTree) -> Answer<Option<LuaTable>> {
    let top = platform::canonical(&state::locate(lua, asked.source.clone()));
    if !platform::is_directory(&top) {
        return Ok(None);
    }
    let left = asked.choice.left_out(&top)?;
    let Some(mut members) = members(lua, &asked.source, &asked.directory, &left.paths)? else {
        return Ok(None);
    };
    members.below.retain(|below| below != IGNORE_FILE.as_bytes());
    if members.below.is_empty() {
        return Ok(None);
    }
    let taken = if asked.gives_members { std::mem::take(&mut members.below) } else { Vec::new() };
    let mut followed = members.followed.clone();
    let added = state::change(lua, |state| {
        let evaluation = state.evaluations.last_mut()?;
        let trees = &mut evaluation.collections.get_mut(asked.collection)?.trees;
        trees.push(Tree { place: asked.place, members, left_out: Rc::new(left.paths) });
        Some(trees.len())
    });
    let tree = added.flatten().ok_or_else(crate::file::outside)?;
    let answer = lua.create_table()?;
    answer.raw_set("number", tree)?;
    let passed = left.special.iter();
    let passed = passed.map(|path| lua.create_string(platform::bytes_of_path(path)));
    answer.raw_set("passed", passed.collect::<LuaResult<Vec<_>>>()?)?;
    let taken = taken.into_iter().map(|below| {
        let followed = followed.remove(&below);
        Contested::Member { tree, below, followed }.into_table(lua, b"")
    });
    answer.raw_set("members", taken.collect::<LuaResult<Vec<_>>>()?)?;
    Ok(Some(answer))
}

/// Makes a collection for a block; returns its number.
fn new_collection(lua: &Lua, homes: [LuaString; 2]) -> Answer<usize> {
    let homes = homes.map(|home| {
        let mut home = home.as_bytes().to_vec();
        if !home.ends_with(b"/") {
            home.push(b'/');
        }
        home
    });
    let number = state::change(lua, |state| {
        let collections = &mut state.evaluations.last_mut()?.collections;
        collections.push(Collection { homes, ..Collection::default() });
        Some(collections.len() - 1)
    });
    number.flatten().ok_or_else(crate::file::outside)
}

/// Registers what `file{}` collects with.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(
        lua,
        native,
        "new_collection",
        |lua, (given, usual): (LuaString, LuaString)| new_collection(lua, [given, usual]),
    )?;
    register_plain(lua, native, "collect_file", collect)?;
    register_function(lua, native, "collect_tree", |lua, given: LuaTable| {
        collect_tree(lua, &given)
    })?;
    register_function(lua, native, "tree_takes", |_, given: LuaTable| tree_takes(&given))?;
    register_function(lua, native, "take_contested", take_contested)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_targets_have_nothing_to_leave_out() {
        for plain in ["/a", "~/a", "~/.a/..b/c.", "/a b/c"] {
            assert!(is_plain_target(plain.as_bytes()), "{plain}");
        }
        for other in [
            "", "/", "~", "~/", "a", "~a/b", "/a/", "/a//b", "~/./a", "~/../a", "/a/..", "/a/.",
            "/a\0",
        ] {
            assert!(!is_plain_target(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn places_are_contested_however_they_are_written() {
        let file = |target: &str| PlainFile { target: target.into(), ..PlainFile::default() };
        let tree = |place: &str, below: &[&str]| Tree {
            place: place.into(),
            members: Members {
                below: below.iter().map(|below| below.as_bytes().to_vec()).collect(),
                ..Members::default()
            },
            left_out: Rc::default(),
        };
        let homes = [b"/home/a/".to_vec(), b"/home/a/".to_vec()];
        let targets = ["~/x", "/home/a/x", "~/y", "/etc/y", "~/z", "/home/b/x", "~/t/1"];
        let mut collection = Collection {
            homes,
            files: targets.map(file).into(),
            trees: vec![
                tree("/home/a/t", &["1", "2", "u/3"]),
                tree("/home/a/t/u", &["3", "4"]),
                tree("/", &["etc/w"]),
            ],
        };
        let taken =
            collection.take_contested(&[b"/home/a/z".to_vec(), b"/home/a/other".to_vec()], false);
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let names: Vec<String> = taken
            .iter()
            .map(|contested| match contested {
                Contested::File(file) => name(&file.target),
                Contested::Member { tree, below, .. } => format!("{tree}: {}", name(below)),
            })
            .collect();
        assert_eq!(names, ["~/x", "/home/a/x", "~/z", "~/t/1", "1: 1", "1: u/3", "2: 3"]);
        let left: Vec<String> = collection.files.iter().map(|file| name(&file.target)).collect();
        assert_eq!(left, ["~/y", "/etc/y", "/home/b/x"]);
        let left: Vec<usize> =
            collection.trees.iter().map(|tree| tree.members.below.len()).collect();
        assert_eq!(left, [1, 1, 1]);
        assert!(collection.take_contested(&[], false).is_empty());
        assert_eq!(collection.take_contested(&[], true).len(), 6);
        assert_eq!(collection.take_members(3).unwrap().below.len(), 0);
        assert!(collection.take_members(4).is_none());
    }
}
