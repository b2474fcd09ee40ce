//! What most `file{}` of a block say: a path, and a content or a source, both texts. Configs have thousands, so these are
//! collected straight from the tables that they are given as; all others are collected by `lua/syslua/helpers/file.lua`, which also
//! decides which of several for one place count.

use std::collections::{HashMap, HashSet};
use std::ffi::c_int;
use std::slice;

use memchr::memmem;
use mlua::ffi;
use mlua::lua_State;
use mlua::prelude::*;
use syslua_engine::names::Placeholder;
use syslua_engine::value::Positions;

use crate::error::{Answer, lua_failure, register as register_function, register_plain};
use crate::state::{self, State};

/// The frames of our own between the user's line and [`collect`], at least: what calls us for Lua, it, and one of
/// `helpers/file.lua`.
const FRAMES: c_int = 2;

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

/// The files of a block.
#[derive(Debug, Default)]
pub struct Collection {
    /// The home that `~` stands for, with a slash at its end: as it is given, which is where sources are, and in the one way to
    /// write it, by which places are compared.
    homes: [Vec<u8>; 2],
    files: Vec<PlainFile>,
}

impl Collection {
    /// Returns the files, and forgets them.
    pub fn take(&mut self) -> Vec<PlainFile> {
        std::mem::take(&mut self.files)
    }

    /// Returns where a source is: absolute, or relative to the config's directory.
    pub fn source_path(&self, file: &PlainFile) -> Vec<u8> {
        match file.text.strip_prefix(b"~/") {
            Some(rest) => [self.homes[0].as_slice(), rest].concat(),
            None => file.text.clone(),
        }
    }

    /// Returns what is equal for two ways to write one place.
    fn key<'a>(&'a self, target: &'a [u8]) -> (bool, &'a [u8]) {
        match target.strip_prefix(b"~/").or_else(|| target.strip_prefix(self.homes[1].as_slice())) {
            Some(rest) => (true, rest),
            None => (false, target),
        }
    }

    fn place(&self, target: &[u8]) -> Vec<u8> {
        match target.strip_prefix(b"~/") {
            Some(rest) => [self.homes[1].as_slice(), rest].concat(),
            None => target.to_vec(),
        }
    }

    /// Takes the files out whose places others have too.
    fn take_contested(&mut self, others: &[Vec<u8>]) -> Vec<PlainFile> {
        let mut seen = HashMap::with_capacity(self.files.len() + others.len());
        let places = others.iter().map(Vec::as_slice).chain(self.files.iter().map(|file| file.target.as_slice()));
        places.for_each(|place| *seen.entry(self.key(place)).or_insert(0_usize) += 1);
        // Nearly always all are alone.
        if seen.len() == self.files.len() + others.len() {
            return Vec::new();
        }
        let is_contested = |file: &PlainFile| seen.get(&self.key(&file.target)).is_some_and(|count| *count > 1);
        let contested: HashSet<usize> =
            (0..self.files.len()).filter(|number| is_contested(&self.files[*number])).collect();
        let (taken, left): (Vec<_>, Vec<_>) =
            self.take().into_iter().enumerate().partition(|(number, _)| contested.contains(number));
        self.files = left.into_iter().map(|(_, file)| file).collect();
        taken.into_iter().map(|(_, file)| file).collect()
    }
}

/// Returns whether a target is absolute or below `~`, and has nothing that can be left out: `path.is_plain`.
pub fn is_plain_target(target: &[u8]) -> bool {
    let rest = target.strip_prefix(b"~").unwrap_or(target);
    let Some(inner) = rest.strip_prefix(b"/") else { return false };
    !target.contains(&0) && inner.split(|byte| *byte == b'/').all(|component| !matches!(component, b"" | b"." | b".."))
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

/// Reads the table at the top of the stack; nothing unless it is a path and a content or a source, and takes no closer look.
///
/// # Safety
/// The state is that of the Lua thread that runs, with a table at index 1 and room for two values.
unsafe fn read(state: *mut lua_State) -> Option<PlainFile> {
    // SAFETY: only texts are asked for as such, which changes nothing; they live as long as the table.
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

/// Collects a declaration of the caller, with its chain of positions where the call stack alone does not tell that; returns whether
/// it did: whether the declaration is a path and a content or a source, and the user has a line on the call stack.
fn collect(lua: &Lua, (number, given, chain): (usize, LuaValue, Option<Vec<String>>)) -> Answer<bool> {
    let LuaValue::Table(given) = given else { return Ok(false) };
    let collected = state::change(lua, |state| {
        let State { evaluations, position_rules: Some(rules), frames, .. } = state else { return Ok(false) };
        let Some(evaluation) = evaluations.last_mut() else { return Ok(false) };
        let (mut found, mut chain) = (None, chain.map(Positions::from));
        // SAFETY: the table is the only value there is.
        unsafe {
            lua.exec_raw::<()>(given, |state| {
                if let Some(file) = read(state) {
                    let positions = chain.take().or_else(|| frames.chain(state, FRAMES, rules));
                    found = positions.map(|positions| (file, positions));
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
    collected.unwrap_or(Ok(false)).map_err(lua_failure)
}

/// Takes the files whose places others have too, or all, out of a collection: tables as `helpers/file.lua` makes them.
fn take_contested(
    lua: &Lua,
    (number, others, takes_all): (usize, Option<Vec<LuaString>>, Option<bool>),
) -> Answer<Vec<LuaTable>> {
    let others: Vec<Vec<u8>> = others.into_iter().flatten().map(|place| place.as_bytes().to_vec()).collect();
    let taken = state::change(lua, |state| {
        let collection = state.evaluations.last_mut()?.collections.get_mut(number)?;
        let taken = if takes_all == Some(true) { collection.take() } else { collection.take_contested(&others) };
        Some(taken.into_iter().map(|file| (collection.place(&file.target), file)).collect::<Vec<_>>())
    });
    let table = |(place, file): (Vec<u8>, PlainFile)| {
        let table = lua.create_table_with_capacity(0, 6)?;
        table.raw_set("path", lua.create_string(&file.target)?)?;
        table.raw_set("place", lua.create_string(&place)?)?;
        table.raw_set(if file.is_content { "content" } else { "source" }, lua.create_string(&file.text)?)?;
        table.raw_set("ticket", file.ticket)?;
        Ok(table)
    };
    taken.flatten().into_iter().flatten().map(table).collect::<LuaResult<_>>().map_err(lua_failure)
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
        collections.push(Collection { homes, files: Vec::new() });
        Some(collections.len() - 1)
    });
    number.flatten().ok_or_else(crate::file::outside)
}

/// Registers what `file{}` collects with.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "new_collection", |lua, (given, usual): (LuaString, LuaString)| {
        new_collection(lua, [given, usual])
    })?;
    register_plain(lua, native, "collect_file", collect)?;
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
        for other in ["", "/", "~", "~/", "a", "~a/b", "/a/", "/a//b", "~/./a", "~/../a", "/a/..", "/a/.", "/a\0"] {
            assert!(!is_plain_target(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn places_are_contested_however_they_are_written() {
        let file = |target: &str| PlainFile { target: target.into(), ..PlainFile::default() };
        let homes = [b"/home/a/".to_vec(), b"/home/a/".to_vec()];
        let targets = ["~/x", "/home/a/x", "~/y", "/etc/y", "~/z", "/home/b/x"];
        let mut collection = Collection { homes, files: targets.map(file).into() };
        let taken = collection.take_contested(&[b"/home/a/z".to_vec(), b"/home/a/other".to_vec()]);
        let names = |files: &[PlainFile]| -> Vec<String> {
            files.iter().map(|file| String::from_utf8_lossy(&file.target).into_owned()).collect()
        };
        assert_eq!(names(&taken), ["~/x", "/home/a/x", "~/z"]);
        assert_eq!(names(&collection.files), ["~/y", "/etc/y", "/home/b/x"]);
        assert!(collection.take_contested(&[]).is_empty());
    }
}
