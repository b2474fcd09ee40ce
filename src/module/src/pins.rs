//! `bindings.refresh_pins`, `prune_pins` and `check_pins`; the pins of configs that were evaluated.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::derivation::Derivation;
use syslua_engine::pins::{Pin, PinChange, Pins, Rule, parts_of};
use syslua_engine::realize;
use syslua_engine::store::Access;

use crate::error::Answer;
use crate::locks::config_path;
use crate::manifests::manifest_of;
use crate::options::{Options, flag};
use crate::register::register_verb;
use crate::state;

/// Returns the pins of a config that was evaluated; without one nothing is pinned.
pub fn pins_of(lua: &Lua, config: Option<&Path>) -> Arc<Pins> {
    let find = |path: &Path| {
        state::read(lua, |state| {
            state.pending_locks.get(path).map(|pending| Arc::clone(&pending.pins))
        })
    };
    config.and_then(find).unwrap_or_default()
}

/// Returns the pins of a config that was evaluated, to which nothing is added if the options say
/// `locked`, even if the evaluation did not.
///
/// # Errors
/// When the option is another value than a boolean.
pub fn pins_for(lua: &Lua, config: Option<&Path>, options: Option<&LuaTable>) -> Answer<Arc<Pins>> {
    let pins = pins_of(lua, config);
    let is_open = pins.rule() == Rule::Adds;
    Ok(if is_open && flag(options, "locked")? { Arc::new(pins.locked()) } else { pins })
}

/// Returns the pins of the config that a table of options names.
///
/// # Errors
/// When it names none that could be one.
pub fn pins_of_options(lua: &Lua, options: Option<&LuaTable>) -> Answer<Arc<Pins>> {
    let config = options.map(|options| options.raw_get::<Option<LuaString>>("config"));
    let config = config.transpose()?.flatten();
    let config = config.map(|config| config_path(&config)).transpose()?;
    pins_for(lua, config.as_deref(), options)
}

/// Returns a pin as a table, as entries of inputs are.
///
/// # Errors
/// When Lua has no memory left.
pub fn pin_table(lua: &Lua, key: &str, pin: &Pin) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let parts = parts_of(key);
    table.raw_set("type", if parts.is_some() { "git" } else { "url" })?;
    table.raw_set("url", key)?;
    table.raw_set("ref", parts.map(|(_, reference, _)| reference))?;
    table.raw_set("rev", pin.rev.as_deref())?;
    table.raw_set("sha256", pin.sha256.to_hex())?;
    table.raw_set("last_modified", pin.last_modified)?;
    table.raw_set("platforms", pin.platforms.iter().cloned().collect::<Vec<_>>())?;
    Ok(table)
}

/// Returns changes of pins as a list of `{ name, section, old?, new? }`.
///
/// # Errors
/// When Lua has no memory left.
pub fn pin_changes(lua: &Lua, changes: &[PinChange]) -> LuaResult<Vec<LuaTable>> {
    let table = |change: &PinChange| {
        let table = lua.create_table()?;
        let pin = |pin: &Option<Pin>| {
            pin.as_ref().map(|pin| pin_table(lua, &change.key, pin)).transpose()
        };
        table.raw_set("name", change.key.as_str())?;
        table.raw_set("section", "fetches")?;
        table.raw_set("old", pin(&change.old)?)?;
        table.raw_set("new", pin(&change.new)?)?;
        Ok(table)
    };
    changes.iter().map(table).collect()
}

/// Notes changes of pins, to be written with the lock of a config.
fn note_moved(lua: &Lua, config: &Path, moved: Vec<PinChange>) {
    state::change(lua, |state| {
        if let Some(pending) = state.pending_locks.get_mut(config) {
            Rc::make_mut(pending).moved = moved;
        }
    });
}

/// Fetches what pins of a config that was evaluated stand for now, and notes which of them moved.
fn refresh(
    lua: &Lua,
    config: &Path,
    keys: Vec<String>,
    options: Option<&LuaTable>,
) -> Answer<bool> {
    let mut given = Options::read(lua, options)?;
    given.settings.pins = pins_of(lua, Some(config));
    let refreshed = realize::refresh_pins(&given.settings, keys)?;
    note_moved(lua, config, refreshed.changes);
    state::change(lua, |state| {
        if let Some(pending) = state.pending_locks.get_mut(config) {
            Rc::make_mut(pending).failures.extend(refreshed.failures);
        }
    });
    Ok(true)
}

/// Notes which pins of a config that was evaluated no build uses any more. Inputs stay as they are
/// locked.
fn prune(
    lua: &Lua,
    config: &Path,
    manifest: &LuaValue,
    options: Option<&LuaTable>,
) -> Answer<bool> {
    let mut given = Options::read(lua, options)?;
    given.settings.pins = Arc::new(pins_of(lua, Some(config)).kept());
    let manifest = manifest_of(lua, manifest)?;
    let locked = state::change(lua, |state| {
        let pending = Rc::make_mut(state.pending_locks.get_mut(config)?);
        pending.changes.clear();
        Some(pending.file.lock.fetches.clone())
    });
    let locked = locked.flatten().unwrap_or_default();
    let moved = given.engine(Access::Look)?.prune_pins(&manifest, &locked)?;
    note_moved(lua, config, moved);
    Ok(true)
}

/// Notes which pins the lock of a config that was evaluated lacks, as records tell. Returns the
/// derivations whose pins are unknown: a list of `{ name, position? }`.
fn check(
    lua: &Lua,
    config: &Path,
    manifest: &LuaValue,
    options: Option<&LuaTable>,
) -> Answer<Vec<LuaTable>> {
    let mut given = Options::read(lua, options)?;
    given.settings.pins = Arc::new(pins_of(lua, Some(config)).kept());
    let manifest = manifest_of(lua, manifest)?;
    let missing = given.engine(Access::Look)?.missing_pins(&manifest)?;
    note_moved(lua, config, missing.changes);
    let table = |derivation: &Arc<Derivation>| {
        let table = lua.create_table()?;
        table.raw_set("name", derivation.title())?;
        table.raw_set("position", derivation.positions.first().map(String::as_str))?;
        Ok(table)
    };
    Ok(missing.unknown.iter().map(table).collect::<LuaResult<_>>()?)
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_verb(
        lua,
        native,
        "refresh_pins",
        |lua, (config, keys, options): (LuaString, Vec<String>, Option<LuaTable>)| {
            refresh(lua, &config_path(&config)?, keys, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "prune_pins",
        |lua, (config, manifest, options): (LuaString, LuaValue, Option<LuaTable>)| {
            prune(lua, &config_path(&config)?, &manifest, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "check_pins",
        |lua, (config, manifest, options): (LuaString, LuaValue, Option<LuaTable>)| {
            check(lua, &config_path(&config)?, &manifest, options.as_ref())
        },
    )
}
