//! `bindings.list`, `hold`, `info`, `verify`, `repair`, `diff_derivations` and `check`.

use std::path::Path;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::api::{Engine, Rebuild};
use syslua_engine::failure::FailureKind;
use syslua_engine::names::{ObjectName, SnapshotId};
use syslua_engine::platform;
use syslua_engine::store::Access;
use syslua_engine::value::Text;

use crate::apply::report;
use crate::derive::derivation_of;
use crate::error::{Answer, OrFail};
use crate::manifests::manifest_of;
use crate::options::Options;
use crate::register::{register as register_function, register_outside, register_verb};
use crate::task::LuaTasks;
use crate::{pins, state};

fn engine(lua: &Lua, options: Option<&LuaTable>, access: Access) -> Answer<(Engine, Options)> {
    let options = Options::read(lua, options)?;
    Ok((options.engine(access)?, options))
}

/// Builds altered objects of a snapshot again: see the engine's `build_altered`.
fn build_altered(
    lua: &Lua,
    id: u64,
    manifest: &LuaValue,
    options: Option<&LuaTable>,
) -> Answer<LuaValue> {
    let mut options = Options::read(lua, options)?;
    let manifest = manifest_of(lua, manifest)?;
    let config = manifest.config_path.as_deref();
    options.settings.pins = Arc::new(pins::pins_of(lua, config).kept());
    let engine = options.engine(Access::Work)?;
    report(lua, &engine.build_altered(SnapshotId(id), &manifest, &mut LuaTasks::new(lua))?)
}

fn repair(lua: &Lua, manifest: &LuaValue, options: Option<&LuaTable>) -> Answer<LuaValue> {
    let mut options = Options::read(lua, options)?;
    let manifest = if manifest.is_nil() { None } else { Some(manifest_of(lua, manifest)?) };
    let config = manifest.as_ref().and_then(|manifest| manifest.config_path.as_deref());
    // What is repaired is as it was: nothing is pinned anew for it.
    options.settings.pins = Arc::new(pins::pins_of(lua, config).kept());
    let engine = options.engine(Access::Work)?;
    let rebuild = Rebuild { manifest: manifest.as_deref(), tasks: &mut LuaTasks::new(lua) };
    let repaired = engine.repair(rebuild)?;
    report(lua, &repaired)
}

/// Returns a report in which bytes that are not UTF-8 are strings of Lua, as in all others.
fn with_bytes(lua: &Lua, value: LuaValue) -> LuaResult<LuaValue> {
    let LuaValue::Table(table) = &value else { return Ok(value) };
    if table.contains_key("$bytes")? {
        let text: Text = lua.from_value(value.clone())?;
        return Ok(LuaValue::String(lua.create_string(text.0)?));
    }
    let pairs: Vec<(LuaValue, LuaValue)> = table.pairs().collect::<LuaResult<_>>()?;
    for (key, item) in pairs.into_iter().filter(|(_, item)| item.is_table()) {
        table.raw_set(key, with_bytes(lua, item)?)?;
    }
    Ok(value)
}

/// Restores the config of a snapshot: its entry file, and where texts and sources are now by the
/// paths that they had.
fn restore_config(lua: &Lua, id: u64, options: Option<&LuaTable>) -> Answer<Option<LuaTable>> {
    let restored = engine(lua, options, Access::Work)?.0.restore_config(SnapshotId(id))?;
    let Some(restored) = restored else { return Ok(None) };
    let text = |path: &Path| lua.create_string(platform::bytes_of_path(path));
    let table = lua.create_table()?;
    let places = lua.create_table()?;
    for (path, place) in &restored.places {
        places.raw_set(text(path)?, text(place)?)?;
    }
    table.raw_set("entry", text(&restored.entry)?)?;
    table.raw_set("places", places)?;
    Ok(Some(table))
}

fn check(lua: &Lua, wanted: &LuaValue, options: Option<&LuaTable>) -> Answer<LuaValue> {
    let (mut options, table) = (Options::read(lua, options)?, options);
    options.settings.pins = pins::pins_of_options(lua, table)?;
    let engine = options.engine(Access::Work)?;
    let derivation = derivation_of(lua, wanted)?;
    let known = state::closure(lua, [derivation.hash]);
    let checked = engine.check(&known, &derivation, &mut LuaTasks::new(lua))?;
    report(lua, &checked)
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_outside(lua, native, "list", |lua, options: Option<LuaTable>| {
        let listed = engine(lua, options.as_ref(), Access::Look)?.0.list()?;
        report(lua, &listed)
    })?;
    register_outside(lua, native, "actions", |lua, options: Option<LuaTable>| {
        let actions = engine(lua, options.as_ref(), Access::Look)?.0.actions()?;
        Ok(with_bytes(lua, report(lua, &actions)?)?)
    })?;
    register_outside(
        lua,
        native,
        "environment",
        |lua, (user, options): (Option<String>, Option<LuaTable>)| {
            let engine = engine(lua, options.as_ref(), Access::Look)?.0;
            report(lua, &engine.environment(user.as_deref())?)
        },
    )?;
    register_outside(lua, native, "hold", |lua, (object, options): (String, Option<LuaTable>)| {
        let name = ObjectName::parse(&object).or_fail(FailureKind::Usage)?;
        let held = engine(lua, options.as_ref(), Access::Look)?.0.usage(&name)?;
        report(lua, &held)
    })?;
    register_outside(lua, native, "info", |lua, options: Option<LuaTable>| {
        let info = engine(lua, options.as_ref(), Access::Look)?.0.info()?;
        report(lua, &info)
    })?;
    register_verb(lua, native, "verify", |lua, options: Option<LuaTable>| {
        let found = engine(lua, options.as_ref(), Access::Look)?.0.verify()?;
        report(lua, &found)
    })?;
    register_verb(
        lua,
        native,
        "repair",
        |lua, (manifest, options): (LuaValue, Option<LuaTable>)| {
            repair(lua, &manifest, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "build_altered",
        |lua, (id, manifest, options): (u64, LuaValue, Option<LuaTable>)| {
            build_altered(lua, id, &manifest, options.as_ref())
        },
    )?;
    register_function(lua, native, "check_owner", |lua, options: Option<LuaTable>| {
        engine(lua, options.as_ref(), Access::Work).map(|_| true)
    })?;
    register_outside(
        lua,
        native,
        "restore_config",
        |lua, (id, options): (u64, Option<LuaTable>)| restore_config(lua, id, options.as_ref()),
    )?;
    register_outside(
        lua,
        native,
        "remove_restored_config",
        |lua, (id, options): (u64, Option<LuaTable>)| {
            let engine = engine(lua, options.as_ref(), Access::Work)?.0;
            Ok(engine.remove_restored_config(SnapshotId(id)).map(|()| true)?)
        },
    )?;
    register_outside(
        lua,
        native,
        "diff_derivations",
        |lua, (first, second, options): (String, String, Option<LuaTable>)| {
            let engine = engine(lua, options.as_ref(), Access::Look)?.0;
            let differences = engine.diff_derivations(&first, &second)?;
            report(lua, &differences)
        },
    )?;
    register_verb(lua, native, "check", |lua, (wanted, options): (LuaValue, Option<LuaTable>)| {
        check(lua, &wanted, options.as_ref())
    })
}
