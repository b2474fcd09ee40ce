//! What most `file{}` of a block say: a path, and a content or a source, both texts. Configs have
//! thousands, so these are collected straight from the tables that they are given as, and what is
//! in trees from the disk; all others are collected by `lua/syslua/helpers/file.lua`, which also
//! decides which of several for one place count.

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

use crate::collection::{Collection, Contested, PlainFile, Tree, is_plain_target};
use crate::error::Answer;
use crate::given::choice;
use crate::records::at;
use crate::register::{register as register_function, register_plain};
use crate::state::{self, State};
use crate::tree::members;

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
    let tree = added.flatten().ok_or_else(crate::records::outside)?;
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
    number.flatten().ok_or_else(crate::records::outside)
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
