//! `bindings.look`, `take_over`, `take_into` and `rewrite`: what `adopt` sees of files and does to
//! them.

use mlua::prelude::*;
use syslua_engine::api::Taken;
use syslua_engine::failure::{FailureKind, chain};
use syslua_engine::platform::{self, FileKind};
use syslua_engine::store::Access;
use syslua_engine::value::Text;

use crate::error::{Answer, Error};
use crate::options::Options;
use crate::register::{register as register_function, register_outside, register_verb};

fn path_of(text: &LuaString) -> std::path::PathBuf {
    platform::path_from_bytes(&text.as_bytes())
}

/// Returns the file at an absolute path, or `nil`: its kind and mode, its owner's number, the
/// target of a link, the path with the links above it resolved, and with all.
fn observe(lua: &Lua, path: &LuaString) -> Answer<Option<LuaTable>> {
    let path = path_of(path);
    let parent = platform::canonical(path.parent().unwrap_or(&path));
    let place = path.file_name().map_or_else(|| parent.clone(), |name| parent.join(name));
    let failed = |error: platform::Error| Error::new(FailureKind::Io, chain(&error));
    let Some(seen) = platform::observe(&place).map_err(failed)? else { return Ok(None) };
    let text = |path: &std::path::Path| lua.create_string(platform::bytes_of_path(path));
    let kind = match seen.kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Special => "special",
    };
    let table = lua.create_table()?;
    table.raw_set("kind", kind)?;
    table.raw_set("mode", format!("{:03o}", seen.mode))?;
    table.raw_set("owner", seen.owner)?;
    table.raw_set("place", text(&place)?)?;
    if let Ok(real) = platform::end_of(&place) {
        table.raw_set("real", text(&real)?)?;
    }
    if let Ok(target) = platform::read_link(&place) {
        table.raw_set("target", text(&target)?)?;
    }
    Ok(Some(table))
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "look", |lua, path: LuaString| observe(lua, &path))?;
    register_verb(
        lua,
        native,
        "check_targets",
        |lua, (targets, table): (Vec<LuaString>, Option<LuaTable>)| {
            let options = Options::read(lua, table.as_ref())?;
            let targets = targets.iter().map(|target| Text(target.as_bytes().to_vec())).collect();
            Ok(options.engine(Access::Look)?.check_targets(targets).map(|()| true)?)
        },
    )?;
    register_verb(
        lua,
        native,
        "take_over",
        |lua, (from, to, table): (LuaString, LuaString, Option<LuaTable>)| {
            let options = Options::read(lua, table.as_ref())?;
            let taken = options.engine(Access::Look)?.take_over(&path_of(&from), &path_of(&to));
            Ok(match taken? {
                Taken::Made => "made",
                Taken::There => "there",
                Taken::Occupied => "occupied",
            })
        },
    )?;
    register_verb(
        lua,
        native,
        "take_into",
        |lua, (from, source, table): (LuaString, LuaString, Option<LuaTable>)| {
            let options = Options::read(lua, table.as_ref())?;
            let engine = options.engine(Access::Work)?;
            let kept = engine.take_into(&path_of(&from), &path_of(&source));
            let kept = kept?;
            Ok(kept.map(|kept| lua.create_string(platform::bytes_of_path(&kept))).transpose()?)
        },
    )?;
    register_outside(lua, native, "rewrite", |lua, (path, text): (LuaString, LuaString)| {
        let options = Options::read(lua, None)?;
        let written = options.engine(Access::Look)?.rewrite(&path_of(&path), &text.as_bytes());
        Ok(written.map(|()| true)?)
    })
}
