//! Manifests, and the tables that stand for them in Lua.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::activation::DeclaredAction;
use syslua_engine::derivation::{Derivation, FileContent, Recipe};
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::manifest::Manifest;
use syslua_engine::settings::System;
use syslua_engine::value::Text;
use syslua_engine::{environment, platform};

use crate::error::{Answer, Error, OrFail};
use crate::state::{self};
use crate::values::convert::{FieldPath, to_value};

/// The field by which a table stands for a manifest that stays with the engine.
pub const RAW: &str = "raw_manifest";

/// Refuses an environment with which shells or programs would fail. `places` are the home and the
/// root of this machine.
pub fn check_environment(
    manifest: &Manifest,
    system: &System,
    places: Option<&(PathBuf, PathBuf)>,
) -> Answer<()> {
    let is_here = system.os == System::current().os;
    let places = places.filter(|_| is_here).map(|(home, root)| (home.as_path(), root.as_path()));
    let target = environment::Target { os: &system.os, places };
    check_activations(manifest.actions(), target)
}

/// Does the same for declarations of one target.
///
/// # Errors
/// What is refused, and where it was declared.
pub fn check_activations<'a>(
    activations: impl IntoIterator<Item = &'a DeclaredAction>,
    target: environment::Target<'_>,
) -> Answer<()> {
    environment::check(activations, target).map_err(|refusal| {
        let failure =
            Error::new(FailureKind::Config, refusal.message).at(refusal.positions.first().cloned());
        match refusal.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// Adds what was declared before the evaluation began, before what needs it.
pub fn with_dependencies(lua: &Lua, declared: Vec<Arc<Derivation>>) -> Vec<Arc<Derivation>> {
    let mut seen: HashSet<Hash> = HashSet::new();
    let mut all = Vec::with_capacity(declared.len());
    for derivation in declared {
        if derivation.dependencies.iter().any(|dependency| !seen.contains(dependency)) {
            let needed = state::closure(lua, [derivation.hash]);
            all.extend(needed.into_iter().filter(|needed| seen.insert(needed.hash)));
        } else if seen.insert(derivation.hash) {
            all.push(derivation);
        }
    }
    all
}

/// Returns the manifest that a value of Lua is.
///
/// # Errors
/// When it is not one.
pub fn manifest_of(lua: &Lua, value: &LuaValue) -> Answer<Arc<Manifest>> {
    if let LuaValue::Table(table) = value {
        let Some(number) = table.raw_get::<Option<usize>>(RAW)? else {
            return manifest_from_table(lua, table).map(Arc::new);
        };
        if let Some(manifest) =
            state::read(lua, |state| state.manifests.get(number.wrapping_sub(1)).cloned())
        {
            return Ok(manifest);
        }
    }
    Err(Error::new(
        FailureKind::Config,
        format!("expected a manifest, got a {}", value.type_name()),
    )
    .with_hint("syslua.evaluate(\"init.lua\") returns one"))
}

/// Reads a manifest back from the table that `evaluate` gave. Its derivations are found by hash.
fn manifest_from_table(lua: &Lua, table: &LuaTable) -> Answer<Manifest> {
    let field = |key: &str| table.raw_get::<Option<LuaTable>>(key);
    let (Some(derivations), Some(activations)) = (field("derivations")?, field("activations")?)
    else {
        return Err(Error::new(
            FailureKind::Config,
            "this table is not a manifest: it has no `derivations` and `activations`",
        )
        .with_hint("syslua.evaluate(\"init.lua\") returns one"));
    };
    let mut declared = Vec::new();
    for derivation in derivations.sequence_values::<LuaTable>() {
        let hash: LuaValue = derivation.and_then(|derivation| derivation.raw_get("hash"))?;
        declared.push(crate::derive::derivation_of(lua, &hash)?);
    }
    let value = to_value(lua, &LuaValue::Table(activations), &FieldPath::top("activations"))?;
    let json = match value.to_json() {
        serde_json::Value::Object(empty) if empty.is_empty() => serde_json::json!([]),
        json => json,
    };
    let activations: Vec<Arc<DeclaredAction>> = serde_json::from_value(unescape(json))
        .or_fail_with(FailureKind::Config, "`activations` was changed after syslua.evaluate")?;
    let config_path: Option<PathBuf> = table
        .raw_get::<Option<LuaString>>("config_path")?
        .map(|path| platform::path_from_bytes(&path.as_bytes()));
    let manifest = Manifest {
        derivations: with_dependencies(lua, declared),
        activations,
        config_path,
        ..Manifest::default()
    };
    check_environment(&manifest, &System::current(), None)?;
    Ok(manifest)
}

/// Returns what tests of configs need to know of a manifest's derivations besides their JSON: the
/// placeholders of outputs, and of files their content or where their source is.
pub fn details(lua: &Lua, manifest: &Manifest) -> LuaResult<Vec<LuaTable>> {
    let detail = |derivation: &Arc<Derivation>| {
        let table = lua.create_table()?;
        let paths = lua.create_table()?;
        for output in &derivation.spec.outputs {
            paths.raw_set(output.as_str(), derivation.placeholder(output).to_string())?;
        }
        table.raw_set("paths", paths)?;
        if let Recipe::File(file) = &derivation.spec.recipe {
            table.raw_set("executable", file.executable)?;
            match &file.content {
                FileContent::Text(text) => table.raw_set("content", lua.create_string(text)?)?,
                FileContent::Source(source) => {
                    table.raw_set(
                        "source",
                        lua.create_string(platform::bytes_of_path(&source.path))?,
                    )?;
                }
                FileContent::Named(name, text) => {
                    table.raw_set("below", name.as_str())?;
                    table.raw_set("content", lua.create_string(text)?)?;
                }
                FileContent::Built(_) => {}
            }
        }
        Ok(table)
    };
    manifest.derivations.iter().map(detail).collect()
}

/// Returns a manifest's JSON as a table in which texts that are not UTF-8 are strings too.
pub fn with_bytes(lua: &Lua, json: &serde_json::Value) -> LuaResult<LuaValue> {
    use serde::Deserialize;
    use serde_json::Value as Json;
    match json {
        Json::Null => Ok(LuaValue::Nil),
        Json::Array(items) => {
            let items = items.iter().map(|item| with_bytes(lua, item));
            Ok(LuaValue::Table(lua.create_sequence_from(items.collect::<LuaResult<Vec<_>>>()?)?))
        }
        Json::Object(map) => {
            if map.len() == 1 && map.contains_key("$bytes") {
                let text = Text::deserialize(json).map_err(LuaError::external)?;
                return Ok(LuaValue::String(lua.create_string(&text.0)?));
            }
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), with_bytes(lua, item)?)?;
            }
            Ok(LuaValue::Table(table))
        }
        other => lua.to_value(other),
    }
}

/// `{"$bytes": ...}` came out of JSON and was escaped as if it were a key of the user.
fn unescape(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Array(items) => items.into_iter().map(unescape).collect(),
        Json::Object(map) => {
            let entry = |(key, value): (String, Json)| {
                (
                    key.strip_prefix("$$").map(|key| format!("${key}")).unwrap_or(key),
                    unescape(value),
                )
            };
            Json::Object(map.into_iter().map(entry).collect())
        }
        other => other,
    }
}
